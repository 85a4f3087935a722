/* Kernels: one pass over events, an array of figures per person. See stream.c for what they read,
   order.c and figures.c for what they do with it, kernel.c for how Python calls them. */

#pragma once
#include <stddef.h>
#include <stdint.h>

#define NONE INT64_MIN
#define OUTSIDE INT64_MAX
#define PERSONS_MAX ((int64_t)1 << 28)
#define NAMES_MAX ((int64_t)1 << 20)
#define STEPS_MAX 8
#define TESTS_MAX 62
#define EXTRAS_MAX 64
#define REACH_MAX 366
#define PERIODS_MAX 64
#define DAY_US INT64_C(86400000000)

typedef struct { int64_t person, at, no, value; uint64_t hits; } Event;
typedef enum { FUNNEL, RICH_FUNNEL, RETENTION, FIGURES } Kind;
typedef enum { COUNT, SUM, FIRST, LAST, DAYS_SEEN, GIVEN } What;
enum { DAYS, WEEKS, MONTHS };

/* A column of an Arrow batch as it lies there; kind: 'C' uint8, 's' int16, 'i' int32, 'l' int64. */
typedef struct { char kind; const void *cells; } Column;
typedef struct {
    const int64_t *person, *at, *no;        /* no: NULL when the order of rows is the order */
    const int32_t *name;
    Column extra[EXTRAS_MAX];
    int64_t rows;
} Batch;

/* A figure of a person; at: where in the row, DAYS_SEEN takes three; extra: what is summed. */
typedef struct { What what; int64_t at, extra; } Figure;

typedef struct {
    Kind kind;
    int64_t width;                          /* int64 values per person */
    int64_t *state, persons;                /* persons: how many rows `state` has */
    int64_t *member, members;               /* person -> who they are; 0 themselves, -1 also others */
    uint8_t *only;                          /* who counts; NULL everybody */
    int64_t onlies;
    uint64_t *tests_of, others;             /* name -> tests that it may pass; of any other name */
    int64_t names, extras, tests;
    int64_t *test[TESTS_MAX];               /* since, until, conditions, then each: extra, ranges,
                                               low, high, low, high, … (inclusive) */
    Event *aside;
    size_t waiting, room;
    char error[256];
    int64_t steps, window, value;           /* funnel; value: which extra column, -1 none */
    int64_t first_day, last_day, first_cell, last_cell;     /* retention */
    int grain;
    int64_t periods, changes, *change;      /* change: (from when, offset) pairs, growing */
    uint64_t hits[REACH_MAX + 1];           /* periods that a day after the birth counts for */
    Figure figure[TESTS_MAX];               /* figures */
} Kernel;

struct ArrowArrayStream;

/* stream.c */
int fail(Kernel *k, const char *why);
int take_stream(Kernel *k, struct ArrowArrayStream *stream, int sorted);
int end_of_month(Kernel *k);
int known_test(const Kernel *k, const int64_t *test, int64_t size);
int is_open(const struct ArrowArrayStream *stream);

static inline int64_t cell(const Column *column, int64_t row) {
    switch (column->kind) {
    case 'C': return ((const uint8_t *)column->cells)[row];
    case 's': return ((const int16_t *)column->cells)[row];
    case 'i': return ((const int32_t *)column->cells)[row];
    default: return ((const int64_t *)column->cells)[row];
    }
}

/* order.c: funnels and retention, whose events come in order */
void play_ordered(Kernel *k, int64_t *own, const Event *e);
int64_t day_of(const Kernel *k, int64_t at);
int64_t cell_of(const Kernel *k, int64_t day);
int64_t far_of(const Kernel *k, int64_t person);
int64_t *tally_of(const Kernel *k, size_t *size);
int64_t *waits_of(const Kernel *k, const int64_t *edge, int64_t edges, size_t *size);

/* figures.c: figures of a person, and who fits a rule about them */
int play_figures(Kernel *k, int64_t *own, int64_t at, uint64_t hits, const Batch *batch, int64_t row);
int64_t figure_of(const Kernel *k, int64_t person, int64_t figure);
int64_t least_of_top(const Kernel *k, int64_t figure, int64_t percent, int *bad);
int known_rule(const Kernel *k, const int64_t *rule, int64_t size);
int64_t *fitting(const Kernel *k, const int64_t *rule, int64_t size, size_t *found);
int give(Kernel *k, int64_t figure, const Kernel *funnel);
int grow(Kernel *k, int64_t person);
