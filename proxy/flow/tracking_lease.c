/* tracking_lease: the leases of clients that track: told CLIENT TRACKING ON before they are used,
 * given listeners, followed through changes of the cluster; and what they bring by themselves. */
#include "flow/backend.h"
#include "flow/lease.h"
#include "flow/tracking_state.h"
#include "flow/worker.h"
#include "resp/reply.h"
#include <string.h>

#define TRACKING_OFF "*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$3\r\nOFF\r\n"

/* --- what they bring --- */

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
    if (!c || !tracking_is_on(c))
        return; /* OFF is on its way to the node */
    const char *body = reader.p;
    if (!reply_read(&reader, &what))
        backend_fail(b, "unexpected push");
    else if (what.null) /* in the protocol of the lease, whatever the listener speaks */
        tracking_flush(c);
    else
        tracking_tell(c, body, (size_t)(reader.end - body));
}

/* --- making them track --- */

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
    if (!b->own)
        tracking_on_pong(c, b);
    if (!b->tracks_late)
        return;
    b->tracks_late = false;
    if (tracking_is_on(c))
        tracking_flush(c);
}

void tracking_on_lease_lost(struct client *c, struct backend *b)
{
    tracking_on_pong(c, b);
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

/* --- keeping them --- */

void tracking_drop_leases(struct client *c)
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

/* Close what leads to nodes that own nothing any more, and make up for what is missing. */
static void tracking_follow_one(struct client *c)
{
    struct tracking *t = tracking_of(c);
    struct worker *w = c->worker;
    struct backend *next;
    for (struct backend *b = c->session->leases; b; b = next) {
        next = b->next_owned;
        if (b->head || (!b->pool->gone && b->pool->has_slots) ||
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
