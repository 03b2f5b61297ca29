/* summary: the verdict and the nodes as text, for terminals and browsers without JavaScript. */
#ifndef SLOTWAY_HTTP_SUMMARY_H
#define SLOTWAY_HTTP_SUMMARY_H

#include "flow/gather.h"
#include "http/stats.h"

void summary_text(const struct stats *s, struct gather_part *out);
/* The verdict as a paragraph of HTML, and all of the text below it. */
void summary_html(const struct stats *s, struct gather_part *out);

#endif
