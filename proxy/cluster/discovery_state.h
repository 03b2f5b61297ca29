/* discovery_state: what discovery.c (life), endpoints.c (whom we know), picture.c (what they say)
 * and rounds.c (when to ask) share. Nobody else includes it. */
#ifndef SLOTWAY_CLUSTER_DISCOVERY_STATE_H
#define SLOTWAY_CLUSTER_DISCOVERY_STATE_H

#include "cluster/discovery.h"
#include "cluster/endpoint.h"
#include "cluster/merge.h"

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
    struct topology *merged; /* what the views came to last, as they say it; NULL: nothing */
    uint64_t merged_views;   /* and which these were */
    uint64_t versions;
    uint32_t generation;
    struct endpoint *at[TOPOLOGY_MAX_NODES]; /* by index: where the node answers, NULL: nowhere */
    bool changed;                            /* settle() has something to do */
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

/* --- endpoints.c --- */

/* The endpoint at this address, made if there is none, and needed from now on; NULL: no memory. */
struct endpoint *endpoints_need(struct discovery *d, const char *host, uint16_t port);
/* One for each configured seed. */
void endpoints_add_seeds(struct discovery *d);
/* Fill in d->at. */
void endpoints_index(struct discovery *d);
/* Let go of those that nothing needs any more. */
void endpoints_drop(struct discovery *d);
/* Connect, notice silence, forget what is old. */
void endpoints_tick(struct discovery *d);

/* --- picture.c --- */

/* The topology as of now, not published yet; NULL: nothing is known. */
struct topology *picture_make(struct discovery *d);

/* --- rounds.c --- */

/* Every ROUNDS_TICK seconds: ask and probe those whose turn it is. */
void rounds_tick(struct discovery *d);
/* Somebody noticed something: ask now, or as soon as it may be. */
void rounds_hint(struct discovery *d);
/* The time has come that rounds_hint waited for. */
void rounds_hint_is_due(struct discovery *d);

#define ROUNDS_TICK  0.05
#define ROUNDS_NEVER (-1e9) /* a time before any other */

#endif
