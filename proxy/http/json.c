/* json: the statistics as JSON: the document and its general parts. */
#include "http/json.h"
#include "http/json_part.h"
#include <math.h>
#include <string.h>

#define JSON_SCHEMA 1 /* of the document: it grows when a field changes its meaning */

/* Digits of a number: enough for milliseconds since 1970. */
#define JSON_DIGITS 13

/* --- verdict, cluster, figures --- */

static json_t *json_where(const struct finding *f)
{
    json_t *o = json_object();
    json_put_text(o, "kind", verdict_wheres[f->where]);
    json_put(o, "node", *f->node ? json_text(f->node) : json_null());
    json_put(o, "host", *f->host ? json_text(f->host) : json_null());
    json_put(o, "client", f->client ? json_integer((json_int_t)f->client) : json_null());
    json_put(o, "first", f->where == VERDICT_SLOTS ? json_integer(f->first) : json_null());
    json_put(o, "last", f->where == VERDICT_SLOTS ? json_integer(f->last) : json_null());
    return o;
}

static json_t *json_finding(const struct finding *f)
{
    json_t *o = json_object();
    json_put_text(o, "rule", f->rule);
    json_put_text(o, "severity", verdict_severities[f->severity]);
    json_put_text(o, "text", f->text);
    json_put_text(o, "advice", f->advice);
    json_put(o, "since", json_time(f->since));
    json_put(o, "where", json_where(f));
    json_put_number(o, "value", f->value);
    return o;
}

static json_t *json_verdict(const struct stats *s)
{
    json_t *o = json_object(), *list = json_array();
    char text[VERDICT_TEXT];
    verdict_text(s, text, sizeof text);
    json_put_text(o, "severity", verdict_severities[verdict_severity(&s->verdict)]);
    json_put_text(o, "text", text);
    json_put(o, "since", json_time(verdict_since(&s->verdict)));
    json_put_number(o, "findings_total", s->verdict.n);
    for (uint32_t i = 0; i < s->verdict.n && i < VERDICT_SHOWN; i++)
        json_put(list, NULL, json_finding(&s->verdict.findings[i]));
    json_put(o, "findings", list);
    return o;
}

static json_t *json_versions(const struct stats *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->nnodes && json_array_size(list) < 8; i++) {
        bool known = !*s->nodes[i].version;
        for (uint32_t j = 0; j < i && !known; j++)
            known = strcmp(s->nodes[i].version, s->nodes[j].version) == 0;
        if (!known)
            json_put(list, NULL, json_text(s->nodes[i].version));
    }
    return list;
}

static json_t *json_cluster(const struct stats *s)
{
    const struct topology *t = s->topology;
    json_t *o = json_object();
    uint32_t masters = 0, replicas = 0, covered = SLOT_COUNT - stats_uncovered(s);
    for (uint32_t i = 0; i < s->nnodes; i++) {
        masters += s->nodes[i].is_master && s->nodes[i].state != STATS_DRAIN;
        replicas += !s->nodes[i].is_master && s->nodes[i].state != STATS_DRAIN;
    }
    json_put_text(o, "state",
                  !t                      ? "unknown"
                  : covered == SLOT_COUNT ? "ok"
                  : covered               ? "degraded"
                                          : "down");
    json_put_number(o, "epoch", t ? (double)t->epoch : 0);
    json_put_number(o, "map_version", t ? (double)t->version : 0);
    json_put(o, "changed", json_time(s->map_changed));
    json_put_number(o, "slots_covered", covered);
    json_put_number(o, "masters", masters);
    json_put_number(o, "replicas", replicas);
    json_put_number(o, "nodes", t ? t->nnodes : 0);
    json_put(o, "versions", json_versions(s));
    return o;
}

static json_t *json_now(const struct stats *s)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < NOW_COUNT; i++)
        json_put_number(o, figures_now[i].name, s->now[i]);
    return o;
}

static json_t *json_minute(const struct stats *s)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < NOW_COUNT; i++)
        json_put_number(o, figures_now[i].name, (double)s->history.last_minute[i]);
    return o;
}

static json_t *json_totals(const struct stats *s)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        json_put_number(o, counter_info[i].name, (double)s->counters[i]);
    for (unsigned i = 0; i < TOTAL_COUNT; i++)
        json_put_number(o, figures_total[i].name, (double)s->totals[i]);
    return o;
}

static json_t *json_ring(const struct history_ring *ring, double step)
{
    json_t *o = json_object(), *series = json_object();
    for (unsigned i = 0; i < NOW_COUNT; i++) {
        json_t *list = json_array();
        for (uint32_t j = 0; j < ring->n; j++) {
            double value = (double)history_at(ring, j, i);
            json_put(list, NULL, json_number(value > 100 ? round(value) : value));
        }
        json_put(series, figures_now[i].name, list);
    }
    json_put_number(o, "step_s", step);
    json_put(o, "newest", json_time(floor(ring->newest)));
    json_put(o, "series", series);
    return o;
}

static json_t *json_history(const struct stats *s)
{
    json_t *o = json_object();
    json_put(o, "second", json_ring(&s->history.second, 1));
    json_put(o, "minute", json_ring(&s->history.minute, 60));
    return o;
}

static json_t *json_figures(const struct stats *s)
{
    (void)s;
    json_t *list = json_array();
    for (size_t i = 0; i < figure_count; i++) {
        json_t *o = json_object();
        json_put_text(o, "scope", figures[i].scope);
        json_put_text(o, "name", figures[i].name);
        json_put_text(o, "kind", figures[i].kind);
        json_put_text(o, "unit", figures[i].unit);
        json_put_text(o, "help", figures[i].help);
        json_put(list, NULL, o);
    }
    return list;
}

/* --- events --- */

static json_t *json_events(const struct stats *s, uint64_t changed)
{
    json_t *o = json_object(), *list = json_array();
    for (uint32_t i = 0; i < s->nevents; i++) {
        const struct event *e = &s->events[i];
        if (e->changed <= changed)
            continue;
        json_t *event = json_object();
        json_put_number(event, "id", (double)e->id);
        json_put(event, "at", json_time(e->at));
        json_put_text(event, "severity", event_severities[e->severity]);
        json_put_text(event, "kind", event_kinds[e->kind]);
        json_put_text(event, "text", e->text);
        json_put_number(event, "count", e->count);
        json_put(list, NULL, event);
    }
    json_put_number(o, "total", (double)s->totals[TOTAL_events]);
    json_put(o, "list", list);
    return o;
}

/* --- the document --- */

/* Its parts, in their order. */
static const struct {
    const char *name;
    json_t *(*make)(const struct stats *s);
    bool fixed; /* only in the whole document: it changes seldom, or is followed by what is told */
} json_parts[] = {
    {"verdict", json_verdict, false},
    {"cluster", json_cluster, false},
    {"now", json_now, false},
    {"totals", json_totals, false},
    {"slots", json_slots, false},
    {"shards", json_shards, false},
    {"nodes", json_nodes, false},
    {"commands", json_commands, false},
    {"clients", json_clients, false},
    {"slowlog", json_slowlog, false},
    {"hot_keys", json_hot_keys, false},
    {"big_values", json_big_values, false},
    {"cross_slot", json_cross_slot, false},
    {"workers", json_workers, false},
    {"proxy", json_proxy, false},
    {"actions", json_actions, false},
    {"history", json_history, true},
    {"config", json_config, true},
    {"figures", json_figures, true},
};

static json_t *json_document(const struct stats *s, uint64_t events, bool whole)
{
    json_t *o = json_object();
    json_put_number(o, "schema", JSON_SCHEMA);
    json_put(o, "time", json_time(s->time));
    json_put_number(o, "sequence", (double)s->sequence);
    json_put(o, "events", json_events(s, events));
    for (size_t i = 0; i < sizeof json_parts / sizeof json_parts[0]; i++)
        if (whole || !json_parts[i].fixed)
            json_put(o, json_parts[i].name, json_parts[i].make(s));
    return o;
}

static char *json_write(json_t *o, size_t *len)
{
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(JSON_DIGITS));
    json_decref(o);
    *len = text ? strlen(text) : 0;
    return text;
}

char *json_all(const struct stats *s, size_t *len)
{
    return json_write(json_document(s, 0, true), len);
}

char *json_snapshot(const struct stats *s, uint64_t events, size_t *len)
{
    json_t *o = json_document(s, events, false);
    json_put(o, "second", json_time(floor(s->history.second.newest)));
    if (s->minute_complete)
        json_put(o, "minute", json_minute(s));
    return json_write(o, len);
}
