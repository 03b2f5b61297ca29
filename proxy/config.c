/* config: snapshots of the configuration, made of files and flags or of older ones. What a
 * directive is stands in config_table.c, what a value looks like in config_value.c, how files and
 * flags are read in config_read.c. */
#define _GNU_SOURCE
#include "config.h"

#include "base/log.h"
#include "config_build.h"
#include "version.h"
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_MAX_PROBLEMS 20 /* shown */

static struct config_snapshot *config_snapshot_of(const struct config *config)
{
    return (struct config_snapshot *)config;
}

static uint32_t config_index_of(const struct config_directive *d)
{
    return (uint32_t)(d - config_directives);
}

/* --- problems --- */

void config_problem(struct config_build *b, const struct config_origin *origin, const char *format,
                    ...)
{
    va_list args;

    if (++b->nproblems > CONFIG_MAX_PROBLEMS)
        return;
    fputs(b->nproblems > 1 ? "\n" : "", b->problems);
    if (origin && origin->kind == CONFIG_ORIGIN_FILE)
        fprintf(b->problems, "%s:%u: ", b->snapshot->files.v[origin->file], origin->line);
    else if (origin && origin->kind == CONFIG_ORIGIN_FLAG)
        fputs("command line: ", b->problems);
    va_start(args, format);
    vfprintf(b->problems, format, args);
    va_end(args);
}

/* --- snapshots --- */

void config_apply(struct config_build *b, const struct config_directive *d, char *const *words,
                  uint32_t n, struct config_origin origin)
{
    char why[CONFIG_WHY_LEN];
    struct config_origin *old = &b->snapshot->origins[config_index_of(d)];
    /* Words of a list add up within one source; the next source starts anew. */
    bool append = d->kind == CONFIG_LIST && old->kind == origin.kind;

    if (config_value_set(&b->snapshot->config, d, words, n, append, why))
        *old = origin;
    else
        config_problem(b, &origin, "%s: %s", d->name, why);
}

static struct config_snapshot *config_snapshot_new(void)
{
    struct config_snapshot *s = calloc(1, sizeof(*s));
    char why[CONFIG_WHY_LEN];

    if (!s || config_directive_count > CONFIG_MAX_DIRECTIVES)
        abort();
    s->config.refs = 1;
    for (uint32_t i = 0; i < config_directive_count; i++) {
        char *word = (char *)config_directives[i].fallback;
        if (!config_value_set(&s->config, &config_directives[i], &word, 1, false, why))
            abort(); /* the table contradicts itself */
    }
    return s;
}

static void config_copy_list(struct config_list *to, const struct config_list *from)
{
    for (uint32_t i = 0; i < from->n; i++)
        config_list_add(to, from->v[i]);
}

static struct config_snapshot *config_snapshot_copy(const struct config_snapshot *old)
{
    struct config_snapshot *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->config.refs = 1;
    for (uint32_t i = 0; i < config_directive_count; i++)
        config_value_copy(&s->config, &old->config, &config_directives[i]);
    memcpy(s->origins, old->origins, sizeof(s->origins));
    config_copy_list(&s->files, &old->files);
    config_copy_list(&s->flags, &old->flags);
    return s;
}

struct config *config_ref(const struct config *config)
{
    struct config *c = (struct config *)config;

    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void config_unref(const struct config *config)
{
    struct config_snapshot *s = config_snapshot_of(config);

    if (!s || atomic_fetch_sub_explicit(&s->config.refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < config_directive_count; i++)
        config_value_free(&s->config, &config_directives[i]);
    config_list_free(&s->files);
    config_list_free(&s->flags);
    free(s);
}

/* --- the whole --- */

/* What no single value shows. */
static void config_check_together(struct config_build *b)
{
    const struct config *c = &b->snapshot->config;

    if (!c->port && !*c->unixsocket)
        config_problem(b, NULL,
                       "port: there is nothing to listen on; allowed: a port other than 0, or a "
                       "unixsocket");
    if (c->port && c->port == c->stats_port)
        config_problem(b, NULL,
                       "stats-port: %u is the port for clients too; allowed: another one, or 0",
                       c->stats_port);
    if (c->client_output_limit < c->client_output_window)
        config_problem(b, NULL,
                       "client-output-limit: it is below client-output-window; allowed: that "
                       "or more");
    if (c->client_query_buffer_limit < c->proto_max_bulk_len)
        config_problem(b, NULL,
                       "client-query-buffer-limit: it is below proto-max-bulk-len; allowed: that "
                       "or more");
}

/* Asked of whole configurations only: a running slotway knows its nodes. */
static void config_check_nodes(struct config_build *b)
{
    if (b->snapshot->config.cluster_nodes.n == 0)
        config_problem(b, NULL,
                       "cluster-nodes: no node is named; allowed: HOST:PORT of at least one node "
                       "(slotway HOST:PORT, or cluster-nodes in the file)");
}

static void config_build_start(struct config_build *b, char **text, size_t *len)
{
    *b = (struct config_build){.problems = open_memstream(text, len),
                               .max_files = CONFIG_MAX_FILES};
    if (!b->problems)
        abort();
}

/* The finished snapshot; or NULL, with the problems in error. */
static struct config *config_build_end(struct config_build *b, char **text,
                                       struct config_error *error)
{
    struct config *config = &b->snapshot->config;

    fclose(b->problems);
    if (error)
        snprintf(error->text, sizeof(error->text), "%s", *text);
    free(*text);
    if (b->nproblems == 0)
        return config;
    config_unref(config);
    return NULL;
}

static void config_build_from_flags(struct config_build *b, struct config_command_line *line)
{
    config_read_flags(b, line, false);
    if (b->nproblems || line->help || line->version)
        return;
    if (line->file)
        config_read_file(b, line->file, NULL);
    config_read_flags(b, line, true);
    if (b->nproblems == 0) {
        config_check_together(b);
        config_check_nodes(b);
    }
}

enum config_outcome config_load(int argc, char *const argv[], FILE *out, FILE *err,
                                struct config **config)
{
    char *text;
    size_t len;
    struct config_build b;
    struct config_command_line line = {0};

    config_build_start(&b, &text, &len);
    b.snapshot = config_snapshot_new();
    for (int i = 1; i < argc; i++)
        config_list_add(&b.snapshot->flags, argv[i]);
    config_build_from_flags(&b, &line);
    fflush(b.problems);
    if (b.nproblems)
        fprintf(err, "slotway: bad configuration\n%s\n", text);
    else if (line.help)
        config_print_help(out);
    else if (line.version)
        fprintf(out, "slotway %s\n", SLOTWAY_VERSION);
    else if (line.check)
        fprintf(out, "%s: the configuration is good\n", line.file ? line.file : "command line");
    *config = config_build_end(&b, &text, NULL);
    if (!*config)
        return CONFIG_FAILED;
    if (!line.help && !line.version && !line.check)
        return CONFIG_START;
    config_unref(*config);
    *config = NULL;
    return CONFIG_DONE;
}

/* What is fixed at start stays as it was, whatever the file says now. */
static void config_keep_fixed(struct config_snapshot *new, const struct config_snapshot *old)
{
    for (uint32_t i = 0; i < config_directive_count; i++) {
        const struct config_directive *d = &config_directives[i];
        if (d->flags & CONFIG_RUNTIME)
            continue;
        if (!config_value_equal(&new->config, &old->config, d)) {
            log_warning("%s cannot change while slotway runs: the old value stays until a restart",
                        d->name);
            config_value_free(&new->config, d);
            config_value_copy(&new->config, &old->config, d);
            new->origins[i] = old->origins[i];
        }
    }
}

struct config *config_reload(const struct config *old, struct config_error *error)
{
    char *text;
    size_t len;
    struct config_build b;
    struct config_command_line line = {0};

    config_build_start(&b, &text, &len);
    b.snapshot = config_snapshot_new();
    config_copy_list(&b.snapshot->flags, &config_snapshot_of(old)->flags);
    config_build_from_flags(&b, &line);
    struct config *config = config_build_end(&b, &text, error);
    if (config)
        config_keep_fixed(config_snapshot_of(config), config_snapshot_of(old));
    return config;
}

struct config *config_set(const struct config *old, const char *name, const char *value,
                          struct config_error *error)
{
    char *text;
    size_t len;
    struct config_build b;
    struct config_list words = {0};
    const struct config_origin origin = {.kind = CONFIG_ORIGIN_RUNTIME};

    config_build_start(&b, &text, &len);
    b.snapshot = config_snapshot_copy(config_snapshot_of(old));
    const struct config_directive *d = config_named(&b, name, &origin);
    if (d && !(d->flags & CONFIG_RUNTIME)) {
        config_problem(&b, &origin, "%s cannot change while slotway runs", d->name);
    } else if (d && d->kind != CONFIG_LIST) {
        config_apply(&b, d, (char *const *)&value, 1, origin);
    } else if (d && !config_list_split(&words, value, strlen(value))) {
        config_problem(&b, &origin, "%s: quotes that never close, or text right after them",
                       d->name);
    } else if (d) {
        /* Not a further source of words but a new list, also after an earlier CONFIG SET. */
        b.snapshot->origins[config_index_of(d)].kind = CONFIG_ORIGIN_DEFAULT;
        config_apply(&b, d, words.v, words.n, origin);
    }
    if (b.nproblems == 0)
        config_check_together(&b);
    config_list_free(&words);
    return config_build_end(&b, &text, error);
}

struct config *config_parse(const char *text, size_t len, const char *name,
                            struct config_error *error)
{
    char *problems;
    size_t problems_len;
    struct config_build b;

    config_build_start(&b, &problems, &problems_len);
    b.snapshot = config_snapshot_new();
    b.max_files = 1;
    config_read_text(&b, text, len, name);
    if (b.nproblems == 0)
        config_check_together(&b);
    return config_build_end(&b, &problems, error);
}

struct config *config_default(void)
{
    return &config_snapshot_new()->config;
}

/* --- the table and the sources, for whoever prints them --- */

uint32_t config_count(void)
{
    return config_directive_count;
}

const struct config_directive *config_at(uint32_t index)
{
    return &config_directives[index];
}

const char *config_name(const struct config_directive *d)
{
    return d->name;
}

bool config_is_secret(const struct config_directive *d)
{
    return d->flags & CONFIG_SECRET;
}

bool config_is_runtime(const struct config_directive *d)
{
    return d->flags & CONFIG_RUNTIME;
}

const char *config_section_of(const struct config_directive *d)
{
    return config_sections[d->section].title;
}

bool config_is_unused(const struct config_directive *d)
{
    return d->flags & CONFIG_UNUSED;
}

void config_source(const struct config *config, const struct config_directive *d,
                   char out[CONFIG_SOURCE_LEN])
{
    static const char *const names[] = {
        [CONFIG_ORIGIN_DEFAULT] = "default",
        [CONFIG_ORIGIN_FLAG] = "command line",
        [CONFIG_ORIGIN_RUNTIME] = "PROXY CONFIG SET",
    };
    const struct config_snapshot *s = config_snapshot_of(config);
    const struct config_origin *origin = &s->origins[config_index_of(d)];

    if (origin->kind == CONFIG_ORIGIN_FILE)
        snprintf(out, CONFIG_SOURCE_LEN, "%s:%u", s->files.v[origin->file], origin->line);
    else
        snprintf(out, CONFIG_SOURCE_LEN, "%s", names[origin->kind]);
}

void config_match(const struct config *config, const char *pattern,
                  void (*each)(void *ctx, const struct config_directive *d, const char *value),
                  void *ctx)
{
    for (uint32_t i = 0; i < config_directive_count; i++) {
        const struct config_directive *d = &config_directives[i];
        if (fnmatch(pattern, d->name, FNM_CASEFOLD) != 0)
            continue;
        char *value = config_value(config, d);
        each(ctx, d, value);
        free(value);
    }
}

const char *config_file(const struct config *config)
{
    const struct config_snapshot *s = config_snapshot_of(config);

    return s->files.n ? s->files.v[0] : "";
}
