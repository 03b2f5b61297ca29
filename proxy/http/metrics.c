/* metrics: the statistics in Prometheus' text format (exposition format 0.0.4), named by its
 * conventions: base units (seconds, bytes), _total on counters. Names follow from those of the
 * figures, so that they are declared once. */
#include "http/metrics.h"
#include "base/memory.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METRICS_NAME 96

/* How a figure's name changes, so that its unit is Prometheus'. The first that fits is applied. */
static const struct {
    const char *from;
    const char *to;
    double scale;
} metrics_names[] = {
    {"bytes_in", "received_bytes", 1},
    {"bytes_out", "sent_bytes", 1},
    {"_ms", "_seconds", 1e-3},
    {"_us", "_seconds", 1e-6},
};

/* Upper bounds of the buckets, µs: ends of buckets of struct histogram. */
static const uint32_t metrics_bounds[] = {64,     128,     256,     512,     1024,  2048,
                                          4096,   8192,    16384,   32768,   65536, 131072,
                                          262144, 1048576, 4194304, 16777216};

/* "slotway_" PREFIX NAME, "_total" behind a counter's. Returns by what to multiply. */
static double metrics_name(const char *prefix, const struct figure *figure, char out[METRICS_NAME])
{
    double scale = 1;
    char name[METRICS_NAME];
    snprintf(name, sizeof name, "%s", figure->name);
    for (size_t i = 0; i < sizeof metrics_names / sizeof metrics_names[0]; i++) {
        const char *at = strstr(figure->name, metrics_names[i].from);
        if (!at || at[strlen(metrics_names[i].from)] != '\0')
            continue;
        snprintf(name, sizeof name, "%.*s%s", (int)(at - figure->name), figure->name,
                 metrics_names[i].to);
        scale = metrics_names[i].scale;
        break;
    }
    snprintf(out, METRICS_NAME, "slotway_%.16s%.64s%s", prefix, name,
             strcmp(figure->kind, "counter") == 0 ? "_total" : "");
    return scale;
}

static void metrics_head(struct gather_part *out, const char *name, const char *type,
                         const char *help)
{
    gather_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void metrics_one(struct gather_part *out, const char *name, const char *type,
                        const char *help, double value)
{
    metrics_head(out, name, type, help);
    gather_printf(out, "%s %.15g\n", name, value);
}

/* --- slotway itself --- */

static void metrics_process(const struct stats *s, struct gather_part *out)
{
    metrics_head(out, "slotway_info", "gauge", "slotway's version");
    gather_printf(out, "slotway_info{version=\"" SLOTWAY_VERSION "\"} 1\n");
    metrics_one(out, "process_start_time_seconds", "gauge", "start of the process since 1970",
                s->started);
    metrics_one(out, "process_cpu_seconds_total", "counter", "processor time of the process",
                s->cpu_seconds);
    metrics_one(out, "process_resident_memory_bytes", "gauge", "resident memory of the process",
                s->now[NOW_memory_bytes]);
    metrics_one(out, "process_open_fds", "gauge", "open files of the process",
                (double)s->descriptors);
    metrics_one(out, "process_max_fds", "gauge", "open files that the process may have",
                (double)s->descriptors_limit);
    metrics_one(out, "slotway_draining", "gauge", "slotway takes no new clients", s->draining);
}

static void metrics_figure(struct gather_part *out, const struct figure *figure, double value)
{
    char name[METRICS_NAME];
    double scale = metrics_name("", figure, name);
    metrics_one(out, name, figure->kind, figure->help, value * scale);
}

static void metrics_totals(const struct stats *s, struct gather_part *out)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        const struct counter_info *info = &counter_info[i];
        const struct figure figure = {"total", info->name,
                                      info->kind == COUNTER_KIND_counter ? "counter" : "gauge",
                                      info->unit, info->help};
        if (strncmp(info->name, "node_", 5) != 0) /* each node has its own, below */
            metrics_figure(out, &figure, (double)s->counters[i]);
    }
    for (unsigned i = 0; i < TOTAL_COUNT; i++)
        metrics_figure(out, &figures_total[i], (double)s->totals[i]);
    metrics_figure(out, &figures_now[NOW_waiting_oldest_ms], s->now[NOW_waiting_oldest_ms]);
    metrics_figure(out, &figures_now[NOW_in_flight], s->now[NOW_in_flight]);
}

/* --- the verdict --- */

/* What a rule finds may be less bad than it mostly is: verdict_rules.c. */
static uint32_t metrics_count(const struct verdict *v, const struct verdict_rule *rule,
                              enum verdict_severity severity)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < v->n; i++)
        n += v->findings[i].rule == rule->name && v->findings[i].severity == severity;
    return n;
}

static void metrics_verdict(const struct stats *s, struct gather_part *out)
{
    const struct verdict *v = &s->verdict;
    uint32_t covered = SLOT_COUNT - stats_uncovered(s);
    metrics_one(out, "slotway_slots_covered", "gauge", "slots that have a living master", covered);
    metrics_one(out, "slotway_verdict_severity", "gauge",
                "what is wrong at worst: 0 nothing, 1 a warning, 2 something critical",
                verdict_severity(v));
    metrics_head(out, "slotway_findings", "gauge", "what each rule of the verdict has found");
    for (size_t i = 0; i < verdict_rule_count; i++)
        for (int severity = VERDICT_WARNING; severity <= VERDICT_CRITICAL; severity++)
            gather_printf(out, "slotway_findings{rule=\"%s\",severity=\"%s\"} %u\n",
                          verdict_rules[i].name, verdict_severities[severity],
                          metrics_count(v, &verdict_rules[i], (enum verdict_severity)severity));
}

/* --- nodes --- */

static void metrics_node_value(struct gather_part *out, const char *name,
                               const struct stats_node *node, double value)
{
    if (value > STATS_UNKNOWN)
        gather_printf(out, "%s{node=\"%s\"} %.15g\n", name, node->address, value);
}

static void metrics_nodes(const struct stats_node *const *nodes, uint32_t n,
                          struct gather_part *out)
{
    char name[METRICS_NAME];
    for (unsigned i = 0; i < NODE_latency; i++) {
        double scale = metrics_name("node_", &figures_node[i], name);
        metrics_head(out, name, figures_node[i].kind, figures_node[i].help);
        for (uint32_t j = 0; j < n; j++)
            if (nodes[j]->v[i] > STATS_UNKNOWN)
                metrics_node_value(out, name, nodes[j], nodes[j]->v[i] * scale);
    }
    for (unsigned i = 0; i < WATCH_COUNT; i++) {
        metrics_name("node_", &figures_watch[i], name);
        metrics_head(out, name, "counter", figures_watch[i].help);
        for (uint32_t j = 0; j < n; j++)
            metrics_node_value(out, name, nodes[j], (double)nodes[j]->count[i]);
    }
    metrics_head(out, "slotway_node_info", "gauge", "id, role, state and version of the node");
    for (uint32_t j = 0; j < n; j++) {
        const struct stats_node *node = nodes[j];
        gather_printf(out,
                      "slotway_node_info{node=\"%s\",id=\"%s\",role=\"%s\",state=\"%s\","
                      "version=\"%s\"} 1\n",
                      node->address, node->id, node->is_master ? "master" : "replica",
                      stats_states[node->state], node->version);
    }
}

/* --- histograms --- */

/* labels: `node="…",` or "". */
static void metrics_histogram(struct gather_part *out, const char *name, const char *labels,
                              const struct histogram *h)
{
    uint64_t n = histogram_count(h);
    for (size_t i = 0; i < sizeof metrics_bounds / sizeof metrics_bounds[0]; i++)
        gather_printf(out, "%s_bucket{%sle=\"%.15g\"} %llu\n", name, labels,
                      metrics_bounds[i] / 1e6,
                      (unsigned long long)histogram_below(h, metrics_bounds[i]));
    gather_printf(out, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, labels, (unsigned long long)n);
    size_t len = strlen(labels);
    int shown = len ? (int)len - 1 : 0; /* without the comma */
    gather_printf(out, len ? "%s_sum{%.*s} %.9g\n" : "%s_sum%.*s %.9g\n", name, shown, labels,
                  histogram_total(h) / 1e6);
    gather_printf(out, len ? "%s_count{%.*s} %llu\n" : "%s_count%.*s %llu\n", name, shown, labels,
                  (unsigned long long)n);
}

static void metrics_latencies(const struct stats *s, const struct stats_node *const *nodes,
                              uint32_t n, struct gather_part *out)
{
    static const char inside[] = "slotway_inside_seconds";
    static const char node[] = "slotway_node_request_seconds";
    char labels[400];
    metrics_head(out, inside, "histogram",
                 "time of requests in slotway, on the way to a node and on the way back");
    metrics_histogram(out, inside, "", &s->inside);
    metrics_head(out, node, "histogram",
                 "time from sending a request to a node until its reply, by family of commands");
    for (uint32_t i = 0; i < n; i++)
        for (unsigned j = 0; j < COMMAND_STAT_FAMILIES; j++) {
            const struct histogram *h = &nodes[i]->families[j];
            if (histogram_count(h) == 0)
                continue;
            snprintf(labels, sizeof labels, "node=\"%s\",family=\"%s\",", nodes[i]->address,
                     command_stat_families[j]);
            metrics_histogram(out, node, labels, h);
        }
}

/* --- commands and workers --- */

static void metrics_commands(const struct stats *s, struct gather_part *out)
{
    metrics_head(out, "slotway_command_calls_total", "counter", "requests of clients, by command");
    for (uint32_t i = 0; i < s->ncommands; i++)
        gather_printf(out, "slotway_command_calls_total{command=\"%s\"} %llu\n",
                      s->commands[i].name, (unsigned long long)s->commands[i].calls);
    metrics_head(out, "slotway_command_errors_total", "counter",
                 "error replies of nodes, by command");
    for (uint32_t i = 0; i < s->ncommands; i++)
        gather_printf(out, "slotway_command_errors_total{command=\"%s\"} %llu\n",
                      s->commands[i].name, (unsigned long long)s->commands[i].errors);
}

static void metrics_workers(const struct stats *s, struct gather_part *out)
{
    char name[METRICS_NAME];
    for (unsigned j = 0; j < WORKER_COUNT; j++) {
        if (j == WORKER_load || j == WORKER_requests_rate)
            continue; /* rates are Prometheus' business */
        double scale = metrics_name("worker_", &figures_worker[j], name);
        metrics_head(out, name, figures_worker[j].kind, figures_worker[j].help);
        for (uint32_t i = 0; i < s->nworkers; i++)
            if (s->workers[i].v[j] > STATS_UNKNOWN)
                gather_printf(out, "%s{worker=\"%u\"} %.15g\n", name, i,
                              s->workers[i].v[j] * scale);
    }
    metrics_head(out, "slotway_worker_cpu_seconds_total", "counter",
                 "processor time of the thread");
    for (uint32_t i = 0; i < s->nworkers; i++)
        gather_printf(out, "slotway_worker_cpu_seconds_total{worker=\"%u\"} %.6f\n", i,
                      s->workers[i].cpu_seconds);
}

void metrics_write(const struct stats *s, struct gather_part *out)
{
    const struct stats_node **nodes = memory_alloc((s->nnodes + 1) * sizeof *nodes);
    uint32_t n = stats_by_address(s, nodes);
    metrics_process(s, out);
    metrics_totals(s, out);
    metrics_verdict(s, out);
    metrics_nodes(nodes, n, out);
    metrics_latencies(s, nodes, n, out);
    metrics_commands(s, out);
    metrics_workers(s, out);
    free(nodes);
}
