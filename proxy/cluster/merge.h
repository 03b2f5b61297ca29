/* merge: what many nodes say, put together into one topology. No I/O, no clock: a function of the
 * views and of what was published before.
 *
 * Slots: the claim with the greatest configuration epoch wins. A node's own denial outweighs what
 * others say of it, and a published owner gives way to a lower epoch only if it is forgotten,
 * denies the slot itself, or all views of more than half of the nodes agree: so neither a node on
 * the minority side nor a master that slept through its own failover turns the map back. */
#ifndef SLOTWAY_CLUSTER_MERGE_H
#define SLOTWAY_CLUSTER_MERGE_H

#include "cluster/view.h"

/* Who owns each slot by registry index (TOPOLOGY_NO_NODE: nobody), and by which epoch. */
struct merge_map {
    uint16_t owner[SLOT_COUNT];
    uint64_t epoch[SLOT_COUNT];
    /* The last merge changed nothing here and depended on no clock: the same views would come to
     * the same again. */
    bool settled;
};

struct merge_input {
    const struct view *const *views; /* with registry indexes set, at most one of each node */
    size_t nviews;
    const struct topology *previous; /* published last; NULL at first */
    /* Was this node (by index) missing from all views for so long that it is gone? */
    bool (*is_forgotten)(void *ctx, uint16_t index);
    const char *(*id_of)(void *ctx, uint16_t index);
    void *ctx;
};

void merge_map_init(struct merge_map *map);

/* Update *map and make a topology of it: ids, indexes, announced addresses (host and port are the
 * same as the announced ones), roles, masters, slots, epochs, FAIL and PFAIL are set; version is 0.
 * Caller owns it. NULL: no view says anything that counts (the map is unchanged), or out of memory.
 */
struct topology *topology_merge(const struct merge_input *input, struct merge_map *map);

/* Sets covered by the nodes' numbers of slots and their flags. */
void topology_count(struct topology *t);

#endif
