/* Events arrive as Arrow C streams (https://arrow.apache.org/docs/format/CStreamInterface.html) of
   columns without nulls: person_no, at_us (int64), name_id (int32), event_no where moments may tie
   (int64), then what conditions and sums look at. A person is an index into arrays that grow as
   needed; person 0 is nobody. Events of one month come together, months oldest first. What is not
   in order there (several files, visitors who became members) is put aside, sorted at the end of
   the month and then played; figures need no order inside a month. */

#include "kernel.h"
#include <stdlib.h>
#include <string.h>

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

int is_open(const struct ArrowArrayStream *stream) { return stream->release != NULL; }

int fail(Kernel *k, const char *why) {
    strncpy(k->error, why ? why : "the stream broke", sizeof k->error - 1);
    return -1;
}

int grow(Kernel *k, int64_t person) {
    if (person < k->persons) return 0;
    int64_t size = k->persons ? k->persons : 1024;
    while (size <= person) size *= 2;
    int64_t *state = realloc(k->state, (size_t)size * (size_t)k->width * sizeof *state);
    if (!state) return fail(k, "out of memory");
    for (int64_t i = k->persons * k->width; i < size * k->width; i++) state[i] = NONE;
    k->state = state;
    k->persons = size;
    return 0;
}

/* --- what an event is good for ----------------------------------------------------------------- */

/* Whether a test is whole, so that `passes` stays inside it. */
int known_test(const Kernel *k, const int64_t *test, int64_t size) {
    if (size < 3 || test[2] < 0) return 0;
    int64_t at = 3;
    for (int64_t n = 0; n < test[2]; n++) {
        if (at + 2 > size || test[at] < 0 || test[at] >= k->extras) return 0;
        if (test[at + 1] < 0 || test[at + 1] > (size - at - 2) / 2) return 0;
        at += 2 + 2 * test[at + 1];
    }
    return at == size;
}

static int passes(const int64_t *test, int64_t at, const Batch *batch, int64_t row) {
    if (at < test[0] || at >= test[1]) return 0;
    const int64_t *part = test + 3;
    for (int64_t n = 0; n < test[2]; n++) {
        int64_t value = cell(&batch->extra[part[0]], row), ranges = part[1];
        int inside = 0;
        part += 2;
        for (int64_t r = 0; r < ranges; r++) inside |= value >= part[2 * r] && value <= part[2 * r + 1];
        if (!inside) return 0;
        part += 2 * ranges;
    }
    return 1;
}

/* Tests that an event of this name may pass; behind the last name stands what holds for others. */
static inline uint64_t may_pass(const Kernel *k, int32_t name) {
    return k->tests_of[(uint64_t)(int64_t)name < (uint64_t)k->names ? name : k->names];
}

/* Which tests a row passes, as bits. */
static inline uint64_t hits_of(const Kernel *k, const Batch *batch, int64_t row) {
    uint64_t may = may_pass(k, batch->name[row]), hits = 0;
    while (may) {
        int n = __builtin_ctzll(may);
        may &= may - 1;
        if (passes(k->test[n], batch->at[row], batch, row)) hits |= UINT64_C(1) << n;
    }
    return hits;
}

/* --- order ------------------------------------------------------------------------------------- */

static inline int later(const Event *one, const Event *other) {
    if (one->person != other->person) return one->person > other->person;
    if (one->at != other->at) return one->at > other->at;
    return one->no > other->no;
}

static int put_aside(Kernel *k, const Event *e) {
    if (k->waiting == k->room) {
        size_t room = k->room ? 2 * k->room : 4096;
        Event *aside = realloc(k->aside, room * sizeof *aside);
        if (!aside) return fail(k, "out of memory");
        k->aside = aside;
        k->room = room;
    }
    k->aside[k->waiting++] = *e;
    return 0;
}

/* Merge the runs that are there, two by two: files are in order already. */
static int sort_aside(Kernel *k) {
    size_t size = k->waiting, runs = 1;
    Event *from = k->aside, *to = malloc(size * sizeof *to);
    size_t *ends = malloc((size + 1) * sizeof *ends);
    if (!to || !ends) { free(to); free(ends); return fail(k, "out of memory"); }
    for (size_t i = 1; i < size; i++)
        if (later(&from[i - 1], &from[i])) ends[runs++ - 1] = i;
    ends[runs - 1] = size;
    while (runs > 1) {
        size_t begin = 0, merged = 0, out = 0;
        for (size_t run = 0; run < runs; run += 2) {
            size_t middle = ends[run], end = run + 1 < runs ? ends[run + 1] : middle;
            size_t a = begin, b = middle;
            while (a < middle && b < end) to[out++] = later(&from[a], &from[b]) ? from[b++] : from[a++];
            while (a < middle) to[out++] = from[a++];
            while (b < end) to[out++] = from[b++];
            ends[merged++] = begin = end;
        }
        Event *swap = from;
        from = to;
        to = swap;
        runs = merged;
    }
    if (from != k->aside) memcpy(k->aside, from, size * sizeof *from);
    free(from == k->aside ? to : from);
    free(ends);
    return 0;
}

static int play(Kernel *k, const Event *e) {
    if (grow(k, e->person)) return -1;
    play_ordered(k, k->state + e->person * k->width, e);
    return 0;
}

int end_of_month(Kernel *k) {
    int bad = k->waiting ? sort_aside(k) : 0;
    for (size_t i = 0; i < k->waiting && !bad; i++) bad = play(k, &k->aside[i]);
    k->waiting = 0;
    return bad;
}

/* --- streams ----------------------------------------------------------------------------------- */

static const void *column(const struct ArrowArray *all, int64_t n, size_t bytes) {
    const struct ArrowArray *one = all->children[n];
    if (one->n_buffers != 2 || one->null_count > 0 || one->length < all->offset + all->length)
        return NULL;
    return (const char *)one->buffers[1] + (size_t)(one->offset + all->offset) * bytes;
}

/* What is asked of an Arrow batch; the columns stay where they are. */
static int open_batch(Kernel *k, const struct ArrowArray *all, Batch *batch, int numbered) {
    batch->rows = all->length;
    if (!batch->rows) return 0;
    if (all->n_children != 3 + numbered + k->extras) return fail(k, "other columns are expected");
    batch->person = column(all, 0, 8);
    batch->at = column(all, 1, 8);
    batch->name = column(all, 2, 4);
    batch->no = numbered ? column(all, 3, 8) : NULL;
    int known = batch->person && batch->at && batch->name && (batch->no || !numbered);
    for (int64_t n = 0; n < k->extras && known; n++) {
        Column *extra = &batch->extra[n];
        size_t bytes = extra->kind == 'l' ? 8 : extra->kind == 'i' ? 4 : extra->kind == 's' ? 2 : 1;
        known = !!(extra->cells = column(all, 3 + numbered + n, bytes));
    }
    return known ? 0 : fail(k, "a column is not what it should be");
}

/* Rows [from, from + BLOCK) whose name matters. Names come in no order that a processor could
   guess: this loop has no branch for it to guess wrong. */
#define BLOCK 1024
static int64_t choose(const Kernel *k, const Batch *batch, int64_t from, int64_t *chosen) {
    int64_t size = 0, end = from + BLOCK < batch->rows ? from + BLOCK : batch->rows;
    for (int64_t i = from; i < end; i++) {
        chosen[size] = i;
        size += may_pass(k, batch->name[i]) != 0;
    }
    return size;
}

static int take_rows(
    Kernel *k, const Batch *batch, const int64_t *row, int64_t rows, int sorted, Event *last) {
    for (const int64_t *end = row + rows; row < end; row++) {
        int64_t i = *row, person = batch->person[i];
        uint64_t hits = hits_of(k, batch, i);
        if (!hits || !person) continue;
        if (person < 0 || person >= PERSONS_MAX) return fail(k, "a person out of range");
        int64_t who = person < k->members ? k->member[person] : 0;
        if (k->kind == FIGURES) {
            if (who > 0) person = who;
            if (k->only && (person >= k->onlies || !k->only[person])) continue;
            if (grow(k, person)) return -1;
            if (play_figures(k, k->state + person * k->width, batch->at[i], hits, batch, i)) return -1;
            continue;
        }
        Event e = {person, batch->at[i], batch->no ? batch->no[i] : 0,
                   k->value < 0 ? 0 : cell(&batch->extra[k->value], i), hits};
        if (sorted) {
            if (later(last, &e)) return fail(k, "events that are not in order");
            *last = e;
        }
        if (who > 0) e.person = who;
        if (k->only && (e.person >= k->onlies || !k->only[e.person])) continue;
        if (sorted && !who ? play(k, &e) : put_aside(k, &e)) return -1;
    }
    return 0;
}

static int take_batch(Kernel *k, const Batch *batch, int sorted, Event *last) {
    int64_t chosen[BLOCK];
    for (int64_t from = 0; from < batch->rows; from += BLOCK) {
        int64_t rows = choose(k, batch, from, chosen);
        if (take_rows(k, batch, chosen, rows, sorted, last)) return -1;
    }
    return 0;
}

/* Whether the columns are what is expected; notes the kinds of the extra ones. */
static int open_schema(Kernel *k, const struct ArrowSchema *schema, Batch *batch, int *numbered) {
    struct ArrowSchema **own = schema->children;
    *numbered = schema->n_children > 3 && !strcmp(own[3]->name, "event_no");
    if (schema->n_children != 3 + *numbered + k->extras) return 0;
    if (strcmp(own[0]->format, "l") || strcmp(own[1]->format, "l") || strcmp(own[2]->format, "i"))
        return 0;
    if (*numbered && strcmp(own[3]->format, "l")) return 0;
    for (int64_t n = 0; n < k->extras; n++) {
        const char *format = own[3 + *numbered + n]->format;
        if (!format[0] || format[1] || !strchr("Csil", format[0])) return 0;
        batch->extra[n].kind = format[0];
    }
    return 1;
}

int take_stream(Kernel *k, struct ArrowArrayStream *stream, int sorted) {
    Event last = {0, INT64_MIN, INT64_MIN, 0, 0};
    struct ArrowSchema schema;
    Batch batch = {0};
    int numbered;
    if (stream->get_schema(stream, &schema)) return fail(k, stream->get_last_error(stream));
    int known = open_schema(k, &schema, &batch, &numbered);
    schema.release(&schema);
    if (!known) return fail(k, "other columns are expected");
    for (;;) {
        struct ArrowArray all;
        all.release = NULL;
        if (stream->get_next(stream, &all)) return fail(k, stream->get_last_error(stream));
        if (!all.release) return 0;
        int bad = open_batch(k, &all, &batch, numbered) || take_batch(k, &batch, sorted, &last);
        all.release(&all);
        if (bad) return -1;
    }
}
