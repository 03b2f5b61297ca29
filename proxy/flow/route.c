/* route: which node a request goes to, and what becomes of it when that node sends it elsewhere,
 * can not serve it now, or dies.
 *
 *   route_send -> backend -> reply
 *        |           | MOVED, ASK: sent to the node named        (route_refusal.c)
 *        |           | TRYAGAIN, CLUSTERDOWN, LOADING …: parked  (route_park.c)
 *        |           ' connection lost: parked, or an error      (route_refusal.c)
 *        ' no node: parked
 *
 * Order: a client one of whose requests was redirected or parked issues nothing new until its FIFO
 * is empty (CLIENT_BARRIER). The same barrier is put up when the map changes under requests in
 * flight, because those on the way to the old owner will come back. */
#include "flow/route.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/blocking.h"
#include "flow/busy.h"
#include "flow/client.h"
#include "flow/lease.h"
#include "flow/monitor.h"
#include "flow/order.h"
#include "flow/pool.h"
#include "flow/pubsub.h"
#include "flow/route_parts.h"
#include "flow/script.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/watch.h"
#include "flow/worker.h"
#include <stdlib.h>

#define ROUTE_ASKING     "*1\r\n$6\r\nASKING\r\n"
#define ROUTE_ASKING_LEN (sizeof ROUTE_ASKING - 1)

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

/* For a request without keys. NODE_NONE: it has to wait. */
static uint16_t route_keyless_node(struct worker *w, const struct request *r, uint64_t hash)
{
    const struct client *c = order_client(r);
    uint16_t home = NODE_NONE;
    if (r->cmd && r->cmd->local == COMMAND_LOCAL_PUBLISH && !pubsub_publish_node(w, &home))
        return NODE_NONE;
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

struct backend *route_pick(struct worker *w, struct request *r)
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

void route_fail(struct worker *w, struct request *r, const char *text)
{
    r->flags &= ~(uint32_t)REQUEST_REPLAY; /* the error is its reply: nothing more will come */
    bufq_clear(&w->chunks, &r->data);
    client_fail(w, r, text);
}

bool route_is_short(struct worker *w, const struct request *r)
{
    const struct client *c = order_client(r);
    return (r->flags & REQUEST_LEASE) &&
           lease_is_exhausted(w, route_node(w, r, c ? c->id : 0), r->flags & REQUEST_RESP3);
}

void route_fail_short(struct worker *w, struct request *r)
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

/* Send r over b, or let it wait if that is NULL. */
static OUTLINED void route_send_picked(struct worker *w, struct request *r, struct backend *b,
                                       struct chunk *chunk, char *data, size_t len)
{
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
        route_send_picked(w, r, route_pick(w, r), chunk, data, len);
}

void route_send_script(struct worker *w, struct request *r, struct chunk *chunk, char *data,
                       size_t len)
{
    struct backend *b = route_pick(w, r);
    struct bufq prefix = {0};
    if (!b || !script_prepare(w, &b->scripts, data, len, &prefix)) {
        route_send_picked(w, r, b, chunk, data, len);
        return;
    }
    bufq_append_from(&w->chunks, &r->data, chunk, data, len);
    backend_send_parked(b, r, &prefix, 1 + route_put_caching(r, &prefix));
}

/* --- sending what was held --- */

void route_send_held(struct worker *w, struct request *r, struct backend *b, struct bufq *prefix,
                     uint32_t skip)
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

/* --- topology --- */

void route_raise_barriers(struct worker *w)
{
    for (struct client *c = w->clients; c; c = c->next)
        if (c->head)
            c->flags |= CLIENT_BARRIER;
}

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
