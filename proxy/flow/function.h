/* function: which functions say of themselves that they do not write (flag no-writes). Only their
 * masters know; one of them is asked when CLIENT PAUSE WRITE holds back an FCALL. */
#ifndef SLOTWAY_FLOW_FUNCTION_H
#define SLOTWAY_FLOW_FUNCTION_H

#include "resp/command.h"
#include <stdbool.h>

struct functions; /* one worker's; NULL until the first question */
struct worker;

/* Is this an FCALL of a function that does not write? False as well while it is not known: then a
 * master is asked, and clients that are held back look again when it has answered. */
bool function_only_reads(struct worker *w, const struct command *cmd, const char *request,
                         const struct resp_args *args);
void functions_free(struct worker *w);

#endif
