/* route: which node a request goes to, and what becomes of it when that node sends it elsewhere,
 * can not serve it now, or dies.
 *
 *   route_send -> backend -> reply
 *        |           | MOVED, ASK: sent to the node named        (route_on_refusal)
 *        |           | TRYAGAIN, CLUSTERDOWN, LOADING …: parked  (route_park)
 *        |           ' connection lost: parked, or an error      (route_on_lost)
 *        ' no node: parked
 *   parked -> r -> r -> r   tried again in this order when something changed or their time has come
 *
 * Order: a client one of whose requests was redirected or parked issues nothing new until its FIFO
 * is empty (CLIENT_BARRIER); of several that wait, a later one is never sent before an earlier one.
 * The same barrier is put up when the map changes under requests in flight, because those on the
 * way to the old owner will come back. */
#define _GNU_SOURCE
#include "flow/route.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/discovery.h"
#include "flow/backend.h"
#include "flow/blocking.h"
#include "flow/busy.h"
#include "flow/client.h"
#include "flow/fanout.h"
#include "flow/lease.h"
#include "flow/monitor.h"
#include "flow/order.h"
#include "flow/pool.h"
#include "flow/pubsub.h"
#include "flow/script.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/watch.h"
#include "flow/worker.h"
#include <stdlib.h>

#define ROUTE_ASKING     "*1\r\n$6\r\nASKING\r\n"
#define ROUTE_ASKING_LEN (sizeof ROUTE_ASKING - 1)
/* Redirects followed at once; from then on with a pause. */
#define ROUTE_QUICK_TRIES 5
/* Pause before a refused request is tried again, µs. */
#define ROUTE_PAUSE 10000
/* How often a script that is unknown to a node is brought along before the error is believed. */
#define ROUTE_SCRIPT_TRIES 4
/* A slot counts as being migrated for so long after the last refusal, seconds. */
#define ROUTE_UNSETTLED 2

#define ROUTE_MAYBE                                                                                \
    "ERR connection to the node was lost: the command may or may not have been executed"

/* What a wait is limited by and how it ends, for each cause. */
static const struct {
    bool failover; /* failover-timeout; else redirect-timeout */
    const char *text;
} route_causes[REQUEST_CAUSE_COUNT] = {
    [REQUEST_CAUSE_NO_NODE] = {true, "CLUSTERDOWN No node of the cluster answers for this slot"},
    [REQUEST_CAUSE_REDIRECTED] = {false, "CLUSTERDOWN Nodes redirect this slot to each other"},
    [REQUEST_CAUSE_TRYAGAIN] = {false, "TRYAGAIN Multiple keys request during rehashing of slot"},
    [REQUEST_CAUSE_CLUSTERDOWN] = {true, "CLUSTERDOWN The cluster is down"},
    [REQUEST_CAUSE_LOADING] = {true, "LOADING Redis is loading the dataset in memory"},
    [REQUEST_CAUSE_MASTERDOWN] = {true, "MASTERDOWN Link with MASTER is down and "
                                        "replica-serve-stale-data is set to 'no'."},
    [REQUEST_CAUSE_READONLY] = {true, "READONLY You can't write against a read only replica."},
};

/* The refusals that say that nothing was executed. A script may end with an error of its own that
 * begins like one of them when it has executed: to scripts only those count that are worded as
 * servers word them. */
static const struct {
    const char *code;
    const char *words; /* what a server says behind the code; NULL: a slot and an address */
    uint8_t cause;
    bool blocking; /* said to commands that wait only */
} route_refusals[] = {
    {"-MOVED", NULL, REQUEST_CAUSE_REDIRECTED, false},
    {"-ASK", NULL, REQUEST_CAUSE_REDIRECTED, false},
    {"-TRYAGAIN", "Multiple keys request during rehashing", REQUEST_CAUSE_TRYAGAIN, false},
    {"-CLUSTERDOWN", "Hash slot not served", REQUEST_CAUSE_CLUSTERDOWN, false},
    {"-CLUSTERDOWN", "The cluster is down", REQUEST_CAUSE_CLUSTERDOWN, false},
    {"-LOADING", "Redis is loading the dataset", REQUEST_CAUSE_LOADING, false},
    {"-LOADING", "Valkey is loading the dataset", REQUEST_CAUSE_LOADING, false},
    {"-MASTERDOWN", "Link with MASTER is down", REQUEST_CAUSE_MASTERDOWN, false},
    {"-READONLY", "You can't write against a read only", REQUEST_CAUSE_READONLY, false},
    {"-NOSCRIPT", "No matching script", REQUEST_CAUSE_NONE, false},
    /* a master that has become a replica, to those who waited there; it closes the connection */
    {"-UNBLOCKED", "force", REQUEST_CAUSE_READONLY, true},
    {"-ERR", "WAIT cannot", REQUEST_CAUSE_READONLY, true},
    {"-ERR", "WAITAOF cannot", REQUEST_CAUSE_READONLY, true},
};

/* --- choosing --- */

static bool route_is_fit(const struct worker *w, uint16_t node)
{
    const struct pool *pool = w->pools[node];
    return pool && !(pool->flags & (POOL_UNFIT | TOPOLOGY_LAGGING | TOPOLOGY_LOADING |
                                    TOPOLOGY_BUSY | TOPOLOGY_PFAIL));
}

/* A replica that may serve r, NULL: none; then the master does. One client keeps to one replica, so
 * that it does not go back in time from read to read. */
static struct backend *route_pick_replica(struct worker *w, const struct request *r, uint64_t hash)
{
    const struct worker_shard *shard = worker_shard_of(w, r->slot);
    if (!shard || shard->nreplicas == 0)
        return NULL;
    uint32_t choices = shard->nreplicas;
    if (w->config->read_from == CONFIG_READ_NEAREST)
        choices++; /* the master is one of them */
    for (uint32_t i = 0; i < choices; i++) {
        uint32_t at = (uint32_t)((hash + i) % choices);
        if (at == shard->nreplicas)
            return NULL;
        uint16_t node = shard->replicas[at];
        if (!route_is_fit(w, node))
            continue;
        struct backend *b = pool_get(w->pools[node],
                                     pool_kind(POOL_REPLICA, r->flags & REQUEST_RESP3), hash,
                                     w->config->connections_per_node);
        if (b)
            return b;
    }
    return NULL;
}

/* For requests without keys: one client keeps to one master while that one is well. */
static uint16_t route_any_node(const struct worker *w, uint64_t hash)
{
    for (uint32_t i = 0; i < w->nshards; i++) {
        const struct worker_shard *shard = &w->shards[(hash + i) % w->nshards];
        if (route_is_fit(w, shard->master))
            return shard->master;
    }
    return w->nshards ? w->shards[hash % w->nshards].master : NODE_NONE;
}

/* For a request without keys. */
static uint16_t route_keyless_node(struct worker *w, const struct request *r, uint64_t hash)
{
    const struct client *c = order_client(r);
    uint16_t home = r->cmd && r->cmd->local == COMMAND_LOCAL_PUBLISH ? pubsub_publish_node(w)
                                                                     : NODE_NONE;
    /* Keys that a script does not declare are most likely where the client's latest key is. */
    if (c && (r->flags & REQUEST_SCRIPT) && c->key_slot != SLOT_NONE) {
        home = w->slot_node[c->key_slot];
        if (home != NODE_NONE && !route_is_fit(w, home))
            home = NODE_NONE;
    }
    return home == NODE_NONE ? route_any_node(w, hash) : home;
}

static uint16_t route_node(struct worker *w, const struct request *r, uint64_t hash)
{
    if (r->target != NODE_NONE)
        return r->target;
    return r->slot == SLOT_NONE ? route_keyless_node(w, r, hash) : w->slot_node[r->slot];
}

static struct backend *route_pick(struct worker *w, struct request *r)
{
    const struct client *c = order_client(r);
    uint64_t hash = c ? c->id : 0;
    if ((r->flags & (REQUEST_REPLICA | REQUEST_MASTER_ONLY)) == REQUEST_REPLICA &&
        r->slot != SLOT_NONE && r->target == NODE_NONE) {
        struct backend *b = route_pick_replica(w, r, hash);
        if (b) {
            counters_add(&w->counters, COUNTER_replica_reads, 1);
            return b;
        }
    }
    uint16_t node = route_node(w, r, hash);
    if (node == NODE_NONE || !w->pools[node])
        return NULL;
    if (r->flags & REQUEST_LEASE)
        return lease_pick(w, r, node);
    return pool_get(
        w->pools[node],
        pool_kind(r->flags & REQUEST_BULK ? POOL_BULK : POOL_MASTER, r->flags & REQUEST_RESP3),
        hash, w->config->connections_per_node);
}

/* The common case of route_pick: one shared connection to the slot's master, open. */
static inline struct backend *route_pick_plain(const struct worker *w, const struct request *r)
{
    if ((r->flags &
         (REQUEST_REPLICA | REQUEST_BULK | REQUEST_RESP3 | REQUEST_LEASE | REQUEST_CACHING)) ||
        r->slot == SLOT_NONE || w->config->connections_per_node != 1)
        return NULL;
    uint16_t node = w->slot_node[r->slot];
    const struct pool *pool = node == NODE_NONE ? NULL : w->pools[node];
    return pool && !(pool->flags & POOL_UNFIT) ? pool->backends[POOL_MASTER][0] : NULL;
}

static void route_fail(struct worker *w, struct request *r, const char *text)
{
    r->flags &= ~(uint32_t)REQUEST_REPLAY; /* the error is its reply: nothing more will come */
    bufq_clear(&w->chunks, &r->data);
    client_fail(w, r, text);
}

/* No connection for r: is it that there may be no more of them? */
static bool route_is_short(struct worker *w, const struct request *r)
{
    const struct client *c = order_client(r);
    return (r->flags & REQUEST_LEASE) &&
           lease_is_exhausted(w, route_node(w, r, c ? c->id : 0), r->flags & REQUEST_RESP3);
}

static void route_fail_short(struct worker *w, struct request *r)
{
    char text[LEASE_SHORTAGE_MAX];
    lease_shortage(w, text);
    counters_add(&w->counters, COUNTER_leases_refused, 1);
    route_fail(w, r, text);
}

/* Put CLIENT CACHING before r, whose node tracks by request. Returns how many replies to it come.
 */
static uint8_t route_put_caching(const struct request *r, struct bufq *prefix)
{
    const struct client *c = order_client(r);
    if (!(r->flags & REQUEST_CACHING) || !c)
        return 0;
    tracking_put_caching(c, prefix);
    return 1;
}

static void route_send_caching(struct worker *w, struct request *r, struct backend *b,
                               struct chunk *chunk, char *data, size_t len)
{
    struct bufq prefix = {0};
    uint8_t skip = route_put_caching(r, &prefix);
    bufq_append_from(&w->chunks, &r->data, chunk, data, len);
    backend_send_parked(b, r, prefix.len ? &prefix : NULL, skip);
}

static OUTLINED void route_send_picked(struct worker *w, struct request *r, struct chunk *chunk,
                                       char *data, size_t len)
{
    struct backend *b = route_pick(w, r);
    if (b && (r->flags & REQUEST_CACHING)) {
        route_send_caching(w, r, b, chunk, data, len);
        return;
    }
    if (b) {
        backend_send(b, r, chunk, data, len);
        return;
    }
    if (route_is_short(w, r)) {
        route_fail_short(w, r);
        return;
    }
    if (chunk && len >= CHUNK_SPAN_MIN)
        bufq_append_span(&w->chunks, &r->data, chunk, data, len);
    else
        bufq_append_exact(&w->chunks, &r->data, data, len);
    worker_hint(w);
    route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
}

void route_send(struct worker *w, struct request *r, struct chunk *chunk, char *data, size_t len)
{
    struct backend *b = route_pick_plain(w, r);
    if (LIKELY(b != NULL))
        backend_send(b, r, chunk, data, len);
    else
        route_send_picked(w, r, chunk, data, len);
}

void route_send_script(struct worker *w, struct request *r, struct chunk *chunk, char *data,
                       size_t len)
{
    struct backend *b = route_pick(w, r);
    struct bufq prefix = {0};
    if (!b || !script_prepare(w, &b->scripts, data, len, &prefix)) {
        route_send(w, r, chunk, data, len);
        return;
    }
    bufq_append_from(&w->chunks, &r->data, chunk, data, len);
    backend_send_parked(b, r, &prefix, 1 + route_put_caching(r, &prefix));
}

/* --- parking --- */

/* A request that was sent again and has to wait again goes before the others of its client, as it
 * was before. */
static void route_prepend_parked(struct worker *w, struct request *r)
{
    r->backend_next = w->parked;
    w->parked = r;
    if (!w->parked_tail)
        w->parked_tail = r;
}

static void route_append_parked(struct worker *w, struct request *r)
{
    r->backend_next = NULL;
    if (w->parked_tail)
        w->parked_tail->backend_next = r;
    else
        w->parked = r;
    w->parked_tail = r;
}

static void route_count_parked(struct worker *w, const struct request *r, int sign)
{
    struct client *c = order_client(r);
    size_t bytes = r->data.len + sizeof *r;
    w->nparked += (uint32_t)sign;
    w->parked_bytes += sign > 0 ? bytes : -bytes;
    counters_add(&w->counters, COUNTER_waiting, (uint64_t)(int64_t)sign);
    counters_add(&w->counters, COUNTER_waiting_bytes, sign > 0 ? bytes : -bytes);
    if (c)
        c->parked += (uint32_t)sign;
}

void route_park(struct worker *w, struct request *r, enum request_cause cause, uint64_t delay)
{
    const struct config *config = w->config;
    struct client *c = order_client(r);
    if (c)
        c->flags |= CLIENT_BARRIER;
    r->cause = (uint8_t)cause;
    r->retry_at = w->now + delay;
    if (!r->held_since)
        r->held_since = w->now;
    if (w->nparked >= config->max_waiting_requests / w->process->nworkers + 1 ||
        w->parked_bytes + r->data.len > config->max_waiting_memory / w->process->nworkers) {
        counters_add(&w->counters, COUNTER_waiting_refused, 1);
        route_fail(w, r, "CLUSTERDOWN Too many requests wait for nodes of the cluster");
        return;
    }
    r->flags |= REQUEST_PARKED;
    route_count_parked(w, r, 1);
    if (r->flags & REQUEST_RESENT)
        route_prepend_parked(w, r);
    else
        route_append_parked(w, r);
    if (delay == 0)
        w->drive_wanted = true;
    if (!ev_is_active(&w->drive_timer))
        ev_timer_again(w->loop, &w->drive_timer);
}

static void route_unpark(struct worker *w, struct request *r)
{
    route_count_parked(w, r, -1);
    r->flags &= ~(uint32_t)REQUEST_PARKED;
    r->backend_next = NULL;
}

/* Send the bytes of r->data, with what has to go before them. */
static void route_send_held(struct worker *w, struct request *r, struct backend *b,
                            struct bufq *prefix, uint32_t skip)
{
    if (r->cmd && (r->cmd->flags & COMMAND_SCRIPT) && !prefix->len) {
        size_t len = r->data.len;
        if (script_prepare(w, &b->scripts, bufq_flatten(&w->chunks, &r->data), len, prefix))
            skip++;
    }
    if (r->exec)
        skip += transaction_prepare(w, r, b, prefix);
    if (r->target != NODE_NONE) {
        bufq_append(&w->chunks, prefix, ROUTE_ASKING, ROUTE_ASKING_LEN);
        skip++;
        r->target = NODE_NONE;
        if (r->flags & REQUEST_CACHING) /* both would have to go directly before it */
            r->flags |= REQUEST_UNTRACKED;
    } else {
        r->flags &= ~(uint32_t)REQUEST_UNTRACKED;
        skip += route_put_caching(r, prefix);
    }
    order_on_resend(r);
    watch_resend(w, r);
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_resend(w, r, prefix->len > 0);
    backend_send_parked(b, r, prefix->len ? prefix : NULL, skip);
}

void route_send_data(struct worker *w, struct request *r, struct backend *b)
{
    struct bufq prefix = {0};
    if (!b)
        b = route_pick(w, r);
    if (b) {
        route_send_held(w, r, b, &prefix, 0);
        return;
    }
    if (route_is_short(w, r)) {
        route_fail_short(w, r);
        return;
    }
    worker_hint(w);
    route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
}

static bool route_is_expired(const struct worker *w, const struct request *r)
{
    const struct config *config = w->config;
    uint64_t limit = route_causes[r->cause].failover ? config->failover_timeout
                                                     : config->redirect_timeout;
    return w->now - r->held_since >= limit * 1000;
}

/* The read is sent again: the reply that it had was too early. */
static void route_forget_replay(struct worker *w, struct request *r)
{
    if (!(r->flags & REQUEST_REPLAY))
        return;
    r->flags &= ~(uint32_t)REQUEST_REPLAY;
    request_forget_reply(w, r);
}

/* A later write of its client was executed: a refused request can not be sent any more without
 * overtaking, a read has the right reply already. */
static void route_yield(struct worker *w, struct request *r)
{
    struct bufq reply = {0};
    if (!(r->flags & REQUEST_REPLAY)) {
        route_fail(w, r, route_causes[r->cause].text);
        return;
    }
    bufq_clear(&w->chunks, &r->data);
    r->flags &= ~(uint32_t)REQUEST_REPLAY;
    if (!(r->flags & REQUEST_CHILD)) {
        client_finish(w, r);
        return;
    }
    bufq_append(&w->chunks, &reply, r->inline_reply, r->inline_len);
    bufq_splice(&reply, &r->reply);
    r->inline_len = 0;
    size_t len = reply.len;
    fanout_on_reply(w, r, NULL, bufq_flatten(&w->chunks, &reply), len);
    bufq_clear(&w->chunks, &reply);
}

/* Does its client wait in a blocking command? */
static bool route_is_blocked(const struct request *r)
{
    return (r->flags & REQUEST_BLOCKING) ||
           (r->fanout && (r->fanout->parent->flags & REQUEST_BLOCKING));
}

void route_drive(struct worker *w)
{
    struct request *list = w->parked;
    w->parked = w->parked_tail = NULL;
    w->drive_wanted = false;
    w->drive_turn++;
    while (list) {
        struct request *r = list;
        list = r->backend_next;
        struct client *c = order_client(r);
        struct backend *b = NULL;
        if (!c && (r->flags & (REQUEST_LEASE | REQUEST_ERRAND)) == REQUEST_LEASE) {
            route_unpark(w, r);
            route_fail(w, r, "ERR nobody waits for it any more");
            continue;
        }
        if (route_is_blocked(r) && blocking_is_over(w, r)) {
            route_unpark(w, r);
            blocking_answer(w, r);
            continue;
        }
        if (route_is_expired(w, r)) {
            route_unpark(w, r);
            counters_add(&w->counters, COUNTER_waiting_expired, 1);
            route_fail(w, r, route_causes[r->cause].text);
            continue;
        }
        if (c && order_may_drive(c) && order_is_overtaken(r)) {
            route_unpark(w, r);
            route_yield(w, r);
            continue;
        }
        if (r->retry_at <= w->now &&
            !(c && (c->drive_turn == w->drive_turn || !order_may_drive(c)))) {
            b = route_pick(w, r);
            if (!b && route_is_short(w, r)) {
                route_unpark(w, r);
                route_fail_short(w, r);
                continue;
            }
            if (!b)
                r->target = NODE_NONE; /* where ASK led is out of reach: ask the owner again */
        }
        if (b) {
            struct bufq prefix = {0};
            route_unpark(w, r);
            route_forget_replay(w, r);
            route_send_held(w, r, b, &prefix, 0);
            continue;
        }
        if (c)
            c->drive_turn = w->drive_turn;
        route_append_parked(w, r);
    }
    if (!w->parked)
        ev_timer_stop(w->loop, &w->drive_timer);
}

/* --- refusals --- */

/* Does the line go on with a word that begins so? */
static bool route_begins(const char *line, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len >= n && memcmp(line, with, n) == 0;
}

/* "1234 host:port" of a redirection: is it about the slot of a script's keys? */
static bool route_names_slot(const struct request *r, const char *rest, size_t len)
{
    const char *space = memchr(rest, ' ', len);
    int64_t slot;
    return space && resp_parse_int(rest, (size_t)(space - rest), &slot) && slot == r->slot;
}

/* The row that an error line to r belongs to, -1: none. */
static int route_refusal(const struct request *r, const char *line, size_t len)
{
    bool script = r->cmd && (r->cmd->flags & COMMAND_SCRIPT);
    for (size_t i = 0; i < sizeof route_refusals / sizeof route_refusals[0]; i++) {
        const char *words = route_refusals[i].words;
        size_t code = strlen(route_refusals[i].code);
        if (!route_begins(line, len, route_refusals[i].code) || len < code + 2 ||
            (line[code] != ' ' && line[code] != '\r'))
            continue;
        if (route_refusals[i].blocking && !(r->flags & REQUEST_BLOCKING))
            continue;
        const char *rest = line + code + 1;
        size_t left = len - code - 1;
        if (!script && !route_refusals[i].blocking)
            return (int)i;
        if (words ? route_begins(rest, left, words) : route_names_slot(r, rest, left))
            return (int)i;
    }
    return -1;
}

bool route_is_refusal(const struct request *r, const char *line, size_t len)
{
    int which = route_refusal(r, line, len);
    if (which < 0)
        return false;
    if (route_refusals[which].cause == REQUEST_CAUSE_NONE)
        return r->cmd && (r->cmd->flags & COMMAND_SCRIPT) && r->tries < ROUTE_SCRIPT_TRIES;
    return true;
}

void route_raise_barriers(struct worker *w)
{
    for (struct client *c = w->clients; c; c = c->next)
        if (c->head)
            c->flags |= CLIENT_BARRIER;
}

/* The address that a node means by an empty or "?" host in a redirection: its own announced one. */
static const char *route_own_host(const struct worker *w, const struct pool *pool)
{
    const struct topology *t = w->topology;
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (t->nodes[i].index == pool->node && *t->nodes[i].announced)
            return t->nodes[i].announced;
    return pool->host;
}

/* The node that "MOVED 1234 host:port" names: its stable index, or NODE_NONE. */
static uint16_t route_parse_target(const struct worker *w, const struct backend *b,
                                   const char *line, size_t len, int64_t *slot)
{
    const char *end = line + len - 2;
    const char *p = memchr(line, ' ', len);
    const char *space = p ? memchr(p + 1, ' ', (size_t)(end - p - 1)) : NULL;
    const char *colon = space ? memrchr(space, ':', (size_t)(end - space)) : NULL;
    int64_t port;
    if (!colon || !resp_parse_int(p + 1, (size_t)(space - p - 1), slot) ||
        !resp_parse_int(colon + 1, (size_t)(end - colon - 1), &port) || port < 1 || port > 65535)
        return NODE_NONE;
    uint16_t at = topology_find_address(w->topology, space + 1, (size_t)(colon - space - 1),
                                        (uint16_t)port, route_own_host(w, b->pool));
    uint16_t node = at == TOPOLOGY_NO_NODE ? NODE_NONE : w->topology->nodes[at].index;
    /* no node sends us to itself: on other hosts there are nodes with the same port */
    return node == b->pool->node ? NODE_NONE : node;
}

/* Send again at once what a node refused; behind what waits of the same client. */
static void route_again(struct worker *w, struct request *r, enum request_cause cause)
{
    struct client *c = order_client(r);
    struct bufq prefix = {0};
    if (c)
        c->flags |= CLIENT_BARRIER;
    if (!r->held_since)
        r->held_since = w->now;
    if ((c && (c->parked || !order_may_drive(c))) || r->tries > ROUTE_QUICK_TRIES) {
        route_park(w, r, cause, r->tries > ROUTE_QUICK_TRIES ? ROUTE_PAUSE : 0);
        return;
    }
    struct backend *b = route_pick(w, r);
    if (b)
        route_send_held(w, r, b, &prefix, 0);
    else
        route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
}

/* A node found keys where slotway found none (numkeys that only the node understands, a module's
 * command): the slot is the one that it names. */
static void route_learn_slot(struct request *r, int64_t slot)
{
    if (r->slot == SLOT_NONE && slot >= 0 && slot < SLOT_COUNT)
        r->slot = (uint16_t)slot;
}

static void route_on_moved(struct worker *w, struct request *r, const struct backend *b,
                           const char *line, size_t len)
{
    int64_t slot = -1;
    uint16_t node = route_parse_target(w, b, line, len, &slot);
    counters_add(&w->counters, COUNTER_redirects_moved, 1);
    route_learn_slot(r, slot);
    if (node == NODE_NONE || slot != r->slot) {
        route_park(w, r, REQUEST_CAUSE_REDIRECTED, ROUTE_PAUSE);
        return;
    }
    /* Only who is taken for the owner can say that another one is: what a node says that was asked
     * before the map changed, or that has slept through it, is older than what is known here. */
    uint16_t *owner = &w->slot_node[slot];
    if (*owner == b->pool->node || *owner == NODE_NONE) {
        *owner = node;
        route_raise_barriers(w);
        tracking_on_slots_moved(w);
    }
    route_again(w, r, REQUEST_CAUSE_REDIRECTED);
}

/* ASK or TRYAGAIN: the slot is on its way to another node. */
static void route_note_unsettled(struct worker *w, uint16_t slot)
{
    if (slot >= SLOT_COUNT)
        return;
    if (w->unsettled[slot] < w->seconds) /* what does not exist yet may be made elsewhere */
        tracking_on_slots_moved(w);
    w->unsettled_until = w->seconds + ROUTE_UNSETTLED;
    w->unsettled[slot] = (uint32_t)w->unsettled_until;
    w->careful = true;
}

static void route_on_ask(struct worker *w, struct request *r, const struct backend *b,
                         const char *line, size_t len)
{
    int64_t slot = -1;
    uint16_t node = route_parse_target(w, b, line, len, &slot);
    counters_add(&w->counters, COUNTER_redirects_ask, 1);
    route_learn_slot(r, slot);
    if (node == NODE_NONE || slot != r->slot) {
        route_park(w, r, REQUEST_CAUSE_REDIRECTED, ROUTE_PAUSE);
        return;
    }
    r->target = node;
    route_note_unsettled(w, r->slot);
    route_again(w, r, REQUEST_CAUSE_REDIRECTED);
}

/* The reply is an error after all. */
static void route_give_up(struct worker *w, struct request *r, const char *line, size_t len)
{
    char *data = (char *)(uintptr_t)line;
    bufq_clear(&w->chunks, &r->data);
    if (r->flags & REQUEST_CHILD)
        fanout_on_reply(w, r, NULL, data, len);
    else if (r->client)
        client_on_reply(r, NULL, data, len);
    else
        request_free(w, r);
}

static bool route_knows_script(struct worker *w, struct request *r)
{
    size_t len = r->data.len;
    return script_is_known(bufq_flatten(&w->chunks, &r->data), len);
}

/* A node does not know the script of r: the next sending will bring it along. */
static void route_on_noscript(struct worker *w, struct request *r, struct backend *b)
{
    counters_add(&w->counters, COUNTER_scripts_loaded, 1);
    script_known_free(&b->scripts);
    if (r->prefix)
        r->target = b->pool->node; /* ASK led there: load it there too, not at the slot's owner */
    route_again(w, r, REQUEST_CAUSE_TRYAGAIN);
}

/* Nobody waits for the reply, and nothing would change without it. */
static bool route_is_pointless(const struct request *r)
{
    return !order_client(r) && !(r->flags & REQUEST_CHILD) && (r->flags & REQUEST_READONLY);
}

void route_on_refusal(struct worker *w, struct request *r, struct backend *b, const char *line,
                      size_t len)
{
    int which = route_refusal(r, line, len);
    bool noscript = route_refusals[which].cause == REQUEST_CAUSE_NONE;
    if (r->flags & REQUEST_WATCHED) {
        keywatch_answer_nil(w, r);
        return;
    }
    if (route_is_pointless(r)) {
        request_free(w, r);
        return;
    }
    if (noscript && !route_knows_script(w, r)) {
        order_on_end(w, r, false);
        route_give_up(w, r, line, len);
        return;
    }
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_return(w, r);
    if (r->tries < UINT8_MAX)
        r->tries++;
    order_on_refusal(w, r);
    if (route_refusals[which].blocking)
        backend_recall(b); /* the node closes it */
    if (noscript) {
        route_on_noscript(w, r, b);
        return;
    }
    bool elsewhere = line[1] == 'A' || (line[1] == 'M' && line[2] == 'O'); /* ASK, MOVED */
    watch_add(b->pool->watch, elsewhere ? WATCH_redirects : WATCH_refused, 1);
    worker_hint(w);
    if (b->replica) {
        r->flags |= REQUEST_MASTER_ONLY;
        route_again(w, r, (enum request_cause)route_refusals[which].cause);
    } else if (line[1] == 'M' && line[2] == 'O') {
        route_on_moved(w, r, b, line, len);
    } else if (line[1] == 'A') {
        route_on_ask(w, r, b, line, len);
    } else {
        counters_add(&w->counters, COUNTER_refusals, 1);
        route_note_unsettled(w, r->slot);
        route_park(w, r, (enum request_cause)route_refusals[which].cause, ROUTE_PAUSE);
    }
}

/* --- lost connections --- */

/* Can it be sent twice without harm? */
static bool route_is_repeatable(const struct request *r)
{
    if (r->flags & REQUEST_BLOCKING)
        return blocking_is_known(r->cmd);
    return !(r->cmd->flags & (COMMAND_WRITE | COMMAND_SCRIPT | COMMAND_PUBSUB)) ||
           (r->flags & REQUEST_READONLY);
}

void route_on_lost(struct worker *w, struct request *r, bool sent)
{
    order_on_end(w, r, sent);
    if (r->flags & REQUEST_COMMITTED) {
        struct client *c = r->client;
        if (c) {
            log_limited(LOG_LEVEL_WARNING,
                        "Client id=%llu closed: a node died in the middle of its reply",
                        (unsigned long long)c->id);
            client_note_closed(c, EVENT_WARNING, "a node died in the middle of its reply");
            counters_add(&w->counters, COUNTER_clients_closed_torn, 1);
            client_close(c);
        }
        request_free(w, r);
        return;
    }
    request_forget_reply(w, r);
    if ((r->flags & REQUEST_WATCHED) && (!sent || (r->flags & REQUEST_READONLY))) {
        keywatch_answer_nil(w, r);
        return;
    }
    if (route_is_pointless(r)) {
        request_free(w, r);
        return;
    }
    if (r->flags & REQUEST_BLOCKING)
        blocking_on_return(w, r);
    if (!sent) {
        route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
        return;
    }
    if (!route_is_repeatable(r)) {
        counters_add(&w->counters, COUNTER_maybe_executed, 1);
        route_fail(w, r, ROUTE_MAYBE);
        return;
    }
    counters_add(&w->counters, COUNTER_retried, 1);
    if (r->flags & REQUEST_REPLICA)
        r->flags |= REQUEST_MASTER_ONLY;
    if (r->tries < UINT8_MAX)
        r->tries++;
    route_park(w, r, REQUEST_CAUSE_NO_NODE, r->tries > ROUTE_QUICK_TRIES ? ROUTE_PAUSE : 0);
}

/* --- topology --- */

static void route_build_shards(struct worker *w, const struct topology *t)
{
    free(w->shards);
    w->shards = memory_zalloc((t->nnodes + 1u) * sizeof *w->shards);
    w->nshards = 0;
    memset(w->node_shard, 0xff, sizeof w->node_shard);
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t node = w->slot_node[slot];
        if (node == NODE_NONE || w->node_shard[node] != NODE_NONE)
            continue;
        struct worker_shard *shard = &w->shards[w->nshards];
        shard->master = node;
        shard->first_slot = (uint16_t)slot;
        w->node_shard[node] = (uint16_t)w->nshards++;
    }
    for (uint16_t i = 0; i < t->nnodes; i++) {
        const struct topology_node *node = &t->nodes[i];
        if (!(node->flags & TOPOLOGY_REPLICA) || node->master == TOPOLOGY_NO_NODE)
            continue;
        uint16_t at = w->node_shard[t->nodes[node->master].index];
        if (at != NODE_NONE && w->shards[at].nreplicas < WORKER_MAX_REPLICAS)
            w->shards[at].replicas[w->shards[at].nreplicas++] = node->index;
    }
}

void route_set_topology(struct worker *w, struct topology *t)
{
    bool changed = false;
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
        uint16_t at = t->owner[slot];
        uint16_t node = at == TOPOLOGY_NO_NODE ? NODE_NONE : t->nodes[at].index;
        changed = changed || node != w->slot_node[slot];
        w->slot_node[slot] = node;
    }
    route_build_shards(w, t);
    topology_unref(w->topology);
    w->topology = t;
    pool_update(w, t);
    if (monitor_is_on(w))
        monitor_follow(w);
    if (changed) {
        route_raise_barriers(w);
        tracking_on_slots_moved(w);
    }
    if (tracking_clients(w->process))
        tracking_follow(w);
    w->drive_wanted = true;
    busy_on_topology(w);
    pubsub_on_topology(w);
}
