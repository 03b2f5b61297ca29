/* pubsub_move: from a home that has become a replica to a master, without a message lost, doubled
 * or out of order. All workers take each step together (PUBSUB_SUBSCRIBING …):
 *
 *   1. they subscribe at the new home, too; PUBLISH goes to the old one as before
 *   2. they hold PUBLISH until what is under way to the old home is answered
 *   3. they ask the old home for a PONG on the links to it: the messages have come before that
 *   4. PUBLISH goes to the new home; when that is some time ago they leave the old one
 *
 * Without 2 and 3 a message from the new home could overtake one from the old.
 *
 * The cluster bus brings every message to both, sooner to one and later to the other. So for a
 * while slotway is subscribed at both and passes on what comes first; of a message that was
 * published several times, as many as the one of the two that brought more:
 *
 *   left home   m1 m2 m2 m3          m1 is passed on, m2, m2 from here …
 *   new home          m2 m3 m2       … m3 from whichever is first, this m2 is not
 */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/pool.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <stdlib.h>

/* How far one node may be behind the other on the bus, µs: when all that was published at the old
 * home has come from the new one as well, and when something is still missing. */
#define MOVE_OVERLAP         500000
#define MOVE_OVERLAP_LONGEST 3000000
/* How far the old one may be behind the new one at the end of that, µs. */
#define MOVE_LEVELED 100000

/* Messages of the home from so long before a move the new one may still bring, µs. */
#define MOVE_RECENT 1000000
/* So long after a message of the old home, one that looks like it is most likely its copy, also
 * when the old one is gone, µs. */
#define MOVE_LATE 300000

/* As FNV-1a, a word at a time. A topic that was given up and is subscribed again begins anew: what
 * is published now is no copy of what was heard then. */
static uint64_t move_print(const struct pubsub_topic *t, const char *data, size_t len)
{
    uint64_t hash = (14695981039346656037u ^ t->serial) * 1099511628211u + len;
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
        copies->heard = recent->at;
    }
}

static void move_set_step(struct pubsub *hub, enum pubsub_step step)
{
    hub->step = step;
    hub->leaving_since = hub->worker->now;
    hub->all_asked = 0;
}

static void move_set_due(struct pubsub *hub, enum pubsub_step step, uint16_t node)
{
    atomic_store_explicit(&hub->due[step], node, memory_order_relaxed);
}

void move_begin(struct pubsub *hub, uint16_t next)
{
    move_end(hub);
    if (hub->home == NODE_NONE || hub->home == next)
        return;
    hub->leaving = hub->home;
    move_set_step(hub, PUBSUB_SUBSCRIBING);
    for (int i = 0; i < PUBSUB_STEPS; i++)
        move_set_due(hub, (enum pubsub_step)i, hub->leaving);
    move_count_recent(hub);
    hub_wake(hub);
}

/* How many of its copies the new home should have brought by now? */
static uint32_t move_missing(const struct pubsub_copies *copies)
{
    uint32_t brought = copies->by_new + copies->early;
    return copies->by_old > brought ? copies->by_old - brought : 0;
}

static bool move_is_old_home_first(struct pubsub *hub, struct pubsub_copies *copies,
                                   const struct pubsub_topic *t)
{
    const struct pubsub_link *home = link_find(hub, hub->home, PUBSUB_PLAIN);
    const struct pubsub_sub *sub = home ? link_sub(home, t) : NULL;
    copies->early += !sub || !sub->confirmed;
    copies->heard = hub->worker->now;
    return ++copies->by_old > copies->by_new;
}

static bool move_is_new_home_first(struct pubsub *hub, struct pubsub_copies *copies)
{
    /* The old one brings nothing more: what it brought early is no reason to wait for. */
    bool gone = !link_find(hub, hub->leaving, PUBSUB_PLAIN);
    uint32_t due = gone && hub->worker->now - copies->heard > MOVE_LATE ? copies->early : 0;
    return ++copies->by_new + due > copies->by_old;
}

bool move_is_news(const struct pubsub_link *l, const struct pubsub_topic *t,
                  const struct reply_value *channel, const char *data, size_t len)
{
    struct pubsub *hub = l->hub;
    if (l->role == PUBSUB_SHARDED || place_is_keyspace(PUBSUB_CHANNEL, channel->data, channel->len))
        return true; /* one node alone brings it */
    uint64_t print = move_print(t, data, len);
    if (l->node == hub->home)
        move_note(hub, print);
    if (hub->leaving == NODE_NONE)
        return true;
    struct pubsub_copies *copies = move_copies(hub, print);
    hub->missing -= move_missing(copies);
    bool news = l->node == hub->home ? move_is_new_home_first(hub, copies)
                                     : move_is_old_home_first(hub, copies, t);
    hub->missing += move_missing(copies);
    return news;
}

static bool move_has_topics(const struct pubsub *hub)
{
    return hub->scopes[PUBSUB_AT_HOME] || hub->scopes[PUBSUB_AT_MASTERS];
}

bool move_needs_both(const struct pubsub *hub)
{
    return hub->leaving != NODE_NONE && hub->step < PUBSUB_STEPS && place_is_fit(hub, hub->leaving);
}

uint16_t move_publish_node(struct pubsub *hub)
{
    uint16_t node = hub->home;
    if (move_needs_both(hub))
        node = hub->step == PUBSUB_SUBSCRIBING ? hub->leaving : NODE_NONE;
    if (node != NODE_NONE)
        move_set_due(hub, PUBSUB_HOLDING, node);
    return node;
}

/* --- this worker's part of each step: is it done? --- */

/* Is everything answered that had been asked when the step was first looked at? What clients have
 * subscribed since then is not waited for, or those who do so all the time would keep the old home
 * for ever. */
static bool move_is_answered(const struct pubsub *hub, const struct pubsub_link *l)
{
    return !l->ops || l->ops->turn > hub->all_asked;
}

static bool move_is_subscribed(struct pubsub *hub)
{
    if (!move_has_topics(hub))
        return true;
    const struct pubsub_link *l = link_find(hub, hub->home, PUBSUB_PLAIN);
    if (!l || !l->ready || hub->place_wanted) {
        hub->all_asked = 0;
        return false;
    }
    if (hub->all_asked == 0)
        hub->all_asked = hub->worker->now;
    return move_is_answered(hub, l);
}

static bool move_is_published(struct pubsub *hub)
{
    const struct pool *pool = hub->worker->pools[hub->leaving];
    for (int kind = 0; kind < POOL_KINDS; kind++) {
        for (uint32_t i = 0; i < POOL_MAX_SHARED; i++) {
            const struct backend *b = pool->backends[kind][i];
            for (const struct request *r = b ? b->head : NULL; r; r = r->backend_next)
                if (r->cmd && r->cmd->local == COMMAND_LOCAL_PUBLISH)
                    return false;
        }
    }
    return true;
}

static bool move_is_heard(struct pubsub *hub)
{
    static const char *const ping[] = {"PING"};
    struct pubsub_link *l = link_find(hub, hub->leaving, PUBSUB_PLAIN);
    if (!l || !l->ready)
        return true; /* nothing comes from there */
    if (hub->all_asked == 0) {
        hub->all_asked = hub->worker->now;
        link_command(l, PUBSUB_OP_PING, NULL, 1, ping, NULL);
    }
    return move_is_answered(hub, l);
}

static const struct {
    bool (*is_done)(struct pubsub *hub);
    uint64_t limit; /* µs: then the next step is taken all the same */
} move_steps[PUBSUB_STEPS] = {
    [PUBSUB_SUBSCRIBING] = {move_is_subscribed, 5000000},
    [PUBSUB_HOLDING] = {move_is_published, 500000},
    [PUBSUB_HEARING] = {move_is_heard, 500000},
};

/* --- steps --- */

static void move_on_step(void *owner, void *arg)
{
    struct worker *w = owner;
    (void)arg;
    if (w->pubsub)
        hub_wake(w->pubsub);
}

static void move_tell_others(const struct pubsub *hub)
{
    const struct process *process = hub->worker->process;
    for (uint32_t i = 0; i < process->nworkers; i++)
        if (process->workers[i] != hub->worker)
            mailbox_post(&process->workers[i]->mailbox, move_on_step, NULL);
}

static bool move_is_due_somewhere(const struct pubsub *hub)
{
    const struct process *process = hub->worker->process;
    for (uint32_t i = 0; i < process->nworkers; i++) {
        const struct pubsub *other = process->workers[i]->pubsub;
        if (other &&
            atomic_load_explicit(&other->due[hub->step], memory_order_relaxed) == hub->leaving)
            return true;
    }
    return false;
}

/* Is it time for the next step? */
static bool move_may_go_on(struct pubsub *hub)
{
    enum pubsub_step step = hub->step;
    bool late = !place_is_fit(hub, hub->leaving) ||
                hub->worker->now - hub->leaving_since > move_steps[step].limit;
    if (atomic_load_explicit(&hub->due[step], memory_order_relaxed) == hub->leaving) {
        if (!late && !move_steps[step].is_done(hub))
            return false;
        move_set_due(hub, step, NODE_NONE);
        move_tell_others(hub);
    }
    return late || !move_is_due_somewhere(hub);
}

/* What would be due, were this home left now. PUBSUB_HOLDING: since PUBLISH was last sent there. */
static void move_note_home(struct pubsub *hub)
{
    uint16_t node = move_has_topics(hub) ? hub->home : NODE_NONE;
    move_set_due(hub, PUBSUB_SUBSCRIBING, node);
    move_set_due(hub, PUBSUB_HEARING, node);
}

/* What the new home has not brought of the early ones it never will. As long as that was open, of
 * several that look alike those of the old home were passed on: one that the new one has brought
 * just now comes from there yet. */
static void move_level(struct pubsub *hub)
{
    struct pubsub_copies *copies = NULL, *next = NULL;
    hub->leveled = true;
    HASH_ITER (hh, hub->copies, copies, next) {
        uint32_t ahead = copies->by_old > copies->by_new ? copies->by_old - copies->by_new : 0;
        copies->by_old -= copies->early < ahead ? copies->early : ahead;
        copies->early = 0;
    }
}

void move_check(struct pubsub *hub)
{
    if (hub->leaving == NODE_NONE) {
        move_note_home(hub);
        return;
    }
    while (hub->step < PUBSUB_STEPS && move_may_go_on(hub)) {
        move_set_step(hub, hub->step + 1);
        if (hub->step < PUBSUB_STEPS)
            continue;
        hub->all_asked = hub->worker->now;
        hub->worker->drive_wanted = true; /* PUBLISH was held */
    }
    if (hub->step < PUBSUB_STEPS)
        return;
    uint64_t lasts = hub->worker->now - hub->leaving_since;
    if (lasts > MOVE_OVERLAP && !hub->leveled)
        move_level(hub);
    if (lasts > (hub->missing ? MOVE_OVERLAP_LONGEST : MOVE_OVERLAP + MOVE_LEVELED) &&
        hub->leveled && move_is_subscribed(hub)) {
        move_end(hub);
        hub->place_wanted = true; /* ends the subscriptions at the one that is left */
        hub_wake(hub);
    }
}

void move_end(struct pubsub *hub)
{
    struct pubsub_copies *copies, *next;
    uint16_t left = hub->leaving;
    hub->leaving = NODE_NONE;
    hub->missing = 0;
    hub->leveled = false;
    hub->worker->drive_wanted = true;
    HASH_ITER (hh, hub->copies, copies, next) {
        HASH_DEL(hub->copies, copies);
        free(copies);
    }
    if (left != NODE_NONE)
        place_leave_unfit(hub, left);
}
