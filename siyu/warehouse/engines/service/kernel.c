/* Ordered funnels and retention, one pass over events that come in order.

   Events arrive as Arrow C streams (https://arrow.apache.org/docs/format/CStreamInterface.html) of
   five columns without nulls: person_no, at_us, event_no, value (int64), mask (uint8). A person is
   an index into arrays that grow as needed. Events of one month come together, months oldest first.
   What is not in order there (several files, visitors who became members) is put aside, sorted at
   the end of the month and then played. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
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

#define NAME "siyu.kernel"
#define NONE INT64_MIN
#define OUTSIDE INT64_MAX
#define PERSONS_MAX ((int64_t)1 << 28)
#define STEPS_MAX 8
#define REACH_MAX 366
#define PERIODS_MAX 64
static const int64_t DAY_US = 86400000000;

typedef struct { int64_t person, at, no, value; uint8_t mask; } Event;
typedef enum { FUNNEL, RICH_FUNNEL, RETENTION } Kind;
enum { DAYS, WEEKS, MONTHS };

typedef struct {
    Kind kind;
    int64_t width;                          /* int64 values per person */
    int64_t *state, persons;                /* persons: how many rows `state` has */
    int64_t *member, members;               /* person -> who they are; 0 themselves, -1 also others */
    uint8_t *only;                          /* who counts; NULL everybody */
    int64_t onlies;
    Event *aside;
    size_t waiting, room;
    char error[256];
    int64_t steps, since, until, window;    /* funnel */
    int64_t first_day, last_day, first_cell, last_cell;     /* retention */
    int grain;
    int64_t periods, changes, *change;      /* change: (from when, offset) pairs, growing */
    uint64_t hits[REACH_MAX + 1];           /* periods that a day after the birth counts for */
} Kernel;

static int fail(Kernel *k, const char *why) {
    strncpy(k->error, why, sizeof k->error - 1);
    return -1;
}

static int grow(Kernel *k, int64_t person) {
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

/* A row of a funnel: the newest start per step, then how far the person went. */
static void play_funnel(Kernel *k, int64_t *own, int64_t at, uint8_t mask) {
    for (int64_t step = k->steps - 1; step >= 0; step--) {
        if (!(mask >> step & 1)) continue;
        int64_t start;
        if (step == 0) {
            if (at < k->since || at >= k->until) continue;
            start = at;
        } else {
            start = own[step - 1];
            if (start == NONE || (uint64_t)at - (uint64_t)start > (uint64_t)k->window) continue;
        }
        own[step] = start;
        if (own[k->steps] < step + 1) own[k->steps] = step + 1;
    }
}

/* A row where more is asked: per step the newest start (moment, number, value) and when its chain
   first came here; how far the person went, with which value; per step how long it took. */
static void play_rich_funnel(Kernel *k, int64_t *own, const Event *e) {
    int64_t *far = own + 4 * k->steps, *best = far + 1, *wait = far + 2;
    for (int64_t step = k->steps - 1; step >= 0; step--) {
        if (!(e->mask >> step & 1)) continue;
        int64_t first[4] = {e->at, e->no, e->value, e->at};
        const int64_t *start = step ? own + 4 * (step - 1) : first;
        int64_t *kept = own + 4 * step;
        if (step == 0 ? e->at < k->since || e->at >= k->until
                      : start[0] == NONE
                            || (uint64_t)e->at - (uint64_t)start[0] > (uint64_t)k->window)
            continue;
        if (kept[0] != start[0] || kept[1] != start[1]) {
            memcpy(kept, start, 3 * sizeof *kept);
            kept[3] = e->at;
        }
        if (wait[step] == NONE) wait[step] = e->at - start[3];
        if (*far < step + 1) { *far = step + 1; *best = start[2]; }
    }
}

static int64_t day_of(const Kernel *k, int64_t at) {
    int64_t n = k->changes - 1;
    while (n > 0 && at < k->change[2 * n]) n--;
    int64_t local = (int64_t)((uint64_t)at + (uint64_t)k->change[2 * n + 1]);
    return local >= 0 ? local / DAY_US : -((-local + DAY_US - 1) / DAY_US);
}

/* The number of a day, of a week (from Monday) or of a month; month from a day number by
   https://howardhinnant.github.io/date_algorithms.html (civil_from_days). */
static int64_t cell_of(const Kernel *k, int64_t day) {
    if (k->grain == DAYS) return day;
    if (k->grain == WEEKS) return (day + 3 - ((day + 3) % 7 + 7) % 7) / 7;
    int64_t z = day + 719468, era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), from_march = (5 * doy + 2) / 153;
    int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
    return 12 * (yoe + era * 400 + (month <= 2) - 1970) + month - 1;
}

/* A row of retention: the day, week or month of the birth (OUTSIDE: of no cohort), then a bit per period. Bit 0 of the mask: may be a
   birth; bit 1: is a return. */
static void play_retention(Kernel *k, int64_t *own, int64_t at, uint8_t mask) {
    if (own[0] == NONE) {
        if (!(mask & 1)) return;
        int64_t day = day_of(k, at);
        own[0] = day < k->first_day || day > k->last_day ? OUTSIDE : cell_of(k, day);
        own[1] = 0;
        return;
    }
    if (!(mask & 2) || own[0] == OUTSIDE) return;
    int64_t after = cell_of(k, day_of(k, at)) - own[0];
    if (after >= 1 && after <= REACH_MAX) own[1] |= (int64_t)k->hits[after];
}

static int play(Kernel *k, const Event *e) {
    if (grow(k, e->person)) return -1;
    int64_t *own = k->state + e->person * k->width;
    if (k->kind == FUNNEL) play_funnel(k, own, e->at, e->mask);
    else if (k->kind == RICH_FUNNEL) play_rich_funnel(k, own, e);
    else play_retention(k, own, e->at, e->mask);
    return 0;
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

static int compare(const void *a, const void *b) {
    const Event *one = a, *other = b;
    if (one->person != other->person) return one->person < other->person ? -1 : 1;
    if (one->at != other->at) return one->at < other->at ? -1 : 1;
    return (one->no > other->no) - (one->no < other->no);
}

/* What is asked of an Arrow batch; the columns stay where they are. */
#define COLUMNS 5
typedef struct { const int64_t *person, *at, *no, *value; const uint8_t *mask; int64_t rows; } Batch;

static const void *column(const struct ArrowArray *all, int64_t n, size_t bytes) {
    const struct ArrowArray *one = all->children[n];
    if (one->n_buffers != 2 || one->null_count > 0 || one->length < all->offset + all->length)
        return NULL;
    return (const char *)one->buffers[1] + (size_t)(one->offset + all->offset) * bytes;
}

static int open_batch(Kernel *k, const struct ArrowArray *all, Batch *batch) {
    memset(batch, 0, sizeof *batch);
    batch->rows = all->length;
    if (!batch->rows) return 0;
    if (all->n_children != COLUMNS) return fail(k, "five columns are expected");
    batch->person = column(all, 0, 8);
    batch->at = column(all, 1, 8);
    batch->no = column(all, 2, 8);
    batch->value = column(all, 3, 8);
    batch->mask = column(all, 4, 1);
    if (!batch->person || !batch->at || !batch->no || !batch->value || !batch->mask)
        return fail(k, "a column is not what it should be");
    return 0;
}

static int take_batch(Kernel *k, const Batch *batch, int sorted, Event *last) {
    for (int64_t i = 0; i < batch->rows; i++) {
        Event e = {
            batch->person[i], batch->at[i], batch->no[i], batch->value[i], batch->mask[i]};
        if (e.person <= 0 || e.person >= PERSONS_MAX) return fail(k, "a person out of range");
        if (!e.mask) continue;
        if (sorted) {
            if (compare(last, &e) > 0) return fail(k, "events that are not in order");
            *last = e;
        }
        int64_t who = e.person < k->members ? k->member[e.person] : 0;
        if (who > 0) e.person = who;
        if (k->only && (e.person >= k->onlies || !k->only[e.person])) continue;
        if (sorted && !who ? play(k, &e) : put_aside(k, &e)) return -1;
    }
    return 0;
}

static int take_stream(Kernel *k, struct ArrowArrayStream *stream, int sorted) {
    Event last = {0, INT64_MIN, INT64_MIN, 0, 0};
    struct ArrowSchema schema;
    if (stream->get_schema(stream, &schema)) return fail(k, stream->get_last_error(stream));
    int known = schema.n_children == COLUMNS;
    for (int n = 0; known && n < COLUMNS; n++)
        known = !strcmp(schema.children[n]->format, n == COLUMNS - 1 ? "C" : "l");
    schema.release(&schema);
    if (!known) return fail(k, "columns of int64 and a uint8 are expected");
    for (;;) {
        struct ArrowArray all;
        Batch batch;
        all.release = NULL;
        if (stream->get_next(stream, &all)) {
            const char *why = stream->get_last_error(stream);
            return fail(k, why ? why : "the stream broke");
        }
        if (!all.release) return 0;
        int bad = open_batch(k, &all, &batch) || take_batch(k, &batch, sorted, &last);
        all.release(&all);
        if (bad) return -1;
    }
}

/* --- Python ------------------------------------------------------------------------------------ */

static void forget(PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    free(k->state);
    free(k->member);
    free(k->only);
    free(k->aside);
    free(k->change);
    free(k);
}

static PyObject *made(Kernel *k) {
    PyObject *capsule = PyCapsule_New(k, NAME, forget);
    if (!capsule) { free(k->change); free(k); }
    return capsule;
}

static PyObject *funnel(PyObject *self, PyObject *args) {
    long long steps, since, until, window;
    int rich;
    if (!PyArg_ParseTuple(args, "LLLLp", &steps, &since, &until, &window, &rich)) return NULL;
    if (steps < 1 || steps > STEPS_MAX || window < 0)
        return PyErr_Format(PyExc_ValueError, "1 to 8 steps and a window");
    Kernel *k = calloc(1, sizeof *k);
    if (!k) return PyErr_NoMemory();
    k->kind = rich ? RICH_FUNNEL : FUNNEL;
    k->width = rich ? 5 * steps + 2 : steps + 1;
    k->steps = steps; k->since = since; k->until = until; k->window = window;
    return made(k);
}

/* A list of ints as a fresh array; NULL with an error set. */
static int64_t *numbers(PyObject *list, Py_ssize_t *size) {
    *size = PyList_Size(list);
    if (*size < 0) return NULL;
    int64_t *found = malloc(((size_t)*size + 1) * sizeof *found);
    if (!found) return (int64_t *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < *size; i++) {
        found[i] = PyLong_AsLongLong(PyList_GetItem(list, i));
        if (PyErr_Occurred()) { free(found); return NULL; }
    }
    return found;
}

static PyObject *retention(PyObject *self, PyObject *args) {
    long long first, last;
    int within, grain;
    PyObject *period_list, *change_list;
    if (!PyArg_ParseTuple(
            args, "LLOpOi", &first, &last, &period_list, &within, &change_list, &grain))
        return NULL;
    Py_ssize_t periods, changes;
    int64_t *period = numbers(period_list, &periods);
    if (!period) return NULL;
    int64_t *change = numbers(change_list, &changes);
    Kernel *k = change ? calloc(1, sizeof *k) : NULL;
    if (!k || periods > PERIODS_MAX || changes < 2 || changes % 2 || first > last
        || grain < DAYS || grain > MONTHS) {
        free(period); free(change); free(k);
        if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "periods, offsets and days");
        return NULL;
    }
    k->kind = RETENTION;
    k->width = 2;
    k->grain = grain;
    k->first_day = first; k->last_day = last;
    k->first_cell = cell_of(k, first); k->last_cell = cell_of(k, last);
    k->periods = periods;
    k->changes = changes / 2;
    k->change = change;
    for (int day = 1; day <= REACH_MAX; day++)
        for (Py_ssize_t n = 0; n < periods; n++)
            if (within ? day <= period[n] : day == period[n]) k->hits[day] |= (uint64_t)1 << n;
    free(period);
    return made(k);
}

static PyObject *raised(Kernel *k) {
    PyErr_SetString(PyExc_RuntimeError, k->error);
    return NULL;
}

/* join(kernel, visitors, members): these visitors count as those members. */
static PyObject *join(PyObject *self, PyObject *args) {
    PyObject *capsule, *visitor_list, *member_list;
    if (!PyArg_ParseTuple(args, "OOO", &capsule, &visitor_list, &member_list)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    Py_ssize_t size, same;
    int64_t *visitor = numbers(visitor_list, &size);
    if (!visitor) return NULL;
    int64_t *member = numbers(member_list, &same), most = 0;
    if (!member) { free(visitor); return NULL; }
    int known = size == same && !k->member;
    for (Py_ssize_t i = 0; known && i < size; i++) {
        int64_t one = visitor[i], other = member[i];
        known = one > 0 && other > 0 && one < PERSONS_MAX && other < PERSONS_MAX;
        if (one > most) most = one;
        if (other > most) most = other;
    }
    if (known) k->member = calloc((size_t)most + 1, sizeof *k->member);
    if (k->member && known) {
        k->members = most + 1;
        for (Py_ssize_t i = 0; i < size; i++) k->member[member[i]] = -1;
        for (Py_ssize_t i = 0; i < size; i++) k->member[visitor[i]] = member[i];
    }
    free(visitor);
    free(member);
    if (!known) return PyErr_Format(PyExc_ValueError, "pairs of persons, once");
    if (!k->member) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* only(kernel, persons): nobody else counts; members, not who they were as visitors. */
static PyObject *only(PyObject *self, PyObject *args) {
    PyObject *capsule, *list;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &list)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    Py_ssize_t size;
    int64_t *person = numbers(list, &size), most = 0;
    if (!person) return NULL;
    int known = !k->only;
    for (Py_ssize_t i = 0; known && i < size; i++) {
        known = person[i] > 0 && person[i] < PERSONS_MAX;
        if (person[i] > most) most = person[i];
    }
    if (known) k->only = calloc((size_t)most + 1, 1);
    if (known && k->only) {
        k->onlies = most + 1;
        for (Py_ssize_t i = 0; i < size; i++) k->only[person[i]] = 1;
    }
    free(person);
    if (!known) return PyErr_Format(PyExc_ValueError, "persons, once");
    if (!k->only) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* feed(kernel, stream, sorted): events of a month. */
static PyObject *feed(PyObject *self, PyObject *args) {
    PyObject *capsule, *arrow;
    int sorted, bad;
    if (!PyArg_ParseTuple(args, "OOp", &capsule, &arrow, &sorted)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    struct ArrowArrayStream *stream =
        k ? PyCapsule_GetPointer(arrow, "arrow_array_stream") : NULL;
    if (!stream) return NULL;
    if (!stream->release) return PyErr_Format(PyExc_ValueError, "a stream that was read");
    Py_BEGIN_ALLOW_THREADS
    bad = take_stream(k, stream, sorted);
    Py_END_ALLOW_THREADS
    return bad ? raised(k) : Py_NewRef(Py_None);
}

/* end_month(kernel): what was put aside is sorted and played. */
static PyObject *end_month(PyObject *self, PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    int bad = 0;
    if (!k) return NULL;
    Py_BEGIN_ALLOW_THREADS
    if (k->waiting) qsort(k->aside, k->waiting, sizeof *k->aside, compare);
    for (size_t i = 0; i < k->waiting && !bad; i++) bad = play(k, &k->aside[i]);
    k->waiting = 0;
    Py_END_ALLOW_THREADS
    return bad ? raised(k) : Py_NewRef(Py_None);
}

static PyObject *as_bytes(int64_t *out, size_t size) {
    PyObject *found = PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)(size * sizeof *out));
    free(out);
    return found;
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

/* Triples (value, step reached, persons). */
static size_t tally_funnel(const Kernel *k, Reached *reached, int64_t *out) {
    size_t size = 0, triples = 0;
    int rich = k->kind == RICH_FUNNEL;
    for (int64_t person = 0; person < k->persons; person++) {
        const int64_t *far = k->state + person * k->width + (rich ? 4 : 1) * k->steps;
        if (*far != NONE) reached[size++] = (Reached){rich ? far[1] : 0, *far};
    }
    if (size) qsort(reached, size, sizeof *reached, compare_reached);
    for (size_t i = 0, from = 0; i < size; i++) {
        if (i + 1 < size && !compare_reached(&reached[i], &reached[i + 1])) continue;
        out[3 * triples] = reached[i].value;
        out[3 * triples + 1] = reached[i].far;
        out[3 * triples++ + 2] = (int64_t)(i + 1 - from);
        from = i + 1;
    }
    return 3 * triples;
}

/* Rows of a day, week or month: persons born, then how many came back per period. */
static size_t tally_retention(const Kernel *k, int64_t *out) {
    int64_t columns = k->periods + 1;
    for (int64_t person = 0; person < k->persons; person++) {
        const int64_t *own = k->state + person * k->width;
        if (own[0] == NONE || own[0] == OUTSIDE) continue;
        int64_t *row = out + (own[0] - k->first_cell) * columns;
        row[0]++;
        for (int64_t n = 0; n < k->periods; n++) row[n + 1] += (uint64_t)own[1] >> n & 1;
    }
    return (size_t)((k->last_cell - k->first_cell + 1) * columns);
}

/* tally(kernel): int64 values in native order. */
static PyObject *tally(PyObject *self, PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    int days = k->kind == RETENTION;
    int64_t rows = days ? k->last_cell - k->first_cell + 1 : k->persons;
    int64_t *out = calloc((size_t)rows + 1, (size_t)(days ? k->periods + 1 : 3) * sizeof *out);
    Reached *reached = days ? NULL : malloc(((size_t)rows + 1) * sizeof *reached);
    if (!out || (!days && !reached)) {
        free(out);
        free(reached);
        return PyErr_NoMemory();
    }
    size_t size;
    Py_BEGIN_ALLOW_THREADS
    size = days ? tally_retention(k, out) : tally_funnel(k, reached, out);
    Py_END_ALLOW_THREADS
    free(reached);
    return as_bytes(out, size);
}

/* waits(kernel, edges): per step from the second on: the lower median (INT64_MIN: nobody), then how
   many waits lie below the first edge, from each edge to the next, from the last edge on. */
static PyObject *waits(PyObject *self, PyObject *args) {
    PyObject *capsule, *list;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &list)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    if (k->kind != RICH_FUNNEL) return PyErr_Format(PyExc_ValueError, "a rich funnel");
    Py_ssize_t edges;
    int64_t *edge = numbers(list, &edges);
    if (!edge) return NULL;
    size_t width = (size_t)edges + 2, rows = (size_t)k->steps - 1;
    int64_t *out = calloc(rows, width * sizeof *out);
    int64_t *wait = malloc(((size_t)k->persons + 1) * sizeof *wait);
    if (!out || !wait) {
        free(edge); free(out); free(wait);
        return PyErr_NoMemory();
    }
    Py_BEGIN_ALLOW_THREADS
    for (size_t row = 0; row < rows; row++) {
        size_t size = 0;
        int64_t *counts = out + row * width;
        for (int64_t person = 0; person < k->persons; person++) {
            int64_t one = k->state[person * k->width + 4 * k->steps + 3 + (int64_t)row];
            if (one == NONE) continue;
            wait[size++] = one;
            Py_ssize_t bucket = 0;
            while (bucket < edges && one >= edge[bucket]) bucket++;
            counts[bucket + 1]++;
        }
        if (size) qsort(wait, size, sizeof *wait, compare_numbers);
        counts[0] = size ? wait[(size - 1) / 2] : NONE;
    }
    Py_END_ALLOW_THREADS
    free(edge);
    free(wait);
    return as_bytes(out, rows * width);
}

static PyMethodDef methods[] = {
    {"funnel", funnel, METH_VARARGS, "funnel(steps, since, until, window, rich) -> kernel"},
    {"retention", retention, METH_VARARGS,
     "retention(first_day, last_day, periods, within, offsets, grain) -> kernel"},
    {"join", join, METH_VARARGS, "join(kernel, visitors, members)"},
    {"only", only, METH_VARARGS, "only(kernel, persons)"},
    {"feed", feed, METH_VARARGS, "feed(kernel, stream, sorted)"},
    {"end_month", end_month, METH_O, "end_month(kernel)"},
    {"tally", tally, METH_O, "tally(kernel) -> bytes"},
    {"waits", waits, METH_VARARGS, "waits(kernel, edges) -> bytes"},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Ordered funnels and retention.", -1, methods,
    NULL, NULL, NULL, NULL,
};
PyMODINIT_FUNC PyInit__kernel(void) { return PyModule_Create(&module); }
