/* local: the commands that slotway answers itself. One handler a command, in a table by
 * command_local.def. */
#ifndef SLOTWAY_FLOW_LOCAL_H
#define SLOTWAY_FLOW_LOCAL_H

#include "flow/client.h"
#include "resp/command.h"

/* Run the handler of a command of kind COMMAND_LOCAL (arity and authentication are checked), or
 * send on a command whose merge is special (SCAN, INFO …: kind COMMAND_MASTERS with `local`). It
 * answers through client_reply… or the fan-out functions. */
void local_execute(struct client *c, const struct command *cmd, char *request,
                   const struct resp_args *args);

#endif
