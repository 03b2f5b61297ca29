/* keywatch: WATCH and UNWATCH: keys are watched on a lease that is bound to the client.
 *
 *   WATCH -> a lease on the slot's node, bound when the node says OK
 *   EXEC  -> on that lease; the node clears the watch, whatever it answers, and the lease goes back
 *   UNWATCH, DISCARD, RESET, the client's end -> UNWATCH on the lease, which goes back
 *
 * If the lease is lost, or the slot has another owner than its node, whether a key was touched can
 * not be known any more: EXEC answers nil, as if one had been. */
#ifndef SLOTWAY_FLOW_KEYWATCH_H
#define SLOTWAY_FLOW_KEYWATCH_H

#include "flow/request.h"
#include <stdbool.h>

struct backend;
struct client;
struct worker;

struct keywatch {
    struct backend *lease; /* NULL: nothing is watched, or it is lost */
    uint16_t slot;
    bool active; /* there are watched keys */
    bool lost;   /* EXEC answers nil */
    bool asking; /* the lease's node is still importing the slot */
};

/* Can EXEC not succeed any more? */
bool keywatch_is_broken(const struct client *c);
/* An EXEC is about to be sent on the lease b: in its client's protocol, which may have changed. */
void keywatch_speak(struct backend *b, bool resp3);
/* Forget the watched keys; the lease goes back. tell: the node has to be told, as no EXEC does. */
void keywatch_end(struct client *c, bool tell);

/* WATCH (REQUEST_WATCH) was answered by b. */
void keywatch_on_reply(struct backend *b, struct request *r, const char *data);
/* A lease of c was lost. */
void keywatch_on_lease_lost(struct client *c, struct backend *b);
/* An EXEC on a lease (REQUEST_WATCHED) was not executed: nil. */
void keywatch_answer_nil(struct worker *w, struct request *r);

#endif
