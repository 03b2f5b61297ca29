/* route_parts: what route.c (choosing, sending), route_park.c and route_refusal.c share. Nobody
 * else includes it. */
#ifndef SLOTWAY_FLOW_ROUTE_PARTS_H
#define SLOTWAY_FLOW_ROUTE_PARTS_H

#include "flow/request.h"
#include <stdbool.h>

struct backend;
struct worker;

/* The connection for r, to the node that it has to go to now. NULL: there is none for the moment.
 */
struct backend *route_pick(struct worker *w, struct request *r);
/* No connection for r: is it that there may be no more of them? */
bool route_is_short(struct worker *w, const struct request *r);

/* Send the bytes of r->data, with what has to go before them. prefix: what goes first, and `skip`
 * how many replies to it come. */
void route_send_held(struct worker *w, struct request *r, struct backend *b, struct bufq *prefix,
                     uint32_t skip);

/* The error is r's reply. r is on no list but the client's. */
void route_fail(struct worker *w, struct request *r, const char *text);
/* The same with the error of route_is_short. */
void route_fail_short(struct worker *w, struct request *r);

#endif
