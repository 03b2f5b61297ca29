/* changes: what differs between two topologies, and saying it in the log. */
#ifndef SLOTWAY_CLUSTER_CHANGES_H
#define SLOTWAY_CLUSTER_CHANGES_H

#include "cluster/topology.h"

/* Would a reader of the topology act differently? Versions and epochs alone do not count. before
 * may be NULL: then it differs. */
bool changes_matter(const struct topology *before, const struct topology *after);

/* One line in the log for each thing that changed. before may be NULL. */
void changes_log(const struct topology *before, const struct topology *after);

#endif
