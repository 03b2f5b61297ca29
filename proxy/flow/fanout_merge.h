/* fanout_merge: the replies of all parts of a request as one. */
#ifndef SLOTWAY_FLOW_FANOUT_MERGE_H
#define SLOTWAY_FLOW_FANOUT_MERGE_H

#include "flow/fanout.h"

/* Write the merged reply to out. False: the replies do not fit together. */
bool fanout_merge(struct worker *w, struct fanout *f, struct bufq *out);

/* "<type><n>\r\n" at out, which has room for 24 bytes; returns the end. */
char *fanout_put_number(char *out, char type, uint64_t n);

#endif
