/* summary: the verdict and the nodes as text, for terminals and browsers without JavaScript. */
#include "http/summary.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "3 s", "12 min", "5 h", "3 d". */
static void summary_age(double seconds, char out[32])
{
    static const struct {
        double from;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (seconds >= 2 * units[i].from) {
            snprintf(out, 32, "%.0f %s", seconds / units[i].from, units[i].unit);
            return;
        }
    snprintf(out, 32, "%.0f s", seconds > 0 ? seconds : 0);
}

static void summary_node(const struct stats_node *n, struct gather_part *out)
{
    gather_printf(out, "%-24s %-8s %-10s %6.0f %10.0f %9.0f %8.0f", n->address,
                  n->is_master ? "master" : "replica", stats_states[n->state], n->v[NODE_slots],
                  n->requests_rate, n->v[NODE_in_flight], n->v[NODE_waiting]);
    if (n->latency.p50 >= 0)
        gather_printf(out, " %9.3f %9.3f", n->latency.p50 / 1e3, n->latency.p99 / 1e3);
    gather_append(out, "\n", 1);
}

/* A node and its replicas, unless they have been shown. */
static void summary_shard(const struct stats *s, uint32_t at, bool *shown, struct gather_part *out)
{
    if (shown[at])
        return;
    shown[at] = true;
    summary_node(&s->nodes[at], out);
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (s->nodes[i].master == at && !shown[i]) {
            shown[i] = true;
            summary_node(&s->nodes[i], out);
        }
}

/* Masters in the order of their slots, each followed by its replicas; then the others. */
static void summary_nodes(const struct stats *s, struct gather_part *out)
{
    bool shown[TOPOLOGY_MAX_NODES] = {false};
    gather_printf(out, "\n%-24s %-8s %-10s %6s %10s %9s %8s %9s %9s\n", "node", "role", "state",
                  "slots", "requests/s", "in flight", "waiting", "p50 ms", "p99 ms");
    for (uint32_t slot = 0; s->topology && slot < SLOT_COUNT; slot++)
        if (s->topology->owner[slot] != TOPOLOGY_NO_NODE)
            summary_shard(s, s->topology->owner[slot], shown, out);
    for (uint32_t i = 0; i < s->nnodes; i++)
        if (s->nodes[i].is_master)
            summary_shard(s, i, shown, out);
    for (uint32_t i = 0; i < s->nnodes; i++)
        summary_shard(s, i, shown, out);
}

void summary_text(const struct stats *s, struct gather_part *out)
{
    char text[VERDICT_TEXT], age[32];
    verdict_text(s, text, sizeof text);
    summary_age(s->time - verdict_since(&s->verdict), age);
    gather_printf(out, "%s for %s: %s\n", verdict_severities[verdict_severity(&s->verdict)], age,
                  text);
    for (uint32_t i = 1; i < s->verdict.n && i < VERDICT_SHOWN; i++) {
        const struct finding *f = &s->verdict.findings[i];
        summary_age(s->time - f->since, age);
        gather_printf(out, "%s for %s: %s\n", verdict_severities[f->severity], age, f->text);
    }
    gather_printf(out,
                  "\nslotway " SLOTWAY_VERSION ": %.0f requests/s, %.0f errors/s, %.0f "
                  "clients, %.0f requests wait\n",
                  s->now[NOW_requests_rate], s->now[NOW_errors_rate], s->now[NOW_clients],
                  s->now[NOW_waiting]);
    summary_nodes(s, out);
}

static void summary_escape(const char *text, struct gather_part *out)
{
    static const char *const escapes[][2] = {
        {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}};
    for (; *text; text++) {
        const char *shown = NULL;
        for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
            if (*text == escapes[i][0][0])
                shown = escapes[i][1];
        gather_append(out, shown ? shown : text, shown ? strlen(shown) : 1);
    }
}

void summary_html(const struct stats *s, struct gather_part *out)
{
    char text[VERDICT_TEXT], age[32];
    const char *severity = verdict_severities[verdict_severity(&s->verdict)];
    verdict_text(s, text, sizeof text);
    summary_age(s->time - verdict_since(&s->verdict), age);
    struct gather_part plain = {0};
    gather_printf(out, "<p class=\"verdict %s\">%s: ", severity, severity);
    summary_escape(text, out);
    gather_printf(out, " (for %s)</p>\n<pre>", age);
    summary_text(s, &plain);
    gather_append(&plain, "", 1);
    summary_escape(plain.data, out);
    gather_printf(out, "</pre>");
    free(plain.data);
}
