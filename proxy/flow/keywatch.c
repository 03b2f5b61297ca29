/* keywatch: WATCH and UNWATCH on leases. Both wait until all before them is answered and hold up
 * what follows (COMMAND_ALONE): the lease is another connection than the one of the client's
 * commands, so a SET before WATCH could arrive after it, and a GET behind it before. */
#include "flow/keywatch.h"
#include "cluster/slot.h"
#include "flow/backend.h"
#include "flow/dispatch.h"
#include "flow/lease.h"
#include "flow/local_call.h"
#include "flow/route.h"
#include "flow/session.h"
#include "flow/transaction.h"

#define KEYWATCH_UNWATCH "*1\r\n$7\r\nUNWATCH\r\n"
#define KEYWATCH_OTHER_SLOT                                                                        \
    "CROSSSLOT Keys watched together must be in the same slot: give them one hash tag, or "        \
    "UNWATCH "                                                                                     \
    "first"

static void keywatch_tell(struct backend *b)
{
    backend_command(b, KEYWATCH_UNWATCH, sizeof KEYWATCH_UNWATCH - 1);
}

bool keywatch_is_broken(const struct client *c)
{
    const struct keywatch *watch = &c->session->transaction->watch;
    const struct backend *b = watch->lease;
    if (!watch->active)
        return false;
    if (watch->lost || !b || (b->pool->flags & POOL_UNFIT))
        return true;
    return !watch->asking && c->worker->slot_node[watch->slot] != b->pool->node;
}

void keywatch_speak(struct backend *b, bool resp3)
{
    static const char hello[2][24] = {"*2\r\n$5\r\nHELLO\r\n$1\r\n2\r\n",
                                      "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n"};
    if (b->resp3 == resp3)
        return;
    backend_command(b, hello[resp3], strlen(hello[resp3]));
    b->resp3 = resp3;
}

void keywatch_end(struct client *c, bool tell)
{
    struct session *s = c->session;
    struct backend *b = s->transaction->watch.lease;
    s->transaction->watch = (struct keywatch){.slot = SLOT_NONE};
    if (!b)
        return;
    if (tell)
        keywatch_tell(b);
    s->holds &= ~(uint32_t)SESSION_HOLD_WATCH;
    if (!s->holds)
        lease_release_all(c);
}

void keywatch_on_reply(struct backend *b, struct request *r, const char *data)
{
    struct client *c = r->client;
    if (!c || *data != '+')
        return;
    struct session *s = session_of(c);
    struct keywatch *watch = &s->transaction->watch;
    if (watch->lost || watch->lease == b)
        return;
    if (watch->active) { /* the slot has moved between two WATCHes */
        watch->lost = true;
        keywatch_tell(b);
        return;
    }
    watch->active = true;
    watch->slot = r->slot;
    watch->lease = b;
    watch->asking = r->prefix > 0; /* ASKING went before it */
    s->holds |= SESSION_HOLD_WATCH;
    if (!b->owner)
        lease_bind(b, c);
}

void keywatch_on_lease_lost(struct client *c, struct backend *b)
{
    struct session *s = c->session;
    if (!s->transaction || s->transaction->watch.lease != b)
        return;
    s->transaction->watch.lease = NULL;
    s->transaction->watch.lost = true;
    s->holds &= ~(uint32_t)SESSION_HOLD_WATCH;
}

void keywatch_answer_nil(struct worker *w, struct request *r)
{
    struct bufq q = {0};
    struct reply reply = local_reply_to(w, r, &q);
    if (!r->client) {
        request_free(w, r);
        return;
    }
    reply_null_array(&reply);
    client_on_reply(r, NULL, q.head->data, q.len);
    bufq_clear(&w->chunks, &q);
}

/* The slot of all keys of the request. False: they are in several. */
static bool keywatch_find_slot(const struct local_call *call, uint16_t *slot)
{
    struct command_keys *keys = &call->c->worker->keys;
    *slot = SLOT_NONE;
    if (command_find_keys(call->cmd, call->request, call->args, keys) < 0)
        return false;
    for (uint32_t i = 0; i < keys->count; i++) {
        uint16_t next = slot_of_key(local_arg(call, keys->v[i]), local_len(call, keys->v[i]));
        if (*slot != SLOT_NONE && next != *slot)
            return false;
        *slot = next;
    }
    return true;
}

static void keywatch_send(const struct local_call *call, uint16_t slot)
{
    struct client *c = call->c;
    struct worker *w = c->worker;
    struct request *r = request_new(w, c, call->cmd);
    r->slot = slot;
    r->flags = REQUEST_LEASE | REQUEST_WATCH | (c->flags & CLIENT_RESP3 ? REQUEST_RESP3 : 0);
    client_push(c, r, 1);
    route_send(w, r, NULL, call->request, local_request_len(call));
}

void local_watch(const struct local_call *call)
{
    struct client *c = call->c;
    struct transaction *t = transaction_of(c);
    uint16_t slot;
    if (c->flags & CLIENT_MULTI) {
        client_reply_error(c, "ERR WATCH inside MULTI is not allowed");
    } else if (!keywatch_find_slot(call, &slot)) {
        dispatch_reply_crossslot(c, call->cmd, call->request, local_request_len(call));
    } else if (t->watch.active && slot != t->watch.slot) {
        counters_add(&c->worker->counters, COUNTER_crossslot, 1);
        client_reply_error(c, KEYWATCH_OTHER_SLOT);
    } else if (t->watch.lost) {
        local_ok(c); /* EXEC answers nil anyway */
    } else {
        keywatch_send(call, slot);
    }
}

void local_unwatch(const struct local_call *call)
{
    if (call->c->session && call->c->session->transaction)
        keywatch_end(call->c, true);
    local_ok(call->c);
}
