/* combine_info: the INFO texts of all masters as one text. */
#ifndef SLOTWAY_FLOW_COMBINE_INFO_H
#define SLOTWAY_FLOW_COMBINE_INFO_H

#include "flow/gather.h"

/* Append the merger of n INFO texts (lengths in lens), field by field. own: lines that replace
 * fields of the nodes with slotway's own ("process_id:5\r\n…"; "" for none). */
void combine_info_texts(const char *const *texts, const size_t *lens, size_t n, const char *own,
                        struct gather_part *out);

#endif
