/* execute.c - runs plans on the worker pool.
 *
 * Two ways to cut the work: by tiles in file order (writing, file digests: a turn-taking lock
 * puts what must be in order back in order), and by tensors (leaves, comparisons). */
#include "formats/execute.h"

#include "formats/base/pool.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { DEFAULT_TILE = 1 << 20, GOOD_TILE = 4096, MAX_JOBS = 1024 };

struct run {
    const struct plan *plan;
    const struct execute_options *opt;
    unsigned jobs;
    uint64_t tile;           /* bytes, fitted to opt->mem */
    struct tile_memory each; /* of a worker */
    size_t *order;           /* tensors in file order */
    uint64_t *before;        /* tiles before order[i]; [n] is the number of tiles */
    struct worker {
        struct scratch scratch;
        uint8_t *out;
    } * workers;
    atomic_uint_fast64_t done;
    uint64_t total;
    struct arena arena;

    struct output *output; /* or NULL: the null writer */
    struct turns *turns;   /* or NULL: tiles may end in any order */
    struct file_hash hash; /* of the file that is being walked */
    size_t hash_file;
    struct file_digest *files;
    atomic_uint_fast64_t *lost;
    struct arena *digest_arena;

    execute_see *see;
    void *see_ctx;
};

/* ---- fitting ----------------------------------------------------------------------------- */

static uint64_t tile_rows(const struct recipe *r, uint64_t tile)
{
    uint64_t row = recipe_row_bytes(r), n = row ? tile / row : 0;
    return n ? n : 1;
}

/* What one worker's buffers grow to over all tensors. */
static struct tile_memory worker_memory(const struct plan *p, uint64_t tile)
{
    struct tile_memory most = { 0 };
    for (size_t i = 0; i < p->out.n_tensors; i++) {
        const struct recipe *r = &p->recipes[i];
        uint64_t rows = recipe_rows(r), n = tile_rows(r, tile);
        recipe_memory(r, n < rows ? n : rows, &most);
    }
    return most;
}

static uint64_t sum(const struct tile_memory *m, unsigned jobs)
{
    uint64_t all;
    bool ok = size_add(m->out, m->in[0], &all) && size_add(all, m->in[1], &all) &&
              size_add(all, m->turned, &all) && size_mul(all, jobs, &all);
    return ok ? all : UINT64_MAX;
}

/* Chooses jobs and tile so that the buffers stay below opt->mem. */
static bool fit(const struct plan *p, const struct execute_options *opt, unsigned *jobs,
                uint64_t *tile, struct tile_memory *each, struct err *e)
{
    *jobs = opt->jobs ? opt->jobs : pool_cores();
    *jobs = *jobs > MAX_JOBS ? MAX_JOBS : *jobs;
    *tile = opt->tile ? opt->tile : DEFAULT_TILE;
    *each = worker_memory(p, *tile);
    while (opt->mem && sum(each, *jobs) > opt->mem) {
        if (*tile > GOOD_TILE || (*jobs == 1 && *tile > 1)) {
            *tile /= 2;
            *each = worker_memory(p, *tile);
        } else if (*jobs > 1) {
            *jobs -= 1;
        } else { /* one worker, one row */
            unsigned long long need = sum(each, 1);
            err_set(e, ERR_MEMORY,
                    "one row of the largest tensor needs %llu bytes, --mem allows %llu", need,
                    (unsigned long long)opt->mem);
            return err_hint(e, "give --mem at least %llu", need);
        }
    }
    return true;
}

bool execute_memory(const struct plan *p, const struct execute_options *opt, uint64_t *bytes,
                    struct err *e)
{
    unsigned jobs;
    uint64_t tile;
    struct tile_memory each;
    if (!fit(p, opt, &jobs, &tile, &each, e))
        return false;
    *bytes = sum(&each, jobs);
    return true;
}

/* ---- setting up ---------------------------------------------------------------------------- */

struct placed {
    const struct tensor *t;
    size_t i;
};

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->t->file != y->t->file)
        return x->t->file < y->t->file ? -1 : 1;
    if (x->t->offset != y->t->offset)
        return x->t->offset < y->t->offset ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static bool plan_order(struct run *r, struct err *e)
{
    size_t n = r->plan->out.n_tensors;
    struct placed *all = arena_new(&r->arena, struct placed, n, e);
    r->order = arena_new(&r->arena, size_t, n, e);
    r->before = arena_new(&r->arena, uint64_t, (uint64_t)n + 1, e);
    if (!all || !r->order || !r->before)
        return false;
    for (size_t i = 0; i < n; i++)
        all[i] = (struct placed){ &r->plan->out.tensors[i], i };
    if (n)
        qsort(all, n, sizeof *all, by_place);
    for (size_t i = 0; i < n; i++) {
        const struct recipe *recipe = &r->plan->recipes[all[i].i];
        uint64_t rows = recipe_rows(recipe), step = tile_rows(recipe, r->tile);
        r->order[i] = all[i].i;
        r->before[i + 1] = r->before[i] + (rows + step - 1) / step;
        r->total += all[i].t->bytes;
    }
    return true;
}

static bool run_open(struct run *r, const struct plan *p, const struct execute_options *opt,
                     struct err *e)
{
    *r = (struct run){ .plan = p, .opt = opt };
    if (!fit(p, opt, &r->jobs, &r->tile, &r->each, e) || !plan_order(r, e))
        return false;
    r->workers = arena_new(&r->arena, struct worker, r->jobs, e);
    r->lost = arena_new(&r->arena, atomic_uint_fast64_t, p->out.n_tensors, e);
    return r->workers && r->lost;
}

static void run_close(struct run *r)
{
    for (unsigned i = 0; r->workers && i < r->jobs; i++) {
        scratch_free(&r->workers[i].scratch);
        mem_free(r->workers[i].out);
    }
    file_hash_close(&r->hash);
    if (r->turns)
        turns_close(r->turns);
    arena_free(&r->arena);
}

static bool worker_ready(struct run *r, unsigned worker, struct err *e)
{
    struct worker *w = &r->workers[worker];
    if (!w->out)
        w->out = mem_resize(NULL, r->each.out, e);
    return w->out != NULL;
}

static void advance(struct run *r, uint64_t bytes)
{
    uint64_t done = atomic_fetch_add(&r->done, bytes) + bytes;
    if (r->opt->progress)
        r->opt->progress(r->opt->ctx, done, r->total);
}

static bool make(struct run *r, size_t tensor, uint64_t row, uint64_t n, unsigned worker,
                 struct err *e)
{
    struct worker *w = &r->workers[worker];
    uint64_t lost = 0;
    bool ok = tile_make(r->plan, tensor, row, n, w->out, &w->scratch, &lost, e);
    if (lost)
        atomic_fetch_add(&r->lost[tensor], lost);
    return ok;
}

/* ---- by tiles in file order ------------------------------------------------------------------ */

static bool begin_file(struct run *r, struct err *e)
{
    const struct model_file *f = &r->plan->out.files[r->hash_file];
    if (!file_hash_open(&r->hash, f->size, true, r->digest_arena, e))
        return false;
    file_hash_add(&r->hash, f->header.at, f->header.len);
    return true;
}

/* Ends the digests of the files before `file`, zeros behind their last tensor included. */
static bool hash_to(struct run *r, size_t file, struct err *e)
{
    const struct model *out = &r->plan->out;
    while (r->hash_file < file) {
        file_hash_zeros(&r->hash, out->files[r->hash_file].size - r->hash.at);
        r->files[r->hash_file] = file_hash_end(&r->hash);
        file_hash_close(&r->hash);
        if (++r->hash_file < out->n_files && !begin_file(r, e))
            return false;
    }
    return true;
}

/* What must happen in file order: the digest, and writing to a stream. */
static bool finish_in_order(struct run *r, const struct tensor *t, uint64_t at, struct span bytes,
                            struct err *e)
{
    if (r->files) {
        if (!hash_to(r, t->file, e))
            return false;
        file_hash_zeros(&r->hash, t->offset + at - r->hash.at);
        file_hash_add(&r->hash, bytes.at, bytes.len);
    }
    return !r->output || !r->output->stream ||
           output_write(r->output, t->file, bytes, t->offset + at, e);
}

static size_t tensor_of_tile(const struct run *r, uint64_t tile)
{
    size_t low = 0, high = r->plan->out.n_tensors; /* before[low] <= tile < before[high] */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (r->before[middle] <= tile)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool tile_job(void *ctx, size_t job, unsigned worker, struct err *e)
{
    struct run *r = ctx;
    size_t k = tensor_of_tile(r, job), tensor = r->order[k];
    const struct recipe *recipe = &r->plan->recipes[tensor];
    const struct tensor *t = &r->plan->out.tensors[tensor];
    uint64_t rows = recipe_rows(recipe), step = tile_rows(recipe, r->tile);
    uint64_t first = (job - r->before[k]) * step, n = rows - first < step ? rows - first : step;
    uint64_t row = recipe_row_bytes(recipe);
    bool ok = worker_ready(r, worker, e) && make(r, tensor, first, n, worker, e);
    struct span bytes = { r->workers[worker].out, (size_t)(n * row) };
    if (ok && r->output && !r->output->stream)
        ok = output_write(r->output, t->file, bytes, t->offset + first * row, e);
    if (ok && r->turns) {
        ok = turn_wait(r->turns, job) && finish_in_order(r, t, first * row, bytes, e);
        if (ok)
            turn_done(r->turns);
    }
    if (!ok && r->turns)
        turns_stop(r->turns);
    if (ok)
        advance(r, bytes.len);
    return ok;
}

static bool run_tiles(struct run *r, struct err *e)
{
    bool ordered = r->files || (r->output && r->output->stream);
    if (ordered && !(r->turns = turns_open(e)))
        return false;
    size_t n = r->opt->holes ? 0 : (size_t)r->before[r->plan->out.n_tensors];
    if (r->files && !begin_file(r, e))
        return false;
    if (!pool_run(r->jobs, n, tile_job, r, e))
        return false;
    return !r->files || hash_to(r, r->plan->out.n_files, e);
}

/* ---- writing ------------------------------------------------------------------------------------
 */

static bool add_files(struct run *r, struct err *e)
{
    const struct plan *p = r->plan;
    for (size_t i = 0; i < p->out.n_files; i++) {
        size_t number;
        const struct model_file *f = &p->out.files[i];
        if (!output_add(r->output, f->name, f->size, &number, e) ||
            !output_write(r->output, number, f->header, 0, e))
            return false;
    }
    return true;
}

enum { COPY_BYTES = 1 << 20 };

static bool copy_file(struct output *o, size_t number, const struct extra *x, struct file_hash *h,
                      struct err *e)
{
    struct file f;
    if (!file_open(&f, x->copy_of, e))
        return false;
    uint8_t *buffer = mem_resize(NULL, COPY_BYTES, e);
    bool ok = buffer != NULL;
    if (ok && f.size != x->size)
        ok = err_set(e, ERR_INPUT, "%s changed while being read", x->copy_of);
    for (uint64_t at = 0; ok && at < f.size; at += COPY_BYTES) {
        uint64_t n = f.size - at < COPY_BYTES ? f.size - at : COPY_BYTES;
        ok = file_read(&f, buffer, n, at, e) &&
             output_write(o, number, (struct span){ buffer, (size_t)n }, at, e);
        if (ok && h)
            file_hash_add(h, buffer, n);
    }
    ok = ok && file_unchanged(&f, e);
    mem_free(buffer);
    file_close(&f);
    return ok;
}

static bool add_extra(struct run *r, const struct extra *x, struct file_digest *digest,
                      struct err *e)
{
    struct file_hash h = { 0 };
    size_t number;
    bool ok = output_add(r->output, x->name, x->size, &number, e) &&
              (!digest || file_hash_open(&h, x->size, true, r->digest_arena, e));
    if (ok && x->copy_of) {
        ok = copy_file(r->output, number, x, digest ? &h : NULL, e);
    } else if (ok) {
        ok = output_write(r->output, number, x->bytes, 0, e);
        if (ok && digest)
            file_hash_add(&h, x->bytes.at, x->bytes.len);
    }
    if (ok && digest)
        *digest = file_hash_end(&h);
    file_hash_close(&h);
    return ok;
}

static bool check(struct str name, const struct sha256 *want, const struct sha256 *got,
                  struct err *e)
{
    if (sha_eq(want, got))
        return true;
    err_set(e, ERR_INPUT, "restored file " STR_FMT " is not what was stored: its SHA-256 differs",
            STR_ARG(name));
    return err_hint(e, "the weights or the stored headers were changed after the conversion");
}

/* The digests of a restored set are those of the originals. */
static bool check_wanted(const struct plan *p, const struct execute_result *result, struct err *e)
{
    for (size_t i = 0; p->want && i < p->out.n_files; i++)
        if (!check(p->out.files[i].name, &p->want[i], &result->files[i].sha, e))
            return false;
    for (size_t i = 0; i < p->n_extras; i++)
        if (p->extras[i].want &&
            !check(p->extras[i].name, p->extras[i].want, &result->extras[i].sha, e))
            return false;
    return true;
}

static bool write_all(struct run *r, const char *path, bool replace, bool digests,
                      struct execute_result *result, struct err *e)
{
    const struct plan *p = r->plan;
    struct output o;
    if (!output_open(&o, path, p->directory, replace, e))
        return false;
    r->output = &o;
    bool ok = output_room(&o, r->opt->holes ? 0 : plan_bytes(p), e) && add_files(r, e);
    for (size_t i = 0; ok && i < p->n_extras; i++)
        ok = add_extra(r, &p->extras[i], digests ? &result->extras[i] : NULL, e);
    ok = ok && run_tiles(r, e) && model_unchanged(p->src, e) && check_wanted(p, result, e) &&
         output_commit(&o, e);
    output_close(&o);
    return ok;
}

bool execute_write(const struct plan *p, const char *path, bool replace,
                   const struct execute_options *opt, struct execute_result *result,
                   struct arena *a, struct err *e)
{
    struct run r;
    bool digests = opt->digests || p->want;
    *result = (struct execute_result){ 0 };
    bool ok = run_open(&r, p, opt, e);
    if (ok) /* before: nothing may fail once the output stands */
        ok = (result->lost = arena_new(a, uint64_t, p->out.n_tensors, e)) != NULL;
    if (ok && digests) {
        result->files = arena_new(a, struct file_digest, p->out.n_files, e);
        result->extras = arena_new(a, struct file_digest, p->n_extras, e);
        ok = result->files && result->extras;
    }
    r.files = result->files;
    r.digest_arena = a;
    ok = ok && write_all(&r, path, replace, digests, result, e);
    for (size_t i = 0; ok && i < p->out.n_tensors; i++)
        result->lost[i] = atomic_load(&r.lost[i]);
    run_close(&r);
    return ok;
}

/* ---- by tensors ------------------------------------------------------------------------------ */

static bool tensor_job(void *ctx, size_t tensor, unsigned worker, struct err *e)
{
    struct run *r = ctx;
    const struct recipe *recipe = &r->plan->recipes[tensor];
    uint64_t rows = recipe_rows(recipe), step = tile_rows(recipe, r->tile);
    uint64_t row = recipe_row_bytes(recipe);
    if (!worker_ready(r, worker, e))
        return false;
    for (uint64_t at = 0; at < rows; at += step) {
        uint64_t n = rows - at < step ? rows - at : step;
        struct span bytes = { r->workers[worker].out, (size_t)(n * row) };
        if (!make(r, tensor, at, n, worker, e) || !r->see(r->see_ctx, tensor, at * row, bytes, e))
            return false;
        advance(r, bytes.len);
    }
    return true;
}

bool execute_each(const struct plan *p, const struct execute_options *opt, execute_see *see,
                  void *ctx, struct err *e)
{
    struct run r;
    bool ok = run_open(&r, p, opt, e);
    r.see = see;
    r.see_ctx = ctx;
    ok = ok && pool_run(r.jobs, p->out.n_tensors, tensor_job, &r, e) && model_unchanged(p->src, e);
    run_close(&r);
    return ok;
}

/* One running digest for each tensor, opened at its first bytes. */
static bool add_to_leaf(void *ctx, size_t tensor, uint64_t at, struct span bytes, struct err *e)
{
    struct sha_stream *s = ctx;
    if (at == 0 && !sha_open(&s[tensor], e))
        return false;
    sha_add(&s[tensor], bytes.at, bytes.len);
    return true;
}

static bool leaves_of(const struct plan *p, const struct execute_options *opt,
                      struct sha256 *leaves, struct err *e)
{
    struct arena scratch = { 0 };
    size_t n = p->out.n_tensors;
    struct sha_stream *s = arena_new(&scratch, struct sha_stream, n, e);
    bool ok = s && execute_each(p, opt, add_to_leaf, s, e);
    for (size_t i = 0; s && i < n; i++) {
        if (ok && !s[i].ctx) /* an empty tensor */
            ok = sha_open(&s[i], e);
        if (s[i].ctx)
            leaves[i] = sha_end(&s[i]);
        sha_close(&s[i]);
    }
    arena_free(&scratch);
    return ok;
}

bool execute_digests(const struct plan *p, const struct execute_options *opt, struct sha256 *leaves,
                     struct file_digest *files, struct arena *a, struct err *e)
{
    if (leaves && !leaves_of(p, opt, leaves, e))
        return false;
    if (!files)
        return true;
    struct run r;
    bool ok = run_open(&r, p, opt, e);
    r.files = files;
    r.digest_arena = a;
    ok = ok && run_tiles(&r, e) && model_unchanged(p->src, e);
    run_close(&r);
    return ok;
}
