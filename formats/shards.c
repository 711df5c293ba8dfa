/* shards.c - sets of safetensors files and the index.json that lists them. */
#include "formats/base/json.h"
#include "formats/format.h"
#include "formats/safetensors.h"

enum { MAX_INDEX = 256 << 20 };

struct index {
    struct names shards; /* shard name -> its place in the list below */
    struct str *shard;
    size_t n_shards;
    struct names tensors; /* tensor name -> place of its shard */
    uint64_t total_size;
    bool has_total;
};

static void index_free(struct index *x)
{
    names_free(&x->shards);
    names_free(&x->tensors);
}

static void read_metadata(struct json *j, struct index *x)
{
    struct str key;
    json_object(j);
    while (json_key(j, &key)) {
        if (str_is(key, "total_size") && json_peek(j) == JSON_NUMBER) {
            double v = json_double(j); /* some writers put 1.0e9 */
            x->has_total = v >= 0 && v < 9007199254740992.0;
            x->total_size = x->has_total ? (uint64_t)v : 0;
        } else {
            json_skip(j);
        }
    }
}

static void read_weight_map(struct json *j, struct index *x, struct arena *a)
{
    struct str tensor;
    json_object(j);
    while (json_key(j, &tensor)) {
        struct str shard = json_string(j);
        if (!json_ok(j))
            return;
        if (!file_name_ok(shard)) {
            json_fail(j, "'" STR_FMT "' is not a file name in this directory", STR_ARG(shard));
            return;
        }
        size_t old, place = names_find(&x->shards, shard);
        if (place == NAMES_NONE) {
            struct str *all = arena_append(a, x->shard, sizeof *all, x->n_shards, j->err);
            if (!all)
                return;
            x->shard = all;
            place = x->n_shards++;
            x->shard[place] = shard;
            if (!names_add(&x->shards, shard, place, &old, j->err))
                return;
        }
        if (!names_add(&x->tensors, tensor, place, &old, j->err))
            return;
    }
}

static bool read_index(struct index *x, const struct sidecar *file, struct arena *a, struct err *e)
{
    struct span text;
    struct json j;
    struct str key;
    bool map = false;
    if (!file_slurp(file->path, MAX_INDEX, a, &text, e))
        return false;
    uint64_t seed = names_seed(0, text.at, text.len);
    if (!names_reserve(&x->shards, 0, seed, e) || !names_reserve(&x->tensors, 0, seed, e))
        return false;
    json_open(&j, file->path, 0, (struct str){ (const char *)text.at, text.len }, a, e);
    json_object(&j);
    while (json_key(&j, &key)) {
        if (str_is(key, "metadata") && json_peek(&j) == JSON_OBJECT) {
            read_metadata(&j, x);
        } else if (str_is(key, "weight_map")) {
            read_weight_map(&j, x, a);
            map = true;
        } else {
            json_skip(&j);
        }
    }
    bool ok = json_end(&j);
    json_close(&j);
    if (ok && !map)
        ok = err_set(e, ERR_INPUT, "%s: has no weight_map", file->path);
    return ok;
}

static bool open_shards(struct model *m, const struct index *x, struct err *e)
{
    for (size_t i = 0; i < x->n_shards; i++) {
        char *path = file_join(&m->arena, m->path, x->shard[i], e);
        enum file_kind kind;
        if (!path || !file_kind(path, &kind, NULL, NULL, e))
            return false;
        if (kind == FILE_ABSENT) {
            err_set(e, ERR_INPUT, "%s is missing: the index names it", path);
            return err_hint(e, "the download is not complete; fetch the missing shard");
        }
        if (!format_open_file(m, path, e))
            return false;
    }
    return true;
}

/* Every tensor is where the index says, and the index says where every tensor is. */
static bool compare(struct model *m, const struct index *x, const struct sidecar *file,
                    struct err *e)
{
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        size_t place = names_find(&x->tensors, t->name);
        if (place == NAMES_NONE)
            return err_set(e, ERR_INPUT, "%s: tensor '" STR_FMT "' is not in the index %s",
                           m->files[t->file].path, STR_ARG(t->name), file->path);
        if (place != t->file)
            return err_set(e, ERR_INPUT,
                           "%s: tensor '" STR_FMT "' should be in " STR_FMT " by the index",
                           m->files[t->file].path, STR_ARG(t->name), STR_ARG(x->shard[place]));
    }
    if (m->n_tensors == x->tensors.n)
        return true;
    return err_set(e, ERR_INPUT, "%s: names %zu tensors, the shards hold %zu", file->path,
                   x->tensors.n, m->n_tensors);
}

bool shards_open(struct model *m, const struct sidecar *index, struct err *e)
{
    struct index x = { 0 };
    bool ok = read_index(&x, index, &m->arena, e) && open_shards(m, &x, e) && model_index(m, e) &&
              compare(m, &x, index, e);
    if (ok && x.has_total && x.total_size != model_bytes(m))
        ok = model_finding(m, e, "%s: total_size is %llu, the tensors have %llu bytes", index->path,
                           (unsigned long long)x.total_size, (unsigned long long)model_bytes(m));
    index_free(&x);
    return ok;
}

bool shards_index(const struct model *out, struct buf *to)
{
    struct json_out o = json_out(to, JSON_SPACED);
    json_put_open(&o, '{');
    json_put_key(&o, STR("metadata"));
    json_put_open(&o, '{');
    json_put_ku64(&o, "total_size", model_bytes(out));
    json_put_close(&o, '}');
    json_put_key(&o, STR("weight_map"));
    json_put_open(&o, '{');
    for (size_t i = 0; i < out->n_tensors; i++) {
        json_put_key(&o, out->tensors[i].name);
        json_put_str(&o, out->files[out->tensors[i].file].name);
    }
    json_put_close(&o, '}');
    json_put_close(&o, '}');
    return buf_ok(to);
}
