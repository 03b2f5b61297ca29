/* tracking: CLIENT TRACKING, CACHING, TRACKINGINFO, GETREDIR, and the leases of clients that track.
 * Checks and texts are those of redis-server 7. */
#include "flow/tracking.h"
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/fanout.h"
#include "flow/lease.h"
#include "flow/local_call.h"
#include "flow/session.h"
#include "flow/tracking_table.h"
#include "resp/reply.h"
#include <stdio.h>
#include <stdlib.h>

#define TRACKING_NULL "_\r\n"
#define TRACKING_OFF  "*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n"
#define TRACKING_YES  "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$3\r\nYES\r\n"
#define TRACKING_NO   "*3\r\n$6\r\nCLIENT\r\n$7\r\nCACHING\r\n$2\r\nNO\r\n"
/* Harmless and answered with +OK: it makes each master's lease, and waits until they all track. */
#define TRACKING_WAIT "*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n"

#define TRACKING_BCAST   (1u << 0)
#define TRACKING_OPTIN   (1u << 1)
#define TRACKING_OPTOUT  (1u << 2)
#define TRACKING_NOLOOP  (1u << 3)
#define TRACKING_CACHING (1u << 4) /* CLIENT CACHING was said for the next command */
#define TRACKING_BROKEN  (1u << 5) /* who was to be told is gone */

/* What can be switched on, as it is written in commands. */
static const struct {
    const char *name;
    uint32_t option;
} tracking_options[] = {
    {"bcast", TRACKING_BCAST},
    {"optin", TRACKING_OPTIN},
    {"optout", TRACKING_OPTOUT},
    {"noloop", TRACKING_NOLOOP},
};
#define TRACKING_OPTIONS (sizeof tracking_options / sizeof tracking_options[0])

struct tracking_prefix {
    const char *data;
    size_t len;
};

struct tracking {
    uint32_t options;
    uint32_t generation; /* grows with each TRACKING ON: leases of an older one are told again */
    struct tracking_target target; /* id 0: the client itself */
    struct tracking_prefix *prefixes;
    uint32_t nprefixes;
    uint64_t next_command; /* c->commands at the next command, if none fails its checks before */
    bool last_was_client;  /* the last command was CLIENT: CACHING outlives it */
    bool settled;          /* BCAST: TRACKING ON has reached all masters */
    bool owes_flush;       /* a flush that RESP2 has no words for is due in RESP3 */
    uint64_t flushed_at;   /* c->commands when all was declared invalid and nothing was under way */
};

static struct tracking *tracking_of(const struct client *c)
{
    return c->session ? c->session->tracking : NULL;
}

static bool tracking_is_on(const struct client *c)
{
    return c->flags & CLIENT_TRACKING;
}

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

/* --- invalidations --- */

/* Tell who is to be told. */
static void tracking_tell(struct client *c, const char *body, size_t len)
{
    const struct tracking *t = tracking_of(c);
    if (t->target.id)
        tracking_table_send(c, &t->target, body, len);
    else
        tracking_table_tell(c, false, body, len);
}

/* Everything is invalid. Said once is enough until something was read again; but in BCAST mode
 * others read for the client. */
static void tracking_flush(struct client *c)
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

static bool tracking_is_word(const struct reply_value *value, const char *word)
{
    return value->data && value->len == strlen(word) && memcmp(value->data, word, value->len) == 0;
}

/* What a lease or listener of a client brought by itself. */
static void tracking_on_push(struct backend *b, struct chunk *chunk, char *data, size_t len)
{
    struct client *c = b->owner;
    struct reply_reader reader = {data, data + len};
    struct reply_value push, kind, what;
    (void)chunk;
    if (!reply_read(&reader, &push) || push.type != '>' || push.n < 2 ||
        !reply_read(&reader, &kind)) {
        backend_fail(b, "unexpected push");
        return;
    }
    if (tracking_is_word(&kind, "tracking-redir-broken"))
        return; /* the listener is gone: that is dealt with where it is lost */
    if (!tracking_is_word(&kind, "invalidate")) {
        backend_fail(b, "unexpected push");
        return;
    }
    if (!tracking_is_on(c))
        return; /* OFF is on its way to the node */
    const char *body = reader.p;
    if (!reply_read(&reader, &what))
        backend_fail(b, "unexpected push");
    else if (what.null) /* in the protocol of the lease, whatever the listener speaks */
        tracking_flush(c);
    else
        tracking_tell(c, body, (size_t)(reader.end - body));
}

/* --- leases --- */

/* The connection on which the node is to say what has changed, ready; NULL: not yet. */
static struct backend *tracking_listener(struct client *c, uint16_t node)
{
    struct backend *b = c->session->leases;
    while (b && !(b->listens && b->pool->node == node))
        b = b->next_owned;
    if (!b) {
        b = lease_take(c->worker, node, true);
        if (!b)
            return NULL;
        lease_bind(b, c);
        b->listens = true;
        b->on_push = tracking_on_push;
    }
    return b->state == BACKEND_READY && b->node_client_id ? b : NULL;
}

static bool tracking_has_empty_prefix(const struct tracking *t, uint32_t from)
{
    for (uint32_t i = from; i < t->nprefixes; i++)
        if (t->prefixes[i].len == 0)
            return true;
    return false;
}

/* CLIENT TRACKING ON with the client's options and the prefixes from `from` on; without any if
 * there are none, which means all keys. */
static void tracking_put_on(const struct client *c, struct backend *b, uint64_t redirect,
                            uint32_t from)
{
    const struct tracking *t = tracking_of(c);
    struct chunk_pool *chunks = &b->worker->chunks;
    struct bufq words = {0}, q = {0};
    struct reply r = {.pool = chunks, .q = &words, .protocol = 2};
    size_t n = 3;
    reply_bulk_string(&r, "CLIENT");
    reply_bulk_string(&r, "TRACKING");
    reply_bulk_string(&r, "ON");
    if (redirect) {
        reply_bulk_string(&r, "REDIRECT");
        reply_bulkf(&r, "%llu", (unsigned long long)redirect);
        n += 2;
    }
    for (size_t i = 0; i < TRACKING_OPTIONS; i++) {
        if (!(t->options & tracking_options[i].option))
            continue;
        reply_bulk_string(&r, tracking_options[i].name);
        n++;
    }
    for (uint32_t i = from; i < t->nprefixes; i++) {
        if (t->prefixes[i].len == 0)
            continue;
        reply_bulk_string(&r, "PREFIX");
        reply_bulk(&r, t->prefixes[i].data, t->prefixes[i].len);
        n += 2;
    }
    r.q = &q;
    reply_array(&r, n);
    bufq_splice(&q, &words);
    size_t len = q.len;
    backend_command(b, bufq_flatten(chunks, &q), len);
    bufq_clear(chunks, &q);
}

/* Tell the node what the client wants of this lease. */
static void tracking_tell_node(const struct client *c, struct backend *b, uint64_t redirect)
{
    struct tracking *t = tracking_of(c);
    uint32_t fresh = t->nprefixes - b->tracked_prefixes;
    bool all = tracking_has_empty_prefix(t, b->tracked_prefixes);
    if (fresh > (all ? 1u : 0u) || !(t->options & TRACKING_BCAST))
        tracking_put_on(c, b, redirect, b->tracked_prefixes);
    if ((t->options & TRACKING_BCAST) && (all || !fresh))
        tracking_put_on(c, b, redirect, t->nprefixes);
    b->tracked_prefixes = t->nprefixes;
}

bool tracking_prepare(struct client *c, struct backend *b)
{
    struct tracking *t = tracking_of(c);
    const struct backend *listener = NULL;
    if (b->tracks == t->generation)
        return true;
    if (t->target.id) {
        listener = tracking_listener(c, b->pool->node);
        if (!listener)
            return false;
    }
    b->on_push = tracking_on_push;
    b->tracks_late = (t->options & TRACKING_BCAST) && t->settled && !b->tracks;
    b->tracks = t->generation;
    tracking_tell_node(c, b, listener ? listener->node_client_id : 0);
    return true;
}

/* What others have read while nobody listened may be out of date. */
void tracking_on_confirmed(struct client *c, struct backend *b)
{
    if (!b->tracks_late)
        return;
    b->tracks_late = false;
    if (tracking_is_on(c))
        tracking_flush(c);
}

void tracking_on_lease_lost(struct client *c, struct backend *b)
{
    if (!tracking_is_on(c))
        return;
    if (!b->listens && !b->tracks)
        return;
    if (b->listens) { /* the lease beside it is given another one before it is used again */
        struct backend *lease = lease_of(c, b->pool->node);
        if (lease)
            lease->tracks = lease->tracked_prefixes = 0;
    }
    tracking_flush(c);
}

/* Leases that track no more, and listeners, close; those that are held for another reason stay. */
static void tracking_drop_leases(struct client *c)
{
    struct backend *next;
    for (struct backend *b = c->session->leases; b; b = next) {
        next = b->next_owned;
        bool tracks = b->tracks;
        b->tracks = b->tracked_prefixes = 0;
        b->tracks_late = false;
        if (b->listens || !c->session->holds)
            backend_abandon(b);
        else if (tracks)
            backend_command(b, TRACKING_OFF, sizeof TRACKING_OFF - 1);
    }
}

/* Does the client need a lease to this node? */
static bool tracking_wants(const struct client *c, const struct pool *pool)
{
    (void)c;
    return !pool->gone && pool->has_slots;
}

/* Close what leads to nodes that own nothing any more, and make up for what is missing. */
static void tracking_follow_one(struct client *c)
{
    struct tracking *t = tracking_of(c);
    struct worker *w = c->worker;
    struct backend *next;
    for (struct backend *b = c->session->leases; b; b = next) {
        next = b->next_owned;
        if (b->head || tracking_wants(c, b->pool) ||
            (!b->listens && (c->session->holds & ~SESSION_HOLD_TRACKING)))
            continue;
        b->tracks = 0;
        b->listens = false; /* nothing is lost by it: its slots' new owners were announced */
        backend_abandon(b);
    }
    if (!(t->options & TRACKING_BCAST) || c->head)
        return;
    t->settled = true;
    for (uint32_t i = 0; i < w->nshards; i++) {
        struct backend *b = lease_of(c, w->shards[i].master);
        if (!b) {
            b = lease_take(w, w->shards[i].master, c->flags & CLIENT_RESP3);
            if (b)
                lease_bind(b, c);
        }
        if (b)
            tracking_prepare(c, b);
    }
}

void tracking_follow(struct worker *w)
{
    tracking_table_each(w, tracking_follow_one);
}

static void tracking_on_moved_one(struct client *c)
{
    if (c->session->leases)
        tracking_flush(c);
}

static void tracking_take_moved(void *owner, void *arg)
{
    (void)arg;
    tracking_table_each(owner, tracking_on_moved_one);
}

void tracking_on_slots_moved(struct worker *w)
{
    struct process *process = w->process;
    if (!tracking_clients(process))
        return;
    for (uint32_t i = 0; i < process->nworkers; i++)
        if (process->workers[i] != w)
            worker_post(process->workers[i], tracking_take_moved, NULL);
    tracking_take_moved(w, NULL);
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
    const struct tracking *t = c ? tracking_of(c) : NULL;
    const char *text = t && (t->options & TRACKING_OPTOUT) ? TRACKING_NO : TRACKING_YES;
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

/* What CLIENT TRACKING ON asks for. The bytes of the prefixes are in the request; or behind the
 * array, while the target is looked for. */
struct tracking_wish {
    struct tracking_target target;
    uint32_t options;
    uint32_t nprefixes;
    struct tracking_prefix prefixes[];
};

/* A copy that outlives the request; freed with free(). */
static struct tracking_wish *tracking_wish_copy(const struct tracking_wish *wish)
{
    size_t size = sizeof *wish + wish->nprefixes * sizeof wish->prefixes[0], bytes = 0;
    for (uint32_t i = 0; i < wish->nprefixes; i++)
        bytes += wish->prefixes[i].len;
    struct tracking_wish *copy = memory_alloc(size + bytes);
    char *out = (char *)copy + size;
    memcpy(copy, wish, size);
    for (uint32_t i = 0; i < wish->nprefixes; i++) {
        memcpy(out, wish->prefixes[i].data, wish->prefixes[i].len);
        copy->prefixes[i].data = out;
        out += wish->prefixes[i].len;
    }
    return copy;
}

/* The checks are done: it is on, or has other options. True: masters are being told, and the reply
 * comes when they have been. */
static bool tracking_enable(struct client *c, const struct command *cmd,
                            const struct tracking_wish *wish)
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

static void tracking_find_collect(struct worker *w, const void *question, struct gather_part *part)
{
    const struct tracking_wish *wish = question;
    part->n = tracking_table_find(w, wish->target.id);
}

static void tracking_find_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct tracking_wish *wish = g->question;
    struct reply r = local_reply_to(w, g->request, out);
    uint32_t at = 0;
    while (at < g->nparts && !g->parts[at].n)
        at++;
    wish->target.worker = at;
    if (at == g->nparts)
        reply_error(&r, "ERR The client ID you want redirect to does not exist");
    else if (!tracking_enable(g->request->client, g->request->cmd, wish))
        reply_status(&r, "OK");
}

static bool tracking_overlap(const char *a, size_t alen, const char *b, size_t blen)
{
    return memcmp(a, b, alen < blen ? alen : blen) == 0;
}

/* False: answered with an error. */
static bool tracking_check_prefixes(struct client *c, const struct tracking_wish *wish)
{
    const struct tracking *t = tracking_of(c);
    for (uint32_t i = 0; i < wish->nprefixes; i++) {
        const struct tracking_prefix *p = &wish->prefixes[i];
        for (uint32_t k = 0; t && k < t->nprefixes; k++) {
            if (!tracking_overlap(p->data, p->len, t->prefixes[k].data, t->prefixes[k].len))
                continue;
            client_reply_errorf(c,
                                "ERR Prefix '%.*s' overlaps with an existing prefix '%.*s'. "
                                "Prefixes for a single client must not overlap.",
                                (int)p->len, p->data, (int)t->prefixes[k].len, t->prefixes[k].data);
            return false;
        }
        for (uint32_t k = i + 1; k < wish->nprefixes; k++) {
            if (!tracking_overlap(p->data, p->len, wish->prefixes[k].data, wish->prefixes[k].len))
                continue;
            client_reply_errorf(c,
                                "ERR Prefix '%.*s' overlaps with another provided prefix '%.*s'. "
                                "Prefixes for a single client must not overlap.",
                                (int)p->len, p->data, (int)wish->prefixes[k].len,
                                wish->prefixes[k].data);
            return false;
        }
    }
    return true;
}

/* Why this can not be switched on now; NULL: it can. */
static const char *tracking_objection(const struct client *c, const struct tracking_wish *wish)
{
    uint32_t new = wish->options, old = tracking_is_on(c) ? tracking_of(c)->options : 0;
    if (!(new &TRACKING_BCAST) && wish->nprefixes)
        return "ERR PREFIX option requires BCAST mode to be enabled";
    if (tracking_is_on(c) && ((old ^ new) & TRACKING_BCAST))
        return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    if ((new &TRACKING_BCAST) && (new &(TRACKING_OPTIN | TRACKING_OPTOUT)))
        return "ERR OPTIN and OPTOUT are not compatible with BCAST";
    if ((new &TRACKING_OPTIN) && (new &TRACKING_OPTOUT))
        return "ERR You can't specify both OPTIN mode and OPTOUT mode";
    if (((new &TRACKING_OPTIN) && (old & TRACKING_OPTOUT)) ||
        ((new &TRACKING_OPTOUT) && (old & TRACKING_OPTIN)))
        return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, "
               "and then re-enabling it with a different mode.";
    return NULL;
}

/* The option in args[*i], with its value. Returns an error text or NULL. */
static const char *tracking_parse_option(const struct local_call *call, uint32_t *i,
                                         struct tracking_wish *wish)
{
    bool more = *i + 1 < local_argc(call);
    int64_t id;
    for (size_t k = 0; k < TRACKING_OPTIONS; k++) {
        if (local_is(call, *i, tracking_options[k].name)) {
            wish->options |= tracking_options[k].option;
            return NULL;
        }
    }
    if (more && local_is(call, *i, "redirect")) {
        if (wish->target.id)
            return "ERR A client can only redirect to a single other client";
        if (!local_int(call, ++*i, &id))
            return "ERR value is not an integer or out of range";
        if (id <= 0)
            return "ERR The client ID you want redirect to does not exist";
        wish->target.id = (uint64_t)id;
        return NULL;
    }
    if (!more || !local_is(call, *i, "prefix"))
        return "ERR syntax error";
    struct tracking_prefix *prefix = &wish->prefixes[wish->nprefixes++];
    prefix->data = local_arg(call, ++*i);
    prefix->len = local_len(call, *i);
    return NULL;
}

static void tracking_switch_on(const struct local_call *call, struct tracking_wish *wish)
{
    struct client *c = call->c;
    const char *objection = tracking_objection(c, wish);
    if (objection) {
        client_reply_error(c, objection);
        return;
    }
    if (!tracking_check_prefixes(c, wish))
        return;
    if (!wish->target.id) {
        if (!tracking_enable(c, call->cmd, wish))
            local_ok(c);
        return;
    }
    gather_start(c, call->cmd, tracking_wish_copy(wish), tracking_find_collect,
                 tracking_find_finish);
}

void local_tracking(const struct local_call *call)
{
    struct tracking_wish *wish = memory_zalloc(sizeof *wish +
                                               local_argc(call) * sizeof wish->prefixes[0]);
    const char *error = NULL;
    for (uint32_t i = 3; i < local_argc(call) && !error; i++)
        error = tracking_parse_option(call, &i, wish);
    if (error) {
        client_reply_error(call->c, error);
    } else if (local_is(call, 2, "on")) {
        tracking_switch_on(call, wish);
    } else if (local_is(call, 2, "off")) {
        tracking_end(call->c);
        local_ok(call->c);
    } else {
        client_reply_error(call->c, "ERR syntax error");
    }
    free(wish);
}

/* --- CACHING and what can be asked --- */

void local_caching(const struct local_call *call)
{
    struct client *c = call->c;
    struct tracking *t = tracking_of(c);
    bool yes = local_is(call, 2, "yes");
    if (!tracking_is_on(c))
        client_reply_error(c,
                           "ERR CLIENT CACHING can be called only when the client is in tracking "
                           "mode with OPTIN or OPTOUT mode enabled");
    else if (!yes && !local_is(call, 2, "no"))
        client_reply_error(c, "ERR syntax error");
    else if (yes && !(t->options & TRACKING_OPTIN))
        client_reply_error(c, "ERR CLIENT CACHING YES is only valid when tracking is enabled in "
                              "OPTIN mode.");
    else if (!yes && !(t->options & TRACKING_OPTOUT))
        client_reply_error(c, "ERR CLIENT CACHING NO is only valid when tracking is enabled in "
                              "OPTOUT mode.");
    else {
        t->options |= TRACKING_CACHING;
        local_ok(c);
    }
}

/* The words under "flags". Returns how many. */
static size_t tracking_words(const struct client *c, const char *words[8])
{
    static const struct tracking off;
    const struct tracking *t = tracking_is_on(c) ? tracking_of(c) : &off;
    size_t n = 0;
    words[n++] = t == &off ? "off" : "on";
    for (size_t i = 0; i < TRACKING_OPTIONS; i++) {
        uint32_t option = tracking_options[i].option;
        if (!(t->options & option))
            continue;
        words[n++] = tracking_options[i].name;
        if (t->options & TRACKING_CACHING && option == TRACKING_OPTIN)
            words[n++] = "caching-yes";
        if (t->options & TRACKING_CACHING && option == TRACKING_OPTOUT)
            words[n++] = "caching-no";
    }
    if (t->options & TRACKING_BROKEN)
        words[n++] = "broken_redirect";
    return n;
}

static int tracking_compare_prefixes(const void *a, const void *b)
{
    const struct tracking_prefix *x = a, *y = b;
    int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order ? order : x->len > y->len ? 1 : x->len < y->len ? -1 : 0;
}

/* In the order of the alphabet, as Redis keeps them. */
static void tracking_reply_prefixes(struct reply *r, const struct tracking *t)
{
    uint32_t n = t ? t->nprefixes : 0;
    struct tracking_prefix *sorted = memory_alloc((n + 1) * sizeof *sorted);
    if (n)
        memcpy(sorted, t->prefixes, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, tracking_compare_prefixes);
    reply_array(r, n);
    for (uint32_t i = 0; i < n; i++)
        reply_bulk(r, sorted[i].data, sorted[i].len);
    free(sorted);
}

void local_trackinginfo(const struct local_call *call)
{
    struct client *c = call->c;
    const char *words[8];
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    size_t n = tracking_words(c, words);
    reply_map(&r, 3);
    reply_bulk_string(&r, "flags");
    reply_set(&r, n);
    for (size_t i = 0; i < n; i++)
        reply_bulk_string(&r, words[i]);
    reply_bulk_string(&r, "redirect");
    reply_int(&r, tracking_redirect(c));
    reply_bulk_string(&r, "prefixes");
    tracking_reply_prefixes(&r, tracking_is_on(c) ? tracking_of(c) : NULL);
    client_reply_bufq(c, &q);
}

void local_getredir(const struct local_call *call)
{
    local_int_reply(call->c, tracking_redirect(call->c));
}
