/* transaction: MULTI, the queue behind it, DISCARD, and how EXEC is sent.
 * Checks and texts are those of redis-server 7.0 in cluster mode. */
#include "flow/transaction.h"
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/backend.h"
#include "flow/dispatch.h"
#include "flow/local_call.h"
#include "flow/pause.h"
#include "flow/route.h"
#include "flow/script.h"
#include "flow/session.h"
#include "flow/slowlog.h"
#include "flow/watch.h"
#include <stdlib.h>

#define TRANSACTION_MULTI "*1\r\n$5\r\nMULTI\r\n"
#define TRANSACTION_EXEC  "*1\r\n$4\r\nEXEC\r\n"

/* --- life --- */

struct transaction *transaction_of(struct client *c)
{
    struct session *s = session_of(c);
    if (!s->transaction) {
        s->transaction = memory_zalloc(sizeof *s->transaction);
        s->transaction->watch.slot = SLOT_NONE;
    }
    return s->transaction;
}

static struct exec *transaction_exec(struct transaction *t)
{
    if (!t->exec)
        t->exec = memory_zalloc(sizeof *t->exec);
    return t->exec;
}

/* Forget what is queued. */
static void transaction_drop(struct worker *w, struct transaction *t)
{
    bufq_clear(&w->chunks, &t->batch);
    if (t->exec)
        transaction_free_exec(w, t->exec);
    t->exec = NULL;
}

/* Out of MULTI. tell: the node of watched keys has to be told that they are not any more. */
static void transaction_end(struct client *c, bool tell)
{
    struct transaction *t = c->session->transaction;
    c->flags &= ~(uint32_t)CLIENT_MULTI;
    transaction_drop(c->worker, t);
    keywatch_end(c, tell);
}

void transaction_reset(struct client *c)
{
    if (c->session && c->session->transaction)
        transaction_end(c, true);
}

void transaction_free(struct client *c)
{
    transaction_reset(c);
    free(c->session->transaction);
    c->session->transaction = NULL;
}

void transaction_spoil(struct client *c)
{
    struct transaction *t = c->session->transaction;
    t->spoiled = true;
    transaction_drop(c->worker, t); /* EXEC will not need it */
}

bool transaction_is_alone(const struct client *c)
{
    const struct worker *w = c->worker;
    if (!(c->flags & CLIENT_MULTI))
        return false;
    const struct transaction *t = c->session->transaction;
    return t->watch.active || t->batch.len >= REQUEST_BULK_MIN ||
           (w->unsettled_until >= w->seconds && t->slot != SLOT_NONE);
}

bool transaction_may_write(const struct client *c)
{
    return (c->flags & CLIENT_MULTI) && c->session->transaction->writes;
}

/* --- queueing --- */

enum transaction_place {
    TRANSACTION_NOW,   /* not queued: run at once */
    TRANSACTION_BATCH, /* the node executes it */
    TRANSACTION_OWN,   /* slotway executes it when the node has executed the batch */
    TRANSACTION_BOTH   /* the node executes it, and the other masters afterwards */
};

static enum transaction_place transaction_place_local(const struct command *cmd)
{
    switch ((enum command_local)cmd->local) {
    case COMMAND_LOCAL_MULTI:
    case COMMAND_LOCAL_EXEC:
    case COMMAND_LOCAL_DISCARD:
    case COMMAND_LOCAL_WATCH:
    case COMMAND_LOCAL_QUIT:
    case COMMAND_LOCAL_RESET:
        return TRANSACTION_NOW;
    case COMMAND_LOCAL_UNWATCH: /* the node answers these just as well */
    case COMMAND_LOCAL_PING:
    case COMMAND_LOCAL_ECHO:
    case COMMAND_LOCAL_TIME:
    case COMMAND_LOCAL_SELECT:
    case COMMAND_LOCAL_LOLWUT:
        return TRANSACTION_BATCH;
    default:
        return TRANSACTION_OWN;
    }
}

static enum transaction_place transaction_place(const struct command *cmd)
{
    if (cmd->local == COMMAND_LOCAL_PUBLISH)
        return TRANSACTION_BOTH; /* its receivers are counted afterwards */
    if (cmd->kind == COMMAND_LOCAL)
        return transaction_place_local(cmd);
    if (cmd->kind == COMMAND_MASTERS)
        return cmd->local == COMMAND_LOCAL_NONE   ? TRANSACTION_BOTH
               : cmd->local == COMMAND_LOCAL_WAIT ? TRANSACTION_BATCH
                                                  : TRANSACTION_OWN;
    if (cmd->kind == COMMAND_ADMIN && cmd->local != COMMAND_LOCAL_NONE)
        return TRANSACTION_OWN;
    return TRANSACTION_BATCH;
}

/* All keys of a transaction are in one slot. False: this command's are not. */
static bool transaction_check_keys(struct client *c, const struct command *cmd, const char *data,
                                   const struct resp_args *args)
{
    struct transaction *t = c->session->transaction;
    struct command_keys *keys = &c->worker->keys;
    if (cmd->nspecs == 0 || command_find_keys(cmd, data, args, keys) < 0)
        return true; /* the node will have the right error */
    uint16_t slot = t->slot;
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct resp_arg *key = &args->v[keys->v[i]];
        uint16_t next = slot_of_key(data + key->off, key->len);
        if (slot != SLOT_NONE && next != slot)
            return false;
        slot = next;
    }
    t->slot = slot;
    return true;
}

static void transaction_keep_batch(struct client *c, struct chunk *chunk, char *data, size_t len)
{
    struct worker *w = c->worker;
    struct transaction *t = c->session->transaction;
    if (!t->batch.len)
        bufq_append(&w->chunks, &t->batch, TRANSACTION_MULTI, sizeof TRANSACTION_MULTI - 1);
    if (len < CHUNK_SPAN_MIN)
        bufq_append(&w->chunks, &t->batch, data, len);
    else if (chunk && len > chunk->cap / 2) /* else too much would be kept for it */
        bufq_append_span(&w->chunks, &t->batch, chunk, data, len);
    else
        bufq_append_exact(&w->chunks, &t->batch, data, len);
    t->nbatch++;
}

/* Scripts that the node may not know have to be loaded before MULTI: a NOSCRIPT inside EXEC would
 * come too late. */
static void transaction_note_script(struct transaction *t, const char *data,
                                    const struct resp_args *args)
{
    unsigned char sha[SCRIPT_SHA_LEN];
    script_on_request(data, args);
    if (!script_name(data, args, sha))
        return;
    struct exec *x = transaction_exec(t);
    x->scripts = memory_realloc(x->scripts, (x->nscripts + 1) * (size_t)SCRIPT_SHA_LEN);
    memcpy(x->scripts + x->nscripts++ * (size_t)SCRIPT_SHA_LEN, sha, SCRIPT_SHA_LEN);
}

static void transaction_keep_own(struct transaction *t, const struct command *cmd, const char *data,
                                 size_t len, bool both)
{
    struct exec *x = transaction_exec(t);
    x->own = memory_realloc(x->own, (x->nown + 1) * sizeof *x->own);
    struct exec_own *own = &x->own[x->nown++];
    *own = (struct exec_own){.at = t->count, .both = both, .cmd = cmd, .len = len};
    own->data = memory_alloc(len);
    memcpy(own->data, data, len);
}

/* The checks beyond those of every command. False: answered with an error. */
static bool transaction_check(struct client *c, const struct command *cmd,
                              enum transaction_place place, const char *data, size_t len,
                              const struct resp_args *args)
{
    struct worker *w = c->worker;
    struct transaction *t = c->session->transaction;
    if (cmd->flags & COMMAND_NO_MULTI) {
        client_reply_error(c, "ERR Command not allowed inside a transaction");
        return false;
    }
    if (dispatch_refuses(c, cmd))
        return false;
    if (place == TRANSACTION_BATCH && !transaction_check_keys(c, cmd, data, args)) {
        dispatch_reply_crossslot(c, cmd, data, len);
        return false;
    }
    if (t->bytes + len > w->config->client_transaction_limit) {
        client_reply_errorf(c,
                            "ERR the transaction is too large, client-transaction-limit is %llu "
                            "bytes",
                            (unsigned long long)w->config->client_transaction_limit);
        return false;
    }
    return true;
}

bool transaction_on_command(struct client *c, const struct command *cmd, struct chunk *chunk,
                            char *data, size_t len, const struct resp_args *args)
{
    struct transaction *t = c->session->transaction;
    enum transaction_place place = transaction_place(cmd);
    if (place == TRANSACTION_NOW)
        return false;
    if (!transaction_check(c, cmd, place, data, len, args)) {
        transaction_spoil(c);
        return true;
    }
    if (!t->spoiled) {
        if (cmd->flags & COMMAND_SCRIPT)
            transaction_note_script(t, data, args);
        if (place != TRANSACTION_BATCH)
            transaction_keep_own(t, cmd, data, len, place == TRANSACTION_BOTH);
        if (place != TRANSACTION_OWN) {
            transaction_keep_batch(c, chunk, data, len);
            t->writes = t->writes || pause_may_write(cmd, data, args);
        }
        t->bytes += len;
        t->count++;
    }
    client_reply(c, "+QUEUED\r\n", 9);
    return true;
}

/* --- EXEC --- */

/* Send the batch: to the router as contiguous bytes if it is so small that they are copied anyway;
 * what watched keys are on a lease. */
static void transaction_forward(struct client *c, struct request *r, struct bufq *batch)
{
    struct worker *w = c->worker;
    const struct keywatch *watch = &c->session->transaction->watch;
    struct seg *only = batch->head == batch->tail ? batch->head : NULL;
    if (watch->lease) {
        r->flags |= REQUEST_WATCHED;
        keywatch_speak(watch->lease, r->flags & REQUEST_RESP3);
        if (watch->asking)
            r->target = watch->lease->pool->node;
    } else if (batch->len >= REQUEST_BULK_MIN) {
        r->flags |= REQUEST_BULK;
    } else if (only && batch->len < CHUNK_SPAN_MIN && !(r->exec && r->exec->nscripts)) {
        route_send(w, r, NULL, only->data, batch->len);
        bufq_clear(&w->chunks, batch);
        return;
    }
    bufq_splice(&r->data, batch);
    route_send_data(w, r, watch->lease);
}

/* What goes over from the transaction to the request of EXEC, if there is anything. */
static struct exec *transaction_take_exec(struct transaction *t)
{
    struct exec *x = t->exec;
    t->exec = NULL;
    if (x) {
        x->count = t->count;
        x->slow_mark = slowlog_next();
    }
    return x;
}

static void transaction_send(struct client *c, const struct command *cmd)
{
    struct worker *w = c->worker;
    struct transaction *t = c->session->transaction;
    struct request *r = request_new(w, c, cmd);
    struct bufq batch = {0};
    bool own = t->exec && t->exec->nown;
    if (!t->batch.len)
        bufq_append(&w->chunks, &t->batch, TRANSACTION_MULTI, sizeof TRANSACTION_MULTI - 1);
    bufq_append(&w->chunks, &t->batch, TRANSACTION_EXEC, sizeof TRANSACTION_EXEC - 1);
    bufq_splice(&batch, &t->batch);
    r->slot = t->slot;
    r->lead = 1 + t->nbatch;
    r->exec = transaction_take_exec(t);
    r->flags = (c->flags & CLIENT_RESP3 ? REQUEST_RESP3 : 0) | (own ? REQUEST_ASSEMBLED : 0) |
               (t->writes || own ? 0 : REQUEST_READONLY);
    client_push(c, r, t->nbatch ? t->nbatch : 1);
    counters_add(&w->counters, COUNTER_transactions, 1);
    watch_sample(w, r);
    transaction_forward(c, r, &batch);
    if (c->flags & CLIENT_GONE)
        return; /* it has failed already, and its error was more than the client may leave unread */
    transaction_end(c, false);
    if (own && c->head) /* what follows goes behind the own commands */
        c->flags |= CLIENT_BARRIER;
}

/* Nothing for a node to do. */
static void transaction_answer(struct client *c, const struct command *cmd)
{
    struct transaction *t = c->session->transaction;
    struct exec *x = transaction_take_exec(t);
    transaction_end(c, false);
    if (!x || !x->nown) {
        if (x)
            transaction_free_exec(c->worker, x);
        client_reply(c, "*0\r\n", 4);
        return;
    }
    struct request *r = client_reply_later(c, cmd);
    r->exec = x;
    transaction_run_own(c->worker, r);
}

void local_multi(const struct local_call *call)
{
    struct client *c = call->c;
    if (c->flags & CLIENT_MULTI) {
        client_reply_error(c, "ERR MULTI calls can not be nested");
        return;
    }
    struct transaction *t = transaction_of(c);
    c->flags |= CLIENT_MULTI;
    t->slot = t->watch.active ? t->watch.slot : SLOT_NONE;
    t->count = t->nbatch = 0;
    t->bytes = 0;
    t->spoiled = t->writes = false;
    local_ok(c);
}

void local_discard(const struct local_call *call)
{
    struct client *c = call->c;
    if (!(c->flags & CLIENT_MULTI)) {
        client_reply_error(c, "ERR DISCARD without MULTI");
        return;
    }
    transaction_end(c, true);
    local_ok(c);
}

void local_exec(const struct local_call *call)
{
    struct client *c = call->c;
    if (!(c->flags & CLIENT_MULTI)) {
        client_reply_error(c, "ERR EXEC without MULTI");
        return;
    }
    const struct transaction *t = c->session->transaction;
    if (t->spoiled) {
        transaction_end(c, true);
        client_reply_error(c, "EXECABORT Transaction discarded because of previous errors.");
    } else if (keywatch_is_broken(c)) {
        transaction_end(c, true);
        struct bufq q = {0};
        struct reply reply = local_reply(c, &q);
        reply_null_array(&reply);
        client_reply_bufq(c, &q);
    } else if (t->nbatch == 0 && !t->watch.active) {
        transaction_answer(c, call->cmd);
    } else {
        transaction_send(c, call->cmd);
    }
}

void transaction_refuse_exec(struct client *c, const char *text)
{
    transaction_reset(c);
    client_reply_errorf(c, "EXECABORT Transaction discarded because of: %s", text);
}
