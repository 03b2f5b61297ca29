/* combine_config: what becomes of the masters' replies to CONFIG GET and CONFIG SET. */
#ifndef SLOTWAY_FLOW_COMBINE_CONFIG_H
#define SLOTWAY_FLOW_COMBINE_CONFIG_H

#include "flow/fanout.h"

/* Write the reply to out. False: a node's reply is not what CONFIG answers. */
bool combine_config(struct worker *w, struct fanout *f, struct bufq *out);

/* All masters have taken their part of a CONFIG SET. If it has one for slotway too, that is made
 * now and f's parent answered after it: true, and the parent is f's no more. */
bool combine_config_then(struct worker *w, struct fanout *f);

#endif
