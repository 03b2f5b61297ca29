/* config: reads files and flags into a snapshot of values, and makes new snapshots from old ones.
 * What a directive is stands in config_table.c, what a value looks like in config_value.c. */
#define _GNU_SOURCE
#include "config.h"

#include "base/log.h"
#include "config_table.h"
#include "version.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define MAX_FILES      64 /* read, with every include */
#define MAX_PROBLEMS   20 /* shown */
#define MAX_FILE_SIZE  (1 << 20)
#define MAX_DIRECTIVES 128

/* Later kinds win over earlier ones. */
enum origin_kind { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_FLAG, ORIGIN_RUNTIME };

struct origin {
    uint8_t kind;  /* enum origin_kind */
    uint16_t file; /* position in files, ORIGIN_FILE only */
    uint32_t line;
};

/* What a struct config really is: its public part first, so that a pointer to one is a pointer to
 * the other. */
struct snapshot {
    struct config config;
    struct origin origins[MAX_DIRECTIVES];
    struct config_list files; /* every file read, by name; the first is the one of -c */
    struct config_list flags; /* command line, without the program's name: read again on reload */
};

/* A snapshot being made. */
struct build {
    struct snapshot *snapshot;
    FILE *problems; /* one line each */
    uint32_t nproblems;
    uint32_t max_files;
};

static struct snapshot *snapshot_of(const struct config *config)
{
    return (struct snapshot *)config;
}

static uint32_t index_of(const struct config_directive *d)
{
    return (uint32_t)(d - config_directives);
}

/* --- problems --- */

__attribute__((format(printf, 3, 4))) static void
problem(struct build *b, const struct origin *origin, const char *format, ...)
{
    va_list args;

    if (++b->nproblems > MAX_PROBLEMS)
        return;
    fputs(b->nproblems > 1 ? "\n" : "", b->problems);
    if (origin && origin->kind == ORIGIN_FILE)
        fprintf(b->problems, "%s:%u: ", b->snapshot->files.v[origin->file], origin->line);
    else if (origin && origin->kind == ORIGIN_FLAG)
        fputs("command line: ", b->problems);
    va_start(args, format);
    vfprintf(b->problems, format, args);
    va_end(args);
}

/* --- names --- */

static bool has_alias(const struct config_directive *d, const char *name)
{
    size_t len = strlen(name);

    for (const char *s = d->aliases; s && *s; s += strspn(s, " ")) {
        size_t word = strcspn(s, " ");
        if (word == len && strncasecmp(s, name, len) == 0)
            return true;
        s += word;
    }
    return false;
}

const struct config_directive *config_find(const char *name)
{
    for (uint32_t i = 0; i < config_directive_count; i++) {
        const struct config_directive *d = &config_directives[i];
        if (strcasecmp(d->name, name) == 0 || has_alias(d, name))
            return d;
    }
    return NULL;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many characters must be added, removed or changed to make b of a (Levenshtein). */
static uint32_t distance(const char *a, const char *b)
{
    uint32_t row[64];
    uint32_t len = (uint32_t)strlen(b);

    for (uint32_t j = 0; j <= len; j++)
        row[j] = j;
    for (uint32_t i = 1; *a; i++, a++) {
        uint32_t diagonal = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= len; j++) {
            bool same = tolower((unsigned char)*a) == b[j - 1];
            uint32_t change = diagonal + (same ? 0 : 1);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[len];
}

/* The name that was probably meant, NULL if none is near. */
static const char *nearest(const char *name)
{
    const char *best = NULL;
    uint32_t best_distance = (uint32_t)least((uint32_t)strlen(name) / 2, 4) + 1;

    for (uint32_t i = 0; i < config_directive_count && strlen(name) < 64; i++) {
        uint32_t d = distance(name, config_directives[i].name);
        if (d < best_distance) {
            best = config_directives[i].name;
            best_distance = d;
        }
    }
    return best;
}

static const struct config_directive *find_or_complain(struct build *b, const char *name,
                                                       const struct origin *origin)
{
    const struct config_directive *d = config_find(name);
    const char *guess;

    if (!d && (guess = nearest(name)))
        problem(b, origin, "unknown directive \"%.60s\"; did you mean \"%s\"?", name, guess);
    else if (!d)
        problem(b, origin, "unknown directive \"%.60s\"; slotway --help lists all", name);
    return d;
}

/* --- snapshots --- */

static void apply(struct build *b, const struct config_directive *d, char *const *words, uint32_t n,
                  struct origin origin)
{
    char why[CONFIG_WHY_LEN];
    struct origin *old = &b->snapshot->origins[index_of(d)];
    /* Words of a list add up within one source; the next source starts anew. */
    bool append = d->kind == CONFIG_LIST && old->kind == origin.kind;

    if (config_value_set(&b->snapshot->config, d, words, n, append, why))
        *old = origin;
    else
        problem(b, &origin, "%s: %s", d->name, why);
}

static struct snapshot *snapshot_new(void)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    char why[CONFIG_WHY_LEN];

    if (!s || config_directive_count > MAX_DIRECTIVES)
        abort();
    s->config.refs = 1;
    for (uint32_t i = 0; i < config_directive_count; i++) {
        char *word = (char *)config_directives[i].fallback;
        if (!config_value_set(&s->config, &config_directives[i], &word, 1, false, why))
            abort(); /* the table contradicts itself */
    }
    return s;
}

static void copy_list(struct config_list *to, const struct config_list *from)
{
    for (uint32_t i = 0; i < from->n; i++)
        config_list_add(to, from->v[i]);
}

static struct snapshot *snapshot_copy(const struct snapshot *old)
{
    struct snapshot *s = calloc(1, sizeof(*s));

    if (!s)
        abort();
    s->config.refs = 1;
    for (uint32_t i = 0; i < config_directive_count; i++)
        config_value_copy(&s->config, &old->config, &config_directives[i]);
    memcpy(s->origins, old->origins, sizeof(s->origins));
    copy_list(&s->files, &old->files);
    copy_list(&s->flags, &old->flags);
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
    struct snapshot *s = snapshot_of(config);

    if (!s || atomic_fetch_sub_explicit(&s->config.refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < config_directive_count; i++)
        config_value_free(&s->config, &config_directives[i]);
    config_list_free(&s->files);
    config_list_free(&s->flags);
    free(s);
}

/* --- files --- */

static void read_file(struct build *b, const char *path, const struct origin *from);

static bool has_file(const struct config_list *files, const char *path)
{
    for (uint32_t i = 0; i < files->n; i++) {
        if (strcmp(files->v[i], path) == 0)
            return true;
    }
    return false;
}

/* The path of an included file is relative to the file that names it. */
static void include(struct build *b, const char *word, const struct origin *origin)
{
    const struct config_list *files = &b->snapshot->files;
    const char *from = files->v[origin->file];
    const char *slash = strrchr(from, '/');
    int dir = *word == '/' || !slash ? 0 : (int)(slash - from) + 1;
    char *path;

    if (files->n >= b->max_files) {
        problem(b, origin, "include: too many files; allowed: %u in all", b->max_files);
        return;
    }
    if (asprintf(&path, "%.*s%s", dir, from, word) < 0)
        abort();
    if (has_file(files, path))
        problem(b, origin, "include: %s was read before; allowed: each file once", path);
    else
        read_file(b, path, origin);
    free(path);
}

static void read_line(struct build *b, const char *line, size_t len, const struct origin *origin)
{
    struct config_list words = {0};
    const struct config_directive *d;

    while (len && isspace((unsigned char)*line)) {
        line++;
        len--;
    }
    if (len == 0 || *line == '#')
        return;
    if (!config_list_split(&words, line, len))
        problem(b, origin, "quotes that never close, text right after them, or a NUL byte");
    else if (strcasecmp(words.v[0], "include") == 0 && words.n == 2)
        include(b, words.v[1], origin);
    else if (strcasecmp(words.v[0], "include") == 0)
        problem(b, origin, "include: one file name is allowed");
    else if ((d = find_or_complain(b, words.v[0], origin)))
        apply(b, d, words.v + 1, words.n - 1, *origin);
    config_list_free(&words);
}

static void read_text(struct build *b, const char *text, size_t len, const char *name)
{
    struct origin origin = {.kind = ORIGIN_FILE, .file = (uint16_t)b->snapshot->files.n};
    const char *end = text + len;

    config_list_add(&b->snapshot->files, name);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = (size_t)((newline ? newline : end) - text);
        origin.line++;
        read_line(b, text, line, &origin);
        text += line + (newline ? 1 : 0);
    }
}

/* The content of a file of at most MAX_FILE_SIZE bytes, or NULL with errno set. Caller frees. */
static char *slurp(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(MAX_FILE_SIZE + 1);
    ssize_t n = 0;

    for (*len = 0; text && *len <= MAX_FILE_SIZE; *len += (size_t)n) {
        n = read(fd, text + *len, MAX_FILE_SIZE + 1 - *len);
        if (n <= 0)
            break;
    }
    if (n < 0 || *len > MAX_FILE_SIZE) {
        errno = n < 0 ? errno : EFBIG;
        free(text);
        text = NULL;
    }
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return text;
}

static void read_file(struct build *b, const char *path, const struct origin *from)
{
    size_t len;
    char *text = slurp(path, &len);

    if (!text) {
        problem(b, from, "cannot read %s: %s", path, strerror(errno));
        return;
    }
    read_text(b, text, len, path);
    free(text);
}

/* --- the command line --- */

struct command_line {
    const char *file; /* -c, NULL: none */
    bool check;       /* -t */
    bool help;
    bool version;
};

static bool is_option(const char *word)
{
    static const char *const options[] = {"-c", "-t", "-h", "--help", "-V", "-v", "--version"};

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        if (strcmp(word, options[i]) == 0)
            return true;
    }
    return false;
}

static bool is_flag(const char *word)
{
    return strncmp(word, "--", 2) == 0;
}

/* Where the values of the flag before position i end: one, or for lists all up to a next flag. */
static uint32_t flag_end(const struct config_list *flags, uint32_t i,
                         const struct config_directive *d)
{
    uint32_t most = d && d->kind == CONFIG_LIST ? UINT32_MAX : 1;
    uint32_t end = i;

    while (end < flags->n && end - i < most && !is_flag(flags->v[end]) &&
           (most == 1 || !is_option(flags->v[end])))
        end++;
    return end;
}

/* --NAME VALUE, --NAME=VALUE, or --LIST VALUE VALUE …; returns the position after it. */
static uint32_t read_flag(struct build *b, const struct config_list *flags, uint32_t i, bool values)
{
    const struct origin origin = {.kind = ORIGIN_FLAG};
    char *name = flags->v[i] + 2;
    char *equals = strchr(name, '=');
    char *copy = equals ? strndup(name, (size_t)(equals - name)) : strdup(name);
    const struct config_directive *d = values ? find_or_complain(b, copy, &origin)
                                              : config_find(copy);
    char *word = equals ? equals + 1 : NULL;
    uint32_t end = equals ? i + 1 : flag_end(flags, i + 1, d);

    free(copy);
    if (d && values)
        apply(b, d, equals ? &word : flags->v + i + 1, equals ? 1 : end - i - 1, origin);
    return end;
}

static void read_node(struct build *b, char *word)
{
    const struct origin origin = {.kind = ORIGIN_FLAG};
    size_t len = strlen(word);

    if (len > 5 && strcmp(word + len - 5, ".conf") == 0)
        problem(b, &origin, "\"%.100s\" is not a node; a configuration file is given with -c",
                word);
    else if (word[0] == '-')
        problem(b, &origin, "unknown option \"%.60s\"; slotway --help lists all", word);
    else
        apply(b, config_find("cluster-nodes"), &word, 1, origin);
}

/* The options with one dash, --help and --version. False: it is none of them. */
static bool read_option(struct build *b, const struct config_list *flags, uint32_t *i,
                        struct command_line *line)
{
    const char *word = flags->v[*i];

    if (strcmp(word, "-t") == 0) {
        line->check = true;
    } else if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
        line->help = true;
    } else if (strcmp(word, "-V") == 0 || strcmp(word, "-v") == 0 ||
               strcmp(word, "--version") == 0) {
        line->version = true;
    } else if (strcmp(word, "-c") == 0) {
        if (*i + 1 < flags->n)
            line->file = flags->v[++*i];
        else
            problem(b, &(struct origin){.kind = ORIGIN_FLAG}, "-c: the file name is missing");
    } else {
        return false;
    }
    ++*i;
    return true;
}

/* The file first, as flags win over it: flags are read twice, the second time for their values. */
static void read_command_line(struct build *b, struct command_line *line, bool values)
{
    const struct config_list *flags = &b->snapshot->flags;
    bool nodes_only = false;

    for (uint32_t i = 0; i < flags->n;) {
        char *word = flags->v[i];
        if (!nodes_only && read_option(b, flags, &i, line))
            continue;
        if (!nodes_only && strcmp(word, "--") != 0 && is_flag(word)) {
            i = read_flag(b, flags, i, values);
            continue;
        }
        if (!nodes_only && strcmp(word, "--") == 0)
            nodes_only = true;
        else if (values)
            read_node(b, word);
        i++;
    }
}

/* --- the whole --- */

/* What no single value shows. */
static void check_together(struct build *b)
{
    const struct config *c = &b->snapshot->config;

    if (!c->port && !*c->unixsocket)
        problem(b, NULL,
                "port: there is nothing to listen on; allowed: a port other than 0, or a "
                "unixsocket");
    if (c->port && c->port == c->stats_port)
        problem(b, NULL, "stats-port: %u is the port for clients too; allowed: another one, or 0",
                c->stats_port);
    if (c->client_output_limit < c->client_output_window)
        problem(b, NULL,
                "client-output-limit: it is below client-output-window; allowed: that "
                "or more");
    if (c->client_query_buffer_limit < c->proto_max_bulk_len)
        problem(b, NULL,
                "client-query-buffer-limit: it is below proto-max-bulk-len; allowed: that "
                "or more");
}

/* Asked of whole configurations only: a running slotway knows its nodes. */
static void check_nodes(struct build *b)
{
    if (b->snapshot->config.cluster_nodes.n == 0)
        problem(b, NULL,
                "cluster-nodes: no node is named; allowed: HOST:PORT of at least one node "
                "(slotway HOST:PORT, or cluster-nodes in the file)");
}

static void build_start(struct build *b, char **text, size_t *len)
{
    *b = (struct build){.problems = open_memstream(text, len), .max_files = MAX_FILES};
    if (!b->problems)
        abort();
}

/* The finished snapshot; or NULL, with the problems in error. */
static struct config *build_end(struct build *b, char **text, struct config_error *error)
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

static void build_from_flags(struct build *b, struct command_line *line)
{
    read_command_line(b, line, false);
    if (b->nproblems || line->help || line->version)
        return;
    if (line->file)
        read_file(b, line->file, NULL);
    read_command_line(b, line, true);
    if (b->nproblems == 0) {
        check_together(b);
        check_nodes(b);
    }
}

enum config_outcome config_load(int argc, char *const argv[], FILE *out, FILE *err,
                                struct config **config)
{
    char *text;
    size_t len;
    struct build b;
    struct command_line line = {0};

    build_start(&b, &text, &len);
    b.snapshot = snapshot_new();
    for (int i = 1; i < argc; i++)
        config_list_add(&b.snapshot->flags, argv[i]);
    build_from_flags(&b, &line);
    fflush(b.problems);
    if (b.nproblems)
        fprintf(err, "slotway: bad configuration\n%s\n", text);
    else if (line.help)
        config_print_help(out);
    else if (line.version)
        fprintf(out, "slotway %s\n", SLOTWAY_VERSION);
    else if (line.check)
        fprintf(out, "%s: the configuration is good\n", line.file ? line.file : "command line");
    *config = build_end(&b, &text, NULL);
    if (!*config)
        return CONFIG_FAILED;
    if (!line.help && !line.version && !line.check)
        return CONFIG_START;
    config_unref(*config);
    *config = NULL;
    return CONFIG_DONE;
}

/* What is fixed at start stays as it was, whatever the file says now. */
static void keep_fixed(struct snapshot *new, const struct snapshot *old)
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
    struct build b;
    struct command_line line = {0};

    build_start(&b, &text, &len);
    b.snapshot = snapshot_new();
    copy_list(&b.snapshot->flags, &snapshot_of(old)->flags);
    build_from_flags(&b, &line);
    struct config *config = build_end(&b, &text, error);
    if (config)
        keep_fixed(snapshot_of(config), snapshot_of(old));
    return config;
}

struct config *config_set(const struct config *old, const char *name, const char *value,
                          struct config_error *error)
{
    char *text;
    size_t len;
    struct build b;
    struct config_list words = {0};
    const struct origin origin = {.kind = ORIGIN_RUNTIME};

    build_start(&b, &text, &len);
    b.snapshot = snapshot_copy(snapshot_of(old));
    const struct config_directive *d = find_or_complain(&b, name, &origin);
    if (d && !(d->flags & CONFIG_RUNTIME)) {
        problem(&b, &origin, "%s cannot change while slotway runs", d->name);
    } else if (d && d->kind != CONFIG_LIST) {
        apply(&b, d, (char *const *)&value, 1, origin);
    } else if (d && !config_list_split(&words, value, strlen(value))) {
        problem(&b, &origin, "%s: quotes that never close, or text right after them", d->name);
    } else if (d) {
        /* Not a further source of words but a new list, also after an earlier CONFIG SET. */
        b.snapshot->origins[index_of(d)].kind = ORIGIN_DEFAULT;
        apply(&b, d, words.v, words.n, origin);
    }
    if (b.nproblems == 0)
        check_together(&b);
    config_list_free(&words);
    return build_end(&b, &text, error);
}

struct config *config_parse(const char *text, size_t len, const char *name,
                            struct config_error *error)
{
    char *problems;
    size_t problems_len;
    struct build b;

    build_start(&b, &problems, &problems_len);
    b.snapshot = snapshot_new();
    b.max_files = 1;
    read_text(&b, text, len, name);
    if (b.nproblems == 0)
        check_together(&b);
    return build_end(&b, &problems, error);
}

struct config *config_default(void)
{
    return &snapshot_new()->config;
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
        [ORIGIN_DEFAULT] = "default",
        [ORIGIN_FLAG] = "command line",
        [ORIGIN_RUNTIME] = "PROXY CONFIG SET",
    };
    const struct snapshot *s = snapshot_of(config);
    const struct origin *origin = &s->origins[index_of(d)];

    if (origin->kind == ORIGIN_FILE)
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
    const struct snapshot *s = snapshot_of(config);

    return s->files.n ? s->files.v[0] : "";
}
