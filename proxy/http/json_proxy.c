/* json_proxy: slotway itself as JSON: workers, the process, its configuration. */
#include "http/auth.h"
#include "http/json_part.h"
#include "version.h"
#include <unistd.h>

json_t *json_workers(const struct stats *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->nworkers; i++) {
        const struct stats_worker *w = &s->workers[i];
        json_t *o = json_object();
        json_put_number(o, "id", i);
        for (unsigned j = 0; j < WORKER_COUNT; j++)
            json_put_number(o, figures_worker[j].name, w->v[j]);
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

json_t *json_proxy(const struct stats *s)
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

json_t *json_actions(const struct stats *s)
{
    json_t *o = json_object();
    json_put(o, "allowed", json_boolean(*s->token != '\0'));
    json_put(o, "token", *s->token ? json_text(s->token) : json_null());
    return o;
}

json_t *json_config(const struct stats *s)
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
