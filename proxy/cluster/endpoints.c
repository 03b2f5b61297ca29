/* endpoints: the addresses that discovery knows: seeds, and what the views name.
 * Seeds serve while nobody else does; other addresses as long as a view names them. */
#include "cluster/discovery_state.h"

#include <string.h>

static struct endpoint *find_endpoint(struct discovery *d, const char *host, uint16_t port)
{
    char key[CONFIG_HOST_LEN + 8];
    struct endpoint *e = NULL;

    endpoint_key(key, host, port);
    HASH_FIND_STR(d->endpoints, key, e);
    return e;
}

struct endpoint *endpoints_need(struct discovery *d, const char *host, uint16_t port)
{
    struct endpoint *e = find_endpoint(d, host, port);

    if (!e && (e = endpoint_new(&d->env, host, port))) {
        HASH_ADD_STR(d->endpoints, key, e);
        d->changed = true; /* its first tick connects */
    }
    if (e)
        e->generation = d->generation;
    return e;
}

void endpoints_add_seeds(struct discovery *d)
{
    struct endpoint *e, *tmp;

    HASH_ITER (hh, d->endpoints, e, tmp)
        e->seed = false;
    for (uint32_t i = 0; i < d->config->cluster_nodes.n; i++) {
        char host[CONFIG_HOST_LEN];
        uint16_t port;

        if (!config_parse_address(d->config->cluster_nodes.v[i], host, &port))
            continue;
        e = endpoints_need(d, host, port);
        if (e)
            e->seed = true;
    }
}

/* Is a, at which the same node answers as at b, the better way to it? An announced address is
 * better than a seed that leads to it by another name. */
static bool is_better(const struct discovery *d, const struct endpoint *a, const struct endpoint *b)
{
    return !b || (a->generation == d->generation && b->generation != d->generation);
}

void endpoints_index(struct discovery *d)
{
    memset(d->at, 0, sizeof(d->at));
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->node < TOPOLOGY_MAX_NODES && endpoint_is_up(e) && is_better(d, e, d->at[e->node]))
            d->at[e->node] = e;
}

static bool has_view(const struct discovery *d)
{
    for (const struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->view)
            return true;
    return false;
}

/* Seeds serve while nobody else does; other addresses as long as a view names them. */
void endpoints_drop(struct discovery *d)
{
    bool alone = !has_view(d);
    struct endpoint *e, *tmp;

    HASH_ITER (hh, d->endpoints, e, tmp) {
        bool named = e->generation == d->generation;
        bool only_way = e->view && e->node < TOPOLOGY_MAX_NODES && d->at[e->node] == e;

        e->wanted = named || only_way || (e->seed && alone);
        if (e->wanted)
            continue;
        if (e->seed) {
            endpoint_disconnect(e);
            e->refused = false;
            e->unwell_since = 0;
        } else {
            HASH_DEL(d->endpoints, e);
            endpoint_free(e);
        }
    }
}

void endpoints_tick(struct discovery *d)
{
    double now = control_clock();
    bool fast = d->published != NULL;

    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        endpoint_tick(e, now, fast);
}
