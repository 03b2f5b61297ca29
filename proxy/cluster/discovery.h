/* discovery: asks the nodes what the cluster looks like and publishes what changed.
 * Lives in the main thread's loop: one control connection a node, which is its health probe too. */
#ifndef SLOTWAY_CLUSTER_DISCOVERY_H
#define SLOTWAY_CLUSTER_DISCOVERY_H

#include "cluster/topology.h"
#include "config.h"
#include "resp/command.h"
#include <ev.h>

struct discovery;

struct discovery_events {
    /* A topology that differs from the last one. The callee takes over one reference. */
    void (*on_topology)(void *owner, struct topology *t);
    /* A command table that differs from the last one; lives until the process ends. */
    void (*on_commands)(void *owner, const struct command_table *table);
};

/* Start asking; the seeds are config->cluster_nodes. Works when no node answers yet: it says so in
 * the log and goes on trying. */
struct discovery *discovery_start(struct ev_loop *loop, const struct config *config,
                                  const struct discovery_events *events, void *owner);
void discovery_stop(struct discovery *d);

/* A reloaded configuration (seeds, credentials, intervals). Main thread. */
void discovery_configure(struct discovery *d, const struct config *config);

struct health;
/* What the node with this stable index says of itself. Any thread, while d exists. */
const struct health *discovery_health(const struct discovery *d, uint16_t index);

/* Does the owner of this slot say that it is giving it away? Any thread, while d exists. */
bool discovery_is_moving(const struct discovery *d, uint32_t slot);

/* From any thread: something smells (MOVED, lost connection, uncovered slot): ask at once,
 * coalesced, and ask often (every 50 ms) until half a second has passed without a further hint and
 * all nodes are well. */
void discovery_hint(struct discovery *d);

#endif
