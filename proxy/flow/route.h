/* route: which node a request goes to, and what becomes of it when that node sends it elsewhere,
 * can not serve it now, or dies. */
#ifndef SLOTWAY_FLOW_ROUTE_H
#define SLOTWAY_FLOW_ROUTE_H

#include "flow/request.h"
#include <stdbool.h>

struct worker;
struct backend;
struct topology;

/* Send r (on its client's FIFO, or a child), whose bytes are data, to the owner of r->slot; park it
 * if that can not be now. */
void route_send(struct worker *w, struct request *r, struct chunk *chunk, char *data, size_t len);

/* The same for an EXEC, whose bytes are r->data. b: the lease on which it has to travel, NULL:
 * none.
 */
void route_send_data(struct worker *w, struct request *r, struct backend *b);
/* The same for scripts, whose EVALSHA may need its body sent before it. */
void route_send_script(struct worker *w, struct request *r, struct chunk *chunk, char *data,
                       size_t len);

/* Does this error line say that nothing was executed, so that r is to be sent again? (MOVED, ASK,
 * TRYAGAIN, CLUSTERDOWN, LOADING, MASTERDOWN, READONLY, and NOSCRIPT if the script is known.) */
bool route_is_refusal(const struct request *r, const char *line, size_t len);
/* Send it again where the line says, or later. r is off b's FIFO, its bytes are in r->data. */
void route_on_refusal(struct worker *w, struct request *r, struct backend *b, const char *line,
                      size_t len);

/* r was on a connection that broke; its bytes are in r->data. sent: some bytes had left. */
void route_on_lost(struct worker *w, struct request *r, bool sent);

/* Let r wait. Its bytes are in r->data. delay: µs before it is tried again. */
void route_park(struct worker *w, struct request *r, enum request_cause cause, uint64_t delay);

/* Try the parked requests whose time has come. */
void route_drive(struct worker *w);

/* A new topology: slot map, shards, pools; clients with requests in flight keep their order. */
void route_set_topology(struct worker *w, struct topology *t);

/* Nothing new of any client overtakes what it has in flight: it may be in flight to a node that is
 * not the right one any more. */
void route_raise_barriers(struct worker *w);

#endif
