/* Figures over business days: events, sums, different persons, per day and per span of days. They
   need no order inside a month. A row of the state: a word per measure of persons, with a bit for
   each day of the month that is being read, from its eve on, and one for each span. */

#include "kernel.h"
#include <stdlib.h>
#include <string.h>

#define MONTH_BITS 40               /* of which 33 are used: local time may be a day ahead or behind */
#define MONTH_MASK ((INT64_C(1) << MONTH_BITS) - 1)

/* spans: (since, until, number of the first day, of the last); measures: (what, the extra column
   that is summed or the measure that must hold too, else -1); one per test. */
int set_series(Kernel *k, const int64_t *span, int64_t spans, const int64_t *measure, int64_t measures) {
    if (spans < 1 || spans > SPANS_MAX || measures < 1 || measures > TESTS_MAX) return 0;
    for (const int64_t *one = span; one < span + 4 * spans; one += 4) {
        if (one[0] >= one[1] || one[2] > one[3] || one[3] - one[2] >= SPAN_DAYS_MAX) return 0;
        if (one > span && (one[0] < one[-3] || one[2] <= one[-1])) return 0;
        int64_t begin = k->days;
        k->days += one[3] - one[2] + 1;
        k->span[k->spans++] = (Span){one[0], one[1], one[2], begin, k->days};
    }
    for (int64_t n = 0; n < measures; n++) {
        int64_t what = measure[2 * n], with = measure[2 * n + 1];
        if (what != COUNT && what != SUM && what != PERSONS) return 0;
        if (what == SUM ? with < 0 || with >= EXTRAS_MAX : with < -1 || with >= measures) return 0;
        if (what == PERSONS && with >= 0 && measure[2 * with] != PERSONS) return 0;
        k->figure[n] = (Figure){(What)what, what == PERSONS ? k->width++ : -1, with};
    }
    k->steps = measures;
    k->grain = MONTHS;
    k->turning = 1;
    return !!(k->count = calloc((size_t)(measures * (k->days + k->spans)), sizeof *k->count));
}

/* The number of the day before the UTC month of a moment. */
static int64_t eve_of_month(const Kernel *k, int64_t at) {
    int64_t day = at >= 0 ? at / DAY_US : -((-at + DAY_US - 1) / DAY_US);
    while (cell_of(k, day - 1) == cell_of(k, day)) day--;
    return day - 1;
}

/* A month begins; a business day may reach into it from the one before. */
static int turn_month(Kernel *k, int64_t eve) {
    int64_t days = k->eve == NONE ? 0 : eve - k->eve;
    if (days < 0) return fail(k, "months that are not in order");
    for (int64_t n = 0; days && n < k->persons * k->width; n++) {
        int64_t seen = days < MONTH_BITS ? (k->state[n] & MONTH_MASK) >> days : 0;
        k->state[n] = (k->state[n] & ~MONTH_MASK) | seen;
    }
    k->eve = eve;
    k->turning = 0;
    return 0;
}

static int sum_up(int64_t *sum, int64_t more) { return __builtin_add_overflow(*sum, more, sum); }

int play_series(Kernel *k, int64_t person, int64_t at, uint64_t hits, const Batch *batch, int64_t i) {
    int64_t s = k->spans - 1;
    while (s && at < k->span[s].since) s--;
    const Span *span = &k->span[s];
    if (at < span->since || at >= span->until) return 0;
    if (k->turning && turn_month(k, eve_of_month(k, at))) return -1;
    int64_t day = day_of(k, at), place = span->begin + day - span->first_day, bit = day - k->eve;
    if (place < span->begin || place >= span->end) return fail(k, "a day out of range");
    if (bit < 0 || bit >= MONTH_BITS) return fail(k, "events that are not in order");
    int64_t seen = INT64_C(1) << bit | INT64_C(1) << (MONTH_BITS + s);
    if (k->width && grow(k, person)) return -1;
    int64_t *own = k->state + person * k->width;
    for (; hits; hits &= hits - 1) {
        int n = __builtin_ctzll(hits);
        const Figure *figure = &k->figure[n];
        int64_t *count = k->count + n * (k->days + k->spans), *whole = count + k->days + s;
        if (figure->what == COUNT) {
            count[place]++;
            ++*whole;
        } else if (figure->what == SUM) {
            int64_t more = cell(&batch->extra[figure->extra], i);
            if (sum_up(count + place, more) || sum_up(whole, more))
                return fail(k, "a sum out of range");
        } else if (person) {
            int64_t fresh = seen & ~own[figure->at];
            own[figure->at] |= seen;
            if (figure->extra >= 0) fresh &= own[k->figure[figure->extra].at];
            count[place] += fresh >> bit & 1;
            *whole += fresh >> (MONTH_BITS + s) & 1;
        }
    }
    return 0;
}

/* Per measure its days, span after span, then its spans as a whole. */
int64_t *tally_series(const Kernel *k, size_t *size) {
    *size = (size_t)(k->steps * (k->days + k->spans));
    int64_t *out = malloc(*size * sizeof *out);
    return out ? memcpy(out, k->count, *size * sizeof *out) : NULL;
}
