/* verdict_rule: what rules use to say what they found. */
#ifndef SLOTWAY_HTTP_VERDICT_RULE_H
#define SLOTWAY_HTTP_VERDICT_RULE_H

#include "http/stats.h"

/* A new finding; never NULL. Set what it is about (node, client, first, last) in it. */
struct finding *verdict_add(struct stats *s, const struct verdict_rule *rule,
                            enum verdict_where where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void verdict_advise(struct finding *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
