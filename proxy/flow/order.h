/* order: what keeps the requests of one client in order when a node refuses one of them while later
 * ones are in flight behind it.
 *
 * A refused request was not executed and will be sent again. Until the replies of those behind it
 * in the same slot are there, nobody knows whether they were refused too (the rule) or executed
 * (the node changed its mind between two commands: CLUSTERDOWN just then became ok, or the keys of
 * TRYAGAIN differ). So they are marked (REQUEST_BEHIND), and the refused one waits for their
 * replies:
 *   - a read behind it was executed: its reply is kept, and it waits to be sent again behind the
 *     refused one (REQUEST_REPLAY);
 *   - a write behind it was executed (REQUEST_EXECUTED): the refused one can not be sent any more
 *     without changing the order, so it is answered with the node's refusal, and reads between the
 *     two keep the replies that they have.
 * Refused requests of a client are sent again one after the other (REQUEST_RETRYING), each when the
 * one before it has been answered. */
#ifndef SLOTWAY_FLOW_ORDER_H
#define SLOTWAY_FLOW_ORDER_H

#include "flow/request.h"
#include <stdbool.h>

struct worker;

/* The client that waits for r or for the request that r is a part of; NULL: gone. */
struct client *order_client(const struct request *r);

/* A node refused r, which is off its backend's FIFO. */
void order_on_refusal(struct worker *w, struct request *r);
/* r, marked REQUEST_BEHIND, was executed. True: it is to be sent again; the caller has its reply
 * held and its bytes kept, and parks it. */
bool order_on_reply(struct worker *w, struct request *r);
/* r is not in flight any more: answered, or its connection was lost (lost: whether it was executed
 * is unknown). */
void order_on_end(struct worker *w, struct request *r, bool lost);

/* May a parked request of this client be sent now? */
bool order_may_drive(const struct client *c);
/* Was a write that the client sent after r, to the same slot, executed already? */
bool order_is_overtaken(const struct request *r);
/* A refused request is sent again. */
void order_on_resend(struct request *r);

#endif
