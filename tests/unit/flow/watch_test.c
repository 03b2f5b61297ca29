/* watch_test: what a worker notes for the statistics page, with the bytes of clients and nodes. */
#include "flow/watch.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct watch_command *at_node(enum flow_node node, const char *name)
{
    const struct watch_node *figures = f->w->watch->nodes[node];
    for (unsigned i = 0; figures && command_stat_name(i); i++)
        if (strcmp(command_stat_name(i), name) == 0)
            return figures->commands[i];
    return NULL;
}

static uint64_t replies(enum flow_node node, const char *name)
{
    const struct watch_command *command = at_node(node, name);
    return command ? histogram_count(&command->latency) : 0;
}

static void ask(enum flow_node node, const char *request, const char *answer)
{
    flow_send(f, c, request);
    flow_node_gets(f, node, request);
    flow_answer(f, node, answer);
    flow_expect(f, c, answer);
}

START_TEST(each_reply_counts_at_its_node_and_command)
{
    ask(NODE_A, "GET b", "$1\r\n1\r\n");
    ask(NODE_A, "GET b", "$-1\r\n");
    ask(NODE_A, "SET b 1", "+OK\r\n");
    ask(NODE_B, "GET c", "-WRONGTYPE it is a list\r\n");
    ck_assert_uint_eq(replies(NODE_A, "get"), 2);
    ck_assert_uint_eq(replies(NODE_A, "set"), 1);
    ck_assert_uint_eq(replies(NODE_B, "get"), 1);
    ck_assert_uint_eq(at_node(NODE_B, "get")->errors, 1);
    ck_assert_uint_eq(at_node(NODE_A, "get")->errors, 0);
    ck_assert_uint_eq(f->w->watch->nodes[NODE_B]->v[WATCH_replied], 1);
    ck_assert_uint_eq(histogram_count(&f->w->watch->inside), 4);
}
END_TEST

START_TEST(redirects_and_refusals_count_at_the_node_that_said_them)
{
    char moved[64];
    snprintf(moved, sizeof moved, "-MOVED 3300 127.0.0.1:%u\r\n", f->nodes[NODE_B].port);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, moved);
    flow_node_gets(f, NODE_B, "GET b");
    flow_answer(f, NODE_B, "-LOADING wait\r\n");
    flow_node_gets(f, NODE_B, "GET b");
    flow_answer(f, NODE_B, "$1\r\n1\r\n");
    flow_expect(f, c, "$1\r\n1\r\n");
    ck_assert_uint_eq(f->w->watch->nodes[NODE_A]->v[WATCH_redirects], 1);
    ck_assert_uint_eq(f->w->watch->nodes[NODE_A]->v[WATCH_refused], 0);
    ck_assert_uint_eq(f->w->watch->nodes[NODE_B]->v[WATCH_redirects], 0);
    ck_assert_uint_eq(f->w->watch->nodes[NODE_B]->v[WATCH_refused], 1);
    ck_assert_uint_eq(replies(NODE_A, "get"), 0);
    ck_assert_uint_eq(replies(NODE_B, "get"), 1);
}
END_TEST

START_TEST(samples_tell_the_hot_key)
{
    watch_fade(f->w); /* sampling begins, every request is one */
    for (int i = 0; i < 20; i++)
        ask(NODE_A, i % 4 ? "GET b" : "GET f", "$1\r\n1\r\n");
    const struct sketch_entry *entries = f->w->watch->by_rate.entries;
    float b = 0, other = 0;
    for (unsigned i = 0; i < SKETCH_ENTRIES; i++)
        if (entries[i].key_len == 1 && entries[i].key[0] == 'b')
            b = entries[i].weight;
        else
            other += entries[i].weight;
    ck_assert(b == 15 && other == 5);
    ck_assert(f->w->watch->load[3300 / 64] == 15);
}
END_TEST

static float weight_of(const char *key)
{
    for (unsigned i = 0; i < SKETCH_ENTRIES; i++) {
        const struct sketch_entry *entry = &f->w->watch->by_rate.entries[i];
        if (entry->weight > 0 && entry->key_len == strlen(key) &&
            memcmp(entry->key, key, entry->key_len) == 0)
            return entry->weight;
    }
    return 0;
}

START_TEST(parts_of_a_split_request_are_samples_too)
{
    watch_fade(f->w);
    flow_send(f, c, "MGET b f {b}1 c");
    flow_node_gets(f, NODE_A, "MGET b {b}1");
    flow_answer(f, NODE_A, "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
    flow_node_gets(f, NODE_A, "MGET f");
    flow_answer(f, NODE_A, "*1\r\n$-1\r\n");
    flow_node_serves(f, NODE_B, "MGET c", "*1\r\n$-1\r\n");
    flow_settle(f);
    ck_assert(weight_of("b") == 1 && weight_of("{b}1") == 1);
    ck_assert(weight_of("f") == 1 && weight_of("c") == 1);
    ck_assert(weight_of("MGET") == 0);
}
END_TEST

START_TEST(every_key_of_a_command_counts)
{
    watch_fade(f->w);
    ask(NODE_A, "DEL b {b}1", ":0\r\n");
    ask(NODE_A, "EVAL x 2 b {b}1 arg", ":0\r\n");
    ck_assert(weight_of("b") == 2 && weight_of("{b}1") == 2);
    ck_assert(weight_of("x") == 0 && weight_of("arg") == 0);
}
END_TEST

START_TEST(keys_of_a_transaction_count)
{
    watch_fade(f->w);
    flow_send(f, c, "MULTI", "INCR b", "GET {b}1", "EXEC");
    flow_node_serves(f, NODE_A, "MULTI", "+OK\r\n");
    flow_node_serves(f, NODE_A, "INCR b", "+QUEUED\r\n");
    flow_node_serves(f, NODE_A, "GET {b}1", "+QUEUED\r\n");
    flow_node_serves(f, NODE_A, "EXEC", "*2\r\n:1\r\n$-1\r\n");
    flow_settle(f);
    ck_assert(weight_of("b") == 1 && weight_of("{b}1") == 1);
}
END_TEST

START_TEST(the_time_in_slotway_ends_with_the_reply)
{
    const struct histogram *inside = &f->w->watch->inside;
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    ck_assert_uint_eq(histogram_count(inside), 0);
    flow_answer(f, NODE_A, "$-1\r\n");
    flow_expect(f, c, "$-1\r\n");
    ck_assert_uint_eq(histogram_count(inside), 1);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "-LOADING wait\r\n"); /* it waits 10 ms */
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer(f, NODE_A, "$-1\r\n");
    flow_expect(f, c, "$-1\r\n");
    ck_assert_uint_eq(histogram_count(inside), 2);
    ck_assert(histogram_quantile(inside, 1) > 9000);
    flow_send(f, c, "MGET b c"); /* each part */
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n$-1\r\n");
    flow_node_serves(f, NODE_B, "MGET c", "*1\r\n$-1\r\n");
    flow_settle(f);
    ck_assert_uint_eq(histogram_count(inside), 4);
}
END_TEST

START_TEST(a_refusal_over_slots_is_kept_as_an_example)
{
    flow_send(f, c, "RENAME a b");
    flow_expect(f, c, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    const struct watch_sighting *s = &f->w->watch->sightings[0];
    ck_assert_uint_eq(f->w->watch->nsightings, 1);
    ck_assert_int_eq(s->what, WATCH_CROSS_SLOT);
    ck_assert_str_eq(s->command, "RENAME a b");
    ck_assert_str_eq(s->key, "a");
}
END_TEST

START_TEST(a_password_is_not_shown)
{
    static const char request[] =
        "*11\r\n$7\r\nMIGRATE\r\n$1\r\nh\r\n$1\r\n1\r\n$0\r\n\r\n$1\r\n0\r\n$1\r\n5\r\n"
        "$4\r\nAUTH\r\n$6\r\nhidden\r\n$4\r\nKEYS\r\n$1\r\nb\r\n$1\r\nc\r\n";
    flow_send_raw(f, c, request, sizeof request - 1);
    flow_expect(f, c, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    ck_assert_str_eq(f->w->watch->sightings[0].command,
                     "MIGRATE h 1  0 5 AUTH (redacted) KEYS b c");
}
END_TEST

START_TEST(a_large_reply_is_noted)
{
    enum { LEN = 200000 };
    char *value = malloc(LEN + 16);
    int head = sprintf(value, "$%d\r\n", LEN);
    memset(value + head, 'v', LEN);
    memcpy(value + head + LEN, "\r\n", 2);
    flow_send(f, c, "GET b");
    flow_node_gets(f, NODE_A, "GET b");
    flow_answer_bytes(f, NODE_A, value, (size_t)head + LEN + 2);
    flow_expect_bytes(f, c, value, (size_t)head + LEN + 2);
    const struct watch_sighting *s = &f->w->watch->sightings[0];
    ck_assert_uint_eq(f->w->watch->nsightings, 1);
    ck_assert_int_eq(s->what, WATCH_BIG_REPLY);
    ck_assert_uint_eq(s->bytes, (uint64_t)head + LEN + 2);
    ck_assert_str_eq(s->key, "b");
    ck_assert_uint_eq(s->node, NODE_A);
    free(value);
}
END_TEST

START_TEST(what_is_shown_is_printable_and_fits)
{
    char out[16];
    watch_print("a\r\nb", 4, out, sizeof out);
    ck_assert_str_eq(out, "a\\x0d\\x0ab");
    watch_print("0123456789abcdefghij", 20, out, sizeof out);
    ck_assert_str_eq(out, "0123456789ab...");
    watch_print("0123456789abcde", 15, out, sizeof out);
    ck_assert_str_eq(out, "0123456789abcde");
    watch_print("", 0, out, sizeof out);
    ck_assert_str_eq(out, "");
}
END_TEST

UNIT_SUITE_WITH("watch", flow_begin, flow_end, {each_reply_counts_at_its_node_and_command},
                {redirects_and_refusals_count_at_the_node_that_said_them},
                {samples_tell_the_hot_key}, {parts_of_a_split_request_are_samples_too},
                {every_key_of_a_command_counts}, {keys_of_a_transaction_count},
                {the_time_in_slotway_ends_with_the_reply},
                {a_refusal_over_slots_is_kept_as_an_example}, {a_password_is_not_shown},
                {a_large_reply_is_noted}, {what_is_shown_is_printable_and_fits})
