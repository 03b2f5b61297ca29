/* local_pubsub: SUBSCRIBE and its kin, PUBLISH and PUBSUB, as one redis-server would answer them.
 * What nodes count has slotway's own subscriptions in it, which stand for its clients: they are
 * taken off, and the clients added. */
#include "base/glob.h"
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/dispatch.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include "flow/pubsub_hub.h"
#include "flow/session.h"
#include <stdio.h>
#include <stdlib.h>

/* --- SUBSCRIBE, UNSUBSCRIBE --- */

/* By the first letter of the command's name, without the "un" of those that end it. */
static enum pubsub_kind pubsub_kind_of(const struct command *cmd)
{
    if (*cmd->name == 'p')
        return PUBSUB_PATTERN;
    return strncmp(cmd->name, "ss", 2) == 0 || strncmp(cmd->name, "sun", 3) == 0 ? PUBSUB_SHARD
                                                                                 : PUBSUB_CHANNEL;
}

static bool pubsub_in_one_slot(const struct local_call *call)
{
    uint16_t slot = slot_of_key(local_arg(call, 1), local_len(call, 1));
    for (uint32_t i = 2; i < local_argc(call); i++)
        if (slot_of_key(local_arg(call, i), local_len(call, i)) != slot)
            return false;
    return true;
}

void local_subscribe(const struct local_call *call)
{
    struct client *c = call->c;
    enum pubsub_kind kind = pubsub_kind_of(call->cmd);
    if (kind == PUBSUB_SHARD && !c->worker->config->cross_slot && !pubsub_in_one_slot(call)) {
        counters_add(&c->worker->counters, COUNTER_crossslot, 1);
        client_reply_error(c, "CROSSSLOT Keys in request don't hash to the same slot");
        return;
    }
    wait_begin(call, kind);
}

/* What a client's confirmations count. */
static uint32_t pubsub_shown_count(const struct client *c, enum pubsub_kind kind)
{
    return kind == PUBSUB_SHARD ? pubsub_count(c, PUBSUB_SHARD)
                                : pubsub_count(c, PUBSUB_CHANNEL) + pubsub_count(c, PUBSUB_PATTERN);
}

static void pubsub_end_all(struct client *c, enum pubsub_kind kind, const char *verb,
                           struct reply *r)
{
    struct pubsub_member *next = NULL;
    if (pubsub_count(c, kind) == 0) {
        wait_put_answer(r, verb, NULL, 0, pubsub_shown_count(c, kind));
        return;
    }
    for (struct pubsub_member *m = c->session->pubsub->first; m; m = next) {
        const struct pubsub_topic *t = m->key.topic;
        next = m->client_next;
        if (t->kind != kind)
            continue;
        wait_put_answer(r, verb, topic_name(t), topic_name_len(t), pubsub_shown_count(c, kind) - 1);
        member_remove(m);
    }
}

static void pubsub_end_one(const struct local_call *call, uint32_t i, enum pubsub_kind kind,
                           struct reply *r)
{
    struct client *c = call->c;
    struct pubsub_topic *t = topic_find(c->worker->pubsub, kind, local_arg(call, i),
                                        local_len(call, i));
    struct pubsub_member *m = t ? member_find(c, t) : NULL;
    if (m)
        member_remove(m);
    wait_put_answer(r, call->cmd->name, local_arg(call, i), local_len(call, i),
                    pubsub_shown_count(c, kind));
}

void local_unsubscribe(const struct local_call *call)
{
    struct client *c = call->c;
    enum pubsub_kind kind = pubsub_kind_of(call->cmd);
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    if (local_argc(call) == 1)
        pubsub_end_all(c, kind, call->cmd->name, &r);
    for (uint32_t i = 1; i < local_argc(call); i++)
        pubsub_end_one(call, i, kind, &r);
    struct request *request = client_reply_later(c, call->cmd);
    request->flags &= ~(uint32_t)REQUEST_NOREPLY; /* CLIENT REPLY OFF does not concern these */
    bufq_splice(&request->reply, &q);
    client_finish(c->worker, request);
}

/* --- the state of a subscribed RESP2 client --- */

static void pubsub_ping(struct client *c, const struct command *cmd, const char *data,
                        const struct resp_args *args)
{
    struct local_call call = {.c = c, .cmd = cmd, .request = (char *)(uintptr_t)data, .args = args};
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    if (local_argc(&call) > 2) {
        client_reply_error(c, "ERR wrong number of arguments for 'ping' command");
        return;
    }
    reply_array(&r, 2);
    reply_bulk_string(&r, "pong");
    if (local_argc(&call) == 2)
        reply_bulk(&r, local_arg(&call, 1), local_len(&call, 1));
    else
        reply_bulk_string(&r, "");
    client_reply_bufq(c, &q);
}

bool pubsub_on_command(struct client *c, const struct command *cmd, const char *data,
                       const struct resp_args *args)
{
    char text[256];
    if (c->flags & CLIENT_RESP3)
        return false;
    switch (cmd->kind == COMMAND_LOCAL ? cmd->local : COMMAND_LOCAL_NONE) {
    case COMMAND_LOCAL_PING:
        pubsub_ping(c, cmd, data, args);
        return true;
    case COMMAND_LOCAL_SUBSCRIBE:
    case COMMAND_LOCAL_UNSUBSCRIBE:
    case COMMAND_LOCAL_QUIT:
    case COMMAND_LOCAL_RESET:
        return false;
    default:
        snprintf(text, sizeof text,
                 "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                 "RESET are allowed in this context",
                 cmd->name);
        dispatch_reject(c, cmd, text);
        return true;
    }
}

/* --- PUBLISH --- */

struct publish_state {
    uint8_t kind;  /* enum pubsub_kind */
    uint16_t home; /* where PUBLISH was sent, if not to the owner of a slot */
    size_t len;
    char channel[];
};

bool pubsub_publish(struct client *c, const struct command *cmd, uint16_t slot, char *data,
                    size_t len, const struct resp_args *args)
{
    bool shard = slot != SLOT_NONE;
    const struct resp_arg *channel = &args->v[1];
    if (census_is_empty())
        return false;
    struct publish_state *state = memory_alloc(sizeof *state + channel->len);
    state->kind = shard ? PUBSUB_SHARD : PUBSUB_CHANNEL;
    pubsub_publish_node(c->worker, &state->home);
    state->len = channel->len;
    memcpy(state->channel, data + channel->off, channel->len);
    fanout_one(c, cmd, slot, data, len, state);
    return true;
}

/* Clients of others among those that a node counted. */
static int64_t pubsub_others(int64_t counted, int64_t links)
{
    return counted > links ? counted - links : 0;
}

bool pubsub_merge_publish(struct worker *w, struct fanout *f, struct bufq *out)
{
    const struct publish_state *state = f->state;
    struct bufq *q = &f->replies[0].q;
    if (w->pubsub->leaving != NODE_NONE)
        hub_wake(w->pubsub); /* which may have waited for it */
    const char *data = bufq_flatten(&w->chunks, q);
    struct reply_reader reader = {data, data ? data + q->len : data};
    struct reply_value value;
    if (!reply_read(&reader, &value) || value.type != ':')
        return false;
    uint16_t slot = f->replies[0].slot; /* PUBLISH has one in a transaction that others are in */
    uint16_t node = slot == SLOT_NONE ? state->home : w->slot_node[slot];
    struct census_count count = census_receivers((enum pubsub_kind)state->kind, state->channel,
                                                 state->len, node);
    struct reply r = local_reply_to(w, f->parent, out);
    reply_int(&r, count.clients + pubsub_others(value.n, count.links));
    return true;
}

/* --- PUBSUB --- */

/* PUBSUB CHANNELS and SHARDCHANNELS: the names found so far. */
struct channel_name {
    UT_hash_handle hh;
    size_t len;
    char name[];
};

struct channel_list {
    struct channel_name *names;
    const char *pattern; /* NULL: all */
    size_t pattern_len;
};

/* What PUBSUB's merger has to know of the request. */
struct pubsub_state {
    bool filtered;
    size_t len;
    char pattern[];
};

void local_pubsub(const struct local_call *call)
{
    size_t len = local_argc(call) > 2 ? local_len(call, 2) : 0;
    struct pubsub_state *state = memory_zalloc(sizeof *state + len + 1);
    state->filtered = local_argc(call) > 2;
    state->len = len;
    if (len)
        memcpy(state->pattern, local_arg(call, 2), len);
    fanout_all(call->c, call->cmd, call->request, local_request_len(call), state);
}

static void channel_list_add(struct channel_list *list, const char *name, size_t len)
{
    struct channel_name *entry;
    HASH_FIND(hh, list->names, name, len, entry);
    if (entry)
        return;
    entry = memory_zalloc(sizeof *entry + len + 1);
    entry->len = len;
    if (len)
        memcpy(entry->name, name, len);
    HASH_ADD_KEYPTR(hh, list->names, entry->name, len, entry);
}

static void channel_list_add_own(void *arg, const char *name, size_t len, int64_t clients)
{
    struct channel_list *list = arg;
    if (clients > 0 && (!list->pattern || glob_match(list->pattern, list->pattern_len, name, len)))
        channel_list_add(list, name, len);
}

static struct reply_reader pubsub_reader(struct worker *w, struct fanout_reply *reply)
{
    const char *data = bufq_flatten(&w->chunks, &reply->q);
    return (struct reply_reader){data, data ? data + reply->q.len : data};
}

/* Names that a node has for others than slotway. */
static bool channel_list_add_node(struct worker *w, struct channel_list *list,
                                  enum pubsub_kind kind, struct fanout_reply *reply)
{
    struct reply_reader reader = pubsub_reader(w, reply);
    struct reply_value value;
    if (!reply_read(&reader, &value) || value.type != '*')
        return false;
    for (int64_t left = value.n; left > 0; left--) {
        if (!reply_read(&reader, &value) || value.type != '$' || value.null)
            return false;
        if (census_of(kind, value.data, value.len, w->slot_node[reply->slot]).links == 0)
            channel_list_add(list, value.data, value.len);
    }
    return true;
}

static bool pubsub_merge_channels(struct worker *w, struct fanout *f, struct bufq *out,
                                  enum pubsub_kind kind)
{
    const struct pubsub_state *state = f->state;
    struct channel_list list = {.pattern = state->filtered ? state->pattern : NULL,
                                .pattern_len = state->len};
    struct channel_name *entry = NULL, *next = NULL;
    struct reply r = local_reply_to(w, f->parent, out);
    bool good = true;
    census_each(kind, channel_list_add_own, &list);
    for (uint32_t i = 0; i < f->children && good; i++)
        good = channel_list_add_node(w, &list, kind, &f->replies[i]);
    if (good)
        reply_array(&r, HASH_COUNT(list.names));
    HASH_ITER (hh, list.names, entry, next) {
        if (good)
            reply_bulk(&r, entry->name, entry->len);
        HASH_DEL(list.names, entry);
        free(entry);
    }
    return good;
}

/* Of each node's "name, count, name, count …" the next pair; together with slotway's own clients.
 */
static bool pubsub_merge_pair(struct worker *w, struct fanout *f, struct reply_reader *readers,
                              enum pubsub_kind kind, struct reply *r)
{
    struct reply_value name = {0}, count;
    int64_t total = 0;
    for (uint32_t i = 0; i < f->children; i++) {
        if (!reply_read(&readers[i], &name) || name.type != '$' || name.null ||
            !reply_read(&readers[i], &count) || count.type != ':')
            return false;
        struct census_count own = census_of(kind, name.data, name.len,
                                            w->slot_node[f->replies[i].slot]);
        total += pubsub_others(count.n, own.links) + (i == 0 ? own.clients : 0);
    }
    reply_bulk(r, name.data, name.len);
    reply_int(r, total);
    return true;
}

static bool pubsub_merge_numsub(struct worker *w, struct fanout *f, struct bufq *out,
                                enum pubsub_kind kind)
{
    struct reply_reader *readers = memory_alloc(f->children * sizeof *readers);
    struct reply_value value = {0};
    struct reply r = local_reply_to(w, f->parent, out);
    int64_t n = 0;
    bool good = true;
    for (uint32_t i = 0; i < f->children && good; i++) {
        readers[i] = pubsub_reader(w, &f->replies[i]);
        good = reply_read(&readers[i], &value) && value.type == '*' && (i == 0 || value.n == n);
        n = value.n;
    }
    if (good)
        reply_array(&r, (size_t)n);
    for (int64_t i = 0; i < n / 2 && good; i++)
        good = pubsub_merge_pair(w, f, readers, kind, &r);
    free(readers);
    return good;
}

static bool pubsub_merge_numpat(struct worker *w, struct fanout *f, struct bufq *out)
{
    struct reply r = local_reply_to(w, f->parent, out);
    struct reply_value value;
    int64_t total = 0;
    for (uint32_t i = 0; i < f->children; i++) {
        struct reply_reader reader = pubsub_reader(w, &f->replies[i]);
        struct census_count own = census_patterns(w->slot_node[f->replies[i].slot]);
        if (!reply_read(&reader, &value) || value.type != ':')
            return false;
        total += pubsub_others(value.n, own.links) + (i == 0 ? own.clients : 0);
    }
    reply_int(&r, total);
    return true;
}

bool pubsub_merge_pubsub(struct worker *w, struct fanout *f, struct bufq *out)
{
    const char *sub = f->parent->cmd->name + sizeof "pubsub|" - 1;
    enum pubsub_kind kind = *sub == 's' ? PUBSUB_SHARD : PUBSUB_CHANNEL;
    struct bufq merged = {0};
    bool good;
    if (strcmp(sub, "numpat") == 0)
        good = pubsub_merge_numpat(w, f, &merged);
    else if (strstr(sub, "numsub"))
        good = pubsub_merge_numsub(w, f, &merged, kind);
    else
        good = pubsub_merge_channels(w, f, &merged, kind);
    if (good)
        bufq_splice(out, &merged);
    else
        bufq_clear(&w->chunks, &merged);
    return good;
}
