/* crosspop: blocking pops from keys in several slots. A fan-out with one place, in which one
 * pop after the other is under way, or none while the client waits. */
#include "flow/crosspop.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/bell.h"
#include "flow/blocking.h"
#include "flow/fanout.h"
#include "flow/route.h"
#include "flow/session.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static const struct crosspop_kind {
    const char *name, *pop, *push; /* push undoes pop */
    bool multiple;                 /* LMPOP: its reply names the key, and has several elements */
} crosspop_kinds[] = {
    {"blpop", "LPOP", "LPUSH", false},
    {"brpop", "RPOP", "RPUSH", false},
    {"blmpop", "LMPOP", "LPUSH", true},
};

struct crosspop_key {
    struct bell_waiter waiter;
    struct crosspop *pop;
    const char *data;
    uint32_t len;
    uint16_t slot;
};

struct crosspop {
    const struct crosspop_kind *kind;
    struct worker *worker;
    struct fanout *fanout;
    const struct command *cmd;
    struct bell *bell; /* the one that rang for the pops under way, NULL: none */
    bool right;        /* the tail of the lists */
    bool popping;      /* a pop is under way */
    bool joined;       /* waits at the bells */
    uint32_t at;       /* the key that is popped from */
    uint32_t n;        /* keys */
    char *rest;        /* arguments after the keys (BLMPOP's LEFT COUNT 2), encoded */
    size_t rest_len;
    uint32_t nrest;
    struct crosspop_key keys[];
};

static const struct crosspop_kind *crosspop_kind(const struct command *cmd)
{
    for (size_t i = 0; i < sizeof crosspop_kinds / sizeof crosspop_kinds[0]; i++)
        if (strcmp(cmd->name, crosspop_kinds[i].name) == 0)
            return &crosspop_kinds[i];
    return NULL;
}

bool crosspop_serves(const struct command *cmd)
{
    return crosspop_kind(cmd) != NULL;
}

static size_t crosspop_put(char *out, const char *data, size_t len)
{
    int head = sprintf(out, "$%zu\r\n", len);
    memcpy(out + head, data, len);
    memcpy(out + (size_t)head + len, "\r\n", 2);
    return (size_t)head + len + 2;
}

/* --- the pops --- */

static void crosspop_ask(struct crosspop *x)
{
    const struct crosspop_key *key = &x->keys[x->at];
    char *line = memory_alloc(key->len + x->rest_len + 128), *p = line;
    p += sprintf(p, "*%u\r\n", 2 + x->nrest + (x->kind->multiple ? 1 : 0));
    p += crosspop_put(p, x->kind->pop, strlen(x->kind->pop));
    if (x->kind->multiple)
        p += crosspop_put(p, "1", 1);
    p += crosspop_put(p, key->data, key->len);
    if (x->rest_len)
        memcpy(p, x->rest, x->rest_len);
    p += x->rest_len;
    x->popping = true;
    fanout_ask(x->worker, x->fanout, 0, key->slot, 0, line, (size_t)(p - line));
    free(line);
}

static void crosspop_try(struct crosspop *x, struct bell *bell)
{
    x->bell = bell;
    x->at = 0;
    x->popping = true;
    for (uint32_t i = 0; i < x->n; i++)
        x->keys[i].waiter.busy = true;
    crosspop_ask(x);
}

static void crosspop_on_ring(struct bell_waiter *waiter)
{
    const struct crosspop_key *key = (const struct crosspop_key *)((char *)waiter -
                                                                   offsetof(struct crosspop_key,
                                                                            waiter));
    crosspop_try(key->pop, waiter->bell);
}

/* The pops from all keys, or the first that found something, are over. */
static void crosspop_end_try(struct crosspop *x, bool found)
{
    x->popping = false;
    for (uint32_t i = 0; i < x->n; i++)
        x->keys[i].waiter.busy = false;
    if (x->bell)
        bell_on_tried(x->worker, x->bell, found);
    x->bell = NULL;
    x->worker->bells_wanted = x->worker->bells != NULL;
}

/* --- its end --- */

static void crosspop_end(struct crosspop *x, struct bufq *out)
{
    struct worker *w = x->worker;
    for (uint32_t i = 0; i < x->n; i++)
        bell_leave(w, &x->keys[i].waiter);
    counters_add(&w->counters, COUNTER_blocked_across, (uint64_t)-1);
    fanout_end(w, x->fanout, out); /* frees x, which is its state */
}

static void crosspop_end_empty(struct crosspop *x)
{
    struct bufq out = {0};
    const char *text = blocking_nothing(x->fanout->parent);
    bufq_append(&x->worker->chunks, &out, text, strlen(text));
    crosspop_end(x, &out);
}

static void crosspop_end_error(struct crosspop *x)
{
    struct bufq out = {0};
    bufq_append(&x->worker->chunks, &out, x->fanout->failure, x->fanout->failure_len);
    counters_add(&x->worker->counters, COUNTER_errors, 1);
    crosspop_end(x, &out);
}

/* The element and the key that it is from, as the client expects it. */
static void crosspop_end_found(struct crosspop *x)
{
    struct worker *w = x->worker;
    const struct crosspop_key *key = &x->keys[x->at];
    struct bufq out = {0};
    uint16_t node = w->slot_node[key->slot];
    if (node != NODE_NONE)
        x->fanout->parent->client->written |= backend_bit(node);
    if (!x->kind->multiple) {
        struct reply reply = {.pool = &w->chunks, .q = &out, .protocol = 2};
        reply_array(&reply, 2);
        reply_bulk(&reply, key->data, key->len);
    }
    bufq_splice(&out, &x->fanout->replies[0].q);
    crosspop_end(x, &out);
}

/* The client is gone, and this is what was popped for it: put back, the last one first. */
static void crosspop_put_back(struct crosspop *x)
{
    struct worker *w = x->worker;
    const struct crosspop_key *key = &x->keys[x->at];
    struct bufq *q = &x->fanout->replies[0].q;
    size_t len = q->len, size = 128 + key->len;
    const char *data = bufq_flatten(&w->chunks, q);
    struct reply_reader reader = {data, data + len};
    struct reply_value value;
    int64_t n = 1;
    if (x->kind->multiple &&
        (!reply_read(&reader, &value) || !reply_skip(&reader) || !reply_read(&reader, &value)))
        return;
    if (x->kind->multiple)
        n = value.n;
    const char *push = x->right ? "RPUSH" : x->kind->push;
    struct request *r = request_new(w, NULL, x->cmd);
    char *line = memory_alloc(size + len + (size_t)n * 32), *end = line + size + len + n * 32;
    char *p = line, *last = end;
    p += sprintf(p, "*%lld\r\n", (long long)n + 2);
    p += crosspop_put(p, push, strlen(push));
    p += crosspop_put(p, key->data, key->len);
    for (int64_t i = 0; i < n && reply_read(&reader, &value); i++) {
        char head[32];
        int digits = sprintf(head, "$%zu\r\n", value.len);
        last -= (size_t)digits + value.len + 2;
        memcpy(last, head, (size_t)digits);
        memcpy(last + digits, value.data, value.len);
        memcpy(last + digits + value.len, "\r\n", 2);
    }
    memmove(p, last, (size_t)(end - last));
    p += end - last;
    r->slot = key->slot;
    route_send(w, r, NULL, line, (size_t)(p - line));
    free(line);
}

/* --- steps --- */

static void crosspop_join(struct crosspop *x)
{
    for (uint32_t i = 0; i < x->n && !x->joined; i++) {
        struct crosspop_key *key = &x->keys[i];
        bell_join(x->worker, &key->waiter, x->cmd, key->data, key->len, key->slot);
    }
    x->joined = true;
}

static bool crosspop_is_null(const struct bufq *q)
{
    char head[3];
    return bufq_peek(q, head, 3) == 3 && (head[0] == '_' || head[1] == '-');
}

/* A pop was answered. */
static void crosspop_on_reply(struct crosspop *x)
{
    struct fanout *f = x->fanout;
    bool found = !f->failure && !crosspop_is_null(&f->replies[0].q);
    if (!found && !f->failure && ++x->at < x->n && f->parent->client &&
        !blocking_is_over(x->worker, f->parent)) {
        crosspop_ask(x);
        return;
    }
    crosspop_end_try(x, found);
    if (found && !f->parent->client)
        crosspop_put_back(x);
    if (!f->parent->client)
        crosspop_end_empty(x);
    else if (f->failure)
        crosspop_end_error(x);
    else if (found)
        crosspop_end_found(x);
    else if (blocking_is_over(x->worker, f->parent))
        crosspop_end_empty(x);
    else
        crosspop_join(x);
}

/* The pop was answered, or the client is gone or is to wait no longer. */
static void crosspop_then(struct worker *w, struct fanout *f)
{
    struct crosspop *x = f->state;
    if (x->popping)
        crosspop_on_reply(x);
    else if (!f->parent->client || blocking_is_over(w, f->parent))
        crosspop_end_empty(x);
}

static struct crosspop *crosspop_new(struct client *c, const struct command *cmd, const char *data,
                                     const struct resp_args *args, const struct command_keys *keys,
                                     const uint16_t *slots)
{
    uint32_t n = keys->count, after = keys->v[n - 1] + 1;
    const struct crosspop_kind *kind = crosspop_kind(cmd);
    const struct resp_arg *last = &args->v[args->argc - 1];
    size_t request = (size_t)last->off + last->len + 2;
    struct crosspop *x = memory_zalloc(sizeof *x + n * sizeof x->keys[0] + request);
    char *copy = (char *)&x->keys[n];
    memcpy(copy, data, request);
    x->kind = kind;
    x->worker = c->worker;
    x->cmd = cmd;
    x->n = n;
    x->right = strcmp(cmd->name, "brpop") == 0;
    if (kind->multiple && after < args->argc) {
        const struct resp_arg *key = &args->v[after - 1], *where = &args->v[after];
        x->nrest = args->argc - after;
        x->rest = copy + key->off + key->len + 2;
        x->rest_len = request - (size_t)(x->rest - copy);
        x->right = where->len > 0 && (data[where->off] | 0x20) == 'r';
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct resp_arg *arg = &args->v[keys->v[i]];
        x->keys[i] = (struct crosspop_key){
            .waiter.ring = crosspop_on_ring,
            .pop = x,
            .data = copy + arg->off,
            .len = arg->len,
            .slot = slots[i],
        };
    }
    return x;
}

void crosspop_execute(struct client *c, const struct command *cmd, char *data,
                      const struct resp_args *args, const struct command_keys *keys,
                      const uint16_t *slots)
{
    struct worker *w = c->worker;
    const char *error = blocking_timeout_error(cmd, data, args);
    if (error) {
        client_reply_error(c, error);
        return;
    }
    struct crosspop *x = crosspop_new(c, cmd, data, args, keys, slots);
    x->fanout = fanout_begin(w, c, cmd, 1, x, crosspop_then);
    blocking_begin(c, x->fanout->parent, data, args);
    counters_add(&w->counters, COUNTER_blocked_across, 1);
    crosspop_try(x, NULL);
}
