/* pubsub: the hub of a worker: what begins, drives and ends its parts. */
#include "flow/pubsub.h"
#include "base/memory.h"
#include "flow/pubsub_hub.h"
#include "flow/worker.h"
#include <stdlib.h>

/* Messages handed out in one turn: about 2 ms of work. */
#define PUBSUB_PER_TURN 512

/* Where slotways begin to look for a home: spread over the masters, the same for all workers of
 * one. FNV-1a. */
static uint32_t pubsub_first_choice(const struct process *process)
{
    uint32_t hash = 2166136261u;
    for (const char *p = process->id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return hash >> 8;
}

struct pubsub *pubsub_new(struct worker *w)
{
    struct pubsub *hub = memory_zalloc(sizeof *hub);
    hub->worker = w;
    hub->home = hub->leaving = NODE_NONE;
    for (int i = 0; i < PUBSUB_STEPS; i++)
        atomic_init(&hub->due[i], NODE_NONE);
    hub->per_turn = PUBSUB_PER_TURN;
    hub->home_choice = pubsub_first_choice(w->process);
    return hub;
}

void pubsub_close(struct worker *w)
{
    struct pubsub *hub = w->pubsub;
    hub->closing = true;
    deliver_drop_all(hub);
    while (hub->links)
        link_fail(hub->links, NULL);
    link_free_dead(hub);
    move_end(hub);
}

void pubsub_free(struct worker *w)
{
    struct pubsub *hub = w->pubsub;
    pubsub_close(w);
    topic_free_idle(hub);
    ghost_free_due(hub, UINT64_MAX);
    free(hub);
    w->pubsub = NULL;
}

void pubsub_turn(struct worker *w)
{
    struct pubsub *hub = w->pubsub;
    w->pubsub_wanted = false;
    if (hub->place_wanted && !hub->closing)
        place_all(hub);
    if (!hub->closing)
        move_check(hub);
    if (hub->queue)
        deliver_queued(hub);
    topic_free_idle(hub);
}

bool pubsub_publish_node(struct worker *w, uint16_t *node)
{
    struct pubsub *hub = w->pubsub;
    place_find_home(hub);
    uint16_t now = move_publish_node(hub);
    *node = now == NODE_NONE ? hub->home : now;
    return now != NODE_NONE || hub->home == NODE_NONE;
}

void pubsub_bury(struct worker *w)
{
    if (w->pubsub->dead)
        link_free_dead(w->pubsub);
}

void pubsub_check(struct worker *w)
{
    struct pubsub *hub = w->pubsub;
    if (hub->links)
        link_check_all(hub);
    wait_check_all(hub);
    move_check(hub);
    ghost_free_due(hub, w->now);
    if (hub->unsettled) {
        hub->place_wanted = true;
        hub_wake(hub);
    }
}

void pubsub_on_topology(struct worker *w)
{
    struct pubsub *hub = w->pubsub;
    if (!hub->topics && !hub->links && hub->home == NODE_NONE)
        return;
    hub->place_wanted = true;
    hub_wake(hub);
}
