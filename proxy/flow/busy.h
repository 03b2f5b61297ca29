/* busy: scripts that run for long. A node that runs one answers everything with BUSY after its
 * busy-reply-threshold, as one server would; slotway, which answers PING itself, has to know. */
#ifndef SLOTWAY_FLOW_BUSY_H
#define SLOTWAY_FLOW_BUSY_H

#include "flow/request.h"
#include <ev.h>
#include <stdbool.h>

/* r runs a script or function: it counts as under way until it is freed. */
void busy_on_script(struct worker *w, struct request *r);
/* Called by request_free. */
void busy_on_end(struct worker *w);

/* A new topology is in force: it says which nodes are busy. */
void busy_on_topology(struct worker *w);
/* While scripts are under way: is it time to ask the nodes? */
void busy_on_timer(struct ev_loop *loop, ev_timer *watcher, int events);

/* Is a master busy while a script of this slotway's clients is under way? */
bool busy_is(const struct worker *w);

#endif
