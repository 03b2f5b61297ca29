/* local_info: INFO as one server would answer it, from the INFO of all masters and slotway's own
 * figures. */
#ifndef SLOTWAY_FLOW_LOCAL_INFO_H
#define SLOTWAY_FLOW_LOCAL_INFO_H

#include "flow/fanout.h"
#include "flow/gather.h"

struct process;

/* Append the # slotway section. */
void local_info_slotway(struct worker *w, struct gather_part *text);

/* CONFIG RESETSTAT: the figures of INFO that Redis counts anew, and that are slotway's. The section
 * # slotway counts on, as its figures are those of /metrics. */
void local_info_reset(struct process *process);

/* The reply to INFO from the replies of all masters. False: a reply is not what INFO answers. */
bool local_info_merge(struct worker *w, struct fanout *f, struct bufq *out);

#endif
