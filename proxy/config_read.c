/* config_read: the lines of files and the words of the command line, into a snapshot that is being
 * made. */
#define _GNU_SOURCE
#include "config_build.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define CONFIG_MAX_FILE_SIZE (1 << 20)

/* --- files --- */

static bool config_has_file(const struct config_list *files, const char *path)
{
    for (uint32_t i = 0; i < files->n; i++) {
        if (strcmp(files->v[i], path) == 0)
            return true;
    }
    return false;
}

/* The path of an included file is relative to the file that names it. */
static void config_include(struct config_build *b, const char *word,
                           const struct config_origin *origin)
{
    const struct config_list *files = &b->snapshot->files;
    const char *from = files->v[origin->file];
    const char *slash = strrchr(from, '/');
    int dir = *word == '/' || !slash ? 0 : (int)(slash - from) + 1;
    char *path;

    if (files->n >= b->max_files) {
        config_problem(b, origin, "include: too many files; allowed: %u in all", b->max_files);
        return;
    }
    if (asprintf(&path, "%.*s%s", dir, from, word) < 0)
        abort();
    if (config_has_file(files, path))
        config_problem(b, origin, "include: %s was read before; allowed: each file once", path);
    else
        config_read_file(b, path, origin);
    free(path);
}

static void config_read_line(struct config_build *b, const char *line, size_t len,
                             const struct config_origin *origin)
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
        config_problem(b, origin, "quotes that never close, text right after them, or a NUL byte");
    else if (strcasecmp(words.v[0], "include") == 0 && words.n == 2)
        config_include(b, words.v[1], origin);
    else if (strcasecmp(words.v[0], "include") == 0)
        config_problem(b, origin, "include: one file name is allowed");
    else if ((d = config_named(b, words.v[0], origin)))
        config_apply(b, d, words.v + 1, words.n - 1, *origin);
    config_list_free(&words);
}

void config_read_text(struct config_build *b, const char *text, size_t len, const char *name)
{
    struct config_origin origin = {.kind = CONFIG_ORIGIN_FILE,
                                   .file = (uint16_t)b->snapshot->files.n};
    const char *end = text + len;

    config_list_add(&b->snapshot->files, name);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = (size_t)((newline ? newline : end) - text);
        origin.line++;
        config_read_line(b, text, line, &origin);
        text += line + (newline ? 1 : 0);
    }
}

/* The content of a file of at most CONFIG_MAX_FILE_SIZE bytes, or NULL with errno set. Caller
 * frees. */
static char *config_slurp(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd < 0 ? NULL : malloc(CONFIG_MAX_FILE_SIZE + 1);
    ssize_t n = 0;

    for (*len = 0; text && *len <= CONFIG_MAX_FILE_SIZE; *len += (size_t)n) {
        n = read(fd, text + *len, CONFIG_MAX_FILE_SIZE + 1 - *len);
        if (n <= 0)
            break;
    }
    if (n < 0 || *len > CONFIG_MAX_FILE_SIZE) {
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

void config_read_file(struct config_build *b, const char *path, const struct config_origin *from)
{
    size_t len;
    char *text = config_slurp(path, &len);

    if (!text) {
        config_problem(b, from, "cannot read %s: %s", path, strerror(errno));
        return;
    }
    config_read_text(b, text, len, path);
    free(text);
}

/* --- the command line --- */

static bool config_is_option(const char *word)
{
    static const char *const options[] = {"-c", "-t", "-h", "--help", "-V", "-v", "--version"};

    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        if (strcmp(word, options[i]) == 0)
            return true;
    }
    return false;
}

static bool config_is_flag(const char *word)
{
    return strncmp(word, "--", 2) == 0;
}

/* A node, where the list before it has no such words: --bind 10.0.0.9 10.0.0.1:7000. */
static bool config_is_node_behind(const struct config_directive *list, const char *word)
{
    return list->check && !list->check(word) && config_check_address(word);
}

/* Where the values of the flag before position i end: one, or for lists all up to a next flag or a
 * node. */
static uint32_t config_flag_end(const struct config_list *flags, uint32_t i,
                                const struct config_directive *d)
{
    bool list = d && d->kind == CONFIG_LIST;
    uint32_t end = i;

    if (end < flags->n && !config_is_flag(flags->v[end]) &&
        !(list && config_is_option(flags->v[end])))
        end++;
    while (list && end > i && end < flags->n && !config_is_flag(flags->v[end]) &&
           !config_is_option(flags->v[end]) && !config_is_node_behind(d, flags->v[end]))
        end++;
    return end;
}

/* --NAME VALUE, --NAME=VALUE, or --LIST VALUE VALUE …; returns the position after it. */
static uint32_t config_read_flag(struct config_build *b, const struct config_list *flags,
                                 uint32_t i, bool values)
{
    const struct config_origin origin = {.kind = CONFIG_ORIGIN_FLAG};
    char *name = flags->v[i] + 2;
    char *equals = strchr(name, '=');
    char *copy = equals ? strndup(name, (size_t)(equals - name)) : strdup(name);
    const struct config_directive *d = values ? config_named(b, copy, &origin) : config_find(copy);
    char *word = equals ? equals + 1 : NULL;
    uint32_t end = equals ? i + 1 : config_flag_end(flags, i + 1, d);

    free(copy);
    if (d && values)
        config_apply(b, d, equals ? &word : flags->v + i + 1, equals ? 1 : end - i - 1, origin);
    return end;
}

static void config_read_node(struct config_build *b, char *word)
{
    const struct config_origin origin = {.kind = CONFIG_ORIGIN_FLAG};
    size_t len = strlen(word);

    if (len > 5 && strcmp(word + len - 5, ".conf") == 0)
        config_problem(b, &origin,
                       "\"%.100s\" is not a node; a configuration file is given with -c", word);
    else if (word[0] == '-')
        config_problem(b, &origin, "unknown option \"%.60s\"; slotway --help lists all", word);
    else
        config_apply(b, config_find("cluster-nodes"), &word, 1, origin);
}

/* The options with one dash, --help and --version. False: it is none of them. */
static bool config_read_option(struct config_build *b, const struct config_list *flags, uint32_t *i,
                               struct config_command_line *line)
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
            config_problem(b, &(struct config_origin){.kind = CONFIG_ORIGIN_FLAG},
                           "-c: the file name is missing");
    } else {
        return false;
    }
    ++*i;
    return true;
}

void config_read_flags(struct config_build *b, struct config_command_line *line, bool values)
{
    const struct config_list *flags = &b->snapshot->flags;
    bool nodes_only = false;

    for (uint32_t i = 0; i < flags->n;) {
        char *word = flags->v[i];
        if (!nodes_only && config_read_option(b, flags, &i, line))
            continue;
        if (!nodes_only && strcmp(word, "--") != 0 && config_is_flag(word)) {
            i = config_read_flag(b, flags, i, values);
            continue;
        }
        if (!nodes_only && strcmp(word, "--") == 0)
            nodes_only = true;
        else if (values)
            config_read_node(b, word);
        i++;
    }
}
