/* secret: which arguments of a request hold passwords. MONITOR, SLOWLOG and the statistics page
 * show "(redacted)" in their place, as Redis does. */
#ifndef SLOTWAY_FLOW_SECRET_H
#define SLOTWAY_FLOW_SECRET_H

#include "resp/resp.h"
#include <stdbool.h>

#define SECRET_SHOWN "(redacted)"

/* How the secrets of one command are found; NULL: it has none. The command's name decides, so this
 * is asked once for a request. */
struct secret_rule;
const struct secret_rule *secret_rule(const char *request, const struct resp_args *args);

/* Is argument i of the request a secret? */
bool secret_hides(const struct secret_rule *rule, const char *request, const struct resp_args *args,
                  uint32_t i);

#endif
