/* function: the names of functions that do not write, from FUNCTION LIST. It is asked again for an
 * FCALL that comes FUNCTION_AGE later: others than slotway's clients, whose FUNCTION LOAD waits
 * like every write, may load functions during a pause. */
#include "flow/function.h"
#include "base/memory.h"
#include "flow/fanout.h"
#include "flow/pause.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <ctype.h>
#include <stdlib.h>
#include <uthash.h>

#define FUNCTION_LIST "*2\r\n$8\r\nFUNCTION\r\n$4\r\nLIST\r\n"
#define FUNCTION_AGE  1000000 /* µs */
/* A function with a longer name counts as one that writes. */
#define FUNCTION_NAME_MAX 255

struct function {
    UT_hash_handle hh;
    char name[];
};

struct functions {
    struct function *readers; /* by name in lower case: names are matched without regard to it */
    struct fanout *asking;    /* the question under way, or NULL */
    uint64_t asked_at;        /* µs; 0: never */
};

static void functions_forget(struct functions *fs)
{
    struct function *function, *next;
    HASH_ITER (hh, fs->readers, function, next) {
        HASH_DEL(fs->readers, function);
        free(function);
    }
}

/* False: too long. */
static bool function_name(const char *data, size_t len, char out[FUNCTION_NAME_MAX])
{
    for (size_t i = 0; i < len && len <= FUNCTION_NAME_MAX; i++)
        out[i] = (char)tolower((unsigned char)data[i]);
    return len <= FUNCTION_NAME_MAX;
}

static struct function *function_find(const struct functions *fs, const char *data, size_t len)
{
    char name[FUNCTION_NAME_MAX];
    struct function *found = NULL;
    if (function_name(data, len, name))
        HASH_FIND(hh, fs->readers, name, len, found);
    return found;
}

static void function_add(struct functions *fs, const char *data, size_t len)
{
    if (len > FUNCTION_NAME_MAX || function_find(fs, data, len))
        return;
    struct function *function = memory_zalloc(sizeof *function + len);
    function_name(data, len, function->name);
    HASH_ADD_KEYPTR(hh, fs->readers, function->name, len, function);
}

/* --- FUNCTION LIST: libraries, each a list of fields and values, one of which are its functions,
 * each a list of fields and values. False: it is not what it should be. --- */

static bool function_is_word(const struct reply_value *value, const char *word)
{
    return value->data && value->len == strlen(word) && memcmp(value->data, word, value->len) == 0;
}

static bool function_read_flags(struct reply_reader *in, bool *reads)
{
    struct reply_value flags, flag;
    bool good = reply_read(in, &flags);
    for (int64_t i = 0; good && i < flags.n; i++) {
        good = reply_read(in, &flag);
        *reads = *reads || (good && function_is_word(&flag, "no-writes"));
    }
    return good;
}

static bool function_read(struct functions *fs, struct reply_reader *in)
{
    struct reply_value fields, field, name = {0};
    bool reads = false, good = reply_read(in, &fields);
    for (int64_t i = 0; good && i < fields.n; i += 2) {
        good = reply_read(in, &field);
        if (good && function_is_word(&field, "name"))
            good = reply_read(in, &name);
        else if (good && function_is_word(&field, "flags"))
            good = function_read_flags(in, &reads);
        else
            good = good && reply_skip(in);
    }
    if (good && reads && name.data)
        function_add(fs, name.data, name.len);
    return good;
}

static bool function_read_library(struct functions *fs, struct reply_reader *in)
{
    struct reply_value fields, field, list;
    bool good = reply_read(in, &fields);
    for (int64_t i = 0; good && i < fields.n; i += 2) {
        good = reply_read(in, &field);
        if (!good || !function_is_word(&field, "functions")) {
            good = good && reply_skip(in);
            continue;
        }
        good = reply_read(in, &list);
        for (int64_t k = 0; good && k < list.n; k++)
            good = function_read(fs, in);
    }
    return good;
}

static void function_read_list(struct functions *fs, const char *data, size_t len)
{
    struct reply_reader in = {data, data + len};
    struct reply_value list;
    bool good = reply_read(&in, &list);
    for (int64_t i = 0; good && i < list.n; i++)
        good = function_read_library(fs, &in);
    if (!good)
        functions_forget(fs);
}

/* --- asking --- */

static void function_on_list(struct worker *w, struct fanout *f)
{
    struct functions *fs = w->functions;
    struct bufq *reply = &f->replies[0].q, nothing = {0};
    functions_forget(fs);
    if (!f->failure && reply->head)
        function_read_list(fs, bufq_flatten(&w->chunks, reply), reply->len);
    fs->asking = NULL;
    fanout_end(w, f, &nothing);
    pause_look_again(w);
}

static void function_ask(struct worker *w, const struct command *cmd)
{
    static char list[] = FUNCTION_LIST;
    struct functions *fs = w->functions;
    fs->asked_at = w->now;
    fs->asking = fanout_begin(w, NULL, cmd, 1, NULL, function_on_list);
    fanout_ask(w, fs->asking, 0, SLOT_NONE, REQUEST_READONLY | REQUEST_ERRAND, list,
               sizeof list - 1);
}

bool function_only_reads(struct worker *w, const struct command *cmd, const char *request,
                         const struct resp_args *args)
{
    if (strcmp(cmd->name, "fcall") != 0)
        return false;
    if (!w->functions)
        w->functions = memory_zalloc(sizeof *w->functions);
    struct functions *fs = w->functions;
    bool fresh = fs->asked_at && w->now - fs->asked_at < FUNCTION_AGE;
    if (!fresh && !fs->asking)
        function_ask(w, cmd);
    return fresh && !fs->asking && function_find(fs, request + args->v[1].off, args->v[1].len);
}

void functions_free(struct worker *w)
{
    struct bufq nothing = {0};
    if (!w->functions)
        return;
    functions_forget(w->functions);
    if (w->functions->asking)
        fanout_end(w, w->functions->asking, &nothing);
    free(w->functions);
}
