/* combine_info: INFO as one server would answer it, from the INFO of all masters and slotway's own
 * figures. */
#ifndef SLOTWAY_FLOW_COMBINE_INFO_H
#define SLOTWAY_FLOW_COMBINE_INFO_H

#include "flow/fanout.h"
#include "flow/gather.h"

/* What was asked for: bits. */
#define INFO_WITH_SLOTWAY (1u << 0) /* the # slotway section */
#define INFO_WITH_NODES   (1u << 1) /* anything else */

/* Append the # slotway section. */
void combine_info_slotway(struct worker *w, struct gather_part *text);

/* Append the merger of n INFO texts (lengths in lens), field by field. own: lines that replace
 * fields of the nodes with slotway's own ("process_id:5\r\n…"; "" for none). */
void combine_info_texts(const char *const *texts, const size_t *lens, size_t n, const char *own,
                        struct gather_part *out);

/* The reply to INFO from the replies of all masters. False: a reply is not what INFO answers. */
bool combine_info(struct worker *w, struct fanout *f, struct bufq *out);

#endif
