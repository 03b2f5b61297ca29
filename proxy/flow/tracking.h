/* tracking: CLIENT TRACKING: nodes remember what a client reads and say when it changes.
 *
 *   client -> requests on leases bound to it, one to each master -> node: CLIENT TRACKING ON there
 *   client <- reply, invalidation, reply … in the order in which the lease brought them
 *
 * The nodes do all of it, by Redis' own rules (NOLOOP, OPTIN, BCAST …), because each lease is what
 * the client would be to one server: it carries all that the client sends there, in the client's
 * protocol, with the client's options.
 *
 * REDIRECT: the lease is told to redirect to a second connection to the same node that is there for
 * nothing else (a listener, RESP3): a client that speaks RESP2 gets its replies in RESP2 that way,
 * switches protocols without losing what is tracked, and who is told of changes is separate from
 * who reads, as in Redis. What a listener brings goes to the client of that id, in whatever thread.
 *
 *   client (RESP2) -> lease, RESP2, TRACKING ON REDIRECT n -> node
 *   other client   <- mailbox <- listener n, RESP3 <----------'
 *
 * When a lease is lost or a slot changes hands nobody may know any more what was read there: the
 * client is told to forget everything (an invalidation of null), as at FLUSHALL. */
#ifndef SLOTWAY_FLOW_TRACKING_H
#define SLOTWAY_FLOW_TRACKING_H

#include "flow/client.h"
#include "flow/gather.h"
#include "resp/command.h"
#include <stdbool.h>

struct backend;
struct process;
struct tracking;       /* one client's */
struct tracking_table; /* one worker's: who tracks, and to whom others redirect */

struct tracking_table *tracking_table_new(void);
void tracking_table_free(struct tracking_table *table); /* NULL is fine */

/* How many clients of the process track. Any thread. */
uint32_t tracking_clients(const struct process *process);

/* --- called by the session --- */
/* Off, as CLIENT TRACKING OFF; does nothing if it is off. */
void tracking_end(struct client *c);
/* The client is freed: ends it, and redirections to this client are broken. */
void tracking_free(struct client *c);
/* A command of a client that tracks is about to be run. */
void tracking_on_command(struct client *c, const struct command *cmd);
/* PING of a client that tracks: answered when all that its nodes knew before is said, so that who
 * has the PONG has heard of every change that was acknowledged before the PING. False: there is
 * nothing to wait for. */
bool tracking_on_ping(struct client *c);
/* A lease or listener of c is gone. */
void tracking_on_lease_lost(struct client *c, struct backend *b);
/* The node has confirmed a command of slotway's own on a lease or listener of c. */
void tracking_on_confirmed(struct client *c, struct backend *b);
/* HELLO chose another protocol. */
void tracking_on_protocol(struct client *c);

/* --- called by client.c, lease.c and the router --- */
/* r, which was just made, belongs to a client that tracks. */
void tracking_mark(const struct client *c, struct request *r);
/* b is c's lease and about to carry a request: make it track as the client wants. False: it can not
 * yet; the request has to wait. */
bool tracking_prepare(struct client *c, struct backend *b);
/* "CLIENT CACHING YES" or "NO", to go directly before r. */
void tracking_put_caching(const struct client *c, struct bufq *q);
/* A reply came that the node could not track although the client asked for it. */
void tracking_on_untracked(struct client *c);
/* CLIENT TRACKING or CACHING was among the commands of a transaction, whose reads the node had
 * executed before: what they read can not be trusted. */
void tracking_on_late(struct client *c);
/* Slots have another owner, or are about to: nobody may trust what was read there. */
void tracking_on_slots_moved(struct worker *w);
/* Once in a while and at a new topology: BCAST listens to each master; what is not needed closes.
 */
void tracking_follow(struct worker *w);

/* --- CLIENT LIST --- */
/* t, R, B at p; returns the end. */
char *tracking_print_flags(const struct client *c, char *p);
/* Who is told: -1: it does not track, 0: itself. */
int64_t tracking_redirect(const struct client *c);

#endif
