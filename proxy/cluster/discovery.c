/* discovery: starting, publishing, stopping.
 *
 *   seeds, announced addresses -> endpoints -> views -> picture -> on_topology
 *                                    ^ rounds
 *
 * Nothing is decided inside a callback of a connection: it only marks what it learned as changed,
 * and settle() draws the conclusions once at the end of the turn of the loop. */
#include "cluster/discovery_state.h"

#include "base/log.h"
#include "cluster/changes.h"

#include <stdlib.h>
#include <string.h>

/* --- learning and publishing --- */

static void publish(struct discovery *d, struct topology *t)
{
    t->version = ++d->versions;
    d->trouble_since = control_clock();
    d->events->on_topology(d->owner, topology_ref(t)); /* first: requests wait for it */
    changes_log(d->published, t);
    topology_unref(d->published);
    d->published = t;
}

static void on_change(void *ctx)
{
    struct discovery *d = ctx;

    d->changed = true;
}

static void on_return(void *ctx)
{
    rounds_hint(ctx);
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
    struct topology *t = picture_make(d);

    d->changed = false;
    endpoints_drop(d);
    if (t && changes_matter(d->published, t))
        publish(d, t);
    else
        topology_unref(t);
    endpoints_tick(d);
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

/* --- life --- */

static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
    struct discovery *d = w->data;

    (void)loop;
    (void)revents;
    endpoints_tick(d);
    rounds_tick(d);
    d->changed = d->changed || d->env.doubting; /* doubts end with time */
}

static void on_hint(struct ev_loop *loop, ev_async *w, int revents)
{
    (void)loop;
    (void)revents;
    rounds_hint(w->data);
}

static void on_hint_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
    (void)loop;
    (void)revents;
    rounds_hint_is_due(w->data);
}

static void start_watchers(struct discovery *d)
{
    ev_timer_init(&d->tick, on_tick, ROUNDS_TICK, ROUNDS_TICK);
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
    d->last_hint = ROUNDS_NEVER;
    merge_map_init(&d->map);
    d->env = (struct endpoint_env){.loop = loop,
                                   .resolver = resolver_start(loop),
                                   .registry = registry_new(),
                                   .config = d->config,
                                   .on_change = on_change,
                                   .on_return = on_return,
                                   .on_commands = on_commands,
                                   .ctx = d};
    d->learning = learning_new();
    d->env.health = calloc(TOPOLOGY_MAX_NODES, sizeof(*d->env.health));
    d->env.moving = calloc(SLOT_COUNT, sizeof(*d->env.moving));
    for (uint16_t i = 0; d->env.health && i < TOPOLOGY_MAX_NODES; i++)
        health_forget(&d->env.health[i]);
    start_watchers(d);
    if (!d->env.resolver || !d->env.registry || !d->learning || !d->env.health || !d->env.moving) {
        log_warning("cluster: out of memory or threads");
        discovery_stop(d);
        return NULL;
    }
    endpoints_add_seeds(d);
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
    free(d->env.health);
    free((void *)d->env.moving);
    topology_unref(d->published);
    topology_unref(d->merged);
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
    endpoints_add_seeds(d);
    for (struct endpoint *e = d->endpoints; e && other_user; e = e->hh.next) {
        endpoint_disconnect(e);
        e->retry_at = 0;
    }
    d->changed = true;
}

const struct health *discovery_health(const struct discovery *d, uint16_t index)
{
    return &d->env.health[index];
}

bool discovery_is_moving(const struct discovery *d, uint32_t slot)
{
    return atomic_load_explicit(&d->env.moving[slot], memory_order_relaxed);
}

void discovery_hint(struct discovery *d)
{
    ev_async_send(d->loop, &d->hint);
}
