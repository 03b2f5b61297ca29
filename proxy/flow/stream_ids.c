/* stream_ids: what "$" means in XREAD BLOCK, asked for with XINFO STREAM before it is sent.
 *
 *   XINFO STREAM key (for each "$") -> last-generated-id in the place of "$" -> XREAD
 *
 * So it means the last id of a moment between the arrival of the command and its execution. */
#include "flow/stream_ids.h"
#include "base/memory.h"
#include "flow/blocking.h"
#include "flow/fanout.h"
#include "flow/route.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A stream that does not exist yet: all that will be added. */
#define STREAM_NONE "0-0"

/* The request that waits for its ids, and where "$" stands in it. */
struct stream_ids {
    size_t len;
    uint32_t n;
    uint32_t *at; /* offsets of the "$" */
    char *data;
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
    return 0;
}

static bool stream_id_is_open(const char *data, const struct resp_arg *id)
{
    return id->len == 1 && data[id->off] == '$';
}

static uint32_t stream_count_open(const char *data, const struct resp_args *args)
{
    uint32_t n = 0, open = 0, first = stream_keys(data, args, &n);
    for (uint32_t i = 0; first && i < n; i++)
        open += stream_id_is_open(data, &args->v[first + n + i]);
    return open;
}

bool stream_ids_are_open(const struct command *cmd, const char *data, const struct resp_args *args)
{
    return strcmp(cmd->name, "xread") == 0 && stream_count_open(data, args) > 0;
}

/* The id in an answer to XINFO STREAM; false: it is none. */
static bool stream_last_id(struct worker *w, struct bufq *q, const char **id, size_t *len)
{
    struct reply_value field, value;
    size_t size = q->len;
    const char *data = bufq_flatten(&w->chunks, q);
    struct reply_reader reader = {data, data + size};
    if (!data || !reply_read(&reader, &value) || (value.type != '*' && value.type != '%'))
        return false;
    for (int64_t n = value.n; n >= 2; n -= 2) {
        if (!reply_read(&reader, &field))
            return false;
        if (field.len == 17 && memcmp(field.data, "last-generated-id", 17) == 0) {
            if (!reply_read(&reader, &value) || value.null)
                return false;
            *id = value.data;
            *len = value.len;
            return true;
        }
        if (!reply_skip(&reader))
            return false;
    }
    return false;
}

/* What to put in the place of the i-th "$". If it can not be learned "$" stays: the node says why
 * it refuses, or the meaning of "$" is the moment of the last sending. */
static void stream_resolve(struct worker *w, struct fanout *f, uint32_t i, const char **id,
                           size_t *len)
{
    static const char none[] = "-ERR no such key";
    struct bufq *q = &f->replies[i].q;
    *id = "$";
    *len = 1;
    if (q->head) {
        stream_last_id(w, q, id, len);
    } else if (f->failure && strncmp(f->failure, none, sizeof none - 1) == 0) {
        *id = STREAM_NONE;
        *len = sizeof STREAM_NONE - 1;
    }
}

/* All ids are there: the request goes its way, as one that waited. */
static void stream_ids_then(struct worker *w, struct fanout *f)
{
    struct stream_ids *s = f->state;
    struct bufq data = {0};
    size_t pos = 0;
    if (!f->parent->client) {
        fanout_end(w, f, &data);
        return;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        char header[32];
        const char *id;
        size_t len, before = s->at[i] - strlen("$1\r\n");
        stream_resolve(w, f, i, &id, &len);
        bufq_append(&w->chunks, &data, s->data + pos, before - pos);
        int n = snprintf(header, sizeof header, "$%zu\r\n", len);
        bufq_append(&w->chunks, &data, header, (size_t)n);
        bufq_append(&w->chunks, &data, id, len);
        pos = s->at[i] + 1;
    }
    bufq_append(&w->chunks, &data, s->data + pos, s->len - pos);
    struct request *r = fanout_dissolve(w, f);
    r->flags |= REQUEST_LEASE;
    bufq_splice(&r->data, &data);
    route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
}

void stream_ids_execute(struct client *c, const struct command *cmd, uint16_t slot, char *data,
                        size_t len, const struct resp_args *args)
{
    struct worker *w = c->worker;
    uint32_t n = 0, open = stream_count_open(data, args), at = 0;
    uint32_t first = stream_keys(data, args, &n);
    struct stream_ids *s = memory_alloc(sizeof *s + open * sizeof *s->at + len);
    s->n = open;
    s->len = len;
    s->at = (uint32_t *)(s + 1);
    s->data = (char *)(s->at + open);
    memcpy(s->data, data, len);
    struct fanout *f = fanout_begin(w, c, cmd, open, s, stream_ids_then);
    f->parent->slot = slot;
    blocking_begin(c, f->parent, data, args);
    f->missing++; /* until all are asked */
    for (uint32_t i = 0; i < n; i++) {
        const struct resp_arg *id = &args->v[first + n + i], *key = &args->v[first + i];
        if (!stream_id_is_open(data, id))
            continue;
        char *line = memory_alloc(key->len + 64);
        int head = sprintf(line, "*3\r\n$5\r\nXINFO\r\n$6\r\nSTREAM\r\n$%u\r\n", key->len);
        memcpy(line + head, data + key->off, key->len);
        memcpy(line + head + key->len, "\r\n", 2);
        s->at[at] = id->off;
        fanout_ask(w, f, at++, slot, 0, line, (size_t)head + key->len + 2);
        free(line);
    }
    if (--f->missing == 0)
        stream_ids_then(w, f);
}
