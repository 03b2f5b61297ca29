/* tracking: CLIENT TRACKING of one client: on and off, what its requests are given on their way,
 * and what it is told. Leases are in tracking_lease.c, commands in tracking_command.c. */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/fanout.h"
#include "flow/tracking_state.h"
#include "flow/worker.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRACKING_NULL "_\r\n"
#define TRACKING_YES  "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n"
#define TRACKING_NO   "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$2\r\nNO\r\n"
#define TRACKING_PING "*1\r\n$4\r\nPING\r\n"
#define TRACKING_PONG "+PONG\r\n"
/* Harmless and answered with +OK: it makes each master's lease, and waits until they all track. */
#define TRACKING_WAIT "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"

const struct tracking_option tracking_options[TRACKING_OPTIONS] = {
    {"bcast", TRACKING_BCAST},
    {"optin", TRACKING_OPTIN},
    {"optout", TRACKING_OPTOUT},
    {"noloop", TRACKING_NOLOOP},
};

char *tracking_print_flags(const struct client *c, char *p)
{
    const struct tracking *t = tracking_of(c);
    if (!tracking_is_on(c))
        return p;
    *p++ = 't';
    if (t->options & TRACKING_BROKEN)
        *p++ = 'R';
    if (t->options & TRACKING_BCAST)
        *p++ = 'B';
    return p;
}

int64_t tracking_redirect(const struct client *c)
{
    return tracking_is_on(c) ? (int64_t)tracking_of(c)->target.id : -1;
}

/* --- what is invalid --- */

void tracking_tell(struct client *c, const char *body, size_t len)
{
    const struct tracking *t = tracking_of(c);
    if (t->target.id)
        tracking_table_send(c, &t->target, body, len);
    else
        tracking_table_tell(c, false, body, len);
}

void tracking_flush(struct client *c)
{
    struct tracking *t = tracking_of(c);
    if (!(t->options & TRACKING_BCAST)) {
        if (t->flushed_at == c->commands)
            return;
        t->flushed_at = client_owes_nothing_new(c) ? c->commands : 0;
    }
    if (!t->target.id && !(c->flags & CLIENT_RESP3))
        t->owes_flush = true;
    tracking_tell(c, TRACKING_NULL, strlen(TRACKING_NULL));
}

void tracking_on_broken(struct client *source)
{
    char text[96];
    struct tracking *t = tracking_of(source);
    t->options |= TRACKING_BROKEN;
    if (!(source->flags & CLIENT_RESP3))
        return;
    int len = snprintf(text, sizeof text, ">2\r\n$21\r\ntracking-redir-broken\r\n:%llu\r\n",
                       (unsigned long long)t->target.id);
    client_send_behind(source, text, (size_t)len);
}

/* --- requests --- */

void tracking_mark(const struct client *c, struct request *r)
{
    if (r->flags & REQUEST_LOCAL)
        return;
    r->flags = (r->flags & ~(uint32_t)REQUEST_REPLICA) | REQUEST_LEASE;
    if (tracking_of(c)->options & TRACKING_CACHING)
        r->flags |= REQUEST_CACHING;
}

void tracking_put_caching(const struct client *c, struct bufq *q)
{
    bool optout = tracking_is_on(c) && (tracking_of(c)->options & TRACKING_OPTOUT);
    const char *text = optout ? TRACKING_NO : TRACKING_YES;
    bufq_append(&c->worker->chunks, q, text, strlen(text));
}

void tracking_on_untracked(struct client *c)
{
    struct tracking *t = tracking_of(c);
    if (!tracking_is_on(c) || !(t->options & TRACKING_OPTIN))
        return;
    t->flushed_at = 0;
    tracking_flush(c);
}

void tracking_on_late(struct client *c)
{
    if (!tracking_is_on(c))
        return;
    tracking_of(c)->flushed_at = 0;
    tracking_flush(c);
}

/* CACHING is for the next command that is not CLIENT, and for a whole transaction. */
void tracking_on_command(struct client *c, const struct command *cmd)
{
    struct tracking *t = tracking_of(c);
    bool in_order = c->commands == t->next_command;
    if (!(c->flags & CLIENT_MULTI) && !(in_order && t->last_was_client))
        t->options &= ~TRACKING_CACHING;
    t->last_was_client = strncmp(cmd->name, "client", 6) == 0;
    t->next_command = c->commands + 1;
}

/* --- PING --- */

bool tracking_on_ping(struct client *c)
{
    struct tracking *t = tracking_of(c);
    if (t->ping || t->target.id || !(c->flags & CLIENT_RESP3) ||
        (c->flags & (CLIENT_MULTI | CLIENT_CLOSING)))
        return false;
    t->pinged = 0;
    for (struct backend *b = c->session->leases; b; b = b->next_owned) {
        b->pinged = !b->listens && b->tracks && b->state == BACKEND_READY;
        if (!b->pinged)
            continue;
        backend_command(b, TRACKING_PING, sizeof TRACKING_PING - 1);
        t->pinged++;
    }
    if (t->pinged)
        t->ping = client_reply_later(c, NULL);
    return t->pinged;
}

static void tracking_finish_ping(struct client *c)
{
    struct tracking *t = tracking_of(c);
    struct request *r = t->ping;
    static char pong[] = TRACKING_PONG;
    t->ping = NULL;
    t->pinged = 0;
    request_hold(c->worker, r, NULL, pong, sizeof pong - 1);
    client_finish(c->worker, r);
}

void tracking_on_pong(struct client *c, struct backend *b)
{
    struct tracking *t = tracking_of(c);
    if (!b->pinged)
        return;
    b->pinged = false;
    if (t && t->ping && --t->pinged == 0)
        tracking_finish_ping(c);
}

/* --- on and off --- */

static void tracking_forget_prefixes(struct tracking *t)
{
    for (uint32_t i = 0; i < t->nprefixes; i++)
        free((char *)(uintptr_t)t->prefixes[i].data);
    free(t->prefixes);
    t->prefixes = NULL;
    t->nprefixes = 0;
}

void tracking_end(struct client *c)
{
    struct tracking *t = tracking_of(c);
    if (!tracking_is_on(c))
        return;
    c->flags &= ~(uint32_t)CLIENT_TRACKING;
    c->session->holds &= ~SESSION_HOLD_TRACKING;
    tracking_table_remove(c);
    tracking_drop_leases(c);
    tracking_forget_prefixes(t);
    t->options = 0;
    t->target.id = 0;
    t->owes_flush = false;
}

void tracking_free(struct client *c)
{
    tracking_end(c);
    tracking_table_forget(c);
    if (tracking_of(c) && tracking_of(c)->ping)
        tracking_finish_ping(c);
    free(c->session->tracking);
    c->session->tracking = NULL;
}

void tracking_on_protocol(struct client *c)
{
    struct tracking *t = tracking_of(c);
    if (!tracking_is_on(c) || !t->owes_flush || !(c->flags & CLIENT_RESP3))
        return;
    t->owes_flush = false;
    tracking_tell(c, TRACKING_NULL, strlen(TRACKING_NULL));
}

static bool tracking_knows_prefix(const struct tracking *t, const char *data, size_t len)
{
    for (uint32_t i = 0; i < t->nprefixes; i++)
        if (t->prefixes[i].len == len && memcmp(t->prefixes[i].data, data, len) == 0)
            return true;
    return false;
}

static void tracking_add_prefix(struct tracking *t, const char *data, size_t len)
{
    if (tracking_knows_prefix(t, data, len))
        return;
    t->prefixes = memory_realloc(t->prefixes, (t->nprefixes + 1) * sizeof *t->prefixes);
    t->prefixes[t->nprefixes].data = memory_strndup(data, len);
    t->prefixes[t->nprefixes++].len = len;
}

bool tracking_enable(struct client *c, const struct command *cmd, const struct tracking_wish *wish)
{
    struct session *s = session_of(c);
    if (!s->tracking)
        s->tracking = memory_zalloc(sizeof *s->tracking);
    struct tracking *t = s->tracking;
    for (uint32_t i = 0; i < wish->nprefixes; i++)
        tracking_add_prefix(t, wish->prefixes[i].data, wish->prefixes[i].len);
    if ((wish->options & TRACKING_BCAST) && !wish->nprefixes)
        tracking_add_prefix(t, "", 0);
    t->options = wish->options;
    t->target = wish->target;
    t->generation++;
    t->flushed_at = 0;
    t->settled = false;
    t->next_command = c->commands + 1;
    t->last_was_client = true;
    s->holds |= SESSION_HOLD_TRACKING;
    c->flags |= CLIENT_TRACKING;
    tracking_table_add(c);
    if (!(t->options & TRACKING_BCAST) && !s->leases)
        return false;
    fanout_all(c, cmd, (char *)(uintptr_t)TRACKING_WAIT, sizeof TRACKING_WAIT - 1, NULL);
    return true;
}
