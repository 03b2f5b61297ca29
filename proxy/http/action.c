/* action: what an operator may do on the statistics page.
 * A request must show the token of /stats.json, which a page of another origin cannot read. Each
 * action is logged and noted as an event, with who did it and from where. */
#include "http/action.h"
#include "base/event.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/net.h"
#include "cluster/discovery.h"
#include "flow/client.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JSON             "application/json"
#define ACTION_FIELD_LEN 64

/* --- forms --- */

static int action_hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decode %XX and '+'. False: longer than out. */
static bool action_decode(const char *from, size_t len, char out[ACTION_FIELD_LEN])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = from[i] == '+' ? ' ' : from[i];
        if (c == '%' && i + 2 < len && action_hex(from[i + 1]) >= 0 &&
            action_hex(from[i + 2]) >= 0) {
            c = (char)(action_hex(from[i + 1]) * 16 + action_hex(from[i + 2]));
            i += 2;
        }
        if (n + 1 == ACTION_FIELD_LEN)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

/* The value of a field of the form in the body; false: it is not there or too long. */
static bool action_field(const struct exchange *x, const char *name, char out[ACTION_FIELD_LEN])
{
    size_t name_len = strlen(name);
    for (const char *p = x->body; *p;) {
        size_t len = strcspn(p, "&");
        if (len > name_len && p[name_len] == '=' && memcmp(p, name, name_len) == 0)
            return action_decode(p + name_len + 1, len - name_len - 1, out);
        p += len + (p[len] == '&');
    }
    return false;
}

/* --- answers --- */

__attribute__((format(printf, 3, 4))) static void action_answer(struct exchange *x, unsigned status,
                                                                const char *format, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    json_t *o = json_pack("{s:b,s:s}", "ok", status == MHD_HTTP_OK, "text", text);
    char *json = o ? json_dumps(o, 0) : NULL;
    json_decref(o);
    if (json)
        exchange_reply_own(x, status, JSON, json, strlen(json));
    else
        exchange_reply_text(x, status, text);
}

static bool action_is_allowed(struct exchange *x)
{
    const struct http *h = x->http;
    char token[ACTION_FIELD_LEN];
    if (!h->stats->config->stats_admin || !*h->token) {
        action_answer(x, MHD_HTTP_FORBIDDEN, "actions are not allowed: stats-admin is no");
        return false;
    }
    if (!action_field(x, "token", token) || !auth_same(token, h->token)) {
        action_answer(x, MHD_HTTP_FORBIDDEN, "the token is missing or wrong: reload the page");
        return false;
    }
    return true;
}

static void action_note(const struct exchange *x, const char *what)
{
    char peer[NET_ADDRESS_LEN];
    net_print(exchange_peer(x), peer);
    log_notice("Statistics page: %s from %s: %s", x->http->stats->config->stats_user, peer, what);
    event_note(EVENT_ACTION, EVENT_INFO, "%s from %s: %s", x->http->stats->config->stats_user, peer,
               what);
}

/* --- the cluster, slotway --- */

void action_refresh(struct exchange *x)
{
    if (!action_is_allowed(x))
        return;
    action_note(x, "refresh the topology");
    discovery_hint(x->http->process->discovery);
    action_answer(x, MHD_HTTP_OK, "the nodes are being asked");
}

static void action_set_draining(struct exchange *x, bool draining)
{
    struct process *process = x->http->process;
    if (!action_is_allowed(x))
        return;
    action_note(x, draining ? "drain" : "resume");
    mailbox_post(&process->mailbox, process->on_drain, draining ? process : NULL);
    action_answer(x, MHD_HTTP_OK,
                  draining ? "no new clients are accepted" : "clients are accepted again");
}

void action_drain(struct exchange *x)
{
    action_set_draining(x, true);
}

void action_resume(struct exchange *x)
{
    action_set_draining(x, false);
}

/* --- closing a client --- */

/* A question to all workers; the exchange waits, suspended, until the last one has answered. */
struct action_close {
    struct exchange *x; /* NULL: it waits no more; only the statistics thread looks */
    struct http *http;
    uint64_t id;
    _Atomic uint32_t missing;
    _Atomic uint32_t found;
};

static void action_tell_closed(struct exchange *x)
{
    char id[ACTION_FIELD_LEN];
    action_field(x, "id", id);
    if (x->result)
        action_answer(x, MHD_HTTP_OK, "client %s is closed", id);
    else
        action_answer(x, MHD_HTTP_NOT_FOUND, "no client has the id %s", id);
}

/* In the statistics thread. */
static void action_on_closed(void *owner, void *arg)
{
    struct http *h = owner;
    struct action_close *close = arg;
    if (close->x) {
        close->x->result = atomic_load(&close->found) > 0;
        exchange_resume(close->x);
        http_run(h);
    }
    free(close);
}

/* In each worker's thread. */
static void action_close_here(void *owner, void *arg)
{
    struct worker *w = owner;
    struct action_close *close = arg;
    struct http *h = close->http;
    for (struct client *c = w->clients; c; c = c->next) {
        if (c->id != close->id)
            continue;
        client_note_closed(c, EVENT_INFO, "by an operator");
        client_close(c);
        atomic_fetch_add(&close->found, 1);
        break;
    }
    if (atomic_fetch_sub_explicit(&close->missing, 1, memory_order_acq_rel) == 1)
        mailbox_post(&h->mailbox, action_on_closed, close);
}

void action_close_client(struct exchange *x)
{
    const struct process *process = x->http->process;
    uint32_t n = process->nworkers;
    char text[ACTION_FIELD_LEN] = "", what[ACTION_FIELD_LEN + 16], *end = text;
    if (!action_is_allowed(x))
        return;
    uint64_t id = action_field(x, "id", text) ? strtoull(text, &end, 10) : 0;
    if (id == 0 || *end) {
        action_answer(x, MHD_HTTP_BAD_REQUEST, "id must be the number of a client");
        return;
    }
    snprintf(what, sizeof what, "close client %llu", (unsigned long long)id);
    action_note(x, what);
    struct action_close *close = memory_zalloc(sizeof *close);
    close->x = x;
    close->http = x->http;
    close->id = id;
    atomic_init(&close->missing, n);
    exchange_suspend(x, &close->x, action_tell_closed);
    for (uint32_t i = 0; i < n; i++)
        worker_post(process->workers[i], action_close_here, close);
}
