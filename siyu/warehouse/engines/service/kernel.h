/* Kernels: one pass over events, an array of figures per person. See stream.c and parquet.c for what
   they read, order.c, paths.c, figures.c and series.c for what they do with it, kernel.c for how
   Python calls them. */

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
#define SPANS_MAX 22
#define SPAN_DAYS_MAX 4000
#define LENGTH_MAX 10
#define DAY_US INT64_C(86400000000)
#define BLOCK 1024                  /* rows that are tested at a time */
#define OTHER_FORM (-2)             /* a file that parquet.c does not read */

typedef struct { int64_t person, at, no, value; uint64_t hits; } Event;

/* An event that waits for the end of its month; who: a person, and in the low byte its hits. */
typedef struct { uint64_t who; int64_t at; } Aside;
typedef enum { FUNNEL, RICH_FUNNEL, RETENTION, PATHS, FIGURES, SERIES } Kind;
typedef enum { COUNT, SUM, FIRST, LAST, DAYS_SEEN, GIVEN, PERSONS } What;
enum { DAYS, WEEKS, MONTHS };

/* A column of an Arrow batch as it lies there; kind: 'C' uint8, 's' int16, 'i' int32, 'l' int64. */
typedef struct { char kind; const void *cells; } Column;
typedef struct {
    const int64_t *person, *at, *no;        /* no: NULL when the order of rows is the order */
    const int32_t *name;
    Column extra[EXTRAS_MAX];
    int64_t rows;
} Batch;

/* A figure of a person, or a measure of a series; at: where in the row, DAYS_SEEN takes three; extra:
   what is summed, or of PERSONS in a series the measure that must hold too (-1 none). */
typedef struct { What what; int64_t at, extra; } Figure;

/* Of a series: [since, until), the number of its first business day, and where its days are counted. */
typedef struct { int64_t since, until, first_day, begin, end; } Span;

/* How many visits went from one place to another: a hash table; visits 0: a free cell. */
typedef struct { uint64_t key; int64_t visits; } Link;
typedef struct { Link *link; size_t size, used; } Links;

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
    Aside *aside;
    int64_t *aside_no, *aside_value;        /* of the same events, where they matter */
    size_t waiting, room;
    int64_t source;                         /* of the event put aside last: the person as read */
    int numbers, tied;                      /* numbers are known; moments tie */
    Event last;                             /* of the month, where events come in order */
    char error[256];
    int64_t steps, window, value;           /* funnel; value: which extra column, -1 none */
    int64_t length;                         /* paths; window: the longest pause of a visit */
    int backward, short_of_memory;
    Links links[LENGTH_MAX + 1];            /* by level */
    int64_t first_day, last_day, first_cell, last_cell;     /* retention */
    int grain;
    int64_t periods, changes, *change;      /* change: (from when, offset) pairs, growing */
    uint64_t hits[REACH_MAX + 1];           /* periods that a day after the birth counts for */
    Figure figure[TESTS_MAX];               /* figures, series */
    Span span[SPANS_MAX];                   /* series, growing */
    int64_t spans, days, eve, *count;       /* days: of all spans; eve: of the present month */
    int turning;                            /* a month is over */
} Kernel;

struct ArrowArrayStream;

/* stream.c */
int fail(Kernel *k, const char *why);
int take_stream(Kernel *k, struct ArrowArrayStream *stream, int sorted);
int take_batch(Kernel *k, const Batch *batch, int sorted);
int end_of_month(Kernel *k);
void start_over(Kernel *k);
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

/* parquet.c: `most` row groups of a file from `first` on; the next one, 0 at the end, or what is wrong */
int64_t take_file(Kernel *k, const uint8_t *file, int64_t size, const char *const *names,
                  int64_t columns, int64_t shop, int numbered, int sorted, int64_t first, int64_t most);

/* order.c: funnels and retention, whose events come in order */
void play_ordered(Kernel *k, int64_t *own, const Event *e);
int64_t day_of(const Kernel *k, int64_t at);
int64_t cell_of(const Kernel *k, int64_t day);
int64_t far_of(const Kernel *k, int64_t person);
int64_t *tally_of(Kernel *k, size_t *size);
int64_t *waits_of(const Kernel *k, const int64_t *edge, int64_t edges, size_t *size);

/* paths.c */
int64_t path_width(int64_t length, int backward);
void play_path(Kernel *k, int64_t *own, const Event *e);
int64_t *tally_paths(Kernel *k, size_t *size);

/* figures.c: figures of a person, and who fits a rule about them */
int play_figures(Kernel *k, int64_t *own, int64_t at, uint64_t hits, const Batch *batch, int64_t row);
int64_t figure_of(const Kernel *k, int64_t person, int64_t figure);
int64_t least_of_top(const Kernel *k, int64_t figure, int64_t percent, int *bad);
int known_rule(const Kernel *k, const int64_t *rule, int64_t size);
int64_t *fitting(const Kernel *k, const int64_t *rule, int64_t size, size_t *found);
int give(Kernel *k, int64_t figure, const Kernel *funnel);
int grow(Kernel *k, int64_t person);

/* series.c */
int set_series(Kernel *k, const int64_t *span, int64_t spans, const int64_t *measure, int64_t measures);
int play_series(Kernel *k, int64_t person, int64_t at, uint64_t hits, const Batch *batch, int64_t row);
int64_t *tally_series(const Kernel *k, size_t *size);
