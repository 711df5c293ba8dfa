/* show_tables.c - the tensor table and the metadata, as text for a terminal. */
#include "inspect/show.h"

#include "formats/base/text.h"

enum { SHOWN_DIMS = 8, SHOWN_TEXT = 60, SHOWN_ITEMS = 4 };

/* ---- the tensor table ----------------------------------------------------------------------- */

enum { COLUMNS = 6 };

/* Cells are written one after the other, each behind the last; ends[] are their ends. */
struct table {
    struct buf text;
    size_t *ends;
    size_t n, width[COLUMNS];
};

static size_t columns_of(struct str s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) /* code points: what is printed is UTF-8 */
        n += ((uint8_t)s.at[i] & 0xc0) != 0x80;
    return n;
}

static struct str cell(const struct table *t, size_t i)
{
    size_t begin = i ? t->ends[i - 1] : 0;
    return (struct str){ (const char *)t->text.at + begin, t->ends[i] - begin };
}

static void end_cell(struct table *t)
{
    size_t i = t->n++;
    if (!buf_ok(&t->text))
        return;
    t->ends[i] = t->text.len;
    size_t n = columns_of(cell(t, i));
    if (n > t->width[i % COLUMNS])
        t->width[i % COLUMNS] = n;
}

static void put_shape(struct buf *b, const struct tensor *t)
{
    buf_puts(b, "[");
    for (uint32_t i = 0; i < t->ndim && i < SHOWN_DIMS; i++)
        buf_printf(b, "%s%llu", i ? "," : "", (unsigned long long)t->dim[i]);
    if (t->ndim > SHOWN_DIMS)
        buf_printf(b, ",... %u dimensions", t->ndim);
    buf_puts(b, "]");
}

static void add_tensor(struct table *t, const struct model *m, const struct tensor *x)
{
    struct buf *b = &t->text;
    char count[32];
    text_escape(b, x->name);
    end_cell(t);
    buf_puts(b, dtype_info[x->dtype].name);
    end_cell(t);
    put_shape(b, x);
    end_cell(t);
    buf_puts(b, text_count(count, x->bytes));
    end_cell(t);
    buf_printf(b, "%llu", (unsigned long long)x->offset);
    end_cell(t);
    text_escape(b, m->files[x->file].name);
    end_cell(t);
}

static void add_titles(struct table *t)
{
    static const char *const titles[COLUMNS] = { "tensor", "type",   "shape",
                                                 "bytes",  "offset", "file" };
    for (size_t c = 0; c < COLUMNS; c++) {
        buf_puts(&t->text, titles[c]);
        end_cell(t);
    }
}

static void pad(struct buf *b, size_t n)
{
    while (n-- > 0)
        buf_puts(b, " ");
}

static void print_table(struct buf *b, const struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t c = i % COLUMNS;
        struct str s = cell(t, i);
        size_t gap = t->width[c] - columns_of(s);
        bool number = c == 3 || c == 4;
        pad(b, number ? gap : 0);
        buf_str(b, s);
        if (c == COLUMNS - 1)
            buf_puts(b, "\n");
        else
            pad(b, (number ? 0 : gap) + 2);
    }
}

void show_tensors(struct buf *b, const struct model *m, const struct select *s)
{
    struct table t = { .text = buf_make(b->err) };
    t.ends = mem_resize(NULL, (m->n_tensors + 1) * COLUMNS * sizeof *t.ends, b->err);
    if (!t.ends) {
        b->failed = true;
        return;
    }
    add_titles(&t);
    for (size_t i = 0; i < m->n_tensors; i++)
        if (select_has(s, m->tensors[i].name))
            add_tensor(&t, m, &m->tensors[i]);
    if (buf_ok(&t.text))
        print_table(b, &t);
    else
        b->failed = true;
    mem_free(t.ends);
    buf_free(&t.text);
}

/* ---- metadata ----------------------------------------------------------------------------------
 */

/* The beginning of a text, in quotes; cut between characters. */
static void put_text(struct buf *b, struct str s)
{
    char count[32];
    struct str part = { s.at, s.len < SHOWN_TEXT ? s.len : SHOWN_TEXT };
    while (part.len && part.len < s.len && ((uint8_t)s.at[part.len] & 0xc0) == 0x80)
        part.len--;
    buf_puts(b, "\"");
    text_escape(b, part);
    buf_puts(b, "\"");
    if (part.len < s.len) {
        buf_puts(b, "... (");
        buf_printf(b, "%s bytes)", text_count(count, s.len));
    }
}

static void put_scalar(struct buf *b, enum meta_type type, const uint8_t *p)
{
    struct json_out o = json_out(b, JSON_COMPACT);
    show_scalar(&o, type, p);
}

static void put_array(struct buf *b, const struct meta *v)
{
    uint64_t n = v->count < SHOWN_ITEMS ? v->count : SHOWN_ITEMS;
    uint32_t each = meta_type_bytes(v->item);
    size_t at = 0;
    char count[32];
    struct str text;
    buf_puts(b, "[");
    for (uint64_t i = 0; i < n; i++) {
        buf_puts(b, i ? ", " : "");
        if (v->item != META_STRING)
            put_scalar(b, v->item, v->bytes.at + i * each);
        else if (meta_next_str(v, &at, &text))
            put_text(b, text);
    }
    if (n < v->count) {
        buf_printf(b, ", ... %s", text_count(count, v->count));
    }
    buf_puts(b, "]");
}

void show_metadata(struct buf *b, const struct model *m)
{
    const struct metadata *all = &m->files[0].metadata;
    struct str text;
    for (size_t i = 0; i < all->n; i++) {
        const struct meta *v = &all->all[i];
        text_escape(b, v->key);
        buf_printf(b, "  %s", meta_type_name(v->type));
        if (v->type == META_ARRAY)
            buf_printf(b, " of %s", meta_type_name(v->item));
        buf_puts(b, "  ");
        if (v->type == META_ARRAY)
            put_array(b, v);
        else if (meta_str(v, &text))
            put_text(b, text);
        else
            put_scalar(b, v->type, v->bytes.at);
        buf_puts(b, "\n");
    }
}
