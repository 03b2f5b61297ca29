/* fanout_test: one request that becomes several: split by slot, or sent to all masters. */
#include "flow/client.h"
#include "flow/combine_scan.h"
#include "flow/fanout.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(mget_is_split_by_slot_and_put_together_in_the_order_of_its_keys)
{
    flow_send(f, c, "MGET b a c b {b}x a");
    flow_node_serves(f, NODE_C, "MGET a a", "*2\r\n$1\r\nA\r\n$1\r\nA\r\n");
    flow_node_serves(f, NODE_B, "MGET c", "*1\r\n$-1\r\n");
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_A, "MGET b b {b}x", "*3\r\n$1\r\nB\r\n$1\r\nB\r\n$0\r\n\r\n");
    flow_expect(f, c, "*6\r\n$1\r\nB\r\n$1\r\nA\r\n$-1\r\n$1\r\nB\r\n$0\r\n\r\n$1\r\nA\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_splits), 1);
}
END_TEST

START_TEST(keys_of_one_slot_are_not_split)
{
    flow_send(f, c, "MGET {b}1 {b}2");
    flow_node_serves(f, NODE_A, "MGET {b}1 {b}2", "*2\r\n+1\r\n+2\r\n");
    flow_expect(f, c, "*2\r\n+1\r\n+2\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_splits), 0);
}
END_TEST

START_TEST(two_slots_of_one_node_are_two_requests)
{
    flow_send(f, c, "MGET b f");
    flow_node_gets(f, NODE_A, "MGET b");
    flow_node_gets(f, NODE_A, "MGET f");
    flow_answer(f, NODE_A, "*1\r\n+b\r\n*1\r\n+f\r\n");
    flow_expect(f, c, "*2\r\n+b\r\n+f\r\n");
}
END_TEST

/* More keys than are grouped by comparing. */
START_TEST(many_keys_keep_their_places)
{
    char request[2000] = "MGET", want[4000] = "*60\r\n", part[4000];
    static const char keys[] = "bca";
    for (int i = 0; i < 60; i++) {
        sprintf(request + strlen(request), " {%c}%d", keys[i % 3], i);
        sprintf(want + strlen(want), "$2\r\n%02d\r\n", i);
    }
    flow_send(f, c, request);
    for (int node = 0; node < 3; node++) {
        strcpy(request, "MGET");
        strcpy(part, "*20\r\n");
        for (int i = node; i < 60; i += 3) {
            sprintf(request + strlen(request), " {%c}%d", keys[node], i);
            sprintf(part + strlen(part), "$2\r\n%02d\r\n", i);
        }
        flow_node_serves(f, (enum flow_node)node, request, part);
    }
    flow_expect(f, c, want);
}
END_TEST

START_TEST(mset_takes_each_key_with_its_value)
{
    flow_send(f, c, "MSET b 1 c 2 b 3 a 4");
    flow_node_serves(f, NODE_A, "MSET b 1 b 3", "+OK\r\n");
    flow_node_serves(f, NODE_B, "MSET c 2", "+OK\r\n");
    flow_node_serves(f, NODE_C, "MSET a 4", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
}
END_TEST

START_TEST(commands_that_are_not_split_are_refused_across_slots)
{
    flow_send(f, c, "MSETNX b 1 c 2", "SINTER b c", "RENAME b c");
    flow_expect(f, c,
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n"
                "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
    flow_again("cross-slot no\n");
    flow_send(f, c, "MGET b c");
    flow_expect(f, c, "-CROSSSLOT Keys in request don't hash to the same slot\r\n");
}
END_TEST

START_TEST(max_keys_per_command_is_kept)
{
    flow_again("max-keys-per-command 2\n");
    flow_send(f, c, "MGET b c a");
    flow_expect(f, c, "-ERR too many keys in one command, max-keys-per-command is 2\r\n");
}
END_TEST

START_TEST(all_masters_are_asked_and_numbers_added)
{
    flow_merges("DBSIZE", ":7\r\n", ":11\r\n", ":5\r\n", ":23\r\n");
    flow_node_gets_nothing(f, REPLICA_A);
}
END_TEST

START_TEST(without_any_master_there_is_a_clear_error)
{
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        f->owner[slot] = 0xffff;
    flow_publish(f);
    flow_send(f, c, "DBSIZE");
    flow_expect(f, c, "-CLUSTERDOWN No master of the cluster is known yet\r\n");
}
END_TEST

START_TEST(parts_are_redirected_and_retried_like_other_requests)
{
    flow_send(f, c, "MGET b c", "GET b");
    flow_node_gets(f, NODE_A, "MGET b");
    flow_node_gets(f, NODE_B, "MGET c");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_answer_redirect(f, NODE_B, "ASK", 7365, NODE_C);
    flow_node_serves(f, NODE_C, "MGET b", "*1\r\n+b\r\n");
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n");
    flow_node_gets(f, NODE_C, "MGET c");
    flow_node_gets_nothing(f, NODE_C);
    flow_answer(f, NODE_C, "-TRYAGAIN x\r\n");
    flow_node_serves(f, NODE_B, "MGET c", "*1\r\n+c\r\n");
    flow_expect(f, c, "*2\r\n+b\r\n+c\r\n");
    flow_node_serves(f, NODE_C, "GET b", "+b\r\n");
    flow_expect(f, c, "+b\r\n");
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle_of_a_split_is_no_harm)
{
    flow_send(f, c, "MGET b c");
    flow_node_gets(f, NODE_A, "MGET b");
    flow_node_gets(f, NODE_B, "MGET c");
    flow_answer(f, NODE_A, "*1\r\n+b\r\n");
    close(c);
    flow_settle(f);
    c = flow_client(f);
    flow_send(f, c, "GET c");
    flow_node_gets(f, NODE_B, "GET c");
    flow_answer(f, NODE_B, "*1\r\n+c\r\n+mine\r\n");
    flow_expect(f, c, "+mine\r\n");
}
END_TEST

START_TEST(what_comes_for_a_client_that_left_is_not_kept)
{
    size_t len = 900000;
    char *part = flow_pattern(len);
    flow_send(f, c, "KEYS *");
    flow_node_gets(f, NODE_A, "KEYS *");
    flow_answer(f, NODE_A, "*1\r\n$1000000\r\n");
    client_close(flow_newest(f)); /* its end alone could be half of one */
    close(c);
    flow_answer_bytes(f, NODE_A, part, len);
    ck_assert_uint_lt(f->w->chunks.bytes, len / 2);
    c = flow_client(f);
    free(part);
}
END_TEST

UNIT_SUITE_WITH("fanout", flow_begin, flow_end,
                {mget_is_split_by_slot_and_put_together_in_the_order_of_its_keys},
                {keys_of_one_slot_are_not_split}, {two_slots_of_one_node_are_two_requests},
                {many_keys_keep_their_places}, {mset_takes_each_key_with_its_value},
                {commands_that_are_not_split_are_refused_across_slots},
                {max_keys_per_command_is_kept}, {all_masters_are_asked_and_numbers_added},
                {without_any_master_there_is_a_clear_error},
                {parts_are_redirected_and_retried_like_other_requests},
                {a_client_that_leaves_in_the_middle_of_a_split_is_no_harm},
                {what_comes_for_a_client_that_left_is_not_kept})
