/* pool: the connections of one worker to one node, and when to try again after one was lost.
 * Follows the topology: a vanished node's pool is closed when idle, a demoted one's in-flight
 * requests are given little time. */
#include "flow/pool.h"
#include "base/log.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/lease.h"
#include "flow/watch.h"
#include "flow/worker.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Pauses between connects to a node that refuses them, µs. */
#define POOL_RETRY_FIRST 10000
#define POOL_RETRY_MOST  50000
/* A node that has lost its slots but is alive answers what it was asked within this time, µs; what
 * is still unanswered then is asked elsewhere. (One that does not answer probes gets no time at
 * all.) */
#define POOL_DEMOTED_GRACE 2000000

/* A connection that owes replies and is silent for so long makes discovery look at its node, µs. */
#define POOL_SUSPICIOUS 300000

static struct pool *pool_new(struct worker *w, uint16_t node)
{
    struct pool *pool = memory_zalloc(sizeof *pool);
    pool->worker = w;
    pool->node = node;
    return pool;
}

static unsigned pool_width(const struct pool *pool, enum pool_kind kind)
{
    unsigned n = pool->worker->config->connections_per_node;
    if (kind == POOL_BULK || kind == POOL_BULK3 || n == 0)
        return 1;
    return n > POOL_MAX_SHARED ? POOL_MAX_SHARED : n;
}

struct backend *pool_get_slow(struct pool *pool, enum pool_kind kind, uint64_t hash)
{
    unsigned at = (unsigned)(hash % pool_width(pool, kind));
    if (pool->flags & POOL_UNFIT)
        return NULL;
    if (pool->backends[kind][at])
        return pool->backends[kind][at];
    if (pool->gone || !pool->addrlen || pool->retry_at > pool->worker->now)
        return NULL;
    struct backend *b = backend_open(pool, kind, at);
    if (!b) {
        log_limited(LOG_LEVEL_WARNING, "Can't connect to node %s:%u: %s", pool->host, pool->port,
                    strerror(errno));
        pool_on_lost(pool, false);
        worker_hint(pool->worker);
    }
    return b;
}

void pool_on_lost(struct pool *pool, bool was_ready)
{
    if (was_ready && pool->failures == 0)
        return; /* a connection that had worked is opened again at once */
    uint64_t pause = POOL_RETRY_FIRST << (pool->failures < 5 ? pool->failures : 5);
    pool->failures++;
    pool->retry_at = pool->worker->now + (pause < POOL_RETRY_MOST ? pause : POOL_RETRY_MOST);
}

/* How connections end: backend_fail or backend_give_up. */
typedef void pool_ending(struct backend *b, const char *why);

static void pool_end_kind(struct pool *pool, int kind, pool_ending *end, const char *why)
{
    for (int i = 0; i < POOL_MAX_SHARED; i++)
        if (pool->backends[kind][i])
            end(pool->backends[kind][i], why);
}

static void pool_end_all(struct pool *pool, pool_ending *end, const char *why)
{
    for (int kind = 0; kind < POOL_KINDS; kind++)
        pool_end_kind(pool, kind, end, why);
    while (pool->leases)
        end(pool->leases, why);
}

/* What a silent node sends when it wakes up is read only when the others have confirmed that it is
 * still what it takes itself for. Until then it may acknowledge writes that will be lost and give
 * values that were overwritten elsewhere; if it has lost its slots, the connections are closed. */
static void pool_hold_back(struct pool *pool, bool silent)
{
    for (int kind = 0; kind < POOL_KINDS; kind++)
        for (int i = 0; i < POOL_MAX_SHARED; i++)
            if (pool->backends[kind][i])
                stream_set_reading(&pool->backends[kind][i]->stream, !silent);
    for (struct backend *b = pool->leases; b; b = b->next_lease)
        stream_set_reading(&b->stream, !silent);
}

/* Take over what the topology says of one node. */
static void pool_follow(struct pool *pool, const struct topology_node *node)
{
    bool moved = pool->addrlen != node->addrlen ||
                 memcmp(&pool->addr, &node->addr, node->addrlen) != 0;
    uint32_t before = pool->flags;
    bool had_slots = pool->has_slots;
    pool->addr = node->addr;
    pool->addrlen = node->addrlen;
    snprintf(pool->host, sizeof pool->host, "%s", node->host);
    pool->port = node->port;
    pool->flags = node->flags;
    pool->watch = watch_node(pool->worker->watch, pool->node, node->id);
    pool->gone = false;
    pool->has_slots = node->slots > 0;
    if (had_slots && !pool->has_slots)
        pool->demoted = pool->worker->now;
    if (pool->has_slots)
        pool->demoted = 0;
    if (moved || ((before & POOL_UNFIT) && !(node->flags & POOL_UNFIT)))
        pool->retry_at = 0;
    if ((node->flags & POOL_UNFIT) && !(before & POOL_UNFIT)) { /* its master will answer */
        pool_end_kind(pool, POOL_REPLICA, backend_give_up, "the replica does not answer");
        pool_end_kind(pool, POOL_REPLICA3, backend_give_up, "the replica does not answer");
    }
    if (moved)
        pool_end_all(pool, backend_give_up, "the node has moved to another address");
    else if (!pool->has_slots && (node->flags & POOL_UNFIT))
        pool_end_all(pool, backend_give_up, "the node has lost its slots and does not answer");
    else if (had_slots && !pool->has_slots && (before & TOPOLOGY_SILENT))
        pool_end_all(pool, backend_give_up, "the node has lost its slots while it was silent");
    if ((before ^ node->flags) & TOPOLOGY_SILENT)
        pool_hold_back(pool, node->flags & TOPOLOGY_SILENT);
}

void pool_update(struct worker *w, const struct topology *t)
{
    bool seen[TOPOLOGY_MAX_NODES] = {false};
    for (uint16_t i = 0; i < t->nnodes; i++) {
        uint16_t index = t->nodes[i].index;
        seen[index] = true;
        if (!w->pools[index])
            w->pools[index] = pool_new(w, index);
        pool_follow(w->pools[index], &t->nodes[i]);
    }
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++) {
        if (w->pools[i] && !seen[i] && !w->pools[i]->gone) {
            w->pools[i]->gone = true;
            w->pools[i]->demoted = w->now;
        }
    }
}

/* Does it owe replies for so long that something is wrong with this connection or its node? A node
 * that says of itself that it is busy with a script owes them rightly; to learn whether it does, or
 * answers nobody, discovery is asked in time. */
static bool pool_is_overdue(const struct pool *pool, const struct backend *b)
{
    uint64_t limit = pool->worker->config->backend_timeout * 1000ull;
    uint64_t silent = pool->worker->now - b->heard;
    if (silent < POOL_SUSPICIOUS || (pool->flags & TOPOLOGY_BUSY))
        return false;
    worker_hint(pool->worker);
    return limit && silent > limit;
}

/* Has a node had its time to answer what it was asked before it lost its slots? */
static bool pool_is_due(const struct pool *pool)
{
    return pool->demoted && pool->worker->now - pool->demoted > POOL_DEMOTED_GRACE;
}

/* Why this connection can not stay, NULL: it can. */
static const char *pool_complaint(const struct pool *pool, const struct backend *b)
{
    const struct config *config = pool->worker->config;
    uint64_t now = pool->worker->now;
    if (b->state != BACKEND_READY && now - b->opened > config->connect_timeout * 1000ull)
        return "connect-timeout";
    /* Not read from (pool_hold_back), so its end would not be seen either, and whoever waits in a
     * blocking command would wait beyond its time. */
    if ((pool->flags & TOPOLOGY_SILENT) && stream_is_left(&b->stream))
        return "closed by the node";
    if (b->in_flight == 0)
        return NULL;
    if (pool_is_due(pool) && !b->replica && b->head->started < pool->demoted)
        return "the node has lost its slots and owes replies";
    if (b->head->flags & REQUEST_BLOCKING)
        return NULL;
    return pool_is_overdue(pool, b) ? "backend-timeout" : NULL;
}

static void pool_check_leases(struct pool *pool)
{
    struct backend *next;
    for (struct backend *b = pool->leases; b; b = next) {
        next = b->next_lease;
        const char *why = b->state == BACKEND_DEAD ? NULL : pool_complaint(pool, b);
        if (why)
            backend_give_up(b, why);
    }
    lease_trim(pool);
}

static void pool_check_one(struct pool *pool)
{
    uint32_t left = pool->nshared;
    for (int kind = 0; left > 0 && kind < POOL_KINDS; kind++) {
        for (int i = 0; left > 0 && i < POOL_MAX_SHARED; i++) {
            struct backend *b = pool->backends[kind][i];
            if (!b)
                continue;
            left--;
            const char *why = pool_complaint(pool, b);
            if (why)
                backend_give_up(b, why);
            else if (pool->gone && b->in_flight == 0)
                backend_close(b);
        }
    }
    pool_check_leases(pool);
    if (pool_is_due(pool))
        pool->demoted = 0; /* once: what it is asked from now on, it is asked as a master again */
    if (pool->gone && pool->nshared == 0 && !pool->leases) {
        pool->worker->pools[pool->node] = NULL;
        free(pool);
    }
}

void pool_check(struct worker *w)
{
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        if (w->pools[i])
            pool_check_one(w->pools[i]);
}

void pool_close_all(struct worker *w)
{
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++) {
        if (!w->pools[i])
            continue;
        pool_end_all(w->pools[i], backend_fail, "slotway stops");
        free(w->pools[i]);
        w->pools[i] = NULL;
    }
}
