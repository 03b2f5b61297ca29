/* pubsub_place: at which nodes each topic is subscribed, and from which its messages are taken. */
#include "base/glob.h"
#include "flow/pool.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"

/* In a cluster there is database 0 only. */
static const char *const place_prefixes[] = {"__keyspace@0__:", "__keyevent@0__:"};

/* A home that is busy with something else than messages is chosen only if there is no other. */
#define PLACE_SECOND_CHOICE (TOPOLOGY_PFAIL | TOPOLOGY_LOADING | TOPOLOGY_BUSY | TOPOLOGY_LAGGING)

bool place_is_keyspace(enum pubsub_kind kind, const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof place_prefixes / sizeof place_prefixes[0]; i++) {
        size_t prefix = strlen(place_prefixes[i]);
        if (kind == PUBSUB_PATTERN ? glob_may_begin(name, len, place_prefixes[i], prefix)
                                   : len >= prefix && memcmp(name, place_prefixes[i], prefix) == 0)
            return true;
    }
    return false;
}

bool place_is_fit(const struct pubsub *hub, uint16_t node)
{
    const struct pool *pool = node == NODE_NONE ? NULL : hub->worker->pools[node];
    return pool && pool->addrlen && !pool->gone && !(pool->flags & POOL_UNFIT);
}

static bool place_is_master(const struct pubsub *hub, uint16_t node)
{
    return hub->worker->node_shard[node] != NODE_NONE;
}

/* Does it only not answer for a moment, as far as slotway knows? */
static bool place_is_silent(const struct pubsub *hub, uint16_t node)
{
    const struct pool *pool = hub->worker->pools[node];
    return pool && pool->addrlen && !pool->gone && (pool->flags & POOL_UNFIT) == TOPOLOGY_SILENT &&
           place_is_master(hub, node);
}

bool place_may_stay(const struct pubsub_link *l)
{
    return place_is_fit(l->hub, l->node) || place_is_silent(l->hub, l->node);
}

bool place_accepts(const struct pubsub_link *l, const char *channel, size_t len)
{
    const struct pubsub *hub = l->hub;
    if (l->role == PUBSUB_SHARDED)
        return true;
    return place_is_keyspace(PUBSUB_CHANNEL, channel, len)
               ? place_is_master(hub, l->node)
               : l->node == hub->home || l->node == hub->leaving;
}

/* --- the home --- */

static uint16_t place_choose_home(const struct pubsub *hub, uint32_t unwanted)
{
    const struct worker *w = hub->worker;
    for (uint32_t i = 0; i < w->nshards; i++) {
        uint16_t node = w->shards[(hub->home_choice + i) % w->nshards].master;
        if (place_is_fit(hub, node) && !(w->pools[node]->flags & unwanted) &&
            hub->backoff[node].retry_at <= w->now)
            return node;
    }
    return NODE_NONE;
}

void place_leave_unfit(struct pubsub *hub, uint16_t node)
{
    struct pubsub_link *l = link_find(hub, node, PUBSUB_PLAIN);
    if (l && !place_is_fit(hub, node))
        link_fail(l, "the node is not fit");
}

/* A home that is no master any more is left while it still answers: soon it may be restarted. One
 * that is silent for a moment is left in the same way: what it publishes when it comes back, it and
 * the next one bring. */
void place_find_home(struct pubsub *hub)
{
    uint16_t home = hub->home;
    bool fit = home != NODE_NONE && place_is_fit(hub, home);
    if (fit && (place_is_master(hub, home) || hub->leaving != NODE_NONE))
        return;
    if (home != NODE_NONE && !fit && (hub->leaving != NODE_NONE || !place_is_silent(hub, home))) {
        hub->home = NODE_NONE;
        place_leave_unfit(hub, home);
    }
    uint16_t next = place_choose_home(hub, PLACE_SECOND_CHOICE);
    if (next == NODE_NONE && !fit)
        next = place_choose_home(hub, 0);
    if (next == NODE_NONE)
        return;
    move_begin(hub, next);
    hub->home = next;
    if (hub->topics) { /* all go there */
        hub->place_wanted = true;
        hub_wake(hub);
    }
}

/* --- one topic --- */

/* The owner of a shard channel's slot: what MOVED said counts until the map says something new. */
static uint16_t place_owner(struct pubsub_topic *t)
{
    uint16_t node = t->hub->worker->slot_node[t->slot];
    if (t->target != NODE_NONE && node == t->moved)
        return t->target;
    t->target = NODE_NONE;
    return node;
}

static bool place_belongs(struct pubsub_topic *t, const struct pubsub_link *l)
{
    const struct pubsub *hub = t->hub;
    switch ((enum pubsub_scope)t->scope) {
    case PUBSUB_AT_HOME:
        return l->node == hub->home || l->node == hub->leaving;
    case PUBSUB_AT_MASTERS:
        return l->node == hub->home || l->node == hub->leaving || place_is_master(hub, l->node);
    case PUBSUB_AT_OWNER:
        return l->node == place_owner(t);
    case PUBSUB_SCOPES:
        break;
    }
    return false;
}

static void place_at(struct pubsub_topic *t, uint16_t node, enum pubsub_role role)
{
    struct pubsub *hub = t->hub;
    struct pubsub_link *l = NULL;
    if (place_is_fit(hub, node)) {
        l = link_find(hub, node, role);
        if (!l)
            l = link_open(hub, node, role);
    }
    if (!l)
        hub->unsettled = true;
    else if (l->ready)
        link_subscribe(l, t);
}

static void place_where_needed(struct pubsub_topic *t)
{
    struct pubsub *hub = t->hub;
    const struct worker *w = hub->worker;
    if (t->scope == PUBSUB_AT_OWNER) {
        place_at(t, place_owner(t), PUBSUB_SHARDED);
        return;
    }
    place_find_home(hub);
    place_at(t, hub->home, PUBSUB_PLAIN);
    if (move_needs_both(hub))
        place_at(t, hub->leaving, PUBSUB_PLAIN);
    for (uint32_t i = 0; t->scope == PUBSUB_AT_MASTERS && i < w->nshards; i++)
        if (w->shards[i].master != hub->home)
            place_at(t, w->shards[i].master, PUBSUB_PLAIN);
}

void place_topic(struct pubsub_topic *t)
{
    struct pubsub *hub = t->hub;
    bool wanted = topic_is_wanted(t);
    struct pubsub_sub *next;
    for (struct pubsub_sub *sub = t->subs; sub; sub = next) {
        next = sub->topic_next;
        if (sub->wanted && (!wanted || !place_belongs(t, sub->link)))
            link_unsubscribe(sub);
    }
    if (!wanted || hub->closing)
        return;
    if (t->retry_at > hub->worker->now)
        hub->unsettled = true;
    else
        place_where_needed(t);
}

/* --- all of them --- */

static void place_close_unfit(struct pubsub *hub)
{
    struct pubsub_link *next;
    for (struct pubsub_link *l = hub->links; l; l = next) {
        next = l->next;
        if (!place_may_stay(l))
            link_fail(l, "the node is not fit");
    }
}

void place_all(struct pubsub *hub)
{
    struct pubsub_topic *t = NULL, *next = NULL;
    place_close_unfit(hub);
    if (hub->home != NODE_NONE || hub->scopes[PUBSUB_AT_HOME] || hub->scopes[PUBSUB_AT_MASTERS])
        place_find_home(hub);
    hub->place_wanted = hub->unsettled = false;
    HASH_ITER (hh, hub->topics, t, next) {
        place_topic(t);
        wait_on_topic(t);
    }
}
