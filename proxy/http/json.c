/* json: the statistics as JSON: the document and its general parts. */
#include "http/json.h"
#include "http/auth.h"
#include "http/json_part.h"
#include "version.h"
#include <math.h>
#include <string.h>
#include <unistd.h>

/* Digits of a number: enough for milliseconds since 1970. */
#define JSON_DIGITS 13

/* --- values --- */

void json_put(json_t *to, const char *name, json_t *value)
{
    if (name)
        json_object_set_new_nocheck(to, name, value);
    else
        json_array_append_new(to, value);
}

json_t *json_number(double value)
{
    if (value <= STATS_UNKNOWN || isnan(value))
        return json_null();
    if (value == floor(value) && value < 1e15)
        return json_integer((json_int_t)value);
    return json_real(round(value * 1000) / 1000);
}

json_t *json_time(double time)
{
    return time > 0 ? json_number(time) : json_null();
}

json_t *json_text(const char *text)
{
    char clean[512];
    json_t *value = json_string(text);
    size_t n = 0;
    if (value)
        return value;
    for (; n < sizeof clean - 1 && text[n]; n++)
        clean[n] = (unsigned char)text[n] < 0x80 ? text[n] : '?';
    clean[n] = '\0';
    return json_string_nocheck(clean);
}

void json_put_number(json_t *to, const char *name, double value)
{
    json_put(to, name, json_number(value));
}

void json_put_text(json_t *to, const char *name, const char *text)
{
    json_put(to, name, json_text(text));
}

json_t *json_latency(const struct stats_latency *latency)
{
    if (latency->p50 < 0)
        return json_null();
    json_t *o = json_object();
    json_put_number(o, "p50_us", round(latency->p50));
    json_put_number(o, "p99_us", round(latency->p99));
    json_put_number(o, "p999_us", round(latency->p999));
    return o;
}

json_t *json_node_id(const struct stats *s, uint16_t index)
{
    const struct stats_node *node = stats_node_at(s, index);
    return node ? json_text(node->id) : json_null();
}

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

static json_t *json_figures(void)
{
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

/* --- events, workers, slotway itself --- */

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

static json_t *json_workers(const struct stats *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->nworkers; i++) {
        const struct stats_worker *w = &s->workers[i];
        json_t *o = json_object();
        json_put_number(o, "id", i);
        json_put_number(o, "clients", (double)w->clients);
        json_put_number(o, "load", w->load);
        json_put_number(o, "requests_rate", w->requests_rate);
        json_put_number(o, "turn_p99_us", w->turn_p99);
        json_put_number(o, "in_flight", (double)w->in_flight);
        json_put_number(o, "waiting", (double)w->waiting);
        json_put_number(o, "chunks_bytes", (double)w->chunk_bytes);
        json_put_number(o, "backends", (double)w->backends);
        json_put(list, NULL, o);
    }
    return list;
}

static json_t *json_http(const struct stats *s)
{
    json_t *o = json_object();
    json_put_number(o, "connections", s->http_connections);
    json_put_number(o, "streams", s->http_streams);
    json_put_number(o, "requests", (double)s->totals[TOTAL_http_requests]);
    json_put_number(o, "refused", (double)s->totals[TOTAL_http_refused]);
    return o;
}

static json_t *json_proxy(const struct stats *s)
{
    json_t *o = json_object();
    json_put_text(o, "version", SLOTWAY_VERSION);
    json_put_text(o, "id", s->id);
    json_put_number(o, "pid", getpid());
    json_put_number(o, "uptime_s", s->time - s->started);
    json_put(o, "started", json_time(s->started));
    json_put_text(o, "state", s->draining ? "draining" : s->topology ? "running" : "starting");
    json_put_number(o, "threads", s->nworkers);
    json_put_number(o, "memory_bytes", s->now[NOW_memory_bytes]);
    json_put_number(o, "descriptors", (double)s->descriptors);
    json_put_number(o, "descriptors_limit", (double)s->descriptors_limit);
    json_put_number(o, "clients", s->now[NOW_clients]);
    json_put_number(o, "clients_limit", s->config->maxclients);
    json_put_number(o, "waiting_limit", s->config->max_waiting_requests);
    json_put_text(o, "config_file", config_file(s->config));
    json_put_number(o, "port", s->config->port);
    json_put_number(o, "commands_known", s->commands_known);
    json_put(o, "default_password", json_boolean(auth_is_default(s->config)));
    json_put(o, "http", json_http(s));
    return o;
}

static json_t *json_actions(const struct stats *s)
{
    json_t *o = json_object();
    json_put(o, "allowed", json_boolean(*s->token != '\0'));
    json_put(o, "token", *s->token ? json_text(s->token) : json_null());
    return o;
}

static json_t *json_config(const struct stats *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < config_count(); i++) {
        const struct config_directive *d = config_at(i);
        json_t *o = json_object();
        char source[CONFIG_SOURCE_LEN], *value = config_value(s->config, d);
        bool hidden = config_is_secret(d) && value && *value;
        config_source(s->config, d, source);
        json_put_text(o, "name", config_name(d));
        json_put_text(o, "value", hidden ? "********" : value ? value : "");
        json_put_text(o, "source", source);
        json_put(o, "runtime", json_boolean(config_is_runtime(d)));
        json_put_text(o, "section", config_section_of(d));
        json_put(list, NULL, o);
        free(value);
    }
    return list;
}

/* --- the document --- */

static json_t *json_document(const struct stats *s, uint64_t events)
{
    json_t *o = json_object();
    json_put_number(o, "schema", 1);
    json_put(o, "time", json_time(s->time));
    json_put_number(o, "sequence", (double)s->sequence);
    json_put(o, "verdict", json_verdict(s));
    json_put(o, "cluster", json_cluster(s));
    json_put(o, "now", json_now(s));
    json_put(o, "totals", json_totals(s));
    json_put(o, "slots", json_slots(s));
    json_put(o, "shards", json_shards(s));
    json_put(o, "nodes", json_nodes(s));
    json_put(o, "events", json_events(s, events));
    json_put(o, "commands", json_commands(s));
    json_put(o, "clients", json_clients(s));
    json_put(o, "slowlog", json_slowlog(s));
    json_put(o, "hot_keys", json_hot_keys(s));
    json_put(o, "big_values", json_big_values(s));
    json_put(o, "cross_slot", json_cross_slot(s));
    json_put(o, "workers", json_workers(s));
    json_put(o, "proxy", json_proxy(s));
    json_put(o, "actions", json_actions(s));
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
    json_t *o = json_document(s, 0);
    json_put(o, "history", json_history(s));
    json_put(o, "config", json_config(s));
    json_put(o, "figures", json_figures());
    return json_write(o, len);
}

char *json_snapshot(const struct stats *s, uint64_t events, size_t *len)
{
    json_t *o = json_document(s, events);
    if (s->minute_complete)
        json_put(o, "minute", json_minute(s));
    return json_write(o, len);
}
