/* combine_script: SCRIPT EXISTS over all masters. */
#ifndef SLOTWAY_FLOW_COMBINE_SCRIPT_H
#define SLOTWAY_FLOW_COMBINE_SCRIPT_H

#include "flow/fanout.h"

/* 1 for each script that all masters have, or that one has and slotway can give to the others.
 * False: a reply is not what SCRIPT EXISTS answers. */
bool combine_script_exists(struct worker *w, struct fanout *f, struct bufq *out);

#endif
