/* exchange: one HTTP request and its answer: who may ask, what for, and the headers that every
 * answer carries. The paths are one table. */
#define _GNU_SOURCE
#include "http/exchange.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/net.h"
#include "http/action.h"
#include "http/assets.h"
#include "http/csv.h"
#include "http/feed.h"
#include "http/json.h"
#include "http/metrics.h"
#include "http/summary.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT "text/plain; charset=utf-8"

#define EXCHANGE_REALM "slotway"
#define EXCHANGE_DEFAULT                                                                           \
    "The password of slotway's statistics page is still the default one, so the page is served "   \
    "to slotway's own host only. Set stats-password in slotway.conf, or send PROXY CONFIG SET "    \
    "stats-password YOURS from a client on slotway's host."

/* On every answer. */
static const struct {
    const char *name;
    const char *value;
} exchange_headers[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src "
     "'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
};

/* --- answers --- */

void exchange_queue(struct exchange *x, unsigned status, struct MHD_Response *response)
{
    for (size_t i = 0; i < sizeof exchange_headers / sizeof exchange_headers[0]; i++)
        MHD_add_response_header(response, exchange_headers[i].name, exchange_headers[i].value);
    if (!MHD_get_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL))
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_queue_response(x->connection, status, response);
    MHD_destroy_response(response);
    x->http->requests++;
}

static struct MHD_Response *exchange_response(const char *type, const void *data, size_t len,
                                              enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)data,
                                                                    mode);
    if (!response) {
        log_warning("The statistics page is out of memory");
        abort();
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return response;
}

void exchange_reply(struct exchange *x, unsigned status, const char *type, const char *data,
                    size_t len)
{
    exchange_queue(x, status, exchange_response(type, data, len, MHD_RESPMEM_MUST_COPY));
}

void exchange_reply_own(struct exchange *x, unsigned status, const char *type, char *data,
                        size_t len)
{
    exchange_queue(x, status, exchange_response(type, data, len, MHD_RESPMEM_MUST_FREE));
}

static struct MHD_Response *exchange_text(const char *text)
{
    char line[1024];
    int len = snprintf(line, sizeof line, "%s\n", text);
    return exchange_response(TEXT, line, (size_t)len, MHD_RESPMEM_MUST_COPY);
}

void exchange_reply_text(struct exchange *x, unsigned status, const char *text)
{
    exchange_queue(x, status, exchange_text(text));
}

/* --- forms --- */

static int exchange_hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decode %XX and '+'. False: longer than out. */
static bool exchange_decode(const char *from, size_t len, char out[EXCHANGE_FIELD_LEN])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = from[i] == '+' ? ' ' : from[i];
        if (c == '%' && i + 2 < len && exchange_hex(from[i + 1]) >= 0 &&
            exchange_hex(from[i + 2]) >= 0) {
            c = (char)(exchange_hex(from[i + 1]) * 16 + exchange_hex(from[i + 2]));
            i += 2;
        }
        if (n + 1 == EXCHANGE_FIELD_LEN)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

bool exchange_field(const struct exchange *x, const char *name, char out[EXCHANGE_FIELD_LEN])
{
    size_t name_len = strlen(name);
    for (const char *p = x->body; *p;) {
        size_t len = strcspn(p, "&");
        if (len > name_len && p[name_len] == '=' && memcmp(p, name, name_len) == 0)
            return exchange_decode(p + name_len + 1, len - name_len - 1, out);
        p += len + (p[len] == '&');
    }
    return false;
}

/* --- paths --- */

static void exchange_healthz(struct exchange *x)
{
    exchange_reply_text(x, MHD_HTTP_OK, "ok");
}

static void exchange_readyz(struct exchange *x)
{
    const struct http *h = x->http;
    const struct topology *t = collector_newest(h->collector);
    const char *why = NULL;
    if (atomic_load_explicit(&h->process->draining, memory_order_relaxed))
        why = "draining";
    else if (!t)
        why = "starting: no node of the cluster has answered yet";
    else if (topology_uncovered(t) > 0)
        why = "slots not covered";
    exchange_reply_text(x, why ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK, why ? why : "ready");
}

static void exchange_summary(struct exchange *x)
{
    struct gather_part out = {0};
    summary_text(x->http->stats, &out);
    exchange_reply_own(x, MHD_HTTP_OK, TEXT, out.data, out.len);
}

static void exchange_csv(struct exchange *x)
{
    struct gather_part out = {0};
    csv_write(x->http->stats, &out);
    exchange_reply_own(x, MHD_HTTP_OK, TEXT, out.data, out.len);
}

static void exchange_metrics(struct exchange *x)
{
    struct gather_part out = {0};
    metrics_write(x->http->stats, &out);
    exchange_reply_own(x, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", out.data,
                       out.len);
}

static void exchange_json(struct exchange *x)
{
    size_t len;
    char *text = json_all(x->http->stats, &len);
    if (text)
        exchange_reply_own(x, MHD_HTTP_OK, "application/json", text, len);
    else
        exchange_reply_text(x, MHD_HTTP_SERVICE_UNAVAILABLE, "slotway is out of memory.");
}

typedef void (*exchange_fn)(struct exchange *x);

static const struct exchange_path {
    const char *path;
    bool post; /* an action; else GET and HEAD */
    bool open; /* without a password */
    exchange_fn run;
} exchange_paths[] = {
    {"/healthz", false, true, exchange_healthz},
    {"/readyz", false, true, exchange_readyz},
    {"/stats.json", false, false, exchange_json},
    {"/events", false, false, feed_open},
    {"/stats;csv", false, false, exchange_csv},
    {"/;csv", false, false, exchange_csv},
    {"/metrics", false, false, exchange_metrics},
    {"/summary", false, false, exchange_summary},
    {"/action/refresh", true, false, action_refresh},
    {"/action/drain", true, false, action_drain},
    {"/action/resume", true, false, action_resume},
    {"/action/close-client", true, false, action_close_client},
};

static const struct exchange_path *exchange_find(const char *path)
{
    for (size_t i = 0; i < sizeof exchange_paths / sizeof exchange_paths[0]; i++)
        if (strcmp(exchange_paths[i].path, path) == 0)
            return &exchange_paths[i];
    return NULL;
}

/* --- the page --- */

static const struct asset *exchange_find_asset(const char *path)
{
    for (size_t i = 0; i < asset_count; i++)
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    return NULL;
}

static const char *exchange_header(struct exchange *x, const char *name)
{
    const char *value = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

/* "/" has a place for the verdict, for browsers without JavaScript. */
static bool exchange_page(struct exchange *x, const struct asset *asset)
{
    static const char mark[] = ASSET_VERDICT_MARK;
    const char *page = (const char *)asset->bytes;
    const char *at = memmem(page, asset->size, mark, sizeof mark - 1);
    if (!at)
        return false;
    struct gather_part out = {0};
    summary_html(x->http->stats, &out);
    size_t len = asset->size - (sizeof mark - 1) + out.len, before = (size_t)(at - page);
    char *text = memory_alloc(len);
    memcpy(text, page, before);
    memcpy(text + before, out.data, out.len);
    memcpy(text + before + out.len, at + sizeof mark - 1, asset->size - before - sizeof mark + 1);
    free(out.data);
    exchange_reply_own(x, MHD_HTTP_OK, asset->type, text, len);
    return true;
}

static void exchange_asset(struct exchange *x, const struct asset *asset)
{
    if (exchange_page(x, asset))
        return;
    bool same = strstr(exchange_header(x, MHD_HTTP_HEADER_IF_NONE_MATCH), asset->etag) != NULL;
    bool gzip = asset->gzip && strstr(exchange_header(x, MHD_HTTP_HEADER_ACCEPT_ENCODING), "gzip");
    const unsigned char *bytes = gzip ? asset->gzip : asset->bytes;
    size_t size = gzip ? asset->gzip_size : asset->size;
    struct MHD_Response *response = exchange_response(asset->type, bytes, same ? 0 : size,
                                                      MHD_RESPMEM_PERSISTENT);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, asset->etag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "private, no-cache");
    MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_ENCODING);
    if (gzip && !same)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, "gzip");
    exchange_queue(x, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

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
    const struct exchange_path *known = exchange_find(path);
    const struct asset *asset = known ? NULL : exchange_find_asset(path);
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (!(known && known->open) && !exchange_may(x))
        return;
    if (!known && !asset)
        exchange_reply_text(x, MHD_HTTP_NOT_FOUND, "There is nothing here.");
    else if (known && known->post && strcmp(method, "POST") != 0)
        exchange_refuse_method(x, "POST");
    else if (!(known && known->post) && !get)
        exchange_refuse_method(x, "GET, HEAD");
    else if (x->too_long)
        exchange_reply_text(x, MHD_HTTP_CONTENT_TOO_LARGE, "The body is too long.");
    else if (known)
        known->run(x);
    else
        exchange_asset(x, asset);
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
