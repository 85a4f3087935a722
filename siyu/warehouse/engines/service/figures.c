/* Figures of a person: how many events, a sum, the first, the last, different days; and who fits a
   rule about them. A row of the state: whether there is anything, then the figures. */

#include "kernel.h"
#include <stdlib.h>

/* Different days: the newest one, a bit for each of the 63 before it, how many there were. So the
   events of a month need no order, and a clock that is set back over midnight does no harm. */
static int see_day(Kernel *k, int64_t *own, int64_t day) {
    if (own[0] == NONE) {
        own[0] = day;
        own[1] = 1;
        own[2] = 1;
        return 0;
    }
    int64_t after = day - own[0];
    if (after <= -64) return fail(k, "events that are not in order");
    uint64_t seen = (uint64_t)own[1];
    if (after > 0) {
        seen = after < 64 ? seen << after : 0;
        own[0] = day;
        after = 0;
    }
    uint64_t bit = UINT64_C(1) << -after;
    if (!(seen & bit)) own[2]++;
    own[1] = (int64_t)(seen | bit);
    return 0;
}

int play_figures(Kernel *k, int64_t *row, int64_t at, uint64_t hits, const Batch *batch, int64_t i) {
    row[0] = 1;
    for (; hits; hits &= hits - 1) {
        const Figure *figure = &k->figure[__builtin_ctzll(hits)];
        int64_t *own = row + figure->at;
        switch (figure->what) {
        case COUNT:
            *own = *own == NONE ? 1 : *own + 1;
            break;
        case SUM: {
            int64_t more = cell(&batch->extra[figure->extra], i);
            if (__builtin_add_overflow(*own == NONE ? 0 : *own, more, own) || *own == NONE)
                return fail(k, "a sum out of range");
            break;
        }
        case FIRST:
            if (*own == NONE || at < *own) *own = at;
            break;
        case LAST:
            if (*own == NONE || at > *own) *own = at;
            break;
        case DAYS_SEEN:
            if (see_day(k, own, day_of(k, at))) return -1;
            break;
        case GIVEN: case PERSONS:
            break;
        }
    }
    return 0;
}

/* NONE where there is no first or last; every other figure is 0 then. */
int64_t figure_of(const Kernel *k, int64_t person, int64_t n) {
    const Figure *figure = &k->figure[n];
    const int64_t *own = k->state + person * k->width + figure->at;
    if (figure->what == FIRST || figure->what == LAST) return *own;
    return own[0] == NONE ? 0 : own[figure->what == DAYS_SEEN ? 2 : 0];
}

/* How far everybody came in a funnel, as a figure. */
int give(Kernel *k, int64_t figure, const Kernel *funnel) {
    for (int64_t person = 0; person < funnel->persons; person++) {
        int64_t far = far_of(funnel, person);
        if (far == NONE) continue;
        if (grow(k, person)) return -1;
        k->state[person * k->width] = 1;
        k->state[person * k->width + k->figure[figure].at] = far;
    }
    return 0;
}

static int compare_falling(const void *a, const void *b) {
    return (*(const int64_t *)a < *(const int64_t *)b) - (*(const int64_t *)a > *(const int64_t *)b);
}

/* The smallest value that is still among the top: fewer than `percent` % of the positive ones are
   strictly above it. OUTSIDE when nothing is positive. */
int64_t least_of_top(const Kernel *k, int64_t figure, int64_t percent, int *bad) {
    int64_t *value = malloc(((size_t)k->persons + 1) * sizeof *value), size = 0, least = OUTSIDE;
    if ((*bad = !value)) return 0;
    for (int64_t person = 0; person < k->persons; person++) {
        int64_t one = figure_of(k, person, figure);
        if (one > 0) value[size++] = one;
    }
    qsort(value, (size_t)size, sizeof *value, compare_falling);
    for (int64_t i = 0, above = 0; i < size; i++) {
        if (i && value[i] != value[i - 1]) above = i;
        if (above * 100 >= percent * size) break;
        least = value[i];
    }
    free(value);
    return least;
}

/* A rule in the order in which it is worked out: (IS, figure, comparison, value), (ALL, n, 0, 0) or
   (ANY, n, 0, 0) of the last n results, (NOT, 0, 0, 0). */
enum { IS, ALL, ANY, NOT, WORDS };
enum { EQ, GE, LE };

int known_rule(const Kernel *k, const int64_t *rule, int64_t size) {
    int64_t depth = 0;
    if (size % WORDS) return 0;
    for (const int64_t *word = rule; word < rule + size; word += WORDS) {
        switch (word[0]) {
        case IS:
            if (word[1] < 0 || word[1] >= k->tests || word[2] < EQ || word[2] > LE) return 0;
            depth++;
            break;
        case ALL: case ANY:
            if (word[1] < 1 || word[1] > depth) return 0;
            depth -= word[1] - 1;
            break;
        case NOT:
            if (depth < 1) return 0;
            break;
        default:
            return 0;
        }
    }
    return depth == 1;
}

static int fits(const Kernel *k, int64_t person, const int64_t *rule, int64_t size, uint8_t *top) {
    for (const int64_t *word = rule; word < rule + size; word += WORDS) {
        int64_t value;
        uint8_t all = 1, any = 0;
        switch (word[0]) {
        case IS:
            value = figure_of(k, person, word[1]);
            *top++ = word[2] == EQ ? value == word[3] : word[2] == GE ? value >= word[3]
                                                                      : value <= word[3];
            break;
        case NOT:
            top[-1] = !top[-1];
            break;
        default:
            for (int64_t n = 0; n < word[1]; n++) {
                top--;
                all &= *top;
                any |= *top;
            }
            *top++ = word[0] == ALL ? all : any;
        }
    }
    return top[-1];
}

int64_t *fitting(const Kernel *k, const int64_t *rule, int64_t size, size_t *found) {
    int64_t *person = malloc(((size_t)k->persons + 1) * sizeof *person);
    uint8_t *stack = malloc((size_t)size / WORDS + 1);
    *found = 0;
    if (person && stack)
        for (int64_t n = 1; n < k->persons; n++)
            if (k->state[n * k->width] == 1 && fits(k, n, rule, size, stack)) person[(*found)++] = n;
    if (!stack) { free(person); person = NULL; }
    free(stack);
    return person;
}
