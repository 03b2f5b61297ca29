/* health: what nodes say about themselves beyond the map, for the statistics page. Written by the
 * main thread, read by any; a figure is right by itself, not together with others. */
#ifndef SLOTWAY_CLUSTER_HEALTH_H
#define SLOTWAY_CLUSTER_HEALTH_H

#include <stdatomic.h>
#include <stdint.h>

#define HEALTH_UNKNOWN (-1)

/* One node, by stable index; HEALTH_UNKNOWN where it has not said. */
struct health {
    _Atomic int64_t probe_us;     /* how long its answer to the last probe took */
    _Atomic int64_t offset;       /* of replication, bytes */
    _Atomic int64_t link_up;      /* replica: 1 connected to its master, 0 not */
    _Atomic int64_t memory_used;  /* bytes */
    _Atomic int64_t memory_limit; /* bytes, 0: none */
    _Atomic int64_t keys;
};

static inline void health_set(_Atomic int64_t *figure, int64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

static inline int64_t health_get(const _Atomic int64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

static inline void health_forget(struct health *health)
{
    health_set(&health->probe_us, HEALTH_UNKNOWN);
    health_set(&health->offset, HEALTH_UNKNOWN);
    health_set(&health->link_up, HEALTH_UNKNOWN);
    health_set(&health->memory_used, HEALTH_UNKNOWN);
    health_set(&health->memory_limit, HEALTH_UNKNOWN);
    health_set(&health->keys, HEALTH_UNKNOWN);
}

#endif
