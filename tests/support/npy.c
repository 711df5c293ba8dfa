/* npy.c - the .npy reader: magic, version, a Python dict as text, raw data. */
#include "tests/support/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "data is used as it lies in the file");

/* The text behind "'key': " or NULL. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    return at ? at + strlen(key) : NULL;
}

static bool parse_descr(struct npy *a, const char *header)
{
    const char *at = value_of(header, "'descr': '");
    if (!at || !strchr("<|", at[0]) || !strchr("fiub", at[1]) || !strchr("1248", at[2]) ||
        at[3] != '\'')
        return false;
    a->kind = at[1];
    a->item_bytes = (size_t)(at[2] - '0');
    return true;
}

static bool parse_shape(struct npy *a, const char *header)
{
    const char *at = value_of(header, "'shape': (");
    if (!at || !value_of(header, "'fortran_order': False"))
        return false;
    a->n = 1;
    for (char *end; *at != ')'; at = end + strspn(end, ", ")) {
        if (a->n_dims == NPY_MAX_DIMS)
            return false;
        size_t dim = strtoull(at, &end, 10);
        if (end == at)
            return false;
        a->dim[a->n_dims++] = dim;
        a->n *= dim;
    }
    return true;
}

static bool read_array(struct npy *a, FILE *f)
{
    unsigned char start[12];
    char header[65536];
    if (fread(start, 1, 10, f) != 10 || memcmp(start, "\x93NUMPY", 6) != 0)
        return false;
    size_t len = (size_t)start[8] | (size_t)start[9] << 8;
    if (start[6] > 1) { /* versions 2 and 3: a four-byte length */
        if (fread(start + 10, 1, 2, f) != 2)
            return false;
        len |= (size_t)start[10] << 16 | (size_t)start[11] << 24;
    }
    if (len >= sizeof header || fread(header, 1, len, f) != len)
        return false;
    header[len] = 0;
    if (!parse_descr(a, header) || !parse_shape(a, header))
        return false;
    a->data = malloc(a->n * a->item_bytes + 1);
    return a->data && fread(a->data, a->item_bytes, a->n, f) == a->n && getc(f) == EOF;
}

bool npy_load(struct npy *a, const char *path)
{
    *a = (struct npy){ 0 };
    FILE *f = fopen(path, "rb");
    bool ok = f && read_array(a, f);
    if (f)
        fclose(f);
    if (!ok) {
        fprintf(stderr, "%s: not an array that the tests can read\n", path);
        npy_free(a);
    }
    return ok;
}

bool npy_load_as(struct npy *a, const char *path, char kind, size_t item_bytes, size_t n_dims)
{
    if (!npy_load(a, path))
        return false;
    if (a->kind == kind && a->item_bytes == item_bytes && a->n_dims == n_dims)
        return true;
    fprintf(stderr, "%s: is %c%zu of %zu dimensions, wanted %c%zu of %zu\n", path, a->kind,
            a->item_bytes, a->n_dims, kind, item_bytes, n_dims);
    npy_free(a);
    return false;
}

void npy_free(struct npy *a)
{
    free(a->data);
    *a = (struct npy){ 0 };
}
