/* command_keys: where the keys of a request are, by the specifications of its command; whether it
 * may block. Searches as Redis does (getKeysUsingKeySpecs in db.c). */
#include "resp/command_row.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void command_keys_free(struct command_keys *keys)
{
    free(keys->v);
    *keys = (struct command_keys){NULL, 0, 0};
}

static bool keys_add(struct command_keys *keys, uint32_t position)
{
    if (keys->count == keys->cap) {
        uint32_t cap = keys->cap ? keys->cap * 2 : 16;
        uint32_t *v = realloc(keys->v, cap * sizeof(*v));
        if (!v)
            return false;
        keys->v = v;
        keys->cap = cap;
    }
    keys->v[keys->count++] = position;
    return true;
}

static bool arg_is(const char *request, const struct resp_args *args, uint32_t i, const char *word)
{
    size_t len = strlen(word);

    return args->v[i].len == len && strncasecmp(request + args->v[i].off, word, len) == 0;
}

/* An argument as it appears to a search for key positions. */
struct key_search {
    const char *request;
    const struct resp_args *args;
    struct command_keys *keys;
};

/* The position after a keyword, searched as Redis does (the last argument is not looked at); 0: it
 * is not there. */
static int64_t after_keyword(const struct key_search *search, const struct command_keyspec *spec)
{
    int64_t argc = search->args->argc;
    int64_t i = spec->at > 0 ? spec->at : argc + spec->at;
    int64_t end = spec->at > 0 ? argc - 1 : 1;
    int64_t step = i <= end ? 1 : -1;

    for (; i != end && i >= 1 && i < argc; i += step)
        if (arg_is(search->request, search->args, (uint32_t)i, spec->keyword))
            return i + 1;
    return 0;
}

static int add_range(const struct key_search *search, int64_t first, int64_t last, int64_t step)
{
    if (first < 1 || last < first || last >= search->args->argc || step < 1)
        return -1;
    for (int64_t i = first; i <= last; i += step)
        if (!keys_add(search->keys, (uint32_t)i))
            return -1;
    return 0;
}

static int find_range(const struct key_search *search, const struct command_keyspec *spec,
                      int64_t first)
{
    int64_t argc = search->args->argc, last;

    if (spec->last >= 0)
        last = first + spec->last;
    else if (spec->limit <= 1)
        last = argc + spec->last;
    else
        last = first + (argc - first) / spec->limit + spec->last;
    return add_range(search, first, last, spec->step);
}

static int find_keynum(const struct key_search *search, const struct command_keyspec *spec,
                       int64_t first)
{
    const struct resp_args *args = search->args;
    int64_t at = first + spec->last, n;

    if (at < 1 || at >= args->argc)
        return -1;
    const char *text = search->request + args->v[at].off;
    bool good = resp_parse_int(text, args->v[at].len, &n);
    if (good && n == 0)
        return 0;
    if (!good)
        n = atoi(text); /* "1.5": nodes refuse it, but look for keys so (genericGetKeys in db.c) */
    if (n < 1 || n > args->argc)
        return -1;
    first += spec->limit;
    return add_range(search, first, first + (n - 1) * spec->step, spec->step);
}

/* An option and the number of its values, for walks over options. */
struct option {
    const char *name;
    uint8_t values;
};

static uint32_t option_values(const struct key_search *search, uint32_t i,
                              const struct option *options)
{
    for (; options->name; options++)
        if (arg_is(search->request, search->args, i, options->name))
            return options->values;
    return 0;
}

/* SORT key [BY p] [LIMIT a b] [GET p …] … STORE destination: the last STORE counts. */
static int find_sort_store(const struct key_search *search)
{
    static const struct option options[] = {
        {"limit", 2}, {"get", 1}, {"by", 1}, {"store", 1}, {NULL, 0}};
    uint32_t argc = search->args->argc, store = 0;

    for (uint32_t i = 2; i < argc; i++) {
        if (i + 1 < argc && arg_is(search->request, search->args, i, "store"))
            store = i + 1;
        i += option_values(search, i, options);
    }
    return store && !keys_add(search->keys, store) ? -1 : 0;
}

/* MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH p] [AUTH2 u p] [KEYS key …]. */
static int find_migrate(const struct key_search *search)
{
    static const struct option options[] = {{"auth", 1}, {"auth2", 2}, {NULL, 0}};
    const struct resp_args *args = search->args;

    if (args->argc < 6)
        return -1;
    for (uint32_t i = 6; i < args->argc; i++) {
        if (arg_is(search->request, args, i, "keys"))
            return args->v[3].len ? -1 : add_range(search, i + 1, args->argc - 1, 1);
        i += option_values(search, i, options);
    }
    return keys_add(search->keys, 3) ? 0 : -1;
}

static int find_by_spec(const struct key_search *search, const struct command_keyspec *spec)
{
    int64_t first = spec->at;

    switch (spec->begin) {
    case COMMAND_BEGIN_SORT_STORE:
        return find_sort_store(search);
    case COMMAND_BEGIN_MIGRATE:
        return find_migrate(search);
    case COMMAND_BEGIN_KEYWORD:
        first = after_keyword(search, spec);
        if (first == 0)
            return 0; /* an option that was not given */
        break;
    case COMMAND_BEGIN_INDEX:
        break;
    default:
        return 0;
    }
    if (spec->find == COMMAND_FIND_RANGE)
        return find_range(search, spec, first);
    return spec->find == COMMAND_FIND_KEYNUM ? find_keynum(search, spec, first) : 0;
}

int command_find_keys(const struct command *cmd, const char *request, const struct resp_args *args,
                      struct command_keys *keys)
{
    struct key_search search = {request, args, keys};

    keys->count = 0;
    for (uint32_t i = 0; i < cmd->nspecs; i++) {
        if (find_by_spec(&search, &cmd->specs[i]) < 0) {
            keys->count = 0;
            return -1;
        }
    }
    /* XREAD without STREAMS: its only keys come after a keyword that is not there. */
    if (keys->count == 0 && cmd->nspecs && cmd->specs->begin == COMMAND_BEGIN_KEYWORD)
        return -1;
    return 0;
}

bool command_is_blocking(const struct command *cmd, const char *request,
                         const struct resp_args *args)
{
    static const struct option options[] = {{"group", 2}, {"count", 1}, {NULL, 0}};
    struct key_search search = {request, args, NULL};

    if (LIKELY(!(cmd->flags & COMMAND_BLOCKING)))
        return false;
    if (strcmp(cmd->name, "xread") != 0 && strcmp(cmd->name, "xreadgroup") != 0)
        return true;
    for (uint32_t i = 1; i < args->argc; i++) {
        if (arg_is(request, args, i, "block"))
            return true;
        if (arg_is(request, args, i, "streams"))
            return false;
        i += option_values(&search, i, options);
    }
    return false;
}
