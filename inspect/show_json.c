/* show_json.c - what is in a model, as JSON for programs: schema "weigh.inspect/1".
 *
 * Keys stand in a fixed order and there are no times, so that two runs give equal bytes. */
#include "inspect/show.h"

#include "quant/bytes.h"

#include <stdio.h>
#include <stdlib.h>

static void put_i64(struct json_out *o, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)v);
    json_put_raw(o, (struct str){ text, (size_t)n });
}

/* The shortest digits that read back as the same float: 0.1, not 0.10000000149011612. */
static double float_at(const uint8_t *p)
{
    uint32_t bits = load32(p);
    char text[32];
    float f;
    memcpy(&f, &bits, sizeof f);
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)f);
        if (strtof(text, NULL) == f)
            return strtod(text, NULL);
    }
    return (double)f; /* NaN */
}

static double double_at(const uint8_t *p)
{
    uint64_t bits = load64(p);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

void show_scalar(struct json_out *o, enum meta_type type, const uint8_t *p)
{
    switch (type) {
    case META_U8: json_put_u64(o, *p); break;
    case META_I8: put_i64(o, (int8_t)*p); break;
    case META_U16: json_put_u64(o, load16(p)); break;
    case META_I16: put_i64(o, (int16_t)load16(p)); break;
    case META_U32: json_put_u64(o, load32(p)); break;
    case META_I32: put_i64(o, (int32_t)load32(p)); break;
    case META_F32: json_put_double(o, float_at(p)); break;
    case META_BOOL: json_put_bool(o, *p != 0); break;
    case META_U64: json_put_u64(o, load64(p)); break;
    case META_I64: put_i64(o, (int64_t)load64(p)); break;
    case META_F64: json_put_double(o, double_at(p)); break;
    default: json_put_null(o); break; /* strings and arrays are no scalars */
    }
}

static void put_text_or_null(struct json_out *o, const char *key, const char *text)
{
    json_put_key(o, str_of(key));
    if (text)
        json_put_str(o, str_of(text));
    else
        json_put_null(o);
}

static void put_files(struct json_out *o, const struct model *m)
{
    json_put_key(o, STR("files"));
    json_put_open(o, '[');
    for (size_t i = 0; i < m->n_files; i++) {
        json_put_open(o, '{');
        json_put_kstr(o, "name", m->files[i].name);
        json_put_ku64(o, "bytes", m->files[i].size);
        json_put_ku64(o, "data_offset", m->files[i].data_offset);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

static void put_parameters(struct json_out *o, const struct facts *f)
{
    json_put_key(o, STR("parameters"));
    json_put_open(o, '{');
    json_put_ku64(o, "all", f->parameters);
    json_put_ku64(o, "mxfp4", f->mxfp4);
    json_put_key(o, STR("active"));
    if (f->active)
        json_put_u64(o, f->active);
    else
        json_put_null(o);
    json_put_close(o, '}');
}

static void put_metadata(struct json_out *o, const struct metadata *m)
{
    struct str text;
    json_put_key(o, STR("metadata"));
    json_put_open(o, '[');
    for (size_t i = 0; i < m->n; i++) {
        const struct meta *v = &m->all[i];
        json_put_open(o, '{');
        json_put_kstr(o, "key", v->key);
        json_put_kstr(o, "type", str_of(meta_type_name(v->type)));
        if (v->type == META_ARRAY) {
            json_put_kstr(o, "item", str_of(meta_type_name(v->item)));
            json_put_ku64(o, "count", v->count);
        } else {
            json_put_key(o, STR("value"));
            if (meta_str(v, &text))
                json_put_str(o, text);
            else
                show_scalar(o, v->type, v->bytes.at);
        }
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

static void put_tensors(struct json_out *o, const struct model *m, const struct select *s)
{
    json_put_key(o, STR("tensors"));
    json_put_open(o, '[');
    for (size_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        if (!select_has(s, t->name))
            continue;
        json_put_open(o, '{');
        json_put_kstr(o, "name", t->name);
        json_put_kstr(o, "dtype", str_of(dtype_info[t->dtype].name));
        json_put_key(o, STR("shape"));
        json_put_open(o, '[');
        for (uint32_t d = 0; d < t->ndim; d++)
            json_put_u64(o, t->dim[d]);
        json_put_close(o, ']');
        json_put_kstr(o, "file", m->files[t->file].name);
        json_put_ku64(o, "offset", t->offset);
        json_put_ku64(o, "bytes", t->bytes);
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

static void put_findings(struct json_out *o, const struct findings *f)
{
    json_put_kbool(o, "scanned", f->scanned);
    json_put_key(o, STR("findings"));
    json_put_open(o, '[');
    for (size_t i = 0; i < f->n; i++) {
        json_put_open(o, '{');
        json_put_kstr(o, "id", str_of(f->all[i].id));
        json_put_kstr(o, "severity", str_of(severity_name(f->all[i].severity)));
        json_put_kstr(o, "text", str_of(f->all[i].text));
        json_put_close(o, '}');
    }
    json_put_close(o, ']');
}

void show_json(struct buf *b, const struct facts *f, const struct findings *findings,
               const struct select *s)
{
    const struct model *m = f->model;
    struct buf text = buf_make(b->err);
    struct json_out o = json_out(&text, JSON_INDENT);
    json_put_open(&o, '{');
    json_put_kstr(&o, "schema", STR("weigh.inspect/1"));
    json_put_kstr(&o, "path", str_of(m->path));
    json_put_kstr(&o, "format", str_of(m->format->name));
    put_text_or_null(&o, "family", f->view.family ? f->view.family->name : NULL);
    put_text_or_null(&o, "form", f->view.family ? f->view.spelling->name : NULL);
    put_parameters(&o, f);
    put_files(&o, m);
    put_metadata(&o, &m->files[0].metadata);
    put_tensors(&o, m, s);
    put_findings(&o, findings);
    json_put_close(&o, '}');
    buf_puts(&text, "\n");
    b->failed |= !buf_ok(&text);
    json_put_safe(b, buf_text(&text));
    buf_free(&text);
}
