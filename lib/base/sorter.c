#include "base/sorter.h"

#include <stdlib.h>
#include <string.h>

#define RUN_SIZE ((size_t)1024 * 1024)
#define BLOCK_SIZE ((size_t)4096) /* of each run, while they are merged */

/* A record is its length (4 bytes) and its bytes. */
typedef struct record {
    const char *bytes;
    uint32_t length;
} record;

typedef struct run {
    mtnt__spill_reader reader;
    record first;
} run;

struct mtnt__sorter {
    mtnt__spill given, sorted;
    uint64_t *starts; /* of the runs, in both files */
    size_t run_count, run_size;
    run *runs;
    run **heap; /* those that are not at their end, the least first */
    size_t heap_count;
    bool taken; /* the least has been given out */
};

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

int mtnt__sorter_new(mtnt__sorter **ret_sorter, const char *what, mtnt_error *err)
{
    mtnt__sorter *sorter = calloc(1, sizeof(*sorter));

    if (!sorter)
        return out_of_memory(err);
    sorter->given.what = sorter->sorted.what = what;
    *ret_sorter = sorter;
    return 0;
}

void mtnt__sorter_free(mtnt__sorter *sorter)
{
    if (!sorter)
        return;
    for (size_t i = 0; sorter->runs && i < sorter->run_count; i++)
        mtnt__spill_reader_release(&sorter->runs[i].reader);
    mtnt__spill_release(&sorter->given);
    mtnt__spill_release(&sorter->sorted);
    free(sorter->starts);
    free(sorter->runs);
    free(sorter->heap);
    free(sorter);
}

static int begin_run(mtnt__sorter *sorter, mtnt_error *err)
{
    if (sorter->run_count == sorter->run_size) {
        size_t size = sorter->run_size ? sorter->run_size * 2 : 16;
        uint64_t *grown = reallocarray(sorter->starts, size, sizeof(*grown));

        if (!grown)
            return out_of_memory(err);
        sorter->starts = grown;
        sorter->run_size = size;
    }
    sorter->starts[sorter->run_count++] = mtnt__spill_size(&sorter->given);
    return 0;
}

int mtnt__sorter_add(mtnt__sorter *sorter, const void *bytes, size_t length, mtnt_error *err)
{
    uint64_t size = mtnt__spill_size(&sorter->given);
    uint32_t prefix = (uint32_t)length;
    int rc = 0;

    if (length > UINT32_MAX)
        return mtnt_error_set(err, MTNT_E_INVALID, "too long to be sorted");
    if (sorter->run_count == 0 || size + length > sorter->starts[sorter->run_count - 1] + RUN_SIZE)
        rc = begin_run(sorter, err);
    if (rc == 0)
        rc = mtnt__spill_add(&sorter->given, &prefix, sizeof(prefix), err);
    return rc ? rc : mtnt__spill_add(&sorter->given, bytes, length, err);
}

/* ---- one run ---- */

static int compare(const record *a, const record *b)
{
    int order = memcmp(a->bytes, b->bytes, a->length < b->length ? a->length : b->length);

    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static int compare_records(const void *a, const void *b)
{
    return compare(a, b);
}

static uint64_t end_of(const mtnt__sorter *sorter, size_t index)
{
    return index + 1 < sorter->run_count ? sorter->starts[index + 1] : mtnt__spill_size(&sorter->given);
}

/* The records of a run; *ret_records to be freed. */
static int find_records(const char *bytes, size_t size, record **ret_records, size_t *ret_count, mtnt_error *err)
{
    size_t count = 0;
    record *records;
    uint32_t length;

    for (size_t at = 0; at < size; at += sizeof(length) + length, count++)
        memcpy(&length, bytes + at, sizeof(length));
    records = calloc(count + 1, sizeof(*records));
    if (!records)
        return out_of_memory(err);
    count = 0;
    for (size_t at = 0; at < size; at += sizeof(length) + length) {
        memcpy(&length, bytes + at, sizeof(length));
        records[count++] = (record){bytes + at + sizeof(length), length};
    }
    *ret_records = records;
    *ret_count = count;
    return 0;
}

static int sort_run(mtnt__sorter *sorter, size_t index, char *bytes, mtnt_error *err)
{
    uint64_t start = sorter->starts[index];
    size_t size = (size_t)(end_of(sorter, index) - start), count = 0;
    record *records = NULL;
    int rc;

    if ((rc = mtnt__spill_read(&sorter->given, start, bytes, size, &size, err)) ||
        (rc = find_records(bytes, size, &records, &count, err)))
        return rc;
    qsort(records, count, sizeof(*records), compare_records);
    for (size_t i = 0; rc == 0 && i < count; i++) /* a record's length stands before its bytes */
        rc = mtnt__spill_add(&sorter->sorted, records[i].bytes - sizeof(uint32_t), sizeof(uint32_t) + records[i].length,
                             err);
    free(records);
    return rc;
}

static int sort_runs(mtnt__sorter *sorter, mtnt_error *err)
{
    size_t longest = 0;
    char *bytes;
    int rc = 0;

    for (size_t i = 0; i < sorter->run_count; i++) {
        size_t size = (size_t)(end_of(sorter, i) - sorter->starts[i]);

        longest = size > longest ? size : longest;
    }
    bytes = malloc(longest + 1);
    if (!bytes)
        return out_of_memory(err);
    for (size_t i = 0; rc == 0 && i < sorter->run_count; i++)
        rc = sort_run(sorter, i, bytes, err);
    free(bytes);
    return rc;
}

/* ---- the merge ---- */

static int read_first(run *of, bool *ret_there, mtnt_error *err)
{
    mtnt__spill_reader *reader = &of->reader;
    const char *bytes;
    uint32_t length;
    int rc;

    *ret_there = reader->at < reader->end || reader->taken < reader->held.length;
    if (!*ret_there)
        return 0;
    if ((rc = mtnt__spill_take(reader, sizeof(length), &bytes, err)))
        return rc;
    memcpy(&length, bytes, sizeof(length));
    rc = mtnt__spill_take(reader, length, &bytes, err);
    of->first = (record){bytes, length};
    return rc;
}

static void sift(mtnt__sorter *sorter, size_t place)
{
    run **heap = sorter->heap, *moved = heap[place];

    for (size_t child; (child = place * 2 + 1) < sorter->heap_count; place = child) {
        if (child + 1 < sorter->heap_count && compare(&heap[child + 1]->first, &heap[child]->first) < 0)
            child++;
        if (compare(&moved->first, &heap[child]->first) <= 0)
            break;
        heap[place] = heap[child];
    }
    heap[place] = moved;
}

int mtnt__sorter_sort(mtnt__sorter *sorter, mtnt_error *err)
{
    int rc = sort_runs(sorter, err);

    sorter->runs = calloc(sorter->run_count + 1, sizeof(*sorter->runs));
    sorter->heap = calloc(sorter->run_count + 1, sizeof(run *));
    if (rc == 0 && (!sorter->runs || !sorter->heap))
        rc = out_of_memory(err);
    for (size_t i = 0; rc == 0 && i < sorter->run_count; i++) {
        bool there = false;

        sorter->runs[i].reader = (mtnt__spill_reader){
            .spill = &sorter->sorted, .at = sorter->starts[i], .end = end_of(sorter, i), .block = BLOCK_SIZE};
        rc = read_first(&sorter->runs[i], &there, err);
        if (rc == 0 && there)
            sorter->heap[sorter->heap_count++] = &sorter->runs[i];
    }
    for (size_t i = sorter->heap_count / 2; rc == 0 && i > 0; i--)
        sift(sorter, i - 1);
    return rc;
}

/* The run whose record was given out last goes on. */
static int advance(mtnt__sorter *sorter, mtnt_error *err)
{
    bool there = false;
    int rc = read_first(sorter->heap[0], &there, err);

    if (rc)
        return rc;
    if (!there)
        sorter->heap[0] = sorter->heap[--sorter->heap_count];
    if (sorter->heap_count > 0)
        sift(sorter, 0);
    sorter->taken = false;
    return 0;
}

int mtnt__sorter_next(mtnt__sorter *sorter, const void **ret_bytes, size_t *ret_length, mtnt_error *err)
{
    int rc = sorter->taken ? advance(sorter, err) : 0;

    if (rc)
        return rc;
    *ret_bytes = NULL;
    if (sorter->heap_count == 0)
        return 0;
    *ret_bytes = sorter->heap[0]->first.bytes;
    *ret_length = sorter->heap[0]->first.length;
    sorter->taken = true;
    return 0;
}
