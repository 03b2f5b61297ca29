/* route_park: requests that wait for a node.
 *
 *   parked -> r -> r -> r   tried again in this order when something changed or their time has come
 *
 * Of several that wait of one client a later one is never sent before an earlier one. */
#include "flow/backend.h"
#include "flow/blocking.h"
#include "flow/client.h"
#include "flow/fanout.h"
#include "flow/order.h"
#include "flow/route.h"
#include "flow/route_parts.h"
#include "flow/worker.h"

/* What a wait is limited by and how it ends, for each cause. */
static const struct {
    bool failover; /* failover-timeout; else redirect-timeout */
    const char *text;
} route_causes[REQUEST_CAUSE_COUNT] = {
    [REQUEST_CAUSE_NO_NODE] = {true, "CLUSTERDOWN No node of the cluster answers for this slot"},
    [REQUEST_CAUSE_REDIRECTED] = {false, "CLUSTERDOWN Nodes redirect this slot to each other"},
    [REQUEST_CAUSE_TRYAGAIN] = {false, "TRYAGAIN Multiple keys request during rehashing of slot"},
    [REQUEST_CAUSE_CLUSTERDOWN] = {true, "CLUSTERDOWN The cluster is down"},
    [REQUEST_CAUSE_LOADING] = {true, "LOADING Redis is loading the dataset in memory"},
    [REQUEST_CAUSE_MASTERDOWN] = {true, "MASTERDOWN Link with MASTER is down and "
                                        "replica-serve-stale-data is set to 'no'."},
    [REQUEST_CAUSE_READONLY] = {true, "READONLY You can't write against a read only replica."},
};

/* --- the list --- */

/* A request that was sent again and has to wait again goes before the others of its client, as it
 * was before. */
static void route_prepend_parked(struct worker *w, struct request *r)
{
    r->backend_next = w->parked;
    w->parked = r;
    if (!w->parked_tail)
        w->parked_tail = r;
}

static void route_append_parked(struct worker *w, struct request *r)
{
    r->backend_next = NULL;
    if (w->parked_tail)
        w->parked_tail->backend_next = r;
    else
        w->parked = r;
    w->parked_tail = r;
}

static void route_count_parked(struct worker *w, const struct request *r, int sign)
{
    struct client *c = order_client(r);
    size_t bytes = r->data.len + sizeof *r;
    w->nparked += (uint32_t)sign;
    w->parked_bytes += sign > 0 ? bytes : -bytes;
    counters_add(&w->counters, COUNTER_waiting, (uint64_t)(int64_t)sign);
    counters_add(&w->counters, COUNTER_waiting_bytes, sign > 0 ? bytes : -bytes);
    if (c)
        c->parked += (uint32_t)sign;
}

void route_park(struct worker *w, struct request *r, enum request_cause cause, uint64_t delay)
{
    const struct config *config = w->config;
    struct client *c = order_client(r);
    if (c)
        c->flags |= CLIENT_BARRIER;
    r->cause = (uint8_t)cause;
    r->retry_at = w->now + delay;
    if (!r->held_since)
        r->held_since = w->now;
    if (w->nparked >= config->max_waiting_requests / w->process->nworkers + 1 ||
        w->parked_bytes + r->data.len > config->max_waiting_memory / w->process->nworkers) {
        counters_add(&w->counters, COUNTER_waiting_refused, 1);
        route_fail(w, r, "CLUSTERDOWN Too many requests wait for nodes of the cluster");
        return;
    }
    r->flags |= REQUEST_PARKED;
    route_count_parked(w, r, 1);
    if (r->flags & REQUEST_RESENT)
        route_prepend_parked(w, r);
    else
        route_append_parked(w, r);
    if (delay == 0)
        w->drive_wanted = true;
    if (!ev_is_active(&w->drive_timer))
        ev_timer_again(w->loop, &w->drive_timer);
}

static void route_unpark(struct worker *w, struct request *r)
{
    route_count_parked(w, r, -1);
    r->flags &= ~(uint32_t)REQUEST_PARKED;
    r->backend_next = NULL;
}

static bool route_is_expired(const struct worker *w, const struct request *r)
{
    const struct config *config = w->config;
    uint64_t limit = route_causes[r->cause].failover ? config->failover_timeout
                                                     : config->redirect_timeout;
    return w->now - r->held_since >= limit * 1000;
}

/* The read is sent again: the reply that it had was too early. */
static void route_forget_replay(struct worker *w, struct request *r)
{
    if (!(r->flags & REQUEST_REPLAY))
        return;
    r->flags &= ~(uint32_t)REQUEST_REPLAY;
    request_forget_reply(w, r);
}

/* A later write of its client was executed: a refused request can not be sent any more without
 * overtaking, a read has the right reply already. */
static void route_yield(struct worker *w, struct request *r)
{
    struct bufq reply = {0};
    if (!(r->flags & REQUEST_REPLAY)) {
        route_fail(w, r, route_causes[r->cause].text);
        return;
    }
    bufq_clear(&w->chunks, &r->data);
    r->flags &= ~(uint32_t)REQUEST_REPLAY;
    if (!(r->flags & REQUEST_CHILD)) {
        client_finish(w, r);
        return;
    }
    bufq_append(&w->chunks, &reply, r->inline_reply, r->inline_len);
    bufq_splice(&reply, &r->reply);
    r->inline_len = 0;
    size_t len = reply.len;
    fanout_on_reply(w, r, NULL, bufq_flatten(&w->chunks, &reply), len);
    bufq_clear(&w->chunks, &reply);
}

/* Does its client wait in a blocking command? */
static bool route_is_blocked(const struct request *r)
{
    return (r->flags & REQUEST_BLOCKING) ||
           (r->fanout && (r->fanout->parent->flags & REQUEST_BLOCKING));
}

void route_drive(struct worker *w)
{
    struct request *list = w->parked;
    w->parked = w->parked_tail = NULL;
    w->drive_wanted = false;
    w->drive_turn++;
    while (list) {
        struct request *r = list;
        list = r->backend_next;
        struct client *c = order_client(r);
        struct backend *b = NULL;
        if (!c && (r->flags & (REQUEST_LEASE | REQUEST_ERRAND)) == REQUEST_LEASE) {
            route_unpark(w, r);
            route_fail(w, r, "ERR nobody waits for it any more");
            continue;
        }
        if (route_is_blocked(r) && blocking_is_over(w, r)) {
            route_unpark(w, r);
            blocking_answer(w, r);
            continue;
        }
        if (route_is_expired(w, r)) {
            route_unpark(w, r);
            counters_add(&w->counters, COUNTER_waiting_expired, 1);
            route_fail(w, r, route_causes[r->cause].text);
            continue;
        }
        if (c && order_may_drive(c) && order_is_overtaken(r)) {
            route_unpark(w, r);
            route_yield(w, r);
            continue;
        }
        if (r->retry_at <= w->now &&
            !(c && (c->drive_turn == w->drive_turn || !order_may_drive(c)))) {
            b = route_pick(w, r);
            if (!b && route_is_short(w, r)) {
                route_unpark(w, r);
                route_fail_short(w, r);
                continue;
            }
            if (!b)
                r->target = NODE_NONE; /* where ASK led is out of reach: ask the owner again */
        }
        if (b) {
            struct bufq prefix = {0};
            route_unpark(w, r);
            route_forget_replay(w, r);
            route_send_held(w, r, b, &prefix, 0);
            continue;
        }
        if (c)
            c->drive_turn = w->drive_turn;
        route_append_parked(w, r);
    }
    if (!w->parked)
        ev_timer_stop(w->loop, &w->drive_timer);
}
