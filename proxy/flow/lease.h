/* lease: a connection to a node that is not shared: one request, or one client, has it for a while.
 *
 *   lease_pick -> taken by a request ---reply, nothing bound---> idle -> taken again …
 *                   '- bound to its client (WATCH, CLIENT TRACKING) --lease_release_all--> idle
 *
 * Requests with REQUEST_LEASE go through the router as all others do, so redirects, retries and
 * lost nodes are dealt with there. A lease on which anything is left that the next holder could
 * notice (a client that went away in the middle, a command that left state behind) is closed, never
 * reused. */
#ifndef SLOTWAY_FLOW_LEASE_H
#define SLOTWAY_FLOW_LEASE_H

#include "flow/pool.h"
#include "flow/request.h"
#include <stdbool.h>

struct backend;
struct client;

/* The connection for r, which has REQUEST_LEASE, to this node: one that is bound to its client, an
 * idle one, or a new one (bound to the client if its session holds leases). NULL: the node is not
 * fit, or the limit is reached. */
struct backend *lease_pick(struct worker *w, struct request *r, uint16_t node);

/* A lease without a request: from the idle ones or new. NULL as above. */
struct backend *lease_take(struct worker *w, uint16_t node, bool resp3);
/* Are all the leases to the node taken that max-connections-per-node, or the limit on open files,
 * allows? */
bool lease_is_exhausted(const struct worker *w, uint16_t node, bool resp3);
/* The error that says so. */
#define LEASE_SHORTAGE_MAX 160
void lease_shortage(const struct worker *w, char text[LEASE_SHORTAGE_MAX]);

void lease_bind(struct backend *b, struct client *c);
/* The lease on this node that is bound to c, NULL: none. */
struct backend *lease_of(const struct client *c, uint16_t node);

/* All that are bound to c: given back clean, those with requests under way as soon as these are
 * answered; or closed, because state is left on them. */
void lease_release_all(struct client *c);
void lease_close_all(struct client *c);
/* Nobody waits for r any more: close the lease that it is on, so that the node stops working on it.
 */
void lease_abandon(struct request *r);

/* Close idle leases that have not been used for long, or whose node is not fit. */
void lease_trim(struct pool *pool);

/* --- called by backend.c --- */
void lease_on_open(struct backend *b);
/* The handshake is over. */
void lease_on_ready(struct backend *b);
void lease_on_close(struct backend *b);
/* Replies were read: if nothing is under way and nobody holds it, it is idle now. */
void lease_on_replies(struct backend *b);

#endif
