/* lease: connections to nodes that one request or one client has for a while: taken, bound, given
 * back, closed. */
#include "flow/lease.h"
#include "base/log.h"
#include "flow/backend.h"
#include "flow/order.h"
#include "flow/process.h"
#include "flow/session.h"
#include "flow/tracking.h"
#include "flow/worker.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An idle lease is kept for so long, µs. */
#define LEASE_IDLE 30000000
/* Leases to one node that connect at a time: a node that becomes master is not to be overrun by all
 * that wait. */
#define LEASE_CONNECTING_MAX 128

/* --- lists --- */

void lease_on_open(struct backend *b)
{
    struct pool *pool = b->pool;
    b->next_lease = pool->leases;
    if (b->next_lease)
        b->next_lease->prev_lease = b;
    pool->leases = b;
    pool->nleases++;
    pool->connecting++;
}

void lease_on_ready(struct backend *b)
{
    b->ready = true;
    b->pool->connecting--;
}

static void lease_unreserve(const struct pool *pool)
{
    struct process *process = pool->worker->process;
    atomic_fetch_sub_explicit(&process->leases_to[pool->node], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&process->leases, 1, memory_order_relaxed);
}

static void lease_unlink_idle(struct backend *b)
{
    struct backend **at = &b->pool->idle[b->resp3];
    while (*at && *at != b)
        at = &(*at)->next_idle;
    if (*at)
        *at = b->next_idle;
    b->next_idle = NULL;
    b->idle_since = 0;
}

/* Its on_push stays: what the node sent before it answers what is under way may come yet. */
static void lease_unbind(struct backend *b)
{
    struct client *c = b->owner;
    if (!c)
        return;
    struct backend **at = &c->session->leases;
    while (*at != b)
        at = &(*at)->next_owned;
    *at = b->next_owned;
    b->next_owned = NULL;
    b->owner = NULL;
}

void lease_on_close(struct backend *b)
{
    struct pool *pool = b->pool;
    struct client *owner = b->owner;
    if (b->idle_since)
        lease_unlink_idle(b);
    if (b->prev_lease)
        b->prev_lease->next_lease = b->next_lease;
    else
        pool->leases = b->next_lease;
    if (b->next_lease)
        b->next_lease->prev_lease = b->prev_lease;
    pool->nleases--;
    if (!b->ready)
        pool->connecting--;
    lease_unreserve(pool);
    lease_unbind(b);
    if (owner)
        session_on_lease_lost(owner, b);
}

/* --- taking --- */

static bool lease_may_open(const struct pool *pool)
{
    return !(pool->flags & POOL_UNFIT) && !pool->gone && pool->addrlen &&
           pool->retry_at <= pool->worker->now && pool->connecting < LEASE_CONNECTING_MAX;
}

/* May one more be open to this node (of all threads together)? Counts it if so. */
static bool lease_reserve(const struct pool *pool)
{
    struct process *process = pool->worker->process;
    uint32_t n = atomic_fetch_add_explicit(&process->leases_to[pool->node], 1,
                                           memory_order_relaxed);
    uint32_t all = atomic_fetch_add_explicit(&process->leases, 1, memory_order_relaxed);
    if (n < pool->worker->config->max_connections_per_node &&
        process_clients(process) + all < process->max_sockets)
        return true;
    lease_unreserve(pool);
    return false;
}

bool lease_is_exhausted(const struct worker *w, uint16_t node, bool resp3)
{
    const struct pool *pool = node == NODE_NONE ? NULL : w->pools[node];
    struct process *process = w->process;
    if (!pool || pool->idle[resp3])
        return false;
    return atomic_load_explicit(&process->leases_to[node], memory_order_relaxed) >=
               w->config->max_connections_per_node ||
           process_clients(process) +
                   atomic_load_explicit(&process->leases, memory_order_relaxed) >=
               process->max_sockets;
}

void lease_shortage(const struct worker *w, char text[LEASE_SHORTAGE_MAX])
{
    const struct process *process = w->process;
    if (process_clients(process) + atomic_load_explicit(&process->leases, memory_order_relaxed) >=
        process->max_sockets)
        snprintf(text, LEASE_SHORTAGE_MAX,
                 "ERR no connection to the node is left for this command: the limit on open files "
                 "is reached");
    else
        snprintf(text, LEASE_SHORTAGE_MAX,
                 "ERR no connection to the node is left for this command, max-connections-per-node "
                 "is %u",
                 w->config->max_connections_per_node);
}

struct backend *lease_take(struct worker *w, uint16_t node, bool resp3)
{
    struct pool *pool = node == NODE_NONE ? NULL : w->pools[node];
    if (!pool || (pool->flags & POOL_UNFIT))
        return NULL;
    struct backend *b = pool->idle[resp3];
    if (b) {
        lease_unlink_idle(b);
        return b;
    }
    if (!lease_may_open(pool) || !lease_reserve(pool))
        return NULL;
    b = backend_open_lease(pool, resp3);
    if (!b) {
        lease_unreserve(pool);
        log_limited(LOG_LEVEL_WARNING, "Can't connect to node %s:%u: %s", pool->host, pool->port,
                    strerror(errno));
        pool_on_lost(pool, false);
        worker_hint(w);
    }
    return b;
}

struct backend *lease_of(const struct client *c, uint16_t node)
{
    if (!c->session)
        return NULL;
    for (struct backend *b = c->session->leases; b; b = b->next_owned)
        if (b->pool->node == node && !b->listens)
            return b;
    return NULL;
}

void lease_bind(struct backend *b, struct client *c)
{
    struct session *s = session_of(c);
    b->owner = c;
    b->next_owned = s->leases;
    s->leases = b;
}

struct backend *lease_pick(struct worker *w, struct request *r, uint16_t node)
{
    struct client *c = order_client(r);
    /* Several that wait at one node can not do so on one connection. */
    bool apart = (r->flags & (REQUEST_CHILD | REQUEST_BLOCKING)) ==
                 (REQUEST_CHILD | REQUEST_BLOCKING);
    bool binds = c && !apart && c->session && c->session->holds;
    struct backend *b = binds ? lease_of(c, node) : NULL;
    if (!b)
        b = lease_take(w, node, r->flags & REQUEST_RESP3);
    if (!b || !binds)
        return b;
    if (!b->owner)
        lease_bind(b, c);
    return !(c->flags & CLIENT_TRACKING) || tracking_prepare(c, b) ? b : NULL;
}

/* --- giving back --- */

/* Clean, nothing under way: for others to use. Not bound any more. */
static void lease_return(struct backend *b)
{
    lease_unbind(b);
    b->on_push = NULL;
    b->unasked = b->listens = false;
    if (b->unclean || b->pool->gone || (b->pool->flags & POOL_UNFIT) || !b->pool->has_slots) {
        backend_close(b);
        return;
    }
    b->idle_since = b->worker->now;
    b->next_idle = b->pool->idle[b->resp3];
    b->pool->idle[b->resp3] = b;
}

void lease_on_replies(struct backend *b)
{
    if (!b->owner && !b->listens && !b->head && !b->idle_since && b->state == BACKEND_READY)
        lease_return(b);
}

void lease_release_all(struct client *c)
{
    while (c->session && c->session->leases) {
        struct backend *b = c->session->leases;
        lease_unbind(b);
        lease_on_replies(b);
    }
}

void lease_close_all(struct client *c)
{
    while (c->session && c->session->leases) {
        struct backend *b = c->session->leases;
        lease_unbind(b);
        backend_abandon(b);
    }
}

void lease_abandon(struct request *r)
{
    if (r->backend && r->backend->kind == POOL_LEASE)
        backend_abandon(r->backend);
}

void lease_trim(struct pool *pool)
{
    uint64_t now = pool->worker->now;
    for (int protocol = 0; protocol < 2; protocol++) {
        struct backend *next;
        for (struct backend *b = pool->idle[protocol]; b; b = next) {
            next = b->next_idle;
            if (pool->gone || (pool->flags & POOL_UNFIT) || now - b->idle_since > LEASE_IDLE)
                backend_close(b);
        }
    }
}
