/* json_lists_test: commands, clients, slow requests, keys, large values and refusals as JSON. */
#include "http/json_part.h"
#include "support/json_unit.h"
#include "support/stats_unit.h"
#include <stdio.h>
#include <string.h>

static json_t *made;

static void make(json_t *(*part)(const struct stats *s))
{
    json_decref(made);
    made = part(s);
}

static void set_up(void)
{
    s = world_new(3, "");
}

static void tear_down(void)
{
    json_decref(made);
    stats_end();
}

#define ID(n) "\"000000000000000000000000000000000000000" #n "\""

START_TEST(commands)
{
    s->ncommands = 150; /* more than are shown */
    for (uint32_t i = 0; i < s->ncommands; i++)
        s->commands[i] = (struct stats_command){"get", 10, 2, 1.5, {100, 200, 300}};
    s->commands[1].latency.p50 = STATS_UNKNOWN;
    make(json_commands);
    json_shows(made, "total", "150");
    ck_assert_uint_eq(json_array_size(json_find(made, "list")), 100);
    json_shows(made, "list.0",
               "{\"calls\": 10, \"calls_rate\": 1.5, \"errors\": 2, \"latency\": {\"p50_us\": 100, "
               "\"p999_us\": 300, \"p99_us\": 200}, \"name\": \"get\"}");
    json_shows(made, "list.1.latency", "null");
}
END_TEST

START_TEST(clients)
{
    struct survey_client *client = &s->by_rate[0];
    *client = (struct survey_client){.id = 1ull << 40,
                                     .commands = 2,
                                     .rate = 3.14159,
                                     .age = 4,
                                     .idle = 5,
                                     .output = 6,
                                     .input = 7,
                                     .in_flight = 8,
                                     .waiting = 9,
                                     .command = "get"};
    strcpy(client->address, "1.2.3.4:5");
    strcpy(client->name, "na\xffme");
    strcpy(client->library, "lib");
    s->nrate = 1;
    s->noutput = 2;
    s->by_output[1].id = 3;
    s->now[NOW_clients] = 12;
    make(json_clients);
    json_shows(made, "total", "12");
    json_shows(made, "by_rate",
               "[{\"address\": \"1.2.3.4:5\", \"age_s\": 4, \"command\": \"get\", \"id\": "
               "1099511627776, \"idle_s\": 5, \"in_flight\": 8, \"input_bytes\": 7, \"library\": "
               "\"lib\", \"name\": \"na?me\", \"output_bytes\": 6, \"rate\": 3.1, \"requests\": 2, "
               "\"waiting\": 9}]");
    ck_assert_uint_eq(json_array_size(json_find(made, "by_output")), 2);
    json_shows(made, "by_output.1.id", "3");
    json_shows(made, "by_output.1.command", "\"\""); /* it has not asked for anything yet */
}
END_TEST

START_TEST(slow_requests)
{
    s->slow_total = 500;
    s->nslow = 2;
    s->slow[0] = (struct survey_slow){.id = 9, .at = 77, .total = 1000, .inside = 400, .node = 1};
    strcpy(s->slow[0].command, "GET \"x\"");
    strcpy(s->slow[0].client, "1.2.3.4:5");
    strcpy(s->slow[0].name, "me");
    s->slow[1].node = TOPOLOGY_NO_NODE;
    make(json_slowlog);
    json_shows(made, "total", "500");
    json_shows(
        made, "list.0",
        "{\"at\": 77, \"client\": \"1.2.3.4:5\", \"command\": \"GET \\\"x\\\"\", "
        "\"duration_us\": 1000, \"id\": 9, \"inside_us\": 400, \"name\": \"me\", \"node\": " ID(
            2) ", \"node_us\": 600}");
    json_shows(made, "list.1.node", "null");
    json_shows(made, "list.1.at", "null");
}
END_TEST

START_TEST(hot_keys)
{
    s->sampled = 1000;
    s->ncount = s->nbytes = 1;
    s->by_count[0] = (struct stats_key){
        .key = "a", .slot = 15495, .node = 2, .rate = 12.34, .share = 0.12345};
    s->by_bytes[0] = (struct stats_key){.key = "b", .node = 999, .rate = 5, .share = 1};
    make(json_hot_keys);
    json_shows(made, "",
               "{\"by_bytes\": [{\"bytes_rate\": 5, \"key\": \"b\", \"node\": null, \"share\": 1, "
               "\"slot\": 0}], \"by_rate\": [{\"key\": \"a\", \"node\": " ID(
                   3) ", \"rate\": 12.3, \"share\": 0.123, \"slot\": 15495}], \"sampled\": 1000, "
                      "\"window_s\": 10}");
}
END_TEST

START_TEST(large_values)
{
    s->big_total = 300;
    s->nbig = 2;
    struct watch_sighting *seen = &s->big[0].seen;
    *seen = (struct watch_sighting){.at = 5, .what = WATCH_BIG_REPLY, .node = 0, .bytes = 1 << 20};
    strcpy(seen->key, "k");
    strcpy(seen->command, "GET k and more");
    strcpy(seen->client, "1.2.3.4:5");
    s->big[1].seen.what = WATCH_BIG_REQUEST;
    strcpy(s->big[1].seen.command, "SET");
    make(json_big_values);
    json_shows(made, "total", "300");
    json_shows(made, "list.0",
               "{\"at\": 5, \"bytes\": 1048576, \"client\": \"1.2.3.4:5\", \"command\": \"GET\", "
               "\"direction\": \"reply\", \"key\": \"k\", \"node\": " ID(1) "}");
    json_shows(made, "list.1.direction", "\"request\"");
    json_shows(made, "list.1.command", "\"SET\"");
}
END_TEST

START_TEST(refusals)
{
    s->counters[COUNTER_crossslot] = 40;
    s->counters[COUNTER_splits] = 50;
    s->ncross = 2;
    s->cross[0].count = 7;
    struct watch_sighting *seen = &s->cross[0].seen;
    *seen = (struct watch_sighting){.at = 5, .what = WATCH_CROSS_SLOT};
    strcpy(seen->key, "user:1");
    strcpy(seen->command, "RENAME user:1 b");
    strcpy(seen->client, "1.2.3.4:5");
    strcpy(seen->name, "me");
    make(json_cross_slot);
    json_shows(made, "total", "40");
    json_shows(made, "split", "50");
    json_shows(
        made, "list.0",
        "{\"advice\": \"Keys of one command must be in one slot: give them one hash tag, as "
        "in {x}user:1.\", \"at\": 5, \"client\": \"1.2.3.4:5\", \"command\": \"RENAME user:1 "
        "b\", \"count\": 7, \"name\": \"me\"}");
    json_shows(made, "list.1.advice",
               "\"Keys of one command must be in one slot: give them one hash tag, as in "
               "{x}key.\"");
    memset(seen->key, 'k', sizeof seen->key - 1);
    make(json_cross_slot);
    ck_assert_uint_le(strlen(json_string_value(json_find(made, "list.0.advice"))), 130);
}
END_TEST

UNIT_SUITE_WITH("json_lists", set_up, tear_down, {commands}, {clients}, {slow_requests}, {hot_keys},
                {large_values}, {refusals})
