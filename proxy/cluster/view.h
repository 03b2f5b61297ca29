/* view: what one node says about the cluster, from the text of its CLUSTER NODES reply. */
#ifndef SLOTWAY_CLUSTER_VIEW_H
#define SLOTWAY_CLUSTER_VIEW_H

#include "cluster/topology.h"

/* One line. Strings point into the view. */
struct view_node {
    const char *id;
    const char *master_id; /* "" for a master */
    const char *host;      /* "" if unknown ("?" and an empty host) */
    const char *hostname;  /* "" if none */
    uint16_t port;         /* 0 if unknown */
    uint16_t index;        /* the registry's; set by whoever keeps the view */
    uint16_t master;       /* likewise of master_id; TOPOLOGY_NO_NODE for a master */
    uint16_t first_range;  /* ranges[first_range .. first_range + nranges - 1] are its slots */
    uint16_t nranges;
    uint32_t flags; /* TOPOLOGY_MASTER, _REPLICA, _FAIL, _PFAIL */
    uint64_t epoch;
};

struct view_range {
    uint16_t first;
    uint16_t last; /* inclusive */
};

struct view {
    uint16_t nnodes;
    uint16_t nranges;
    uint16_t myself; /* position of the node that was asked */
    uint32_t nslots; /* slots that have an owner */
    uint16_t nmoving;
    uint64_t digest; /* of all that matters here: without ping times and link states */
    struct view_node *nodes;
    struct view_range *ranges;
    uint16_t *moving; /* slots that the node is giving away; not part of the digest */
    char *text;
};

/* Parse a CLUSTER NODES reply of any version since 3.0. Nodes in handshake or without an address
 * are left out, as are slots that it is given. NULL and *error (static text) if it is malformed:
 * then nothing of it can be believed. Owner: caller; view_free. */
struct view *view_parse(const char *text, size_t len, const char **error);
void view_free(struct view *view); /* NULL is fine */

#endif
