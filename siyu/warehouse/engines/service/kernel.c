/* The kernels as a Python module (limited API). */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <string.h>
#include "kernel.h"

#define NAME "siyu.kernel"

/* --- making one -------------------------------------------------------------------------------- */

static void forget(PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    for (int64_t n = 0; n < TESTS_MAX; n++) free(k->test[n]);
    start_over(k);
    free(k->tests_of);
    free(k->member);
    free(k->only);
    free(k->change);
    free(k->count);
    free(k);
}

/* A kernel in its capsule, which owns it; NULL with an error set. */
static PyObject *make(Kind kind, int64_t width, Kernel **made) {
    Kernel *k = calloc(1, sizeof *k);
    if (!k) return PyErr_NoMemory();
    k->kind = kind;
    k->width = width;
    k->value = -1;
    k->eve = NONE;
    k->last = (Event){0, INT64_MIN, INT64_MIN, 0, 0};
    PyObject *capsule = PyCapsule_New(*made = k, NAME, forget);
    if (!capsule) free(k);
    return capsule;
}

static PyObject *nonsense(PyObject *capsule, const char *what) {
    Py_XDECREF(capsule);
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, what);
    return NULL;
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

/* funnel(steps, window, rich, value) */
static PyObject *funnel(PyObject *self, PyObject *args) {
    long long steps, window, value;
    int rich;
    if (!PyArg_ParseTuple(args, "LLpL", &steps, &window, &rich, &value)) return NULL;
    if (steps < 1 || steps > STEPS_MAX || window < 0 || value < -1)
        return nonsense(NULL, "1 to 8 steps and a window");
    Kernel *k = NULL;
    PyObject *capsule = make(
        rich ? RICH_FUNNEL : FUNNEL, rich ? 5 * steps + 2 : steps + 1, &k);
    if (!capsule) return NULL;
    k->steps = steps; k->window = window; k->value = value;
    return capsule;
}

/* paths(pause, length, backward) */
static PyObject *paths(PyObject *self, PyObject *args) {
    long long pause, length;
    int backward;
    if (!PyArg_ParseTuple(args, "LLp", &pause, &length, &backward)) return NULL;
    if (pause < 0 || length < 1 || length > LENGTH_MAX)
        return nonsense(NULL, "a pause and 1 to 10 levels");
    Kernel *k = NULL;
    PyObject *capsule = make(PATHS, path_width(length, backward), &k);
    if (!capsule) return NULL;
    k->steps = 2; k->window = pause; k->value = 0; k->length = length; k->backward = backward;
    return capsule;
}

/* Offsets of local time: (from when, offset) pairs. */
static int set_clock(Kernel *k, PyObject *list) {
    Py_ssize_t changes;
    k->change = numbers(list, &changes);
    k->changes = changes / 2;
    return k->change && changes >= 2 && changes % 2 == 0;
}

/* retention(first_day, last_day, periods, within, offsets, grain) */
static PyObject *retention(PyObject *self, PyObject *args) {
    long long first, last;
    int within, grain;
    PyObject *period_list, *change_list;
    if (!PyArg_ParseTuple(
            args, "LLOpOi", &first, &last, &period_list, &within, &change_list, &grain))
        return NULL;
    Kernel *k = NULL;
    PyObject *capsule = make(RETENTION, 2, &k);
    if (!capsule) return NULL;
    if (!set_clock(k, change_list) || first > last || grain < DAYS || grain > MONTHS)
        return nonsense(capsule, "offsets, days and a grain");
    Py_ssize_t periods;
    int64_t *period = numbers(period_list, &periods);
    if (!period || periods > PERIODS_MAX) {
        free(period);
        return nonsense(capsule, "at most 64 periods");
    }
    k->grain = grain;
    k->first_day = first; k->last_day = last;
    k->first_cell = cell_of(k, first); k->last_cell = cell_of(k, last);
    k->periods = periods;
    for (int day = 1; day <= REACH_MAX; day++)
        for (Py_ssize_t n = 0; n < periods; n++)
            if (within ? day <= period[n] : day == period[n]) k->hits[day] |= UINT64_C(1) << n;
    free(period);
    return capsule;
}

/* figures(kinds, extras, offsets): per figure what it is, and which extra column is summed. */
static PyObject *figures(PyObject *self, PyObject *args) {
    PyObject *kind_list, *extra_list, *change_list;
    if (!PyArg_ParseTuple(args, "OOO", &kind_list, &extra_list, &change_list)) return NULL;
    Kernel *k = NULL;
    PyObject *capsule = make(FIGURES, 1, &k);
    if (!capsule) return NULL;
    Py_ssize_t size, same;
    int64_t *kind = numbers(kind_list, &size);
    int64_t *extra = kind ? numbers(extra_list, &same) : NULL;
    int known = extra && size == same && size >= 1 && size <= TESTS_MAX && set_clock(k, change_list);
    for (Py_ssize_t n = 0; known && n < size; n++) {
        known = kind[n] >= COUNT && kind[n] <= GIVEN && extra[n] >= 0 && extra[n] < EXTRAS_MAX;
        k->figure[n] = (Figure){(What)kind[n], k->width, extra[n]};
        k->width += kind[n] == DAYS_SEEN ? 3 : 1;
    }
    free(kind);
    free(extra);
    return known ? capsule : nonsense(capsule, "1 to 62 figures and offsets");
}

/* series(spans, measures, offsets): see set_series. */
static PyObject *series(PyObject *self, PyObject *args) {
    PyObject *span_list, *measure_list, *change_list;
    if (!PyArg_ParseTuple(args, "OOO", &span_list, &measure_list, &change_list)) return NULL;
    Kernel *k = NULL;
    PyObject *capsule = make(SERIES, 0, &k);
    if (!capsule) return NULL;
    Py_ssize_t spans, measures;
    int64_t *span = numbers(span_list, &spans);
    int64_t *measure = span ? numbers(measure_list, &measures) : NULL;
    int known = measure && spans % 4 == 0 && measures % 2 == 0 && set_clock(k, change_list)
        && set_series(k, span, spans / 4, measure, measures / 2);
    free(span);
    free(measure);
    return known ? capsule : nonsense(capsule, "1 to 22 spans, 1 to 62 measures and offsets");
}

/* --- what it reads ----------------------------------------------------------------------------- */

static int set_tests(Kernel *k, PyObject *lists) {
    Py_ssize_t tests = PyList_Size(lists);
    if (tests < 1 || tests > TESTS_MAX) return 0;
    for (Py_ssize_t n = 0; n < tests; n++) {
        Py_ssize_t size;
        k->test[n] = numbers(PyList_GetItem(lists, n), &size);
        if (!k->test[n] || !known_test(k, k->test[n], size)) return 0;
    }
    k->tests = tests;
    for (Py_ssize_t n = 0; n < tests; n++)
        if (k->figure[n].what == SUM && k->figure[n].extra >= k->extras) return 0;
    if (k->kind != FIGURES)
        return tests == (k->kind == RETENTION ? 2 : k->steps) && k->value < k->extras;
    return k->figure[tests - 1].at && (tests == TESTS_MAX || !k->figure[tests].at);
}

/* read(kernel, extras, names, others, tests): once, before the first event. names: (name, bits of
   the tests that it may pass) after each other; others: the same of all other names. */
static PyObject *read_what(PyObject *self, PyObject *args) {
    PyObject *capsule, *name_list, *test_lists;
    long long extras, others;
    if (!PyArg_ParseTuple(args, "OLOLO", &capsule, &extras, &name_list, &others, &test_lists))
        return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    if (k->tests || extras < 0 || extras > EXTRAS_MAX) return nonsense(NULL, "columns, once");
    k->extras = extras;
    Py_ssize_t size;
    int64_t *name = numbers(name_list, &size), most = -1;
    int known = name && size % 2 == 0 && set_tests(k, test_lists);
    int64_t beyond = known ? -(INT64_C(1) << k->tests) : 0;
    known = known && !(others & beyond);
    for (Py_ssize_t i = 0; known && i < size; i += 2) {
        known = name[i] >= 0 && name[i] < NAMES_MAX && !(name[i + 1] & beyond);
        if (name[i] > most) most = name[i];
    }
    if (known) k->tests_of = malloc(((size_t)most + 2) * sizeof *k->tests_of);
    if (!known || !k->tests_of) {
        free(name);
        k->tests = 0;
        return known ? PyErr_NoMemory() : nonsense(NULL, "tests and names");
    }
    k->others = (uint64_t)others;
    k->names = most + 1;
    for (int64_t i = 0; i <= most + 1; i++) k->tests_of[i] = k->others;
    for (Py_ssize_t i = 0; i < size; i += 2) k->tests_of[name[i]] = (uint64_t)name[i + 1];
    free(name);
    Py_RETURN_NONE;
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
    if (!known) return nonsense(NULL, "pairs of persons, once");
    if (!k->member) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* only(kernel, persons): nobody else counts; members, not who they were as visitors. */
static PyObject *only(PyObject *self, PyObject *args) {
    PyObject *capsule;
    const char *bytes;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "Oy#", &capsule, &bytes, &length)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    const int64_t *person = (const int64_t *)bytes;
    int64_t size = length / (Py_ssize_t)sizeof *person, most = 0;
    int known = !k->only && length % (Py_ssize_t)sizeof *person == 0;
    for (int64_t i = 0; known && i < size; i++) {
        known = person[i] > 0 && person[i] < PERSONS_MAX;
        if (person[i] > most) most = person[i];
    }
    if (!known) return nonsense(NULL, "persons, once");
    k->only = calloc((size_t)most + 1, 1);
    if (!k->only) return PyErr_NoMemory();
    k->onlies = most + 1;
    for (int64_t i = 0; i < size; i++) k->only[person[i]] = 1;
    Py_RETURN_NONE;
}

static PyObject *raised(Kernel *k) {
    PyErr_SetString(PyExc_RuntimeError, k->error);
    return NULL;
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
    if (!is_open(stream) || !k->tests)
        return nonsense(NULL, "a fresh stream, and a kernel that knows what to read");
    Py_BEGIN_ALLOW_THREADS
    bad = take_stream(k, stream, sorted);
    Py_END_ALLOW_THREADS
    return bad ? raised(k) : Py_NewRef(Py_None);
}

/* scan(kernel, file, columns, shop, sorted, first, groups): events of a shop in a Parquet file. */
static PyObject *scan(PyObject *self, PyObject *args) {
    PyObject *capsule, *list;
    Py_buffer file;
    const char *names[5 + EXTRAS_MAX] = {0};
    long long shop, first, most;
    int sorted;
    if (!PyArg_ParseTuple(args, "Oy*OLpLL", &capsule, &file, &list, &shop, &sorted, &first, &most))
        return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    int64_t columns = PyList_Size(list), next = 0;
    int known = k && k->tests && columns >= 4 && columns <= 5 + EXTRAS_MAX && first >= 0 && most > 0;
    for (int64_t n = 0; known && n < columns; n++)
        known = !!(names[n] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, n), NULL));
    if (known) {
        int numbered = columns > 4 && !strcmp(names[4], "event_no");
        Py_BEGIN_ALLOW_THREADS
        next = take_file(k, file.buf, file.len, names, columns, shop, numbered, sorted, first, most);
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&file);
    if (!known) return nonsense(NULL, "columns, and a kernel that knows what to read");
    if (next == OTHER_FORM) Py_RETURN_NONE;
    return next < 0 ? raised(k) : PyLong_FromLongLong(next);
}

/* end_month(kernel): what was put aside is sorted and played; whether there were numbers enough. */
static PyObject *end_month(PyObject *self, PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    int bad;
    if (!k) return NULL;
    Py_BEGIN_ALLOW_THREADS
    bad = end_of_month(k);
    Py_END_ALLOW_THREADS
    return bad < 0 ? raised(k) : PyBool_FromLong(!bad);
}

static PyObject *begin_again(PyObject *self, PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (k) start_over(k);
    return k ? Py_NewRef(Py_None) : NULL;
}

/* --- what it found ----------------------------------------------------------------------------- */

/* Takes `out` over. */
static PyObject *as_bytes(int64_t *out, size_t size) {
    if (!out) return PyErr_NoMemory();
    PyObject *found = PyBytes_FromStringAndSize((const char *)out, (Py_ssize_t)(size * sizeof *out));
    free(out);
    return found;
}

static PyObject *tally(PyObject *self, PyObject *capsule) {
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    size_t size = 0;
    int64_t *out;
    if (!k) return NULL;
    if (k->kind == FIGURES) return nonsense(NULL, "anything but figures");
    Py_BEGIN_ALLOW_THREADS
    out = tally_of(k, &size);
    Py_END_ALLOW_THREADS
    return as_bytes(out, size);
}

static PyObject *waits(PyObject *self, PyObject *args) {
    PyObject *capsule, *list;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &list)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    if (k->kind != RICH_FUNNEL) return nonsense(NULL, "a rich funnel");
    Py_ssize_t edges;
    size_t size = 0;
    int64_t *edge = numbers(list, &edges), *out;
    if (!edge) return NULL;
    Py_BEGIN_ALLOW_THREADS
    out = waits_of(k, edge, edges, &size);
    Py_END_ALLOW_THREADS
    free(edge);
    return as_bytes(out, size);
}

/* A column of figures of these persons; person numbers themselves for figure -1. */
static PyObject *listed(const Kernel *k, const int64_t *person, int64_t size, int64_t figure) {
    PyObject *list = PyList_New(size);
    for (int64_t i = 0; list && i < size; i++) {
        int64_t value = figure < 0 ? person[i] : figure_of(k, person[i], figure);
        PyObject *item = value == NONE ? Py_NewRef(Py_None) : PyLong_FromLongLong(value);
        if (!item || PyList_SetItem(list, i, item)) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

/* table(kernel, after, limit): persons above `after`, and a list per figure. */
static PyObject *table(PyObject *self, PyObject *args) {
    PyObject *capsule;
    long long after, limit;
    if (!PyArg_ParseTuple(args, "OLL", &capsule, &after, &limit)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    if (k->kind != FIGURES || after < 0) return nonsense(NULL, "figures of persons");
    int64_t *person = malloc(((size_t)k->persons + 1) * sizeof *person), size = 0;
    if (!person) return PyErr_NoMemory();
    for (int64_t n = after + 1; n < k->persons && size < limit; n++)
        if (k->state[n * k->width] == 1) person[size++] = n;
    PyObject *found = PyList_New(k->tests + 1);
    for (int64_t n = -1; found && n < k->tests; n++) {
        PyObject *list = listed(k, person, size, n);
        if (!list || PyList_SetItem(found, n + 1, list)) Py_CLEAR(found);
    }
    free(person);
    return found;
}

/* walked(kernel, figure, funnel): how far everybody came, as a figure that was kept free. */
static PyObject *walked(PyObject *self, PyObject *args) {
    PyObject *capsule, *other;
    long long figure;
    if (!PyArg_ParseTuple(args, "OLO", &capsule, &figure, &other)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    Kernel *from = k ? PyCapsule_GetPointer(other, NAME) : NULL;
    if (!from) return NULL;
    if (k->kind != FIGURES || figure < 0 || figure >= k->tests || k->figure[figure].what != GIVEN
        || from->kind > RICH_FUNNEL)
        return nonsense(NULL, "a free figure and a funnel");
    return give(k, figure, from) ? raised(k) : Py_NewRef(Py_None);
}

/* top(kernel, figure, percent): the least value that is among the top. */
static PyObject *top(PyObject *self, PyObject *args) {
    PyObject *capsule;
    long long figure, percent;
    int bad;
    if (!PyArg_ParseTuple(args, "OLL", &capsule, &figure, &percent)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    if (k->kind != FIGURES || figure < 0 || figure >= k->tests || percent < 0 || percent > 100)
        return nonsense(NULL, "a figure and a percentage");
    int64_t least = least_of_top(k, figure, percent, &bad);
    return bad ? PyErr_NoMemory() : PyLong_FromLongLong(least);
}

/* fitting(kernel, rule): the persons who fit, growing. */
static PyObject *who_fits(PyObject *self, PyObject *args) {
    PyObject *capsule, *list;
    if (!PyArg_ParseTuple(args, "OO", &capsule, &list)) return NULL;
    Kernel *k = PyCapsule_GetPointer(capsule, NAME);
    if (!k) return NULL;
    Py_ssize_t size;
    size_t found = 0;
    int64_t *rule = numbers(list, &size), *out;
    if (!rule) return NULL;
    if (k->kind != FIGURES || !known_rule(k, rule, size)) {
        free(rule);
        return nonsense(NULL, "a rule about figures");
    }
    Py_BEGIN_ALLOW_THREADS
    out = fitting(k, rule, size, &found);
    Py_END_ALLOW_THREADS
    free(rule);
    return as_bytes(out, found);
}

static PyMethodDef methods[] = {
    {"funnel", funnel, METH_VARARGS, "funnel(steps, window, rich, value) -> kernel"},
    {"retention", retention, METH_VARARGS,
     "retention(first_day, last_day, periods, within, offsets, grain) -> kernel"},
    {"paths", paths, METH_VARARGS, "paths(pause, length, backward) -> kernel"},
    {"figures", figures, METH_VARARGS, "figures(kinds, extras, offsets) -> kernel"},
    {"series", series, METH_VARARGS, "series(spans, measures, offsets) -> kernel"},
    {"read", read_what, METH_VARARGS, "read(kernel, extras, names, others, tests)"},
    {"join", join, METH_VARARGS, "join(kernel, visitors, members)"},
    {"only", only, METH_VARARGS, "only(kernel, persons)"},
    {"feed", feed, METH_VARARGS, "feed(kernel, stream, sorted)"},
    {"scan", scan, METH_VARARGS,
     "scan(kernel, file, columns, shop, sorted, first, groups) -> next group"},
    {"end_month", end_month, METH_O, "end_month(kernel) -> bool"},
    {"start_over", begin_again, METH_O, "start_over(kernel)"},
    {"tally", tally, METH_O, "tally(kernel) -> bytes"},
    {"waits", waits, METH_VARARGS, "waits(kernel, edges) -> bytes"},
    {"table", table, METH_VARARGS, "table(kernel, after, limit) -> lists"},
    {"walked", walked, METH_VARARGS, "walked(kernel, figure, funnel)"},
    {"top", top, METH_VARARGS, "top(kernel, figure, percent) -> int"},
    {"fitting", who_fits, METH_VARARGS, "fitting(kernel, rule) -> bytes"},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_kernel", "Funnels, retention and figures of persons.", -1, methods,
    NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void) {
#ifdef __GLIBC__
    /* Arrow batches are about a megabyte. By default each would be mapped and unmapped anew, and
       clearing those pages takes as long as decoding the columns does. */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
    return PyModule_Create(&module);
}
