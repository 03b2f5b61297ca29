/* registry: a small number for every node id, stable for the life of the process.
 * Workers key their pools by it; it is given to another node only a minute after the first is gone.
 */
#ifndef SLOTWAY_CLUSTER_REGISTRY_H
#define SLOTWAY_CLUSTER_REGISTRY_H

#include "cluster/topology.h"

#define REGISTRY_KEEP 60.0 /* seconds that the index of a vanished node stays its own */

struct registry;

struct registry *registry_new(void); /* NULL: out of memory */
void registry_free(struct registry *r);

/* The index of the node with this id; a new one if the id is new. Marks the node as seen now
 * (seconds, any monotonic clock). TOPOLOGY_NO_NODE: TOPOLOGY_MAX_NODES ids are in use. */
uint16_t registry_see(struct registry *r, const char *id, double now);

const char *registry_id(const struct registry *r, uint16_t index); /* "" if unused */
double registry_seen(const struct registry *r, uint16_t index);    /* last registry_see */

#endif
