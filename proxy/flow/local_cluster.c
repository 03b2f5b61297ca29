/* local_cluster: CLUSTER: slotway shows itself as one node that owns all slots, at the address by
 * which the client reached it, so that cluster-aware clients stay with it. */
#include "flow/fanout.h"
#include "flow/local_address.h"
#include "flow/local_call.h"
#include <stdio.h>

static void cluster_info(const struct local_call *call)
{
    const struct worker *w = call->c->worker;
    unsigned covered = w->topology ? w->topology->covered : 0;
    unsigned long long epoch = w->topology ? (unsigned long long)w->topology->epoch : 0;
    unsigned failed = SLOT_COUNT - covered;
    char text[512];
    int len = snprintf(text, sizeof text,
                       "cluster_state:%s\r\n"
                       "cluster_slots_assigned:%d\r\n"
                       "cluster_slots_ok:%u\r\n"
                       "cluster_slots_pfail:0\r\n"
                       "cluster_slots_fail:%u\r\n"
                       "cluster_known_nodes:1\r\n"
                       "cluster_size:1\r\n"
                       "cluster_current_epoch:%llu\r\n"
                       "cluster_my_epoch:%llu\r\n"
                       "cluster_stats_messages_sent:0\r\n"
                       "cluster_stats_messages_received:0\r\n"
                       "total_cluster_links_buffer_limit_exceeded:0\r\n",
                       covered == SLOT_COUNT ? "ok" : "fail", SLOT_COUNT, covered, failed, epoch,
                       epoch);
    local_text_reply(call->c, text, (size_t)len);
}

static void cluster_nodes(const struct local_call *call)
{
    const struct process *process = call->c->worker->process;
    char ip[LOCAL_ADDRESS_LEN], text[512];
    uint16_t port;
    local_address_node(call->c, ip, &port);
    /* The bus port is a fiction that parsers expect. */
    int bus = port <= UINT16_MAX - 10000 ? port + 10000 : 0;
    int len = snprintf(text, sizeof text, "%s %s:%u@%d myself,master - 0 0 1 connected 0-%d\n",
                       process->id, ip, port, bus, SLOT_COUNT - 1);
    local_text_reply(call->c, text, (size_t)len);
}

static void cluster_slots(const struct local_call *call)
{
    char ip[LOCAL_ADDRESS_LEN];
    uint16_t port;
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    local_address_node(call->c, ip, &port);
    reply_array(&r, 1);
    reply_array(&r, 3);
    reply_int(&r, 0);
    reply_int(&r, SLOT_COUNT - 1);
    reply_array(&r, 4);
    reply_bulk_string(&r, ip);
    reply_int(&r, port);
    reply_bulk_string(&r, call->c->worker->process->id);
    reply_map(&r, 0);
    client_reply_bufq(call->c, &q);
}

static void cluster_shards(const struct local_call *call)
{
    char ip[LOCAL_ADDRESS_LEN];
    uint16_t port;
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    local_address_node(call->c, ip, &port);
    reply_array(&r, 1);
    reply_map(&r, 2);
    reply_bulk_string(&r, "slots");
    reply_array(&r, 2);
    reply_int(&r, 0);
    reply_int(&r, SLOT_COUNT - 1);
    reply_bulk_string(&r, "nodes");
    reply_array(&r, 1);
    reply_map(&r, 7);
    reply_bulk_string(&r, "id");
    reply_bulk_string(&r, call->c->worker->process->id);
    reply_bulk_string(&r, "port");
    reply_int(&r, port);
    reply_bulk_string(&r, "ip");
    reply_bulk_string(&r, ip);
    reply_bulk_string(&r, "endpoint");
    reply_bulk_string(&r, ip);
    reply_bulk_string(&r, "role");
    reply_bulk_string(&r, "master");
    reply_bulk_string(&r, "replication-offset");
    reply_int(&r, 0);
    reply_bulk_string(&r, "health");
    reply_bulk_string(&r, "online");
    client_reply_bufq(call->c, &q);
}

static void cluster_myid(const struct local_call *call)
{
    const char *id = call->c->worker->process->id;
    local_bulk_reply(call->c, id, strlen(id));
}

static void cluster_keyslot(const struct local_call *call)
{
    local_int_reply(call->c, slot_of_key(local_arg(call, 2), local_len(call, 2)));
}

static void cluster_count_failure_reports(const struct local_call *call)
{
    const char *id = call->c->worker->process->id;
    char shown[LOCAL_SHOWN_LEN];
    if (local_is(call, 2, id))
        local_int_reply(call->c, 0);
    else
        client_reply_errorf(call->c, "ERR Unknown node %s", local_shown(call, 2, shown));
}

/* COUNTKEYSINSLOT and GETKEYSINSLOT: only the slot's owner knows. */
static void cluster_ask_owner(const struct local_call *call)
{
    bool count = local_is(call, 1, "countkeysinslot");
    int64_t slot, n = 0;
    if (!local_int(call, 2, &slot) || (!count && !local_int(call, 3, &n)))
        client_reply_error(call->c, "ERR value is not an integer or out of range");
    else if (slot < 0 || slot >= SLOT_COUNT || n < 0)
        client_reply_error(call->c,
                           count ? "ERR Invalid slot" : "ERR Invalid slot or number of keys");
    else
        fanout_one(call->c, call->cmd, (uint16_t)slot, call->request, local_request_len(call),
                   NULL);
}

static void cluster_help(const struct local_call *call)
{
    static const char *const lines[] = {
        "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "COUNT-FAILURE-REPORTS <node-id>",
        "    Return the number of failure reports for <node-id>.",
        "COUNTKEYSINSLOT <slot>",
        "    Return the number of keys in <slot>.",
        "GETKEYSINSLOT <slot> <count>",
        "    Return names of keys in <slot>.",
        "INFO",
        "    Return whether all slots are served.",
        "KEYSLOT <key>",
        "    Return the slot of <key>.",
        "MYID",
        "    Return the id of this slotway.",
        "NODES, SHARDS, SLOTS",
        "    Return slotway as the one node that owns all slots, in the formats of Redis.",
        "    PROXY NODES and PROXY SLOTS show the cluster behind it.",
        "HELP",
        "    Print this help.",
    };
    local_help(call->c, lines, sizeof lines / sizeof lines[0]);
}

void local_cluster(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"info", 2, cluster_info},
        {"nodes", 2, cluster_nodes},
        {"slots", 2, cluster_slots},
        {"shards", 2, cluster_shards},
        {"myid", 2, cluster_myid},
        {"keyslot", 3, cluster_keyslot},
        {"countkeysinslot", 3, cluster_ask_owner},
        {"getkeysinslot", 4, cluster_ask_owner},
        {"count-failure-reports", 3, cluster_count_failure_reports},
        {"help", 2, cluster_help},
    };
    local_run_sub(call, subs, sizeof subs / sizeof subs[0]);
}
