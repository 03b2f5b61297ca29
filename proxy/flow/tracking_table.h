/* tracking_table: which clients of a worker track, and which are told by others: the way of an
 * invalidation from one client's lease to another client, in whatever thread that one lives.
 *
 *   source's worker --mailbox--> target's worker -> target
 *        '<--mailbox-- there is no such client any more: the redirection is broken */
#ifndef SLOTWAY_FLOW_TRACKING_TABLE_H
#define SLOTWAY_FLOW_TRACKING_TABLE_H

#include "flow/tracking.h"

/* Who is told, as found by tracking_find_target. */
struct tracking_target {
    uint64_t id;
    uint32_t worker;
};

/* c tracks from now on, or no more. */
void tracking_table_add(struct client *c);
void tracking_table_remove(struct client *c);
/* Call each(c) for every client of w that tracks; it may end its tracking. */
void tracking_table_each(struct worker *w, void (*each)(struct client *c));

/* In the thread of w: is there a client of this id? It is known as a target from then on. */
bool tracking_table_find(struct worker *w, uint64_t id);
/* c is freed. */
void tracking_table_forget(struct client *c);

/* Give an invalidation of source to its target. body: what is invalid, as RESP3 has it. */
void tracking_table_send(struct client *source, const struct tracking_target *target,
                         const char *body, size_t len);
/* Send it to this very client, in its protocol, if it has a way to hear of it. */
void tracking_table_tell(struct client *c, bool redirected, const char *body, size_t len);

/* --- implemented by tracking.c --- */
/* The client that source's invalidations go to is gone. */
void tracking_on_broken(struct client *source);

#endif
