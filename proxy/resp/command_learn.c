/* A table of commands from a node's COMMAND reply. The reply is data from outside: everything in it
 * is checked and bounded. */
#include "resp/command_row.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROWS_MAX     8192 /* commands with subcommands of one server */
#define NAME_MAX_LEN 64

/* Rows being gathered, with the memory that they point to. */
struct learn {
    struct command_row *rows;
    uint32_t nrows;
    char (*names)[NAME_MAX_LEN + 1];
    struct command_keyspec (*specs)[COMMAND_SPECS_MAX];
    bool old; /* a server without subcommands in COMMAND (before 7.0) */
};

/* Bytes of a string or status element; NULL: it is neither. */
static const char *text_of(const redisReply *r, size_t *len)
{
    *len = 0;
    if (!r || (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS) || !r->str)
        return NULL;
    *len = (size_t)r->len;
    return r->str;
}

static bool text_is(const redisReply *r, const char *word)
{
    size_t len;
    const char *s = text_of(r, &len);

    return s && len == strlen(word) && strncasecmp(s, word, len) == 0;
}

static bool is_array(const redisReply *r, size_t least)
{
    return r && r->type == REDIS_REPLY_ARRAY && r->elements >= least;
}

/* The value after a key in a map that RESP2 shows as a flat array; NULL: it is not there. */
static const redisReply *map_get(const redisReply *map, const char *key)
{
    if (!is_array(map, 2))
        return NULL;
    for (size_t i = 0; i + 1 < map->elements; i += 2)
        if (text_is(map->element[i], key))
            return map->element[i + 1];
    return NULL;
}

static bool map_int(const redisReply *map, const char *key, long long least, long long most,
                    long long *value)
{
    const redisReply *r = map_get(map, key);

    if (!r || r->type != REDIS_REPLY_INTEGER || r->integer < least || r->integer > most)
        return false;
    *value = r->integer;
    return true;
}

static uint32_t flags_of(const redisReply *flags)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } known[] = {
        {"write", COMMAND_WRITE},          {"readonly", COMMAND_READONLY},
        {"blocking", COMMAND_BLOCKING},    {"no_auth", COMMAND_NOAUTH},
        {"pubsub", COMMAND_PUBSUB},        {"movablekeys", COMMAND_MOVABLE},
        {"noscript", COMMAND_NOSCRIPT},    {"skip_monitor", COMMAND_SKIP_MONITOR},
        {"admin", COMMAND_ADMINISTRATIVE}, {"no_multi", COMMAND_NO_MULTI},
    };
    uint32_t bits = 0;

    for (size_t i = 0; i < flags->elements; i++)
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            if (text_is(flags->element[i], known[k].name))
                bits |= known[k].bit;
    return bits;
}

static bool spec_begin(struct command_keyspec *spec, const redisReply *begin)
{
    const redisReply *type = map_get(begin, "type"), *at = map_get(begin, "spec");
    const char *keyword;
    long long n;
    size_t len;

    if (text_is(type, "index")) {
        if (!map_int(at, "index", 1, INT16_MAX, &n))
            return false;
        spec->begin = COMMAND_BEGIN_INDEX;
    } else if (text_is(type, "keyword")) {
        keyword = text_of(map_get(at, "keyword"), &len);
        if (!keyword || len == 0 || len >= sizeof(spec->keyword) ||
            !map_int(at, "startfrom", INT16_MIN, INT16_MAX, &n) || n == 0)
            return false;
        memcpy(spec->keyword, keyword, len);
        spec->begin = COMMAND_BEGIN_KEYWORD;
    } else {
        return false;
    }
    spec->at = (int16_t)n;
    return true;
}

static bool spec_find(struct command_keyspec *spec, const redisReply *find)
{
    const redisReply *type = map_get(find, "type"), *at = map_get(find, "spec");
    long long last, step, limit;

    if (!map_int(at, "keystep", 1, INT16_MAX, &step))
        return false;
    if (text_is(type, "range")) {
        if (!map_int(at, "lastkey", INT16_MIN, INT16_MAX, &last) ||
            !map_int(at, "limit", 0, INT16_MAX, &limit))
            return false;
        spec->find = COMMAND_FIND_RANGE;
    } else if (text_is(type, "keynum")) {
        if (!map_int(at, "keynumidx", 0, INT16_MAX, &last) ||
            !map_int(at, "firstkey", 0, INT16_MAX, &limit))
            return false;
        spec->find = COMMAND_FIND_KEYNUM;
    } else {
        return false;
    }
    spec->last = (int32_t)last;
    spec->step = (int32_t)step;
    spec->limit = (int32_t)limit;
    return true;
}

/* Specifications that make no sense to us stay as unknown ones: those commands have no fixed key.
 */
static uint8_t specs_of(struct command_keyspec *specs, const redisReply *list)
{
    uint8_t count = 0;

    for (size_t i = 0; i < list->elements && count < COMMAND_SPECS_MAX; i++) {
        struct command_keyspec *spec = &specs[count++];
        memset(spec, 0, sizeof(*spec));
        if (!spec_begin(spec, map_get(list->element[i], "begin_search")) ||
            !spec_find(spec, map_get(list->element[i], "find_keys")))
            memset(spec, 0, sizeof(*spec));
    }
    return count;
}

/* What an entry of before 7.0 says: first key, last key, step. */
static uint8_t legacy_specs(struct command_keyspec *specs, const redisReply *entry)
{
    long long first = entry->element[3]->integer, last = entry->element[4]->integer,
              step = entry->element[5]->integer;

    if (first < 1 || first > INT16_MAX || last > INT16_MAX || last < INT16_MIN || step < 1 ||
        step > INT16_MAX)
        return 0;
    memset(specs, 0, sizeof(*specs));
    specs->begin = COMMAND_BEGIN_INDEX;
    specs->find = COMMAND_FIND_RANGE;
    specs->at = (int16_t)first;
    specs->last = (int32_t)(last < 0 ? last : last - first);
    specs->step = (int32_t)step;
    return last < 0 || last >= first;
}

static void tips_of(struct command_row *row, const redisReply *tips)
{
    static const struct {
        const char *tip;
        int8_t merge;
    } responses[] = {
        {"response_policy:all_succeeded", COMMAND_MERGE_FIRST},
        {"response_policy:one_succeeded", COMMAND_MERGE_OR},
        {"response_policy:agg_sum", COMMAND_MERGE_SUM},
        {"response_policy:agg_min", COMMAND_MERGE_MIN},
        {"response_policy:agg_max", COMMAND_MERGE_MAX},
        {"response_policy:agg_logical_and", COMMAND_MERGE_AND},
        {"response_policy:agg_logical_or", COMMAND_MERGE_OR},
        {"response_policy:special", -1},
    };

    for (size_t i = 0; i < tips->elements; i++) {
        const redisReply *tip = tips->element[i];
        size_t len;
        const char *s = text_of(tip, &len);
        if (text_is(tip, "request_policy:all_shards") || text_is(tip, "request_policy:all_nodes"))
            row->request = COMMAND_REQUEST_ALL;
        else if (s && len > 15 && strncasecmp(s, "request_policy:", 15) == 0)
            row->request = COMMAND_REQUEST_OTHER;
        for (size_t k = 0; k < sizeof(responses) / sizeof(responses[0]); k++)
            if (text_is(tip, responses[k].tip))
                row->response = responses[k].merge;
    }
}

/* Copy a command's name in lower case; false: not a name. A '|' stands only between a container
 * (of which `container` is the name) and its subcommand. */
static bool name_of(char *name, const redisReply *r, const char *container)
{
    size_t len, prefix = container ? strlen(container) + 1 : 0;
    const char *s = text_of(r, &len);

    if (!s || len <= prefix || len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] <= ' ' || s[i] >= 0x7f || (s[i] == '|' && i + 1 != prefix))
            return false;
        name[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] | 0x20 : s[i]);
    }
    name[len] = '\0';
    return !container || (name[prefix - 1] == '|' && memcmp(name, container, prefix - 1) == 0);
}

static bool entry_ok(const redisReply *entry)
{
    if (!is_array(entry, 6) || entry->element[1]->type != REDIS_REPLY_INTEGER ||
        entry->element[1]->integer > INT16_MAX || entry->element[1]->integer < -INT16_MAX ||
        !is_array(entry->element[2], 0))
        return false;
    for (size_t i = 3; i < 6; i++)
        if (entry->element[i]->type != REDIS_REPLY_INTEGER)
            return false;
    return true;
}

/* Take one entry; of containers also the subcommands (one level, as in Redis). */
static bool learn_entry(struct learn *learn, const redisReply *entry, const char *container)
{
    struct command_row *row = &learn->rows[learn->nrows];
    char *name = learn->names[learn->nrows];
    struct command_keyspec *specs = learn->specs[learn->nrows];

    if (learn->nrows == ROWS_MAX || !entry_ok(entry) ||
        !name_of(name, entry->element[0], container))
        return false;
    *row = (struct command_row){name,
                                (int16_t)entry->element[1]->integer,
                                flags_of(entry->element[2]),
                                0,
                                specs,
                                COMMAND_REQUEST_NONE,
                                COMMAND_MERGE_CONCAT};
    learn->nrows++;
    if (entry->elements < 10) {
        learn->old = true;
        row->nspecs = legacy_specs(specs, entry);
        return true;
    }
    if (!is_array(entry->element[7], 0) || !is_array(entry->element[8], 0) ||
        !is_array(entry->element[9], 0))
        return false;
    tips_of(row, entry->element[7]);
    row->nspecs = specs_of(specs, entry->element[8]);
    if (row->nspecs == 0 && row->flags & COMMAND_MOVABLE)
        row->nspecs = legacy_specs(specs, entry); /* a module that finds keys by code */
    for (size_t i = 0; !container && i < entry->element[9]->elements; i++)
        if (!learn_entry(learn, entry->element[9]->element[i], name))
            return false;
    return true;
}

static const struct command *builtin_of(const char *name)
{
    const struct command_table *table = command_builtin();

    for (uint32_t i = 0; i < command_count(table); i++)
        if (strcmp(command_at(table, i)->name, name) == 0)
            return command_at(table, i);
    return NULL;
}

/* A server of before 7.0 says little of where keys are: take what is built in. */
static void complete_old_rows(struct learn *learn)
{
    for (uint32_t i = 0; i < learn->nrows; i++) {
        struct command_row *row = &learn->rows[i];
        const struct command *known = builtin_of(row->name);
        if (!known || known->nspecs > COMMAND_SPECS_MAX)
            continue;
        row->nspecs = (uint8_t)known->nspecs;
        row->specs = known->specs;
        row->flags |= known->flags & (COMMAND_NOAUTH | COMMAND_BLOCKING);
    }
}

/* Of a command with a handler here a request that gets there has the arguments that the handler
 * looks at, whatever the server says. */
static void keep_own_arity(struct learn *learn)
{
    for (uint32_t i = 0; i < learn->nrows; i++) {
        struct command_row *row = &learn->rows[i];
        const struct command *known = builtin_of(row->name);
        if (known && known->local != COMMAND_LOCAL_NONE && abs(row->arity) < abs(known->arity))
            row->arity = known->arity;
    }
}

/* Add what slotway answers itself whether the server knows it or not, and, for servers of before
 * 7.0, the subcommands that they do not list. Rows of the server come first and win. */
static void add_builtin_rows(struct learn *learn)
{
    for (uint32_t i = 0; i < command_builtin_nrows && learn->nrows < ROWS_MAX; i++) {
        const struct command_row *row = &command_builtin_rows[i];
        const struct command *known = builtin_of(row->name);
        if (known && (known->kind == COMMAND_LOCAL || (learn->old && strchr(row->name, '|'))))
            learn->rows[learn->nrows++] = *row;
    }
}

static bool learn_rows(struct learn *learn, const redisReply *reply, const char **error)
{
    if (!is_array(reply, 1)) {
        *error = "the reply to COMMAND is not a list of commands";
        return false;
    }
    for (size_t i = 0; i < reply->elements; i++) {
        if (!learn_entry(learn, reply->element[i], NULL)) {
            *error = "an entry in the reply to COMMAND is not a command";
            return false;
        }
    }
    if (learn->old)
        complete_old_rows(learn);
    keep_own_arity(learn);
    add_builtin_rows(learn);
    return true;
}

static struct command_table *learn_table(const redisReply *reply, const char **error)
{
    struct learn learn = {
        .rows = calloc(ROWS_MAX, sizeof(*learn.rows)),
        .names = calloc(ROWS_MAX, sizeof(*learn.names)),
        .specs = calloc(ROWS_MAX, sizeof(*learn.specs)),
    };
    struct command_table *table = NULL;

    *error = "no memory for the commands of the cluster";
    if (learn.rows && learn.names && learn.specs && learn_rows(&learn, reply, error))
        table = command_table_make(learn.rows, learn.nrows);
    free(learn.rows);
    free(learn.names);
    free(learn.specs);
    return table;
}

/* hiredis' reader allocates by announced length: let it see a reply only when all of it is there.
 */
static bool is_whole_reply(const char *reply, size_t len)
{
    struct resp_reply_scan scan = {0, 0};
    size_t used;

    return resp_scan_reply(&scan, reply, len, &used) == RESP_COMPLETE && used == len;
}

struct command_table *command_learn(const char *reply, size_t len, const char **error)
{
    redisReader *reader = redisReaderCreate();
    struct command_table *table = NULL;
    void *root = NULL;

    *error = "the reply to COMMAND is not complete";
    if (reader && is_whole_reply(reply, len) && redisReaderFeed(reader, reply, len) == REDIS_OK &&
        redisReaderGetReply(reader, &root) == REDIS_OK && root)
        table = learn_table(root, error);
    if (table)
        *error = NULL;
    if (root)
        freeReplyObject(root);
    if (reader)
        redisReaderFree(reader);
    return table;
}
