/* local_config: CONFIG GET and CONFIG SET as one server would answer them. Settings of the listener
 * and its clients are slotway's own; all others are the nodes', and SET reaches every master. */
#include "flow/local_config.h"
#include "base/event.h"
#include "base/memory.h"
#include "flow/combine_config.h"
#include "flow/fanout.h"
#include "flow/gather.h"
#include "flow/local_call.h"
#include "flow/local_info.h"
#include "flow/process.h"
#include "flow/slowlog.h"
#include "resp/reply.h"
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_FAILED "ERR CONFIG SET failed (possibly related to argument '%s') - %s"

enum config_owner {
    CONFIG_OF_NODES,   /* whatever the table does not name */
    CONFIG_OF_SLOTWAY, /* about those who connect: nodes have other clients */
    CONFIG_OF_BOTH,    /* a limit that requests meet here and there */
    CONFIG_OF_EACH     /* names one node: the same for all of them would break the cluster */
};

static const struct {
    const char *name;
    enum config_owner owner;
} config_owners[] = {
    {"bind", CONFIG_OF_SLOTWAY},
    {"client-query-buffer-limit", CONFIG_OF_BOTH},
    {"cluster-announce-bus-port", CONFIG_OF_EACH},
    {"cluster-announce-hostname", CONFIG_OF_EACH},
    {"cluster-announce-ip", CONFIG_OF_EACH},
    {"cluster-announce-port", CONFIG_OF_EACH},
    {"cluster-announce-tls-port", CONFIG_OF_EACH},
    {"maxclients", CONFIG_OF_SLOTWAY},
    {"port", CONFIG_OF_SLOTWAY},
    {"protected-mode", CONFIG_OF_SLOTWAY},
    {"proto-max-bulk-len", CONFIG_OF_BOTH},
    {"requirepass", CONFIG_OF_SLOTWAY},
    {"slowlog-log-slower-than", CONFIG_OF_SLOTWAY},
    {"slowlog-max-len", CONFIG_OF_SLOTWAY},
    {"tcp-backlog", CONFIG_OF_SLOTWAY},
    {"tcp-keepalive", CONFIG_OF_SLOTWAY},
    {"timeout", CONFIG_OF_SLOTWAY},
    {"tls-port", CONFIG_OF_SLOTWAY},
    {"unixsocket", CONFIG_OF_SLOTWAY},
    {"unixsocketperm", CONFIG_OF_SLOTWAY},
};

static enum config_owner config_owner_of(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof config_owners / sizeof config_owners[0]; i++)
        if (strlen(config_owners[i].name) == len &&
            strncasecmp(config_owners[i].name, name, len) == 0)
            return config_owners[i].owner;
    return CONFIG_OF_NODES;
}

/* --- changes of slotway's configuration --- */

struct local_config_change *local_config_change_new(const struct local_call *call, uint32_t first,
                                                    const char *complaint)
{
    uint32_t most = local_argc(call) - first;
    size_t words = 0;
    for (uint32_t i = first; i < local_argc(call); i++)
        words += local_len(call, i) + 1;
    struct local_config_change *change = memory_zalloc(sizeof *change +
                                                       most * sizeof change->words[0] + words);
    change->complaint = complaint;
    change->end = (char *)(change->words + most);
    return change;
}

static bool config_has_nul(const struct local_call *call, uint32_t i)
{
    return memchr(local_arg(call, i), '\0', local_len(call, i));
}

static const char *config_copy_word(struct local_config_change *change,
                                    const struct local_call *call, uint32_t i)
{
    char *word = change->end;
    memcpy(word, local_arg(call, i), local_len(call, i));
    word[local_len(call, i)] = '\0';
    change->end += local_len(call, i) + 1;
    return word;
}

bool local_config_change_add(struct local_config_change *change, const struct local_call *call,
                             uint32_t i)
{
    if (config_has_nul(call, i) || config_has_nul(call, i + 1))
        return false;
    change->words[2 * change->n] = config_copy_word(change, call, i);
    change->words[2 * change->n + 1] = config_copy_word(change, call, i + 1);
    change->n++;
    return true;
}

/* An event for each; passwords are not told. */
static void config_note(const struct local_config_change *change, const struct config *config)
{
    for (uint32_t i = 0; i < change->n; i++) {
        const struct config_directive *d = config_find(change->words[2 * i]);
        char *value = config_is_secret(d) ? NULL : config_value(config, d);
        event_note(EVENT_CONFIG, EVENT_INFO, "%s set to %.150s by a client", config_name(d),
                   value ? value : "another value");
        free(value);
    }
}

/* In the main thread: all pairs or none. */
static void config_apply(void *owner, void *arg)
{
    struct gather *g = arg;
    struct local_config_change *change = g->question;
    struct process *process = g->asker->process;
    struct config *config = config_ref(process->config);
    (void)owner;
    for (uint32_t i = 0; i < change->n && config; i++) {
        struct config *next = config_set(config, change->words[2 * i], change->words[2 * i + 1],
                                         &change->error);
        config_unref(config);
        config = next;
    }
    if (config) {
        process_set_config(process, config);
        config_note(change, config);
    }
    gather_ask(g);
}

/* Workers take the new snapshot from their mailboxes before this. */
static void config_collect(struct worker *w, const void *question, struct gather_part *part)
{
    (void)w;
    (void)question;
    (void)part;
}

static void config_encode(struct gather_part *out, const char *word)
{
    gather_printf(out, "$%zu\r\n%s\r\n", strlen(word), word);
}

/* As Redis: the slow log that a CONFIG SET makes take everything has that command itself. What
 * nodes were told is noted with their replies. */
static void config_note_slow(struct worker *w, const struct request *r,
                             const struct local_config_change *change)
{
    struct gather_part sent = {0};
    if (change->n == 0 || r->cmd->local != COMMAND_LOCAL_CONFIG || w->slow_budget == 0 ||
        w->now - r->started < w->slow_after)
        return;
    w->slow_budget--;
    gather_printf(&sent, "*%u\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n", 2 + 2 * change->n);
    for (uint32_t i = 0; i < 2 * change->n; i++)
        config_encode(&sent, change->words[i]);
    slowlog_add(w, r->client, sent.data, sent.len, w->now - r->started);
    free(sent.data);
}

static void config_finish(struct worker *w, struct gather *g, struct bufq *out)
{
    struct local_config_change *change = g->question;
    struct reply r = local_reply_to(w, g->request, out);
    char text[sizeof change->error.text + 64];
    config_note_slow(w, g->request, change);
    if (!*change->error.text) {
        reply_status(&r, "OK");
        return;
    }
    snprintf(text, sizeof text, "ERR %s: %s", change->complaint, change->error.text);
    reply_error(&r, text);
}

void local_config_submit(struct worker *w, struct request *r, struct local_config_change *change)
{
    struct gather *g = gather_for(w, r, change, config_collect, config_finish);
    mailbox_post(&w->process->mailbox, config_apply, g);
}

/* --- GET --- */

/* The value as CONFIG GET shows it; the caller frees. */
static char *config_shown(const struct config *config, const struct config_directive *d)
{
    if (config_is_secret(d))
        return memory_strdup(config->requirepass); /* the only one of them */
    return config_value(config, d);
}

/* name and value as a node gave them, the value slotway's if it is its own. */
static void config_put(struct worker *w, struct reply *r, const struct reply_value *name,
                       const struct reply_value *value)
{
    reply_bulk(r, name->data, name->len);
    if (config_owner_of(name->data, name->len) != CONFIG_OF_SLOTWAY) {
        reply_bulk(r, value->data, value->len);
        return;
    }
    char *copy = memory_strndup(name->data, name->len);
    const struct config_directive *d = config_find(copy);
    char *shown = config_shown(w->config, d);
    reply_bulk_string(r, shown);
    free(shown);
    free(copy);
}

static bool config_merge_get(struct worker *w, struct fanout *f, struct bufq *out)
{
    struct bufq *q = &f->replies[0].q;
    const char *data = bufq_flatten(&w->chunks, q);
    struct reply_reader reader = {data, data ? data + q->len : data};
    struct reply_value header, name, value;
    struct reply r = local_reply_to(w, f->parent, out);
    if (!reply_read(&reader, &header) || (header.type != '*' && header.type != '%'))
        return false;
    reply_map(&r, (size_t)header.n / 2);
    for (int64_t i = 0; i + 1 < header.n; i += 2) {
        if (!reply_read(&reader, &name) || !reply_read(&reader, &value) || !name.data ||
            !value.data)
            return false;
        config_put(w, &r, &name, &value);
    }
    return true;
}

static void config_get(const struct local_call *call)
{
    fanout_one(call->c, call->cmd, SLOT_NONE, call->request, local_request_len(call), NULL);
}

/* --- SET --- */

/* Redis' words where it has some, else slotway's. */
static const char *config_complaint(const char *name, const char *value,
                                    const struct config_error *error)
{
    int64_t number;
    if (strcasecmp(name, "protected-mode") == 0)
        return "argument must be 'yes' or 'no'";
    if (strcasecmp(name, "requirepass") != 0 && !resp_parse_int(value, strlen(value), &number))
        return "argument couldn't be parsed into an integer";
    return error->text;
}

/* What is wrong with slotway's own directive set to value; NULL: nothing. *same: it has that value
 * already, and can not be set otherwise while slotway runs. */
static const char *config_check(const struct config *config, const char *name, const char *value,
                                bool *same, struct config_error *error)
{
    const struct config_directive *d = config_find(name);
    *same = false;
    if (!config_is_runtime(d)) {
        char *now = config_value(config, d);
        *same = strcmp(now, value) == 0;
        free(now);
        if (*same)
            return NULL;
        return strcasecmp(name, "port") == 0
                   ? "Unable to listen on this port. slotway's listeners are fixed at its start"
                   : "can't set immutable config";
    }
    struct config *next = config_set(config, name, value, error);
    if (!next)
        return config_complaint(name, value, error);
    config_unref(next);
    return NULL;
}

/* A request that is being taken apart. */
struct config_split {
    const struct local_call *call;
    struct local_config_change *own;
    struct gather_part nodes; /* the arguments that nodes get */
    uint32_t pairs;           /* of them */
};

static void config_pass_on(struct config_split *split, uint32_t i)
{
    for (uint32_t k = i; k < i + 2; k++) {
        gather_printf(&split->nodes, "$%u\r\n", local_len(split->call, k));
        gather_append(&split->nodes, local_arg(split->call, k), local_len(split->call, k));
        gather_append(&split->nodes, "\r\n", 2);
    }
    split->pairs++;
}

static bool config_refuse(const struct local_call *call, const char *name, const char *why)
{
    client_reply_errorf(call->c, CONFIG_FAILED, name, why);
    return false;
}

static bool config_is_named_before(const struct local_call *call, uint32_t i)
{
    for (uint32_t k = 2; k < i; k += 2)
        if (local_len(call, k) == local_len(call, i) &&
            strncasecmp(local_arg(call, k), local_arg(call, i), local_len(call, i)) == 0)
            return true;
    return false;
}

/* The pair at i, which is slotway's (owner SLOTWAY or BOTH). False: answered with an error. */
static bool config_take_own(struct config_split *split, uint32_t i, enum config_owner owner)
{
    char *name = local_strdup(split->call, i), *value = local_strdup(split->call, i + 1);
    struct config_error error = {{0}};
    bool same, good = true;
    const char *why = config_check(split->call->c->worker->config, name, value, &same, &error);
    /* As Redis, the name is told as it is in the table, once values are looked at. */
    const struct config_directive *d = config_find(name);
    const char *told = config_is_runtime(d) ? config_name(d) : name;
    if (config_is_named_before(split->call, i)) {
        why = "duplicate parameter";
        told = name;
    }
    if (!why && !same && !local_config_change_add(split->own, split->call, i))
        why = "a NUL byte can't be part of it";
    if (why && owner == CONFIG_OF_SLOTWAY)
        good = config_refuse(split->call, told, why);
    if (owner == CONFIG_OF_BOTH)
        config_pass_on(split, i); /* what is wrong, the nodes say in their words */
    free(name);
    free(value);
    return good;
}

static bool config_take(struct config_split *split, uint32_t i)
{
    const struct local_call *call = split->call;
    enum config_owner owner = config_owner_of(local_arg(call, i), local_len(call, i));
    if (owner == CONFIG_OF_SLOTWAY || owner == CONFIG_OF_BOTH)
        return config_take_own(split, i, owner);
    if (owner == CONFIG_OF_EACH && local_len(call, i + 1) > 0 && !local_is(call, i + 1, "0")) {
        char shown[LOCAL_SHOWN_LEN];
        return config_refuse(call, local_shown(call, i, shown),
                             "each node of the cluster has its own: set it on the node itself");
    }
    config_pass_on(split, i);
    return true;
}

/* Send the nodes theirs; what is slotway's follows when all masters have taken it. */
static void config_issue(struct config_split *split)
{
    struct client *c = split->call->c;
    struct gather_part request = {0};
    if (split->pairs == 0) {
        local_config_submit(c->worker, client_reply_later(c, split->call->cmd), split->own);
        return;
    }
    gather_printf(&request, "*%u\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n", 2 + 2 * split->pairs);
    gather_append(&request, split->nodes.data, split->nodes.len);
    if (split->own->n == 0) {
        free(split->own);
        split->own = NULL;
    }
    fanout_all(c, split->call->cmd, request.data, request.len, split->own);
    free(request.data);
}

static void config_set_pairs(const struct local_call *call)
{
    uint32_t n = (local_argc(call) - 2) / 2;
    struct config_split split = {.call = call};
    bool good = true;
    split.own = local_config_change_new(call, 2, "CONFIG SET failed");
    for (uint32_t i = 0; i < n && good; i++)
        good = config_take(&split, 2 + 2 * i);
    if (good)
        config_issue(&split);
    else
        free(split.own);
    free(split.nodes.data);
}

bool combine_config_then(struct worker *w, struct fanout *f)
{
    if (!f->state)
        return false;
    local_config_submit(w, f->parent, f->state);
    f->state = NULL;
    return true;
}

bool combine_config(struct worker *w, struct fanout *f, struct bufq *out)
{
    if (strcmp(f->parent->cmd->name, "config|get") == 0)
        return config_merge_get(w, f, out);
    bufq_splice(out, &f->replies[0].q);
    return true;
}

static void config_reset_figures(const struct local_call *call)
{
    local_info_reset(call->c->worker->process);
    local_to_masters(call);
}

void local_config(const struct local_call *call)
{
    if (strcmp(call->cmd->name, "config|get") == 0)
        config_get(call);
    else if (strcmp(call->cmd->name, "config|resetstat") == 0)
        config_reset_figures(call);
    else if (local_argc(call) % 2)
        client_reply_error(call->c, "ERR syntax error");
    else
        config_set_pairs(call);
}
