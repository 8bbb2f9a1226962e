/* YAML by tables: what is loaded, where it stands, and every mistake with its line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

#include "config/yaml.h"
#include "config/yaml_nodes.h"

typedef struct part {
    mtnt__yaml_place at;
    mtnt__yaml_text name, text;
    mtnt__yaml_int number;
    mtnt__yaml_bool flag;
    mtnt__yaml_texts words;
} part;

typedef struct box {
    mtnt__yaml_place at;
    mtnt__yaml_text title, nothing;
    MTNT__YAML_LIST(part) parts;
    part *lid;
} box;

static const cyaml_schema_field_t part_table[] = {
    MTNT__YAML_TEXT_FIELD("name", MTNT__YAML_REQUIRED, part, name, 1),
    MTNT__YAML_TEXT_FIELD("text", MTNT__YAML_OPTIONAL, part, text, 0),
    MTNT__YAML_INT_FIELD("number", MTNT__YAML_OPTIONAL, part, number),
    MTNT__YAML_BOOL_FIELD("flag", MTNT__YAML_OPTIONAL, part, flag),
    MTNT__YAML_TEXTS_FIELD("words", MTNT__YAML_OPTIONAL, part, words, 1),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t part_schema = MTNT__YAML_ENTRY(part, part_table);
static const cyaml_schema_field_t box_table[] = {
    MTNT__YAML_TEXT_FIELD("title", MTNT__YAML_OPTIONAL, box, title, 1),
    MTNT__YAML_TEXT_FIELD("nothing", MTNT__YAML_OPTIONAL | MTNT__YAML_NULLABLE, box, nothing, 0),
    MTNT__YAML_LIST_FIELD("parts", MTNT__YAML_OPTIONAL, box, parts, sizeof(part), &part_schema, 0),
    MTNT__YAML_MAPPING_FIELD("lid", MTNT__YAML_OPTIONAL, box, lid, part, part_table),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t box_schema = MTNT__YAML_TOP(box, box_table);
static const char *const later[] = {"wheels", NULL};
static const mtnt__yaml_kind kinds[] = {{box_table, NULL, NULL, later}, {part_table, "part", "name", NULL}, {0}};
static const mtnt__yaml_format format = {"box file", &box_schema, kinds};

static box *loaded(const char *text)
{
    mtnt_error err = MTNT_ERROR_INIT;
    void *data = NULL;

    if (mtnt__yaml_load(&format, "box.yaml", text, strlen(text), &data, &err))
        fail_msg("%u:%u: %s", err.line, err.column, err.message);
    return data;
}

static void assert_refused(const char *text, uint32_t line, uint32_t column, const char *message)
{
    mtnt_error err = MTNT_ERROR_INIT;
    void *data = NULL;

    assert_int_equal(mtnt__yaml_load(&format, "box.yaml", text, strlen(text), &data, &err), MTNT_E_CONFIG);
    assert_null(data);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, MTNT_E_CONFIG);
    assert_int_equal(err.line, line);
    assert_int_equal(err.column, column);
    assert_string_equal(err.file, "box.yaml");
    assert_int_equal(mtnt__yaml_load(&format, "box.yaml", text, strlen(text), &data, NULL), MTNT_E_CONFIG);
}

static void assert_at(mtnt__yaml_place at, uint32_t line, uint32_t column)
{
    assert_int_equal(at.line, line);
    assert_int_equal(at.column, column);
}

/* ---- what is loaded ---- */

static void values_come_with_their_places(void **state)
{
    box *b = loaded("# a comment\n"
                    "title: shop\n"
                    "parts:\n"
                    "  - name: one\n"
                    "    number: -12\n"
                    "    flag: true\n"
                    "    words: [a, b]\n"
                    "  - {flag: false, name: \"two\"}\n"
                    "lid:\n"
                    "  words:\n"
                    "    - x\n"
                    "  name: 'top'\n");

    (void)state;
    assert_at(b->at, 2, 1);
    assert_string_equal(b->title.text, "shop");
    assert_at(b->title.at, 2, 8);
    assert_at(b->parts.at, 4, 3);
    assert_int_equal(b->parts.count, 2);
    assert_at(b->parts.items[0].at, 4, 5);
    assert_int_equal(b->parts.items[0].number.value, -12);
    assert_at(b->parts.items[0].number.at, 5, 13);
    assert_true(b->parts.items[0].flag.value);
    assert_at(b->parts.items[0].flag.at, 6, 11);
    assert_int_equal(b->parts.items[0].words.count, 2);
    assert_string_equal(b->parts.items[0].words.items[1], "b");
    assert_at(b->parts.items[0].words.at, 7, 12);
    assert_at(b->parts.items[1].at, 8, 5);
    assert_at(b->parts.items[1].name.at, 8, 26); /* behind the quote */
    assert_false(b->parts.items[1].flag.value);
    assert_at(b->parts.items[1].flag.at, 8, 12);
    assert_at(b->lid->at, 10, 3);
    assert_string_equal(b->lid->name.text, "top");
    assert_at(b->lid->name.at, 12, 10);
    assert_int_equal(b->lid->words.count, 1);
    mtnt__yaml_free(&format, b);
}

static void what_is_not_there_has_no_place(void **state)
{
    box *b = loaded("{}");

    (void)state;
    assert_at(b->at, 1, 1);
    assert_null(b->title.text);
    assert_at(b->title.at, 0, 0);
    assert_int_equal(b->parts.count, 0);
    assert_at(b->parts.at, 0, 0);
    assert_null(b->lid);
    mtnt__yaml_free(&format, b);
    b = loaded("parts: []\nnothing: null\n");
    assert_at(b->parts.at, 1, 8);
    assert_null(b->nothing.text);
    assert_at(b->nothing.at, 2, 10);
    mtnt__yaml_free(&format, b);
    mtnt__yaml_free(&format, NULL);
}

static void block_scalars_begin_on_the_next_line(void **state)
{
    box *b = loaded("title: é\n"
                    "parts:\n"
                    "  - name: a\n"
                    "    text: |\n"
                    "      one\n"
                    "      two\n"
                    "  - name: b\n"
                    "    text: >-   # folded\n"
                    "\n"
                    "        one\n"
                    "  - name: c\r\n"
                    "    text: |2\r\n"
                    "         indented\r\n"
                    "lid: {name: \"a\\nb\", text: x}\n");

    (void)state;
    assert_at(b->parts.items[0].text.at, 5, 7);
    assert_string_equal(b->parts.items[0].text.text, "one\ntwo\n");
    assert_at(b->parts.items[1].text.at, 9, 1); /* the empty line is a part of the text */
    assert_at(b->parts.items[2].text.at, 13, 7);
    assert_string_equal(b->parts.items[2].text.text, "   indented\n");
    assert_at(b->lid->text.at, 14, 27);
    mtnt__yaml_free(&format, b);
}

static void json_is_yaml(void **state)
{
    box *b = loaded("{\n\t\"title\":\"a\\/b\",\n\t\"parts\":[{\"name\":\"x\",\"number\":3,\"flag\":true}]\n}\n");

    (void)state;
    assert_string_equal(b->title.text, "a/b");
    assert_at(b->title.at, 2, 11);
    assert_int_equal(b->parts.items[0].number.value, 3);
    mtnt__yaml_free(&format, b);
    b = loaded("\xef\xbb\xbf"
               "title: marked\n");
    assert_at(b->title.at, 1, 8);
    mtnt__yaml_free(&format, b);
}

static void aliases_stand_for_what_they_name(void **state)
{
    box *b = loaded("parts:\n"
                    "  - &one {name: one, words: &w [a, b]}\n"
                    "  - *one\n"
                    "  - {name: two, words: *w}\n"
                    "lid: *one\n");

    (void)state;
    assert_int_equal(b->parts.count, 3);
    assert_string_equal(b->parts.items[1].name.text, "one");
    assert_at(b->parts.items[1].at, 2, 5 + 0);
    assert_int_equal(b->parts.items[2].words.count, 2);
    assert_at(b->parts.items[2].words.at, 2, 29);
    assert_string_equal(b->lid->name.text, "one");
    mtnt__yaml_free(&format, b);
}

/* ---- what is refused ---- */

static void unknown_keys_are_refused_with_a_suggestion(void **state)
{
    (void)state;
    assert_refused("title: x\npart: []\n", 2, 1, "unknown key `part`; did you mean `parts`?");
    assert_refused("parts:\n  - name: acme\n    nmber: 3\n", 3, 5,
                   "unknown key `nmber` in part `acme`; did you mean `number`?");
    assert_refused("parts:\n  - nmber: 3\n    name: acme\n", 2, 5,
                   "unknown key `nmber` in part `acme`; did you mean `number`?");
    assert_refused("parts:\n  - name: acme\n  - zzzzzzzz: 3\n", 3, 5,
                   "unknown key `zzzzzzzz` in part 2; there can be `name`, `text`, `number`, `flag` and `words`");
    assert_refused("lid: {name: x, nmber: 3}\n", 1, 16, "unknown key `nmber` in part `x`; did you mean `number`?");
    assert_refused("a\x7f: 1\n", 1, 0, "not YAML: control characters are not allowed");
    assert_refused("\"a\\tb\": 1\n", 1, 2, "unknown key `a?b`; there can be `title`, `nothing`, `parts` and `lid`");
    assert_refused("<<: {title: x}\n", 1, 1, "unknown key `<<`; merging is not supported here, write the keys out");
    assert_refused("wheels: 4\n", 1, 1, "the key `wheels` is for a later version, this one cannot do it");
}

static void keys_are_texts_and_come_once(void **state)
{
    (void)state;
    assert_refused("title: x\nparts: []\ntitle: y\n", 3, 1, "key `title` is given twice; the first is in line 1");
    assert_refused("parts:\n- name: a\n  name: b\n", 3, 3,
                   "key `name` is given twice in part `a`; the first is in line 2");
    assert_refused("[a]: x\n", 1, 1, "a key must be text");
    assert_refused("? {a: b}\n: x\n", 1, 3, "a key must be text");
    assert_refused("title: &t nothing\n*t : x\n", 2, 1, "a key must be text");
}

static void a_required_key_is_missed(void **state)
{
    (void)state;
    assert_refused("parts:\n  - number: 3\n", 2, 5, "key `name` is missing in part 1");
    assert_refused("lid: {}\n", 1, 6, "key `name` is missing in part");
}

static void types_are_checked(void **state)
{
    (void)state;
    assert_refused("[a]\n", 1, 1, "a box file must be a mapping (keys with values), not a list");
    assert_refused("text\n", 1, 1, "a box file must be a mapping (keys with values), not `text`");
    assert_refused("title: [x]\n", 1, 8, "`title` must be text, not a list");
    assert_refused("title: {x: y}\n", 1, 8, "`title` must be text, not a mapping");
    assert_refused("parts: {name: x}\n", 1, 8, "`parts` must be a list, not a mapping");
    assert_refused("parts: x\n", 1, 8, "`parts` must be a list, not `x`");
    assert_refused("parts:\n", 1, 7, "`parts` must be a list, not empty");
    assert_refused("parts: [x]\n", 1, 9, "entry 1 of `parts` must be a mapping (keys with values), not `x`");
    assert_refused("lid: [x]\n", 1, 6, "`lid` must be a mapping (keys with values), not a list");
    assert_refused("lid: ~\n", 1, 6, "`lid` must be a mapping (keys with values), not empty");
    assert_refused("lid: {name: x, words: a=b}\n", 1, 23,
                   "`words` must be a list, such as [a, b], not `a=b` in part `x`");
    assert_refused("lid: {name: x, words: [a, [b]]}\n", 1, 27,
                   "entry 2 of `words` must be text, not a list in part `x`");
    assert_refused("lid: {name: x, words: []}\n", 1, 23, "`words` is empty in part `x`");
    assert_refused("lid: {name: x, words: [a, ]}\nlid: 1", 2, 1, "key `lid` is given twice; the first is in line 1");
}

static void numbers_are_plain_and_decimal(void **state)
{
    const char *const wrong[] = {"0x10", "010", "1e3", "+1", "1_000", "3.0", "many", "9223372036854775808", "-", "12 "};
    char text[64], message[128];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]) - 1; i++) {
        snprintf(text, sizeof(text), "lid: {name: x, number: %s}", wrong[i]);
        snprintf(message, sizeof(message), "`number` must be a whole number, not `%s` in part `x`", wrong[i]);
        if (strcmp(wrong[i], "-") != 0)
            assert_refused(text, 1, 24, message);
    }
    assert_refused("lid: {name: x, number: \"12\"}", 1, 25,
                   "`number` must be a whole number, not the text `12` in part `x`");
    assert_refused("lid: {name: x, number: }", 1, 24, "`number` must be a whole number, not empty in part `x`");
    mtnt__yaml_free(&format, loaded("lid: {name: x, number: -9223372036854775808}"));
    mtnt__yaml_free(&format, loaded("lid: {name: x, number: 0}"));
}

static void truth_is_true_or_false(void **state)
{
    (void)state;
    assert_refused("lid: {name: x, flag: off}", 1, 22, "`flag` must be true or false, not `off` in part `x`");
    assert_refused("lid: {name: x, flag: yes}", 1, 22, "`flag` must be true or false, not `yes` in part `x`");
    assert_refused("lid: {name: x, flag: 0}", 1, 22, "`flag` must be true or false, not `0` in part `x`");
    assert_refused("lid: {name: x, flag: 'true'}", 1, 23,
                   "`flag` must be true or false, not the text `true` in part `x`");
}

static void empty_texts_are_refused_where_one_is_needed(void **state)
{
    box *b;

    (void)state;
    assert_refused("title:\nparts: []\n", 1, 7, "`title` is empty");
    assert_refused("title: ''\n", 1, 9, "`title` is empty");
    assert_refused("title: ~\n", 1, 8, "`title` is empty");
    assert_refused("title: null\n", 1, 8, "`title` is empty");
    b = loaded("title: 'null'\nlid: {name: x, text: ''}\n");
    assert_string_equal(b->title.text, "null");
    assert_string_equal(b->lid->text.text, "");
    mtnt__yaml_free(&format, b);
}

static void what_is_no_yaml_is_refused(void **state)
{
    (void)state;
    assert_refused("", 0, 0, "the file is empty");
    assert_refused("# only a comment\n", 0, 0, "the file is empty");
    assert_refused("---\n...\n", 0, 0, "the file is empty");
    assert_refused("title: x\n---\ntitle: y\n", 2, 1,
                   "a second document (`---`) begins here; one file is one document");
    assert_refused("title: 'x\n", 2, 1,
                   "not YAML: found unexpected end of stream (while scanning a quoted scalar that began at line 1)");
    assert_refused(
        "parts:\n\t- name: x\n", 2, 1,
        "not YAML: found character that cannot start any token; there is a tab, and YAML is indented by blanks only");
    assert_refused("title: x\n  lid: y\n", 2, 6, "not YAML: mapping values are not allowed in this context");
    assert_refused("title: x\nlid: \xff\xfe\n", 2, 0, "not YAML: invalid leading UTF-8 octet");
    assert_refused("title: \"a\\0b\"\n", 1, 8, "a text cannot hold the character `\\0`");
    assert_refused("title: *x\n", 1, 8, "nothing before this place is marked `&x`, so that `*x` stands for nothing");
    assert_refused("parts: &p\n  - *p\n", 2, 5,
                   "nothing before this place is marked `&p`, so that `*p` stands for nothing");
    assert_refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", 1, 33,
                   "the values are nested too deeply");
}

static void aliases_cannot_multiply_the_file(void **state)
{
    mtnt__buffer text = {0};
    mtnt_error err = MTNT_ERROR_INIT;
    void *data = NULL;

    (void)state;
    mtnt__buffer_add_text(&text, "parts:\n  - &p {name: x, words: &w [a");
    for (int i = 0; i < 5000; i++)
        mtnt__buffer_add_text(&text, ",a");
    mtnt__buffer_add_text(&text, "]}\n");
    for (int i = 0; i < 5000; i++)
        mtnt__buffer_add_text(&text, "  - *p\n");
    assert_int_equal(mtnt__yaml_load(&format, "box.yaml", text.bytes, text.length, &data, &err), MTNT_E_CONFIG);
    assert_string_equal(err.message, "aliases (`*name`) make this file too large: write out what differs");
    assert_int_equal(err.line, 2);
    mtnt__buffer_release(&text);
}

static void files_that_cannot_be_read(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;
    void *data = NULL;

    assert_int_equal(mtnt__yaml_load_file(&format, scratch_path(*state, "none.yaml"), &data, &err), MTNT_E_NOT_FOUND);
    assert_int_equal(mtnt__yaml_load_file(&format, ((scratch *)*state)->folder, &data, &err), MTNT_E_IO);
    assert_null(data);
    assert_int_equal(mtnt__yaml_load_file(&format, scratch_write(*state, "a.yaml", "titel: x\n"), &data, &err),
                     MTNT_E_CONFIG);
    assert_string_equal(err.file, scratch_path(*state, "a.yaml"));
    assert_int_equal(err.line, 1);
}

static void choices_are_named(void **state)
{
    static const char *const choices[] = {"chain", "operation", NULL};
    const mtnt__yaml_text wrong = {(char *)(uintptr_t) "both", {3, 5}}, right = {(char *)(uintptr_t) "chain", {3, 5}},
                          none = {0};
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(mtnt__yaml_check_choice("f.yaml", "atomicity", &wrong, choices, &err), MTNT_E_CONFIG);
    assert_string_equal(err.message, "`atomicity` must be `chain` or `operation`, not `both`");
    assert_int_equal(err.line, 3);
    assert_int_equal(mtnt__yaml_check_choice("f.yaml", "atomicity", &right, choices, &err), 0);
    assert_int_equal(mtnt__yaml_check_choice("f.yaml", "atomicity", &none, choices, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_with_their_places),
        cmocka_unit_test(what_is_not_there_has_no_place),
        cmocka_unit_test(block_scalars_begin_on_the_next_line),
        cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(aliases_stand_for_what_they_name),
        cmocka_unit_test(unknown_keys_are_refused_with_a_suggestion),
        cmocka_unit_test(keys_are_texts_and_come_once),
        cmocka_unit_test(a_required_key_is_missed),
        cmocka_unit_test(types_are_checked),
        cmocka_unit_test(numbers_are_plain_and_decimal),
        cmocka_unit_test(truth_is_true_or_false),
        cmocka_unit_test(empty_texts_are_refused_where_one_is_needed),
        cmocka_unit_test(what_is_no_yaml_is_refused),
        cmocka_unit_test(aliases_cannot_multiply_the_file),
        cmocka_unit_test_setup_teardown(files_that_cannot_be_read, scratch_setup, scratch_teardown),
        cmocka_unit_test(choices_are_named),
    };

    return cmocka_run_group_tests_name("config.yaml", tests, NULL, NULL);
}
