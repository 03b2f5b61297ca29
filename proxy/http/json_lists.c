/* json_lists: commands, clients, slow requests, keys, large values and refusals as JSON. */
#include "http/json_part.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define JSON_COMMANDS 100

json_t *json_commands(const struct stats *s)
{
    json_t *o = json_object(), *list = json_array();
    for (uint32_t i = 0; i < s->ncommands && i < JSON_COMMANDS; i++) {
        const struct stats_command *command = &s->commands[i];
        json_t *one = json_object();
        json_put_text(one, "name", command->name);
        json_put_number(one, "calls", (double)command->calls);
        json_put_number(one, "calls_rate", command->calls_rate);
        json_put_number(one, "errors", (double)command->errors);
        json_put(one, "latency", json_latency(&command->latency));
        json_put(list, NULL, one);
    }
    json_put_number(o, "total", s->ncommands);
    json_put(o, "list", list);
    return o;
}

/* --- clients --- */

static json_t *json_client(const struct survey_client *client)
{
    json_t *o = json_object();
    json_put_number(o, "id", (double)client->id);
    json_put_text(o, "address", client->address);
    json_put_text(o, "name", client->name);
    json_put_text(o, "library", client->library);
    json_put_number(o, "age_s", (double)client->age);
    json_put_number(o, "idle_s", (double)client->idle);
    json_put_number(o, "rate", round(client->rate * 10) / 10);
    json_put_number(o, "requests", (double)client->commands);
    json_put_number(o, "in_flight", client->in_flight);
    json_put_number(o, "output_bytes", (double)client->output);
    json_put_number(o, "input_bytes", (double)client->input);
    json_put_text(o, "command", client->command ? client->command : "");
    json_put_number(o, "waiting", client->waiting);
    return o;
}

static json_t *json_client_list(const struct survey_client *clients, uint32_t n)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++)
        json_put(list, NULL, json_client(&clients[i]));
    return list;
}

json_t *json_clients(const struct stats *s)
{
    json_t *o = json_object();
    json_put_number(o, "total", s->now[NOW_clients]);
    json_put(o, "by_output", json_client_list(s->by_output, s->noutput));
    json_put(o, "by_rate", json_client_list(s->by_rate, s->nrate));
    return o;
}

/* --- slow requests --- */

json_t *json_slowlog(const struct stats *s)
{
    json_t *o = json_object(), *list = json_array();
    for (uint32_t i = 0; i < s->nslow; i++) {
        const struct survey_slow *slow = &s->slow[i];
        json_t *one = json_object();
        json_put_number(one, "id", (double)slow->id);
        json_put(one, "at", json_time((double)slow->at));
        json_put_text(one, "command", slow->command);
        json_put_number(one, "duration_us", (double)slow->total);
        json_put_number(one, "inside_us", (double)slow->inside);
        json_put_number(one, "node_us", (double)(slow->total - slow->inside));
        json_put(one, "node", json_node_id(s, slow->node));
        json_put_text(one, "client", slow->client);
        json_put_text(one, "name", slow->name);
        json_put(list, NULL, one);
    }
    json_put_number(o, "total", (double)s->slow_total);
    json_put(o, "list", list);
    return o;
}

/* --- keys and values --- */

static json_t *json_keys(const struct stats *s, const struct stats_key *keys, uint32_t n,
                         const char *unit)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_t *o = json_object();
        json_put_text(o, "key", keys[i].key);
        json_put_number(o, "slot", keys[i].slot);
        json_put(o, "node", json_node_id(s, keys[i].node));
        json_put_number(o, unit, round(keys[i].rate * 10) / 10);
        json_put_number(o, "share", keys[i].share);
        json_put(list, NULL, o);
    }
    return list;
}

json_t *json_hot_keys(const struct stats *s)
{
    json_t *o = json_object();
    json_put_number(o, "sampled", (double)s->sampled);
    json_put_number(o, "window_s", round(1 / (1 - (double)WATCH_FADE)));
    json_put(o, "by_rate", json_keys(s, s->by_count, s->ncount, "rate"));
    json_put(o, "by_bytes", json_keys(s, s->by_bytes, s->nbytes, "bytes_rate"));
    return o;
}

json_t *json_big_values(const struct stats *s)
{
    json_t *o = json_object(), *list = json_array();
    for (uint32_t i = 0; i < s->nbig; i++) {
        const struct watch_sighting *seen = &s->big[i].seen;
        json_t *one = json_object();
        char name[WATCH_TEXT];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(seen->command, " "), seen->command);
        json_put(one, "at", json_time((double)seen->at));
        json_put_text(one, "key", seen->key);
        json_put_text(one, "command", name);
        json_put_number(one, "bytes", (double)seen->bytes);
        json_put_text(one, "direction", seen->what == WATCH_BIG_REPLY ? "reply" : "request");
        json_put(one, "node", json_node_id(s, seen->node));
        json_put_text(one, "client", seen->client);
        json_put(list, NULL, one);
    }
    json_put_number(o, "total", (double)s->big_total);
    json_put(o, "list", list);
    return o;
}

/* --- refusals --- */

json_t *json_cross_slot(const struct stats *s)
{
    json_t *o = json_object(), *list = json_array();
    for (uint32_t i = 0; i < s->ncross; i++) {
        const struct watch_sighting *seen = &s->cross[i].seen;
        json_t *one = json_object();
        char advice[WATCH_TEXT * 2];
        snprintf(advice, sizeof advice,
                 "Keys of one command must be in one slot: give them one hash tag, as in {x}%.*s.",
                 40, *seen->key ? seen->key : "key");
        json_put(one, "at", json_time((double)seen->at));
        json_put_number(one, "count", s->cross[i].count);
        json_put_text(one, "client", seen->client);
        json_put_text(one, "name", seen->name);
        json_put_text(one, "command", seen->command);
        json_put_text(one, "advice", advice);
        json_put(list, NULL, one);
    }
    json_put_number(o, "total", (double)s->counters[COUNTER_crossslot]);
    json_put_number(o, "split", (double)s->counters[COUNTER_splits]);
    json_put(o, "list", list);
    return o;
}
