/* pubsub_move: from a home that has become a replica to a master, without a message lost or
 * doubled.
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
#include "flow/worker.h"
#include <stdlib.h>

/* How far one node may be behind the other on the bus, µs. */
#define MOVE_OVERLAP 500000
/* Whatever the new home confirms, a move takes no longer, µs. */
#define MOVE_LONGEST 5000000

/* FNV-1a. */
static uint64_t move_print(const char *data, size_t len)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * 1099511628211u;
    return hash;
}

void move_begin(struct pubsub *hub, uint16_t next)
{
    move_end(hub);
    if (hub->home == NODE_NONE || hub->home == next)
        return;
    hub->leaving = hub->home;
    hub->leaving_since = hub->worker->now;
}

bool move_is_news(const struct pubsub_link *l, const struct pubsub_topic *t, const char *data,
                  size_t len)
{
    struct pubsub *hub = l->hub;
    bool is_new = l->node == hub->home;
    struct pubsub_copies *copies = NULL;
    if (hub->leaving == NODE_NONE || l->role == PUBSUB_SHARDED)
        return true;
    const struct pubsub_link *home = is_new ? l : link_find(hub, hub->home, PUBSUB_PLAIN);
    if (!home || !link_sub(home, t))
        return true; /* the new one does not bring it yet */
    uint64_t print = move_print(data, len);
    HASH_FIND(hh, hub->copies, &print, sizeof print, copies);
    if (!copies) {
        copies = memory_zalloc(sizeof *copies);
        copies->print = print;
        HASH_ADD(hh, hub->copies, print, sizeof copies->print, copies);
    }
    return ++copies->brought[is_new] > copies->brought[!is_new];
}

static bool move_is_complete(const struct pubsub *hub)
{
    for (const struct pubsub_topic *t = hub->topics; t; t = t->hh.next)
        if (topic_is_wanted(t) && t->scope != PUBSUB_AT_OWNER && !topic_is_ready(t, 1))
            return false;
    return true;
}

void move_check(struct pubsub *hub)
{
    uint64_t now = hub->worker->now;
    if (hub->leaving == NODE_NONE || now - hub->leaving_since < MOVE_OVERLAP ||
        (now - hub->leaving_since < MOVE_LONGEST && !move_is_complete(hub)))
        return;
    move_end(hub);
    hub->place_wanted = true; /* ends the subscriptions at the one that is left */
    hub_wake(hub);
}

void move_end(struct pubsub *hub)
{
    struct pubsub_copies *copies, *next;
    hub->leaving = NODE_NONE;
    HASH_ITER (hh, hub->copies, copies, next) {
        HASH_DEL(hub->copies, copies);
        free(copies);
    }
}
