/* pubsub_topic: channels and patterns that clients of a worker have, and who has them. */
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/pubsub_hub.h"
#include "flow/session.h"
#include "flow/worker.h"
#include <stdlib.h>

void hub_wake(struct pubsub *hub)
{
    hub->worker->pubsub_wanted = true;
}

/* --- topics --- */

static enum pubsub_scope topic_scope(enum pubsub_kind kind, const char *name, size_t len)
{
    if (kind == PUBSUB_SHARD)
        return PUBSUB_AT_OWNER;
    return place_is_keyspace(kind, name, len) ? PUBSUB_AT_MASTERS : PUBSUB_AT_HOME;
}

/* The key of the hash: a topic without place for it on the stack is made in `room`. */
static char *topic_make_key(enum pubsub_kind kind, const char *name, size_t len, char *room)
{
    room[0] = (char)('a' + kind);
    if (len)
        memcpy(room + 1, name, len);
    return room;
}

#define TOPIC_SHORT 256

struct pubsub_topic *topic_find(struct pubsub *hub, enum pubsub_kind kind, const char *name,
                                size_t len)
{
    char room[TOPIC_SHORT];
    char *key = len < sizeof room ? room : memory_alloc(len + 1);
    struct pubsub_topic *t;
    topic_make_key(kind, name, len, key);
    HASH_FIND(hh, hub->topics, key, len + 1, t);
    if (key != room)
        free(key);
    return t;
}

struct pubsub_topic *topic_get(struct pubsub *hub, enum pubsub_kind kind, const char *name,
                               size_t len)
{
    struct pubsub_topic *t = topic_find(hub, kind, name, len);
    if (t)
        return t;
    t = memory_zalloc(sizeof *t + len + 2);
    t->hub = hub;
    t->serial = ++hub->last_serial;
    t->entry = census_take(kind, name, len);
    t->kind = (uint8_t)kind;
    t->scope = (uint8_t)topic_scope(kind, name, len);
    t->slot = kind == PUBSUB_SHARD ? slot_of_key(name, len) : SLOT_NONE;
    t->target = t->moved = NODE_NONE;
    t->key_len = (uint32_t)len + 1;
    topic_make_key(kind, name, len, t->key);
    HASH_ADD_KEYPTR(hh, hub->topics, t->key, t->key_len, t);
    hub->scopes[t->scope]++;
    return t;
}

static bool topic_is_useless(const struct pubsub_topic *t)
{
    return !topic_is_wanted(t) && !t->subs && !t->queued;
}

void topic_check_idle(struct pubsub_topic *t)
{
    struct pubsub *hub = t->hub;
    if (t->idle || !topic_is_useless(t))
        return;
    t->idle = true;
    t->next_idle = hub->idle;
    hub->idle = t;
    hub_wake(hub);
}

void topic_free_idle(struct pubsub *hub)
{
    while (hub->idle) {
        struct pubsub_topic *t = hub->idle;
        hub->idle = t->next_idle;
        t->idle = false;
        if (!topic_is_useless(t))
            continue;
        HASH_DEL(hub->topics, t);
        hub->scopes[t->scope]--;
        census_release(t->entry);
        free(t);
    }
}

static bool topic_is_confirmed_at(const struct pubsub_topic *t, uint16_t node, uint64_t turn)
{
    for (const struct pubsub_sub *sub = t->subs; sub; sub = sub->topic_next)
        if (sub->link->node == node && sub->confirmed >= turn)
            return true;
    return false;
}

bool topic_is_ready(const struct pubsub_topic *t, uint64_t turn)
{
    const struct pubsub *hub = t->hub;
    const struct worker *w = hub->worker;
    if (t->scope == PUBSUB_AT_OWNER) {
        for (const struct pubsub_sub *sub = t->subs; sub; sub = sub->topic_next)
            if (sub->confirmed >= turn)
                return true;
        return false;
    }
    if (hub->home == NODE_NONE || !topic_is_confirmed_at(t, hub->home, turn))
        return false;
    if (move_needs_both(hub) && hub->backoff[hub->leaving].failures == 0 &&
        !topic_is_confirmed_at(t, hub->leaving, turn))
        return false;
    if (t->scope == PUBSUB_AT_HOME)
        return true;
    /* A master that can't be reached has no news either; it gets the subscription when it can. */
    for (uint32_t i = 0; i < w->nshards; i++) {
        uint16_t node = w->shards[i].master;
        if (place_is_fit(hub, node) && hub->backoff[node].failures == 0 &&
            !topic_is_confirmed_at(t, node, turn))
            return false;
    }
    return true;
}

/* --- members --- */

struct pubsub_member *member_find(struct client *c, struct pubsub_topic *t)
{
    struct pubsub_member_key key;
    struct pubsub_member *m;
    memset(&key, 0, sizeof key);
    key.client = c;
    key.topic = t;
    HASH_FIND(hh, t->hub->members, &key, sizeof key, m);
    return m;
}

static void member_set_state(struct client *c, const struct pubsub_client *own)
{
    if (own->counts[PUBSUB_CHANNEL] || own->counts[PUBSUB_PATTERN] || own->counts[PUBSUB_SHARD])
        c->flags |= CLIENT_SUBSCRIBED;
    else
        c->flags &= ~(uint32_t)CLIENT_SUBSCRIBED;
}

void member_add(struct client *c, struct pubsub_topic *t)
{
    struct pubsub *hub = t->hub;
    struct pubsub_client *own = c->session->pubsub;
    struct pubsub_member *m = memory_zalloc(sizeof *m);
    m->key.client = c;
    m->key.topic = t;
    m->since = hub->number;
    HASH_ADD(hh, hub->members, key, sizeof m->key, m);
    m->prev = t->last;
    if (t->last)
        t->last->next = m;
    else
        t->first = m;
    t->last = m;
    m->client_prev = own->last;
    if (own->last)
        own->last->client_next = m;
    else
        own->first = m;
    own->last = m;
    t->members++;
    own->counts[t->kind]++;
    census_add_clients(t->entry, 1);
    member_set_state(c, own);
}

void member_remove(struct pubsub_member *m)
{
    struct pubsub_topic *t = m->key.topic;
    struct client *c = m->key.client;
    struct pubsub *hub = t->hub;
    struct pubsub_client *own = c->session->pubsub;
    if (hub->cursor == m)
        hub->cursor = m->next;
    *(m->prev ? &m->prev->next : &t->first) = m->next;
    *(m->next ? &m->next->prev : &t->last) = m->prev;
    *(m->client_prev ? &m->client_prev->client_next : &own->first) = m->client_next;
    *(m->client_next ? &m->client_next->client_prev : &own->last) = m->client_prev;
    HASH_DEL(hub->members, m);
    free(m);
    t->members--;
    own->counts[t->kind]--;
    census_add_clients(t->entry, -1);
    member_set_state(c, own);
    if (!topic_is_wanted(t)) {
        place_topic(t);
        topic_check_idle(t);
    }
}

uint32_t pubsub_count(const struct client *c, enum pubsub_kind kind)
{
    return c->session && c->session->pubsub ? c->session->pubsub->counts[kind] : 0;
}

void pubsub_leave(struct client *c)
{
    struct pubsub_client *own = c->session ? c->session->pubsub : NULL;
    if (!own)
        return;
    if (own->wait)
        wait_cancel(own->wait);
    while (own->first)
        member_remove(own->first);
    free(own);
    c->session->pubsub = NULL;
}
