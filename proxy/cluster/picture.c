/* picture: from the views of the nodes to a topology.
 *
 *   views of endpoints -> topology_merge -> decorate: addresses, health, software */
#include "cluster/discovery_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VIEWS 32  /* the freshest ones are merged */
#define FORGOTTEN 1.0 /* seconds in no view until a node is gone */

/* Seconds that a node which answers again after a silence waits for the others' word … */
#define DOUBT_MOST   0.3
#define DOUBT_VOICES 8   /* of so many at most */
#define DOUBT_FAILED 2.0 /* … and if they take it for dead, as while they elect another one */

/* --- views --- */

static bool is_forgotten(void *ctx, uint16_t index)
{
    const struct discovery *d = ctx;

    return control_clock() - registry_seen(d->env.registry, index) > FORGOTTEN;
}

static const char *id_of(void *ctx, uint16_t index)
{
    const struct discovery *d = ctx;

    return registry_id(d->env.registry, index);
}

static int fresher(const void *a, const void *b)
{
    const struct endpoint *x = *(struct endpoint *const *)a, *y = *(struct endpoint *const *)b;

    return (x->view_at < y->view_at) - (x->view_at > y->view_at);
}

static bool already_speaks(const struct view *const *views, size_t n, uint16_t index)
{
    for (size_t i = 0; i < n; i++)
        if (views[i]->nodes[views[i]->myself].index == index)
            return true;
    return false;
}

/* The freshest views, one of each node. */
static size_t collect_views(struct discovery *d, const struct view *views[MAX_VIEWS])
{
    struct endpoint **all = malloc((HASH_COUNT(d->endpoints) + 1) * sizeof(struct endpoint *));
    size_t count = 0, n = 0;

    if (!all)
        return 0;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->view)
            all[count++] = e;
    qsort(all, count, sizeof(all[0]), fresher);
    for (size_t i = 0; i < count && n < MAX_VIEWS; i++)
        if (!already_speaks(views, n, all[i]->node))
            views[n++] = all[i]->view;
    free(all);
    return n;
}

static struct topology *copy(const struct topology *of)
{
    struct topology *t;

    if (!of || !(t = topology_new(of->nnodes)))
        return NULL;
    t->epoch = of->epoch;
    t->covered = of->covered;
    memcpy(t->owner, of->owner, sizeof(t->owner));
    memcpy(t->nodes, of->nodes, t->nnodes * sizeof(t->nodes[0]));
    return t;
}

/* The same for the same views in whatever order. */
static uint64_t digest_of_views(const struct view *const *views, size_t n)
{
    uint64_t digest = n;

    for (size_t i = 0; i < n; i++)
        digest += (views[i]->digest ^ views[i]->digest >> 29) * 0x9e3779b97f4a7c15ULL;
    return digest;
}

/* topology_merge, which takes its time, unless the views say what they said the last time. */
static struct topology *merge_views(struct discovery *d, const struct merge_input *input)
{
    uint64_t digest = digest_of_views(input->views, input->nviews);

    if (!d->merged || !d->map.settled || digest != d->merged_views) {
        topology_unref(d->merged);
        d->merged = topology_merge(input, &d->map);
        d->merged_views = digest;
    }
    return copy(d->merged);
}

/* Every address that any view has for a node of the topology is tried: a node that moved is found
 * at its new one as soon as the first of the others knows it. */
static void need_all_addresses(struct discovery *d, const struct topology *t,
                               const struct view *const *views, size_t n)
{
    const struct topology_node *by_index[TOPOLOGY_MAX_NODES] = {NULL};

    for (uint16_t i = 0; i < t->nnodes; i++)
        by_index[t->nodes[i].index] = &t->nodes[i];
    for (size_t i = 0; i < n; i++)
        for (uint16_t j = 0; j < views[i]->nnodes; j++) {
            const struct view_node *node = &views[i]->nodes[j];
            const char *name = *node->host ? node->host : node->hostname;
            char host[CONFIG_HOST_LEN];
            uint16_t port = node->port;

            if (node->index >= TOPOLOGY_MAX_NODES || !by_index[node->index] || !*name || !port)
                continue;
            if (by_index[node->index]->announced_port == port &&
                strcmp(by_index[node->index]->announced, name) == 0)
                continue; /* place_node asks for that one */
            snprintf(host, sizeof(host), "%s", name);
            config_map_address(d->config, host, &port);
            endpoints_need(d, host, port);
        }
}

/* --- what the views do not say --- */

static void set_host(struct topology_node *node, const char *host, uint16_t port)
{
    memmove(node->host, host, strlen(host) + 1);
    node->port = port;
}

/* Where to connect: the announced address after the map; the one at which we reach it if it
 * announces none, or one that does not work. */
static struct endpoint *place_node(struct discovery *d, struct topology_node *node)
{
    struct endpoint *at = d->at[node->index];
    struct endpoint *announced = NULL;

    set_host(node, node->announced, node->announced_port);
    if (*node->host && node->port) {
        config_map_address(d->config, node->host, &node->port);
        announced = endpoints_need(d, node->host, node->port);
    }
    if (at && at != announced && (!announced || announced->refused)) {
        set_host(node, at->host, at->port);
        announced = at;
    }
    if (!announced)
        return at;
    if (announced->naddresses > 0) {
        const struct resolver_address *a = &announced
                                                ->address[announced->which % announced->naddresses];

        memcpy(&node->addr, &a->addr, a->len);
        node->addrlen = a->len;
    }
    return at ? at : announced;
}

static bool is_lagging(struct discovery *d, const struct topology *t,
                       const struct topology_node *node, const struct endpoint *e, double now)
{
    const struct endpoint *master;

    if (!e->info_known || !e->link_up)
        return true;
    if (node->master == TOPOLOGY_NO_NODE || d->config->replica_max_lag == 0)
        return false;
    master = d->at[t->nodes[node->master].index];
    return master && endpoint_is_behind(e, master, d->config->replica_max_lag, now);
}

static bool has_replica(const struct topology *t, const struct topology_node *master)
{
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (t->nodes[i].master == (uint16_t)(master - t->nodes))
            return true;
    return false;
}

/* Have those that can be asked answered since then? If there are others one must have, as all are
 * suspected when it was this process that stood still. */
static bool is_spoken_about(const struct discovery *d, const struct endpoint *e, double since)
{
    int others = 0, heard = 0, missing = 0;

    for (const struct endpoint *o = d->endpoints; o; o = o->hh.next) {
        bool answered = o->view && o->view_asked_at >= since;

        others += o != e && o->wanted;
        if (o == e || !endpoint_is_up(o) || endpoint_is_suspected(o))
            continue;
        heard += answered;
        missing += !answered;
    }
    return (missing == 0 && (heard > 0 || others == 0)) || heard >= DOUBT_VOICES;
}

/* A node that was away does not know what the others decided meanwhile, and would serve slots that
 * are another one's by now. It counts as silent until they have been asked. */
static bool is_doubted(struct discovery *d, const struct topology *t,
                       const struct topology_node *node, struct endpoint *e, double now)
{
    bool electing = node->flags & TOPOLOGY_FAIL && has_replica(t, node) &&
                    strcmp(e->run_id, e->silent_run) == 0;
    double age = now - e->returned_at;

    if (e->returned_at == 0)
        return false;
    if (age < DOUBT_MOST && !(*e->run_id && is_spoken_about(d, e, e->returned_at)))
        return true;
    if (age < DOUBT_FAILED && electing)
        return true;
    e->returned_at = 0;
    return false;
}

/* A short silence is enough if others notice it too: they may elect another one soon. */
static bool is_silent(struct discovery *d, const struct topology *t,
                      const struct topology_node *node, struct endpoint *e, double now)
{
    const uint32_t suspected = TOPOLOGY_FAIL | TOPOLOGY_PFAIL;

    if (endpoint_is_silent(e, now) || (node->flags & suspected && e->unwell_since > 0))
        return true;
    if (!is_doubted(d, t, node, e, now))
        return false;
    d->env.doubting = true;
    return true;
}

static bool judge_silence(struct discovery *d, const struct topology *t,
                          const struct topology_node *node, struct endpoint *e, double now)
{
    bool silent;

    if (!e || (e->node != TOPOLOGY_NO_NODE && e->node != node->index))
        return true;
    silent = is_silent(d, t, node, e, now);
    if (silent && !e->held_silent)
        memcpy(e->silent_run, node->run_id, sizeof(e->silent_run));
    e->held_silent = silent;
    return silent;
}

static void decorate_node(struct discovery *d, struct topology *t, struct topology_node *node,
                          double now)
{
    struct endpoint *e = place_node(d, node);
    const uint32_t ours = TOPOLOGY_SILENT | TOPOLOGY_LAGGING | TOPOLOGY_LOADING | TOPOLOGY_BUSY;
    bool here = e && e->node == node->index;

    node->flags &= ~ours;
    if (here && *e->run_id) {
        memcpy(node->run_id, e->run_id, sizeof(node->run_id));
        memcpy(node->version, e->version, sizeof(node->version));
    }
    if (judge_silence(d, t, node, e, now))
        node->flags |= TOPOLOGY_SILENT;
    /* after a restart of everything the others call it dead for seconds while it serves already */
    if (node->flags & TOPOLOGY_FAIL && here && e->view && !endpoint_is_suspected(e) &&
        (node->slots > 0 || node->flags & TOPOLOGY_REPLICA))
        node->flags ^= TOPOLOGY_FAIL | TOPOLOGY_PFAIL;
    if (e && e->loading)
        node->flags |= TOPOLOGY_LOADING;
    if (e && e->busy)
        node->flags |= TOPOLOGY_BUSY;
    if (node->flags & TOPOLOGY_REPLICA && (!here || is_lagging(d, t, node, e, now)))
        node->flags |= TOPOLOGY_LAGGING;
}

/* What only a connection tells stays until it tells again. */
static void keep_software(const struct discovery *d, struct topology *t)
{
    for (uint16_t i = 0; d->published && i < t->nnodes; i++) {
        uint16_t j = topology_find_id(d->published, t->nodes[i].id);

        if (j == TOPOLOGY_NO_NODE)
            continue;
        memcpy(t->nodes[i].run_id, d->published->nodes[j].run_id, sizeof(t->nodes[i].run_id));
        memcpy(t->nodes[i].version, d->published->nodes[j].version, sizeof(t->nodes[i].version));
    }
}

struct topology *picture_make(struct discovery *d)
{
    const struct view *views[MAX_VIEWS];
    struct merge_input input = {
        .views = views, .previous = d->published, .is_forgotten = is_forgotten, .id_of = id_of};
    struct topology *t;

    input.ctx = d;
    input.nviews = collect_views(d, views);
    t = merge_views(d, &input);
    if (!t)
        t = copy(d->published);
    if (!t) {
        endpoints_index(d);
        return NULL;
    }
    d->generation++;
    keep_software(d, t);
    need_all_addresses(d, t, views, input.nviews);
    endpoints_index(d);
    d->env.doubting = false;
    for (uint16_t i = 0; i < t->nnodes; i++)
        decorate_node(d, t, &t->nodes[i], control_clock());
    topology_count(t);
    return t;
}
