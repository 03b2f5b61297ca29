/* local_proxy: PROXY: slotway itself: its configuration, its figures, its view of the cluster. */
#include "base/memory.h"
#include "flow/gather.h"
#include "flow/local_call.h"
#include "flow/local_config.h"
#include "flow/local_info.h"
#include "flow/process.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>

/* --- CONFIG --- */

/* The directives found so far. */
struct proxy_config_found {
    struct bufq q;
    struct reply r;
    size_t n;
};

static void proxy_config_each(void *ctx, const struct config_directive *d, const char *value)
{
    struct proxy_config_found *found = ctx;
    reply_bulk_string(&found->r, config_name(d));
    reply_bulk_string(&found->r, config_is_secret(d) && *value ? "********" : value);
    found->n++;
}

static void proxy_config_get(const struct local_call *call)
{
    struct client *c = call->c;
    struct proxy_config_found found = {.n = 0};
    found.r = local_reply(c, &found.q);
    for (uint32_t i = 3; i < local_argc(call); i++) {
        char *pattern = local_strdup(call, i);
        config_match(c->worker->config, pattern, proxy_config_each, &found);
        free(pattern);
    }
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    reply_map(&r, found.n);
    bufq_splice(&q, &found.q);
    client_reply_bufq(c, &q);
}

static void proxy_config_set(const struct local_call *call)
{
    struct client *c = call->c;
    uint32_t n = (local_argc(call) - 3) / 2;
    struct local_config_change *change = local_config_change_new(call, 3,
                                                                 "PROXY CONFIG SET failed");
    for (uint32_t i = 0; i < n; i++) {
        if (!local_config_change_add(change, call, 3 + 2 * i)) {
            char shown[LOCAL_SHOWN_LEN];
            client_reply_errorf(c, "ERR %s: %s: a NUL byte can't be part of it", change->complaint,
                                local_shown(call, 3 + 2 * i, shown));
            free(change);
            return;
        }
    }
    local_config_submit(c->worker, client_reply_later(c, call->cmd), change);
}

static void proxy_config(const struct local_call *call)
{
    char shown[LOCAL_SHOWN_LEN];
    uint32_t argc = local_argc(call);
    if (local_is(call, 2, "get") && argc >= 4)
        proxy_config_get(call);
    else if (local_is(call, 2, "set") && argc >= 5 && argc % 2 == 1)
        proxy_config_set(call);
    else if (local_is(call, 2, "get") || local_is(call, 2, "set"))
        client_reply_errorf(call->c, "ERR wrong number of arguments for 'proxy|config|%s' command",
                            local_is(call, 2, "get") ? "get" : "set");
    else
        client_reply_errorf(call->c, "ERR unknown subcommand '%s'. Try PROXY HELP.",
                            local_shown(call, 2, shown));
}

/* --- the cluster --- */

static const struct {
    uint32_t flag;
    const char *name;
} proxy_node_flags[] = {
    {TOPOLOGY_MASTER, "master"},   {TOPOLOGY_REPLICA, "replica"}, {TOPOLOGY_FAIL, "fail"},
    {TOPOLOGY_PFAIL, "fail?"},     {TOPOLOGY_SILENT, "silent"},   {TOPOLOGY_LAGGING, "lagging"},
    {TOPOLOGY_LOADING, "loading"}, {TOPOLOGY_BUSY, "busy"},
};

static void proxy_print_node(const struct topology *t, const struct topology_node *node,
                             struct gather_part *text)
{
    const char *comma = "";
    gather_printf(text, "%s %s:%u ", node->id, node->host, node->port);
    for (size_t i = 0; i < sizeof proxy_node_flags / sizeof proxy_node_flags[0]; i++) {
        if (!(node->flags & proxy_node_flags[i].flag))
            continue;
        gather_printf(text, "%s%s", comma, proxy_node_flags[i].name);
        comma = ",";
    }
    gather_printf(text, " %s slots=%u epoch=%llu version=%s\n",
                  node->master == TOPOLOGY_NO_NODE ? "-" : t->nodes[node->master].id, node->slots,
                  (unsigned long long)node->epoch, *node->version ? node->version : "?");
}

static void proxy_nodes(const struct local_call *call)
{
    const struct topology *t = call->c->worker->topology;
    struct gather_part text = {0};
    for (uint16_t i = 0; t && i < t->nnodes; i++)
        proxy_print_node(t, &t->nodes[i], &text);
    local_text_reply(call->c, text.data ? text.data : "", text.len);
    free(text.data);
}

static void proxy_reply_node(struct reply *r, const struct topology_node *node)
{
    reply_array(r, 3);
    reply_bulk_string(r, node->host);
    reply_int(r, node->port);
    reply_bulk_string(r, node->id);
}

static void proxy_reply_range(struct reply *r, const struct topology *t, uint16_t owner,
                              uint32_t first, uint32_t last)
{
    size_t replicas = 0;
    for (uint16_t i = 0; i < t->nnodes; i++)
        replicas += t->nodes[i].master == owner;
    reply_array(r, 3 + replicas);
    reply_int(r, first);
    reply_int(r, last);
    proxy_reply_node(r, &t->nodes[owner]);
    for (uint16_t i = 0; i < t->nnodes; i++)
        if (t->nodes[i].master == owner)
            proxy_reply_node(r, &t->nodes[i]);
}

/* The real owners, in the format of CLUSTER SLOTS. */
static void proxy_slots(const struct local_call *call)
{
    const struct topology *t = call->c->worker->topology;
    struct bufq ranges = {0}, q = {0};
    struct reply r = local_reply(call->c, &ranges);
    size_t n = 0;
    for (uint32_t first = 0, next; t && first < SLOT_COUNT; first = next) {
        for (next = first + 1; next < SLOT_COUNT && t->owner[next] == t->owner[first];)
            next++;
        if (t->owner[first] == TOPOLOGY_NO_NODE)
            continue;
        proxy_reply_range(&r, t, t->owner[first], first, next - 1);
        n++;
    }
    r.q = &q;
    reply_array(&r, n);
    bufq_splice(&q, &ranges);
    client_reply_bufq(call->c, &q);
}

static void proxy_refresh(const struct local_call *call)
{
    worker_hint(call->c->worker);
    local_ok(call->c);
}

/* --- itself --- */

static void proxy_info(const struct local_call *call)
{
    struct gather_part text = {0};
    local_info_slotway(call->c->worker, &text);
    local_text_reply(call->c, text.data, text.len);
    free(text.data);
}

static void proxy_version(const struct local_call *call)
{
    local_bulk_reply(call->c, SLOTWAY_VERSION, strlen(SLOTWAY_VERSION));
}

static void proxy_help(const struct local_call *call)
{
    static const char *const lines[] = {
        "PROXY <subcommand> [<arg> [value] ...]. Subcommands are:",
        "CONFIG GET <pattern> [<pattern> ...]",
        "    Return directives of slotway that match, with their values (passwords are hidden).",
        "CONFIG SET <directive> <value> [<directive> <value> ...]",
        "    Change directives until the next restart or reload.",
        "INFO",
        "    Return the # slotway section of INFO: every counter of slotway.",
        "NODES",
        "    Return a line for each node of the cluster: id, address, flags, its master's id,",
        "    slots, epoch, version.",
        "REFRESH",
        "    Ask the nodes for the state of the cluster now.",
        "SLOTS",
        "    Return which node serves which slots, in the format of CLUSTER SLOTS.",
        "VERSION",
        "    Return the version of slotway.",
        "HELP",
        "    Print this help.",
    };
    local_help(call->c, lines, sizeof lines / sizeof lines[0]);
}

void local_proxy(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"help", 2, proxy_help},       {"info", -2, proxy_info},  {"config", -3, proxy_config},
        {"nodes", 2, proxy_nodes},     {"slots", 2, proxy_slots}, {"refresh", 2, proxy_refresh},
        {"version", 2, proxy_version},
    };
    local_run_sub(call, subs, sizeof subs / sizeof subs[0]);
}
