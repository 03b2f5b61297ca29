/* http: a small HTTP client for tests of the statistics page: one request on a connection of its
 * own, everything that comes back as it is. */
#ifndef SLOTWAY_TESTS_HTTP_H
#define SLOTWAY_TESTS_HTTP_H

#include "support/http_text.h"
#include <jansson.h>

#define HTTP_ADMIN "Authorization: Basic YWRtaW46YWRtaW4=\r\n" /* admin, admin */

/* "METHOD PATH" from 127.0.0.1, or from the address `from`, to `to`:port (NULL: 127.0.0.1).
 * headers: complete lines; body: NULL for none. Free with http_forget. */
struct http_answer http_ask_from(const char *from, const char *to, int port, const char *request,
                                 const char *headers, const char *body);
struct http_answer http_ask(int port, const char *request, const char *headers, const char *body);

/* The status alone. */
int http_status(int port, const char *request, const char *headers, const char *body);

/* /stats.json as admin. Owner: caller. */
json_t *http_stats(int port);
/* The value at a path of member names: "now.clients"; fails the test if it is not there. */
json_t *http_at(json_t *o, const char *path);

#endif
