#include "chain/spool.h"

#include <stdlib.h>
#include <string.h>

#include "base/sorter.h"
#include "base/spill.h"
#include "chain/model.h"

/* A record is its length (4 bytes, itself included), the numbers, and each field with its length (4 bytes; 0 = none). Lists are their texts, each
 * with its NUL. */
enum { ID, DSN, SCHEMA, DESCRIPTION, LABELS, VARS, FIELDS };
enum { LINE, ID_LINE, ID_COLUMN, DSN_LINE, DSN_COLUMN, NUMBERS };
#define ID_OFFSET ((NUMBERS + 2) * sizeof(uint32_t)) /* of its text in a record */
#define BLOCK_SIZE ((size_t)64 * 1024)
#define LAST_SIZE 256
#define MARK_SIZE 16

static const char what[] = "the tenants";

typedef struct pairs {
    const char **items;
    size_t size;
} pairs;

/* A record that has been read. */
typedef struct reading {
    mtnt__spill_reader reader;
    pairs labels, vars;
} reading;

struct mtnt__spool {
    mtnt__spill records;
    mtnt__sorter *ids;    /* hash and place of each: equal ones come together */
    char last[LAST_SIZE]; /* id; while they rise none is there twice, and nothing has to be sorted */
    bool rising;
    int64_t count;
    mtnt__buffer record;
    reading at;
    mtnt__hasher *hasher;
};

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void reading_release(reading *at)
{
    mtnt__spill_reader_release(&at->reader);
    free(at->labels.items);
    free(at->vars.items);
    *at = (reading){0};
}

static void reading_start(reading *at, const mtnt__spool *spool, uint64_t offset, size_t block)
{
    reading_release(at);
    at->reader = (mtnt__spill_reader){
        .spill = &spool->records, .at = offset, .end = mtnt__spill_size(&spool->records), .block = block};
}

int mtnt__spool_new(mtnt__spool **ret_spool, mtnt_error *err)
{
    mtnt__spool *spool = calloc(1, sizeof(*spool));
    int rc;

    if (!spool)
        return out_of_memory(err);
    spool->records.what = what;
    spool->rising = true;
    rc = mtnt__sorter_new(&spool->ids, what, err);
    if (rc == 0)
        rc = mtnt__hasher_new(&spool->hasher, err);
    if (rc)
        mtnt__spool_free(spool);
    else
        *ret_spool = spool;
    return rc;
}

void mtnt__spool_free(mtnt__spool *spool)
{
    if (!spool)
        return;
    reading_release(&spool->at);
    mtnt__sorter_free(spool->ids);
    mtnt__hasher_free(spool->hasher);
    mtnt__spill_release(&spool->records);
    mtnt__buffer_release(&spool->record);
    free(spool);
}

int64_t mtnt__spool_count(const mtnt__spool *spool)
{
    return spool->count;
}

/* ---- writing ---- */

static void add_number(mtnt__buffer *record, size_t number)
{
    uint32_t bytes = (uint32_t)number;

    mtnt__buffer_add(record, (const char *)&bytes, sizeof(bytes));
}

static void add_text(mtnt__buffer *record, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;

    add_number(record, size);
    mtnt__buffer_add(record, text, size);
}

static void add_list(mtnt__buffer *record, const char *const *list)
{
    size_t size = 0;

    for (size_t i = 0; list && list[i]; i++)
        size += strlen(list[i]) + 1;
    add_number(record, size);
    for (size_t i = 0; list && list[i]; i++)
        mtnt__buffer_add(record, list[i], strlen(list[i]) + 1);
}

static uint64_t hash_of(const char *id) /* FNV-1a */
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const unsigned char *at = (const unsigned char *)id; *at; at++)
        hash = (hash ^ *at) * 0x100000001b3u;
    return hash;
}

static void put_number(unsigned char *bytes, uint64_t number)
{
    for (size_t i = 0; i < sizeof(number); i++)
        bytes[i] = (unsigned char)(number >> (8 * (sizeof(number) - 1 - i)));
}

static uint64_t get_number(const unsigned char *bytes)
{
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof(number); i++)
        number = number << 8 | bytes[i];
    return number;
}

static int note_id(mtnt__spool *spool, const char *id, mtnt_error *err)
{
    unsigned char mark[MARK_SIZE];

    spool->rising = spool->rising && (spool->count == 0 || strcmp(spool->last, id) < 0) &&
                    mtnt__text_copy(spool->last, sizeof(spool->last), id);
    put_number(mark, hash_of(id));
    put_number(mark + sizeof(uint64_t), mtnt__spill_size(&spool->records));
    return mtnt__sorter_add(spool->ids, mark, sizeof(mark), err);
}

int mtnt__spool_add(mtnt__spool *spool, const mtnt__spooled *tenant, mtnt_error *err)
{
    const mtnt_model_options *options = &tenant->options;
    mtnt__buffer *record = &spool->record;
    uint32_t length;
    int rc;

    mtnt__buffer_clear(record);
    add_number(record, 0);
    add_number(record, options->line);
    add_number(record, tenant->id_line);
    add_number(record, tenant->id_column);
    add_number(record, tenant->dsn_line);
    add_number(record, tenant->dsn_column);
    add_text(record, options->id);
    add_text(record, options->dsn);
    add_text(record, options->schema);
    add_text(record, options->description);
    add_list(record, options->labels);
    add_list(record, options->vars);
    if (record->failed || record->length > UINT32_MAX)
        return out_of_memory(err);
    length = (uint32_t)record->length;
    memcpy(record->bytes, &length, sizeof(length));
    if ((rc = note_id(spool, options->id, err)) || (rc = mtnt__spill_add(&spool->records, record->bytes, length, err)))
        return rc;
    spool->count++;
    return 0;
}

/* ---- reading ---- */

void mtnt__spool_rewind(mtnt__spool *spool)
{
    reading_start(&spool->at, spool, 0, BLOCK_SIZE);
}

static const char *field_of(const char **at, size_t *ret_size)
{
    const char *text;
    uint32_t size;

    memcpy(&size, *at, sizeof(size));
    text = *at + sizeof(size);
    *at = text + size;
    *ret_size = size;
    return size ? text : NULL;
}

/* NULL where memory is lacking. */
static const char *const *list_of(pairs *list, const char **at)
{
    size_t size, count = 0;
    const char *text = field_of(at, &size);

    for (const char *item = text; item && item < text + size; item += strlen(item) + 1)
        count++;
    if (count + 1 > list->size) {
        const char **grown = reallocarray(list->items, count + 8, sizeof(*grown));

        if (!grown)
            return NULL;
        list->items = grown;
        list->size = count + 8;
    }
    count = 0;
    for (const char *item = text; item && item < text + size; item += strlen(item) + 1)
        list->items[count++] = item;
    list->items[count] = NULL;
    return list->items;
}

static int read_record(reading *from, mtnt__spooled *ret_tenant, mtnt_error *err)
{
    uint32_t length, numbers[NUMBERS];
    const char *at, *texts[LABELS];
    mtnt__spooled tenant = {.options = MTNT_MODEL_OPTIONS_INIT};
    size_t size;
    int rc;

    if ((rc = mtnt__spill_take(&from->reader, sizeof(length), &at, err)))
        return rc;
    memcpy(&length, at, sizeof(length));
    if ((rc = mtnt__spill_take(&from->reader, length - sizeof(length), &at, err)))
        return rc;
    memcpy(numbers, at, sizeof(numbers));
    at += sizeof(numbers);
    for (size_t i = 0; i < LABELS; i++)
        texts[i] = field_of(&at, &size);
    tenant.options.id = texts[ID];
    tenant.options.dsn = texts[DSN];
    tenant.options.schema = texts[SCHEMA];
    tenant.options.description = texts[DESCRIPTION];
    tenant.options.labels = list_of(&from->labels, &at);
    tenant.options.vars = list_of(&from->vars, &at);
    tenant.options.line = numbers[LINE];
    tenant.id_line = numbers[ID_LINE];
    tenant.id_column = numbers[ID_COLUMN];
    tenant.dsn_line = numbers[DSN_LINE];
    tenant.dsn_column = numbers[DSN_COLUMN];
    if (!tenant.options.labels || !tenant.options.vars)
        return out_of_memory(err);
    *ret_tenant = tenant;
    return 0;
}

static uint64_t place_of(const reading *at)
{
    return at->reader.at - (at->reader.held.length - at->reader.taken);
}

int mtnt__spool_next(mtnt__spool *spool, mtnt__spooled *ret_tenant, bool *ret_there, mtnt_error *err)
{
    bool there = place_of(&spool->at) < spool->at.reader.end;
    int rc = there ? read_record(&spool->at, ret_tenant, err) : 0;

    if (rc == 0)
        *ret_there = there;
    return rc;
}

int mtnt__spool_model(mtnt__spool *spool, const mtnt_model_options *options, mtnt_model **ret_model, mtnt_error *err)
{
    return mtnt__model_make(ret_model, options, spool->hasher, err);
}

/* ---- ids that are there twice ---- */

/* Where tenants stand whose ids have the same hash: of those with the same id the first. Nearly always one. */
typedef struct alike {
    uint64_t *places;
    size_t count, size;
} alike;

static int same_id(const mtnt__spool *spool, uint64_t a, uint64_t b, bool *ret_same, mtnt_error *err)
{
    char ids[2][LAST_SIZE] = {"", ""};
    size_t got;
    int rc;

    if ((rc = mtnt__spill_read(&spool->records, a + ID_OFFSET, ids[0], sizeof(ids[0]) - 1, &got, err)) ||
        (rc = mtnt__spill_read(&spool->records, b + ID_OFFSET, ids[1], sizeof(ids[1]) - 1, &got, err)))
        return rc;
    *ret_same = strcmp(ids[0], ids[1]) == 0;
    return 0;
}

static int add_alike(alike *list, uint64_t place, mtnt_error *err)
{
    if (list->count == list->size) {
        size_t size = list->size ? list->size * 2 : 4;
        uint64_t *grown = reallocarray(list->places, size, sizeof(*grown));

        if (!grown)
            return out_of_memory(err);
        list->places = grown;
        list->size = size;
    }
    list->places[list->count++] = place;
    return 0;
}

typedef struct twins {
    uint64_t first, second; /* places; second UINT64_MAX = there are none */
} twins;

/* Places come in rising order. */
static int compare_alike(const mtnt__spool *spool, alike *list, uint64_t place, twins *found, mtnt_error *err)
{
    bool same = false;
    int rc;

    if (place >= found->second)
        return 0;
    for (size_t i = 0; i < list->count; i++) {
        rc = same_id(spool, list->places[i], place, &same, err);
        if (rc)
            return rc;
        if (same) {
            *found = (twins){list->places[i], place};
            return 0;
        }
    }
    return add_alike(list, place, err);
}

/* Those whose second comes first. */
static int find_twins(mtnt__spool *spool, twins *found, mtnt_error *err)
{
    const void *mark = NULL;
    alike list = {0};
    uint64_t hash = 0;
    size_t length;
    int rc = spool->rising ? 0 : mtnt__sorter_sort(spool->ids, err);

    *found = (twins){0, UINT64_MAX};
    while (rc == 0 && !spool->rising && (rc = mtnt__sorter_next(spool->ids, &mark, &length, err)) == 0 && mark) {
        if (get_number(mark) != hash)
            list.count = 0;
        hash = get_number(mark);
        rc = compare_alike(spool, &list, get_number((const unsigned char *)mark + sizeof(hash)), found, err);
    }
    free(list.places);
    mtnt__sorter_free(spool->ids);
    spool->ids = NULL;
    return rc;
}

static int tell_twins(const mtnt__spool *spool, const twins *found, mtnt__spool_twice_fn twice, void *data,
                      mtnt_error *err)
{
    mtnt__spooled first = {0}, second = {0};
    reading from[2] = {0};
    int rc;

    reading_start(&from[0], spool, found->first, 1);
    reading_start(&from[1], spool, found->second, 1);
    rc = read_record(&from[0], &first, err);
    if (rc == 0)
        rc = read_record(&from[1], &second, err);
    if (rc == 0)
        rc = twice(data, &first, &second, err);
    reading_release(&from[0]);
    reading_release(&from[1]);
    return rc;
}

int mtnt__spool_check(mtnt__spool *spool, mtnt__spool_check_fn check, mtnt__spool_twice_fn twice, void *data,
                      mtnt_error *err)
{
    mtnt_error said = MTNT_ERROR_INIT;
    mtnt__spooled tenant;
    twins found;
    bool there = true;
    int rc = find_twins(spool, &found, err);

    if (rc)
        return rc;
    mtnt__spool_rewind(spool);
    while (check && rc == 0 && there && place_of(&spool->at) < found.second) {
        rc = mtnt__spool_next(spool, &tenant, &there, &said);
        if (rc == 0 && there)
            rc = check(data, &tenant, &said);
    }
    if (rc == 0 && found.second != UINT64_MAX)
        return tell_twins(spool, &found, twice, data, err);
    if (rc && err)
        *err = said;
    mtnt__spool_rewind(spool);
    return rc;
}
