/* dispatch: what a request needs: one node, several, or slotway itself; and the errors that Redis
 * gives before it runs a command. */
#ifndef SLOTWAY_FLOW_DISPATCH_H
#define SLOTWAY_FLOW_DISPATCH_H

#include "flow/client.h"
#include "resp/resp.h"
#include <stdbool.h>

/* Issue the complete request of len bytes at data, which lie in chunk. False: it can not be issued
 * yet (the client is paused, or the request is large and has to wait for those before it): present
 * it again later. */
bool dispatch_request(struct client *c, struct chunk *chunk, char *data, size_t len,
                      struct resp_args *args);

/* Run a command that passed the checks. chunk: what data lies in, NULL: nowhere that can be
 * referenced. */
void dispatch_run(struct client *c, const struct command *cmd, struct chunk *chunk, char *data,
                  size_t len, const struct resp_args *args);

/* A check that Redis makes before it runs a command failed: answered with the error, which a
 * transaction remembers. text: "ERR …". */
void dispatch_reject(struct client *c, const struct command *cmd, const char *text);

/* Is the command one that slotway does not pass on? Then it has been answered with an error. */
bool dispatch_refuses(struct client *c, const struct command *cmd);
void dispatch_reply_crossslot(struct client *c, const struct command *cmd, const char *data,
                              size_t len);

#endif
