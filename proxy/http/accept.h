/* accept: the sockets of stats-port and their connections. */
#ifndef SLOTWAY_HTTP_ACCEPT_H
#define SLOTWAY_HTTP_ACCEPT_H

#include "http/http.h"

/* Listen on all addresses of stats-bind. False, with the reason in the log: not on all of them. */
bool accept_open(struct http *h);
void accept_close(struct http *h);

/* libmicrohttpd's callback for the begin and the end of a connection. */
void accept_on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what);

#endif
