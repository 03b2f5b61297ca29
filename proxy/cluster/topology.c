/* topology: making, sharing and searching pictures of the cluster.
 * Who decides what is in a picture is merge.c; who publishes it is discovery.c. */
#include "cluster/topology.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct topology *topology_new(uint16_t nnodes)
{
    struct topology *t = calloc(1, sizeof(*t) + nnodes * sizeof(t->nodes[0]));

    if (!t)
        return NULL;
    atomic_init(&t->refs, 1);
    t->nnodes = nnodes;
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        t->owner[slot] = TOPOLOGY_NO_NODE;
    return t;
}

struct topology *topology_ref(struct topology *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void topology_unref(struct topology *t)
{
    if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1)
        free(t);
}

static bool same_host(const char *name, const char *host, size_t host_len)
{
    return host_len > 0 && strncasecmp(name, host, host_len) == 0 && name[host_len] == '\0';
}

static bool is_at(const struct topology_node *node, const char *host, size_t host_len,
                  uint16_t port)
{
    if (node->announced_port == port &&
        (same_host(node->announced, host, host_len) || same_host(node->hostname, host, host_len)))
        return true;
    return node->port == port && same_host(node->host, host, host_len);
}

uint16_t topology_find_address(const struct topology *t, const char *host, size_t host_len,
                               uint16_t port, const char *fallback_host)
{
    if (host_len == 0 || (host_len == 1 && host[0] == '?')) {
        host = fallback_host ? fallback_host : "";
        host_len = strlen(host);
    }
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (is_at(&t->nodes[i], host, host_len, port))
            return i;
    return TOPOLOGY_NO_NODE;
}

bool topology_is_uncovered(const struct topology *t, uint32_t slot)
{
    uint16_t owner = t->owner[slot];

    return owner == TOPOLOGY_NO_NODE ||
           (t->nodes[owner].flags & (TOPOLOGY_FAIL | TOPOLOGY_SILENT)) != 0;
}

uint32_t topology_uncovered(const struct topology *t)
{
    uint32_t n = 0;

    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        n += topology_is_uncovered(t, slot);
    return n;
}

uint16_t topology_find_id(const struct topology *t, const char *id)
{
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (strcmp(t->nodes[i].id, id) == 0)
            return i;
    return TOPOLOGY_NO_NODE;
}
