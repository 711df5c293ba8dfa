/* plan_text.c - printing plans, and reading back what one was made of. */
#include "formats/plan_text.h"

#include "formats/base/json.h"
#include "formats/base/text.h"

#define SCHEMA "weigh.plan/1"

/* ---- steps -------------------------------------------------------------------------- */

static const struct step {
    const char *name, *undo;
} steps[] = {
    { "copy", "copy" },           { "slice", "interleave or concat" },
    { "interleave", "slice" },    { "concat", "slice" },
    { "transpose", "transpose" }, { "widen", "round" },
    { "round", "nothing" },       { "repack", "repack" },
    { "split", "repack" },        { "decode", "nothing" },
};

static const char *undo_of(const char *name)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (strcmp(steps[i].name, name) == 0)
            return steps[i].undo;
    return "nothing";
}

/* Only recoding can change a value. */
static bool is_exact(const struct piece *p, const char *step)
{
    return step != p->recode->name || p->recode->exact;
}

enum { MAX_STEPS = 4 };

/* The names of what a piece does, in order. */
static size_t steps_of(const struct recipe *r, const struct piece *p, const char *out[MAX_STEPS])
{
    size_t n = 0;
    if (p->src_step > 1 || p->src_first || p->rows != p->src_rows)
        out[n++] = "slice";
    if (p->src_transposed != r->transposed)
        out[n++] = "transpose";
    out[n++] = p->recode->name;
    if (p->dst_step > 1)
        out[n++] = "interleave";
    else if (r->n_pieces > 1)
        out[n++] = "concat";
    return n;
}

static void put_shape(struct buf *b, const struct tensor *t)
{
    buf_puts(b, "[");
    for (uint32_t i = 0; i < t->ndim; i++)
        buf_printf(b, "%s%llu", i ? "," : "", (unsigned long long)t->dim[i]);
    buf_puts(b, "]");
}

/* ---- for people ------------------------------------------------------------------------ */

static void print_piece(struct buf *b, const struct recipe *r, const struct piece *p)
{
    const char *name[MAX_STEPS];
    size_t n = steps_of(r, p, name);
    text_escape(b, p->src[0]->name);
    if (p->src[1]) {
        buf_puts(b, " + ");
        text_escape(b, p->src[1]->name);
    }
    if (p->src_step > 1)
        buf_printf(b, " rows %llu::%llu", (unsigned long long)p->src_first,
                   (unsigned long long)p->src_step);
    else if (p->rows != p->src_rows)
        buf_printf(b, " rows %llu:%llu", (unsigned long long)p->src_first,
                   (unsigned long long)(p->src_first + p->rows));
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s%s", i ? ", " : ": ", name[i],
                   is_exact(p, name[i]) ? "" : " (not exact)");
}

void plan_print(struct buf *b, const struct plan *p, uint64_t memory)
{
    char count[32], size[16];
    for (size_t i = 0; i < p->out.n_tensors; i++) {
        const struct tensor *t = &p->out.tensors[i];
        text_escape(b, t->name);
        buf_printf(b, "  %s ", dtype_info[t->dtype].name);
        put_shape(b, t);
        buf_puts(b, "  <-  ");
        for (size_t k = 0; k < p->recipes[i].n_pieces; k++) {
            buf_puts(b, k ? " | " : "");
            print_piece(b, &p->recipes[i], &p->recipes[i].pieces[k]);
        }
        buf_puts(b, "\n");
    }
    for (size_t i = 0; i < p->out.n_files; i++)
        buf_printf(b, "file " STR_FMT "  %s bytes\n", STR_ARG(p->out.files[i].name),
                   text_count(count, p->out.files[i].size));
    for (size_t i = 0; i < p->n_extras; i++)
        buf_printf(b, "file " STR_FMT "  %s bytes\n", STR_ARG(p->extras[i].name),
                   text_count(count, p->extras[i].size));
    buf_printf(b, "total  %s bytes", text_count(count, plan_bytes(p)));
    buf_printf(b, " (%s) in %zu tensors and %zu files; working memory %s\n",
               text_bytes(size, plan_bytes(p)), p->out.n_tensors, p->out.n_files + p->n_extras,
               text_bytes((char[16]){ 0 }, memory));
}

/* ---- for programs ------------------------------------------------------------------------ */

static void json_piece(struct json_out *o, const struct recipe *r, const struct piece *p)
{
    const char *name[MAX_STEPS];
    size_t n = steps_of(r, p, name);
    json_put_open(o, '{');
    json_put_key(o, STR("tensors"));
    json_put_open(o, '[');
    for (int i = 0; i < 2 && p->src[i]; i++)
        json_put_str(o, p->src[i]->name);
    json_put_close(o, ']');
    json_put_ku64(o, "rows", p->rows);
    json_put_ku64(o, "first", p->src_first);
    json_put_ku64(o, "step", p->src_step);
    json_put_ku64(o, "to_first", p->dst_first);
    json_put_ku64(o, "to_step", p->dst_step);
    json_put_key(o, STR("steps"));
    json_put_open(o, '[');
    for (size_t i = 0; i < n; i++) {
        json_put_open(o, '{');
        json_put_kstr(o, "step", str_of(name[i]));
        json_put_kbool(o, "exact", is_exact(p, name[i]));
        json_put_kstr(o, "undo", str_of(undo_of(name[i])));
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
    json_put_close(o, '}');
}

static void json_tensor(struct json_out *o, const struct plan *p, size_t i)
{
    const struct tensor *t = &p->out.tensors[i];
    const struct recipe *r = &p->recipes[i];
    json_put_open(o, '{');
    json_put_kstr(o, "name", t->name);
    json_put_kstr(o, "dtype", str_of(dtype_info[t->dtype].name));
    json_put_key(o, STR("shape"));
    json_put_open(o, '[');
    for (uint32_t d = 0; d < t->ndim; d++)
        json_put_u64(o, t->dim[d]);
    json_put_close(o, ']');
    json_put_kstr(o, "file", p->out.files[t->file].name);
    json_put_ku64(o, "offset", t->offset);
    json_put_ku64(o, "bytes", t->bytes);
    json_put_key(o, STR("from"));
    json_put_open(o, '[');
    for (size_t k = 0; k < r->n_pieces; k++)
        json_piece(o, r, &r->pieces[k]);
    json_put_close(o, ']');
    json_put_close(o, '}');
}

static void json_files(struct json_out *o, const struct plan *p)
{
    json_put_key(o, STR("files"));
    json_put_open(o, '[');
    for (size_t i = 0; i < p->out.n_files + p->n_extras; i++) {
        bool weights = i < p->out.n_files;
        const struct extra *x = weights ? NULL : &p->extras[i - p->out.n_files];
        json_put_open(o, '{');
        json_put_kstr(o, "name", weights ? p->out.files[i].name : x->name);
        json_put_ku64(o, "bytes", weights ? p->out.files[i].size : x->size);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

static void json_request(struct json_out *o, const struct plan_request *r)
{
    const struct plan_options *opt = &r->options;
    json_put_kstr(o, "source", str_of(r->source));
    json_put_kstr(o, "dest", str_of(r->dest ? r->dest : ""));
    json_put_kstr(o, "to", str_of(form_name(opt->to)));
    json_put_kstr(o, "type", str_of(opt->type == DTYPE_NONE ? "keep" : dtype_info[opt->type].name));
    json_put_ku64(o, "shard_bytes", opt->shard_bytes);
    json_put_kbool(o, "one_file", opt->one_file);
    json_put_kbool(o, "reversible", opt->reversible);
    json_put_kbool(o, "allow_lossy", opt->allow_lossy);
    json_put_kstr(o, "base", opt->base);
    json_put_kstr(o, "config", str_of(opt->config ? opt->config : ""));
}

void plan_json(struct buf *b, const struct plan *p, const struct plan_request *request)
{
    struct json_out o = json_out(b, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR(SCHEMA));
    json_request(&o, request);
    json_put_kstr(&o, "family", str_of(p->family ? p->family : ""));
    json_put_ku64(&o, "total_bytes", plan_bytes(p));
    json_files(&o, p);
    json_put_key(&o, STR("tensors"));
    json_put_open(&o, '[');
    for (size_t i = 0; i < p->out.n_tensors; i++)
        json_tensor(&o, p, i);
    json_put_close(&o, ']');
    json_put_close(&o, '}');
    buf_puts(b, "\n");
}

/* ---- reading back -------------------------------------------------------------------------- */

/* The text of a member as a C string; NULL where it is empty. */
static const char *text(struct json *j, struct arena *a)
{
    struct str s = json_string(j);
    return json_ok(j) && s.len ? arena_str(a, s, j->err).at : NULL;
}

struct reading {
    const char *schema, *to, *type, *base;
};

static void read_member(struct json *j, struct str key, struct plan_request *r, struct reading *x,
                        struct arena *a)
{
    struct plan_options *opt = &r->options;
    const struct {
        const char *key, **text;
    } texts[] = {
        { "schema", &x->schema },   { "to", &x->to },         { "type", &x->type },
        { "base", &x->base },       { "source", &r->source }, { "dest", &r->dest },
        { "config", &opt->config },
    };
    const struct {
        const char *key;
        bool *flag;
    } flags[] = {
        { "one_file", &opt->one_file },
        { "reversible", &opt->reversible },
        { "allow_lossy", &opt->allow_lossy },
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (str_is(key, texts[i].key)) {
            *texts[i].text = text(j, a);
            return;
        }
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (str_is(key, flags[i].key)) {
            *flags[i].flag = json_bool(j);
            return;
        }
    if (str_is(key, "shard_bytes"))
        opt->shard_bytes = json_u64(j);
    else
        json_skip(j);
}

/* Is it the text of a request that can be made? */
static bool settle(struct plan_request *r, const struct reading *x)
{
    struct plan_options *opt = &r->options;
    bool keep = x->type && strcmp(x->type, "keep") == 0;
    opt->to = x->to ? form_find(str_of(x->to)) : FORM_NONE;
    opt->type = x->type && !keep ? dtype_find(x->type) : DTYPE_NONE;
    opt->base = str_of(x->base ? x->base : "model");
    return x->schema && strcmp(x->schema, SCHEMA) == 0 && r->source && opt->to != FORM_NONE &&
           (keep || dtype_info[opt->type].is_float);
}

bool plan_request_read(const char *path, struct plan_request *r, struct arena *a, struct err *e)
{
    struct span bytes;
    struct json j;
    struct str key;
    struct reading x = { 0 };
    *r = (struct plan_request){ 0 };
    if (!file_slurp(path, PLAN_MOST, a, &bytes, e))
        return false;
    json_open(&j, path, 0, (struct str){ (const char *)bytes.at, bytes.len }, a, e);
    json_object(&j);
    while (json_key(&j, &key))
        read_member(&j, key, r, &x, a);
    bool ok = json_end(&j);
    json_close(&j);
    return ok &&
           (settle(r, &x) || err_set(e, ERR_INPUT, "%s is not a plan that --plan wrote", path));
}
