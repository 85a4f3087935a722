/* Ordered funnels and retention: what an event does to the row of its person, and what all rows
   come to. */

#include "kernel.h"
#include <stdlib.h>
#include <string.h>

/* A row of a funnel: the newest start per step, then how far the person went. Whether a step counts
   cannot be guessed, so there is no branch for it. */
static void play_funnel(Kernel *k, int64_t *own, int64_t at, uint64_t hits) {
    int64_t *far = own + k->steps;
    while (hits) {
        int64_t step = 63 - __builtin_clzll(hits), *kept = own + step;
        const int64_t *from = step ? kept - 1 : &at;
        int64_t start = *from, counts = -(int64_t)((start != NONE)
            & ((uint64_t)at - (uint64_t)start <= (uint64_t)k->window));
        hits ^= UINT64_C(1) << step;
        *kept = (start & counts) | (*kept & ~counts);
        int64_t reached = ((step + 1) & counts) | (NONE & ~counts);
        *far = *far < reached ? reached : *far;
    }
}

/* A row where more is asked: per step the newest start (moment, number, value) and when its chain
   first came here; how far the person went, with which value; per step how long it took. */
static void play_rich_funnel(Kernel *k, int64_t *own, const Event *e) {
    int64_t *far = own + 4 * k->steps, *best = far + 1, *wait = far + 2;
    for (uint64_t hits = e->hits; hits;) {
        int step = 63 - __builtin_clzll(hits);
        hits ^= UINT64_C(1) << step;
        int64_t first[4] = {e->at, e->no, e->value, e->at};
        const int64_t *start = step ? own + 4 * (step - 1) : first;
        int64_t *kept = own + 4 * step;
        if (step && (start[0] == NONE
                     || (uint64_t)e->at - (uint64_t)start[0] > (uint64_t)k->window))
            continue;
        if (kept[0] != start[0] || kept[1] != start[1]) {
            memcpy(kept, start, 3 * sizeof *kept);
            kept[3] = e->at;
        }
        if (wait[step] == NONE) wait[step] = e->at - start[3];
        if (*far < step + 1) { *far = step + 1; *best = start[2]; }
    }
}

int64_t day_of(const Kernel *k, int64_t at) {
    int64_t n = k->changes - 1;
    while (n > 0 && at < k->change[2 * n]) n--;
    int64_t local = (int64_t)((uint64_t)at + (uint64_t)k->change[2 * n + 1]);
    return local >= 0 ? local / DAY_US : -((-local + DAY_US - 1) / DAY_US);
}

/* The number of a day, of a week (from Monday) or of a month; month from a day number by
   https://howardhinnant.github.io/date_algorithms.html (civil_from_days). */
int64_t cell_of(const Kernel *k, int64_t day) {
    if (k->grain == DAYS) return day;
    if (k->grain == WEEKS) return (day + 3 - ((day + 3) % 7 + 7) % 7) / 7;
    int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), from_march = (5 * doy + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    return 12 * (yoe + era * 400 + (month <= 2) - 1970) + month - 1;
}

/* A row of retention: the day, week or month of the birth (OUTSIDE: of no cohort), then a bit per
   period. Test 0: may be a birth; test 1: is a return. */
static void play_retention(Kernel *k, int64_t *own, int64_t at, uint64_t hits) {
    if (own[0] == NONE) {
        if (!(hits & 1)) return;
        int64_t day = day_of(k, at);
        own[0] = day < k->first_day || day > k->last_day ? OUTSIDE : cell_of(k, day);
        own[1] = 0;
        return;
    }
    if (!(hits & 2) || own[0] == OUTSIDE) return;
    int64_t after = cell_of(k, day_of(k, at)) - own[0];
    if (after >= 1 && after <= REACH_MAX) own[1] |= (int64_t)k->hits[after];
}

void play_ordered(Kernel *k, int64_t *own, const Event *e) {
    if (k->kind == FUNNEL) play_funnel(k, own, e->at, e->hits);
    else if (k->kind == RICH_FUNNEL) play_rich_funnel(k, own, e);
    else if (k->kind == PATHS) play_path(k, own, e);
    else play_retention(k, own, e->at, e->hits);
}

/* The last step that a person reached, from 1; NONE of nobody who began. */
int64_t far_of(const Kernel *k, int64_t person) {
    return k->state[person * k->width + (k->kind == RICH_FUNNEL ? 4 : 1) * k->steps];
}

typedef struct { int64_t value, far; } Reached;

static int compare_reached(const void *a, const void *b) {
    const Reached *one = a, *other = b;
    if (one->value != other->value) return one->value < other->value ? -1 : 1;
    return (one->far > other->far) - (one->far < other->far);
}

static int compare_numbers(const void *a, const void *b) {
    return (*(const int64_t *)a > *(const int64_t *)b) - (*(const int64_t *)a < *(const int64_t *)b);
}

/* Triples (0, step reached, persons). */
static int64_t *tally_funnel(const Kernel *k, size_t *size) {
    int64_t *out = calloc((size_t)k->steps * 3, sizeof *out);
    if (!out) return NULL;
    for (int64_t step = 0; step < k->steps; step++) out[3 * step + 1] = step + 1;
    for (int64_t person = 0; person < k->persons; person++) {
        int64_t far = far_of(k, person);
        if (far != NONE) out[3 * (far - 1) + 2]++;
    }
    *size = (size_t)k->steps * 3;
    return out;
}

/* Triples (value, step reached, persons). */
static int64_t *tally_rich_funnel(const Kernel *k, size_t *size) {
    int64_t *out = malloc(((size_t)k->persons + 1) * 3 * sizeof *out);
    Reached *reached = malloc(((size_t)k->persons + 1) * sizeof *reached);
    size_t known = 0, triples = 0;
    if (!out || !reached) { free(out); free(reached); return NULL; }
    for (int64_t person = 0; person < k->persons; person++) {
        int64_t far = far_of(k, person);
        if (far == NONE) continue;
        reached[known++] = (Reached){k->state[person * k->width + 4 * k->steps + 1], far};
    }
    qsort(reached, known, sizeof *reached, compare_reached);
    for (size_t i = 0, from = 0; i < known; i++) {
        if (i + 1 < known && !compare_reached(&reached[i], &reached[i + 1])) continue;
        out[3 * triples] = reached[i].value;
        out[3 * triples + 1] = reached[i].far;
        out[3 * triples++ + 2] = (int64_t)(i + 1 - from);
        from = i + 1;
    }
    free(reached);
    *size = 3 * triples;
    return out;
}

/* Rows of a day, week or month: persons born, then how many came back per period. */
static int64_t *tally_retention(const Kernel *k, size_t *size) {
    int64_t columns = k->periods + 1;
    *size = (size_t)((k->last_cell - k->first_cell + 1) * columns);
    int64_t *out = calloc(*size, sizeof *out);
    if (!out) return NULL;
    for (int64_t person = 0; person < k->persons; person++) {
        const int64_t *own = k->state + person * k->width;
        if (own[0] == NONE || own[0] == OUTSIDE) continue;
        int64_t *row = out + (own[0] - k->first_cell) * columns;
        row[0]++;
        for (int64_t n = 0; n < k->periods; n++) row[n + 1] += (uint64_t)own[1] >> n & 1;
    }
    return out;
}

int64_t *tally_of(Kernel *k, size_t *size) {
    if (k->kind == PATHS) return tally_paths(k, size);
    if (k->kind == RETENTION) return tally_retention(k, size);
    if (k->kind == SERIES) return tally_series(k, size);
    return k->kind == FUNNEL ? tally_funnel(k, size) : tally_rich_funnel(k, size);
}

/* Per step from the second on: the lower median (NONE: nobody), then how many waits lie below the
   first edge, from each edge to the next, from the last edge on. */
int64_t *waits_of(const Kernel *k, const int64_t *edge, int64_t edges, size_t *size) {
    int64_t width = edges + 2, rows = k->steps - 1;
    int64_t *out = calloc((size_t)(rows * width), sizeof *out);
    int64_t *wait = malloc(((size_t)k->persons + 1) * sizeof *wait);
    if (!out || !wait) { free(out); free(wait); return NULL; }
    for (int64_t row = 0; row < rows; row++) {
        size_t known = 0;
        int64_t *counts = out + row * width;
        for (int64_t person = 0; person < k->persons; person++) {
            int64_t one = k->state[person * k->width + 4 * k->steps + 3 + row], bucket = 0;
            if (one == NONE) continue;
            wait[known++] = one;
            while (bucket < edges && one >= edge[bucket]) bucket++;
            counts[bucket + 1]++;
        }
        qsort(wait, known, sizeof *wait, compare_numbers);
        counts[0] = known ? wait[(known - 1) / 2] : NONE;
    }
    free(wait);
    *size = (size_t)(rows * width);
    return out;
}
