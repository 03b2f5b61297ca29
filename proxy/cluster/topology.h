/* topology: an immutable, reference-counted picture of the cluster at one moment.
 * Made by discovery, read by every thread. */
#ifndef SLOTWAY_CLUSTER_TOPOLOGY_H
#define SLOTWAY_CLUSTER_TOPOLOGY_H

#include "cluster/slot.h"
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/un.h>

#define TOPOLOGY_NO_NODE   0xffff
#define TOPOLOGY_ID_LEN    40
#define TOPOLOGY_MAX_NODES 1000

#define TOPOLOGY_MASTER  (1u << 0)
#define TOPOLOGY_REPLICA (1u << 1)
#define TOPOLOGY_FAIL    (1u << 2) /* dead: the cluster agreed, and it serves nobody */
#define TOPOLOGY_PFAIL   (1u << 3) /* suspected by the node that was asked */
#define TOPOLOGY_SILENT  (1u << 4) /* does not answer slotway's own probes */
#define TOPOLOGY_LAGGING (1u << 5) /* replica: link down or behind by more than replica-max-lag */
#define TOPOLOGY_LOADING (1u << 6)
#define TOPOLOGY_BUSY    (1u << 7) /* alive, but a script keeps it from anything else (-BUSY) */

struct topology_node {
    char id[TOPOLOGY_ID_LEN + 1];
    char host[256];      /* as announced (IP or hostname), after the address map */
    char hostname[256];  /* announced hostname beside the IP; "" if none */
    char announced[256]; /* as the node announced it, before the address map */
    uint16_t port;
    uint16_t announced_port;
    uint16_t
        index; /* stable for the life of the process: same id, same index (< TOPOLOGY_MAX_NODES) */
    uint16_t master;  /* replica: position of its master in nodes[]; else TOPOLOGY_NO_NODE */
    uint16_t slots;   /* number of slots it owns */
    uint32_t flags;   /* TOPOLOGY_… bits */
    uint64_t epoch;   /* configuration epoch */
    char run_id[41];  /* "" while unknown */
    char version[24]; /* redis_version, "" while unknown */
    struct sockaddr_storage addr; /* resolved; addrlen 0 while it is not */
    socklen_t addrlen;
};

struct topology {
    _Atomic uint32_t refs;
    uint64_t version; /* 1, 2, 3 … in the order of publishing */
    uint64_t epoch;   /* greatest configuration epoch seen */
    uint16_t covered; /* slots with an owner that is not failed */
    uint16_t nnodes;
    uint16_t owner[SLOT_COUNT]; /* slot -> position in nodes[], TOPOLOGY_NO_NODE: uncovered */
    struct topology_node nodes[];
};

/* A topology with room for nnodes nodes: all zero, every slot uncovered, one reference (the
 * caller's). NULL: out of memory. */
struct topology *topology_new(uint16_t nnodes);
struct topology *topology_ref(struct topology *t);
void topology_unref(struct topology *t); /* frees with the last reference; NULL is fine */

/* Position of the node with this announced address (IP, hostname or mapped address), or
 * TOPOLOGY_NO_NODE. For the targets of MOVED and ASK. An empty or "?" host means fallback_host. */
uint16_t topology_find_address(const struct topology *t, const char *host, size_t host_len,
                               uint16_t port, const char *fallback_host);
/* Is this slot without a master that lives and answers? */
bool topology_is_uncovered(const struct topology *t, uint32_t slot);
uint32_t topology_uncovered(const struct topology *t); /* how many are */
uint16_t topology_find_id(const struct topology *t, const char *id);

#endif
