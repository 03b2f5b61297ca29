/* dispatch: what a request needs: one node, several, or slotway itself.
 * The first function is the path of every request with one key; the others are its branches. */
#include "flow/dispatch.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/slot.h"
#include "flow/blocking.h"
#include "flow/busy.h"
#include "flow/crosspop.h"
#include "flow/fanout.h"
#include "flow/function.h"
#include "flow/local.h"
#include "flow/monitor.h"
#include "flow/pause.h"
#include "flow/pubsub.h"
#include "flow/route.h"
#include "flow/script.h"
#include "flow/session.h"
#include "flow/slowlog.h"
#include "flow/transaction.h"
#include "flow/watch.h"
#include "flow/worker.h"
#include <stdlib.h>
#include <strings.h>

/* A request with more keys probably has several in one slot. */
#define DISPATCH_MANY_KEYS 100

#define DISPATCH_CROSSSLOT "CROSSSLOT Keys in request don't hash to the same slot"

/* A large request, or a read of a client that reads large values, goes alone and over the bulk
 * connection: it, or its reply, would hold up the others on a shared one. Scripts do not: who kills
 * one needs a connection on which none runs, and takes that one. */
static inline bool dispatch_is_large(const struct client *c, const struct command *cmd, size_t len)
{
    return len >= REQUEST_BULK_MIN ||
           ((c->flags & CLIENT_LARGE_READS) && cmd &&
            (cmd->flags & (COMMAND_READONLY | COMMAND_SCRIPT)) == COMMAND_READONLY);
}

/* To the owner of slot (SLOT_NONE: any master). */
static void dispatch_forward(struct client *c, const struct command *cmd, uint16_t slot,
                             struct chunk *chunk, char *data, size_t len)
{
    struct worker *w = c->worker;
    struct request *r = request_new(w, c, cmd);
    if (slot != SLOT_NONE)
        c->key_slot = slot;
    r->slot = slot;
    if (c->flags & CLIENT_RESP3)
        r->flags = REQUEST_RESP3;
    if (cmd->flags & COMMAND_READONLY) {
        r->flags |= REQUEST_READONLY;
        if ((c->flags & CLIENT_READONLY) || w->config->read_from != CONFIG_READ_MASTER)
            r->flags |= REQUEST_REPLICA;
    }
    client_push(c, r, 1);
    watch_sample(w, r);
    if (UNLIKELY(dispatch_is_large(c, cmd, len)))
        r->flags |= REQUEST_BULK;
    if (UNLIKELY(len >= REQUEST_BULK_MIN)) {
        watch_note(w, c, WATCH_BIG_REQUEST, slot < SLOT_COUNT ? w->slot_node[slot] : NODE_NONE, len,
                   data, len, cmd);
    }
    if (UNLIKELY(cmd->flags & COMMAND_SCRIPT)) {
        busy_on_script(w, r);
        route_send_script(w, r, chunk, data, len);
    } else {
        route_send(w, r, chunk, data, len);
    }
}

void dispatch_reply_crossslot(struct client *c, const struct command *cmd, const char *data,
                              size_t len)
{
    counters_add(&c->worker->counters, COUNTER_crossslot, 1);
    watch_note(c->worker, c, WATCH_CROSS_SLOT, NODE_NONE, len, data, len, cmd);
    client_reply_error(c, DISPATCH_CROSSSLOT);
}

/* The slot of every key, in the worker's buffer. */
static uint16_t *dispatch_slots(struct worker *w, const char *data, const struct resp_args *args,
                                bool *same)
{
    const struct command_keys *keys = &w->keys;
    if (keys->count > w->key_slots_cap) {
        w->key_slots_cap = keys->cap;
        w->key_slots = memory_realloc(w->key_slots, keys->cap * sizeof *w->key_slots);
    }
    *same = true;
    for (uint32_t i = 0; i < keys->count; i++) {
        const struct resp_arg *key = &args->v[keys->v[i]];
        w->key_slots[i] = slot_of_key(data + key->off, key->len);
        *same = *same && w->key_slots[i] == w->key_slots[0];
    }
    return w->key_slots;
}

static void dispatch_keys(struct client *c, const struct command *cmd, struct chunk *chunk,
                          char *data, size_t len, const struct resp_args *args)
{
    struct worker *w = c->worker;
    struct command_keys *keys = &w->keys;
    if (command_find_keys(cmd, data, args, keys) < 0 || keys->count == 0) {
        if (cmd->flags & COMMAND_BLOCKING)
            blocking_execute(c, cmd, SLOT_NONE, chunk, data, len, args);
        else
            dispatch_forward(c, cmd, SLOT_NONE, chunk, data, len);
        return;
    }
    if (keys->count > w->config->max_keys_per_command) {
        client_reply_errorf(c, "ERR too many keys in one command, max-keys-per-command is %u",
                            w->config->max_keys_per_command);
        return;
    }
    bool same;
    uint16_t *slots = dispatch_slots(w, data, args, &same);
    if (same && cmd->local == COMMAND_LOCAL_PUBLISH &&
        pubsub_publish(c, cmd, slots[0], data, len, args))
        return;
    if (same && command_is_blocking(cmd, data, args))
        blocking_execute(c, cmd, slots[0], chunk, data, len, args);
    else if (same)
        dispatch_forward(c, cmd, slots[0], chunk, data, len);
    else if ((cmd->flags & COMMAND_BLOCKING) && w->config->cross_slot && crosspop_serves(cmd))
        crosspop_execute(c, cmd, data, args, keys, slots);
    else if (cmd->kind == COMMAND_SPLIT && w->config->cross_slot)
        fanout_split(c, cmd, data, args, keys, slots);
    else
        dispatch_reply_crossslot(c, cmd, data, len);
}

bool dispatch_refuses(struct client *c, const struct command *cmd)
{
    switch ((enum command_kind)cmd->kind) {
    case COMMAND_ADMIN:
        if (c->worker->config->allow_admin)
            return false;
        client_reply_errorf(c,
                            "ERR '%s' is for who runs the cluster: send it to the nodes "
                            "themselves, or set allow-admin yes in slotway",
                            cmd->name);
        return true;
    case COMMAND_LATER:
        client_reply_errorf(c, "ERR '%s' is not supported by slotway yet", cmd->name);
        return true;
    case COMMAND_REFUSED:
        client_reply_errorf(c, "ERR '%s' is not possible through slotway", cmd->name);
        return true;
    default:
        return false;
    }
}

static OUTLINED void dispatch_by_kind(struct client *c, const struct command *cmd,
                                      struct chunk *chunk, char *data, size_t len,
                                      const struct resp_args *args)
{
    switch ((enum command_kind)cmd->kind) {
    case COMMAND_KEYED:
    case COMMAND_SPLIT:
        if (cmd->flags & COMMAND_SCRIPT)
            script_on_request(data, args);
        dispatch_keys(c, cmd, chunk, data, len, args);
        return;
    case COMMAND_ANY:
        if (cmd->local == COMMAND_LOCAL_PUBLISH &&
            pubsub_publish(c, cmd, SLOT_NONE, data, len, args))
            return;
        dispatch_forward(c, cmd, SLOT_NONE, chunk, data, len);
        return;
    case COMMAND_MASTERS:
        script_on_request(data, args);
        if (cmd->local != COMMAND_LOCAL_NONE)
            local_execute(c, cmd, data, args);
        else
            fanout_all(c, cmd, data, len, NULL);
        return;
    case COMMAND_LOCAL:
        local_execute(c, cmd, data, args);
        return;
    case COMMAND_ADMIN:
    case COMMAND_LATER:
    case COMMAND_REFUSED:
        if (dispatch_refuses(c, cmd))
            return;
        if (cmd->local != COMMAND_LOCAL_NONE)
            local_execute(c, cmd, data, args);
        else
            dispatch_forward(c, cmd, SLOT_NONE, chunk, data, len);
        return;
    }
}

/* CLIENT PAUSE: hold this request back? */
static bool dispatch_is_paused(struct client *c, const struct command *cmd, const char *data,
                               const struct resp_args *args)
{
    struct process *process = c->worker->process;
    uint64_t until = atomic_load_explicit(&process->pause_until, memory_order_relaxed);
    if (until == 0 || until <= c->worker->now)
        return false;
    bool all = atomic_load_explicit(&process->pause_all, memory_order_relaxed);
    if (cmd->local == COMMAND_LOCAL_EXEC)
        return all || transaction_may_write(c);
    if (all)
        return cmd->local != COMMAND_LOCAL_CLIENT && cmd->local != COMMAND_LOCAL_PROXY &&
               cmd->local != COMMAND_LOCAL_QUIT;
    if (cmd->kind == COMMAND_LOCAL)
        return false;
    return pause_may_write(cmd, data, args) && !function_only_reads(c->worker, cmd, data, args);
}

/* "POST" and "Host:" come from a browser that was led here by a hostile page: closed without a
 * word, as redis-server does. */
static bool dispatch_is_http(const char *data, const struct resp_args *args)
{
    const struct resp_arg *name = &args->v[0];
    return (name->len == 4 && strncasecmp(data + name->off, "post", 4) == 0) ||
           (name->len == 5 && strncasecmp(data + name->off, "host:", 5) == 0);
}

static OUTLINED void dispatch_unknown(struct client *c, const char *data,
                                      const struct resp_args *args)
{
    if (dispatch_is_http(data, args)) {
        log_limited(LOG_LEVEL_WARNING,
                    "Client id=%llu closed: it speaks HTTP (possible cross "
                    "protocol scripting)",
                    (unsigned long long)c->id);
        client_note_closed(c, EVENT_WARNING, "it speaks HTTP");
        counters_add(&c->worker->counters, COUNTER_clients_closed_protocol, 1);
        client_close(c);
        return;
    }
    char text[512];
    size_t len = command_error_unknown(text, sizeof text, data, args);
    client_reply_errorf(c, "%.*s", (int)len, text);
}

void dispatch_reject(struct client *c, const struct command *cmd, const char *text)
{
    bool general = strncmp(text, "ERR ", 4) == 0;
    if (cmd->local == COMMAND_LOCAL_EXEC) {
        transaction_refuse_exec(c, general ? text + 4 : text);
        return;
    }
    client_reply_error(c, text);
    if (c->flags & CLIENT_MULTI)
        transaction_spoil(c);
}

/* The checks that Redis makes before it runs a command. False: answered with an error. */
static OUTLINED bool dispatch_check_slow(struct client *c, const struct command *cmd,
                                         bool unknown_sub, const char *data,
                                         const struct resp_args *args)
{
    char text[COMMAND_ERROR_MAX + 1];
    if (!cmd) {
        dispatch_unknown(c, data, args);
        return false;
    }
    if (unknown_sub) {
        size_t len = command_error_subcommand(text, sizeof text, cmd, data, args);
        client_reply_errorf(c, "%.*s", (int)len, text);
        return false;
    }
    if (!command_arity_ok(cmd, args->argc)) {
        text[command_error_arity(text, sizeof text - 1, cmd)] = '\0';
        dispatch_reject(c, cmd, text);
        return false;
    }
    if (!(c->flags & CLIENT_AUTHENTICATED) && !(cmd->flags & COMMAND_NOAUTH)) {
        dispatch_reject(c, cmd, "NOAUTH Authentication required.");
        return false;
    }
    return true;
}

static inline bool dispatch_check(struct client *c, const struct command *cmd, bool unknown_sub,
                                  const char *data, const struct resp_args *args)
{
    if (cmd && !unknown_sub && command_arity_ok(cmd, args->argc) &&
        (c->flags & (CLIENT_AUTHENTICATED | CLIENT_STATEFUL)) == CLIENT_AUTHENTICATED)
        return true;
    return dispatch_check_slow(c, cmd, unknown_sub, data, args);
}

void dispatch_run(struct client *c, const struct command *cmd, struct chunk *chunk, char *data,
                  size_t len, const struct resp_args *args)
{
    if (cmd->kind == COMMAND_KEYED && (cmd->flags & COMMAND_ONE_KEY)) {
        const struct resp_arg *key = &args->v[cmd->first_key];
        dispatch_forward(c, cmd, slot_of_key(data + key->off, key->len), chunk, data, len);
    } else {
        dispatch_by_kind(c, cmd, chunk, data, len, args);
    }
}

/* What slotway answers itself takes no time that could be told, so the slow log has it only if it
 * takes everything. Of SLOWLOG it has RESET only: what GET shows is not changed by looking. EXEC is
 * noted when the node has answered. */
static OUTLINED void dispatch_note_slow(struct client *c, const struct command *cmd,
                                        const char *data, size_t len)
{
    struct worker *w = c->worker;
    if (cmd->kind != COMMAND_LOCAL || w->slow_budget == 0 || cmd->local == COMMAND_LOCAL_EXEC ||
        (cmd->local == COMMAND_LOCAL_SLOWLOG && strcmp(cmd->name, "slowlog|reset") != 0))
        return;
    w->slow_budget--;
    slowlog_add(w, c, data, len, 0);
}

/* command_lookup, remembering the last one: pipelines mostly repeat a command. */
static inline const struct command *dispatch_lookup(struct worker *w, const char *data, size_t len,
                                                    const struct resp_args *args, bool *unknown_sub)
{
    const struct resp_arg *name = &args->v[0];
    uint64_t word = 0;
    if (name->len - 1 < sizeof word && name->off + sizeof word <= len) {
        memcpy(&word, data + name->off, sizeof word);
        word <<= 8 * (sizeof word - name->len); /* little-endian: drops what follows the name */
        if (word == w->last_name && name->len == w->last_name_len)
            return w->last_command;
    }
    const struct command *cmd = command_lookup(w->commands, data, args, unknown_sub);
    if (word && cmd && cmd->nsubcommands == 0 && !strchr(cmd->name, '|')) {
        w->last_name = word;
        w->last_name_len = name->len;
        w->last_command = cmd;
    }
    return cmd;
}

/* While slots are being migrated: can the order of this request among those in flight be lost? It
 * can if it has a key in such a slot, or several keys in any one slot, which may have begun to
 * move. */
static bool dispatch_is_unsettled(struct worker *w, const struct command *cmd, const char *data,
                                  const struct resp_args *args)
{
    bool same;
    if (cmd->kind != COMMAND_KEYED && cmd->kind != COMMAND_SPLIT)
        return false;
    if (!command_arity_ok(cmd, args->argc) || command_find_keys(cmd, data, args, &w->keys) < 0)
        return false;
    const uint16_t *slots = dispatch_slots(w, data, args, &same);
    for (uint32_t i = 0; i < w->keys.count; i++)
        if (w->unsettled[slots[i]] >= w->seconds || (i > 0 && slots[i] == slots[i - 1]))
            return true;
    return w->keys.count > DISPATCH_MANY_KEYS;
}

/* Does something forbid to issue the request now, behind what the client has in flight? *alone:
 * nothing may be issued behind it either until it is answered. */
static OUTLINED bool dispatch_must_wait(struct client *c, const struct command *cmd,
                                        const char *data, size_t len, const struct resp_args *args,
                                        bool *alone)
{
    struct worker *w = c->worker;
    bool refused = !cmd || !command_arity_ok(cmd, args->argc) || !(c->flags & CLIENT_AUTHENTICATED);
    if (!refused && dispatch_is_paused(c, cmd, data, args)) {
        pause_hold(c);
        return true;
    }
    *alone = dispatch_is_large(c, cmd, len) ||
             (cmd && (cmd->flags & COMMAND_ALONE) && session_is_alone(c, cmd, data, args)) ||
             (w->unsettled_until >= w->seconds && cmd && dispatch_is_unsettled(w, cmd, data, args));
    if (!*alone || !c->head)
        return false;
    c->flags |= CLIENT_BARRIER;
    return true;
}

static bool dispatch_multibulk(struct client *c, struct chunk *chunk, char *data, size_t len,
                               const struct resp_args *args)
{
    struct worker *w = c->worker;
    bool unknown_sub = false;
    const struct command *cmd = dispatch_lookup(w, data, len, args, &unknown_sub);
    bool alone = false;
    bool careful = w->careful || dispatch_is_large(c, cmd, len) ||
                   (cmd && (cmd->flags & COMMAND_ALONE));
    if (careful && dispatch_must_wait(c, cmd, data, len, args, &alone))
        return false;
    counters_add(&w->counters, COUNTER_commands, 1);
    c->commands++;
    if (c->flags & CLIENT_REPLY_SKIP)
        c->flags = (c->flags & ~(uint32_t)CLIENT_REPLY_SKIP) | CLIENT_SKIP_NOW;
    if (dispatch_check(c, cmd, unknown_sub, data, args)) {
        c->last_command = cmd;
        watch_call(w->watch, cmd);
        if (careful && monitor_is_on(w))
            monitor_feed(c, cmd, data, args);
        if (!(c->flags & CLIENT_STATEFUL) || !session_on_command(c, cmd, chunk, data, len, args))
            dispatch_run(c, cmd, chunk, data, len, args);
        if (UNLIKELY(w->slow_after == 0))
            dispatch_note_slow(c, cmd, data, len);
        if (alone && c->head)
            c->flags |= CLIENT_BARRIER;
    } else if (c->flags & CLIENT_MULTI) {
        transaction_spoil(c);
    }
    if (c->flags & CLIENT_SKIP_NOW)
        c->flags &= ~(uint32_t)CLIENT_SKIP_NOW;
    return true;
}

bool dispatch_request(struct client *c, struct chunk *chunk, char *data, size_t len,
                      struct resp_args *args)
{
    if (args->multibulk)
        return dispatch_multibulk(c, chunk, data, len, args);
    struct chunk_pool *chunks = &c->worker->chunks;
    struct chunk *own = chunk_alloc_size(chunks, RESP_INLINE_ENCODED_MAX(len));
    size_t size = resp_inline_encode(data, len, own->data, args);
    bool issued = true;
    if (size)
        issued = dispatch_multibulk(c, own, own->data, size, args);
    chunk_unref(chunks, own);
    return issued;
}
