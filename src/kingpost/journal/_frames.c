/* A commit as bytes, compiled: `encode` does what `_encoded` in frames.py does, and the bytes
   are the same.

   The rule: whatever is large or out of the ordinary is left to Python. `encode` then returns
   None and has done nothing, and `_encoded` encodes it or says what is wrong with it. The
   CRC-32 is zlib's own.

   Limited API of Python 3.11. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#if __has_include(<Python.h>)
#include <Python.h>
#else
#include "../core/python_abi.h"
#endif

#include <stdint.h>
#include <string.h>

#define MOST_ENTRIES 32
#define COPIED_BYTES (64 * 1024)
#define ENVELOPE 8   /* length u32 | check u32: the writer's */
#define HEAD 24      /* first offset u64 | time u64 | mark u32 | span u32 */
#define ENTRY_HEAD 10 /* body length u32 | count u32 | labels length u16 */
#define MARK 0x0146504bu /* "KPF", version 1 */
#define LARGEST 0xffffffffLL

enum { KIND, TENANT, TOPIC, BODY, COUNT, FIELDS };
static const char *const field_names[FIELDS] = {"kind", "tenant", "topic", "body", "count"};
static PyObject *names[FIELDS], *crc32;

typedef struct {
    PyObject *fields[FIELDS]; /* held until the frame is written */
    const char *labels[3], *body;
    Py_ssize_t widths[3], labels_size, size;
    uint32_t count;
} Entry;

static char *put(char *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (char)(value >> 8 * i);
    return at;
}

static char *copy(char *at, const char *from, Py_ssize_t size)
{
    memcpy(at, from, (size_t)size);
    return at + size;
}

static int whole(PyObject *number, long long least, long long most, long long *value)
{
    int overflow = 0;
    *value = PyLong_AsLongLongAndOverflow(number, &overflow);
    return !(overflow || *value < least || *value > most || (*value == -1 && PyErr_Occurred()));
}

/* Says whether the entry is an ordinary one. */
static int take(Entry *entry, PyObject *given)
{
    for (int i = 0; i < FIELDS; i++)
        if (!(entry->fields[i] = PyObject_GetAttr(given, names[i])))
            return 0;
    entry->labels_size = 2;
    for (int i = KIND; i <= TOPIC; i++) {
        if (!PyUnicode_Check(entry->fields[i]))
            return 0;
        entry->labels[i] = PyUnicode_AsUTF8AndSize(entry->fields[i], &entry->widths[i]);
        if (!entry->labels[i] || memchr(entry->labels[i], 0, (size_t)entry->widths[i]))
            return 0;
        entry->labels_size += entry->widths[i];
    }
    long long count;
    if (!PyBytes_Check(entry->fields[BODY]) || !whole(entry->fields[COUNT], 1, LARGEST, &count))
        return 0;
    entry->count = (uint32_t)count;
    entry->body = PyBytes_AsString(entry->fields[BODY]);
    entry->size = PyBytes_Size(entry->fields[BODY]);
    return entry->widths[KIND] > 0 && entry->labels_size <= 0xffff && entry->size < COPIED_BYTES;
}

static char *write_entry(char *at, const Entry *entry)
{
    at = put(at, (uint64_t)entry->size, 4);
    at = put(at, entry->count, 4);
    at = put(at, (uint64_t)entry->labels_size, 2);
    for (int i = KIND; i <= TOPIC; i++) {
        if (i > KIND)
            *at++ = 0;
        at = copy(at, entry->labels[i], entry->widths[i]);
    }
    return copy(at, entry->body, entry->size);
}

/* What the entries are as bytes; NULL where they are none of the ordinary ones. */
static PyObject *written(
    const Entry *entries, Py_ssize_t count, long long offset, long long time_us, long long *span)
{
    Py_ssize_t size = HEAD;
    *span = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        size += ENTRY_HEAD + entries[i].labels_size + entries[i].size;
        *span += entries[i].count;
    }
    if (*span > LARGEST || ENVELOPE + size >= COPIED_BYTES)
        return NULL;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (!bytes)
        return NULL;
    char *at = PyBytes_AsString(bytes);
    at = put(at, (uint64_t)offset, 8);
    at = put(at, (uint64_t)time_us, 8);
    at = put(at, MARK, 4);
    at = put(at, (uint64_t)*span, 4);
    for (Py_ssize_t i = 0; i < count; i++)
        at = write_entry(at, &entries[i]);
    return bytes;
}

/* The frame around bytes that it takes over. */
static PyObject *framed(PyObject *type, PyObject *const *args, PyObject *bytes, long long next)
{
    PyObject *check = PyObject_CallFunctionObjArgs(crc32, bytes, args[2], NULL);
    PyObject *after = PyLong_FromLongLong(next);
    PyObject *size = PyLong_FromLongLong(ENVELOPE + PyBytes_Size(bytes));
    PyObject *buffers = PyList_New(1), *frame = NULL;
    if (check && after && size && buffers && PyList_SetItem(buffers, 0, bytes) == 0) {
        bytes = NULL; /* the list has it */
        frame = PyObject_CallFunctionObjArgs(
            type, args[0], after, args[1], check, size, buffers, NULL);
    }
    Py_XDECREF(check);
    Py_XDECREF(after);
    Py_XDECREF(size);
    Py_XDECREF(buffers);
    Py_XDECREF(bytes);
    return frame;
}

static const char encode_doc[] =
    "encode(frame_type, entries, offset, time_us, salt)\n--\n\n"
    "Encode one commit that begins at an offset; None when it is for Python to do.";

static PyObject *encode(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    (void)module;
    if (given != 5) {
        PyErr_SetString(PyExc_TypeError, "encode takes five arguments");
        return NULL;
    }
    Entry entries[MOST_ENTRIES];
    Py_ssize_t count = PySequence_Size(args[1]), taken = 0;
    long long offset, time_us, span;
    PyObject *frame = NULL;
    int is_ordinary = 0 < count && count <= MOST_ENTRIES
        && whole(args[2], 0, INT64_MAX, &offset) && whole(args[3], 0, INT64_MAX, &time_us);
    while (is_ordinary && taken < count) {
        PyObject *entry = PySequence_GetItem(args[1], taken);
        memset(&entries[taken], 0, sizeof(Entry));
        is_ordinary = entry && take(&entries[taken], entry);
        taken++;
        Py_XDECREF(entry);
    }
    PyObject *bytes =
        is_ordinary ? written(entries, count, offset, time_us, &span) : NULL;
    if (bytes && offset <= INT64_MAX - span)
        frame = framed(args[0], args + 2, bytes, offset + span);
    else
        Py_XDECREF(bytes);
    for (Py_ssize_t i = 0; i < taken; i++)
        for (int field = 0; field < FIELDS; field++)
            Py_XDECREF(entries[i].fields[field]);
    if (!frame) {
        PyErr_Clear(); /* Python meets it again, and says what it is */
        Py_RETURN_NONE;
    }
    return frame;
}

static int module_exec(PyObject *module)
{
    for (int i = 0; i < FIELDS; i++)
        if (!names[i] && !(names[i] = PyUnicode_InternFromString(field_names[i])))
            return -1;
    PyObject *zlib = crc32 ? NULL : PyImport_ImportModule("zlib");
    if (zlib)
        crc32 = PyObject_GetAttrString(zlib, "crc32");
    Py_XDECREF(zlib);
    if (!crc32)
        return -1;
#ifdef SOURCE_DIGEST /* which source this binary is of, for the build hook */
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
#else
    (void)module;
    return 0;
#endif
}

static PyMethodDef module_methods[] = {
    {"encode", (PyCFunction)(void (*)(void))encode, METH_FASTCALL, encode_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_frames",
    .m_doc = "Commits as bytes, compiled; `_encoded` in frames.py is the same in plain Python.",
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__frames(void) { return PyModuleDef_Init(&module_definition); }
