/* pool: the connections of one worker to one node, and when to try again after one was lost. */
#ifndef SLOTWAY_FLOW_POOL_H
#define SLOTWAY_FLOW_POOL_H

#include "cluster/topology.h"
#include <stdbool.h>
#include <stdint.h>

struct backend;
struct worker;
struct watch_node;

/* What a connection is for. Requests of one client to one node always take the same connection of a
 * kind, so that they stay in order. */
enum pool_kind {
    POOL_MASTER,  /* shared, for everything small */
    POOL_REPLICA, /* shared, after READONLY */
    POOL_BULK,    /* for large requests, which must not hold up the shared ones */
    POOL_MASTER3, /* the same for clients that speak RESP3, in the same order */
    POOL_REPLICA3,
    POOL_BULK3,
    POOL_KINDS,
    POOL_LEASE = POOL_KINDS /* not shared: lease.h */
};

/* The kind for a client of this protocol. */
static inline enum pool_kind pool_kind(enum pool_kind kind, bool resp3)
{
    return resp3 ? kind + POOL_MASTER3 : kind;
}

/* A node with one of these flags is sent nothing. */
#define POOL_UNFIT (TOPOLOGY_FAIL | TOPOLOGY_SILENT)

#define POOL_MAX_SHARED 64 /* connections-per-node at most */

struct pool {
    struct worker *worker;
    uint16_t node;  /* stable index */
    uint32_t flags; /* TOPOLOGY_… of the node */
    bool has_slots; /* owned some in the last topology */
    bool gone;      /* not in the topology any more: closed when idle */
    uint64_t
        demoted; /* µs: when it lost its slots; 0: it has some, had none, or has had its time */
    uint64_t retry_at; /* µs: no connect before; grows with each failure */
    uint32_t failures; /* connects in a row that failed */
    struct backend *backends[POOL_KINDS][POOL_MAX_SHARED];
    uint32_t nshared;        /* of these */
    struct backend *leases;  /* all of them, taken and idle; linked by next_lease */
    struct backend *idle[2]; /* free ones, latest first, by protocol (RESP2, RESP3): next_idle */
    uint32_t nleases;
    struct watch_node *watch; /* figures of the node */
    uint32_t connecting;      /* of these, not ready yet */
    struct sockaddr_storage addr;
    socklen_t addrlen;
    char host[256];
    uint16_t port;
};

/* A connection of this kind on which a request can be put now, connecting or ready. NULL: the node
 * is known not to answer, or was tried a moment ago. hash: chooses among several. */
struct backend *pool_get_slow(struct pool *pool, enum pool_kind kind, uint64_t hash);

static inline struct backend *pool_get(struct pool *pool, enum pool_kind kind, uint64_t hash,
                                       uint32_t shared)
{
    struct backend *b = pool->backends[kind][shared == 1 ? 0 : hash % shared];
    return b && !(pool->flags & POOL_UNFIT) ? b : pool_get_slow(pool, kind, hash);
}

/* One of its connections broke; was_ready: it had worked. Decides when to try again. */
void pool_on_lost(struct pool *pool, bool was_ready);

/* Follow the topology: new pools, changed addresses, vanished nodes. */
void pool_update(struct worker *w, const struct topology *t);
/* Once in a while: close what timed out, what is idle on vanished nodes, what a demoted node holds.
 */
void pool_check(struct worker *w);
void pool_close_all(struct worker *w);

#endif
