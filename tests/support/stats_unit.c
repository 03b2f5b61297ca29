/* stats_unit: figures of a made-up cluster in which every list has all that it can have. */
#include "support/stats_unit.h"
#include "resp/command.h"
#include <stdio.h>
#include <string.h>

struct stats *s;

void stats_fill(unsigned masters)
{
    s = world_new(masters, "stats-password sesame");
    for (unsigned i = 0; i < s->nnodes; i++) {
        s->nodes[i].requests_rate = 12345.678;
        s->nodes[i].latency = (struct stats_latency){123.4, 567.8, 9012.3};
        histogram_add(&s->nodes[i].histogram, 100, 1000);
        for (unsigned f = 0; f < COMMAND_STAT_FAMILIES; f++)
            histogram_add(&s->nodes[i].families[f], 100 << f, 1000);
        for (unsigned j = 0; j < NODE_memory_used_bytes; j++)
            s->nodes[i].v[j] = j == NODE_requests ? 123456789 : 17;
    }
    for (unsigned i = 0; i < NOW_COUNT; i++)
        s->now[i] = 12345.6789 + i;
    command_builtin();
    while (s->ncommands < 300 && command_stat_name(s->ncommands)) {
        struct stats_command *command = &s->commands[s->ncommands];
        command->name = command_stat_name(s->ncommands++);
        command->calls = 1000;
        command->latency = (struct stats_latency){100, 200, 300};
    }
}

void stats_fill_lists(void)
{
    for (unsigned i = 0; i < STATS_CLIENTS; i++) {
        struct survey_client *client = &s->by_rate[i];
        client->id = i + 1;
        client->rate = 1000.0 - i;
        client->command = "get";
        snprintf(client->address, sizeof client->address, "10.9.8.%u:50000", i);
        memset(client->name, 'n', sizeof client->name - 1);
        memset(client->library, 'l', sizeof client->library - 1);
        s->by_output[i] = *client;
    }
    s->nrate = s->noutput = STATS_CLIENTS;
    for (unsigned i = 0; i < STATS_SLOW; i++)
        memset(s->slow[i].command, '"', SURVEY_COMMAND - 1);
    s->nslow = STATS_SLOW;
    for (unsigned i = 0; i < STATS_BIG; i++)
        memset(s->big[i].seen.key, '\\', WATCH_TEXT - 1);
    s->nbig = STATS_BIG;
    for (unsigned i = 0; i < STATS_CROSS; i++)
        memset(s->cross[i].seen.command, 'c', WATCH_TEXT - 1);
    s->ncross = STATS_CROSS;
    for (unsigned i = 0; i < EVENT_KEPT; i++)
        memset(s->events[i].text, 'e', EVENT_TEXT - 1);
    s->nevents = EVENT_KEPT;
    for (unsigned i = 0; i < STATS_KEYS; i++)
        snprintf(s->by_count[i].key, sizeof s->by_count[i].key, "key:%u", i);
    s->ncount = STATS_KEYS;
    memcpy(s->by_bytes, s->by_count, sizeof s->by_bytes);
    s->nbytes = STATS_KEYS;
}

void stats_begin(void)
{
    stats_fill(3);
    stats_fill_lists();
    world_tick(s);
}

void stats_end(void)
{
    world_free(s);
}
