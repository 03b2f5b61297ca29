/* fanout: one request that becomes several, and several replies that become one.
 * Children carry the same marks as other requests, so redirects, retries and failures of each are
 * the router's business; only complete replies come here. */
#include "flow/fanout.h"
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/blocking.h"
#include "flow/client.h"
#include "flow/combine.h"
#include "flow/fanout_merge.h"
#include "flow/lease.h"
#include "flow/route.h"
#include "flow/watch.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdlib.h>

static void fanout_finish(struct worker *w, struct fanout *f);

/* Up to this many keys are grouped by comparing; more by a table over the slots. */
#define FANOUT_FEW_KEYS 16

/* Without the parent's place in the FIFO. */
static struct fanout *fanout_alloc(struct worker *w, struct client *c, const struct command *cmd,
                                   uint32_t children, uint32_t nplan)
{
    size_t size = sizeof(struct fanout) + children * sizeof(struct fanout_reply) +
                  nplan * sizeof(uint32_t);
    struct fanout *f = memory_alloc(size);
    memset(f, 0, sizeof *f);
    f->replies = (struct fanout_reply *)(f + 1);
    memset(f->replies, 0, children * sizeof *f->replies);
    f->plan = (uint32_t *)(f->replies + children);
    f->nplan = nplan;
    f->merge = cmd->merge;
    f->local = cmd->local;
    f->children = f->missing = children;
    f->parent = request_new(w, c, cmd);
    f->parent->flags = (cmd->flags & COMMAND_READONLY ? REQUEST_READONLY : 0) |
                       (c && (c->flags & CLIENT_RESP3) ? REQUEST_RESP3 : 0);
    f->parent->fanout = f;
    return f;
}

static struct fanout *fanout_new(struct client *c, const struct command *cmd, uint32_t children,
                                 uint32_t nplan)
{
    struct fanout *f = fanout_alloc(c->worker, c, cmd, children, nplan);
    client_push(c, f->parent, nplan ? nplan : children);
    counters_add(&c->worker->counters, COUNTER_splits, 1);
    return f;
}

static void fanout_free(struct worker *w, struct fanout *f)
{
    for (uint32_t i = 0; i < f->children; i++)
        if (f->replies[i].q.head)
            bufq_clear(&w->chunks, &f->replies[i].q);
    free(f->failure);
    free(f->state);
    free(f);
}

static struct request *fanout_child(struct worker *w, struct fanout *f, uint32_t index,
                                    uint16_t slot)
{
    struct request *parent = f->parent;
    struct request *r = request_new(w, NULL, parent->cmd);
    r->flags = REQUEST_CHILD | (parent->flags & (REQUEST_READONLY | REQUEST_RESP3 | REQUEST_LEASE |
                                                 REQUEST_CACHING));
    if ((parent->flags & (REQUEST_READONLY | REQUEST_LEASE)) == REQUEST_READONLY && f->nplan &&
        parent->client) {
        if ((parent->client->flags & CLIENT_READONLY) || w->config->read_from != CONFIG_READ_MASTER)
            r->flags |= REQUEST_REPLICA;
        if (parent->client->flags & CLIENT_LARGE_READS)
            r->flags |= REQUEST_BULK;
    }
    r->fanout = f;
    r->child = index;
    r->slot = slot;
    f->replies[index].slot = slot;
    f->replies[index].request = r;
    return r;
}

/* --- splitting --- */

/* Which child serves each key: the first key of a slot makes a new one. Returns how many. */
static uint32_t fanout_group(struct worker *w, const uint16_t *slots, uint32_t n, uint32_t *plan)
{
    uint32_t children = 0;
    if (n <= FANOUT_FEW_KEYS) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t j = 0;
            while (slots[j] != slots[i])
                j++;
            plan[i] = j < i ? plan[j] : children++;
        }
        return children;
    }
    w->slot_stamp++;
    for (uint32_t i = 0; i < n; i++) {
        if (w->slot_stamps[slots[i]] != w->slot_stamp) {
            w->slot_stamps[slots[i]] = w->slot_stamp;
            w->slot_child[slots[i]] = children++;
        }
        plan[i] = w->slot_child[slots[i]];
    }
    return children;
}

/* One argument as it stands in the request: from its "$" to its line end. Arguments follow each
 * other without gaps, so the header begins where the previous argument ended. */
struct fanout_piece {
    const char *data;
    size_t len;
};

static struct fanout_piece fanout_piece(const char *request, const struct resp_args *args,
                                        uint32_t first, uint32_t count)
{
    const struct resp_arg *before = &args->v[first - 1], *last = &args->v[first + count - 1];
    struct fanout_piece piece;
    piece.data = request + before->off + before->len + 2;
    piece.len = last->off + last->len + 2 - (before->off + before->len + 2);
    return piece;
}

/* What the children of one request are made from. */
struct fanout_split {
    const char *request;
    struct fanout_piece name; /* the command's */
    const struct resp_args *args;
    const struct command_keys *keys;
    const uint16_t *slots; /* of each key */
    uint32_t *next;        /* key -> next key of the same child, FANOUT_LAST: none */
    uint32_t per_key;      /* arguments a key brings: 1, or 2 for MSET, whose values follow keys */
};

#define FANOUT_LAST UINT32_MAX
/* A child's request up to this size is built on the stack: it is copied to its connection anyway.
 */
#define FANOUT_COPIED 2048

/* Build and send child `index`, whose first key is `first`: the command's name and the arguments of
 * its keys. */
static void fanout_send_child(struct worker *w, struct fanout *f, uint32_t index,
                              const struct fanout_split *split, uint32_t first)
{
    char small[FANOUT_COPIED];
    size_t size = 32 + split->name.len;
    uint32_t count = 0;
    for (uint32_t i = first; i != FANOUT_LAST; i = split->next[i], count++)
        size += fanout_piece(split->request, split->args, split->keys->v[i], split->per_key).len;
    struct chunk *chunk = size > sizeof small ? chunk_alloc_size(&w->chunks, size) : NULL;
    char *data = chunk ? chunk->data : small;
    char *out = fanout_put_number(data, '*', 1 + (uint64_t)count * split->per_key);
    memcpy(out, split->name.data, split->name.len);
    out += split->name.len;
    for (uint32_t i = first; i != FANOUT_LAST; i = split->next[i]) {
        struct fanout_piece piece = fanout_piece(split->request, split->args, split->keys->v[i],
                                                 split->per_key);
        memcpy(out, piece.data, piece.len);
        out += piece.len;
    }
    struct request *child = fanout_child(w, f, index, split->slots[first]);
    size = (size_t)(out - data);
    watch_sample(w, child);
    if (size >= REQUEST_BULK_MIN)
        child->flags |= REQUEST_BULK;
    route_send(w, child, chunk, data, size);
    if (chunk)
        chunk_unref(&w->chunks, chunk);
}

/* The command's name, which follows the line with the number of arguments. */
static struct fanout_piece fanout_name(const char *request, const struct resp_args *args)
{
    const struct resp_arg *name = &args->v[0];
    const char *end = request + name->off + name->len + 2;
    const char *begin = (const char *)memchr(request, '\n', name->off) + 1;
    return (struct fanout_piece){begin, (size_t)(end - begin)};
}

/* Chain the keys of each child; heads[child] is its first key. */
static void fanout_chain(const uint32_t *plan, uint32_t n, uint32_t children, uint32_t *next,
                         uint32_t *heads)
{
    for (uint32_t i = 0; i < children; i++)
        heads[i] = FANOUT_LAST;
    for (uint32_t i = n; i-- > 0;) {
        next[i] = heads[plan[i]];
        heads[plan[i]] = i;
    }
}

void fanout_split(struct client *c, const struct command *cmd, char *request,
                  const struct resp_args *args, const struct command_keys *keys,
                  const uint16_t *slots)
{
    struct worker *w = c->worker;
    uint32_t n = keys->count, few[3 * FANOUT_FEW_KEYS];
    uint32_t *scratch = few;
    if (n > FANOUT_FEW_KEYS)
        scratch = memory_alloc(3 * (size_t)n * sizeof *scratch);
    uint32_t *plan = scratch, *heads = scratch + 2 * (size_t)n;
    struct fanout_split split = {.request = request,
                                 .name = fanout_name(request, args),
                                 .args = args,
                                 .keys = keys,
                                 .slots = slots,
                                 .next = scratch + n,
                                 .per_key = keys->v[1] - keys->v[0]};
    uint32_t children = fanout_group(w, slots, n, plan);
    struct fanout *f = fanout_new(c, cmd, children, n);
    memcpy(f->plan, plan, n * sizeof *plan);
    fanout_chain(plan, n, children, split.next, heads);
    for (uint32_t i = 0; i < children; i++)
        fanout_send_child(w, f, i, &split, heads[i]);
    if (scratch != few)
        free(scratch);
}

static void fanout_send_or_give(struct worker *w, struct request *child, char *data, size_t len)
{
    const struct fanout_given *given = w->given;
    if (given && given->node != NODE_NONE && w->slot_node[child->slot] == given->node)
        fanout_on_reply(w, child, NULL, (char *)(uintptr_t)given->data, given->len);
    else
        route_send(w, child, NULL, data, len);
}

void fanout_all(struct client *c, const struct command *cmd, char *data, size_t len, void *state)
{
    struct worker *w = c->worker;
    if (w->nshards == 0) {
        free(state);
        client_reply_error(c, "CLUSTERDOWN No master of the cluster is known yet");
        return;
    }
    uint32_t children = w->nshards;
    uint16_t *slots = memory_alloc(children * sizeof *slots);
    for (uint32_t i = 0; i < children; i++)
        slots[i] = w->shards[i].first_slot;
    struct fanout *f = fanout_new(c, cmd, children, 0);
    f->state = state;
    /* A node reads nothing more on the connection whose script it runs: what is about that script
     * takes another one. */
    bool aside = cmd->merge == COMMAND_MERGE_OR ||
                 (cmd->local == COMMAND_LOCAL_FUNCTION_STATS && w->some_busy);
    for (uint32_t i = 0; i < children; i++) {
        struct request *child = fanout_child(w, f, i, slots[i]);
        child->flags |= aside ? REQUEST_BULK : 0;
        fanout_send_or_give(w, child, data, len);
    }
    free(slots);
}

void fanout_leases(struct client *c, const struct command *cmd, const uint16_t *slots, uint32_t n,
                   uint32_t lead, char *data, size_t len, const char *request,
                   const struct resp_args *args)
{
    struct worker *w = c->worker;
    struct fanout *f = fanout_new(c, cmd, n, 0);
    blocking_begin(c, f->parent, request, args);
    f->missing++; /* keeps the parent until all are sent */
    for (uint32_t i = 0; i < n; i++) {
        struct request *child = fanout_child(w, f, i, slots[i]);
        child->flags |= REQUEST_LEASE | REQUEST_BLOCKING | REQUEST_READONLY;
        child->lead = lead;
        route_send(w, child, NULL, data, len);
    }
    if (--f->missing == 0)
        fanout_finish(w, f);
}

struct fanout *fanout_begin(struct worker *w, struct client *c, const struct command *cmd,
                            uint32_t children, void *state,
                            void (*then)(struct worker *w, struct fanout *f))
{
    struct fanout *f = fanout_alloc(w, c, cmd, children, 0);
    f->missing = 0;
    f->state = state;
    f->then = then;
    if (c)
        client_push(c, f->parent, 1);
    return f;
}

void fanout_ask(struct worker *w, struct fanout *f, uint32_t i, uint16_t slot, uint32_t flags,
                char *data, size_t len)
{
    bufq_clear(&w->chunks, &f->replies[i].q);
    free(f->failure);
    f->failure = NULL;
    f->missing++;
    struct request *child = fanout_child(w, f, i, slot);
    child->flags |= flags;
    route_send(w, child, NULL, data, len);
}

void fanout_one(struct client *c, const struct command *cmd, uint16_t slot, char *data, size_t len,
                void *state)
{
    struct worker *w = c->worker;
    struct fanout *f = fanout_new(c, cmd, 1, 0);
    f->merge = COMMAND_MERGE_SPECIAL;
    f->state = state;
    const struct fanout_given *given = w->given;
    if (given && given->node != NODE_NONE && w->node_shard[given->node] != NODE_NONE)
        slot = w->shards[w->node_shard[given->node]].first_slot;
    struct request *child = fanout_child(w, f, 0, slot);
    if (given) {
        fanout_on_reply(w, child, NULL, (char *)(uintptr_t)given->data, given->len);
        return;
    }
    if (len >= REQUEST_BULK_MIN)
        child->flags |= REQUEST_BULK;
    route_send(w, child, NULL, data, len);
}

/* --- completion --- */

static void fanout_finish(struct worker *w, struct fanout *f)
{
    struct request *parent = f->parent;
    struct bufq out = {0};
    if (f->then) {
        f->then(w, f);
        return;
    }
    if (!f->failure && f->merge == COMMAND_MERGE_SPECIAL && combine_then(w, f)) {
        parent->fanout = NULL;
        fanout_free(w, f);
        return;
    }
    static const char mismatch[] = "-ERR nodes of the cluster gave replies of different shapes\r\n";
    if (parent->client) {
        if (f->failure)
            bufq_append(&w->chunks, &out, f->failure, f->failure_len);
        else if (!fanout_merge(w, f, &out)) {
            bufq_clear(&w->chunks, &out);
            bufq_append(&w->chunks, &out, mismatch, sizeof mismatch - 1);
        }
        if (f->failure)
            counters_add(&w->counters, COUNTER_errors, 1);
    }
    fanout_end(w, f, &out);
}

void fanout_end(struct worker *w, struct fanout *f, struct bufq *out)
{
    struct request *parent = f->parent;
    if (parent->client && !(parent->flags & REQUEST_NOREPLY))
        bufq_splice(&parent->reply, out);
    bufq_clear(&w->chunks, out);
    /* One key's share: the window counts a parent as that many replies. */
    parent->reply_len = parent->reply.len / (f->nplan ? f->nplan : f->children);
    parent->fanout = NULL;
    fanout_free(w, f);
    client_finish(w, parent);
}

/* COMMAND_MERGE_OR: one success is enough (SCRIPT KILL: only one node runs a script). */
static void fanout_excuse_failure(struct fanout *f)
{
    bool success = false;
    for (uint32_t i = 0; i < f->children; i++)
        success = success || f->replies[i].q.head;
    if (!success)
        return;
    free(f->failure);
    f->failure = NULL;
}

static void fanout_child_done(struct worker *w, struct request *child)
{
    struct fanout *f = child->fanout;
    f->replies[child->child].request = NULL;
    request_free(w, child);
    if (--f->missing > 0)
        return;
    if (f->failure && f->merge == COMMAND_MERGE_OR)
        fanout_excuse_failure(f);
    fanout_finish(w, f);
}

/* The first error is the answer; but of SCRIPT KILL the one that the node with the script gives:
 * the others only say that they run none. */
static bool fanout_has_better(const struct fanout *f)
{
    static const char none[] = "-NOTBUSY";
    if (!f->failure)
        return false;
    return f->merge != COMMAND_MERGE_OR || f->failure_len < sizeof none - 1 ||
           memcmp(f->failure, none, sizeof none - 1) != 0;
}

static void fanout_note_failure(struct fanout *f, const char *line, size_t len)
{
    if (fanout_has_better(f))
        return;
    free(f->failure);
    f->failure = memory_alloc(len);
    memcpy(f->failure, line, len);
    f->failure_len = len;
}

void fanout_on_part(struct worker *w, struct request *child, struct chunk *chunk, char *data,
                    size_t len)
{
    const struct fanout *f = child->fanout;
    if (f->parent->client || f->then)
        request_hold(w, child, chunk, data, len);
}

void fanout_on_reply(struct worker *w, struct request *child, struct chunk *chunk, char *data,
                     size_t len)
{
    struct fanout *f = child->fanout;
    struct bufq *q = &f->replies[child->child].q;
    if (*data == '-' && !request_held(child)) {
        fanout_note_failure(f, data, len);
    } else if (f->merge == COMMAND_MERGE_FIRST && child->child > 0 && f->nplan) {
        /* that of child 0 is the answer */
    } else if (f->parent->client || f->then) {
        if (request_held(child)) {
            request_hold(w, child, chunk, data, len);
            if (child->inline_len)
                bufq_append(&w->chunks, q, child->inline_reply, child->inline_len);
            bufq_splice(q, &child->reply);
        } else {
            bufq_append_from(&w->chunks, q, chunk, data, len);
        }
    }
    fanout_child_done(w, child);
}

void fanout_on_failure(struct worker *w, struct request *child, const char *text)
{
    char line[REPLY_ERROR_MAX];
    size_t len = reply_error_line(line, sizeof line, "%s", text);
    fanout_note_failure(child->fanout, line, len);
    fanout_child_done(w, child);
}

void fanout_on_lead_refused(const struct request *child, const char *line, size_t len)
{
    fanout_note_failure(child->fanout, line, len);
}

void fanout_each(struct worker *w, struct fanout *f,
                 void (*visit)(struct worker *w, struct request *child, void *arg), void *arg)
{
    f->missing++; /* keeps it until all parts have been seen */
    for (uint32_t i = 0; i < f->children; i++)
        if (f->replies[i].request)
            visit(w, f->replies[i].request, arg);
    if (--f->missing == 0)
        fanout_finish(w, f);
}

static void fanout_abandon_child(struct worker *w, struct request *child, void *arg)
{
    (void)w;
    (void)arg;
    if (child->flags & REQUEST_LEASE)
        lease_abandon(child);
}

void fanout_abandon(struct worker *w, struct fanout *f)
{
    fanout_each(w, f, fanout_abandon_child, NULL);
}
