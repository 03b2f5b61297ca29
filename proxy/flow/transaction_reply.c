/* transaction: what comes back for an EXEC: errors at queueing, and arrays in which the replies of
 * slotway's own commands have a place.
 *
 *   node:    *2 [ A  C ]          own: B, D
 *   client:  FIFO  r("*4 A") -> B's entry -> ("C") -> D's entry
 *
 * The array is put together by the order of the client's FIFO: each own command puts its entries
 * there as it always does, done now or later, and what the node answered goes between them. Entries
 * behind the first are REQUEST_CONTINUED: nothing out of band may come between. */
#include "base/memory.h"
#include "flow/backend.h"
#include "flow/client.h"
#include "flow/dispatch.h"
#include "flow/fanout.h"
#include "flow/local_call.h"
#include "flow/pubsub_census.h"
#include "flow/route.h"
#include "flow/script.h"
#include "flow/transaction.h"
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

/* What the node answered so far goes behind the entries that are there. */
static void exec_put(struct request *r, struct bufq *piece)
{
    struct client *c = r->client;
    if (c->tail == r && !r->reply.head)
        bufq_splice(&r->reply, piece);
    else if (piece->len)
        client_reply_bufq(c, piece);
}

/* Does the command have to wait for another one of the transaction that waits? What may be under
 * way only alone (SUBSCRIBE) relies on that. */
static bool exec_is_held(const struct request *r, const struct exec_own *own)
{
    if (!(own->cmd->flags & COMMAND_ALONE))
        return false;
    for (const struct request *q = r->client_next; q; q = q->client_next)
        if (!(q->flags & REQUEST_DONE) && q->cmd && (q->cmd->flags & COMMAND_ALONE))
            return true;
    return false;
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
static void exec_run(struct client *c, const struct request *r, const struct exec_own *own,
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
    } else if (exec_is_held(r, own)) {
        client_reply_errorf(c, "ERR '%s' is possible only once in a transaction", own->cmd->name);
    } else if (given && own->cmd->local == COMMAND_LOCAL_PUBLISH && census_is_empty()) {
        client_reply(c, given->data, given->len);
    } else if (resp_scan_request(&args, own->data, own->len, &w->limits, &used, &error) ==
               RESP_COMPLETE) {
        w->exec = r->exec;
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

/* The node's array, between whose elements own commands are run. */
struct exec_reader {
    struct reply_reader reader;
    uint16_t node;
};

static void exec_assemble(struct worker *w, struct request *r, struct exec_reader *in)
{
    struct client *c = r->client;
    struct exec *x = r->exec;
    struct bufq piece = {0};
    struct reply header = local_reply_to(w, r, &piece);
    uint32_t next = 0;
    const char *from = in->reader.p;
    reply_array(&header, x->count);
    for (uint32_t at = 0; at < x->count && !(c->flags & CLIENT_GONE); at++) {
        const struct exec_own *own = next < x->nown && x->own[next].at == at ? &x->own[next++]
                                                                             : NULL;
        const char *element = in->reader.p;
        if ((!own || own->both) && !reply_skip(&in->reader))
            break;
        if (!own)
            continue;
        if (element > from)
            bufq_append(&w->chunks, &piece, from, (size_t)(element - from));
        exec_put(r, &piece);
        struct fanout_given given = {in->node, element, (size_t)(in->reader.p - element)};
        exec_run(c, r, own, own->both ? &given : NULL);
        from = in->reader.p;
    }
    if (in->reader.p > from)
        bufq_append(&w->chunks, &piece, from, (size_t)(in->reader.p - from));
    if (!(c->flags & CLIENT_GONE))
        exec_put(r, &piece);
    bufq_clear(&w->chunks, &piece);
}

/* The array is there, or "*0" if the node had nothing to do. */
static void exec_finish(struct worker *w, struct request *r, struct exec_reader *in)
{
    struct client *c = r->client;
    /* CLIENT REPLY SKIP was for this EXEC with all that it consists of. */
    bool skipped = (r->flags & REQUEST_NOREPLY) && !(c->flags & CLIENT_REPLY_OFF);
    if (skipped)
        c->flags |= CLIENT_SKIP_NOW;
    exec_assemble(w, r, in);
    if (skipped)
        c->flags &= ~(uint32_t)CLIENT_SKIP_NOW;
    for (struct request *q = r->client_next; q && r->client; q = q->client_next)
        q->flags |= REQUEST_CONTINUED;
    client_finish(w, r);
}

void transaction_run_own(struct worker *w, struct request *r)
{
    struct exec_reader in = {.reader = {NULL, NULL}, .node = NODE_NONE};
    exec_finish(w, r, &in);
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
    struct exec_reader in = {.reader = {all, all + q->len}, .node = node};
    if (!reply_read(&in.reader, &head) || head.null) {
        len = q->len;
        client_on_reply(r, NULL, (char *)(uintptr_t)all, len);
        return;
    }
    r->reply_len = q->len;
    exec_finish(w, r, &in);
}
