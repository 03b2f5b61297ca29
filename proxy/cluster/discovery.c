/* discovery: whom to ask, when, and what to publish.
 *
 *   seeds, announced addresses -> endpoints -> views -> topology_merge -> decorate -> on_topology
 *
 * Nothing is decided inside a callback of a connection: it only marks what it learned as changed,
 * and settle() draws the conclusions once at the end of the turn of the loop. */
#include "cluster/discovery.h"

#include "base/log.h"
#include "cluster/changes.h"
#include "cluster/endpoint.h"
#include "cluster/learning.h"
#include "cluster/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK          0.05
#define HINT_SPACING  0.01 /* least seconds between two rounds that hints ask for … */
#define HINT_BURST    2.0  /* … until they have not ceased for so long; then TROUBLE_EVERY */
#define HINT_TROUBLE  0.5  /* seconds of asking often after a hint */
#define TROUBLE_EVERY 0.05 /* seconds between rounds in trouble … */
#define TROUBLE_TIRED 60.0 /* … until it has been the same trouble for this long … */
#define TIRED_EVERY   0.5  /* … and then */
#define SMALL_CLUSTER 16   /* up to that many nodes all are asked every time */
#define ASK_CALM      8    /* of more, that many in a calm round */
#define ASK_TROUBLE   4
#define MAX_VIEWS     32  /* the freshest ones are merged */
#define FORGOTTEN     1.0 /* seconds in no view until a node is gone */

struct discovery {
    struct ev_loop *loop;
    const struct config *config;
    const struct discovery_events *events;
    void *owner;
    struct endpoint_env env;
    struct endpoint *endpoints; /* by key */
    struct learning *learning;
    struct merge_map map;
    struct topology *published;
    uint64_t versions;
    uint32_t generation;
    bool changed; /* settle() has something to do */
    double last_hint;
    double burst_since; /* hints have come without a pause since then */
    double last_round;
    double last_probe;
    double trouble_since; /* last time that the trouble changed; 0: none */
    double said_waiting;  /* last log line about a cluster that is not there */
    uint32_t next_to_ask; /* round robin */
    ev_timer tick;
    ev_timer hint_timer;
    ev_async hint;
    ev_prepare settle;
};

/* --- endpoints --- */

static struct endpoint *find_endpoint(struct discovery *d, const char *host, uint16_t port)
{
    char key[CONFIG_HOST_LEN + 8];
    struct endpoint *e = NULL;

    endpoint_key(key, host, port);
    HASH_FIND_STR(d->endpoints, key, e);
    return e;
}

static struct endpoint *need_endpoint(struct discovery *d, const char *host, uint16_t port)
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

static void add_seeds(struct discovery *d)
{
    struct endpoint *e, *tmp;

    HASH_ITER (hh, d->endpoints, e, tmp)
        e->seed = false;
    for (uint32_t i = 0; i < d->config->cluster_nodes.n; i++) {
        char host[CONFIG_HOST_LEN];
        uint16_t port;

        if (!config_parse_address(d->config->cluster_nodes.v[i], host, &port))
            continue;
        e = need_endpoint(d, host, port);
        if (e)
            e->seed = true;
    }
}

/* The endpoint at which the node with this index answers: its announced address rather than a seed
 * that leads to it by another name. */
static struct endpoint *endpoint_of_node(struct discovery *d, uint16_t index)
{
    struct endpoint *e, *tmp, *best = NULL;

    HASH_ITER (hh, d->endpoints, e, tmp)
        if (e->node == index && endpoint_is_up(e) &&
            (!best || (e->generation == d->generation && best->generation != d->generation)))
            best = e;
    return best;
}

static bool has_view(const struct discovery *d)
{
    for (const struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->view)
            return true;
    return false;
}

/* Seeds serve while nobody else does; other addresses as long as a view names them. */
static void drop_endpoints(struct discovery *d)
{
    bool alone = !has_view(d);
    struct endpoint *e, *tmp;

    HASH_ITER (hh, d->endpoints, e, tmp) {
        bool named = e->generation == d->generation;
        bool only_way = e->view && endpoint_of_node(d, e->node) == e;

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

/* --- from views to a topology --- */

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

static struct topology *copy_published(const struct discovery *d)
{
    struct topology *t;

    if (!d->published || !(t = topology_new(d->published->nnodes)))
        return NULL;
    t->epoch = d->published->epoch;
    memcpy(t->owner, d->published->owner, sizeof(t->owner));
    memcpy(t->nodes, d->published->nodes, t->nnodes * sizeof(t->nodes[0]));
    return t;
}

/* Every address that any view has for a node of the topology is tried: a node that moved is found
 * at its new one as soon as the first of the others knows it. */
static void need_all_addresses(struct discovery *d, const struct topology *t,
                               const struct view *const *views, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (uint16_t j = 0; j < views[i]->nnodes; j++) {
            const struct view_node *node = &views[i]->nodes[j];
            char host[CONFIG_HOST_LEN];
            uint16_t port = node->port;

            snprintf(host, sizeof(host), "%s", *node->host ? node->host : node->hostname);
            if (!*host || !port || topology_find_id(t, node->id) == TOPOLOGY_NO_NODE)
                continue;
            config_map_address(d->config, host, &port);
            need_endpoint(d, host, port);
        }
}

static void set_host(struct topology_node *node, const char *host, uint16_t port)
{
    memmove(node->host, host, strlen(host) + 1);
    node->port = port;
}

/* Where to connect: the announced address after the map; the one at which we reach it if it
 * announces none, or one that does not work. */
static struct endpoint *place_node(struct discovery *d, struct topology_node *node)
{
    struct endpoint *at = endpoint_of_node(d, node->index);
    struct endpoint *announced = NULL;

    set_host(node, node->announced, node->announced_port);
    if (*node->host && node->port) {
        config_map_address(d->config, node->host, &node->port);
        announced = need_endpoint(d, node->host, node->port);
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
    master = endpoint_of_node(d, t->nodes[node->master].index);
    return master && endpoint_is_behind(e, master, d->config->replica_max_lag, now);
}

static void decorate_node(struct discovery *d, struct topology *t, struct topology_node *node,
                          double now)
{
    const struct endpoint *e = place_node(d, node);
    const uint32_t ours = TOPOLOGY_SILENT | TOPOLOGY_LAGGING | TOPOLOGY_LOADING;
    bool here = e && e->node == node->index;

    node->flags &= ~ours;
    if (here && *e->run_id) {
        memcpy(node->run_id, e->run_id, sizeof(node->run_id));
        memcpy(node->version, e->version, sizeof(node->version));
    }
    if (!e || endpoint_is_silent(e, now) || (e->node != TOPOLOGY_NO_NODE && !here))
        node->flags |= TOPOLOGY_SILENT;
    /* after a restart of everything the others call it dead for seconds while it serves already */
    if (node->flags & TOPOLOGY_FAIL && here && e->view && !endpoint_is_suspected(e) &&
        (node->slots > 0 || node->flags & TOPOLOGY_REPLICA))
        node->flags ^= TOPOLOGY_FAIL | TOPOLOGY_PFAIL;
    if (e && e->loading)
        node->flags |= TOPOLOGY_LOADING;
    if (node->flags & TOPOLOGY_REPLICA && (!here || is_lagging(d, t, node, e, now)))
        node->flags |= TOPOLOGY_LAGGING;
}

static void publish(struct discovery *d, struct topology *t)
{
    t->version = ++d->versions;
    d->trouble_since = control_clock();
    d->events->on_topology(d->owner, topology_ref(t)); /* first: requests wait for it */
    changes_log(d->published, t);
    topology_unref(d->published);
    d->published = t;
}

static struct topology *make_topology(struct discovery *d)
{
    const struct view *views[MAX_VIEWS];
    struct merge_input input = {
        .views = views, .previous = d->published, .is_forgotten = is_forgotten, .id_of = id_of};
    struct topology *t;

    input.ctx = d;
    input.nviews = collect_views(d, views);
    t = topology_merge(&input, &d->map);
    if (!t)
        t = copy_published(d);
    if (!t)
        return NULL;
    d->generation++;
    for (uint16_t i = 0; i < t->nnodes; i++) {
        const struct topology_node *old = &t->nodes[i];
        uint16_t j = d->published ? topology_find_id(d->published, old->id) : TOPOLOGY_NO_NODE;

        if (j != TOPOLOGY_NO_NODE) { /* what only a connection tells stays until it tells again */
            memcpy(t->nodes[i].run_id, d->published->nodes[j].run_id, sizeof(old->run_id));
            memcpy(t->nodes[i].version, d->published->nodes[j].version, sizeof(old->version));
        }
    }
    need_all_addresses(d, t, views, input.nviews);
    for (uint16_t i = 0; i < t->nnodes; i++)
        decorate_node(d, t, &t->nodes[i], control_clock());
    topology_count(t);
    return t;
}

static void tick_endpoints(struct discovery *d)
{
    double now = control_clock();
    bool fast = d->published != NULL;

    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        endpoint_tick(e, now, fast);
}

static void on_change(void *ctx)
{
    struct discovery *d = ctx;

    d->changed = true;
}

static void on_commands(void *ctx, struct endpoint *e, const char *reply, size_t len)
{
    struct discovery *d = ctx;

    const char *error;

    if (!learning_take(d->learning, e->software, reply, len, &error))
        log_warning("cluster: node %s:%u: COMMAND is not understood: %s", e->host, e->port, error);
    d->changed = true;
}

static bool is_being_learned(const struct discovery *d, const char *software)
{
    for (const struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->commands_asked && strcmp(e->software, software) == 0)
            return true;
    return false;
}

/* Ask one node of each version and set of modules for its commands; publish the latest ones. */
static void learn_commands(struct discovery *d)
{
    const char **software = malloc((HASH_COUNT(d->endpoints) + 1) * sizeof(*software));
    const struct command_table *table;
    size_t n = 0;

    if (!software)
        return;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next) {
        if (!endpoint_is_up(e) || !e->software_known)
            continue;
        software[n++] = e->software;
        if (!learning_knows(d->learning, e->software) && !is_being_learned(d, e->software))
            endpoint_ask_commands(e);
    }
    table = learning_choose(d->learning, software, n);
    free(software);
    if (table)
        d->events->on_commands(d->owner, table);
}

static void settle(struct discovery *d)
{
    struct topology *t = make_topology(d);

    d->changed = false;
    drop_endpoints(d);
    if (t && changes_matter(d->published, t))
        publish(d, t);
    else
        topology_unref(t);
    tick_endpoints(d);
    learn_commands(d);
}

static void on_settle(struct ev_loop *loop, ev_prepare *w, int revents)
{
    struct discovery *d = w->data;

    (void)loop;
    (void)revents;
    if (d->changed)
        settle(d);
}

/* --- when to ask --- */

static bool is_troubled(const struct discovery *d, double now)
{
    const uint32_t bad = TOPOLOGY_FAIL | TOPOLOGY_PFAIL | TOPOLOGY_SILENT | TOPOLOGY_LOADING;
    const struct topology *t = d->published;

    if (!t || t->covered < SLOT_COUNT || now - d->last_hint < HINT_TROUBLE)
        return true;
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (t->nodes[i].flags & bad)
            return true;
    for (const struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (e->wanted && endpoint_is_suspected(e))
            return true;
    return false;
}

static double round_interval(struct discovery *d, double now)
{
    double calm = d->config->refresh_interval / 1000.0;
    double due = TROUBLE_EVERY;

    if (!is_troubled(d, now)) {
        d->trouble_since = 0;
        return calm;
    }
    if (d->trouble_since == 0)
        d->trouble_since = now;
    if (now - d->trouble_since > TROUBLE_TIRED && now - d->last_hint > HINT_TROUBLE)
        due = TIRED_EVERY;
    return due < calm ? due : calm;
}

static bool is_master(const struct discovery *d, const struct endpoint *e)
{
    for (uint16_t i = 0; d->published && i < d->published->nnodes; i++)
        if (d->published->nodes[i].index == e->node)
            return d->published->nodes[i].slots > 0;
    return false;
}

/* Ask the n endpoints whose turn it is, masters before others. */
static void ask_some(struct discovery *d, uint32_t n)
{
    uint32_t count = HASH_COUNT(d->endpoints);

    for (int masters = 1; masters >= 0 && n > 0; masters--) {
        uint32_t position = 0, start = d->next_to_ask % count;

        for (int lap = 0; lap < 2; lap++) {
            position = 0;
            for (struct endpoint *e = d->endpoints; e && n > 0; e = e->hh.next, position++)
                if ((position >= start) == (lap == 0) && endpoint_is_up(e) && !e->asking &&
                    is_master(d, e) == masters) {
                    endpoint_ask(e);
                    d->next_to_ask = position + 1;
                    n--;
                }
        }
    }
}

static void start_round(struct discovery *d, double now, bool troubled)
{
    uint32_t up = 0;

    d->last_round = now;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        up += endpoint_is_up(e);
    if (up > SMALL_CLUSTER) {
        ask_some(d, troubled ? ASK_TROUBLE : ASK_CALM);
        return;
    }
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        if (!e->asking)
            endpoint_ask(e);
}

static void probe_all(struct discovery *d, double now)
{
    d->last_probe = now;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        endpoint_probe(e);
    d->changed = true; /* lag is judged by time */
}

static void say_waiting(struct discovery *d, double now)
{
    const struct endpoint *e;

    if (d->published || (d->said_waiting > 0 && now - d->said_waiting < 60))
        return;
    for (e = d->endpoints; e; e = e->hh.next) {
        if (!e->refused)
            return;
    }
    d->said_waiting = now;
    if (d->endpoints)
        log_warning("cluster: no node answers yet (%s:%u: %s), trying on", d->endpoints->host,
                    d->endpoints->port, d->endpoints->trouble);
}

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct discovery *d = w->data;
    double now = control_clock();
    double interval;

    (void)loop;
    (void)revents;
    tick_endpoints(d);
    interval = round_interval(d, now);
    /* half a tick of grace: the timer is never exactly on time */
    if (now - d->last_round >= interval - TICK / 2)
        start_round(d, now, d->trouble_since > 0);
    if (now - d->last_probe >= d->config->refresh_interval / 1000.0 - TICK / 2)
        probe_all(d, now);
    say_waiting(d, now);
}

/* As start_round, but whoever is being asked is asked once more: its answer may be older than what
 * gave rise to the hint. */
static void ask_for_hint(struct discovery *d, double now)
{
    uint32_t up = 0;

    d->last_round = now;
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        up += endpoint_is_up(e);
    if (up > SMALL_CLUSTER) {
        ask_some(d, ASK_CALM);
        return;
    }
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        endpoint_ask(e);
}

static void on_hint(struct ev_loop *loop, ev_async *w, int revents)
{
    struct discovery *d = w->data;
    double now = control_clock();
    double spacing, wait;

    (void)revents;
    if (now - d->last_hint > HINT_TROUBLE)
        d->burst_since = now;
    d->last_hint = now;
    spacing = now - d->burst_since < HINT_BURST ? HINT_SPACING : TROUBLE_EVERY;
    wait = d->last_round + spacing - now;
    if (wait <= 0) {
        ask_for_hint(d, now);
    } else if (!ev_is_active(&d->hint_timer)) {
        ev_timer_set(&d->hint_timer, wait, 0);
        ev_timer_start(loop, &d->hint_timer);
    }
}

static void on_hint_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop;
    (void)revents;
    ask_for_hint(w->data, control_clock());
}

/* --- life --- */

static void start_watchers(struct discovery *d)
{
    ev_timer_init(&d->tick, on_tick, TICK, TICK);
    ev_timer_init(&d->hint_timer, on_hint_timer, 0, 0);
    ev_async_init(&d->hint, on_hint);
    ev_prepare_init(&d->settle, on_settle);
    d->tick.data = d->hint_timer.data = d->hint.data = d->settle.data = d;
    ev_timer_start(d->loop, &d->tick);
    ev_async_start(d->loop, &d->hint);
    ev_prepare_start(d->loop, &d->settle);
}

struct discovery *discovery_start(struct ev_loop *loop, const struct config *config,
                                  const struct discovery_events *events, void *owner)
{
    struct discovery *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    d->loop = loop;
    d->config = config_ref(config);
    d->events = events;
    d->owner = owner;
    d->last_hint = -HINT_TROUBLE;
    merge_map_init(&d->map);
    d->env = (struct endpoint_env){.loop = loop,
                                   .resolver = resolver_start(loop),
                                   .registry = registry_new(),
                                   .config = d->config,
                                   .on_change = on_change,
                                   .on_commands = on_commands,
                                   .ctx = d};
    d->learning = learning_new();
    start_watchers(d);
    if (!d->env.resolver || !d->env.registry || !d->learning) {
        log_warning("cluster: out of memory or threads");
        discovery_stop(d);
        return NULL;
    }
    add_seeds(d);
    d->changed = true;
    return d;
}

void discovery_stop(struct discovery *d)
{
    struct endpoint *e, *tmp;

    if (!d)
        return;
    ev_timer_stop(d->loop, &d->tick);
    ev_timer_stop(d->loop, &d->hint_timer);
    ev_async_stop(d->loop, &d->hint);
    ev_prepare_stop(d->loop, &d->settle);
    HASH_ITER (hh, d->endpoints, e, tmp) {
        HASH_DEL(d->endpoints, e);
        endpoint_free(e);
    }
    learning_free(d->learning);
    resolver_stop(d->env.resolver);
    registry_free(d->env.registry);
    topology_unref(d->published);
    config_unref(d->config);
    free(d);
}

void discovery_configure(struct discovery *d, const struct config *config)
{
    bool other_user = strcmp(d->config->auth_user, config->auth_user) != 0 ||
                      strcmp(d->config->auth_password, config->auth_password) != 0;

    config_ref(config);
    config_unref(d->config);
    d->config = d->env.config = config;
    add_seeds(d);
    for (struct endpoint *e = d->endpoints; e && other_user; e = e->hh.next) {
        endpoint_disconnect(e);
        e->retry_at = 0;
    }
    d->changed = true;
}

void discovery_hint(struct discovery *d)
{
    ev_async_send(d->loop, &d->hint);
}
