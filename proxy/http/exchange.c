/* exchange: one HTTP request: who may ask, what is asked for, waiting for an answer from workers.
 */
#define _GNU_SOURCE
#include "http/exchange.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/net.h"
#include "http/pages.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXCHANGE_REALM "slotway"
#define EXCHANGE_DEFAULT                                                                           \
    "The password of slotway's statistics page is still the default one, so the page is served "   \
    "to slotway's own host only, at 127.0.0.1 or localhost. Set stats-password in slotway.conf, "  \
    "or send PROXY CONFIG SET stats-password YOURS from a client on slotway's host."

/* --- who may ask --- */

static void exchange_refuse(struct exchange *x, enum auth_result result)
{
    struct MHD_Response *response;
    switch (result) {
    case AUTH_DEFAULT:
        exchange_reply_text(x, MHD_HTTP_FORBIDDEN, EXCHANGE_DEFAULT);
        return;
    case AUTH_LIMITED:
        response = exchange_text("Too many wrong passwords from this address: wait a minute.");
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "60");
        exchange_queue(x, MHD_HTTP_TOO_MANY_REQUESTS, response);
        return;
    default:
        response = exchange_text(result == AUTH_MISSING ? "A name and a password are needed."
                                                        : "Wrong name or password.");
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"" EXCHANGE_REALM "\", charset=\"UTF-8\"");
        exchange_queue(x, MHD_HTTP_UNAUTHORIZED, response);
    }
}

const struct sockaddr *exchange_peer(const struct exchange *x)
{
    return MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

static bool exchange_may(struct exchange *x)
{
    struct http *h = x->http;
    struct timespec now;
    char *password = NULL, peer[NET_ADDRESS_LEN];
    char *user = MHD_basic_auth_get_username_password(x->connection, &password);
    clock_gettime(CLOCK_MONOTONIC, &now);
    enum auth_result result = auth_check(h->auth, h->stats->config, exchange_peer(x), user,
                                         password, (double)now.tv_sec + (double)now.tv_nsec / 1e9);
    const char *host = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND,
                                                   MHD_HTTP_HEADER_HOST);
    if (auth_is_default(h->stats->config) && !auth_is_own_name(host))
        result = AUTH_DEFAULT;
    MHD_free(user);
    MHD_free(password);
    if (result == AUTH_OK) {
        http_connection_of(x->connection)->trusted = true;
        return true;
    }
    net_print(exchange_peer(x), peer);
    if (result == AUTH_WRONG)
        log_limited(LOG_LEVEL_WARNING, "Statistics page: wrong name or password from %s", peer);
    exchange_refuse(x, result);
    return false;
}

/* --- waiting --- */

void exchange_suspend(struct exchange *x, struct exchange **waiter,
                      void (*after)(struct exchange *x))
{
    struct http *h = x->http;
    x->waiter = waiter;
    x->after = after;
    x->next_waiting = h->waiting;
    if (h->waiting)
        h->waiting->prev_waiting = x;
    h->waiting = x;
    MHD_suspend_connection(x->connection);
}

void exchange_resume(struct exchange *x)
{
    struct http *h = x->http;
    if (x->prev_waiting)
        x->prev_waiting->next_waiting = x->next_waiting;
    else
        h->waiting = x->next_waiting;
    if (x->next_waiting)
        x->next_waiting->prev_waiting = x->prev_waiting;
    x->waiter = NULL;
    MHD_resume_connection(x->connection);
}

static void exchange_give_up(struct exchange *x)
{
    exchange_reply_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, "slotway stops.");
}

void exchange_resume_all(struct http *h)
{
    while (h->waiting) {
        struct exchange *x = h->waiting;
        *x->waiter = NULL;
        x->after = exchange_give_up;
        exchange_resume(x);
    }
}

/* --- one request --- */

static void exchange_refuse_method(struct exchange *x, const char *allowed)
{
    struct MHD_Response *response = exchange_text("This method is not allowed here.");
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allowed);
    exchange_queue(x, MHD_HTTP_METHOD_NOT_ALLOWED, response);
}

static void exchange_answer(struct exchange *x, const char *path, const char *method)
{
    const struct page *page = pages_find(path);
    const struct asset *asset = page ? NULL : pages_find_asset(path);
    unsigned flags = page ? page->flags : 0;
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!(flags & PAGES_OPEN) && !exchange_may(x))
        return;
    if (!page && !asset)
        exchange_reply_text(x, MHD_HTTP_NOT_FOUND, "There is nothing here.");
    else if (flags & PAGES_POST && strcmp(method, "POST") != 0)
        exchange_refuse_method(x, "POST");
    else if (!(flags & PAGES_POST) && !get)
        exchange_refuse_method(x, "GET, HEAD");
    else if (x->too_long)
        exchange_reply_text(x, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too long.");
    else if (page)
        page->run(x);
    else
        pages_asset(x, asset);
}

enum MHD_Result exchange_on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *data,
                                    size_t *data_len, void **context)
{
    struct exchange *x = *context;
    (void)version;
    if (!x) {
        *context = x = memory_zalloc(sizeof *x);
        x->http = cls;
        x->connection = connection;
        return MHD_YES;
    }
    if (x->after) {
        x->after(x);
        return MHD_YES;
    }
    if (*data_len) {
        size_t room = HTTP_MAX_BODY - x->body_len;
        x->too_long = x->too_long || *data_len > room;
        if (!x->too_long) {
            memcpy(x->body + x->body_len, data, *data_len);
            x->body_len += *data_len;
        }
        *data_len = 0;
        return MHD_YES;
    }
    exchange_answer(x, url, method);
    return MHD_YES;
}

void exchange_on_end(void *cls, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode why)
{
    (void)cls;
    (void)connection;
    (void)why;
    free(*context);
    *context = NULL;
}
