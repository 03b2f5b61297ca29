/* combine: merges of fan-out replies that need code of their own (INFO, RANDOMKEY …). */
#ifndef SLOTWAY_FLOW_COMBINE_H
#define SLOTWAY_FLOW_COMBINE_H

#include "flow/fanout.h"

/* Write the merged reply of f (all replies are there, none an error) to out. */
void combine_special(struct worker *w, struct fanout *f, struct bufq *out);

/* All replies of f are there, none an error: does its parent have something else to wait for? True:
 * it does, and is no longer f's. */
bool combine_then(struct worker *w, struct fanout *f);

#endif
