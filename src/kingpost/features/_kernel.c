/* The window kernel: exact sums, means, variances, extremes and more over time windows.

   The rule: values are integers, sums are kept in 128 bits, and one function (`finalise`)
   turns an integer result into a double with the same IEEE operations everywhere. Order of
   arrival, late events, threads and the path taken can therefore not change a bit.

   An event is (key code, time t, sequence s, one int64 per column). Events of a key are
   ordered by (t, s). A read (code, q, tie) of the window (far, near) is over the events with
   q - far < t <= q - near; with near == 0 an event at exactly q counts only if s <= tie. In a
   window with an alignment, q stands for the last microsecond before the last whole multiple of
   it, so that the window is the last one of a tumbling row that is complete at q.

   A column of scale 0 holds 64 opaque bits, such as those of a double: they can be counted,
   compared for equality and given back, and nothing else; their sums would overflow.

   Some results look at every event of their window (distinct, top, quantile, decayed sums).
   They are functions of whole counters of its events (how often each value is there, the exact
   sum of each half-life), so that they too have the same bits everywhere. Online the counters
   are filled anew for each read; offline they slide from one read to the next: events that
   enter are added and those that leave taken away, exactly.

   Online, a key is a list of blocks of at most 256 events with a header per column. Offline
   (`backfill`), events and reads are brought together by key with a radix sort; a key whose
   events arrived in order is answered from prefix sums, any other is replayed in order of
   arrival through the same blocks. `_twin.py` is the same in plain Python.

   Limited API of Python 3.11; needs __int128 (gcc, clang, zig). Buffers handed to `backfill`
   must not be changed by another thread while it runs. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#if __has_include(<Python.h>)
#include <Python.h>
#else
#define _GNU_SOURCE 1 /* as Python.h has it */
#include "../core/python_abi.h"
#endif

#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

typedef __int128 wide;
typedef unsigned __int128 uwide;

#define TIME_LIMIT ((int64_t)1 << 62)  /* |t|, |q| and far: differences stay in 64 bits */
#define VALUE_LIMIT ((int64_t)1 << 53) /* |value|: a double holds it, a block's sum fits 64 bits */
#define ALIGN_LIMIT ((int64_t)1 << 53)
#define MOST_ROWS ((Py_ssize_t)1 << 31)
#define MOST_THREADS 64
#define MOST_DROPPED 65536 /* keys at once */
#define BLOCK 256
#define SIZES 6 /* block capacities 8, 16, ... 256 */
#define PAGE 1024
#define NEVER INT64_MAX /* where an event ends that was not retracted */

/* For what is rare, so that the loops around it stay small. */
#define APART __attribute__((noinline))

/* ---------------------------------------------------------------- memory */

/* Grow `*array` to hold `want` items; the old content is kept. Returns 0, or -1 on no memory. */
static int reserve(void *array, size_t *held, size_t want, size_t item)
{
    void **place = array;
    if (want <= *held)
        return 0;
    size_t size = *held + *held / 2;
    if (size < want)
        size = want;
    if (size > SIZE_MAX / 2 / item)
        return -1;
    void *grown = realloc(*place, size * item);
    if (!grown)
        return -1;
    *place = grown;
    *held = size;
    return 0;
}

/* Uninitialised memory for `items * width` words, on huge pages where the system has them. */
static int64_t *words(size_t items, size_t width)
{
    if (width && items > SIZE_MAX / 16 / width)
        return NULL;
    size_t size = items * width * sizeof(int64_t);
#ifdef __linux__
    size_t huge = (size_t)1 << 21;
    if (size >= 2 * huge) {
        void *place = NULL;
        if (posix_memalign(&place, huge, size))
            return NULL;
        (void)madvise(place, size, MADV_HUGEPAGE);
        return place;
    }
#endif
    return malloc(size ? size : 1);
}

/* ---------------------------------------------------------------- what is asked for */

enum {
    COUNT,
    SUM,
    MEAN,
    MIN,
    MAX,
    VAR,
    STD,
    FIRST,
    LAST,
    DISTINCT,
    TOP,
    QUANTILE,
    DECAYED_SUM,
    DECAYED_COUNT,
    SINCE,
    SEQUENCE,
    OPS
};

static const char *const op_names[OPS] = {
    "count", "sum",      "mean", "min",      "max",         "var",           "std",   "first",
    "last",  "distinct", "top",  "quantile", "decayed_sum", "decayed_count", "since", "sequence"};

enum { WANT_SUM = 1, WANT_RANGE = 2, WANT_SQUARES = 4 };

static int wanted_by(int op)
{
    return op == SUM || op == MEAN   ? WANT_SUM
           : op == VAR || op == STD  ? WANT_SUM | WANT_SQUARES
           : op == MIN || op == MAX  ? WANT_RANGE
                                     : 0;
}

static int has_no_column(int op)
{
    return op == COUNT || op == DECAYED_COUNT || op == SINCE || op == SEQUENCE;
}

static int takes_opaque(int op)
{
    return op == FIRST || op == LAST || op == DISTINCT || op == TOP;
}

static inline int is_common(int op) { return op <= MEAN; }

/* Whether a result looks at every event of its window. */
static int scans(int op) { return op >= DISTINCT && op <= DECAYED_COUNT; }

typedef struct {
    int op, column, place;
    int slide; /* which counters it is read from, if it scans */
    int64_t far, near, argument, align;
    double scale, empty; /* the scale is 0 for opaque bits */
} Output;

/* Counters of a window that slide from read to read: how often each value is there, or where a
   half-life is given the sum of each half-life. */
typedef struct {
    int column;
    int64_t half_life, ranks; /* the greatest rank of a top, 0 without one */
    int ordered;              /* whether there is a quantile */
} Sliding;

/* Outputs [first, end) share the window. */
typedef struct {
    int64_t far;
    int first, end;
} Window;

/* Windows [first, end), shortest first, share `near` and `align`; needs [need, need_end) are their
   columns. */
typedef struct {
    int64_t near, align;
    int first, end, need, need_end;
} Group;

typedef struct {
    int column, want;
} Need;

typedef struct {
    int columns, outputs, windows, groups;
    double *scale;
    Output *output;
    Window *window;
    Group *group;
    Need *need;
    Sliding *sliding;
    int slides;
    int *want;   /* per column, over all groups */
    int squares; /* whether any output wants them */
} Plan;

typedef struct {
    wide upper, total; /* the sum up to the upper edge; the sum of the window */
    uwide upper_squares, squares;
    int64_t min, max;
} Tally;

static void plan_free(Plan *plan)
{
    free(plan->scale);
    free(plan->output);
    free(plan->window);
    free(plan->group);
    free(plan->need);
    free(plan->sliding);
    free(plan->want);
    memset(plan, 0, sizeof *plan);
}

/* Read an int argument; out of range is a ValueError naming it. Returns 0 or -1. */
static int integer(PyObject *object, const char *name, int64_t low, int64_t high, int64_t *out)
{
    int overflow = 0;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (value == -1 && !overflow && PyErr_Occurred())
        return -1;
    if (overflow || value < low || value > high) {
        PyErr_Format(PyExc_ValueError, "%s is %R, expected %lld to %lld", name, object,
                     (long long)low, (long long)high);
        return -1;
    }
    *out = value;
    return 0;
}

/* What the argument of an op may be. */
static void argument_limits(int op, int64_t *low, int64_t *high)
{
    *low = 1;
    switch (op) {
    case DISTINCT:
        *high = 1 << 20; /* how many are counted one by one */
        break;
    case TOP:
        *high = 1000; /* the rank */
        break;
    case QUANTILE:
        *low = 0;
        *high = 1000000; /* in millionths */
        break;
    case DECAYED_SUM:
    case DECAYED_COUNT:
        *high = ALIGN_LIMIT; /* the half-life */
        break;
    case SINCE:
        *high = ALIGN_LIMIT; /* the unit */
        break;
    default:
        *low = *high = 0;
    }
}

static int read_output(PyObject *item, int place, const Plan *plan, Output *out)
{
    if (!PyTuple_Check(item) || PyTuple_Size(item) != 7) {
        PyErr_Format(PyExc_TypeError,
                     "outputs[%d] is %R, expected "
                     "(op, column, far_us, near_us, default, argument, align_us)",
                     place, item);
        return -1;
    }
    PyObject *op = PyTuple_GetItem(item, 0);
    if (!PyUnicode_Check(op)) {
        PyErr_Format(PyExc_TypeError, "outputs[%d] has the op %R, expected a str", place, op);
        return -1;
    }
    out->op = -1;
    for (int i = 0; i < OPS; i++)
        if (PyUnicode_CompareWithASCIIString(op, op_names[i]) == 0)
            out->op = i;
    if (out->op < 0) {
        PyErr_Format(PyExc_ValueError,
                     "outputs[%d] has the op %R, expected count, sum, mean, min, max, var, std, "
                     "first, last, distinct, top, quantile, decayed_sum, decayed_count, since or "
                     "sequence",
                     place, op);
        return -1;
    }
    int64_t column, low, high;
    int lone = has_no_column(out->op);
    argument_limits(out->op, &low, &high);
    if (integer(PyTuple_GetItem(item, 1), "the column of an output", lone ? -1 : 0,
                lone ? -1 : plan->columns - 1, &column) ||
        integer(PyTuple_GetItem(item, 2), "far_us", 1, TIME_LIMIT, &out->far) ||
        integer(PyTuple_GetItem(item, 3), "near_us", 0, out->far - 1, &out->near) ||
        integer(PyTuple_GetItem(item, 5), "the argument of an output", low, high,
                &out->argument) ||
        integer(PyTuple_GetItem(item, 6), "align_us", 0, ALIGN_LIMIT, &out->align))
        return -1;
    if (column >= 0 && plan->scale[column] == 0 && !takes_opaque(out->op)) {
        PyErr_Format(PyExc_ValueError, "outputs[%d] has the op %R over column %lld, which is opaque",
                     place, op, (long long)column);
        return -1;
    }
    out->empty = PyFloat_AsDouble(PyTuple_GetItem(item, 4));
    if (out->empty == -1.0 && PyErr_Occurred()) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError)) {
            PyErr_Clear();
            PyErr_Format(PyExc_ValueError, "the default of an output is %R, too large for a float",
                         PyTuple_GetItem(item, 4));
        }
        return -1;
    }
    out->column = (int)column;
    out->place = place;
    out->scale = column < 0 ? 1.0 : plan->scale[column];
    return 0;
}

static int by_window(const void *left, const void *right)
{
    const Output *a = left, *b = right;
    if (a->near != b->near)
        return a->near < b->near ? -1 : 1;
    if (a->align != b->align)
        return a->align < b->align ? -1 : 1;
    if (a->far != b->far)
        return a->far < b->far ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Find the counters an output is read from among those of its window, from `first` on, or add
   them. */
static int sliding_of(Plan *plan, int first, const Output *output)
{
    int decays = output->op == DECAYED_SUM || output->op == DECAYED_COUNT;
    int64_t half_life = decays ? output->argument : 0;
    int at = first;
    while (at < plan->slides && (plan->sliding[at].column != output->column ||
                                 plan->sliding[at].half_life != half_life))
        at++;
    if (at == plan->slides)
        plan->sliding[plan->slides++] = (Sliding){output->column, half_life, 0, 0};
    if (output->op == TOP && plan->sliding[at].ranks < output->argument)
        plan->sliding[at].ranks = output->argument;
    plan->sliding[at].ordered |= output->op == QUANTILE;
    return at;
}

/* Sort the outputs into groups of windows and note which columns each group looks at. */
static void arrange(Plan *plan)
{
    qsort(plan->output, (size_t)plan->outputs, sizeof(Output), by_window);
    int needs = 0, slides = 0;
    for (int first = 0, end; first < plan->outputs; first = end) {
        Group *group = &plan->group[plan->groups++];
        group->near = plan->output[first].near;
        group->align = plan->output[first].align;
        group->first = plan->windows;
        group->need = needs;
        for (end = first; end < plan->outputs && plan->output[end].near == group->near &&
                          plan->output[end].align == group->align;
             end++) {
            Output *output = &plan->output[end];
            if (end == first || output[-1].far != output->far) {
                plan->window[plan->windows].far = output->far;
                plan->window[plan->windows++].first = end;
                slides = plan->slides;
            }
            plan->window[plan->windows - 1].end = end + 1;
            if (scans(output->op))
                output->slide = sliding_of(plan, slides, output);
            if (!wanted_by(output->op))
                continue;
            plan->squares |= wanted_by(output->op) & WANT_SQUARES;
            plan->want[output->column] |= wanted_by(output->op);
            int seen = group->need;
            while (seen < needs && plan->need[seen].column != output->column)
                seen++;
            if (seen == needs)
                plan->need[needs++] = (Need){output->column, 0};
            plan->need[seen].want |= wanted_by(output->op);
        }
        group->end = plan->windows;
        group->need_end = needs;
    }
}

/* Parse `scales` and `outputs`. Returns 0, or -1 with a Python error set; the plan is to be
   freed either way. */
static int plan_read(PyObject *scales, PyObject *outputs, Plan *plan)
{
    int status = -1;
    memset(plan, 0, sizeof *plan);
    PyObject *scale_items = PySequence_Tuple(scales), *items = NULL;
    if (!scale_items || !(items = PySequence_Tuple(outputs)))
        goto done;
    Py_ssize_t columns = PyTuple_Size(scale_items), count = PyTuple_Size(items);
    if (columns > 1000 || count < 1 || count > 10000) {
        PyErr_Format(PyExc_ValueError,
                     "%zd scales and %zd outputs, expected at most 1000 and 1 to 10000", columns,
                     count);
        goto done;
    }
    plan->columns = (int)columns;
    plan->outputs = (int)count;
    plan->scale = calloc((size_t)columns + 1, sizeof(double));
    plan->want = calloc((size_t)columns + 1, sizeof(int));
    plan->output = calloc((size_t)count, sizeof(Output));
    plan->window = calloc((size_t)count, sizeof(Window));
    plan->group = calloc((size_t)count, sizeof(Group));
    plan->need = calloc((size_t)count, sizeof(Need));
    plan->sliding = calloc((size_t)count, sizeof(Sliding));
    if (!plan->scale || !plan->want || !plan->output || !plan->window || !plan->group ||
        !plan->need || !plan->sliding) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < columns; i++) {
        int64_t scale;
        if (integer(PyTuple_GetItem(scale_items, i), "a scale", 0, VALUE_LIMIT, &scale))
            goto done;
        plan->scale[i] = (double)scale;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        if (read_output(PyTuple_GetItem(items, i), (int)i, plan, &plan->output[i]))
            goto done;
    arrange(plan);
    status = 0;
done:
    Py_XDECREF(scale_items);
    Py_XDECREF(items);
    return status;
}

/* ---------------------------------------------------------------- from integers to doubles */

/* (double)total; the short way round when it fits, which gives the same bits. */
static inline double rounded(wide total)
{
    int64_t low = (int64_t)total;
    return low == total ? (double)low : (double)total;
}

/* 256 bits, the lowest limb first; negative numbers as two's complement. */
typedef struct {
    uint64_t limb[4];
} Big;

static Big big_of(wide value)
{
    uint64_t sign = value < 0 ? UINT64_MAX : 0;
    return (Big){{(uint64_t)value, (uint64_t)((uwide)value >> 64), sign, sign}};
}

static Big big_add(Big a, Big b)
{
    uwide carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (uwide)a.limb[i] + b.limb[i];
        a.limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    return a;
}

static Big big_negated(Big a)
{
    for (int i = 0; i < 4; i++)
        a.limb[i] = ~a.limb[i];
    return big_add(a, (Big){{1}});
}

static Big big_shifted(Big a, int left) /* 0 <= left < 64 */
{
    if (left == 0)
        return a;
    for (int i = 3; i >= 0; i--)
        a.limb[i] = a.limb[i] << left | (i ? a.limb[i - 1] >> (64 - left) : 0);
    return a;
}

/* a * b for numbers without a sign. */
static Big big_product(uwide a, uwide b)
{
    uint64_t x[2] = {(uint64_t)a, (uint64_t)(a >> 64)}, y[2] = {(uint64_t)b, (uint64_t)(b >> 64)};
    Big sum = {{0}};
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            uwide part = (uwide)x[i] * y[j];
            Big shifted = {{0}};
            shifted.limb[i + j] = (uint64_t)part;
            if (i + j < 3)
                shifted.limb[i + j + 1] = (uint64_t)(part >> 64);
            sum = big_add(sum, shifted);
        }
    return sum;
}

/* The nearest double, half to even, as Python's float() of the same integer. */
static double big_rounded(Big a)
{
    int negative = a.limb[3] >> 63 != 0, top = 3;
    if (negative)
        a = big_negated(a);
    while (top > 0 && a.limb[top] == 0)
        top--;
    if (top == 0)
        return negative ? -(double)a.limb[0] : (double)a.limb[0];
    int up = __builtin_clzll(a.limb[top]);
    Big left = big_shifted(a, up);
    uint64_t head = left.limb[top], rest = 0;
    for (int i = 0; i < top; i++)
        rest |= left.limb[i];
    /* 64 bits of which the last one says whether anything follows: rounding them is rounding all */
    double value = ldexp((double)(head | (rest != 0)), 64 * top - up);
    return negative ? -value : value;
}

/* What is known of the events of a window. */
typedef struct {
    int64_t n;
    wide total;
    uwide squares;
    int64_t picked; /* the extreme, the first or last value; or how long ago, or its sequence */
} Seen;

/* The variance's numerator, n * squares - total * total, is exact; so no digits cancel. */
static double variance(int64_t n, wide sum, uwide squares, double scale)
{
    uwide total = sum < 0 ? -(uwide)sum : (uwide)sum;
    Big over = big_add(big_product((uwide)n, squares), big_negated(big_product(total, total)));
    return big_rounded(over) / ((double)(n * (n - 1)) * (scale * scale));
}

/* A value as a double: a multiple of the resolution, or the bits themselves. */
static inline double value_of(const Output *output, int64_t x)
{
    double bits;
    if (output->scale != 0)
        return (double)x / output->scale;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* What is asked for most, count, sum and mean: it needs little, and loops over it stay small. */
static inline double finalise_common(const Output *output, int64_t n, wide total)
{
    if (n == 0)
        return output->empty;
    if (output->op == COUNT)
        return (double)n;
    double below = output->op == SUM ? output->scale : (double)n * output->scale;
    return rounded(total) / below;
}

/* The one place where a result becomes a double, but for those that scan. */
static inline double finalise(const Output *output, Seen seen)
{
    if (is_common(output->op))
        return finalise_common(output, seen.n, seen.total);
    if (seen.n == 0)
        return output->empty;
    switch (output->op) {
    case VAR:
    case STD: {
        if (seen.n < 2)
            return output->empty;
        double found = variance(seen.n, seen.total, seen.squares, output->scale);
        return output->op == VAR ? found : sqrt(found);
    }
    case SINCE:
        return (double)seen.picked / (double)output->argument;
    case SEQUENCE:
        return (double)seen.picked;
    default:
        return value_of(output, seen.picked);
    }
}

/* ---------------------------------------------------------------- results that look at all */

#define HLL_BITS 12 /* 4,096 registers: a standard error of 1.6 % */
#define HLL_SIZE (1 << HLL_BITS)
#define EXACT_RANKS 4096  /* a quantile of no more events is one of their values */
#define SMALL 256         /* |x| below it has a bucket of its own */
#define SIDE (256 + 56 * 128) /* buckets on each side of zero */
#define BUCKETS (2 * SIDE + 1)
#define HALF_LIVES 64     /* an event older than so many counts for nothing */

static double hll_log[HLL_SIZE + 1];           /* ln(HLL_SIZE / v) */
static uint64_t coarse[256], fine[256];        /* 2**(i / 2**8) and 2**(i / 2**16), times 2**60 */

typedef struct {
    int64_t value, count;
} Cell;

typedef struct {
    int64_t *x, *t;
    size_t x_held, t_held;
    Cell *cells;
    size_t cells_held;
    int64_t *buckets;
    size_t buckets_held;
} Scratch;

static void scratch_free(Scratch *scratch)
{
    free(scratch->x);
    free(scratch->t);
    free(scratch->cells);
    free(scratch->buckets);
    *scratch = (Scratch){0};
}

static uint64_t root_of(uwide x)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 62; bit; bit >>= 1)
        if ((uwide)(root | bit) * (root | bit) <= x)
            root |= bit;
    return root;
}

/* Fill the tables, by the very steps of the twin. */
static void tables_fill(void)
{
    uint64_t roots[16], one = (uint64_t)1 << 60;
    roots[0] = root_of((uwide)one << 61);
    for (int i = 1; i < 16; i++)
        roots[i] = root_of((uwide)roots[i - 1] << 60);
    for (int i = 0; i < 256; i++) {
        coarse[i] = fine[i] = one;
        for (int bit = 0; bit < 8; bit++)
            if (i >> (7 - bit) & 1) {
                coarse[i] = (uint64_t)((uwide)coarse[i] * roots[bit] >> 60);
                fine[i] = (uint64_t)((uwide)fine[i] * roots[bit + 8] >> 60);
            }
    }
    hll_log[HLL_SIZE] = 0;
    for (int v = HLL_SIZE; v > 1; v--) {
        double z = 1.0 / (2.0 * v - 1.0), square = z * z, sum = 0;
        for (int k = 20; k >= 0; k--)
            sum = sum * square + 1.0 / (2.0 * k + 1.0);
        hll_log[v - 1] = hll_log[v] + 2.0 * z * sum; /* ln(v / (v - 1)) */
    }
}

static inline uint64_t mixed(uint64_t x) /* splitmix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* Count the values in a table of cells with room for twice `most` of them. Returns how many there
   are, `most` + 1 as soon as there are more, or -1 on no memory. */
static int64_t tally_values(const int64_t *x, int64_t n, int64_t most, Scratch *scratch,
                            size_t *size)
{
    size_t cells = 16;
    int64_t found = 0;
    while (cells < 2 * (size_t)(most < n ? most : n) + 2)
        cells *= 2;
    if (reserve(&scratch->cells, &scratch->cells_held, cells, sizeof(Cell)))
        return -1;
    memset(scratch->cells, 0, cells * sizeof(Cell));
    for (int64_t i = 0; i < n; i++) {
        size_t at = (size_t)mixed((uint64_t)x[i]) & (cells - 1);
        while (scratch->cells[at].count && scratch->cells[at].value != x[i])
            at = (at + 1) & (cells - 1);
        if (!scratch->cells[at].count && ++found > most)
            return found;
        scratch->cells[at].value = x[i];
        scratch->cells[at].count++;
    }
    *size = cells;
    return found;
}

/* In which register a value goes, and its rank there: 1 to 53. */
static inline int register_of(int64_t x, int *rank)
{
    uint64_t hash = mixed((uint64_t)x);
    *rank = __builtin_clzll(hash << HLL_BITS | (uint64_t)1 << (HLL_BITS - 1)) + 1;
    return (int)(hash >> (64 - HLL_BITS));
}

/* How many distinct values there are, more than `most`, by HyperLogLog (Flajolet et al. 2007):
   of registers that hold the greatest rank r, the sum of 2**(60 - r) and how many are empty. */
static double estimated(uwide sum, int empty, int64_t most)
{
    double size = HLL_SIZE, alpha = 0.7213 / (1.0 + 1.079 / size);
    double estimate = ldexp(alpha * size * size, 60) / (double)sum;
    if (estimate <= 2.5 * size && empty)
        estimate = size * hll_log[empty];
    estimate = rint(estimate);
    return estimate > (double)most ? estimate : (double)(most + 1);
}

static int distinct(const Output *output, const int64_t *x, int64_t n, Scratch *scratch, double *out)
{
    size_t size;
    int64_t found = tally_values(x, n, output->argument, scratch, &size);
    *out = (double)found;
    if (found <= output->argument)
        return found < 0 ? -1 : 0;
    uint8_t registers[HLL_SIZE] = {0};
    for (int64_t i = 0; i < n; i++) {
        int rank, at = register_of(x[i], &rank);
        if (rank > registers[at])
            registers[at] = (uint8_t)rank;
    }
    uwide sum = 0;
    int empty = 0;
    for (int i = 0; i < HLL_SIZE; i++) {
        sum += (uwide)1 << (60 - registers[i]);
        empty += registers[i] == 0;
    }
    *out = estimated(sum, empty, output->argument);
    return 0;
}

/* Whether a comes before b: more often, or as often and smaller. */
static inline int outranks(Cell a, Cell b)
{
    return a.count != b.count ? a.count > b.count : a.value < b.value;
}

static int top(const Output *output, const int64_t *x, int64_t n, Scratch *scratch, double *out)
{
    size_t size;
    int64_t found = tally_values(x, n, n, scratch, &size);
    if (found < 0)
        return -1;
    if (found < output->argument) {
        *out = output->empty;
        return 0;
    }
    Cell last = {0, INT64_MAX};
    for (int64_t rank = 0; rank < output->argument; rank++) {
        Cell best = {0, 0};
        for (size_t i = 0; i < size; i++) {
            Cell cell = scratch->cells[i];
            if (cell.count && outranks(last, cell) && (!best.count || outranks(cell, best)))
                best = cell;
        }
        last = best;
    }
    *out = value_of(output, last.value);
    return 0;
}

/* The value of a rank, counted from 0; x is reordered. */
static int64_t selected(int64_t *x, int64_t n, int64_t rank)
{
    int64_t low = 0, high = n - 1;
    while (low < high) {
        int64_t pivot = x[low + (high - low) / 2], i = low, j = high;
        while (i <= j) {
            while (x[i] < pivot)
                i++;
            while (x[j] > pivot)
                j--;
            if (i <= j) {
                int64_t swapped = x[i];
                x[i++] = x[j];
                x[j--] = swapped;
            }
        }
        if (rank <= j)
            high = j;
        else if (rank >= i)
            low = i;
        else
            break;
    }
    return x[rank];
}

/* The bucket of a value: below SMALL one each, above 128 to each power of two. */
static inline int bucket_of(int64_t x)
{
    uint64_t size = x < 0 ? -(uint64_t)x : (uint64_t)x;
    int at = (int)size;
    if (size >= SMALL) {
        int power = 63 - __builtin_clzll(size);
        at = SMALL + (power - 8) * 128 + (int)(size >> (power - 7) & 127);
    }
    return x < 0 ? SIDE - at : SIDE + at;
}

/* The value in the middle of a bucket. */
static inline int64_t middle_of(int bucket)
{
    int64_t at = bucket < SIDE ? SIDE - bucket : bucket - SIDE, value = at;
    if (at >= SMALL) {
        int power = (int)(at - SMALL) / 128 + 8;
        value = ((128 + (at - SMALL) % 128) << (power - 7)) + ((int64_t)1 << (power - 8));
    }
    return bucket < SIDE ? -value : value;
}

/* Which of n values in order is the quantile, counted from 0. */
static inline int64_t rank_of(const Output *output, int64_t n)
{
    int64_t rank = (int64_t)(((wide)output->argument * n + 999999) / 1000000) - 1;
    return rank < 0 ? 0 : rank;
}

static int quantile(const Output *output, const int64_t *x, int64_t n, Scratch *scratch, double *out)
{
    int64_t rank = rank_of(output, n);
    if (n <= EXACT_RANKS) {
        int64_t copy[EXACT_RANKS];
        memcpy(copy, x, (size_t)n * sizeof *x);
        *out = value_of(output, selected(copy, n, rank));
        return 0;
    }
    size_t buckets = BUCKETS;
    if (reserve(&scratch->buckets, &scratch->buckets_held, buckets, sizeof(int64_t)))
        return -1;
    memset(scratch->buckets, 0, buckets * sizeof(int64_t));
    for (int64_t i = 0; i < n; i++)
        scratch->buckets[bucket_of(x[i])]++;
    int at = 0;
    for (int64_t below = 0; below + scratch->buckets[at] <= rank; at++)
        below += scratch->buckets[at];
    *out = value_of(output, middle_of(at));
    return 0;
}

/* In which half-life a time lies, and its weight there: 2**fraction * 2**30. */
static inline int64_t half_life_of(int64_t t, int64_t length, uint64_t *weight)
{
    int64_t whole = t / length - (t % length < 0), rest = t - whole * length;
    unsigned part = (unsigned)((uwide)rest * 65536 / (uwide)length);
    *weight = (uint64_t)((uwide)coarse[part >> 8] * fine[part & 255] >> 90);
    return whole;
}

/* The exact sum of weights times x, in 2**-(HALF_LIVES - 1) of a half-life's unit, as a double. */
static inline double decayed_of(const Output *output, Big total, uint64_t now)
{
    return ldexp(big_rounded(total), 1 - HALF_LIVES) / ((double)now * output->scale);
}

/* The sum of x * 2**((t - q) / half-life), or of 1 for x: the integers are exact, the weights are
   within 2**-15 of what they should be. */
static double decayed(const Output *output, const int64_t *t, const int64_t *x, int64_t n, int64_t q)
{
    uint64_t weight, now;
    int64_t length = output->argument, current = half_life_of(q, length, &now), half = 0;
    int counts = output->op == DECAYED_COUNT;
    wide sum = 0;
    Big total = {{0}};
    for (int64_t i = 0; i < n; i++) {
        int64_t its = half_life_of(t[i], length, &weight);
        if (its <= current - HALF_LIVES)
            continue;
        if (its != half) {
            if (sum)
                total = big_add(total,
                                big_shifted(big_of(sum), (int)(half - current) + HALF_LIVES - 1));
            half = its;
            sum = 0;
        }
        sum += (wide)weight * (counts ? 1 : x[i]);
    }
    if (sum)
        total = big_add(total, big_shifted(big_of(sum), (int)(half - current) + HALF_LIVES - 1));
    return decayed_of(output, total, now);
}

/* One result over n > 0 events in their order. Returns 0, or -1 on no memory. */
static int scan(const Output *output, const int64_t *t, const int64_t *x, int64_t n, int64_t q,
                Scratch *scratch, double *out)
{
    switch (output->op) {
    case DISTINCT:
        return distinct(output, x, n, scratch, out);
    case TOP:
        return top(output, x, n, scratch, out);
    case QUANTILE:
        return quantile(output, x, n, scratch, out);
    default:
        *out = decayed(output, t, x, n, q);
        return 0;
    }
}

/* ---------------------------------------------------------------- blocks: the state of a key */

/* Then: t[cap], s[cap] and one x[cap] per column, at most BLOCK events in (t, s) order. */
typedef struct Block {
    int cap;
    struct Block *next;
} Block;

/* What a slot knows of one column: its block's figures and the sum over all blocks before.
   Kept up are those that some output wants of the column; of opaque bits none can be. */
typedef struct {
    wide before;
    uwide squares_before, squares; /* modulo 2**128: the difference of two edges is right */
    int64_t total, min, max;       /* |total| <= BLOCK * 2**53 */
} Header;

/* A block in its key, followed by one Header per column. */
typedef struct {
    int64_t t, before; /* of the first event; how many events lie in the blocks before */
    Block *block;
    int64_t n;
} Slot;

typedef struct {
    Slot *slots; /* of slot_size() bytes each */
    int n, cap;
} Key;

/* Allocates blocks and keeps returned ones for reuse. */
typedef struct {
    int columns;
    const int *want; /* per column what its headers keep up */
    size_t bytes; /* of all blocks and slots, spare ones included */
    Block *spare[SIZES];
} Pool;

typedef struct {
    int slot, at;
} Position;

static inline size_t slot_size(int columns)
{
    return sizeof(Slot) + (size_t)columns * sizeof(Header);
}

static inline Slot *slot_at(const Key *key, int columns, int at)
{
    return (Slot *)((char *)key->slots + (size_t)at * slot_size(columns));
}

static inline Header *headers(Slot *slot) { return (Header *)(slot + 1); }
static inline int64_t *times(Block *block) { return (int64_t *)(block + 1); }
static inline int64_t *sequences(Block *block) { return times(block) + block->cap; }
static inline int64_t *values(Block *block, int column)
{
    return times(block) + (size_t)(2 + column) * (size_t)block->cap;
}

static int size_class(int cap)
{
    int size = 0;
    while ((8 << size) < cap)
        size++;
    return size;
}

static inline size_t block_size(int columns, int cap)
{
    return sizeof(Block) + (2 + (size_t)columns) * (size_t)cap * sizeof(int64_t);
}

static Block *block_new(Pool *pool, int cap)
{
    int size = size_class(cap);
    Block *block = pool->spare[size];
    if (block)
        pool->spare[size] = block->next;
    else if ((block = malloc(block_size(pool->columns, 8 << size))))
        pool->bytes += block_size(pool->columns, 8 << size);
    if (block)
        block->cap = 8 << size;
    return block;
}

static void block_free(Pool *pool, Block *block)
{
    pool->bytes -= block_size(pool->columns, block->cap);
    free(block);
}

static void block_return(Pool *pool, Block *block)
{
    Block **spare = &pool->spare[size_class(block->cap)];
    block->next = *spare;
    *spare = block;
}

static void pool_free(Pool *pool)
{
    for (int size = 0; size < SIZES; size++)
        while (pool->spare[size]) {
            Block *block = pool->spare[size];
            pool->spare[size] = block->next;
            block_free(pool, block);
        }
}

static void key_clear(Pool *pool, Key *key)
{
    for (int i = 0; i < key->n; i++)
        block_return(pool, slot_at(key, pool->columns, i)->block);
    key->n = 0;
}

/* Give a key's memory back. */
static void key_free(Pool *pool, Key *key)
{
    for (int i = 0; i < key->n; i++)
        block_free(pool, slot_at(key, pool->columns, i)->block);
    pool->bytes -= (size_t)key->cap * slot_size(pool->columns);
    free(key->slots);
    *key = (Key){0};
}

static inline uwide squared(int64_t x) { return (uwide)((wide)x * x); }

static inline void header_add(Header *header, int want, int64_t x)
{
    if (want & WANT_SUM)
        header->total += x;
    if (want & WANT_SQUARES)
        header->squares += squared(x);
    if (want & WANT_RANGE) {
        header->min = x < header->min ? x : header->min;
        header->max = x > header->max ? x : header->max;
    }
}

/* Set the slot's figures from its block. */
static void slot_count(const Pool *pool, Slot *slot)
{
    slot->t = times(slot->block)[0];
    for (int c = 0; c < pool->columns; c++) {
        Header *header = &headers(slot)[c];
        const int64_t *x = values(slot->block, c);
        header->total = 0, header->squares = 0;
        header->min = INT64_MAX, header->max = INT64_MIN;
        for (int i = 0; i < slot->n && pool->want[c]; i++)
            header_add(header, pool->want[c], x[i]);
    }
}

/* Tell the slots from `first` on that an event before them came (by = 1) or went (by = -1). */
static void count_before(const Pool *pool, Key *key, int first, Block *block, int at, int by)
{
    for (int i = first; i < key->n; i++)
        slot_at(key, pool->columns, i)->before += by;
    for (int c = 0; c < pool->columns; c++) {
        int64_t x = values(block, c)[at];
        for (int i = first; i < key->n && pool->want[c] & WANT_SUM; i++)
            headers(slot_at(key, pool->columns, i))[c].before += by * x;
        for (int i = first; i < key->n && pool->want[c] & WANT_SQUARES; i++)
            headers(slot_at(key, pool->columns, i))[c].squares_before +=
                by < 0 ? -squared(x) : squared(x);
    }
}

/* Open a slot for `block` behind the slots [0, at); it is empty and knows what lies before. */
static int slot_open(Pool *pool, Key *key, int at, Block *block)
{
    int columns = pool->columns;
    size_t size = slot_size(columns);
    if (key->n == key->cap) {
        int cap = key->cap ? 2 * key->cap : 1;
        Slot *slots = cap > 0 && size < SIZE_MAX / 4 / (size_t)cap
                          ? realloc(key->slots, (size_t)cap * size)
                          : NULL;
        if (!slots)
            return -1;
        pool->bytes += (size_t)(cap - key->cap) * size;
        key->slots = slots;
        key->cap = cap;
    }
    Slot *slot = slot_at(key, columns, at);
    memmove((char *)slot + size, slot, (size_t)(key->n - at) * size);
    key->n++;
    *slot = (Slot){.t = INT64_MAX, .block = block};
    for (int c = 0; c < columns; c++)
        headers(slot)[c] = (Header){.min = INT64_MAX, .max = INT64_MIN};
    if (at) {
        Slot *last = slot_at(key, columns, at - 1);
        slot->before = last->before + last->n;
        for (int c = 0; c < columns; c++) {
            const Header *header = &headers(last)[c];
            headers(slot)[c].before = header->before + header->total;
            headers(slot)[c].squares_before = header->squares_before + header->squares;
        }
    }
    return 0;
}

/* Copy events [from, from + n) of a block to the start of another. */
static void block_copy(Block *block, Block *source, int columns, int from, int n)
{
    for (int c = -2; c < columns; c++) /* -2 is t and -1 is s */
        memcpy(values(block, c), values(source, c) + from, (size_t)n * sizeof(int64_t));
}

/* First event of the key behind (t, s), as a slot and a place in its block; the place is 0
   only if it is the first event of all. */
static Position key_after(const Key *key, int columns, int64_t t, int64_t s)
{
    int low = 0, high = key->n;
    while (low < high) {
        int middle = (low + high) / 2;
        const Slot *slot = slot_at(key, columns, middle);
        if (slot->t < t || (slot->t == t && sequences(slot->block)[0] <= s))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return (Position){0, 0};
    const Slot *slot = slot_at(key, columns, low - 1);
    const int64_t *time = times(slot->block), *sequence = sequences(slot->block);
    int first = 1, end = (int)slot->n;
    while (first < end) {
        int middle = (first + end) / 2;
        if (time[middle] < t || (time[middle] == t && sequence[middle] <= s))
            first = middle + 1;
        else
            end = middle;
    }
    return (Position){low - 1, first};
}

/* How many events lie before a position. */
static inline int64_t place_of(const Key *key, int columns, Position position)
{
    return slot_at(key, columns, position.slot)->before + position.at;
}

/* Make room where the block of `position` is full: double it, open a new one behind it
   (appending) or split it. Moves the position along with the event it points at. */
static int make_room(Pool *pool, Key *key, Position *position)
{
    int columns = pool->columns;
    Slot *slot = slot_at(key, columns, position->slot);
    Block *full = slot->block;
    int appending = position->slot == key->n - 1 && position->at == full->cap;
    int doubling = full->cap < BLOCK;
    Block *more = block_new(pool, doubling ? 2 * full->cap : appending ? BLOCK / 4 : BLOCK);
    if (!more)
        return -1;
    if (doubling) {
        block_copy(more, full, columns, 0, full->cap);
        slot->block = more;
        block_return(pool, full);
        return 0;
    }
    int kept = appending ? BLOCK : BLOCK / 2;
    block_copy(more, full, columns, kept, BLOCK - kept);
    slot->n = kept;
    if (!appending)
        slot_count(pool, slot);
    if (slot_open(pool, key, position->slot + 1, more)) {
        slot = slot_at(key, columns, position->slot);
        slot->n = BLOCK;
        slot_count(pool, slot);
        block_return(pool, more);
        return -1;
    }
    if (!appending) {
        slot = slot_at(key, columns, position->slot + 1);
        slot->n = BLOCK - kept;
        slot_count(pool, slot);
    }
    if (appending || position->at > kept)
        *position = (Position){position->slot + 1, position->at - kept};
    return 0;
}

/* Insert one event; on no memory the key is as before and -1 is returned. */
static int key_insert(Pool *pool, Key *key, int64_t t, int64_t s, const int64_t *x)
{
    int columns = pool->columns;
    Position position = {0, 0};
    if (key->n == 0) {
        Block *block = block_new(pool, 8);
        if (!block)
            return -1;
        if (slot_open(pool, key, 0, block)) {
            block_return(pool, block);
            return -1;
        }
    } else {
        const Slot *end = slot_at(key, columns, key->n - 1);
        int64_t last = times(end->block)[end->n - 1];
        if (last < t || (last == t && sequences(end->block)[end->n - 1] <= s))
            position = (Position){key->n - 1, (int)end->n};
        else
            position = key_after(key, columns, t, s);
        const Slot *slot = slot_at(key, columns, position.slot);
        if (slot->n == slot->block->cap && make_room(pool, key, &position))
            return -1;
    }
    Slot *slot = slot_at(key, columns, position.slot);
    int at = position.at;
    for (int c = -2; c < columns; c++) {
        int64_t *column = values(slot->block, c) + at;
        if (at < slot->n)
            memmove(column + 1, column, (size_t)(slot->n - at) * sizeof(int64_t));
        *column = c == -2 ? t : c == -1 ? s : x[c];
        if (c >= 0 && pool->want[c])
            header_add(&headers(slot)[c], pool->want[c], x[c]);
    }
    slot->n++;
    if (at == 0)
        slot->t = t;
    if (position.slot + 1 < key->n)
        count_before(pool, key, position.slot + 1, slot->block, at, 1);
    return 0;
}

/* Find the event (t, s), the last one of several. Returns whether there is one. */
static int key_find(const Key *key, int columns, int64_t t, int64_t s, Position *position)
{
    *position = key_after(key, columns, t, s);
    if (key->n == 0 || position->at == 0)
        return 0;
    Block *block = slot_at(key, columns, position->slot)->block;
    position->at--;
    return times(block)[position->at] == t && sequences(block)[position->at] == s;
}

/* Take an event out. */
static void key_remove(Pool *pool, Key *key, Position position)
{
    int columns = pool->columns, at = position.at;
    Slot *slot = slot_at(key, columns, position.slot);
    count_before(pool, key, position.slot + 1, slot->block, at, -1);
    for (int c = -2; c < columns; c++) {
        int64_t *column = values(slot->block, c) + at;
        memmove(column, column + 1, (size_t)(slot->n - at - 1) * sizeof(int64_t));
    }
    if (--slot->n) {
        slot_count(pool, slot);
        return;
    }
    block_return(pool, slot->block);
    memmove(slot, (char *)slot + slot_size(columns),
            (size_t)(key->n - position.slot - 1) * slot_size(columns));
    key->n--;
}

/* Take out all events up to time t; return how many. A key that keeps none gives its memory back. */
static int64_t key_drop(Pool *pool, Key *key, int64_t t)
{
    int columns = pool->columns;
    if (key->n == 0 || slot_at(key, columns, 0)->t > t)
        return 0;
    Position end = key_after(key, columns, t, INT64_MAX);
    int64_t dropped = place_of(key, columns, end);
    int whole = end.slot + (end.at == slot_at(key, columns, end.slot)->n);
    for (int i = 0; i < whole; i++)
        block_free(pool, slot_at(key, columns, i)->block);
    memmove(key->slots, slot_at(key, columns, whole),
            (size_t)(key->n - whole) * slot_size(columns));
    key->n -= whole;
    if (key->n == 0) {
        key_free(pool, key);
        return dropped;
    }
    Slot *slot = slot_at(key, columns, 0);
    if (whole == end.slot) { /* the rest of its block stays */
        slot->n -= end.at;
        for (int c = -2; c < columns; c++) {
            int64_t *column = values(slot->block, c);
            memmove(column, column + end.at, (size_t)slot->n * sizeof(int64_t));
        }
        slot_count(pool, slot);
    }
    slot->before = 0;
    for (int c = 0; c < columns; c++)
        headers(slot)[c].before = 0, headers(slot)[c].squares_before = 0;
    for (int i = 1; i < key->n; i++) {
        Slot *last = slot_at(key, columns, i - 1);
        slot = slot_at(key, columns, i);
        slot->before = last->before + last->n;
        for (int c = 0; c < columns; c++) {
            const Header *header = &headers(last)[c];
            headers(slot)[c].before = header->before + header->total;
            headers(slot)[c].squares_before = header->squares_before + header->squares;
        }
    }
    return dropped;
}

/* The sum of a column over all events of the key before `position`. */
static inline wide sum_before(const Key *key, int columns, int column, Position position)
{
    Slot *slot = slot_at(key, columns, position.slot);
    const Header *header = &headers(slot)[column];
    const int64_t *x = values(slot->block, column);
    int64_t total = 0;
    if (2 * position.at <= slot->n) {
        for (int i = 0; i < position.at; i++)
            total += x[i];
        return header->before + total;
    }
    for (int i = position.at; i < slot->n; i++)
        total += x[i];
    return header->before + header->total - total;
}

/* The same of the squares, modulo 2**128. */
static inline uwide squares_before(const Key *key, int columns, int column, Position position)
{
    Slot *slot = slot_at(key, columns, position.slot);
    const int64_t *x = values(slot->block, column);
    uwide total = headers(slot)[column].squares_before;
    for (int i = 0; i < position.at; i++)
        total += squared(x[i]);
    return total;
}

/* Widen a tally's extremes by the events [low, high) of the key. */
static void add_extremes(const Key *key, int columns, int column, Position low, Position high,
                         Tally *tally)
{
    int64_t min = tally->min, max = tally->max;
    for (int i = low.slot; i <= high.slot; i++) {
        Slot *slot = slot_at(key, columns, i);
        int from = i == low.slot ? low.at : 0, to = i == high.slot ? high.at : (int)slot->n;
        const Header *header = &headers(slot)[column];
        const int64_t *x = values(slot->block, column);
        int whole = to - from == slot->n;
        if (whole) {
            min = header->min < min ? header->min : min;
            max = header->max > max ? header->max : max;
            continue;
        }
        for (int j = from; j < to; j++) {
            min = x[j] < min ? x[j] : min;
            max = x[j] > max ? x[j] : max;
        }
    }
    tally->min = min;
    tally->max = max;
}

/* Write the defaults of every output. */
static void write_empty(const Plan *plan, double *line)
{
    for (int i = 0; i < plan->outputs; i++)
        line[plan->output[i].place] = plan->output[i].empty;
}

/* The time a group of windows looks back from. */
static inline int64_t aligned(int64_t q, int64_t align)
{
    if (align == 0)
        return q;
    int64_t over = q % align;
    if (over < 0)
        over += align;
    return q - over - 1 < -TIME_LIMIT ? -TIME_LIMIT : q - over - 1;
}

/* The tie of a group: where its windows end before q, every event of equal time counts. */
static inline int64_t tie_of(const Group *group, int64_t tie)
{
    return group->near || group->align ? INT64_MAX : tie;
}

/* Bring the events [low, high) of a key side by side; x is a column, -2 is t. */
static void gather(const Key *key, int columns, int column, Position low, Position high,
                   int64_t *to)
{
    for (int i = low.slot; i <= high.slot; i++) {
        Slot *slot = slot_at(key, columns, i);
        int from = i == low.slot ? low.at : 0, end = i == high.slot ? high.at : (int)slot->n;
        if (end > from)
            memcpy(to, values(slot->block, column) + from, (size_t)(end - from) * sizeof *to);
        to += end > from ? end - from : 0;
    }
}

/* ---------------------------------------------------------------- counters that slide */

/* The distinct values of a column of a key, numbered in ascending order. */
typedef struct {
    int64_t *value; /* by number */
    uint32_t *cell; /* open addressing: a number + 1, 0 where free */
    size_t value_held, cell_held, cells;
    int64_t n;
} Numbers;

#define RANKS 54 /* of a register: 1 to 53 */
#define LEVELS 4 /* the counts, and of 64, 64 * 64 and 64 * 64 * 64 of them the sum */
#define FEW 16   /* so few events are looked at one by one */

/* Per register how many distinct values have each rank; one is the greatest that has any. */
typedef struct {
    uint32_t count[HLL_SIZE][RANKS];
    uint64_t any[HLL_SIZE]; /* bit r: some value has rank r */
    uwide sum;              /* of 2**(60 - greatest rank) */
    int empty;
} Registers;

/* How often each value, by its number, is in the window. */
typedef struct {
    uint32_t *count[LEVELS]; /* those above the first only if there is a quantile */
    size_t held[LEVELS];
    int64_t n, found; /* how many events there are, and how many values */
    Registers *registers;
    /* A tournament for the most frequent value: node i wins over 2i and 2i + 1, the value 0 stands
       at `leaves`; only if there is a top. */
    uint32_t *winner;
    size_t winner_held, leaves;
    int64_t *top, tops; /* count << 32 | number of those that lead; none after a change */
} Counts;

/* Which events of a key lie before: those up to and with (t, s). `at` is how many they are,
   `place` where the next one is, if the key is in blocks. */
typedef struct {
    int64_t t, s, at;
    Position place;
} Edge;

typedef struct {
    const Sliding *of;
    Edge low, high;             /* the events that are counted */
    int64_t seen_from, seen_to; /* how the last read's edges lay */
    int64_t turn;
    int serves; /* whether the counters are those of this turn's read */
    Counts counts;
    wide half[HALF_LIVES]; /* sums by half-life, modulo HALF_LIVES */
} Slide;

/* The counters of one key, offline. */
typedef struct {
    int n, columns;
    Slide *slide;
    Numbers *numbers; /* per column */
    int64_t turn;
    int on; /* whether the key has more than FEW events */
} Slides;

static void slides_free(Slides *slides)
{
    for (int i = 0; slides->slide && i < slides->n; i++) {
        Counts *counts = &slides->slide[i].counts;
        for (int level = 0; level < LEVELS; level++)
            free(counts->count[level]);
        free(counts->registers);
        free(counts->winner);
        free(counts->top);
    }
    for (int i = 0; slides->numbers && i < slides->columns; i++) {
        free(slides->numbers[i].value);
        free(slides->numbers[i].cell);
    }
    free(slides->slide);
    free(slides->numbers);
}

/* Returns 0, or -1 on no memory; to be freed either way. */
static int slides_open(Slides *slides, const Plan *plan)
{
    *slides = (Slides){.n = plan->slides, .columns = plan->columns};
    if (!plan->slides)
        return 0;
    slides->slide = calloc((size_t)plan->slides, sizeof(Slide));
    slides->numbers = calloc((size_t)plan->columns + 1, sizeof(Numbers));
    if (!slides->slide || !slides->numbers)
        return -1;
    for (int i = 0; i < plan->slides; i++) {
        Slide *slide = &slides->slide[i];
        slide->of = &plan->sliding[i];
        if (slide->of->ranks &&
            !(slide->counts.top = malloc((size_t)slide->of->ranks * sizeof(int64_t))))
            return -1;
    }
    return 0;
}

/* The cell of a value, or the free one where it belongs. */
static inline size_t cell_of(const Numbers *numbers, int64_t x)
{
    size_t at = (size_t)mixed((uint64_t)x) & (numbers->cells - 1);
    while (numbers->cell[at] && numbers->value[numbers->cell[at] - 1] != x)
        at = (at + 1) & (numbers->cells - 1);
    return at;
}

/* Give every value its cell anew, in a table of so many. Returns 0, or -1 on no memory. */
static int numbers_place(Numbers *numbers, size_t cells)
{
    if (reserve(&numbers->cell, &numbers->cell_held, cells, sizeof(uint32_t)))
        return -1;
    memset(numbers->cell, 0, cells * sizeof(uint32_t));
    numbers->cells = cells;
    for (int64_t i = 0; i < numbers->n; i++)
        numbers->cell[cell_of(numbers, numbers->value[i])] = (uint32_t)i + 1;
    return 0;
}

static int by_value(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Number the values at one word of a key's records. Returns 0, or -1 on no memory. */
static int numbers_fill(Numbers *numbers, const int64_t *records, Py_ssize_t n, int width, int word)
{
    numbers->n = 0;
    if (numbers_place(numbers, 64))
        return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        int64_t x = records[i * width + word];
        size_t at = cell_of(numbers, x);
        if (numbers->cell[at])
            continue;
        if (reserve(&numbers->value, &numbers->value_held, (size_t)numbers->n + 1, sizeof x))
            return -1;
        numbers->value[numbers->n] = x;
        numbers->cell[at] = (uint32_t)++numbers->n;
        if (2 * (size_t)numbers->n > numbers->cells && numbers_place(numbers, 2 * numbers->cells))
            return -1;
    }
    qsort(numbers->value, (size_t)numbers->n, sizeof(int64_t), by_value);
    return numbers_place(numbers, numbers->cells);
}

static inline int greatest(uint64_t any) { return any ? 63 - __builtin_clzll(any) : 0; }

/* Hear that a distinct value came (by = 1) or went (by = -1). */
static void registers_change(Registers *registers, int64_t x, int by)
{
    int rank, at = register_of(x, &rank);
    uint64_t *any = &registers->any[at];
    int before = greatest(*any);
    registers->count[at][rank] += (uint32_t)by;
    if (registers->count[at][rank])
        *any |= (uint64_t)1 << rank;
    else
        *any &= ~((uint64_t)1 << rank);
    int after = greatest(*any);
    registers->sum += ((uwide)1 << (60 - after)) - ((uwide)1 << (60 - before));
    registers->empty += (after == 0) - (before == 0);
}

/* Tell the registers of all values that are there. */
static void registers_change_all(Counts *counts, const Numbers *numbers, int by)
{
    for (int64_t i = 0; i < numbers->n; i++)
        if (counts->count[0][i])
            registers_change(counts->registers, numbers->value[i], by);
}

/* Make registers of the values that are there. Returns 0, or -1 on no memory. */
static int registers_make(Counts *counts, const Numbers *numbers)
{
    if (!(counts->registers = calloc(1, sizeof(Registers))))
        return -1;
    counts->registers->sum = (uwide)HLL_SIZE << 60;
    counts->registers->empty = HLL_SIZE;
    registers_change_all(counts, numbers, 1);
    return 0;
}

#define NOBODY UINT32_MAX

/* Play again what a value takes part in; it does not while its count is 0. A greater count wins,
   of equals the smaller value, which stands to the left. */
static void replay(Counts *counts, uint32_t number)
{
    uint32_t *winner = counts->winner;
    const uint32_t *count = counts->count[0];
    size_t node = counts->leaves + number;
    winner[node] = count[number] ? number : NOBODY;
    for (node /= 2; node; node /= 2) {
        uint32_t left = winner[2 * node], right = winner[2 * node + 1];
        int second = right != NOBODY && (left == NOBODY || count[right] > count[left]);
        winner[node] = second ? right : left;
    }
}

/* Forget the counts of the key before, whose values were numbered as they still are. */
static void counts_forget(Counts *counts, const Numbers *numbers)
{
    if (counts->registers && counts->n)
        registers_change_all(counts, numbers, -1);
    counts->n = counts->found = counts->tops = 0;
}

/* Begin with nothing of a key of these values. Returns 0, or -1 on no memory. */
static int counts_begin(Counts *counts, const Sliding *of, const Numbers *numbers)
{
    size_t n = (size_t)numbers->n;
    for (int level = 0; level < (of->ordered ? LEVELS : 1); level++) {
        size_t size = (n >> (6 * level)) + 1;
        if (reserve(&counts->count[level], &counts->held[level], size, sizeof(uint32_t)))
            return -1;
        memset(counts->count[level], 0, size * sizeof(uint32_t));
    }
    if (!of->ranks)
        return 0;
    counts->leaves = 1;
    while (counts->leaves < n)
        counts->leaves *= 2;
    if (reserve(&counts->winner, &counts->winner_held, 2 * counts->leaves, sizeof(uint32_t)))
        return -1;
    memset(counts->winner, 0xff, 2 * counts->leaves * sizeof(uint32_t)); /* NOBODY */
    return 0;
}

static void counts_change(Slide *slide, const Numbers *numbers, const int64_t *x, int64_t n, int by)
{
    Counts *counts = &slide->counts;
    const int levels = slide->of->ordered ? LEVELS : 1;
    counts->tops = 0;
    counts->n += by * n;
    for (int64_t i = 0; i < n; i++) {
        uint32_t number = numbers->cell[cell_of(numbers, x[i])] - 1;
        uint32_t before = counts->count[0][number];
        for (int level = 0; level < levels; level++)
            counts->count[level][number >> (6 * level)] += (uint32_t)by;
        if (!before || !counts->count[0][number]) {
            counts->found += by;
            if (counts->registers)
                registers_change(counts->registers, x[i], by);
        }
        if (slide->of->ranks)
            replay(counts, number);
    }
}

/* The number of the value of a rank, counted from 0. */
static int64_t number_at(const Counts *counts, int64_t rank)
{
    int64_t at = 0;
    for (int level = LEVELS - 1; level >= 0; level--) {
        const uint32_t *count = counts->count[level];
        for (at *= 64; count[at] <= rank; at++)
            rank -= count[at];
    }
    return at;
}

/* Take the values that lead out of the tournament, one after the other, and put them back. */
static void lead(Counts *counts, int64_t ranks)
{
    int64_t most = ranks < counts->found ? ranks : counts->found;
    for (; counts->tops < most; counts->tops++) {
        uint32_t best = counts->winner[1];
        counts->top[counts->tops] = (int64_t)counts->count[0][best] << 32 | best;
        counts->count[0][best] = 0;
        replay(counts, best);
    }
    for (int64_t i = 0; i < most; i++) {
        uint32_t best = (uint32_t)counts->top[i];
        counts->count[0][best] = (uint32_t)(counts->top[i] >> 32);
        replay(counts, best);
    }
}

static void halves_change(Slide *slide, const int64_t *t, const int64_t *x, int64_t n, int by)
{
    for (int64_t i = 0; i < n; i++) {
        uint64_t weight;
        int64_t its = half_life_of(t[i], slide->of->half_life, &weight);
        wide value = (wide)weight * (slide->of->column < 0 ? 1 : x[i]);
        slide->half[its & (HALF_LIVES - 1)] += by < 0 ? -value : value;
    }
}

static double halves_sum(const Slide *slide, const Output *output, int64_t q)
{
    uint64_t now;
    int64_t first = half_life_of(q, slide->of->half_life, &now) - (HALF_LIVES - 1);
    Big total = {{0}};
    for (int i = 0; i < HALF_LIVES; i++) {
        wide sum = slide->half[(first + i) & (HALF_LIVES - 1)];
        if (sum)
            total = big_add(total, big_shifted(big_of(sum), i));
    }
    return decayed_of(output, total, now);
}

/* Add events to the counters (by = 1) or take them away (by = -1). */
static void slide_change(Slides *slides, Slide *slide, const int64_t *t, const int64_t *x, int64_t n,
                         int by)
{
    if (slide->of->half_life)
        halves_change(slide, t, x, n, by);
    else
        counts_change(slide, &slides->numbers[slide->of->column], x, n, by);
}

/* Begin with a key: n records with the first value at a word. Returns 0, or -1 on no memory. */
static int slides_begin(Slides *slides, const int64_t *records, Py_ssize_t n, int width, int word)
{
    slides->on = slides->n && n > FEW;
    if (!slides->on)
        return 0;
    for (int i = 0; i < slides->n; i++)
        if (!slides->slide[i].of->half_life)
            counts_forget(&slides->slide[i].counts, &slides->numbers[slides->slide[i].of->column]);
    for (int c = 0; c < slides->columns; c++)
        slides->numbers[c].n = 0;
    for (int i = 0; i < slides->n; i++) {
        Slide *slide = &slides->slide[i];
        int column = slide->of->column;
        slide->low = slide->high = (Edge){.t = INT64_MIN, .s = INT64_MIN};
        slide->seen_from = slide->seen_to = 0;
        memset(slide->half, 0, sizeof slide->half);
        if (slide->of->half_life)
            continue;
        if (!slides->numbers[column].n &&
            numbers_fill(&slides->numbers[column], records, n, width, word + column))
            return -1;
        if (counts_begin(&slide->counts, slide->of, &slides->numbers[column]))
            return -1;
    }
    return 0;
}

/* First of t[0..n) greater than T, looked for from `from` on. t[-1] and t[n] are sentinels. */
static inline Py_ssize_t seek(const int64_t *t, Py_ssize_t n, Py_ssize_t from, int64_t T)
{
    Py_ssize_t low, high, step = 8;
    if (t[from - 1] <= T) {
        for (int i = 0; i < 8; i++, from++)
            if (t[from] > T)
                return from;
        for (low = from, high = from; high < n && t[high] <= T; step *= 2) {
            low = high + 1;
            high = n - high > step ? high + step : n;
        }
    } else {
        for (high = from - 1, low = high; low > 0 && t[low - 1] > T; step *= 2) {
            high = low - 1;
            low = low > step ? low - step : 0;
        }
    }
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (t[middle] <= T)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where the events of a key are: side by side, or in blocks. */
typedef struct {
    Slides *slides;
    const int64_t *t, *x; /* side by side, x of one column; t has a sentinel on each side */
    Py_ssize_t n;
    const Key *key;
    int columns;
    Scratch *scratch;
} Source;

/* Find the events between two edges side by side. Returns 0, or -1 on no memory. */
static int bring(const Source *source, const Sliding *of, const Edge *low, const Edge *high,
                 const int64_t **t, const int64_t **x)
{
    if (!source->key) {
        *t = source->t + low->at;
        *x = source->x + low->at;
        return 0;
    }
    Scratch *scratch = source->scratch;
    size_t n = (size_t)(high->at - low->at);
    if (reserve(&scratch->x, &scratch->x_held, n, sizeof(int64_t)) ||
        reserve(&scratch->t, &scratch->t_held, n, sizeof(int64_t)))
        return -1;
    if (of->column >= 0)
        gather(source->key, source->columns, of->column, low->place, high->place, scratch->x);
    if (of->half_life)
        gather(source->key, source->columns, -2, low->place, high->place, scratch->t);
    *t = scratch->t;
    *x = scratch->x;
    return 0;
}

/* Count the events between two edges. Returns 0, or -1 on no memory. */
static int count_between(const Source *source, Slide *slide, const Edge *low, const Edge *high,
                         int by)
{
    const int64_t *t, *x;
    if (high->at <= low->at)
        return 0;
    if (bring(source, slide->of, low, high, &t, &x))
        return -1;
    slide_change(source->slides, slide, t, x, high->at - low->at, by);
    return 0;
}

static inline int64_t apart(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

/* Bring the counters to the events between two edges: leaving ones first, as no more than
   HALF_LIVES may be there at a time. Returns 0, or -1 on no memory. */
static int slide_to(const Source *source, Slide *slide, Edge low, Edge high)
{
    Edge from = slide->low, to = slide->high;
    int status;
    slide->low = low;
    slide->high = high;
    if (to.at <= low.at || high.at <= from.at)
        status = count_between(source, slide, &from, &to, -1) ||
                 count_between(source, slide, &low, &high, 1);
    else
        status = count_between(source, slide, &from, &low, -1) ||
                 count_between(source, slide, &high, &to, -1) ||
                 count_between(source, slide, &low, &from, 1) ||
                 count_between(source, slide, &to, &high, 1);
    return status ? -1 : 0;
}

/* Find an edge by its time and sequence; side by side, from where it is said to be. */
static void edge_find(const Source *source, Edge *edge)
{
    if (!source->key) {
        edge->at = seek(source->t, source->n, edge->at, edge->t);
        return;
    }
    edge->place = key_after(source->key, source->columns, edge->t, edge->s);
    edge->at = place_of(source->key, source->columns, edge->place);
}

/* Bring the counters to a read's events where that is less work than looking at each of them, or
   the read before was near; so reads all over the place cost what they cost one by one. Returns
   whether the counters are there, or -1 on no memory. */
static int slide_serves(const Source *source, Slide *slide, Edge low, Edge high)
{
    const int64_t n = high.at - low.at, dear = 4; /* there and back, and each a little more */
    if (slide->turn == source->slides->turn)
        return slide->serves;
    slide->turn = source->slides->turn;
    if (source->key) { /* it may have changed */
        edge_find(source, &slide->low);
        edge_find(source, &slide->high);
    }
    if (slide->low.at > slide->high.at)
        slide->low = slide->high;
    int64_t way = apart(slide->low.at, low.at) + apart(slide->high.at, high.at);
    int64_t step = apart(slide->seen_from, low.at) + apart(slide->seen_to, high.at);
    slide->seen_from = low.at;
    slide->seen_to = high.at;
    slide->serves = n > FEW && (dear * way <= n || dear * step <= n);
    return slide->serves && slide_to(source, slide, low, high) ? -1 : slide->serves;
}

/* One result from the counters, which are those of its window. Returns 0, or -1 on no memory. */
static int slide_result(const Source *source, Slide *slide, const Output *output, int64_t q,
                        double *out)
{
    Counts *counts = &slide->counts;
    const Numbers *numbers = &source->slides->numbers[output->column < 0 ? 0 : output->column];
    switch (output->op) {
    case DISTINCT:
        *out = (double)counts->found;
        if (counts->found <= output->argument)
            return 0;
        if (!counts->registers && registers_make(counts, numbers))
            return -1;
        *out = estimated(counts->registers->sum, counts->registers->empty, output->argument);
        return 0;
    case TOP:
        *out = output->empty;
        if (counts->found < output->argument)
            return 0;
        if (!counts->tops)
            lead(counts, slide->of->ranks);
        *out = value_of(output, numbers->value[(uint32_t)counts->top[output->argument - 1]]);
        return 0;
    case QUANTILE: {
        int64_t x = numbers->value[number_at(counts, rank_of(output, counts->n))];
        *out = value_of(output, counts->n > EXACT_RANKS ? middle_of(bucket_of(x)) : x);
        return 0;
    }
    default:
        *out = halves_sum(slide, output, q);
        return 0;
    }
}

/* One past the last time that counts for nothing in a decayed sum read at q. */
static inline int64_t faded_until(const Sliding *of, int64_t q)
{
    uint64_t now;
    return (half_life_of(q, of->half_life, &now) - (HALF_LIVES - 1)) * of->half_life - 1;
}

/* One result that scans, over the events between two edges, some at least in its window. The
   faded ones are left out of a decayed sum: they count for nothing. Returns 0, or -1. */
static int slid(const Source *source, const Output *output, Edge low, Edge high, int64_t q,
                double *out)
{
    Slide *slide = &source->slides->slide[output->slide];
    if (slide->of->half_life) {
        Edge fresh = {.t = faded_until(slide->of, q), .s = INT64_MAX, .at = slide->low.at};
        edge_find(source, &fresh);
        low = fresh.at < low.at ? low : fresh.at < high.at ? fresh : high;
    }
    int serves = source->slides->on ? slide_serves(source, slide, low, high) : 0;
    if (serves)
        return serves < 0 ? -1 : slide_result(source, slide, output, q, out);
    const int64_t *t, *x;
    if (bring(source, slide->of, &low, &high, &t, &x))
        return -1;
    return scan(output, t, x, high.at - low.at, q, source->scratch, out);
}

/* An event of a key in blocks came (by = 1) or goes (by = -1): count it wherever it lies between
   the edges. */
static void slides_hear(Slides *slides, int64_t t, int64_t s, const int64_t *x, int by)
{
    for (int i = 0; slides->on && i < slides->n; i++) {
        Slide *slide = &slides->slide[i];
        const Edge *low = &slide->low, *high = &slide->high;
        int behind = t > low->t || (t == low->t && s > low->s);
        int within = t < high->t || (t == high->t && s <= high->s);
        if (behind && within)
            slide_change(slides, slide, &t, &x[slide->of->column < 0 ? 0 : slide->of->column], 1,
                         by);
    }
}

/* What a read writes on the side. */
typedef struct {
    Tally *tally;
    Scratch *scratch;
    Slides *slides; /* NULL online: there every read is by itself */
} Aside;

/* One result that looks at every event between two edges of a key. Returns 0, or -1 on no
   memory. */
static int key_scan(const Plan *plan, const Key *key, const Output *output, const Edge *low,
                    const Edge *high, int64_t q, Aside aside, double *out)
{
    Source source = {.slides = aside.slides, .key = key, .columns = plan->columns,
                     .scratch = aside.scratch};
    const int64_t *t, *x;
    if (low->at >= high->at) {
        *out = output->empty;
        return 0;
    }
    if (aside.slides)
        return slid(&source, output, *low, *high, q, out);
    if (bring(&source, &plan->sliding[output->slide], low, high, &t, &x))
        return -1;
    return scan(output, t, x, high->at - low->at, q, aside.scratch, out);
}

/* The value that is the first or the last, how long before q the last event was, or its
   sequence; of [low, high), which is not empty. */
static int64_t pick(const Key *key, int columns, const Output *output, Position low, Position high,
                    int64_t q)
{
    Block *block = slot_at(key, columns, high.slot)->block;
    switch (output->op) {
    case FIRST: {
        Slot *slot = slot_at(key, columns, low.slot);
        if (low.at == slot->n)
            return values(slot_at(key, columns, low.slot + 1)->block, output->column)[0];
        return values(slot->block, output->column)[low.at];
    }
    case SINCE:
        return q - times(block)[high.at - 1];
    case SEQUENCE:
        return sequences(block)[high.at - 1];
    default:
        return values(block, output->column)[high.at - 1];
    }
}

/* Answer one read from the blocks. The windows of a group share their upper edge, so the
   extremes of each add only what lies before the next shorter one. Returns 0, or -1 on no
   memory. */
static int key_read(const Plan *plan, const Key *key, int64_t q, int64_t tie, Aside aside,
                    double *line)
{
    int columns = plan->columns, status = 0;
    Tally *tally = aside.tally;
    if (!key || key->n == 0) {
        write_empty(plan, line);
        return 0;
    }
    if (aside.slides)
        aside.slides->turn++;
    for (int g = 0; g < plan->groups; g++) {
        const Group *group = &plan->group[g];
        int64_t from = aligned(q, group->align);
        Position high = key_after(key, columns, from - group->near, tie_of(group, tie));
        Position edge = high;
        Edge upper = {from - group->near, tie_of(group, tie), place_of(key, columns, high), high};
        for (int i = group->need; i < group->need_end; i++) {
            int column = plan->need[i].column;
            tally[column] = (Tally){.min = INT64_MAX, .max = INT64_MIN};
            if (plan->need[i].want & WANT_SUM)
                tally[column].upper = sum_before(key, columns, column, high);
            if (plan->need[i].want & WANT_SQUARES)
                tally[column].upper_squares = squares_before(key, columns, column, high);
        }
        for (int w = group->first; w < group->end; w++) {
            const Window *window = &plan->window[w];
            Position low = key_after(key, columns, from - window->far, INT64_MAX);
            Edge lower = {from - window->far, INT64_MAX, place_of(key, columns, low), low};
            int64_t n = upper.at - lower.at;
            for (int i = group->need; i < group->need_end; i++) {
                int column = plan->need[i].column;
                if (plan->need[i].want & WANT_SUM)
                    tally[column].total =
                        tally[column].upper - sum_before(key, columns, column, low);
                if (plan->need[i].want & WANT_SQUARES)
                    tally[column].squares =
                        tally[column].upper_squares - squares_before(key, columns, column, low);
                if (plan->need[i].want & WANT_RANGE)
                    add_extremes(key, columns, column, low, edge, &tally[column]);
            }
            edge = low;
            for (int i = window->first; i < window->end; i++) {
                const Output *output = &plan->output[i];
                if (scans(output->op)) {
                    status |= key_scan(plan, key, output, &lower, &upper, q, aside,
                                       &line[output->place]);
                    continue;
                }
                const Tally *found = &tally[output->column < 0 ? 0 : output->column];
                Seen seen = {n, found->total, found->squares,
                             output->op == MIN ? found->min : found->max};
                if (n && output->op >= FIRST)
                    seen.picked = pick(key, columns, output, low, high, q);
                line[output->place] = finalise(output, seen);
            }
        }
    }
    return status;
}

/* ---------------------------------------------------------------- buffers from Python */

typedef struct {
    Py_buffer view;
    int held;
    Py_ssize_t n;
} Column;

static void column_release(Column *column)
{
    if (column->held)
        PyBuffer_Release(&column->view);
    column->held = 0;
}

/* Borrow a contiguous native buffer of int32 ("i"), int64 ("q") or double ("d"). */
static int column_get(PyObject *object, const char *name, char kind, Column *column)
{
    static const char *const kinds[] = {"int32", "int64", "float64"};
    const char *wanted = kinds[kind == 'i' ? 0 : kind == 'q' ? 1 : 2];
    Py_ssize_t item = kind == 'i' ? 4 : 8;
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (kind == 'd' ? PyBUF_WRITABLE : 0);
    column->held = 0;
    if (PyObject_GetBuffer(object, &column->view, flags)) {
        if (!PyErr_ExceptionMatches(PyExc_BufferError) &&
            !PyErr_ExceptionMatches(PyExc_ValueError))
            return -1;
        PyErr_Clear();
        PyErr_Format(PyExc_ValueError, "%s must be a contiguous%s buffer of %s", name,
                     kind == 'd' ? ", writable" : "", wanted);
        return -1;
    }
    column->held = 1;
    column->n = column->view.len / item;
    const char *format = column->view.format ? column->view.format : "B";
    if (*format == '@')
        format++;
    int same = format[0] && !format[1] && column->view.itemsize == item &&
               strchr(kind == 'i' ? "il" : kind == 'q' ? "ql" : "d", format[0]);
    if (!same) {
        PyErr_Format(PyExc_ValueError, "%s holds items of format '%s', expected %s", name,
                     column->view.format ? column->view.format : "B", wanted);
        return -1;
    }
    if (kind != 'd' && column->view.ndim != 1) {
        PyErr_Format(PyExc_ValueError, "%s has %d dimensions, expected 1", name,
                     column->view.ndim);
        return -1;
    }
    if (column->n && (uintptr_t)column->view.buf % (uintptr_t)item) {
        PyErr_Format(PyExc_ValueError, "%s is not aligned to its items; copy it", name);
        return -1;
    }
    if (kind != 'd' && column->n >= MOST_ROWS) {
        PyErr_Format(PyExc_ValueError, "%s has %zd rows, expected fewer than 2**31", name,
                     column->n);
        return -1;
    }
    return 0;
}

static int same_length(const Column *column, const char *name, Py_ssize_t n)
{
    if (column->n == n)
        return 0;
    PyErr_Format(PyExc_ValueError, "%s has %zd rows, but the codes have %zd", name, column->n, n);
    return -1;
}

/* ---------------------------------------------------------------- events and reads by key */

/* A table of rows to bring in key order. A record is `width` words: code and row number
   (code << 32 | row), then one word per column. */
typedef struct {
    Py_ssize_t n;
    const int32_t *codes;
    int columns, width;
    const int64_t **column;
    int64_t limit_first, limit_rest; /* bounds of |column[0]| and of columns from `bounded` */
    int bounded;
    const double *scale; /* of the value columns, which begin at `bounded`; NULL without any */
    int unknown; /* whether code -1 is allowed: such rows are left out and answered at once */
    const Plan *plan;
    double *line; /* where to answer them: row r at line + r * stride */
    Py_ssize_t stride;
    /* result */
    int64_t *records;
    Py_ssize_t kept;
    /* at work */
    int64_t *from;
    int threads, bits, shift;
    uint32_t *counts;
    int32_t largest[MOST_THREADS];
    int bad[MOST_THREADS];
} Table;

typedef void (*Task)(void *shared, int worker);

typedef struct {
    Task task;
    void *shared;
    int worker;
} Start;

static void *begin(void *argument)
{
    Start *start = argument;
    start->task(start->shared, start->worker);
    return NULL;
}

/* Run the task once for every worker number, in threads; a thread that cannot start runs here. */
static void fork_join(Task task, void *shared, int threads)
{
    pthread_t thread[MOST_THREADS];
    Start start[MOST_THREADS];
    int started[MOST_THREADS] = {0};
    for (int i = 1; i < threads; i++) {
        start[i] = (Start){task, shared, i};
        started[i] = pthread_create(&thread[i], NULL, begin, &start[i]) == 0;
    }
    task(shared, 0);
    for (int i = 1; i < threads; i++)
        if (!started[i])
            task(shared, i);
        else
            pthread_join(thread[i], NULL);
}

static inline Py_ssize_t share(Py_ssize_t n, int part, int parts)
{
    return (Py_ssize_t)((wide)n * part / parts);
}

/* Whether any of x lies outside [-limit, limit]. */
static int outside(const int64_t *x, Py_ssize_t n, int64_t limit)
{
    uint64_t found = 0, reach = 2 * (uint64_t)limit;
    for (Py_ssize_t i = 0; i < n; i++)
        found |= (uint64_t)x[i] + (uint64_t)limit > reach;
    return found != 0;
}

static inline int64_t column_limit(const Table *table, int column)
{
    if (column == 0)
        return table->limit_first;
    if (column < table->bounded || !table->scale || table->scale[column - table->bounded] == 0)
        return 0;
    return table->limit_rest;
}

static void check_rows(void *shared, int worker)
{
    Table *table = shared;
    Py_ssize_t first = share(table->n, worker, table->threads);
    Py_ssize_t n = share(table->n, worker + 1, table->threads) - first;
    int32_t largest = -1, smallest = 0;
    for (Py_ssize_t i = first; i < first + n; i++) {
        largest = table->codes[i] > largest ? table->codes[i] : largest;
        smallest = table->codes[i] < smallest ? table->codes[i] : smallest;
    }
    int bad = smallest < (table->unknown ? -1 : 0);
    for (int c = 0; c < table->columns; c++)
        if (column_limit(table, c))
            bad |= outside(table->column[c] + first, n, column_limit(table, c));
    table->largest[worker] = largest;
    table->bad[worker] = bad;
}

static void count_codes(void *shared, int worker)
{
    Table *table = shared;
    size_t buckets = (size_t)1 << table->bits;
    uint32_t *counts = table->counts + (size_t)worker * buckets, mask = (uint32_t)buckets - 1;
    memset(counts, 0, buckets * sizeof *counts);
    if (!table->from) {
        Py_ssize_t end = share(table->n, worker + 1, table->threads);
        for (Py_ssize_t i = share(table->n, worker, table->threads); i < end; i++)
            if (table->codes[i] >= 0)
                counts[(uint32_t)table->codes[i] & mask]++;
        return;
    }
    Py_ssize_t end = share(table->kept, worker + 1, table->threads);
    for (Py_ssize_t i = share(table->kept, worker, table->threads); i < end; i++)
        counts[(uint32_t)((uint64_t)table->from[i * table->width] >> (32 + table->shift)) &
               mask]++;
}

/* Turn the counts of all workers into first places, in order of (bucket, worker). */
static Py_ssize_t place_counts(Table *table)
{
    size_t buckets = (size_t)1 << table->bits;
    uint32_t place = 0;
    for (size_t bucket = 0; bucket < buckets; bucket++)
        for (int worker = 0; worker < table->threads; worker++) {
            uint32_t *count = &table->counts[(size_t)worker * buckets + bucket], n = *count;
            *count = place;
            place += n;
        }
    return place;
}

static void scatter(void *shared, int worker)
{
    Table *table = shared;
    size_t buckets = (size_t)1 << table->bits, width = (size_t)table->width;
    uint32_t *places = table->counts + (size_t)worker * buckets, mask = (uint32_t)buckets - 1;
    int64_t *to = table->records;
    if (table->from) {
        Py_ssize_t end = share(table->kept, worker + 1, table->threads);
        for (Py_ssize_t i = share(table->kept, worker, table->threads); i < end; i++) {
            const int64_t *record = table->from + (size_t)i * width;
            uint32_t code = (uint32_t)((uint64_t)record[0] >> (32 + table->shift));
            int64_t *place = to + (size_t)places[code & mask]++ * width;
            for (size_t c = 0; c < width; c++)
                place[c] = record[c];
        }
        return;
    }
    Py_ssize_t end = share(table->n, worker + 1, table->threads);
    for (Py_ssize_t i = share(table->n, worker, table->threads); i < end; i++) {
        int32_t code = table->codes[i];
        if (code < 0) {
            write_empty(table->plan, table->line + i * table->stride);
            continue;
        }
        int64_t *place = to + (size_t)places[(uint32_t)code & mask]++ * width;
        place[0] = (int64_t)((uint64_t)(uint32_t)code << 32 | (uint64_t)i);
        for (int c = 0; c < table->columns; c++)
            place[1 + c] = table->column[c][i];
    }
}

/* Check every row. Returns 0, or 1 if there is a bad one (see `explain`). Without the GIL. */
static int table_check(Table *table)
{
    fork_join(check_rows, table, table->threads);
    int bad = 0;
    for (int i = 0; i < table->threads; i++) {
        bad |= table->bad[i];
        if (table->largest[i] > table->largest[0])
            table->largest[0] = table->largest[i];
    }
    return bad;
}

/* Write the records in order of code, stable: a radix sort. Returns 0, or -1 on no memory. */
static int table_sort(Table *table)
{
    int bits = 1;
    while (bits < 31 && table->largest[0] >> bits)
        bits++;
    int passes = bits <= 14 ? 1 : (bits + 10) / 11;
    table->bits = (bits + passes - 1) / passes;
    table->records = words((size_t)table->n, (size_t)table->width);
    table->counts = malloc(((size_t)table->threads << table->bits) * sizeof(uint32_t));
    int64_t *other = passes > 1 ? words((size_t)table->n, (size_t)table->width) : NULL;
    int status = table->records && table->counts && (other || passes == 1) ? 0 : -1;
    table->kept = table->n;
    for (int pass = 0; pass < passes && status == 0; pass++) {
        if (pass) {
            int64_t *from = table->records;
            table->records = other;
            table->from = other = from;
        }
        table->shift = pass * table->bits;
        fork_join(count_codes, table, table->threads);
        table->kept = place_counts(table);
        fork_join(scatter, table, table->threads);
    }
    free(other);
    free(table->counts);
    table->counts = NULL;
    table->from = NULL;
    return status;
}

static inline uint32_t record_code(const int64_t *record)
{
    return (uint32_t)((uint64_t)record[0] >> 32);
}

static inline uint32_t record_row(const int64_t *record) { return (uint32_t)record[0]; }

/* ---------------------------------------------------------------- order inside a key */

typedef struct {
    int64_t first, second;
    uint32_t at;
} Rank;

static int by_rank(const void *left, const void *right)
{
    const Rank *a = left, *b = right;
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    if (a->second != b->second)
        return a->second < b->second ? -1 : 1;
    return a->at < b->at ? -1 : a->at > b->at;
}

/* Fill ranks[0..n) with the records' order by one column (second < 0) or two, stable. */
static void rank_records(const int64_t *records, Py_ssize_t n, int width, int first, int second,
                         Rank *ranks)
{
    int sorted = 1;
    for (Py_ssize_t i = 0; i < n; i++) {
        const int64_t *record = records + i * width;
        ranks[i] = (Rank){record[first], second < 0 ? 0 : record[second], (uint32_t)i};
        if (i && by_rank(&ranks[i - 1], &ranks[i]) > 0)
            sorted = 0;
    }
    if (!sorted)
        qsort(ranks, (size_t)n, sizeof(Rank), by_rank);
}

/* ---------------------------------------------------------------- backfill */

typedef struct {
    const Plan *plan;
    Table events, reads;
    int own;     /* the reads are at the events' own rows: one set of records serves both */
    int bounded; /* arrivals count: events have one at word 3, reads too */
    int ending;  /* events have an end at word 4 */
    double *line;
    Py_ssize_t stride;
    Py_ssize_t next; /* first read no worker has taken */
    int failed;      /* no memory */
} Job;

/* What one worker needs to answer the reads of one key; the columns lie in one arena. */
typedef struct {
    int64_t *arena;
    size_t held;
    wide *sums;             /* per column n + 1 prefix sums */
    uwide *squares;         /* the same of the squares, where any output wants them */
    int64_t *t, *s, *a, *x; /* t and a have a sentinel on each side; x is column after column */
    int64_t *low, *high;    /* per column a table for extremes, `table` words */
    Rank *ranks, *read_ranks, *end_ranks;
    Py_ssize_t n, runs, table;
    Py_ssize_t *edges; /* where the last read's edges were, per group, then per window */
    Pool pool;
    Key key;
    Tally *tally;
    Scratch scratch;
    Slides slides;
    int64_t *leaving; /* the values of an event that ends */
} Bench;

static void bench_free(Bench *bench)
{
    key_free(&bench->pool, &bench->key);
    pool_free(&bench->pool);
    scratch_free(&bench->scratch);
    slides_free(&bench->slides);
    free(bench->leaving);
    free(bench->arena);
    free(bench->edges);
    free(bench->tally);
}

static int bench_open(Bench *bench, const Plan *plan)
{
    memset(bench, 0, sizeof *bench);
    bench->pool = (Pool){.columns = plan->columns, .want = plan->want};
    bench->edges = calloc((size_t)(plan->groups + plan->windows), sizeof(Py_ssize_t));
    bench->tally = calloc((size_t)plan->columns + 1, sizeof(Tally));
    bench->leaving = calloc((size_t)plan->columns + 1, sizeof(int64_t));
    int slides = slides_open(&bench->slides, plan);
    return bench->edges && bench->tally && bench->leaving ? slides : -1;
}

/* Extremes of any range from a sparse table over runs of 32 events: level l, entry i covers
   runs i .. i + 2**l - 1. */
#define RUN 32

static int levels_of(Py_ssize_t runs)
{
    int levels = 1;
    while (runs >> levels)
        levels++;
    return levels;
}

static void extremes_build(const int64_t *x, Py_ssize_t n, int64_t *low, int64_t *high)
{
    Py_ssize_t runs = (n + RUN - 1) / RUN;
    for (Py_ssize_t run = 0; run < runs; run++) {
        Py_ssize_t end = (run + 1) * RUN < n ? (run + 1) * RUN : n;
        int64_t min = INT64_MAX, max = INT64_MIN;
        for (Py_ssize_t i = run * RUN; i < end; i++) {
            min = x[i] < min ? x[i] : min;
            max = x[i] > max ? x[i] : max;
        }
        low[run] = min;
        high[run] = max;
    }
    for (int level = 1; level < levels_of(runs); level++) {
        const int64_t *low_below = low + (level - 1) * runs;
        const int64_t *high_below = high + (level - 1) * runs;
        Py_ssize_t half = (Py_ssize_t)1 << (level - 1);
        for (Py_ssize_t i = 0; i + 2 * half <= runs; i++) {
            int64_t a = low_below[i], b = low_below[i + half];
            low[level * runs + i] = a < b ? a : b;
            a = high_below[i], b = high_below[i + half];
            high[level * runs + i] = a > b ? a : b;
        }
    }
}

/* The least (or greatest) of x[from..to), from < to. */
static int64_t extreme(const int64_t *x, const int64_t *table, Py_ssize_t runs, Py_ssize_t from,
                       Py_ssize_t to, int greatest)
{
    int64_t best = x[from];
    Py_ssize_t first = (from + RUN - 1) / RUN, end = to / RUN;
    if (first < end) {
        int level = levels_of(end - first) - 1;
        const int64_t *row = table + level * runs;
        int64_t a = row[first], b = row[end - ((Py_ssize_t)1 << level)];
        int64_t both = greatest ? (a > b ? a : b) : (a < b ? a : b);
        if (greatest ? both > best : both < best)
            best = both;
    } else {
        first = end = to;
    }
    for (Py_ssize_t i = from; i < (first < end ? first * RUN : to); i++)
        if (greatest ? x[i] > best : x[i] < best)
            best = x[i];
    if (first < end)
        for (Py_ssize_t i = end * RUN; i < to; i++)
            if (greatest ? x[i] > best : x[i] < best)
                best = x[i];
    return best;
}

/* First of [0, high), all at or before q, that lies at q behind the sequence `tie`. */
static Py_ssize_t before_tie(const int64_t *t, const int64_t *s, Py_ssize_t high, int64_t q,
                             int64_t tie)
{
    Py_ssize_t low = 0;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (t[middle] < q || s[middle] <= tie)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Make the arena hold a key of n events and `reads` reads. Returns 0, or -1 on no memory. */
static int bench_clear(Bench *bench, const Plan *plan, Py_ssize_t n, Py_ssize_t reads)
{
    bench->n = n;
    bench->runs = (n + RUN - 1) / RUN;
    bench->table = bench->runs * levels_of(bench->runs);
    size_t size = (size_t)n, columns = (size_t)plan->columns, table = (size_t)bench->table;
    size_t prefixes = plan->squares ? 4 : 2;
    size_t need = columns * (prefixes * (size + 1) + size + 2 * table) + 3 * (size + 2) +
                  (2 * size + (size_t)reads) * sizeof(Rank) / sizeof(int64_t);
    if (need > bench->held) {
        free(bench->arena);
        bench->held = 0;
        bench->arena = words(need + need / 2, 1);
        if (!bench->arena)
            return -1;
        bench->held = need + need / 2;
    }
    bench->sums = (wide *)bench->arena;
    bench->squares = (uwide *)(bench->sums + columns * (size + 1));
    bench->x = (int64_t *)(bench->squares + (plan->squares ? columns * (size + 1) : 0));
    bench->low = bench->x + columns * size;
    bench->high = bench->low + columns * table;
    bench->t = bench->high + columns * table + 1;
    bench->a = bench->t + size + 2;
    bench->s = bench->a + size + 1;
    bench->ranks = (Rank *)(bench->s + size);
    bench->end_ranks = bench->ranks + size;
    bench->read_ranks = bench->end_ranks + size;
    bench->t[-1] = bench->a[-1] = INT64_MIN;
    bench->t[n] = bench->a[n] = INT64_MAX;
    return 0;
}

/* Lay the key's events out in (t, s) order. Returns whether what has arrived at any read is a
   prefix of that order; if not, only t and s are laid out. */
static int lay_out(const Job *job, Bench *bench, const int64_t *events)
{
    const Plan *plan = job->plan;
    int width = job->events.width, skip = 3 + job->bounded + job->ending;
    Py_ssize_t n = bench->n;
    int64_t *t = bench->t, *s = bench->s, *a = bench->a;
    const Rank *ranks = NULL; /* while they are in order already */
    for (Py_ssize_t i = 0; i < n; i++) {
        t[i] = events[i * width + 1];
        s[i] = events[i * width + 2];
        if (i && (t[i - 1] > t[i] || (t[i - 1] == t[i] && s[i - 1] > s[i])))
            ranks = bench->ranks;
    }
    if (ranks)
        rank_records(events, n, width, 1, 2, bench->ranks);
    for (Py_ssize_t i = 0; ranks && i < n; i++) {
        t[i] = ranks[i].first;
        s[i] = ranks[i].second;
    }
    for (Py_ssize_t i = 0; job->bounded && i < n; i++) {
        a[i] = events[(ranks ? (Py_ssize_t)ranks[i].at : i) * width + 3];
        if (a[i - 1] > a[i])
            return 0;
    }
    for (Py_ssize_t i = 0; job->ending && i < n; i++)
        if (events[i * width + 4] != NEVER)
            return 0;
    for (int c = 0; c < plan->columns; c++) {
        int64_t *x = bench->x + n * c;
        wide *sums = bench->sums + (n + 1) * c, total = 0;
        sums[0] = 0;
        for (Py_ssize_t i = 0; i < n; i++) { /* sums cost nothing beside the fetching */
            x[i] = events[(ranks ? (Py_ssize_t)ranks[i].at : i) * width + skip + c];
            sums[i + 1] = total += x[i];
        }
        if (plan->want[c] & WANT_SQUARES) {
            uwide *squares = bench->squares + (n + 1) * c;
            squares[0] = 0;
            for (Py_ssize_t i = 0; i < n; i++)
                squares[i + 1] = squares[i] + squared(x[i]);
        }
        if (plan->want[c] & WANT_RANGE)
            extremes_build(x, n, bench->low + bench->table * c, bench->high + bench->table * c);
    }
    return 1;
}

static inline double *line_of(const Job *job, const int64_t *read)
{
    return job->line + (Py_ssize_t)record_row(read) * job->stride;
}

/* Call up the memory an answer will be written to. */
static inline void expect(const Job *job, const int64_t *read)
{
    __builtin_prefetch(line_of(job, read), 1);
    __builtin_prefetch(line_of(job, read) + job->plan->outputs - 1, 1);
}

/* One result over the laid out events [low, high), read at q. Returns 0, or -1 on no memory. */
static APART int result_rare(Bench *bench, const Output *output, Py_ssize_t low, Py_ssize_t high,
                             int64_t q, double *out)
{
    Py_ssize_t column = output->column < 0 ? 0 : output->column, from = (bench->n + 1) * column;
    const int64_t *x = bench->x + bench->n * column;
    Seen seen = {.n = high - low};
    switch (low < high ? output->op : COUNT) {
    case VAR:
    case STD:
        seen.total = bench->sums[from + high] - bench->sums[from + low];
        seen.squares = bench->squares[from + high] - bench->squares[from + low];
        break;
    case MIN:
        seen.picked = extreme(x, bench->low + bench->table * column, bench->runs, low, high, 0);
        break;
    case MAX:
        seen.picked = extreme(x, bench->high + bench->table * column, bench->runs, low, high, 1);
        break;
    case FIRST:
        seen.picked = x[low];
        break;
    case LAST:
        seen.picked = x[high - 1];
        break;
    case SINCE:
        seen.picked = q - bench->t[high - 1];
        break;
    case SEQUENCE:
        seen.picked = bench->s[high - 1];
        break;
    case COUNT:
        break;
    default: {
        Source source = {.slides = &bench->slides, .t = bench->t, .x = x, .n = bench->n,
                         .scratch = &bench->scratch};
        return slid(&source, output, (Edge){.at = low}, (Edge){.at = high}, q, out);
    }
    }
    *out = finalise(output, seen);
    return 0;
}

static inline int result(Bench *bench, const Output *output, Py_ssize_t low, Py_ssize_t high,
                         int64_t q, double *out)
{
    if (!is_common(output->op))
        return result_rare(bench, output, low, high, q, out);
    wide total = 0;
    if (output->op != COUNT) {
        const wide *sums = bench->sums + (bench->n + 1) * output->column;
        total = sums[high] - sums[low];
    }
    *out = finalise_common(output, high - low, total);
    return 0;
}

/* Answer the reads of a key from what was laid out; those of counters that slide in order of
   their moments. */
static int answer_laid_out(const Job *job, Bench *bench, const int64_t *reads, Py_ssize_t count)
{
    int status = 0;
    const Plan *plan = job->plan;
    const int64_t *t = bench->t, *s = bench->s;
    int width = job->reads.width;
    Py_ssize_t n = bench->n, known = 0;
    Py_ssize_t *group_edge = bench->edges, *window_edge = bench->edges + plan->groups;
    const Rank *ranks = bench->slides.on ? bench->read_ranks : NULL;
    if (ranks)
        rank_records(reads, count, width, 1, 2, bench->read_ranks);
    memset(bench->edges, 0, (size_t)(plan->groups + plan->windows) * sizeof(Py_ssize_t));
    for (Py_ssize_t r = 0; r < count; r++) {
        const int64_t *read = reads + (ranks ? (Py_ssize_t)ranks[r].at : r) * width;
        double *line = line_of(job, read);
        int64_t q = read[1], tie = read[2];
        Py_ssize_t limit = n;
        bench->slides.turn++;
        if (r + 8 < count)
            expect(job, ranks ? reads + (Py_ssize_t)ranks[r + 8].at * width : read + 8 * width);
        if (job->bounded)
            limit = known = read[3] == INT64_MAX ? n : seek(bench->a, n, known, read[3]);
        for (int g = 0; g < plan->groups; g++) {
            const Group *group = &plan->group[g];
            int64_t from = aligned(q, group->align);
            Py_ssize_t high = group_edge[g] = seek(t, n, group_edge[g], from - group->near);
            if (high > 0 && t[high - 1] == q && s[high - 1] > tie_of(group, tie))
                high = before_tie(t, s, high, q, tie);
            high = high < limit ? high : limit;
            for (int w = group->first; w < group->end; w++) {
                const Window *window = &plan->window[w];
                Py_ssize_t low = window_edge[w] = seek(t, n, window_edge[w], from - window->far);
                low = low < high ? low : high;
                for (int i = window->first; i < window->end; i++)
                    status |= result(bench, &plan->output[i], low, high, q,
                                     &line[plan->output[i].place]);
            }
        }
    }
    return status;
}

/* Take an event out of the key and the counters. */
static void leave(Bench *bench, int64_t t, int64_t s)
{
    int columns = bench->pool.columns;
    Position position;
    if (!key_find(&bench->key, columns, t, s, &position))
        return;
    Block *block = slot_at(&bench->key, columns, position.slot)->block;
    for (int c = 0; c < columns; c++)
        bench->leaving[c] = values(block, c)[position.at];
    slides_hear(&bench->slides, t, s, bench->leaving, -1);
    key_remove(&bench->pool, &bench->key, position);
}

/* Replay the key: events and reads in order of arrival; an event is there for the reads from its
   arrival up to its end. */
static int answer_replayed(const Job *job, Bench *bench, const int64_t *events,
                           const int64_t *reads, Py_ssize_t count)
{
    int width = job->events.width, read_width = job->reads.width, status = 0;
    const int skip = 4 + job->ending;
    Aside aside = {bench->tally, &bench->scratch, &bench->slides};
    const Rank *ranks = bench->ranks, *ends = bench->end_ranks, *read_ranks = bench->read_ranks;
    Py_ssize_t ending = job->ending ? bench->n : 0;
    rank_records(events, bench->n, width, 3, -1, bench->ranks);
    rank_records(reads, count, read_width, 3, -1, bench->read_ranks);
    if (ending)
        rank_records(events, bench->n, width, 4, -1, bench->end_ranks);
    for (Py_ssize_t r = 0, next = 0, over = 0; r < count && status == 0; r++) {
        int64_t known = read_ranks[r].first;
        for (; next < bench->n && ranks[next].first <= known && !status; next++) {
            const int64_t *event = events + (Py_ssize_t)ranks[next].at * width;
            if (ending && event[4] <= event[3])
                continue;
            status = key_insert(&bench->pool, &bench->key, event[1], event[2], event + skip);
            if (!status)
                slides_hear(&bench->slides, event[1], event[2], event + skip, 1);
        }
        for (; over < ending && ends[over].first <= known && ends[over].first != NEVER; over++) {
            const int64_t *event = events + (Py_ssize_t)ends[over].at * width;
            if (event[4] > event[3])
                leave(bench, event[1], event[2]);
        }
        const int64_t *read = reads + (Py_ssize_t)read_ranks[r].at * read_width;
        if (r + 8 < count)
            expect(job, reads + (Py_ssize_t)read_ranks[r + 8].at * read_width);
        if (status == 0)
            status = key_read(job->plan, &bench->key, read[1], read[2], aside, line_of(job, read));
    }
    key_clear(&bench->pool, &bench->key);
    return status;
}

/* First record in [low, high) whose code is at least `code`. */
static Py_ssize_t find_code(const Table *table, Py_ssize_t low, uint32_t code)
{
    Py_ssize_t high = table->kept;
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        if (record_code(table->records + middle * table->width) < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One past the run of equal codes that begins at `first`. */
static Py_ssize_t run_end(const Table *table, Py_ssize_t first)
{
    Py_ssize_t end = first + 1;
    uint32_t code = record_code(table->records + first * table->width);
    while (end < table->kept && record_code(table->records + end * table->width) == code)
        end++;
    return end;
}

/* Answer the reads [at, next) of one key from its events [first, last). */
static int answer_key(const Job *job, Bench *bench, Py_ssize_t first, Py_ssize_t last,
                      Py_ssize_t at, Py_ssize_t next)
{
    const int64_t *events = job->events.records + first * job->events.width;
    const int64_t *reads = job->reads.records + at * job->reads.width;
    if (first == last) {
        for (Py_ssize_t i = 0; i < next - at; i++)
            write_empty(job->plan, line_of(job, reads + i * job->reads.width));
        return 0;
    }
    if (bench_clear(bench, job->plan, last - first, next - at))
        return -1;
    if (slides_begin(&bench->slides, events, last - first, job->events.width,
                     3 + job->bounded + job->ending))
        return -1;
    if (!lay_out(job, bench, events))
        return answer_replayed(job, bench, events, reads, next - at);
    return answer_laid_out(job, bench, reads, next - at);
}

/* Take stretches of the reads until none is left; a key belongs to the stretch it begins in. */
static void answer(void *shared, int worker)
{
    Job *job = shared;
    const Table *events = &job->events, *reads = &job->reads;
    const Py_ssize_t stretch = 4096;
    Bench bench;
    (void)worker;
    int status = bench_open(&bench, job->plan);
    while (status == 0 && !__atomic_load_n(&job->failed, __ATOMIC_RELAXED)) {
        Py_ssize_t at = __atomic_fetch_add(&job->next, stretch, __ATOMIC_RELAXED);
        if (at >= reads->kept)
            break;
        Py_ssize_t end = at + stretch < reads->kept ? at + stretch : reads->kept;
        if (at) {
            uint32_t before = record_code(reads->records + (at - 1) * reads->width);
            if (record_code(reads->records + at * reads->width) == before)
                at = find_code(reads, at, before + 1);
        }
        Py_ssize_t last = 0;
        for (Py_ssize_t next; at < end && status == 0; at = next) {
            next = run_end(reads, at);
            Py_ssize_t first = at;
            if (job->own) {
                last = next;
            } else {
                uint32_t code = record_code(reads->records + at * reads->width);
                first = last;
                if (first < events->kept &&
                    record_code(events->records + first * events->width) < code)
                    first = find_code(events, first, code);
                last = first;
                if (first < events->kept &&
                    record_code(events->records + first * events->width) == code)
                    last = run_end(events, first);
            }
            status = answer_key(job, &bench, first, last, at, next);
        }
    }
    if (status)
        __atomic_store_n(&job->failed, 1, __ATOMIC_RELAXED);
    bench_free(&bench);
}

/* Everything of a backfill that needs no Python. Returns 0, 1 if a row is bad, -1 on no memory. */
static int job_run(Job *job)
{
    Table *events = &job->events, *reads = &job->reads;
    int status = table_check(events);
    if (!status && !job->own)
        status = table_check(reads);
    if (!status)
        status = table_sort(events);
    if (!status && job->own)
        *reads = *events;
    else if (!status)
        status = table_sort(reads);
    if (!status) {
        fork_join(answer, job, events->threads);
        status = job->failed ? -1 : 0;
    }
    if (!job->own)
        free(reads->records);
    free(events->records);
    return status;
}

/* Set the ValueError for the first bad row of a table that did not pass its check. */
static void explain(const Table *table, const char *codes, const char *const *names)
{
    for (Py_ssize_t i = 0; i < table->n; i++) {
        if (table->codes[i] < (table->unknown ? -1 : 0)) {
            PyErr_Format(PyExc_ValueError, "%s[%zd] is %d, expected at least %d", codes, i,
                         (int)table->codes[i], table->unknown ? -1 : 0);
            return;
        }
        for (int c = 0; c < table->columns; c++) {
            int64_t limit = column_limit(table, c), value = table->column[c][i];
            if (limit && (value < -limit || value > limit)) {
                PyErr_Format(PyExc_ValueError, "%s[%zd] is %lld, expected %lld to %lld",
                             names[c < 5 ? c : 4], i, (long long)value, (long long)-limit,
                             (long long)limit);
                return;
            }
        }
    }
    PyErr_SetString(PyExc_ValueError, "a row changed while it was being checked");
}

/* The columns of one table while Python lends them. */
typedef struct {
    Column *lent;
    const int64_t **column;
    int n;
} Loan;

static void loan_end(Loan *loan)
{
    for (int i = 0; i < loan->n; i++)
        column_release(&loan->lent[i]);
    free(loan->lent);
    free(loan->column);
}

/* Borrow the codes and columns of a table: lent[0] is the codes, column[i] is lent[i + 1]. */
static int loan_begin(Loan *loan, PyObject *const *objects, const char *const *names, int n)
{
    loan->n = 0;
    loan->lent = calloc((size_t)n, sizeof(Column));
    loan->column = calloc((size_t)n, sizeof *loan->column);
    if (!loan->lent || !loan->column) {
        PyErr_NoMemory();
        return -1;
    }
    for (int i = 0; i < n; i++) {
        const char *name = names[i < 6 ? i : 5];
        loan->n = i + 1;
        if (column_get(objects[i], name, i ? 'q' : 'i', &loan->lent[i]))
            return -1;
        if (i && same_length(&loan->lent[i], name, loan->lent[0].n))
            return -1;
        if (i)
            loan->column[i - 1] = loan->lent[i].view.buf;
    }
    return 0;
}

static Table table_of(const Loan *loan, int bounded, const double *scale, int threads)
{
    Table table = {
        .n = loan->lent[0].n,
        .codes = loan->lent[0].view.buf,
        .columns = loan->n - 1,
        .width = loan->n,
        .column = loan->column,
        .limit_first = TIME_LIMIT,
        .limit_rest = VALUE_LIMIT,
        .bounded = bounded,
        .scale = scale,
        .threads = threads,
    };
    return table;
}

/* Collect codes, t, s, perhaps a and ends, and the value columns. Returns a new array and its
   length. */
static PyObject **event_columns(PyObject *codes, PyObject *t, PyObject *s, PyObject *a,
                                PyObject *ends, PyObject *columns, int expected, int *n)
{
    Py_ssize_t count = PyTuple_Size(columns);
    if (count != expected) {
        PyErr_Format(PyExc_ValueError, "values has %zd columns, but there are %d scales", count,
                     expected);
        return NULL;
    }
    PyObject **objects = calloc((size_t)count + 5, sizeof *objects);
    if (!objects) {
        PyErr_NoMemory();
        return NULL;
    }
    *n = 0;
    objects[(*n)++] = codes;
    objects[(*n)++] = t;
    objects[(*n)++] = s;
    if (a)
        objects[(*n)++] = a;
    if (ends)
        objects[(*n)++] = ends;
    for (Py_ssize_t i = 0; i < count; i++)
        objects[(*n)++] = PyTuple_GetItem(columns, i);
    return objects;
}

static int overlaps(const Column *left, const Column *right)
{
    const char *a = left->view.buf, *b = right->view.buf;
    return left->view.len && right->view.len && a < b + right->view.len && b < a + left->view.len;
}

/* Whether the reads are at the events' own rows: the same memory, column by column. */
static int same_rows(const Loan *events, const Loan *reads)
{
    for (int i = 0; i < reads->n; i++)
        if (events->lent[i].view.buf != reads->lent[i].view.buf ||
            events->lent[i].n != reads->lent[i].n)
            return 0;
    return 1;
}

static const char backfill_doc[] =
    "backfill(scales, outputs, codes, t, s, a, ends, values, read_codes, q, tie, read_a, out, "
    "stride, start, threads)\n--\n\n"
    "Answer many reads over many events at once, each as known at its own arrival.\n\n"
    "Row r, output j is written to out[r * stride + start + j]. An event is seen by a read if\n"
    "a <= read_a < ends; without ends none ends, and with a or read_a None every event is seen.\n"
    "Read code -1 is an unknown key.";

static PyObject *backfill(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *words_of[] = {"scales", "outputs", "codes",  "t",      "s",      "a",
                               "ends",   "values", "read_codes", "q", "tie",  "read_a", "out",
                               "stride", "start",   "threads", NULL};
    static const char *const event_names[] = {"codes", "t", "s", "values", "values", "values"};
    static const char *const known_names[] = {"codes", "t", "s", "a", "values", "values"};
    static const char *const ended_names[] = {"codes", "t", "s", "a", "ends", "values"};
    static const char *const read_names[] = {"read_codes", "q",      "tie",
                                             "read_a",     "read_a", "read_a"};
    PyObject *scales, *outputs, *codes, *t, *s, *a, *ends, *columns, *read_codes, *q, *tie;
    PyObject *read_a;
    PyObject *out, *stride_item, *start_item, *threads_item, *columns_tuple = NULL;
    PyObject **objects = NULL, *result = NULL;
    Plan plan = {0};
    Loan events = {0}, reads = {0};
    Column target = {0};
    int64_t stride, start, threads;
    int n = 0;
    (void)module;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOOOOOOOOOOOOO:backfill", words_of, &scales,
                                     &outputs, &codes, &t, &s, &a, &ends, &columns, &read_codes,
                                     &q, &tie, &read_a, &out, &stride_item, &start_item,
                                     &threads_item))
        return NULL;
    int bounded = a != Py_None && read_a != Py_None, ending = bounded && ends != Py_None;
    const char *const *names = ending ? ended_names : bounded ? known_names : event_names;
    if (plan_read(scales, outputs, &plan) ||
        integer(stride_item, "stride", 1, VALUE_LIMIT, &stride) ||
        integer(start_item, "start", 0, VALUE_LIMIT, &start) ||
        integer(threads_item, "threads", 1, 1 << 16, &threads) ||
        !(columns_tuple = PySequence_Tuple(columns)))
        goto done;
    objects = event_columns(codes, t, s, bounded ? a : NULL, ending ? ends : NULL, columns_tuple,
                            plan.columns, &n);
    if (!objects || loan_begin(&events, objects, names, n))
        goto done;
    PyObject *read_objects[] = {read_codes, q, tie, read_a};
    if (loan_begin(&reads, read_objects, read_names, bounded ? 4 : 3) ||
        column_get(out, "out", 'd', &target))
        goto done;
    Py_ssize_t rows = reads.lent[0].n;
    if (start + plan.outputs > stride) {
        PyErr_Format(PyExc_ValueError, "stride is %lld, too small for %d outputs from %lld",
                     (long long)stride, plan.outputs, (long long)start);
        goto done;
    }
    if (rows && (wide)(rows - 1) * stride + start + plan.outputs > target.n) {
        PyErr_Format(PyExc_ValueError,
                     "out has %zd places, too few for %zd rows of %d outputs from %lld, "
                     "stride %lld",
                     target.n, rows, plan.outputs, (long long)start, (long long)stride);
        goto done;
    }
    for (int i = 0; i < events.n + reads.n; i++)
        if (overlaps(&target, i < events.n ? &events.lent[i] : &reads.lent[i - events.n])) {
            PyErr_SetString(PyExc_ValueError, "out shares memory with an input; copy one of them");
            goto done;
        }
    Py_ssize_t work = (events.lent[0].n + rows) / 20000 + 1;
    threads = threads < work ? threads : work;
    threads = threads < MOST_THREADS ? threads : MOST_THREADS;
    Job job = {
        .plan = &plan,
        .events = table_of(&events, 2 + bounded + ending, plan.scale, (int)threads),
        .reads = table_of(&reads, reads.n, NULL, (int)threads),
        .own = same_rows(&events, &reads),
        .bounded = bounded,
        .ending = ending,
        .line = (double *)target.view.buf + start,
        .stride = (Py_ssize_t)stride,
    };
    job.reads.unknown = 1;
    job.reads.plan = &plan;
    job.reads.line = job.line;
    job.reads.stride = job.stride;
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = job_run(&job);
    Py_END_ALLOW_THREADS
    if (status < 0) {
        PyErr_NoMemory();
    } else if (status > 0) {
        int events_bad = 0;
        for (int i = 0; i < job.events.threads; i++)
            events_bad |= job.events.bad[i];
        if (events_bad)
            explain(&job.events, "codes", names + 1);
        else
            explain(&job.reads, "read_codes", read_names + 1);
    } else {
        result = Py_None;
        Py_INCREF(result);
    }
done:
    column_release(&target);
    loan_end(&reads);
    loan_end(&events);
    free(objects);
    Py_XDECREF(columns_tuple);
    plan_free(&plan);
    return result;
}

/* ---------------------------------------------------------------- the online state */

typedef struct {
    PyObject_HEAD
    Plan plan;
    Pool pool;
    Key **pages; /* of PAGE keys each, made when one of them is first used */
    size_t pages_held;
    int64_t events;
    Tally *tally;
    Scratch scratch;
    int64_t *values;
} State;

static PyObject *state_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *words_of[] = {"scales", "outputs", NULL};
    PyObject *scales, *outputs;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:State", words_of, &scales, &outputs))
        return NULL;
    State *self = (State *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    if (plan_read(scales, outputs, &self->plan)) {
        Py_DECREF(self);
        return NULL;
    }
    self->pool = (Pool){.columns = self->plan.columns, .want = self->plan.want};
    self->tally = calloc((size_t)self->plan.columns + 1, sizeof(Tally));
    self->values = calloc((size_t)self->plan.columns + 1, sizeof(int64_t));
    if (!self->tally || !self->values) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static void state_free(PyObject *object)
{
    State *self = (State *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (size_t page = 0; page < self->pages_held; page++) {
        for (int i = 0; self->pages[page] && i < PAGE; i++)
            key_free(&self->pool, &self->pages[page][i]);
        free(self->pages[page]);
    }
    free(self->pages);
    pool_free(&self->pool);
    free(self->tally);
    scratch_free(&self->scratch);
    free(self->values);
    plan_free(&self->plan);
    PyObject_Free(object);
    Py_DECREF(type);
}

static const Key *state_find(const State *self, int64_t code)
{
    if (code < 0 || (size_t)code / PAGE >= self->pages_held || !self->pages[code / PAGE])
        return NULL;
    return &self->pages[code / PAGE][code % PAGE];
}

/* The key of a code, made if it is new; NULL on no memory. */
static Key *state_key(State *self, int64_t code)
{
    size_t page = (size_t)code / PAGE, held = self->pages_held;
    if (page >= held) {
        if (reserve(&self->pages, &self->pages_held, page + 1, sizeof(Key *)))
            return NULL;
        memset(self->pages + held, 0, (self->pages_held - held) * sizeof(Key *));
    }
    if (!self->pages[page] && !(self->pages[page] = calloc(PAGE, sizeof(Key))))
        return NULL;
    return &self->pages[page][code % PAGE];
}

static int argument_count(const char *name, Py_ssize_t given, Py_ssize_t expected)
{
    if (given == expected)
        return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes %zd arguments, %zd given", name, expected, given);
    return -1;
}

/* Read one value of a column that is a whole number already. */
static int whole_value(const Plan *plan, int column, PyObject *object, int64_t *out)
{
    int64_t limit = plan->scale[column] == 0 ? INT64_MAX : VALUE_LIMIT;
    return integer(object, "a value", limit == INT64_MAX ? INT64_MIN : -limit, limit, out);
}

static int state_put(State *self, int64_t code, int64_t t, int64_t s, const int64_t *x)
{
    Key *key = state_key(self, code);
    if (!key || key_insert(&self->pool, key, t, s, x)) {
        PyErr_NoMemory();
        return -1;
    }
    self->events++;
    return 0;
}

static const char insert_doc[] = "insert($self, code, t, s, values, /)\n--\n\n"
                                 "Add one event, wherever it belongs in its key's order.";

static PyObject *state_insert(PyObject *object, PyObject *const *args, Py_ssize_t given)
{
    State *self = (State *)object;
    int64_t code, t, s;
    if (argument_count("insert", given, 4) || integer(args[0], "code", 0, INT32_MAX, &code) ||
        integer(args[1], "t", -TIME_LIMIT, TIME_LIMIT, &t) ||
        integer(args[2], "s", INT64_MIN, INT64_MAX, &s))
        return NULL;
    if (!PyTuple_Check(args[3])) {
        PyErr_Format(PyExc_TypeError, "values is %R, expected a tuple of int", args[3]);
        return NULL;
    }
    if (PyTuple_Size(args[3]) != self->plan.columns) {
        PyErr_Format(PyExc_ValueError, "values has %zd items, but there are %d scales",
                     PyTuple_Size(args[3]), self->plan.columns);
        return NULL;
    }
    int64_t few[8], *x = self->plan.columns <= 8 ? few : self->values;
    for (int c = 0; c < self->plan.columns; c++)
        if (whole_value(&self->plan, c, PyTuple_GetItem(args[3], c), &x[c]))
            return NULL;
    if (state_put(self, code, t, s, x))
        return NULL;
    Py_RETURN_NONE;
}

/* Open a slot behind the others, with a block that has room for `size` events; NULL on no memory. */
static Slot *slot_append(Pool *pool, Key *key, int size)
{
    Block *block = block_new(pool, size);
    if (!block)
        return NULL;
    if (slot_open(pool, key, key->n, block)) {
        block_return(pool, block);
        return NULL;
    }
    Slot *slot = slot_at(key, pool->columns, key->n - 1);
    slot->n = size;
    return slot;
}

/* Fill an empty key with records in (t, s) order, in blocks no larger than needed. */
static int key_fill(Pool *pool, Key *key, const int64_t *records, const Rank *ranks, Py_ssize_t n,
                    int width)
{
    for (Py_ssize_t first = 0; first < n; first += BLOCK) {
        int size = n - first < BLOCK ? (int)(n - first) : BLOCK;
        Slot *slot = slot_append(pool, key, size);
        if (!slot)
            return -1;
        for (int i = 0; i < size; i++) {
            const int64_t *record = records + (Py_ssize_t)ranks[first + i].at * width;
            for (int c = -2; c < pool->columns; c++)
                values(slot->block, c)[i] = record[3 + c];
        }
        slot_count(pool, slot);
    }
    return 0;
}

/* The same with rows [first, end) of columns that are in this order. */
static int key_fill_from(Pool *pool, Key *key, const int64_t **column, Py_ssize_t first,
                         Py_ssize_t end)
{
    for (; first < end; first += BLOCK) {
        int size = end - first < BLOCK ? (int)(end - first) : BLOCK;
        Slot *slot = slot_append(pool, key, size);
        if (!slot)
            return -1;
        for (int c = -2; c < pool->columns; c++)
            memcpy(values(slot->block, c), column[2 + c] + first, (size_t)size * sizeof(int64_t));
        slot_count(pool, slot);
    }
    return 0;
}

/* Whether the rows are in order of (code, t, s), as `dump` gives them. */
static int is_ordered(const Table *table)
{
    const int32_t *codes = table->codes;
    const int64_t *t = table->column[0], *s = table->column[1];
    for (Py_ssize_t i = 1; i < table->n; i++)
        if (codes[i] <= codes[i - 1] &&
            (codes[i] < codes[i - 1] || t[i] < t[i - 1] || (t[i] == t[i - 1] && s[i] < s[i - 1])))
            return 0;
    return 1;
}

/* Add rows that are in order. Returns 0, or -1 on no memory with a part of them added. */
static int state_add_ordered(State *self, const Table *table)
{
    int64_t *x = self->values;
    int status = 0;
    for (Py_ssize_t at = 0, next; at < table->n && status == 0; at = next) {
        for (next = at + 1; next < table->n && table->codes[next] == table->codes[at]; next++)
            ;
        Key *key = state_key(self, table->codes[at]);
        if (!key)
            return -1;
        if (key->n == 0) {
            status = key_fill_from(&self->pool, key, table->column, at, next);
            if (status)
                key_clear(&self->pool, key);
            else
                self->events += next - at;
            continue;
        }
        for (Py_ssize_t i = at; i < next && status == 0; i++) {
            for (int c = 0; c < self->plan.columns; c++)
                x[c] = table->column[2 + c][i];
            status = key_insert(&self->pool, key, table->column[0][i], table->column[1][i], x);
            self->events += status == 0;
        }
    }
    return status;
}

/* Add the sorted records of a table. Returns 0, or -1 on no memory with a part of them added. */
static int state_add(State *self, const Table *table)
{
    Rank *ranks = NULL;
    size_t held = 0;
    int status = 0;
    for (Py_ssize_t at = 0, next; at < table->kept && status == 0; at = next) {
        next = run_end(table, at);
        const int64_t *records = table->records + at * table->width;
        Key *key = state_key(self, record_code(records));
        status = key ? reserve(&ranks, &held, (size_t)(next - at), sizeof(Rank)) : -1;
        if (status)
            break;
        rank_records(records, next - at, table->width, 1, 2, ranks);
        if (key->n == 0) {
            status = key_fill(&self->pool, key, records, ranks, next - at, table->width);
            if (status)
                key_clear(&self->pool, key);
            else
                self->events += next - at;
            continue;
        }
        for (Py_ssize_t i = 0; i < next - at && status == 0; i++) {
            const int64_t *record = records + (Py_ssize_t)ranks[i].at * table->width;
            status = key_insert(&self->pool, key, record[1], record[2], record + 3);
            self->events += status == 0;
        }
    }
    free(ranks);
    return status;
}

static const char load_doc[] =
    "load($self, codes, t, s, values)\n--\n\n"
    "Add many events from buffers: codes int32, the rest int64. After a MemoryError some of\n"
    "them are in and some not: make a new state.";

static PyObject *state_load(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *words_of[] = {"codes", "t", "s", "values", NULL};
    static const char *const names[] = {"codes", "t", "s", "values", "values", "values"};
    State *self = (State *)object;
    PyObject *codes, *t, *s, *columns, *tuple, **objects = NULL, *result = NULL;
    Loan loan = {0};
    int n = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOO:load", words_of, &codes, &t, &s,
                                     &columns) ||
        !(tuple = PySequence_Tuple(columns)))
        return NULL;
    objects = event_columns(codes, t, s, NULL, NULL, tuple, self->plan.columns, &n);
    if (objects && loan_begin(&loan, objects, names, n) == 0) {
        Table table = table_of(&loan, 2, self->plan.scale, 1);
        if (table_check(&table)) {
            explain(&table, "codes", names + 1);
        } else if (is_ordered(&table) ? state_add_ordered(self, &table)
                                      : table_sort(&table) || state_add(self, &table)) {
            PyErr_NoMemory();
        } else {
            result = Py_None;
            Py_INCREF(result);
        }
        free(table.records);
    }
    loan_end(&loan);
    free(objects);
    Py_DECREF(tuple);
    return result;
}

static const char read_doc[] =
    "read($self, code, q, tie, out, start, /)\n--\n\n"
    "Write the outputs of a key at time q to out[start:]; a key never seen gets the defaults.";

static PyObject *state_read(PyObject *object, PyObject *const *args, Py_ssize_t given)
{
    State *self = (State *)object;
    int64_t code, q, tie, start;
    Column out;
    if (argument_count("read", given, 5) || integer(args[0], "code", -1, INT32_MAX, &code) ||
        integer(args[1], "q", -TIME_LIMIT, TIME_LIMIT, &q) ||
        integer(args[2], "tie", INT64_MIN, INT64_MAX, &tie) ||
        integer(args[4], "start", 0, VALUE_LIMIT, &start))
        return NULL;
    int status = column_get(args[3], "out", 'd', &out);
    if (status == 0 && start + self->plan.outputs > out.n) {
        PyErr_Format(PyExc_ValueError, "out has %zd places, too few for %d outputs from %lld",
                     out.n, self->plan.outputs, (long long)start);
        status = -1;
    }
    if (status == 0 && key_read(&self->plan, state_find(self, code), q, tie,
                                (Aside){.tally = self->tally, .scratch = &self->scratch},
                                (double *)out.view.buf + start)) {
        PyErr_NoMemory();
        status = -1;
    }
    column_release(&out);
    if (status)
        return NULL;
    Py_RETURN_NONE;
}

static const char retract_doc[] =
    "retract($self, code, t, s, /)\n--\n\nTake an event out again; return whether it was there.";

static PyObject *state_retract(PyObject *object, PyObject *const *args, Py_ssize_t given)
{
    State *self = (State *)object;
    int64_t code, t, s;
    if (argument_count("retract", given, 3) || integer(args[0], "code", -1, INT32_MAX, &code) ||
        integer(args[1], "t", -TIME_LIMIT, TIME_LIMIT, &t) ||
        integer(args[2], "s", INT64_MIN, INT64_MAX, &s))
        return NULL;
    Position position;
    Key *key = (Key *)state_find(self, code);
    int found = key && key_find(key, self->pool.columns, t, s, &position);
    if (found)
        key_remove(&self->pool, key, position);
    self->events -= found;
    return PyBool_FromLong(found);
}

/* Copy a column of a key's events, -2 being t and -1 s; return how many there are. */
static Py_ssize_t key_copy(const Key *key, int columns, int column, int64_t *to)
{
    Py_ssize_t done = 0;
    for (int i = 0; i < key->n; i++) {
        Slot *slot = slot_at(key, columns, i);
        if (to)
            memcpy(to + done, values(slot->block, column), (size_t)slot->n * sizeof *to);
        done += slot->n;
    }
    return done;
}

/* A tuple of (t, s, [values…]), with a place in front when `led`; each is made of a buffer that
   `fill` fills for a column. Returns NULL with an error set. */
typedef void (*Fill)(const State *self, const Key *key, int column, char *to);

static PyObject *columns_out(const State *self, const Key *key, Py_ssize_t n, int led, Fill fill)
{
    PyObject *result = PyTuple_New(3 + led), *list = PyList_New(self->plan.columns);
    if (!result || !list)
        goto failed;
    for (int c = -2 - led; c < self->plan.columns; c++) {
        PyObject *bytes = PyBytes_FromStringAndSize(NULL, n * (c == -3 ? 4 : 8));
        if (!bytes)
            goto failed;
        fill(self, key, c, PyBytes_AsString(bytes));
        if (c < 0 ? PyTuple_SetItem(result, c + 2 + led, bytes) : PyList_SetItem(list, c, bytes))
            goto failed;
    }
    PyTuple_SetItem(result, 2 + led, list);
    return result;
failed:
    Py_XDECREF(result);
    Py_XDECREF(list);
    return NULL;
}

static void fill_key(const State *self, const Key *key, int column, char *to)
{
    key_copy(key, self->plan.columns, column, (int64_t *)to);
}

static void fill_all(const State *self, const Key *unused, int column, char *to)
{
    (void)unused;
    for (size_t page = 0; page < self->pages_held; page++)
        for (int i = 0; self->pages[page] && i < PAGE; i++) {
            const Key *key = &self->pages[page][i];
            Py_ssize_t n = key_copy(key, self->plan.columns, column, NULL);
            int32_t code = (int32_t)(page * PAGE + (size_t)i);
            if (column == -3)
                for (Py_ssize_t at = 0; at < n; at++)
                    memcpy(to + at * 4, &code, 4);
            else
                key_copy(key, self->plan.columns, column, (int64_t *)to);
            to += n * (column == -3 ? 4 : 8);
        }
}

static const char dump_doc[] =
    "dump($self, /)\n--\n\n"
    "Return all events in order of (code, t, s), as (codes, t, s, [values, …]): bytes of int32\n"
    "and int64 that `load` takes back.";

static PyObject *state_dump(PyObject *object, PyObject *unused)
{
    State *self = (State *)object;
    (void)unused;
    return columns_out(self, NULL, (Py_ssize_t)self->events, 1, fill_all);
}

static const char take_doc[] =
    "take($self, code, /)\n--\n\n"
    "Remove a key and return its events in order of (t, s), as (t, s, [values, …]): bytes of int64.";

static PyObject *state_take(PyObject *object, PyObject *item)
{
    State *self = (State *)object;
    int64_t code;
    if (integer(item, "code", -1, INT32_MAX, &code))
        return NULL;
    Key none = {0}, *key = (Key *)state_find(self, code);
    if (!key)
        key = &none;
    Py_ssize_t n = key_copy(key, self->plan.columns, -2, NULL);
    PyObject *result = columns_out(self, key, n, 0, fill_key);
    if (result) {
        key_free(&self->pool, key);
        self->events -= n;
    }
    return result;
}

static const char drop_doc[] =
    "drop($self, t, first, end, /)\n--\n\n"
    "Drop all events up to time t of the keys from code `first` to `end`, exclusive; return the\n"
    "codes among them that hold none now: bytes of int32.";

static PyObject *state_drop(PyObject *object, PyObject *const *args, Py_ssize_t given)
{
    State *self = (State *)object;
    int64_t t, first, end;
    if (argument_count("drop", given, 3) ||
        integer(args[0], "t", -TIME_LIMIT, TIME_LIMIT, &t) ||
        integer(args[1], "first", 0, INT32_MAX, &first) ||
        integer(args[2], "end", first, first + MOST_DROPPED, &end))
        return NULL;
    int32_t *empty = malloc((size_t)(end - first + 1) * sizeof *empty);
    if (!empty)
        return PyErr_NoMemory();
    Py_ssize_t n = 0;
    for (int64_t code = first; code < end; code++) {
        Key *key = (Key *)state_find(self, code);
        if (key)
            self->events -= key_drop(&self->pool, key, t);
        if (!key || key->n == 0)
            empty[n++] = (int32_t)code;
    }
    PyObject *result = PyBytes_FromStringAndSize((const char *)empty, n * 4);
    free(empty);
    return result;
}

static PyObject *state_memory(PyObject *object, PyObject *unused)
{
    State *self = (State *)object;
    size_t bytes = self->pool.bytes + self->pages_held * sizeof(Key *);
    (void)unused;
    for (size_t page = 0; page < self->pages_held; page++)
        bytes += self->pages[page] ? PAGE * sizeof(Key) : 0;
    return PyLong_FromLongLong((long long)bytes);
}

static PyObject *state_events(PyObject *object, PyObject *unused)
{
    (void)unused;
    return PyLong_FromLongLong(((State *)object)->events);
}

/* ---------------------------------------------------------------- events as they come */

typedef struct {
    PyObject *name, *encode; /* encode is NULL where the number itself, times `scale`, counts */
    double scale;            /* 0: it is whole already */
} Field;

/* Takes what a state needs of an event object; each event goes through it. */
typedef struct {
    PyObject_HEAD
    PyObject *state, *codes, *new_code, *keys, *time, *us;
    Field *fields; /* of each column of the state */
} Intake;

static int intake_visit(PyObject *object, visitproc visit, void *arg)
{
    Intake *self = (Intake *)object;
    PyObject *held[] = {(PyObject *)Py_TYPE(object), self->state, self->codes, self->new_code};
    for (int i = 0; i < 4; i++) {
        int status = held[i] ? visit(held[i], arg) : 0;
        if (status)
            return status;
    }
    int columns = self->fields ? ((State *)self->state)->plan.columns : 0;
    for (int c = 0; c < columns; c++) {
        int status = self->fields[c].encode ? visit(self->fields[c].encode, arg) : 0;
        if (status)
            return status;
    }
    return 0;
}

static int intake_clear(PyObject *object)
{
    Intake *self = (Intake *)object;
    int columns = self->fields ? ((State *)self->state)->plan.columns : 0;
    Field *fields = self->fields;
    PyObject *held[] = {self->state, self->codes, self->new_code, self->keys, self->time, self->us};
    self->fields = NULL;
    self->state = self->codes = self->new_code = self->keys = self->time = self->us = NULL;
    for (int c = 0; c < columns; c++) {
        Py_XDECREF(fields[c].name);
        Py_XDECREF(fields[c].encode);
    }
    free(fields);
    for (int i = 0; i < 6; i++)
        Py_XDECREF(held[i]);
    return 0;
}

static void intake_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    intake_clear(object);
    PyObject_GC_Del(object);
    Py_DECREF(type);
}

static int read_field(PyObject *item, Field *field)
{
    PyObject *scale, *encode;
    if (!PyArg_ParseTuple(item, "UOO", &field->name, &scale, &encode)) {
        field->name = NULL;
        return -1;
    }
    Py_INCREF(field->name);
    field->scale = PyFloat_AsDouble(scale);
    if (encode != Py_None) {
        Py_INCREF(encode);
        field->encode = encode;
    }
    return field->scale == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static PyObject *intake_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *words_of[] = {"state", "codes", "new_code", "keys", "time", "fields", NULL};
    PyObject *state, *codes, *new_code, *keys, *time, *fields;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOUO:Intake", words_of, &state, &codes,
                                     &new_code, &keys, &time, &fields))
        return NULL;
    if (PyType_GetSlot(Py_TYPE(state), Py_tp_new) != (void *)state_new) {
        PyErr_Format(PyExc_TypeError, "state is %R, expected a State", state);
        return NULL;
    }
    Intake *self = (Intake *)PyType_GenericAlloc(type, 0);
    if (!self)
        return NULL;
    int columns = ((State *)state)->plan.columns;
    PyObject *held[] = {state, codes, new_code, time}, *items = NULL;
    for (int i = 0; i < 4; i++)
        Py_INCREF(held[i]);
    self->state = state, self->codes = codes, self->new_code = new_code, self->time = time;
    if (!(self->us = PyUnicode_InternFromString("us")) ||
        !(self->keys = PySequence_Tuple(keys)) || !(items = PySequence_Tuple(fields)))
        goto failed;
    if (PyTuple_Size(items) != columns || PyTuple_Size(self->keys) == 0) {
        PyErr_Format(PyExc_ValueError, "%zd keys and %zd fields for %d columns",
                     PyTuple_Size(self->keys), PyTuple_Size(items), columns);
        goto failed;
    }
    if (!(self->fields = calloc((size_t)columns + 1, sizeof(Field)))) {
        PyErr_NoMemory();
        goto failed;
    }
    for (int c = 0; c < columns; c++)
        if (read_field(PyTuple_GetItem(items, c), &self->fields[c]))
            goto failed;
    Py_DECREF(items);
    return (PyObject *)self;
failed:
    Py_XDECREF(items);
    Py_DECREF(self);
    return NULL;
}

/* Read one value of an event. */
static int field_value(const Field *field, const Plan *plan, int column, PyObject *event,
                       int64_t *out)
{
    PyObject *value = PyObject_GetAttr(event, field->name), *encoded = value;
    if (value && field->encode) {
        encoded = PyObject_CallFunctionObjArgs(field->encode, value, NULL);
        Py_DECREF(value);
    }
    if (!encoded)
        return -1;
    int status;
    if (field->encode || field->scale == 0) {
        status = whole_value(plan, column, encoded, out);
    } else {
        double number = PyFloat_AsDouble(encoded), multiple = rint(number * field->scale);
        status = number == -1.0 && PyErr_Occurred() ? -1 : 0;
        if (status == 0 && !(fabs(multiple) <= (double)VALUE_LIMIT)) {
            PyErr_Format(PyExc_ValueError, "a value is %R, expected at most 2**53 of its units",
                         encoded);
            status = -1;
        }
        *out = status ? 0 : (int64_t)multiple;
    }
    Py_DECREF(encoded);
    return status;
}

/* The key of an event: the value of one field, or a tuple of several. */
static PyObject *key_of(const Intake *self, PyObject *event)
{
    Py_ssize_t n = PyTuple_Size(self->keys);
    if (n == 1)
        return PyObject_GetAttr(event, PyTuple_GetItem(self->keys, 0));
    PyObject *key = PyTuple_New(n);
    for (Py_ssize_t i = 0; key && i < n; i++) {
        PyObject *part = PyObject_GetAttr(event, PyTuple_GetItem(self->keys, i));
        if (!part || PyTuple_SetItem(key, i, part)) {
            Py_DECREF(key);
            return NULL;
        }
    }
    return key;
}

static int code_of(const Intake *self, PyObject *event, int64_t *code)
{
    PyObject *key = key_of(self, event);
    if (!key)
        return -1;
    PyObject *found = PyDict_GetItemWithError(self->codes, key), *made = NULL;
    if (!found && !PyErr_Occurred())
        found = made = PyObject_CallFunctionObjArgs(self->new_code, key, NULL);
    int status = found ? integer(found, "code", 0, INT32_MAX, code) : -1;
    Py_XDECREF(made);
    Py_DECREF(key);
    return status;
}

static int time_of(const Intake *self, PyObject *event, int64_t *t)
{
    PyObject *instant = PyObject_GetAttr(event, self->time);
    PyObject *us = instant ? PyObject_GetAttr(instant, self->us) : NULL;
    int status = us ? integer(us, "t", -TIME_LIMIT, TIME_LIMIT, t) : -1;
    Py_XDECREF(us);
    Py_XDECREF(instant);
    return status;
}

static const char take_event_doc[] =
    "take($self, event, s, /)\n--\n\nAdd one event, which came in at s, to the state.";

static PyObject *intake_take(PyObject *object, PyObject *const *args, Py_ssize_t given)
{
    Intake *self = (Intake *)object;
    State *state = (State *)self->state;
    int64_t code, t, s, few[8];
    if (argument_count("take", given, 2) || integer(args[1], "s", INT64_MIN, INT64_MAX, &s) ||
        time_of(self, args[0], &t))
        return NULL;
    int64_t *x = state->plan.columns <= 8 ? few : state->values;
    for (int c = 0; c < state->plan.columns; c++)
        if (field_value(&self->fields[c], &state->plan, c, args[0], &x[c]))
            return NULL;
    if (code_of(self, args[0], &code) || state_put(state, code, t, s, x))
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef intake_methods[] = {
    {"take", (PyCFunction)(void (*)(void))intake_take, METH_FASTCALL, take_event_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot intake_slots[] = {
    {Py_tp_doc, "Intake(state, codes, new_code, keys, time, fields)\n--\n\n"
                "Adds event objects to a state."},
    {Py_tp_new, intake_new},
    {Py_tp_dealloc, intake_free},
    {Py_tp_traverse, intake_visit},
    {Py_tp_clear, intake_clear},
    {Py_tp_methods, intake_methods},
    {0, NULL},
};

static PyType_Spec intake_spec = {
    .name = "kingpost.features._kernel.Intake",
    .basicsize = sizeof(Intake),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = intake_slots,
};

/* ---------------------------------------------------------------- the module */

static PyMethodDef state_methods[] = {
    {"insert", (PyCFunction)(void (*)(void))state_insert, METH_FASTCALL, insert_doc},
    {"load", (PyCFunction)(void (*)(void))state_load, METH_VARARGS | METH_KEYWORDS, load_doc},
    {"read", (PyCFunction)(void (*)(void))state_read, METH_FASTCALL, read_doc},
    {"retract", (PyCFunction)(void (*)(void))state_retract, METH_FASTCALL, retract_doc},
    {"dump", state_dump, METH_NOARGS, dump_doc},
    {"take", state_take, METH_O, take_doc},
    {"drop", (PyCFunction)(void (*)(void))state_drop, METH_FASTCALL, drop_doc},
    {"memory", state_memory, METH_NOARGS,
     "memory($self, /)\n--\n\nReturn the bytes that hold the events and keys."},
    {"events", state_events, METH_NOARGS,
     "events($self, /)\n--\n\nReturn how many events are held."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot state_slots[] = {
    {Py_tp_doc, "State(scales, outputs)\n--\n\nThe events of one stream by one key, read online."},
    {Py_tp_new, state_new},
    {Py_tp_dealloc, state_free},
    {Py_tp_methods, state_methods},
    {0, NULL},
};

static PyType_Spec state_spec = {
    .name = "kingpost.features._kernel.State",
    .basicsize = sizeof(State),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = state_slots,
};

static int module_exec(PyObject *module)
{
    tables_fill();
    PyType_Spec *types[] = {&state_spec, &intake_spec};
    int status = 0;
    for (int i = 0; status == 0 && i < 2; i++) {
        PyObject *type = PyType_FromModuleAndSpec(module, types[i], NULL);
        status = type ? PyModule_AddType(module, (PyTypeObject *)type) : -1;
        Py_XDECREF(type);
    }
#ifdef SOURCE_DIGEST /* which source this binary is of, for the build hook */
    if (status == 0)
        status = PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
#endif
    return status;
}

static PyMethodDef module_methods[] = {
    {"backfill", (PyCFunction)(void (*)(void))backfill, METH_VARARGS | METH_KEYWORDS,
     backfill_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kernel",
    .m_doc = "The window kernel, compiled; `_twin` is the same in plain Python.",
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__kernel(void) { return PyModuleDef_Init(&module_definition); }
