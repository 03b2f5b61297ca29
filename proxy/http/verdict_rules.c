/* verdict_rules: the table of rules: what is looked for, and how bad it is. */
#include "http/verdict_rule.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_SHOWN 16 /* findings about slots without a master */

/* A node is slow that takes so many times as long as its peers … */
#define SLOW_TIMES 5.0
/* … and so much longer, µs; of nodes with at least so many replies a second. */
#define SLOW_MORE  500.0
#define SLOW_LEAST 10.0

#define NEARLY_FULL  0.9 /* share of a limit */
#define ERRORS_SHARE 0.1 /* of all replies … */
#define ERRORS_LEAST 5.0 /* … and so many a second */
#define MEGABYTE     (1024.0 * 1024)
#define UNREAD_MOST  (64 * MEGABYTE) /* that a client may leave unread, or half of its limit */

static struct finding *about_node(struct finding *f, const struct stats_node *node)
{
    memcpy(f->node, node->id, sizeof f->node);
    return f;
}

static const char *role(const struct stats_node *node)
{
    return node->is_master ? "master" : "replica";
}

/* A whole number as people read it: "1,240". */
static const char *grouped(double value, char out[32])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%.0f", value), n = 0;
    for (int i = 0; i < len && n < 30; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[n++] = ',';
        out[n++] = digits[i];
    }
    out[n] = '\0';
    return out;
}

static bool has_slots(const struct stats_node *node)
{
    return node->v[NODE_slots] > 0;
}

static bool is_alive(const struct stats_node *node)
{
    return node->state != STATS_DOWN && node->state != STATS_DRAIN;
}

/* --- the cluster --- */

static void find_no_cluster(struct stats *s, const struct verdict_rule *rule)
{
    if (s->topology)
        return;
    const struct config_list *nodes = &s->config->cluster_nodes;
    const char *first = nodes->n ? nodes->v[0] : "nobody";
    struct finding *f = verdict_add(s, rule, VERDICT_PROXY, "no node of the cluster has answered");
    verdict_advise(f,
                   nodes->n > 1 ? "Asked are %s and %u more. Look at cluster-nodes and "
                                  "auth-password, and at slotway's log."
                                : "Asked is %s. Look at cluster-nodes and auth-password, and at "
                                  "slotway's log.",
                   first, nodes->n - 1);
    f->since = s->started;
}

static void add_uncovered(struct stats *s, const struct verdict_rule *rule, uint32_t first,
                          uint32_t last)
{
    uint16_t owner = s->topology->owner[first];
    const struct stats_node *node = owner == TOPOLOGY_NO_NODE ? NULL : &s->nodes[owner];
    /* what was sent before the node fell silent waits, too */
    double waiting = node ? node->v[NODE_waiting] + node->v[NODE_in_flight]
                          : (double)s->waiting_nowhere;
    char range[32], wait[64] = "", number[32];
    snprintf(range, sizeof range, first == last ? "slot %u has" : "slots %u-%u have", first, last);
    if (waiting >= 1)
        snprintf(wait, sizeof wait, ", %s requests wait", grouped(waiting, number));
    struct finding *f = verdict_add(s, rule, VERDICT_SLOTS, "%s no master%s", range, wait);
    if (node)
        verdict_advise(about_node(f, node), "Start %s again, or one of its replicas.",
                       node->address);
    else
        verdict_advise(f, "Give them to a node: redis-cli --cluster fix.");
    f->first = (int)first;
    f->last = (int)last;
    f->value = last - first + 1;
    f->since = s->slot_since[first];
}

static void find_uncovered(struct stats *s, const struct verdict_rule *rule)
{
    uint32_t found = 0;
    for (uint32_t first = 0, next; s->topology && first < SLOT_COUNT; first = next) {
        bool uncovered = stats_slot_is_uncovered(s, first);
        for (next = first + 1; next < SLOT_COUNT;) {
            if (stats_slot_is_uncovered(s, next) != uncovered ||
                (uncovered && s->topology->owner[next] != s->topology->owner[first]))
                break;
            next++;
        }
        if (uncovered && found++ < RANGES_SHOWN)
            add_uncovered(s, rule, first, next - 1);
    }
}

/* --- nodes --- */

static void find_down(struct stats *s, const struct verdict_rule *rule)
{
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        if (node->state != STATS_DOWN)
            continue;
        bool bare = node->is_master && !has_slots(node); /* mostly: a replica took over */
        struct finding *f = verdict_add(s, rule, VERDICT_NODE, "%s %s%s does not answer",
                                        role(node), node->address, bare ? " (no slots)" : "");
        about_node(f, node)->since = node->state_since;
        f->severity = has_slots(node) ? VERDICT_CRITICAL : VERDICT_WARNING;
        f->value = node->v[NODE_waiting];
        verdict_advise(f, bare ? "No slot waits for it. Look at its host and its log."
                               : "Look at its host and its log.");
    }
}

/* States of a node that are worth a word. */
static const struct {
    enum stats_state state;
    double patience; /* s */
    const char *text;
    const char *advice;
} node_states[] = {
    {STATS_GOING_DOWN, 1, "is suspected to be down", "Look at its host, its load and its log."},
    {STATS_LOADING, 1, "is loading its data", "It serves when it has finished."},
    {STATS_BUSY, 1, "is busy with a script",
     "SCRIPT KILL or FUNCTION KILL ends a script that has not written."},
    /* a master that a planned failover made a replica is for some seconds */
    {STATS_LAGGING, 10, "is too far behind its master, or has lost it",
     "Look at the network between the two, and at master_link_status of its INFO."},
};

static void find_states(struct stats *s, const struct verdict_rule *rule)
{
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        for (size_t j = 0; j < sizeof node_states / sizeof node_states[0]; j++) {
            if (node->state != node_states[j].state)
                continue;
            struct finding *f = verdict_add(s, rule, VERDICT_NODE, "%s %s %s", role(node),
                                            node->address, node_states[j].text);
            about_node(f, node)->since = node->state_since;
            f->patience = node_states[j].patience;
            verdict_advise(f, "%s", node_states[j].advice);
        }
    }
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of the others' medians; STATS_UNKNOWN: there are none to compare with. */
static double peers_latency(const struct stats *s, uint32_t but, double *buffer)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (i != but && s->nodes[i].requests_rate >= SLOW_LEAST && s->nodes[i].latency.p50 >= 0)
            buffer[n++] = s->nodes[i].latency.p50;
    if (n == 0)
        return STATS_UNKNOWN;
    qsort(buffer, n, sizeof *buffer, compare_numbers);
    return buffer[n / 2];
}

static void find_slow(struct stats *s, const struct verdict_rule *rule)
{
    double *buffer = malloc((s->nnodes + 1) * sizeof *buffer);
    for (uint32_t i = 0; buffer && i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        double peers = node->latency.p50 >= SLOW_MORE ? peers_latency(s, i, buffer) : STATS_UNKNOWN;
        if (peers < 0 || node->latency.p50 < SLOW_TIMES * peers ||
            node->latency.p50 < peers + SLOW_MORE)
            continue;
        double times = node->latency.p50 / (peers < 1 ? 1 : peers);
        struct finding *f = verdict_add(s, rule, VERDICT_NODE,
                                        "%s answers %.0f times slower than its peers",
                                        node->address, times);
        about_node(f, node)->value = times;
        verdict_advise(f,
                       "Half of its replies take more than %.3g ms, its peers' %.2g ms. See its "
                       "SLOWLOG and LATENCY DOCTOR, and its host.",
                       node->latency.p50 / 1e3, peers / 1e3);
    }
    free(buffer);
}

static void find_memory(struct stats *s, const struct verdict_rule *rule)
{
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        double used = node->v[NODE_memory_used_bytes], limit = node->v[NODE_memory_limit_bytes];
        if (limit <= 0 || used < NEARLY_FULL * limit)
            continue;
        struct finding *f = verdict_add(s, rule, VERDICT_NODE, "%s uses %.0f%% of its memory",
                                        node->address, 100 * used / limit);
        about_node(f, node)->value = used / limit;
        verdict_advise(f, "Past maxmemory it evicts keys or refuses writes, as its policy says.");
    }
}

/* --- redundancy --- */

static bool has_replica(const struct stats *s, uint32_t master)
{
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (s->nodes[i].master == master && is_alive(&s->nodes[i]))
            return true;
    return false;
}

/* A cluster that never had replicas is meant to be so. */
static void find_no_replica(struct stats *s, const struct verdict_rule *rule)
{
    uint32_t masters = 0, bare = 0;
    if (!s->replicas_known)
        return;
    for (uint32_t i = 0; i < s->nnodes; i++) {
        masters += has_slots(&s->nodes[i]);
        bare += has_slots(&s->nodes[i]) && !has_replica(s, i);
    }
    if (masters > 1 && bare == masters) {
        struct finding *f = verdict_add(s, rule, VERDICT_PROXY, "no master has a replica");
        verdict_advise(f, "If a master is lost, so are its keys. Add replicas: redis-cli --cluster "
                          "add-node NEW ANY --cluster-slave.");
        f->value = masters;
        return;
    }
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        if (!has_slots(node) || has_replica(s, i))
            continue;
        struct finding *f = verdict_add(s, rule, VERDICT_NODE, "master %s has no replica",
                                        node->address);
        about_node(f, node)->value = node->v[NODE_slots];
        verdict_advise(f, "If it is lost, so are its keys. Start its replica again, or add one.");
    }
}

static uint32_t masters_on(const struct stats *s, const char *host)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->nnodes; i++)
        n += has_slots(&s->nodes[i]) && strcmp(s->nodes[i].host, host) == 0;
    return n;
}

/* The replica whose promotion would take a master away from this host to the one that has fewest;
 * NULL: none would even it out. */
static const struct stats_node *best_promotion(const struct stats *s, const char *host)
{
    const struct stats_node *best = NULL;
    uint32_t least = masters_on(s, host) - 1;
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        if (node->master >= s->nnodes || node->state != STATS_UP ||
            strcmp(s->nodes[node->master].host, host) != 0 || strcmp(node->host, host) == 0)
            continue;
        uint32_t there = masters_on(s, node->host);
        if (there < least) {
            least = there;
            best = node;
        }
    }
    return best;
}

static void find_one_host(struct stats *s, const struct verdict_rule *rule)
{
    const char *host = NULL;
    uint32_t masters = 0, most = 0;
    for (uint32_t i = 0; i < s->nnodes; i++) {
        uint32_t here = has_slots(&s->nodes[i]) ? masters_on(s, s->nodes[i].host) : 0;
        masters += here > 0;
        if (here > most) {
            most = here;
            host = s->nodes[i].host;
        }
    }
    if (masters < 2 || 2 * most <= masters)
        return;
    const struct stats_node *promote = best_promotion(s, host);
    if (!promote)
        return;
    struct finding *f = most == masters
                            ? verdict_add(s, rule, VERDICT_HOST, "all masters are on host %s", host)
                            : verdict_add(s, rule, VERDICT_HOST, "%u of %u masters are on host %s",
                                          most, masters, host);
    snprintf(f->host, sizeof f->host, "%s", host);
    f->value = most;
    verdict_advise(f,
                   "Without that host no majority can elect new masters. Even it out: redis-cli "
                   "-h %s -p %s CLUSTER FAILOVER",
                   promote->host, strrchr(promote->address, ':') + 1);
}

/* --- clients --- */

static void find_unread(struct stats *s, const struct verdict_rule *rule)
{
    for (uint32_t i = 0; i < s->noutput; i++) {
        const struct survey_client *client = &s->by_output[i];
        double held = (double)client->output;
        double limit = client->subscribed ? (double)s->config->client_output_limit_pubsub
                                          : (double)s->config->client_output_limit;
        if (held < UNREAD_MOST && held < fmax(limit / 2, MEGABYTE))
            continue;
        bool named = *client->name;
        struct finding *f = verdict_add(
            s, rule, VERDICT_CLIENT, "client %s%s%s%s holds %.0f MB unread", client->address,
            named ? " (" : "", client->name, named ? ")" : "", held / MEGABYTE);
        f->client = client->id;
        f->value = held;
        verdict_advise(f,
                       "It %s than it reads. Beyond client-output-limit%s (%.1f MB) it is closed.",
                       client->subscribed ? "is sent more messages" : "asks for more",
                       client->subscribed ? "-pubsub" : "", limit / MEGABYTE);
    }
}

static void find_errors(struct stats *s, const struct verdict_rule *rule)
{
    double errors = s->now[NOW_errors_rate], all = s->now[NOW_requests_rate];
    if (errors < ERRORS_LEAST || errors < ERRORS_SHARE * all)
        return;
    struct finding *f = verdict_add(s, rule, VERDICT_PROXY, "%.0f%% of the replies are errors",
                                    all > errors ? 100 * errors / all : 100.0);
    f->value = errors;
    verdict_advise(f, "The commands' table says which ones.");
}

/* --- limits --- */

static void find_waiting(struct stats *s, const struct verdict_rule *rule)
{
    double waiting = s->now[NOW_waiting], limit = s->config->max_waiting_requests;
    if (limit == 0 || waiting < NEARLY_FULL * limit)
        return;
    char number[32], most[32];
    struct finding *f = verdict_add(s, rule, VERDICT_PROXY, "%s of at most %s requests wait",
                                    grouped(waiting, number), grouped(limit, most));
    f->value = waiting;
    verdict_advise(f, "Further ones get an error: max-waiting-requests.");
}

static void find_clients(struct stats *s, const struct verdict_rule *rule)
{
    double limit = s->config->maxclients;
    if (s->now[NOW_clients] < NEARLY_FULL * limit)
        return;
    char number[32], most[32];
    struct finding *f = verdict_add(s, rule, VERDICT_PROXY, "%s of at most %s clients",
                                    grouped(s->now[NOW_clients], number), grouped(limit, most));
    f->value = s->now[NOW_clients];
    verdict_advise(f, "Further ones are refused: maxclients, and the limit on open files.");
}

static void find_stuck(struct stats *s, const struct verdict_rule *rule)
{
    for (uint32_t i = 0; i < s->nworkers; i++) {
        if (s->workers[i].stuck <= 0)
            continue;
        struct finding *f = verdict_add(s, rule, VERDICT_PROXY, "worker %u is stuck", i);
        f->value = s->workers[i].stuck;
        f->first = (int)i; /* tells several apart */
        verdict_advise(f, "Please report it, with a stack trace of the process.");
    }
}

static void find_draining(struct stats *s, const struct verdict_rule *rule)
{
    if (s->draining)
        verdict_advise(verdict_add(s, rule, VERDICT_PROXY, "slotway takes no new clients"),
                       "It is being drained or stops.");
}

static void find_default_password(struct stats *s, const struct verdict_rule *rule)
{
    if (strcmp(s->config->stats_password, "admin") != 0)
        return;
    struct finding *f = verdict_add(s, rule, VERDICT_PROXY,
                                    "the password of this page is the default one");
    f->since = s->started;
    verdict_advise(f, "Set stats-password in slotway.conf. Until then only this host is served.");
}

/* Of findings of one severity those of the upper rules are told first. */
const struct verdict_rule verdict_rules[] = {
    {"no-cluster", VERDICT_CRITICAL, 1, find_no_cluster, "no node has answered yet"},
    {"slots-uncovered", VERDICT_CRITICAL, 0, find_uncovered, "slots have no living master"},
    {"worker-stuck", VERDICT_CRITICAL, 0, find_stuck,
     "a worker's loop has not turned for a second"},
    {"waiting-full", VERDICT_CRITICAL, 0, find_waiting, "nine tenths of max-waiting-requests wait"},
    {"node-down", VERDICT_CRITICAL, 0, find_down,
     "a node does not answer (a warning for one without slots)"},
    {"clients-full", VERDICT_WARNING, 0, find_clients, "nine tenths of maxclients are connected"},
    {"errors", VERDICT_WARNING, 2, find_errors, "one reply in ten is an error"},
    {"node-state", VERDICT_WARNING, 1, find_states,
     "a node is suspected, loading, busy with a script, or too far behind its master"},
    {"node-slow", VERDICT_WARNING, 3, find_slow,
     "a node takes five times as long as its peers, and half a millisecond longer"},
    {"node-memory", VERDICT_WARNING, 0, find_memory, "a node uses nine tenths of its maxmemory"},
    {"client-unread", VERDICT_WARNING, 0, find_unread,
     "a client leaves 64 MB, or half of its limit, unread"},
    {"no-replica", VERDICT_WARNING, 1, find_no_replica,
     "a master with slots has no living replica"},
    {"masters-on-one-host", VERDICT_WARNING, 0, find_one_host,
     "more than half of the masters are on one host, though a failover could even it out"},
    {"draining", VERDICT_WARNING, 0, find_draining, "slotway takes no new clients"},
    {"default-password", VERDICT_WARNING, 0, find_default_password,
     "stats-password is still the default one"},
};
const size_t verdict_rule_count = sizeof verdict_rules / sizeof verdict_rules[0];
