/* pubsub: subscriptions of clients. Each worker has a hub: one backend subscription for a channel
 * however many of its clients have it.
 *
 *   node --link (RESP2, SUBSCRIBE …)--> hub: topic (channel, pattern, shard channel) -> members
 *                                                                                   -> clients
 *
 * Where a topic is subscribed:
 *   channels and patterns      at the worker's home, one master: the cluster bus brings every
 *                              PUBLISH to every node
 *   those that may be keyspace at the home and at all masters, because a node tells only its own
 *   or keyevent notifications  clients of them; from other masters only messages on such channels
 *                              are taken, so nothing comes twice
 *   shard channels             at the owner of their slot, following it
 *
 * All plain channels and patterns of a worker share the one link to its home, and PUBLISH goes to
 * the home too (the same for all workers, but for a moment when it is lost): subscribers see all
 * messages of this slotway in one order, on all channels, none that was published before they
 * subscribed. The home is left when it is no master any more (pubsub_move: nothing is lost or comes
 * twice), is unfit or can not be connected to (something may be). What is lost with a link is
 * subscribed again at once, there or at the next master.
 *
 * A client's confirmation is sent when the nodes have confirmed, so what is published after it is
 * not lost. */
#ifndef SLOTWAY_FLOW_PUBSUB_H
#define SLOTWAY_FLOW_PUBSUB_H

#include "flow/client.h"
#include "flow/pubsub_census.h"
#include "resp/command.h"
#include <stdbool.h>

struct bufq;
struct fanout;
struct local_call;
struct pubsub;
struct pubsub_client; /* what a client's session holds of it */
struct worker;

/* --- called by the worker --- */
struct pubsub *pubsub_new(struct worker *w);
/* Close all connections: the loop ends. No client gets anything any more. */
void pubsub_close(struct worker *w);
/* After the last client is gone. */
void pubsub_free(struct worker *w);
/* At the end of a turn in which worker->pubsub_wanted is set: connect, subscribe, deliver. */
void pubsub_turn(struct worker *w);
/* Free closed links; no list of dirty streams refers to them any more. */
void pubsub_bury(struct worker *w);
/* Ten times a second: silent links, clients that wait too long. */
void pubsub_check(struct worker *w);
/* The slot map or the nodes have changed. */
void pubsub_on_topology(struct worker *w);

/* --- called by the session --- */
/* The client leaves or is reset: it loses all subscriptions, without a word to it. */
void pubsub_leave(struct client *c);
/* A command of a client with subscriptions. True: it was answered here, because a RESP2 client in
 * this state may do little else than subscribe. */
bool pubsub_on_command(struct client *c, const struct command *cmd, const char *data,
                       const struct resp_args *args);

/* How many subscriptions the client has of a kind. */
uint32_t pubsub_count(const struct client *c, enum pubsub_kind kind);

/* --- called by dispatch --- */
/* PUBLISH or SPUBLISH while there are subscribers: sends it such that they are counted in its
 * reply. slot: SPUBLISH's, else SLOT_NONE. False: there are none; it is to be sent as any other
 * command. */
bool pubsub_publish(struct client *c, const struct command *cmd, uint16_t slot, char *data,
                    size_t len, const struct resp_args *args);

/* Where PUBLISH goes: the home, so that all that is published through this slotway has one order, a
 * message has left before its PUBLISH is answered, and the node counts what it has to. NODE_NONE:
 * no master is fit. False: it has to wait a moment. */
bool pubsub_publish_node(struct worker *w, uint16_t *node);

/* --- merges, called by combine --- */
bool pubsub_merge_publish(struct worker *w, struct fanout *f, struct bufq *out);
bool pubsub_merge_pubsub(struct worker *w, struct fanout *f, struct bufq *out);

#endif
