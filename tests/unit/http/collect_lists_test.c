/* collect_lists_test: from what each of two workers holds to the lists of the page. The workers are
 * made up: all that is looked at are their surveys. */
#include "cluster/discovery_state.h"
#include "http/collector.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>

#define WORKERS 2

static struct process process;
static struct collector *c;
static struct stats *s;
static struct survey *surveys[WORKERS];

static void set_up(void)
{
    process.nworkers = WORKERS;
    c = collector_new(&process);
    s = collector_stats(c);
    s->sequence = 1000;
    collector_set_config(c, config_default());
    for (int i = 0; i < WORKERS; i++)
        surveys[i] = c->workers[i].survey;
}

static void tear_down(void)
{
    collector_free(c);
    process.discovery = NULL;
}

/* --- clients --- */

static void add_client(struct survey *survey, uint64_t id, uint64_t output, double rate)
{
    survey->by_output[survey->noutput].id = survey->by_rate[survey->nrate].id = id;
    survey->by_output[survey->noutput++].output = output;
    survey->by_rate[survey->nrate++].rate = rate;
}

START_TEST(the_greatest_clients_of_all_workers)
{
    for (unsigned i = 0; i < SURVEY_CLIENTS; i++)
        for (unsigned w = 0; w < WORKERS; w++)
            add_client(surveys[w], 2 * i + w, 1000 - (2 * i + w), 2 * i + w);
    collector_take_lists(c);
    ck_assert_uint_eq(s->noutput, STATS_CLIENTS);
    ck_assert_uint_eq(s->nrate, STATS_CLIENTS);
    for (unsigned i = 0; i < STATS_CLIENTS; i++) {
        ck_assert_uint_eq(s->by_output[i].id, i);
        ck_assert_uint_eq(s->by_rate[i].id, 2 * SURVEY_CLIENTS - 1 - i);
    }
    surveys[0]->noutput = surveys[1]->noutput = surveys[1]->nrate = 0;
    surveys[0]->nrate = 3;
    collector_take_lists(c);
    ck_assert_uint_eq(s->noutput, 0);
    ck_assert_uint_eq(s->nrate, 3);
}
END_TEST

START_TEST(a_worker_that_has_not_answered_is_left_out)
{
    for (unsigned w = 0; w < WORKERS; w++) {
        add_client(surveys[w], w, 5, 5);
        surveys[w]->in_flight = 3 + w;
        surveys[w]->waiting_nowhere = 10 + w;
        surveys[w]->waiting_oldest = 7000 - 1000 * w;
        surveys[w]->sampled = 100;
    }
    collector_take_lists(c);
    ck_assert_uint_eq(s->nrate, 2);
    ck_assert(s->now[NOW_in_flight] == 7 && s->now[NOW_waiting_oldest_ms] == 7);
    ck_assert(s->waiting_nowhere == 21 && s->sampled == 200);
    c->workers[0].asked = true;
    collector_take_lists(c);
    ck_assert_uint_eq(s->nrate, 1);
    ck_assert_uint_eq(s->by_rate[0].id, 1);
    ck_assert(s->now[NOW_in_flight] == 4 && s->now[NOW_waiting_oldest_ms] == 6);
    ck_assert(s->waiting_nowhere == 11 && s->sampled == 100);
    c->workers[1].asked = true;
    collector_take_lists(c);
    ck_assert(s->now[NOW_in_flight] == 0 && s->now[NOW_waiting_oldest_ms] == 0);
}
END_TEST

/* --- slow requests, sightings --- */

START_TEST(slow_requests_are_taken_once_and_kept)
{
    surveys[0]->nslow = 2;
    surveys[0]->slow[0].id = 5;
    surveys[0]->slow[1].id = 1;
    surveys[1]->nslow = 1;
    surveys[1]->slow[0].id = 3;
    for (int i = 0; i < 2; i++) {
        collector_take_lists(c);
        ck_assert_uint_eq(s->nslow, 3);
        ck_assert_uint_eq(s->slow_total, 3);
        ck_assert(s->slow[0].id == 5 && s->slow[1].id == 3 && s->slow[2].id == 1);
    }
    surveys[1]->nslow = SURVEY_SLOW;
    for (unsigned i = 0; i < SURVEY_SLOW; i++)
        surveys[1]->slow[i].id = 100 + i;
    collector_take_lists(c);
    ck_assert_uint_eq(s->nslow, STATS_SLOW);
    ck_assert_uint_eq(s->slow_total, 3 + SURVEY_SLOW);
    ck_assert_uint_eq(s->slow[0].id, 100 + SURVEY_SLOW - 1);
    ck_assert_uint_eq(s->slow[STATS_SLOW - 1].id, 100);
}
END_TEST

static void sees(unsigned worker, int what, const char *command, const char *client,
                 const char *name)
{
    struct watch_sighting *seen = &surveys[worker]->sightings[surveys[worker]->nsightings++];
    memset(seen, 0, sizeof *seen);
    seen->what = what;
    snprintf(seen->command, sizeof seen->command, "%s", command);
    snprintf(seen->client, sizeof seen->client, "%s", client);
    snprintf(seen->name, sizeof seen->name, "%s", name);
}

START_TEST(large_values_come_newest_first)
{
    char command[20];
    for (int i = 0; i < STATS_BIG + 5; i++) {
        snprintf(command, sizeof command, "GET %d", i);
        sees(i % 2, i % 3 ? WATCH_BIG_REPLY : WATCH_BIG_REQUEST, command, "1.2.3.4:5", "");
        collector_take_lists(c);
        ck_assert_str_eq(s->big[0].seen.command, command);
        ck_assert_uint_eq(s->nbig, i < STATS_BIG ? i + 1 : STATS_BIG);
    }
    ck_assert_str_eq(s->big[STATS_BIG - 1].seen.command, "GET 5");
    ck_assert_uint_eq(s->big_total, STATS_BIG + 5);
    sees(0, WATCH_BIG_REPLY, "GET older", "1.2.3.4:5", "");
    sees(0, WATCH_BIG_REPLY, "GET newer", "1.2.3.4:5", "");
    collector_take_lists(c);
    ck_assert_str_eq(s->big[0].seen.command, "GET newer");
    ck_assert_str_eq(s->big[1].seen.command, "GET older");
    ck_assert(s->big[0].count == 1 && s->big_total == STATS_BIG + 7);
    ck_assert_uint_eq(s->ncross, 0);
}
END_TEST

/* Applications are known by their name, else by their address. */
static const struct {
    const char *command, *client, *name;
    uint32_t count; /* of the line that it is then in front */
} refusals[] = {
    {"RENAME a b", "1:1", "", 1},    {"RENAME a b", "1:2", "", 1},   {"RENAME a b", "1:1", "", 2},
    {"RENAME a c", "1:1", "", 1},    {"RENAME a b", "1:1", "me", 1}, {"RENAME a b", "1:9", "me", 2},
    {"RENAME a b", "1:9", "you", 1}, {"RENAME a b", "1:1", "", 3},
};

START_TEST(the_same_refusal_is_one_line)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        sees(i % 2, WATCH_CROSS_SLOT, refusals[i].command, refusals[i].client, refusals[i].name);
        collector_take_lists(c);
        ck_assert_msg(s->cross[0].count == refusals[i].count, "%zu: %u", i, s->cross[0].count);
        ck_assert_str_eq(s->cross[0].seen.client, refusals[i].client); /* the last one's */
        ck_assert_str_eq(s->cross[0].seen.name, refusals[i].name);
    }
    ck_assert_uint_eq(s->ncross, 5);
    static const char *const order[] = {"1:1", "1:9", "1:9", "1:1", "1:2"};
    for (int i = 0; i < 5; i++)
        ck_assert_str_eq(s->cross[i].seen.client, order[i]);
    ck_assert_uint_eq(s->nbig, 0);
    for (int i = 0; i < 2 * STATS_CROSS; i++) {
        char command[20];
        snprintf(command, sizeof command, "MSET %d", i);
        sees(0, WATCH_CROSS_SLOT, command, "x", "");
        collector_take_lists(c);
        ck_assert_str_eq(s->cross[0].seen.command, command);
    }
    ck_assert_uint_eq(s->ncross, STATS_CROSS);
}
END_TEST

/* --- samples --- */

static void add_key(struct sketch *sketch, unsigned at, const char *key, float weight,
                    float inherited, uint16_t slot, uint16_t node)
{
    struct sketch_entry *e = &sketch->entries[at];
    e->hash = (uint64_t)key[0] * 31 + (uint64_t)key[1];
    e->weight = weight;
    e->inherited = inherited;
    e->tag = (uint32_t)node << 16 | slot;
    e->key_len = (uint16_t)strlen(key);
    memcpy(e->key, key, strlen(key));
}

START_TEST(hot_keys_of_all_workers_add_up)
{
    add_key(&surveys[0]->keys_by_rate, 0, "a", 30, 0, 15495, 2);
    add_key(&surveys[0]->keys_by_rate, 5, "b", 40, 10, 3300, 0);
    add_key(&surveys[0]->keys_by_rate, 9, "c", 50, 30, 7365, 1); /* most is other keys' */
    add_key(&surveys[1]->keys_by_rate, 63, "a", 60, 0, 15495, 2);
    add_key(&surveys[1]->keys_by_rate, 1, "d\n", 20, 0, 0, 0xffff);
    add_key(&surveys[0]->keys_by_rate, 20, "e", 10, 4, 1, 1); /* likewise, of both together */
    add_key(&surveys[1]->keys_by_rate, 20, "e", 10, 8, 1, 1);
    add_key(&surveys[1]->keys_by_bytes, 0, "z", 8, 4, 1, 1);
    collector_take_lists(c);
    ck_assert_uint_eq(s->ncount, 3);
    ck_assert_str_eq(s->by_count[0].key, "a");
    ck_assert(s->by_count[0].slot == 15495 && s->by_count[0].node == 2);
    ck_assert_double_eq_tol(s->by_count[0].share, 90.0 / 220, 1e-9);
    /* a weight is the sum of what came in ten seconds, about */
    ck_assert_double_eq_tol(s->by_count[0].rate, 90.0 / 10, 0.01);
    ck_assert_str_eq(s->by_count[1].key, "b");
    ck_assert_str_eq(s->by_count[2].key, "d\\x0a");
    ck_assert_uint_eq(s->nbytes, 1);
    ck_assert_str_eq(s->by_bytes[0].key, "z");
    ck_assert_double_eq_tol(s->by_bytes[0].share, 1, 1e-9);
    s->sequence = 1; /* there was one second only */
    collector_take_lists(c);
    ck_assert_double_eq_tol(s->by_count[0].rate, 90, 0.01);
    c->workers[1].asked = true;
    collector_take_lists(c);
    ck_assert_str_eq(s->by_count[0].key, "b");
    ck_assert_uint_eq(s->nbytes, 0);
}
END_TEST

START_TEST(no_more_keys_than_are_shown)
{
    char key[3] = "aa";
    for (unsigned i = 0; i < SKETCH_ENTRIES; i++) {
        key[0] = (char)('a' + i / 26);
        key[1] = (char)('a' + i % 26);
        add_key(&surveys[0]->keys_by_rate, i, key, (float)(i + 1), 0, 1, 1);
    }
    collector_take_lists(c);
    ck_assert_uint_eq(s->ncount, STATS_KEYS);
    for (unsigned i = 1; i < STATS_KEYS; i++)
        ck_assert(s->by_count[i].rate < s->by_count[i - 1].rate);
}
END_TEST

START_TEST(load_and_moving_slots_are_those_of_now)
{
    surveys[0]->load[3] = surveys[1]->load[3] = 50;
    surveys[1]->nmoving = 2;
    surveys[1]->moving[0] = 93;
    surveys[1]->moving[1] = 16383;
    for (int i = 0; i < 2; i++) {
        collector_take_lists(c);
        ck_assert_double_eq_tol(s->load[3], 10, 0.01);
        ck_assert(s->load[2] == 0);
        ck_assert(s->moving[93] && s->moving[16383] && !s->moving[94]);
    }
    surveys[1]->nmoving = 0;
    surveys[0]->load[3] = 0;
    collector_take_lists(c);
    ck_assert(!s->moving[93]);
    ck_assert_double_eq_tol(s->load[3], 5, 0.01);
}
END_TEST

START_TEST(nodes_say_which_slots_they_give_away)
{
    static _Atomic bool moving[SLOT_COUNT];
    struct discovery discovery = {.env = {.moving = moving}};
    process.discovery = &discovery;
    moving[7] = true;
    collector_take_lists(c);
    ck_assert(s->moving[7] && !s->moving[8]);
    moving[7] = false;
    collector_take_lists(c);
    ck_assert(!s->moving[7]);
}
END_TEST

UNIT_SUITE_WITH("collect_lists", set_up, tear_down, {the_greatest_clients_of_all_workers},
                {a_worker_that_has_not_answered_is_left_out},
                {slow_requests_are_taken_once_and_kept}, {large_values_come_newest_first},
                {the_same_refusal_is_one_line}, {hot_keys_of_all_workers_add_up},
                {no_more_keys_than_are_shown}, {load_and_moving_slots_are_those_of_now},
                {nodes_say_which_slots_they_give_away})
