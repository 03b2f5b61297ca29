/* pubsub_move: from a home that has become a replica to a master, without a message lost, doubled
 * or out of order:
 *
 *   1. all workers subscribe at the new home, too; PUBLISH goes to the old one as before
 *   2. when the last of them has done so they send PUBLISH to the new one
 *   3. when that is some time ago they leave the old one
 *
 * The cluster bus brings every message to both, sooner to one and later to the other. So for a
 * while slotway is subscribed at both and passes on what comes first; of a message that was
 * published several times, as many as the one of the two that brought more:
 *
 *   left home   m1 m2 m2 m3          m1 is passed on, m2, m2 from here …
 *   new home          m2 m3 m2       … m3 from whichever is first, this m2 is not
 */
#include "base/memory.h"
#include "flow/pubsub_hub.h"
#include "flow/route.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdlib.h>

/* How far one node may be behind the other on the bus, µs. */
#define MOVE_OVERLAP 500000
/* Whatever becomes of the subscriptions, PUBLISH goes to the new home after so long, µs. */
#define MOVE_LONGEST 5000000

/* Messages of the home from so long before a move the new one may still bring, µs. */
#define MOVE_RECENT 1000000

/* As FNV-1a, a word at a time. */
static uint64_t move_print(const char *data, size_t len)
{
    uint64_t hash = 14695981039346656037u + len;
    for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, data + i, len - i < sizeof word ? len - i : sizeof word);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 32;
    }
    return hash;
}

static struct pubsub_copies *move_copies(struct pubsub *hub, uint64_t print)
{
    struct pubsub_copies *copies;
    HASH_FIND(hh, hub->copies, &print, sizeof print, copies);
    if (!copies) {
        copies = memory_zalloc(sizeof *copies);
        copies->print = print;
        HASH_ADD(hh, hub->copies, print, sizeof copies->print, copies);
    }
    return copies;
}

static void move_note(struct pubsub *hub, uint64_t print)
{
    struct pubsub_recent *recent = &hub->recent[hub->next_recent++ % PUBSUB_RECENT];
    recent->print = print;
    recent->at = hub->worker->now;
}

static void move_count_recent(struct pubsub *hub)
{
    for (size_t i = 0; i < PUBSUB_RECENT; i++) {
        const struct pubsub_recent *recent = &hub->recent[i];
        if (!recent->at || hub->worker->now - recent->at > MOVE_RECENT)
            continue;
        struct pubsub_copies *copies = move_copies(hub, recent->print);
        copies->by_old++;
        copies->early++;
    }
}

void move_begin(struct pubsub *hub, uint16_t next)
{
    move_end(hub);
    if (hub->home == NODE_NONE || hub->home == next)
        return;
    hub->leaving = hub->home;
    hub->leaving_since = hub->worker->now;
    hub->settled = false;
    hub->all_asked = 0;
    move_count_recent(hub);
    hub_wake(hub);
}

bool move_is_news(const struct pubsub_link *l, const struct pubsub_topic *t,
                  const struct reply_value *channel, const char *data, size_t len)
{
    struct pubsub *hub = l->hub;
    if (l->role == PUBSUB_SHARDED || place_is_keyspace(PUBSUB_CHANNEL, channel->data, channel->len))
        return true; /* one node alone brings it */
    uint64_t print = move_print(data, len);
    if (l->node == hub->home)
        move_note(hub, print);
    if (hub->leaving == NODE_NONE)
        return true;
    struct pubsub_copies *copies = move_copies(hub, print);
    if (l->node != hub->home) {
        const struct pubsub_link *home = link_find(hub, hub->home, PUBSUB_PLAIN);
        const struct pubsub_sub *sub = home ? link_sub(home, t) : NULL;
        copies->early += !sub || !sub->confirmed;
        return ++copies->by_old > copies->by_new;
    }
    /* The old one brings nothing more: what it brought early is no reason to wait for. */
    uint32_t due = link_find(hub, hub->leaving, PUBSUB_PLAIN) ? 0 : copies->early;
    return ++copies->by_new + due > copies->by_old;
}

static void move_on_settled(void *owner, void *arg)
{
    struct worker *w = owner;
    (void)arg;
    if (w->pubsub)
        hub_wake(w->pubsub);
}

static bool move_has_topics(const struct pubsub *hub)
{
    return hub->scopes[PUBSUB_AT_HOME] || hub->scopes[PUBSUB_AT_MASTERS];
}

/* Has the new home confirmed all that was there to be subscribed? What clients have subscribed
 * since then is not waited for, or those who do so all the time would keep the old one for ever. */
static bool move_is_confirmed(struct pubsub *hub)
{
    const struct pubsub_link *l = link_find(hub, hub->home, PUBSUB_PLAIN);
    if (!l || !l->ready || hub->place_wanted) {
        hub->all_asked = 0;
        return false;
    }
    if (hub->all_asked == 0)
        hub->all_asked = hub->worker->now;
    return !l->ops || l->ops->turn > hub->all_asked;
}

/* Step 1, for this worker. */
static void move_settle(struct pubsub *hub)
{
    const struct process *process = hub->worker->process;
    if (move_has_topics(hub) && !move_is_confirmed(hub))
        return;
    hub->settled = true;
    atomic_store_explicit(&hub->listens_at, hub->home, memory_order_relaxed);
    for (uint32_t i = 0; i < process->nworkers; i++)
        if (process->workers[i] != hub->worker)
            mailbox_post(&process->workers[i]->mailbox, move_on_settled, NULL);
}

static bool move_somebody_listens_there(const struct pubsub *hub, uint16_t node)
{
    const struct process *process = hub->worker->process;
    for (uint32_t i = 0; i < process->nworkers; i++) {
        const struct pubsub *other = process->workers[i]->pubsub;
        if (other && atomic_load_explicit(&other->listens_at, memory_order_relaxed) == node)
            return true;
    }
    return false;
}

/* Step 2. What is under way to the old home is answered first. */
static void move_publishing(struct pubsub *hub, uint64_t lasts)
{
    if (lasts < MOVE_LONGEST && place_is_fit(hub, hub->leaving) &&
        move_somebody_listens_there(hub, hub->leaving))
        return;
    hub->publish_to = hub->home;
    hub->leaving_since = hub->worker->now;
    route_raise_barriers(hub->worker);
}

void move_check(struct pubsub *hub)
{
    uint64_t lasts = hub->worker->now - hub->leaving_since;
    if (hub->leaving == NODE_NONE) {
        atomic_store_explicit(&hub->listens_at, move_has_topics(hub) ? hub->home : NODE_NONE,
                              memory_order_relaxed);
        return;
    }
    if (!hub->settled)
        move_settle(hub);
    if (hub->publish_to == hub->leaving) {
        move_publishing(hub, lasts);
    } else if (lasts > MOVE_OVERLAP && hub->settled) {
        move_end(hub);
        hub->place_wanted = true; /* ends the subscriptions at the one that is left */
        hub_wake(hub);
    }
}

void move_end(struct pubsub *hub)
{
    struct pubsub_copies *copies, *next;
    hub->leaving = NODE_NONE;
    hub->publish_to = hub->home;
    HASH_ITER (hh, hub->copies, copies, next) {
        HASH_DEL(hub->copies, copies);
        free(copies);
    }
}
