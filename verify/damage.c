/* damage.c - which MiB of a file differ, and which tensors lie there. */
#include "verify/check.h"

#include "formats/format.h"

#include <stdlib.h>

/* ---- the blocks ------------------------------------------------------------------------------ */

/* Room for n more; ranges come one at a time and are few. */
static struct damage *append(struct check_item *item, struct arena *a, struct err *e)
{
    size_t n = item->n_damage;
    if ((n & (n - 1)) == 0) {
        struct damage *more = arena_new(a, struct damage, n ? 2 * n : 1, e);
        if (!more)
            return NULL;
        if (n)
            memcpy(more, item->damage, n * sizeof *more);
        item->damage = more;
    }
    return &item->damage[item->n_damage++];
}

static bool add_range(struct check_item *item, uint64_t first, uint64_t end, struct arena *a,
                      struct err *e)
{
    struct damage *last = item->n_damage ? &item->damage[item->n_damage - 1] : NULL;
    if (last && last->end == first) {
        last->end = end;
        return true;
    }
    struct damage *d = append(item, a, e);
    if (d)
        *d = (struct damage){ .first = first, .end = end };
    return d != NULL;
}

/* Block by block; what the file has lost at its end differs, too. */
static bool compare_blocks(struct check_item *item, const struct manifest_file *was,
                           const struct file *f, uint8_t *buffer, struct arena *a, struct err *e)
{
    for (uint64_t at = 0; at < was->bytes; at += DAMAGE_BLOCK) {
        uint64_t n = was->bytes - at < DAMAGE_BLOCK ? was->bytes - at : DAMAGE_BLOCK;
        bool same = at < f->size && n <= f->size - at;
        if (same && !file_read(f, buffer, n, at, e))
            return false;
        same = same && xxh3_of((struct span){ buffer, n }) == was->blocks[at / DAMAGE_BLOCK];
        if (!same && !add_range(item, at, at + n, a, e))
            return false;
    }
    return true;
}

/* ---- the tensors ------------------------------------------------------------------------------
 */

static int by_offset(const void *a, const void *b)
{
    const struct tensor *const *x = a, *const *y = b;
    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

/* The tensors of t[0..n-1], in file order and not overlapping, that reach into d. */
static bool name_tensors(struct damage *d, struct tensor *const *t, size_t n, struct arena *a,
                         struct err *e)
{
    size_t low = 0, end;
    for (size_t high = n; low < high;) { /* the first that ends behind d->first */
        size_t middle = low + (high - low) / 2;
        if (t[middle]->offset + t[middle]->bytes <= d->first) /* within the file: checked */
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < n && t[end]->offset < d->end; end++)
        ;
    d->tensors = arena_new(a, struct str, end - low, e);
    for (size_t i = low; d->tensors && i < end; i++) {
        if (t[i]->bytes == 0)
            continue;
        d->tensors[d->n_tensors] = arena_str(a, t[i]->name, e);
        if (!d->tensors[d->n_tensors++].at)
            return false;
    }
    return d->tensors != NULL;
}

static bool name_all(struct check_item *item, const struct model *m, struct arena *a, struct err *e)
{
    struct arena scratch = { 0 };
    struct tensor **order = arena_new(&scratch, struct tensor *, m->n_tensors, e);
    for (size_t i = 0; order && i < m->n_tensors; i++)
        order[i] = &m->tensors[i];
    if (order && m->n_tensors)
        qsort(order, m->n_tensors, sizeof *order, by_offset);
    bool ok = order != NULL;
    for (size_t i = 0; ok && i < item->n_damage; i++) {
        struct damage *d = &item->damage[i];
        d->header = d->first < m->files[0].data_offset;
        ok = name_tensors(d, order, m->n_tensors, a, e);
    }
    arena_free(&scratch);
    return ok;
}

/* If the header still parses; what is no weight file has no tensors. */
static bool look_inside(struct check_item *item, const char *path, struct arena *a, struct err *e)
{
    struct err why = { 0 };
    struct model m = { .path = path };
    bool ok = true;
    if (format_open_file(&m, path, &why)) {
        ok = name_all(item, &m, a, e);
    } else if (str_ends(item->name, ".safetensors") || str_ends(item->name, ".gguf")) {
        item->damage[0].header = item->damage[0].first == 0;
        item->detail =
            arena_printf(a, e, "%s%sits header can no longer be read: %s",
                         item->detail ? item->detail : "", item->detail ? "; " : "", why.msg);
        ok = item->detail != NULL;
    }
    model_close(&m);
    return ok;
}

bool damage_find(struct check_item *item, const struct manifest_file *was, const char *path,
                 struct arena *a, struct err *e)
{
    struct file f;
    if (!file_open(&f, path, e))
        return false;
    uint8_t *buffer = mem_resize(NULL, DAMAGE_BLOCK, e);
    bool ok = buffer && compare_blocks(item, was, &f, buffer, a, e);
    mem_free(buffer);
    file_close(&f);
    if (ok && item->n_damage)
        ok = look_inside(item, path, a, e);
    else if (ok && !item->detail)
        item->detail = "every MiB is as recorded: the SHA-256 in the manifest is of something else";
    return ok;
}
