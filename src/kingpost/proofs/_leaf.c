/* The commitments of a leaf, compiled: `commitments` does what `_commitments` in leaf.py does,
   and the bytes are the same.

   The rule: whatever is large or out of the ordinary is left to Python: `commitments` then
   returns None. SHA-256 is hashlib's.

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

#define LARGEST (64 * 1024) /* of an entry, and of all commitments together */
#define ENTRY_HEAD 10       /* body length u32 | count u32 | labels length u16 */
#define COMMITTED_AT 8      /* from the length of the labels on */
#define HEAD 6              /* kind length u16 | offsets taken u32, big-endian */
#define DIGEST 32
#define NONCE 16
#define NONCES 4 /* in a block */

static PyObject *sha256, *digest_name;

static uint64_t get(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << 8 * i;
    return value;
}

static unsigned char *put(unsigned char *at, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        *at++ = (unsigned char)(value >> 8 * i);
    return at;
}

/* Writes SHA-256 of a nonce and what follows it; says whether it could. */
static int hash(unsigned char *out, const char *nonce, const unsigned char *data, Py_ssize_t size)
{
    PyObject *whole = PyBytes_FromStringAndSize(NULL, NONCE + size);
    if (!whole)
        return 0;
    memcpy(PyBytes_AsString(whole), nonce, NONCE);
    memcpy(PyBytes_AsString(whole) + NONCE, data, (size_t)size);
    PyObject *hashed = PyObject_CallFunctionObjArgs(sha256, whole, NULL);
    PyObject *digest = hashed ? PyObject_CallMethodObjArgs(hashed, digest_name, NULL) : NULL;
    int is_done = digest && PyBytes_Check(digest) && PyBytes_Size(digest) == DIGEST;
    if (is_done)
        memcpy(out, PyBytes_AsString(digest), DIGEST);
    Py_XDECREF(digest);
    Py_XDECREF(hashed);
    Py_DECREF(whole);
    return is_done;
}

/* The nonces of a block, a new reference. */
static PyObject *nonces(PyObject *nonces_of, long long block)
{
    PyObject *number = PyLong_FromLongLong(block);
    PyObject *found = number ? PyObject_CallFunctionObjArgs(nonces_of, number, NULL) : NULL;
    Py_XDECREF(number);
    if (found && (!PyBytes_Check(found) || PyBytes_Size(found) != NONCES * NONCE)) {
        Py_DECREF(found);
        return NULL;
    }
    return found;
}

/* Writes the commitments of the entries of `data`; returns the end, NULL when it is for Python. */
static unsigned char *write_all(
    unsigned char *out, const unsigned char *data, const unsigned char *end, long long place,
    PyObject *nonces_of, long long *entries)
{
    unsigned char *const out_end = out + LARGEST;
    long long block = -1;
    PyObject *held = NULL;
    for (*entries = 0; data < end; (*entries)++) {
        if (end - data < ENTRY_HEAD)
            break;
        uint64_t size = get(data, 4), count = get(data + 4, 4), width = get(data + 8, 2);
        const unsigned char *labels = data + ENTRY_HEAD;
        if (size >= LARGEST || (uint64_t)(end - labels) < width + size)
            break;
        const unsigned char *kind_end = memchr(labels, 0, (size_t)width);
        Py_ssize_t kind = kind_end ? kind_end - labels : (Py_ssize_t)width;
        if (out_end - out < HEAD + kind + DIGEST)
            break;
        if (place >> 2 != block) {
            block = place >> 2;
            Py_XDECREF(held);
            if (!(held = nonces(nonces_of, block)))
                break;
        }
        out = put(put(out, (uint64_t)kind, 2), count, 4);
        memcpy(out, labels, (size_t)kind);
        out += kind;
        const char *nonce = PyBytes_AsString(held) + (place & 3) * NONCE;
        if (!hash(out, nonce, data + COMMITTED_AT, (Py_ssize_t)(ENTRY_HEAD - COMMITTED_AT + width + size)))
            break;
        out += DIGEST;
        place += (long long)count;
        data = labels + width + size;
    }
    Py_XDECREF(held);
    return data == end ? out : NULL;
}

static const char commitments_doc[] =
    "commitments(buffer, at, end, offset, nonces_of)\n--\n\n"
    "Return the commitments to the entries of a commit, one behind the other, and how many\n"
    "there are; None when it is for Python to do.";

static PyObject *commitments(PyObject *module, PyObject *const *args, Py_ssize_t given)
{
    (void)module;
    if (given != 5 || !PyBytes_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "commitments takes bytes and four arguments");
        return NULL;
    }
    unsigned char out[LARGEST];
    int overflow = 0;
    long long at = PyLong_AsLongLongAndOverflow(args[1], &overflow), entries = 0;
    long long end = PyLong_AsLongLongAndOverflow(args[2], &overflow);
    long long offset = PyLong_AsLongLongAndOverflow(args[3], &overflow);
    PyObject *made = NULL;
    if (!PyErr_Occurred() && !overflow && 0 <= at && at < end && offset >= 0
        && end <= PyBytes_Size(args[0])) {
        const unsigned char *data = (const unsigned char *)PyBytes_AsString(args[0]);
        unsigned char *out_end = write_all(out, data + at, data + end, offset, args[4], &entries);
        if (out_end)
            made = PyBytes_FromStringAndSize((const char *)out, out_end - out);
    }
    if (!made) {
        PyErr_Clear(); /* Python meets it again, and says what it is */
        Py_RETURN_NONE;
    }
    PyObject *both = PyTuple_New(2), *number = PyLong_FromLongLong(entries);
    if (!both || !number || PyTuple_SetItem(both, 0, made) || PyTuple_SetItem(both, 1, number))
        return NULL;
    return both;
}

static int module_exec(PyObject *module)
{
    PyObject *hashlib = sha256 ? NULL : PyImport_ImportModule("hashlib");
    if (hashlib) {
        sha256 = PyObject_GetAttrString(hashlib, "sha256");
        digest_name = PyUnicode_InternFromString("digest");
    }
    Py_XDECREF(hashlib);
    if (!sha256 || !digest_name)
        return -1;
#ifdef SOURCE_DIGEST /* which source this binary is of, for the build hook */
    return PyModule_AddStringConstant(module, "SOURCE_DIGEST", SOURCE_DIGEST);
#else
    (void)module;
    return 0;
#endif
}

static PyMethodDef module_methods[] = {
    {"commitments", (PyCFunction)(void (*)(void))commitments, METH_FASTCALL, commitments_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_leaf",
    .m_doc = "Commitments, compiled; `_commitments` in leaf.py is the same in plain Python.",
    .m_size = 0,
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__leaf(void) { return PyModuleDef_Init(&module_definition); }
