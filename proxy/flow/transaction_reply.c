/* transaction: what comes back for an EXEC: errors at queueing, and arrays in which the replies of
 * slotway's own commands have a place.
 *
 *   node:    *2 [ A  C ]          own: B, D
 *   client:  FIFO  r("*4 A") -> B's entry -> ("C") -> D's entry
 *
 * The array is put together by the order of the client's FIFO: each own command puts its entry
 * there as it always does, and what the node answered goes between them. One own command follows
 * when the one before it has been answered, as it may depend on it; meanwhile the EXEC is on a list
 * of its worker (w->assembling). Nothing out of band may come between: the client is
 * CLIENT_ASSEMBLING, and when all is there the entries behind the first are REQUEST_CONTINUED. */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/client.h"
#include "flow/dispatch.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include "flow/pubsub_census.h"
#include "flow/route.h"
#include "flow/script.h"
#include "flow/tracking.h"
#include "flow/transaction.h"
#include "flow/worker.h"
#include <stdio.h>
#include <stdlib.h>

#define EXEC_BECAUSE     "-EXECABORT Transaction discarded because of: "
#define EXEC_BECAUSE_LEN (sizeof EXEC_BECAUSE - 1)
#define EXEC_ERROR_MAX   512
#define EXEC_MAYBE                                                                                 \
    "-ERR the node refused MULTI: commands of the transaction may or may not have been "           \
    "executed\r\n"

void transaction_free_exec(struct worker *w, struct exec *x)
{
    for (uint32_t i = 0; i < x->nown; i++)
        free(x->own[i].data);
    bufq_clear(&w->chunks, &x->reply);
    free(x->own);
    free(x->scripts);
    free(x->error);
    free(x);
}

/* --- errors --- */

static void exec_keep_error(struct exec *x, const char *line, size_t len)
{
    if (x->error_len)
        return;
    if (!x->error)
        x->error = memory_alloc(EXEC_ERROR_MAX);
    if (len > EXEC_ERROR_MAX - EXEC_BECAUSE_LEN)
        len = EXEC_ERROR_MAX - EXEC_BECAUSE_LEN;
    memcpy(x->error, EXEC_BECAUSE, EXEC_BECAUSE_LEN);
    memcpy(x->error + EXEC_BECAUSE_LEN, line + 1, len - 1);
    x->error_len = EXEC_BECAUSE_LEN + len - 1;
    memcpy(x->error + x->error_len - 2, "\r\n", 2);
}

void transaction_note(struct request *r, const char *data, size_t len)
{
    bool first = r->skip == r->lead;
    if (r->cmd->local != COMMAND_LOCAL_EXEC)
        return;
    if (first && r->exec) {
        r->exec->error_len = 0;
        r->exec->unopened = r->exec->executed = false;
    }
    if (*data != '-') {
        r->exec->executed = r->exec->executed || (r->exec->unopened && !first);
        return;
    }
    if (!r->exec)
        r->exec = memory_zalloc(sizeof *r->exec);
    r->exec->unopened = r->exec->unopened || first;
    exec_keep_error(r->exec, data, len);
}

bool transaction_judge(struct request *r, char **data, size_t *len)
{
    struct exec *x = r->exec;
    bool replaced = x && x->error_len;
    if (r->cmd->local != COMMAND_LOCAL_EXEC)
        return false;
    if (replaced && x->executed) {
        *data = x->error;
        *len = (size_t)snprintf(x->error, EXEC_ERROR_MAX, "%s", EXEC_MAYBE);
        return true;
    }
    if (replaced) {
        *data = x->error;
        *len = x->error_len;
    }
    if (*len <= EXEC_BECAUSE_LEN || memcmp(*data, EXEC_BECAUSE, EXEC_BECAUSE_LEN) != 0)
        return replaced;
    char *because = *data + EXEC_BECAUSE_LEN - 1;
    size_t rest = *len - EXEC_BECAUSE_LEN + 1;
    *because = '-';
    if (route_is_refusal(r, because, rest)) {
        *data = because;
        *len = rest;
    } else {
        *because = ' ';
    }
    return replaced;
}

/* --- scripts --- */

uint32_t transaction_prepare(struct worker *w, struct request *r, struct backend *b, struct bufq *q)
{
    uint32_t loaded = 0;
    for (uint32_t i = 0; i < r->exec->nscripts; i++)
        if (script_bring(w, &b->scripts, r->exec->scripts + i * (size_t)SCRIPT_SHA_LEN, q))
            loaded++;
    return loaded;
}

/* --- own commands --- */

/* What the node answered up to `to` goes behind the entries that are there. */
static void exec_put_until(struct worker *w, struct request *r, const char *to)
{
    struct client *c = r->client;
    struct exec *x = r->exec;
    struct bufq piece = {0};
    if (to > x->from)
        bufq_append(&w->chunks, &piece, x->from, (size_t)(to - x->from));
    bool silent = (c->flags & CLIENT_REPLY_OFF) || (r->flags & REQUEST_NOREPLY);
    if (c->tail == r && !silent)
        bufq_splice(&r->reply, &piece);
    else if (piece.len)
        client_reply_bufq(c, &piece); /* CLIENT REPLY among the commands may have its effect */
}

/* Has the own command that was run last been answered? The next may depend on what it did. */
static bool exec_is_answered(const struct request *r)
{
    const struct request *last = r->client->tail;
    return last == r || (last->flags & REQUEST_DONE);
}

/* What Redis says to commands that it queues but does not run in a transaction; NULL: it does. */
static const char *exec_denied(const struct command *cmd)
{
    static const struct {
        const char *command, *text;
    } denied[] = {
        {"monitor", "ERR MONITOR isn't allowed for DENY BLOCKING client"},
        {"ssubscribe", "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"},
    };
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++)
        if (strcmp(cmd->name, denied[i].command) == 0)
            return denied[i].text;
    return NULL;
}

/* Run an own command; its reply comes to the end of the client's FIFO. given: what the
 * transaction's node answered, for one that it has executed already; NULL: not one of these. */
static void exec_run(struct client *c, struct exec *x, const struct exec_own *own,
                     const struct fanout_given *given)
{
    struct worker *w = c->worker;
    struct resp_args args;
    const char *error;
    size_t used;
    resp_args_init(&args);
    const char *denied = exec_denied(own->cmd);
    if (denied) {
        client_reply_error(c, denied);
    } else if (given && own->cmd->local == COMMAND_LOCAL_PUBLISH && census_is_empty()) {
        client_reply(c, given->data, given->len);
    } else if (resp_scan_request(&args, own->data, own->len, &resp_unlimited, &used, &error) ==
               RESP_COMPLETE) {
        w->exec = x;
        w->given = given;
        dispatch_run(c, own->cmd, NULL, own->data, own->len, &args);
        w->exec = NULL;
        w->given = NULL;
    }
    resp_args_free(&args);
}

bool transaction_forgets_slow(const struct request *r)
{
    for (uint32_t i = 0; r->exec && i < r->exec->nown; i++)
        if (strcmp(r->exec->own[i].cmd->name, "slowlog|reset") == 0)
            return true;
    return false;
}

/* Go on with the array until an own command has to be waited for. */
static void exec_assemble(struct worker *w, struct request *r)
{
    struct client *c = r->client;
    struct exec *x = r->exec;
    while (x->at < x->count && !(c->flags & CLIENT_GONE) && exec_is_answered(r)) {
        const char *element = x->reader.p;
        const struct exec_own *own = x->next_own < x->nown ? &x->own[x->next_own] : NULL;
        if (own && own->at != x->at)
            own = NULL;
        x->at++;
        if ((!own || own->both) && !reply_skip(&x->reader)) {
            x->at = x->count;
            break;
        }
        if (!own)
            continue;
        x->next_own++;
        exec_put_until(w, r, element);
        struct fanout_given given = {x->node, element, (size_t)(x->reader.p - element)};
        x->from = x->reader.p;
        exec_run(c, x, own, own->both ? &given : NULL);
    }
}

/* Was it to be tracked what the node has read already? */
static bool exec_tracks_late(const struct exec *x)
{
    for (uint32_t i = 0; i < x->nown; i++)
        if (strcmp(x->own[i].cmd->name, "client|tracking") == 0 ||
            strcmp(x->own[i].cmd->name, "client|caching") == 0)
            return true;
    return false;
}

static void exec_suspend(struct worker *w, struct request *r)
{
    struct exec *x = r->exec;
    r->client->flags |= CLIENT_BARRIER | CLIENT_ASSEMBLING;
    x->request = r;
    x->next = w->assembling;
    w->assembling = x;
}

static void exec_end(struct worker *w, struct request *r)
{
    struct client *c = r->client;
    exec_put_until(w, r, r->exec->reader.p);
    c->flags &= ~(uint32_t)CLIENT_ASSEMBLING;
    for (struct request *q = r->client_next; q; q = q->client_next)
        q->flags |= REQUEST_CONTINUED;
    if (r->lead > 1 && exec_tracks_late(r->exec))
        tracking_on_late(c);
    client_finish(w, r);
}

static void exec_go_on(struct worker *w, struct request *r)
{
    struct client *c = r->client;
    /* CLIENT REPLY SKIP was for this EXEC with all that it consists of. */
    bool skipped = (r->flags & REQUEST_NOREPLY) && !(c->flags & CLIENT_REPLY_OFF);
    if (skipped)
        c->flags |= CLIENT_SKIP_NOW;
    exec_assemble(w, r);
    if (skipped)
        c->flags &= ~(uint32_t)CLIENT_SKIP_NOW;
    if (!r->client)
        request_free(w, r);
    else if (exec_is_answered(r))
        exec_end(w, r);
    else
        exec_suspend(w, r);
}

void transaction_resume(struct worker *w)
{
    struct exec *list = w->assembling;
    w->assembling = NULL;
    while (list) {
        struct exec *x = list;
        struct request *r = x->request;
        list = x->next;
        if (!r->client)
            request_free(w, r);
        else if (exec_is_answered(r))
            exec_go_on(w, r);
        else
            exec_suspend(w, r);
    }
}

/* The array is there: elements, from data on, in the client's exec; none if the node had nothing to
 * do. */
static void exec_begin(struct worker *w, struct request *r, struct reply_reader reader,
                       uint16_t node)
{
    struct exec *x = r->exec;
    struct reply header = local_reply_to(w, r, &r->reply);
    x->reader = reader;
    x->from = reader.p;
    x->node = node;
    reply_array(&header, x->count);
    exec_go_on(w, r);
}

void transaction_run_own(struct worker *w, struct request *r)
{
    exec_begin(w, r, (struct reply_reader){NULL, NULL}, NODE_NONE);
}

void transaction_on_part(struct worker *w, struct request *r, struct chunk *chunk, char *data,
                         size_t len)
{
    bufq_append_from(&w->chunks, &r->exec->reply, chunk, data, len);
}

void transaction_on_reply(struct worker *w, struct request *r, uint16_t node, struct chunk *chunk,
                          char *data, size_t len)
{
    struct bufq *q = &r->exec->reply;
    struct reply_value head;
    if (!r->client) {
        request_free(w, r);
        return;
    }
    if (!q->head && *data != '*') { /* nil, or an error: nothing was executed */
        client_on_reply(r, chunk, data, len);
        return;
    }
    bufq_append_from(&w->chunks, q, chunk, data, len);
    const char *all = bufq_flatten(&w->chunks, q);
    struct reply_reader reader = {all, all + q->len};
    if (!reply_read(&reader, &head) || head.null) {
        len = q->len;
        client_on_reply(r, NULL, (char *)(uintptr_t)all, len);
        return;
    }
    if (head.n != (int64_t)r->lead - 1) { /* an element for each command of the batch */
        client_fail(w, r, "ERR slotway can't merge what the nodes answered");
        return;
    }
    r->reply_len = q->len;
    exec_begin(w, r, reader, node);
}
