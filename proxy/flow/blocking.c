/* blocking: commands that wait at their node, and go on waiting at another one when they are sent
 * away; CLIENT UNBLOCK for them. */
#include "flow/blocking.h"
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/backend.h"
#include "flow/fanout.h"
#include "flow/order.h"
#include "flow/route.h"
#include "flow/session.h"
#include "flow/stream_ids.h"
#include "flow/worker.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* A command that waited for so long at a node and comes back is not going in circles: its retries
 * are counted anew. µs */
#define BLOCKING_SETTLED 1000000
/* A timeout of more seconds is as good as none: far from where sums with the clock overflow. */
#define BLOCKING_LONGEST 1e11
/* Seconds from the end of a wait to the first PING, and between these at most; each pause is twice
 * the one before. The node's time began a little later, and it counts in milliseconds. */
#define BLOCKING_POKE_FIRST 0.0015
#define BLOCKING_POKE_MOST  0.1
/* What a client gets whose input ended before its command could be issued: no time to wait, but
 * some to reach the node. µs */
#define BLOCKING_NO_TIME 1000
#define BLOCKING_REACH   1000000

/* Where a command has its timeout, in what unit, and what it answers when that is over. */
enum blocking_at { BLOCKING_AT_FIRST, BLOCKING_AT_LAST, BLOCKING_AT_OPTION };

static const struct blocking_kind {
    const char *name;
    uint8_t at;
    bool seconds; /* with fractions; else whole milliseconds */
    const char *nothing, *nothing3;
} blocking_kinds[] = {
    {"blpop", BLOCKING_AT_LAST, true, "*-1\r\n", "_\r\n"},
    {"brpop", BLOCKING_AT_LAST, true, "*-1\r\n", "_\r\n"},
    {"blmove", BLOCKING_AT_LAST, true, "*-1\r\n", "_\r\n"},
    {"brpoplpush", BLOCKING_AT_LAST, true, "*-1\r\n", "_\r\n"},
    {"blmpop", BLOCKING_AT_FIRST, true, "*-1\r\n", "_\r\n"},
    {"bzpopmin", BLOCKING_AT_LAST, true, "*-1\r\n", "_\r\n"},
    {"bzpopmax", BLOCKING_AT_LAST, true, "*-1\r\n", "_\r\n"},
    {"bzmpop", BLOCKING_AT_FIRST, true, "*-1\r\n", "_\r\n"},
    {"xread", BLOCKING_AT_OPTION, false, "*-1\r\n", "_\r\n"},
    {"xreadgroup", BLOCKING_AT_OPTION, false, "*-1\r\n", "_\r\n"},
    {"wait", BLOCKING_AT_LAST, false, ":0\r\n", ":0\r\n"},
    {"waitaof", BLOCKING_AT_LAST, false, "*2\r\n:0\r\n:0\r\n", "*2\r\n:0\r\n:0\r\n"},
};

static const char blocking_unblocked[] = "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n";

static const struct blocking_kind *blocking_kind(const struct command *cmd)
{
    for (size_t i = 0; i < sizeof blocking_kinds / sizeof blocking_kinds[0]; i++)
        if (strcmp(cmd->name, blocking_kinds[i].name) == 0)
            return &blocking_kinds[i];
    return NULL;
}

bool blocking_is_known(const struct command *cmd)
{
    return blocking_kind(cmd) != NULL;
}

/* The wait that r, or what r is a part of, belongs to; NULL: its client is gone. */
static struct blocking *blocking_of(const struct request *r)
{
    const struct client *c = order_client(r);
    return c && c->session ? &c->session->blocking : NULL;
}

/* --- the timeout --- */

static bool blocking_arg_is(const char *data, const struct resp_args *args, uint32_t i,
                            const char *word)
{
    size_t len = strlen(word);
    return args->v[i].len == len && strncasecmp(data + args->v[i].off, word, len) == 0;
}

/* The argument after the last BLOCK; 0: there is none. */
static uint32_t blocking_find_option(const char *data, const struct resp_args *args)
{
    uint32_t found = 0;
    for (uint32_t i = 1; i + 1 < args->argc; i++) {
        if (blocking_arg_is(data, args, i, "streams"))
            break;
        if (blocking_arg_is(data, args, i, "block"))
            found = ++i;
        else if (blocking_arg_is(data, args, i, "count"))
            i++;
        else if (blocking_arg_is(data, args, i, "group"))
            i += 2;
    }
    return found;
}

/* Which argument is the timeout; 0: unknown. */
static uint32_t blocking_find_timeout(const struct command *cmd, const char *data,
                                      const struct resp_args *args)
{
    const struct blocking_kind *kind = blocking_kind(cmd);
    if (!kind)
        return 0;
    if (kind->at == BLOCKING_AT_OPTION)
        return blocking_find_option(data, args);
    return kind->at == BLOCKING_AT_FIRST ? 1 : args->argc - 1;
}

/* The timeout as a number of its unit; NAN: it is none. */
static double blocking_number(const struct command *cmd, const char *data,
                              const struct resp_args *args)
{
    char text[64], *end;
    uint32_t i = blocking_find_timeout(cmd, data, args);
    if (i == 0 || args->v[i].len == 0 || args->v[i].len >= sizeof text ||
        isspace((unsigned char)data[args->v[i].off]))
        return NAN;
    memcpy(text, data + args->v[i].off, args->v[i].len);
    text[args->v[i].len] = '\0';
    double value = strtod(text, &end);
    return *end || !isfinite(value) ? NAN : value;
}

const char *blocking_timeout_error(const struct command *cmd, const char *data,
                                   const struct resp_args *args)
{
    double value = blocking_number(cmd, data, args);
    if (isnan(value))
        return "ERR timeout is not a float or out of range";
    return value < 0 ? "ERR timeout is negative" : NULL;
}

/* The timeout in µs; 0: for ever, or not one that a node would take. */
static uint64_t blocking_timeout(const struct command *cmd, const char *data,
                                 const struct resp_args *args)
{
    const struct blocking_kind *kind = blocking_kind(cmd);
    double value = kind ? blocking_number(cmd, data, args) : NAN;
    if (kind && !kind->seconds)
        value /= 1000;
    if (isnan(value) || value <= 0 || value > BLOCKING_LONGEST)
        return 0;
    return (uint64_t)ceil(value * 1000) * 1000;
}

/* The command itself in r's bytes, behind what leads it: where it begins, and its arguments. */
static bool blocking_scan(const struct request *r, const char *data, size_t len, size_t *begin,
                          struct resp_args *args)
{
    const char *error;
    size_t used;
    *begin = 0;
    for (uint32_t i = 0; i <= r->lead; i++) {
        resp_args_reset(args);
        if (resp_scan_request(args, data + *begin, len - *begin, &resp_unlimited, &used, &error) !=
            RESP_COMPLETE)
            return false;
        if (i < r->lead)
            *begin += used;
    }
    return true;
}

static void blocking_replace(struct worker *w, struct request *r, struct bufq *fresh)
{
    bufq_clear(&w->chunks, &r->data);
    bufq_splice(&r->data, fresh);
}

/* Put `left` µs in the place of the timeout in r->data. */
static void blocking_put_time(struct worker *w, struct request *r, uint64_t left)
{
    struct resp_args args;
    struct bufq fresh = {0};
    char value[32], bulk[64];
    size_t pos, len = r->data.len;
    const char *data = bufq_flatten(&w->chunks, &r->data);
    uint64_t ms = left / 1000 > 0 ? left / 1000 : 1;
    resp_args_init(&args);
    uint32_t at = blocking_scan(r, data, len, &pos, &args)
                      ? blocking_find_timeout(r->cmd, data + pos, &args)
                      : 0;
    if (at) {
        int digits = blocking_kind(r->cmd)->seconds
                         ? snprintf(value, sizeof value, "%llu.%03u",
                                    (unsigned long long)(ms / 1000), (unsigned)(ms % 1000))
                         : snprintf(value, sizeof value, "%llu", (unsigned long long)ms);
        size_t n = (size_t)snprintf(bulk, sizeof bulk, "$%d\r\n%s\r\n", digits, value);
        size_t begin = pos + args.v[at - 1].off + args.v[at - 1].len + 2;
        size_t end = pos + args.v[at].off + args.v[at].len + 2;
        char *out = bufq_reserve_exact(&w->chunks, &fresh, len + n);
        memcpy(out, data, begin);
        memcpy(out + begin, bulk, n);
        memcpy(out + begin + n, data + end, len - end);
        bufq_commit(&fresh, len - (end - begin) + n);
        blocking_replace(w, r, &fresh);
    }
    resp_args_free(&args);
}

/* XREAD with "$": the ids that were the last when it was sent first take its place. What asks for
 * them goes, also when nothing may stand between ASKING and the command. */
static void blocking_put_ids(struct worker *w, struct request *r, struct blocking *x, bool asking)
{
    struct resp_args args;
    struct bufq fresh = {0};
    size_t pos, len = r->data.len;
    bool known = stream_ids_are_known(x->streams);
    if (!x->streams || (!known && !asking))
        return;
    const char *data = bufq_flatten(&w->chunks, &r->data);
    resp_args_init(&args);
    if (blocking_scan(r, data, len, &pos, &args)) {
        if (known)
            stream_ids_put(w, x->streams, data + pos, len - pos, &args, &fresh);
        else
            bufq_append(&w->chunks, &fresh, data + pos, len - pos);
        blocking_replace(w, r, &fresh);
        r->lead = 0;
        stream_ids_free(x->streams);
        x->streams = NULL;
    }
    resp_args_free(&args);
}

/* --- issuing --- */

static void blocking_on_time(struct ev_loop *loop, ev_timer *timer, int events);

/* Nobody would be seen to go away: sent with the shortest timeout instead of its own. */
static void blocking_hurry(struct worker *w, struct blocking *x)
{
    x->hurry = true;
    x->deadline = w->now + BLOCKING_REACH;
    ev_timer_stop(w->loop, &x->timer);
    ev_timer_set(&x->timer, BLOCKING_REACH / 1e6, BLOCKING_POKE_FIRST);
    ev_timer_start(w->loop, &x->timer);
}

void blocking_begin(struct client *c, struct request *r, const char *data,
                    const struct resp_args *args)
{
    struct worker *w = c->worker;
    uint64_t timeout = blocking_timeout(r->cmd, data, args);
    if (c->flags & CLIENT_EOF)
        timeout = BLOCKING_NO_TIME;
    struct blocking *x = &session_of(c)->blocking;
    r->flags |= REQUEST_BLOCKING;
    *x = (struct blocking){.deadline = timeout ? w->now + timeout : 0, .sent = w->now};
    ev_init(&x->timer, blocking_on_time);
    x->timer.data = c;
    ev_timer_set(&x->timer, (double)timeout / 1e6, BLOCKING_POKE_FIRST);
    if (timeout)
        ev_timer_start(w->loop, &x->timer);
    counters_add(&w->counters, COUNTER_blocked, 1);
}

void blocking_execute(struct client *c, const struct command *cmd, uint16_t slot,
                      struct chunk *chunk, char *data, size_t len, const struct resp_args *args)
{
    struct worker *w = c->worker;
    struct request *r = request_new(w, c, cmd);
    r->slot = slot;
    r->flags = REQUEST_LEASE | (c->flags & CLIENT_RESP3 ? REQUEST_RESP3 : 0) |
               (cmd->flags & COMMAND_READONLY ? REQUEST_READONLY : 0);
    client_push(c, r, 1);
    blocking_begin(c, r, data, args);
    if (c->flags & CLIENT_EOF) {
        blocking_hurry(w, &c->session->blocking);
        bufq_append_exact(&w->chunks, &r->data, data, len);
        route_park(w, r, REQUEST_CAUSE_NO_NODE, 0);
        return;
    }
    struct bufq line = {0};
    struct stream_ids *streams = stream_ids_new(w, cmd, data, args, &line, &r->lead);
    if (!streams) {
        route_send(w, r, chunk, data, len);
        return;
    }
    c->session->blocking.streams = streams;
    bufq_append(&w->chunks, &line, data, len);
    size_t size = line.len;
    route_send(w, r, NULL, bufq_flatten(&w->chunks, &line), size);
    bufq_clear(&w->chunks, &line);
}

void blocking_on_lead(const struct request *r, const char *data, size_t len)
{
    const struct blocking *x = blocking_of(r);
    if (r->skip > r->lead)
        return;
    if (x && x->streams)
        stream_ids_learn(x->streams, r->lead - r->skip, data, len);
    else if (r->fanout && *data == '-' && !route_is_refusal(r, data, len))
        fanout_on_lead_refused(r, data, len);
}

void blocking_free(struct worker *w, struct blocking *x)
{
    ev_timer_stop(w->loop, &x->timer);
    stream_ids_free(x->streams);
    x->streams = NULL;
}

void blocking_on_end(struct worker *w, const struct request *r)
{
    if (r->flags & REQUEST_CHILD)
        return;
    counters_add(&w->counters, COUNTER_blocked, (uint64_t)-1);
    if (!r->client)
        return;
    r->client->active = w->seconds; /* it was not idle, it waited */
    blocking_free(w, &r->client->session->blocking);
}

/* --- sending again --- */

void blocking_on_resend(struct worker *w, struct request *r, bool asking)
{
    struct blocking *x = blocking_of(r);
    if (!x)
        return;
    x->sent = w->now;
    blocking_put_ids(w, r, x, asking);
    if (x->hurry)
        blocking_put_time(w, r, BLOCKING_NO_TIME);
    else if (x->deadline)
        blocking_put_time(w, r, x->deadline > w->now ? x->deadline - w->now : 0);
}

void blocking_on_return(struct worker *w, struct request *r)
{
    const struct blocking *x = blocking_of(r);
    if (!x || w->now - x->sent < BLOCKING_SETTLED)
        return;
    r->held_since = 0;
    r->tries = 0;
}

bool blocking_is_over(const struct worker *w, const struct request *r)
{
    const struct blocking *x = blocking_of(r);
    return x && (x->over || (x->deadline && w->now >= x->deadline));
}

const char *blocking_nothing(const struct request *r)
{
    const struct blocking *x = blocking_of(r);
    const struct blocking_kind *kind = blocking_kind(r->cmd);
    if (x && x->over == BLOCKING_CLOSE)
        return "";
    if (!x || x->over == BLOCKING_ERROR || !kind)
        return blocking_unblocked;
    return r->flags & REQUEST_RESP3 ? kind->nothing3 : kind->nothing;
}

void blocking_answer(struct worker *w, struct request *r)
{
    const char *text = blocking_nothing(r);
    bufq_clear(&w->chunks, &r->data);
    request_forget_reply(w, r);
    if (r->flags & REQUEST_CHILD)
        fanout_on_reply(w, r, NULL, (char *)(uintptr_t)text, strlen(text));
    else
        client_on_reply(r, NULL, (char *)(uintptr_t)text, strlen(text));
}

/* --- ending a wait --- */

/* A command of slotway's own to the node of b, over a shared connection; whoever holds the request,
 * which has no client, drops it with its reply. False: the node can not be told. */
static bool blocking_tell(const struct backend *b, char *line, size_t len)
{
    struct worker *w = b->worker;
    struct backend *shared = pool_get(b->pool, POOL_MASTER, 0, w->config->connections_per_node);
    if (!shared)
        return false;
    struct request *r = request_new(w, NULL, NULL);
    r->flags = REQUEST_READONLY;
    backend_send(shared, r, NULL, line, len);
    return true;
}

/* Tell the node to end the wait of the lease b: its own reply comes over the lease. */
static bool blocking_tell_node(struct backend *b, enum blocking_over over)
{
    const char *mode = over == BLOCKING_TIMEOUT ? "TIMEOUT" : "ERROR";
    char id[24], line[128];
    int digits = snprintf(id, sizeof id, "%llu", (unsigned long long)b->node_client_id);
    int len = snprintf(line, sizeof line,
                       "*4\r\n$6\r\nCLIENT\r\n$7\r\nUNBLOCK\r\n$%d\r\n%s\r\n$%zu\r\n%s\r\n", digits,
                       id, strlen(mode), mode);
    /* If the node's answer to the wait has left already, this would end the wait of the lease's
     * next holder. */
    b->unclean = true;
    return blocking_tell(b, line, (size_t)len);
}

/* End the wait of this request, which its node or the parked list has. */
static void blocking_end_wait(struct worker *w, const struct request *r, enum blocking_over over)
{
    struct backend *b = r->backend;
    w->drive_wanted = true; /* for a parked one */
    if (!b || (b->state == BACKEND_READY && (!b->node_client_id || blocking_tell_node(b, over))))
        return;        /* without its id yet: blocking_check comes again */
    backend_recall(b); /* it has not been sent, or to a node that does not answer */
}

static void blocking_end_child(struct worker *w, struct request *child, void *arg)
{
    const enum blocking_over *over = arg;
    if (child->flags & REQUEST_BLOCKING)
        blocking_end_wait(w, child, *over);
}

static void blocking_end_all(struct client *c, enum blocking_over over)
{
    struct worker *w = c->worker;
    const struct request *r = c->head;
    if (!r->fanout) {
        blocking_end_wait(w, r, over);
        return;
    }
    fanout_each(w, r->fanout, blocking_end_child, &over);
}

bool blocking_unblock(struct client *c, enum blocking_over over)
{
    if (!client_is_blocked(c))
        return false;
    c->session->blocking.over = (uint8_t)over;
    blocking_end_all(c, over);
    return true;
}

void blocking_drain(struct client *c)
{
    if (blocking_unblock(c, BLOCKING_CLOSE))
        c->flags |= CLIENT_CLOSING;
}

bool blocking_is_unsaid(const struct request *r, const char *data, size_t len)
{
    const size_t word = sizeof "-UNBLOCKED" - 1;
    const struct blocking *x = blocking_of(r);
    return x && x->over == BLOCKING_CLOSE && len > word && memcmp(data, "-UNBLOCKED", word) == 0;
}

/* The time of r is over: whoever has it is to notice. */
static void blocking_poke(struct worker *w, struct request *r, void *arg)
{
    static const char ping[] = "*1\r\n$4\r\nPING\r\n";
    (void)arg;
    if (!r->backend)
        w->drive_wanted = true;
    else if (r->backend->state != BACKEND_READY && (r->flags & REQUEST_LEASE))
        backend_recall(r->backend);
    else
        blocking_tell(r->backend, (char *)(uintptr_t)ping, sizeof ping - 1);
}

static void blocking_on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct client *c = timer->data;
    struct worker *w = c->worker;
    const struct blocking *x = &c->session->blocking;
    (void)events;
    if (w->now >= x->deadline) /* else the loop's clock is a little ahead of the turn's */
        timer->repeat = timer->repeat * 2 < BLOCKING_POKE_MOST ? timer->repeat * 2
                                                               : BLOCKING_POKE_MOST;
    ev_timer_again(loop, timer);
    if (w->now < x->deadline || !client_is_blocked(c))
        return;
    /* May be the end of the wait, and of the timer. */
    if (c->head->fanout)
        fanout_each(w, c->head->fanout, blocking_poke, NULL);
    else if (timer->repeat > 2 * BLOCKING_POKE_FIRST || !c->head->backend)
        blocking_poke(w, c->head, NULL);
}

/* The time of r is over since `late` µs: does the connection that it is on deserve more of it? */
static void blocking_check_late(struct worker *w, struct request *r, void *arg)
{
    uint64_t late = *(const uint64_t *)arg;
    uint64_t limit = w->config->backend_timeout * 1000ull;
    if (r->backend && (r->flags & REQUEST_BLOCKING) && limit && late > limit)
        backend_give_up(r->backend, "a blocking command was not answered in time");
}

void blocking_check(struct client *c)
{
    struct worker *w = c->worker;
    const struct blocking *x = &c->session->blocking;
    /* The node may have had CLIENT UNBLOCK before the command itself, which came over another
     * connection: again. */
    if (x->over)
        blocking_end_all(c, (enum blocking_over)x->over);
    if (c->flags & CLIENT_GONE)
        return; /* x went with it */
    if (!x->deadline || w->now <= x->deadline || !client_is_blocked(c))
        return;
    uint64_t late = w->now - x->deadline;
    if (c->head->fanout)
        fanout_each(w, c->head->fanout, blocking_check_late, &late);
    else
        blocking_check_late(w, c->head, &late);
}
