/* stream_ids: what "$" means in XREAD BLOCK. */
#include "flow/stream_ids.h"
#include "base/memory.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define STREAM_ID_LEN 48 /* two numbers of 64 bits and a dash */

struct stream_ids {
    uint32_t n;
    char ids[][STREAM_ID_LEN]; /* "": unknown */
};

/* Position of the first key; 0: there is none. n: how many. */
static uint32_t stream_keys(const char *data, const struct resp_args *args, uint32_t *n)
{
    for (uint32_t i = 1; i < args->argc; i++) {
        const struct resp_arg *arg = &args->v[i];
        if (arg->len == 7 && strncasecmp(data + arg->off, "streams", 7) == 0) {
            *n = (args->argc - i - 1) / 2;
            return i + 1;
        }
        if (arg->len == 5 && (strncasecmp(data + arg->off, "block", 5) == 0 ||
                              strncasecmp(data + arg->off, "count", 5) == 0))
            i++;
    }
    *n = 0;
    return 0;
}

static bool stream_is_open(const char *data, const struct resp_arg *id)
{
    return id->len == 1 && data[id->off] == '$';
}

static void stream_ask(struct worker *w, const char *data, const struct resp_arg *key,
                       struct bufq *out)
{
    char head[64];
    int len = snprintf(head, sizeof head, "*3\r\n$5\r\nXINFO\r\n$6\r\nSTREAM\r\n$%u\r\n", key->len);
    bufq_append(&w->chunks, out, head, (size_t)len);
    bufq_append(&w->chunks, out, data + key->off, (size_t)key->len + 2);
}

struct stream_ids *stream_ids_new(struct worker *w, const struct command *cmd, const char *data,
                                  const struct resp_args *args, struct bufq *out, uint32_t *lead)
{
    uint32_t n = 0, open = 0, first = 0;
    *lead = 0;
    if (strcmp(cmd->name, "xread") == 0)
        first = stream_keys(data, args, &n);
    for (uint32_t i = 0; i < n; i++)
        open += stream_is_open(data, &args->v[first + n + i]);
    if (open == 0)
        return NULL;
    struct stream_ids *s = memory_zalloc(sizeof *s + open * sizeof s->ids[0]);
    s->n = *lead = open;
    for (uint32_t i = 0; i < n; i++)
        if (stream_is_open(data, &args->v[first + n + i]))
            stream_ask(w, data, &args->v[first + i], out);
    return s;
}

void stream_ids_free(struct stream_ids *s)
{
    free(s);
}

void stream_ids_learn(struct stream_ids *s, uint32_t i, const char *data, size_t len)
{
    static const char none[] = "-ERR no such key";
    struct reply_value field, value;
    struct reply_reader reader = {data, data + len};
    if (i >= s->n)
        return;
    s->ids[i][0] = '\0';
    if (len >= sizeof none - 1 && memcmp(data, none, sizeof none - 1) == 0) {
        snprintf(s->ids[i], STREAM_ID_LEN, "0-0"); /* all that will be added */
        return;
    }
    if (!reply_read(&reader, &value) || (value.type != '*' && value.type != '%'))
        return;
    for (int64_t n = value.n; n >= 2 && reply_read(&reader, &field); n -= 2) {
        if (field.len != 17 || memcmp(field.data, "last-generated-id", 17) != 0) {
            if (!reply_skip(&reader))
                return;
        } else if (reply_read(&reader, &value) && !value.null && value.len < STREAM_ID_LEN) {
            memcpy(s->ids[i], value.data, value.len);
            s->ids[i][value.len] = '\0';
            return;
        }
    }
}

bool stream_ids_are_known(const struct stream_ids *s)
{
    for (uint32_t i = 0; s && i < s->n; i++)
        if (!*s->ids[i])
            return false;
    return s != NULL;
}

void stream_ids_put(struct worker *w, const struct stream_ids *s, const char *data, size_t len,
                    const struct resp_args *args, struct bufq *out)
{
    uint32_t n, first = stream_keys(data, args, &n), at = 0;
    size_t pos = 0;
    for (uint32_t i = 0; i < n && at < s->n; i++) {
        const struct resp_arg *id = &args->v[first + n + i];
        char bulk[STREAM_ID_LEN + 16];
        if (!stream_is_open(data, id))
            continue;
        size_t begin = id->off - strlen("$1\r\n");
        int size = snprintf(bulk, sizeof bulk, "$%zu\r\n%s", strlen(s->ids[at]), s->ids[at]);
        bufq_append(&w->chunks, out, data + pos, begin - pos);
        bufq_append(&w->chunks, out, bulk, (size_t)size);
        pos = id->off + 1;
        at++;
    }
    bufq_append(&w->chunks, out, data + pos, len - pos);
}
