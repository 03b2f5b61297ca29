/* script: bodies of the scripts that passed, so that a node that does not know one (NOSCRIPT) can
 * be given it without the client noticing. */
#ifndef SLOTWAY_FLOW_SCRIPT_H
#define SLOTWAY_FLOW_SCRIPT_H

#include "resp/resp.h"
#include <stdbool.h>
#include <stddef.h>

struct worker;
struct bufq;

/* Remember the body of an EVAL or SCRIPT LOAD; forget all at SCRIPT FLUSH. Other commands: nothing.
 */
void script_on_request(const char *request, const struct resp_args *args);
void script_forget_all(void);

/* Append "SCRIPT LOAD <body>" for the EVALSHA request at data to q. False: the body is not known.
 */
bool script_append_load(struct worker *w, const char *data, size_t len, struct bufq *q);

#endif
