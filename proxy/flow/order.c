/* order: what keeps the requests of one client in order when a node refuses one of them.
 * Only the slow path comes here: requests that were refused, and those marked because of them. */
#include "flow/order.h"
#include "cluster/slot.h"
#include "flow/client.h"
#include "flow/fanout.h"
#include "flow/worker.h"

struct client *order_client(const struct request *r)
{
    return r->fanout ? r->fanout->parent->client : r->client;
}

/* The entry of the client's FIFO that r is, or is a part of. */
static const struct request *order_entry(const struct request *r)
{
    return r->flags & REQUEST_CHILD ? r->fanout->parent : r;
}

static void order_mark(struct client *c, struct request *r, uint16_t slot)
{
    if (!r->backend || r->slot != slot || (r->flags & REQUEST_BEHIND))
        return;
    r->flags |= REQUEST_BEHIND;
    c->behind++;
}

/* Mark what is in flight to the same slot behind r. */
static void order_mark_followers(struct client *c, const struct request *r)
{
    if (r->slot == SLOT_NONE)
        return;
    for (struct request *q = order_entry(r)->client_next; q; q = q->client_next) {
        if (!q->fanout) {
            order_mark(c, q, r->slot);
            continue;
        }
        for (uint32_t i = 0; i < q->fanout->children; i++)
            if (q->fanout->replies[i].request)
                order_mark(c, q->fanout->replies[i].request, r->slot);
    }
}

/* r's own mark and turn are over. */
static void order_release(struct worker *w, struct client *c, struct request *r)
{
    if (r->flags & REQUEST_BEHIND)
        c->behind--;
    if (r->flags & REQUEST_RETRYING)
        c->retrying--;
    if (r->flags & (REQUEST_BEHIND | REQUEST_RETRYING))
        w->drive_wanted = true;
    r->flags &= ~(uint32_t)(REQUEST_BEHIND | REQUEST_RETRYING);
}

void order_on_refusal(struct worker *w, struct request *r)
{
    struct client *c = order_client(r);
    if (!c)
        return;
    /* If it was marked itself, what is behind it was marked with it: nothing new was issued since.
     */
    if (!(r->flags & REQUEST_BEHIND))
        order_mark_followers(c, r);
    order_release(w, c, r);
    r->flags |= REQUEST_REFUSED;
    c->flags |= CLIENT_BARRIER;
}

static void order_note_executed(struct client *c, struct request *r)
{
    struct request *entry = (struct request *)(uintptr_t)order_entry(r);
    entry->flags |= REQUEST_EXECUTED;
    c->conflicts++;
}

bool order_on_reply(struct worker *w, struct request *r)
{
    struct client *c = order_client(r);
    if (!c)
        return false;
    order_release(w, c, r);
    if (order_entry(r) == c->head)
        return false; /* the refused one was given up: there is nothing left to be behind */
    if (r->flags & REQUEST_READONLY) {
        r->flags |= REQUEST_REPLAY | REQUEST_REFUSED; /* sent again in its turn, like those */
        return true;
    }
    order_note_executed(c, r);
    return false;
}

void order_on_end(struct worker *w, struct request *r, bool lost)
{
    struct client *c = order_client(r);
    if (!c)
        return;
    if (lost && (r->flags & REQUEST_BEHIND) && !(r->flags & REQUEST_READONLY))
        order_note_executed(c, r);
    order_release(w, c, r);
}

bool order_may_drive(const struct client *c)
{
    return c->behind == 0 && c->retrying == 0;
}

bool order_is_overtaken(const struct request *r)
{
    const struct client *c = order_client(r);
    if (!c || c->conflicts == 0)
        return false;
    for (const struct request *q = order_entry(r)->client_next; q; q = q->client_next)
        if ((q->flags & REQUEST_EXECUTED) && (q->slot == r->slot || q->slot == SLOT_NONE))
            return true;
    return false;
}

void order_on_resend(struct request *r)
{
    struct client *c = order_client(r);
    if (!c || !(r->flags & REQUEST_REFUSED) || (r->flags & REQUEST_RETRYING))
        return;
    r->flags |= REQUEST_RETRYING | REQUEST_RESENT;
    c->retrying++;
}
