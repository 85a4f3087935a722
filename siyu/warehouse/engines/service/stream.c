/* Events arrive as Arrow C streams (https://arrow.apache.org/docs/format/CStreamInterface.html) of
   columns without nulls: person_no, at_us (int64), name_id (int32), event_no where moments may tie
   (int64), then what conditions and sums look at. A person is an index into arrays that grow as
   needed; person 0 is nobody. Events of one month come together, months oldest first. What is not
   in order there (several files, visitors who became members) is put aside, sorted at the end of
   the month and then played; figures and series need no order inside a month. */

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

/* Tests that an event of this name may pass; behind the last name stands what holds for others. */
static inline uint64_t may_pass(const Kernel *k, int32_t name) {
    return k->tests_of[(uint64_t)(int64_t)name < (uint64_t)k->names ? name : k->names];
}

/* Some rows of a batch, and per row a bit for each test that it passes. Names and values come in no
   order that a processor could guess: the loops over rows have no branch for it to guess wrong. */
typedef struct { int64_t rows, row[BLOCK]; uint64_t hits[BLOCK]; } Chosen;

/* The rows of a block that are somebody's, and whose name matters; a series counts nobody's, too. */
static void choose(const Kernel *k, const Batch *batch, int64_t from, Chosen *chosen) {
    int anybody = k->kind == SERIES;
    int64_t rows = 0, end = from + BLOCK < batch->rows ? from + BLOCK : batch->rows;
    for (int64_t i = from; i < end; i++) {
        uint64_t may = may_pass(k, batch->name[i]);
        chosen->row[rows] = i;
        chosen->hits[rows] = may;
        rows += (may != 0) & ((batch->person[i] != 0) | anybody);
    }
    chosen->rows = rows;
}

#define GATHER(type) \
    for (int64_t i = 0; i < rows; i++) value[i] = ((const type *)column->cells)[row[i]]

static void gather(const Column *column, const int64_t *row, int64_t rows, int64_t *value) {
    switch (column->kind) {
    case 'C': GATHER(uint8_t); break;
    case 's': GATHER(int16_t); break;
    case 'i': GATHER(int32_t); break;
    default: GATHER(int64_t);
    }
}

/* Take a test's bit from the rows that do not pass it. */
static void try_test(const Kernel *k, int64_t n, const Batch *batch, Chosen *chosen) {
    int64_t place[BLOCK], row[BLOCK], value[BLOCK], rows = 0;
    uint8_t passes[BLOCK], inside[BLOCK];
    const int64_t *test = k->test[n], *part = test + 3;
    for (int64_t i = 0; i < chosen->rows; i++) {
        place[rows] = i;
        row[rows] = chosen->row[i];
        rows += chosen->hits[i] >> n & 1;
    }
    for (int64_t i = 0; i < rows; i++) {
        int64_t at = batch->at[row[i]];
        passes[i] = (at >= test[0]) & (at < test[1]);
    }
    for (int64_t c = 0; c < test[2]; c++) {
        int64_t ranges = part[1];
        gather(&batch->extra[part[0]], row, rows, value);
        memset(inside, 0, (size_t)rows);
        for (part += 2; ranges--; part += 2)
            for (int64_t i = 0; i < rows; i++)
                inside[i] |= (value[i] >= part[0]) & (value[i] <= part[1]);
        for (int64_t i = 0; i < rows; i++) passes[i] &= inside[i];
    }
    for (int64_t i = 0; i < rows; i++) chosen->hits[place[i]] &= ~((uint64_t)!passes[i] << n);
}

/* Keep the rows that pass a test. */
static void try_tests(const Kernel *k, const Batch *batch, Chosen *chosen) {
    int64_t first = INT64_MAX, last = INT64_MIN, rows = 0;
    int tried = 0;
    for (int64_t i = 0; i < chosen->rows; i++) {
        int64_t at = batch->at[chosen->row[i]];
        first = at < first ? at : first;
        last = at > last ? at : last;
    }
    for (int64_t n = 0; n < k->tests; n++) {
        const int64_t *test = k->test[n];
        if (!test[2] && first >= test[0] && last < test[1]) continue;
        try_test(k, n, batch, chosen);
        tried = 1;
    }
    for (int64_t i = 0; tried && i < chosen->rows; i++) {
        chosen->row[rows] = chosen->row[i];
        chosen->hits[rows] = chosen->hits[i];
        rows += chosen->hits[rows] != 0;
    }
    if (tried) chosen->rows = rows;
}

/* --- order ------------------------------------------------------------------------------------- */

/* Without branches: whether the next event is the next person's cannot be guessed. */
static inline int later(const Event *one, const Event *other) {
    int same = one->at == other->at, after = (one->at > other->at) | (same & (one->no > other->no));
    return (one->person > other->person) | ((one->person == other->person) & after);
}

static int more_room(Kernel *k) {
    size_t room = k->room ? 2 * k->room : 4096;
    Aside *aside = realloc(k->aside, room * sizeof *aside);
    if (!aside) return fail(k, "out of memory");
    k->aside = aside;
    int64_t *no = realloc(k->aside_no, (k->numbers ? room : 1) * sizeof *no);
    if (!no) return fail(k, "out of memory");
    k->aside_no = no;
    int64_t *value = realloc(k->aside_value, (k->value < 0 ? 1 : room) * sizeof *value);
    if (!value) return fail(k, "out of memory");
    k->aside_value = value;
    k->room = room;
    return 0;
}

/* source: the person as read. Two of one moment that come from different places stand in an order
   that says nothing. */
static int put_aside(Kernel *k, const Event *e, int64_t source) {
    if (k->waiting == k->room && more_room(k)) return -1;
    Aside own = {(uint64_t)e->person << 8 | e->hits, e->at};
    if (k->waiting) {
        const Aside *before = k->aside + k->waiting - 1;
        k->tied |= (before->at == own.at) & (before->who >> 8 == own.who >> 8) & (k->source != source);
    }
    if (k->numbers) k->aside_no[k->waiting] = e->no;
    if (k->value >= 0) k->aside_value[k->waiting] = e->value;
    k->aside[k->waiting++] = own;
    k->source = source;
    return 0;
}

static int play(Kernel *k, const Event *e) {
    if (grow(k, e->person)) return -1;
    play_ordered(k, k->state + e->person * k->width, e);
    return 0;
}

static int play_aside(Kernel *k, size_t n) {
    Event e = {(int64_t)(k->aside[n].who >> 8), k->aside[n].at, k->numbers ? k->aside_no[n] : 0,
               k->value < 0 ? 0 : k->aside_value[n], k->aside[n].who & 255};
    return play(k, &e);
}

/* Events put aside from one to before another, in order; first: what the former is. */
typedef struct { Aside first; size_t head, end; } Run;

static inline int same_moment(const Aside *one, const Aside *other) {
    return (one->at == other->at) & (one->who >> 8 == other->who >> 8);
}

static inline int later_aside(const Kernel *k, const Aside *one, size_t n, const Aside *other, size_t m) {
    if (__builtin_expect(same_moment(one, other), 0))
        return k->numbers && k->aside_no[n] > k->aside_no[m];
    uint64_t person = one->who >> 8, next = other->who >> 8;
    return (person > next) | ((person == next) & (one->at > other->at));
}

static inline int later_run(const Kernel *k, const Run *one, const Run *other) {
    return later_aside(k, &one->first, one->head, &other->first, other->head);
}

/* Let the run at a place of the heap sink to where it belongs; the one with the first head is on top. */
static void sink(const Kernel *k, Run *heap, size_t size, size_t at) {
    Run own = heap[at];
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
        child += child + 1 < size && later_run(k, &heap[child], &heap[child + 1]);
        if (!later_run(k, &own, &heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = own;
}

/* The events put aside as a heap of the runs that are in order: files are, each in itself. */
static Run *runs_aside(const Kernel *k, size_t *size) {
    const Aside *e = k->aside;
    *size = 1;
    for (size_t n = 1; n < k->waiting; n++)
        *size += (size_t)later_aside(k, e + n - 1, n - 1, e + n, n);
    Run *heap = malloc(*size * sizeof *heap), *run = heap;
    if (!heap) return NULL;
    *run = (Run){*e, 0, k->waiting};
    for (size_t n = 1; n < k->waiting; n++) {
        if (!later_aside(k, e + n - 1, n - 1, e + n, n)) continue;
        run->end = n;
        *++run = (Run){e[n], n, k->waiting};
    }
    for (size_t at = *size / 2; at--;) sink(k, heap, *size, at);
    return heap;
}

/* Play the run on top as far as the head of the next one: a visit mostly lies in one file. Events of
   one moment in two runs follow each other where one run takes over from the other. */
static int play_runs(Kernel *k, Run *heap, size_t size) {
    const Aside *e = k->aside;
    Aside before = {UINT64_MAX, 0};
    for (; size; sink(k, heap, size, 0)) {
        Run *top = heap, *next = heap + (size > 2 && later_run(k, &heap[1], &heap[2]) ? 2 : 1);
        k->tied |= same_moment(&before, &top->first);
        do if (play_aside(k, top->head++)) return -1;
        while (top->head < top->end
               && (size < 2 || !later_aside(k, e + top->head, top->head, &next->first, next->head)));
        before = e[top->head - 1];
        if (top->head == top->end) *top = heap[--size];
        else top->first = e[top->head];
    }
    return 0;
}

/* 1: an order depends on numbers that were not given. */
int end_of_month(Kernel *k) {
    k->last = (Event){0, INT64_MIN, INT64_MIN, 0, 0};
    k->turning = 1;
    if (k->waiting) {
        size_t size;
        Run *heap = runs_aside(k, &size);
        if (!heap) return fail(k, "out of memory");
        int bad = play_runs(k, heap, size);
        free(heap);
        k->waiting = 0;
        if (bad) return -1;
    }
    /* Who was born, and came back on another day, does not depend on the order inside a moment. */
    int tied = k->tied && !k->numbers && k->kind != RETENTION;
    k->tied = 0;
    return tied;
}

/* Of funnels, retention and paths: as if no event had come yet. */
void start_over(Kernel *k) {
    for (int level = 0; level <= LENGTH_MAX; level++) {
        free(k->links[level].link);
        k->links[level] = (Links){0};
    }
    free(k->state);
    free(k->aside);
    free(k->aside_no);
    free(k->aside_value);
    k->state = k->aside_no = k->aside_value = NULL;
    k->aside = NULL;
    k->persons = 0;
    k->waiting = k->room = 0;
    k->tied = 0;
    k->last = (Event){0, INT64_MIN, INT64_MIN, 0, 0};
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

static int take_rows(Kernel *k, const Batch *batch, const Chosen *chosen, int sorted) {
    for (int64_t n = 0; n < chosen->rows; n++) {
        int64_t i = chosen->row[n], person = batch->person[i];
        uint64_t hits = chosen->hits[n];
        if (person < 0 || person >= PERSONS_MAX) return fail(k, "a person out of range");
        int64_t who = person < k->members ? k->member[person] : 0;
        if (k->kind == FIGURES || k->kind == SERIES) {
            if (who > 0) person = who;
            if (k->only && (person >= k->onlies || !k->only[person])) continue;
            if (k->kind == SERIES) {
                if (play_series(k, person, batch->at[i], hits, batch, i)) return -1;
                continue;
            }
            if (grow(k, person)) return -1;
            if (play_figures(k, k->state + person * k->width, batch->at[i], hits, batch, i)) return -1;
            continue;
        }
        Event e = {person, batch->at[i], batch->no ? batch->no[i] : 0,
                   k->value < 0 ? 0 : cell(&batch->extra[k->value], i), hits};
        if (sorted) {
            if (later(&k->last, &e)) return fail(k, "events that are not in order");
            k->last = e;
        }
        if (who > 0) e.person = who;
        if (k->only && (e.person >= k->onlies || !k->only[e.person])) continue;
        if (sorted && !who ? play(k, &e) : put_aside(k, &e, batch->person[i])) return -1;
    }
    return 0;
}

int take_batch(Kernel *k, const Batch *batch, int sorted) {
    Chosen chosen;
    if (k->waiting && k->numbers != !!batch->no) return fail(k, "numbers of some events only");
    if (k->numbers != !!batch->no) k->room = 0;
    k->numbers = !!batch->no;
    for (int64_t from = 0; from < batch->rows; from += BLOCK) {
        choose(k, batch, from, &chosen);
        try_tests(k, batch, &chosen);
        if (take_rows(k, batch, &chosen, sorted)) return -1;
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
    struct ArrowSchema schema;
    Batch batch = {0};
    int numbered;
    k->source = -1;
    if (stream->get_schema(stream, &schema)) return fail(k, stream->get_last_error(stream));
    int known = open_schema(k, &schema, &batch, &numbered);
    schema.release(&schema);
    if (!known) return fail(k, "other columns are expected");
    for (;;) {
        struct ArrowArray all;
        all.release = NULL;
        if (stream->get_next(stream, &all)) return fail(k, stream->get_last_error(stream));
        if (!all.release) return 0;
        int bad = open_batch(k, &all, &batch, numbered) || take_batch(k, &batch, sorted);
        all.release(&all);
        if (bad) return -1;
    }
}
