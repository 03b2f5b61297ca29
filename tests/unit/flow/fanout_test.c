/* fanout_test: one request that becomes several: split by slot, or sent to all masters. */
#include "flow/client.h"
#include "flow/combine_scan.h"
#include "flow/fanout.h"
#include "support/flow_unit.h"
#include <stdio.h>
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

START_TEST(long_elements_that_come_in_pieces_are_put_together)
{
    size_t len = 40000;
    char *value = flow_pattern(len), *reply = malloc(5 * len), *want = malloc(5 * len);
    size_t n = (size_t)sprintf(reply, "*2\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", len, value, len / 2,
                               value + len / 2);
    size_t m = (size_t)sprintf(want, "*3\r\n$%zu\r\n%s\r\n+c\r\n$%zu\r\n%s\r\n", len, value,
                               len / 2, value + len / 2);
    for (size_t piece = 1000; piece < n; piece = 2 * piece + 1) {
        flow_send(f, c, "MGET b c {b}x");
        flow_node_gets(f, NODE_A, "MGET b {b}x");
        for (size_t at = 0; at < n; at += piece)
            flow_answer_bytes(f, NODE_A, reply + at, n - at < piece ? n - at : piece);
        flow_node_serves(f, NODE_B, "MGET c", "*1\r\n+c\r\n");
        flow_expect_bytes(f, c, want, m);
    }
    free(value);
    free(reply);
    free(want);
}
END_TEST

START_TEST(a_failed_part_is_an_error_and_no_nil)
{
    flow_send(f, c, "MGET b c", "PING");
    flow_node_serves(f, NODE_B, "MGET c", "-ERR broken\r\n");
    flow_expect_nothing(f, c);
    flow_node_serves(f, NODE_A, "MGET b", "*1\r\n+b\r\n");
    flow_expect(f, c, "-ERR broken\r\n+PONG\r\n");
}
END_TEST

START_TEST(the_first_of_several_errors_is_the_answer)
{
    flow_send(f, c, "DEL b c a");
    flow_node_serves(f, NODE_C, "DEL a", "-ERR first\r\n");
    flow_node_serves(f, NODE_A, "DEL b", "-ERR second\r\n");
    flow_node_serves(f, NODE_B, "DEL c", ":1\r\n");
    flow_expect(f, c, "-ERR first\r\n");
}
END_TEST

START_TEST(a_part_that_is_not_what_was_asked_for_is_an_error)
{
    static const char mismatch[] = "-ERR nodes of the cluster gave replies of different shapes\r\n";
    flow_send(f, c, "MGET b c");
    flow_node_serves(f, NODE_A, "MGET b", "*2\r\n+b\r\n+extra\r\n");
    flow_node_serves(f, NODE_B, "MGET c", "*1\r\n+c\r\n");
    flow_expect(f, c, mismatch);
    flow_send(f, c, "DEL b c");
    flow_node_serves(f, NODE_A, "DEL b", "+OK\r\n");
    flow_node_serves(f, NODE_B, "DEL c", ":1\r\n");
    flow_expect(f, c, mismatch);
}
END_TEST

START_TEST(what_can_not_be_merged_to_its_end_leaves_nothing_behind)
{
    static const char digest[] = "SCRIPT EXISTS 53f1da8c8a352df2fd0b308664621bc76c9e57cd";
    static const char error[] = "-ERR slotway can't merge what the nodes answered\r\n";
    flow_merges(digest, "*1\r\n:1\r\n", "*1\r\n+x\r\n", "*1\r\n:1\r\n", error);
    flow_send(f, c, "CONFIG GET a*");
    flow_settle(f);
    int node = NODE_A; /* any one is asked */
    while (node < NODE_C && !flow_node_takes(f, (enum flow_node)node))
        node++;
    flow_answer(f, (enum flow_node)node, "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$-1\r\n");
    flow_expect(f, c, error);
}
END_TEST

START_TEST(del_unlink_exists_and_touch_add_up)
{
    static const char *const names[] = {"DEL", "UNLINK", "EXISTS", "TOUCH"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char all[40], ab[40], cc[40];
        sprintf(all, "%s b c {b}1", names[i]);
        sprintf(ab, "%s b {b}1", names[i]);
        sprintf(cc, "%s c", names[i]);
        flow_send(f, c, all);
        flow_node_serves(f, NODE_A, ab, ":2\r\n");
        flow_node_serves(f, NODE_B, cc, ":1\r\n");
        flow_expect(f, c, ":3\r\n");
    }
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

START_TEST(arrays_of_all_masters_are_put_one_after_the_other)
{
    flow_merges("KEYS *", "*2\r\n$1\r\nb\r\n$1\r\nf\r\n", "*0\r\n", "*1\r\n$1\r\na\r\n",
                "*3\r\n$1\r\nb\r\n$1\r\nf\r\n$1\r\na\r\n");
}
END_TEST

START_TEST(what_must_succeed_everywhere_gives_one_answer)
{
    flow_merges("FLUSHALL", "+OK\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n");
    flow_merges("FLUSHALL", "+OK\r\n", "-ERR no\r\n", "+OK\r\n", "-ERR no\r\n");
}
END_TEST

START_TEST(element_by_element_for_arrays_of_numbers)
{
    flow_merges("SCRIPT EXISTS x y z", "*3\r\n:1\r\n:1\r\n:0\r\n", "*3\r\n:1\r\n:0\r\n:0\r\n",
                "*3\r\n:1\r\n:1\r\n:0\r\n", "*3\r\n:1\r\n:0\r\n:0\r\n");
}
END_TEST

START_TEST(one_success_is_enough_for_script_kill)
{
    flow_merges("SCRIPT KILL", "-NOTBUSY none\r\n", "+OK\r\n", "-NOTBUSY none\r\n", "+OK\r\n");
    flow_merges("SCRIPT KILL", "-NOTBUSY none\r\n", "-NOTBUSY none\r\n", "-NOTBUSY none\r\n",
                "-NOTBUSY none\r\n");
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

/* Nodes' SCAN replies with keys of one byte. */
#define SCAN_END(...)  "*2\r\n$1\r\n0\r\n" __VA_ARGS__
#define SCAN_MORE(...) "*2\r\n$1\r\n8\r\n" __VA_ARGS__

/* Where the cursor of the client's reply points. The reply's keys are these. */
static struct scan_cursor scan_expect(const char *keys)
{
    char reply[512], want[512];
    unsigned long long value;
    struct scan_cursor cursor;
    flow_settle(f);
    ssize_t n = recv(c, reply, sizeof reply - 1, MSG_DONTWAIT);
    ck_assert_int_gt(n, 0);
    reply[n] = '\0';
    ck_assert_int_eq(sscanf(reply, "*2\r\n$%*d\r\n%llu", &value), 1);
    ck_assert(combine_scan_decode(value, &cursor));
    snprintf(want, sizeof want, "\r\n%llu\r\n%s", value, keys);
    ck_assert_str_eq(strchr(reply, '$') + strcspn(strchr(reply, '$'), "\r"), want);
    return cursor;
}

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

START_TEST(scan_of_a_small_keyspace_is_one_reply)
{
    flow_send(f, c, "SCAN 0 MATCH *");
    flow_node_serves(f, NODE_A, "SCAN 0 MATCH *", SCAN_END("*2\r\n$1\r\nb\r\n$1\r\nf\r\n"));
    flow_node_serves(f, NODE_B, "SCAN 0 MATCH *", SCAN_END("*0\r\n"));
    flow_node_serves(f, NODE_C, "SCAN 0 MATCH *", SCAN_END("*1\r\n$1\r\na\r\n"));
    flow_expect(f, c, "*2\r\n$1\r\n0\r\n*3\r\n$1\r\nb\r\n$1\r\nf\r\n$1\r\na\r\n");
}
END_TEST

START_TEST(scan_goes_on_to_the_next_master_until_it_has_count_keys)
{
    flow_send(f, c, "scan 0 count 2");
    flow_node_serves(f, NODE_A, "SCAN 0 count 2", SCAN_END("*1\r\n$1\r\nb\r\n"));
    flow_node_serves(f, NODE_B, "SCAN 0 count 2", SCAN_END("*1\r\n$1\r\nc\r\n"));
    struct scan_cursor cursor = scan_expect("*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    ck_assert_uint_gt(cursor.slot, 7365); /* NODE_C's lowest */
    ck_assert_uint_eq(cursor.node, 0);
}
END_TEST

START_TEST(scan_stays_with_a_master_that_has_more)
{
    flow_send(f, c, "SCAN 0");
    flow_node_serves(f, NODE_A, "SCAN 0", SCAN_MORE("*0\r\n"));
    struct scan_cursor cursor = scan_expect("*0\r\n");
    ck_assert_uint_eq(cursor.slot, 0);
    ck_assert_uint_eq(cursor.node, 8);
}
END_TEST

START_TEST(scan_keeps_what_it_has_when_the_next_master_fails)
{
    flow_send(f, c, "SCAN 0");
    flow_node_serves(f, NODE_A, "SCAN 0", SCAN_END("*1\r\n$1\r\nb\r\n"));
    flow_node_serves(f, NODE_B, "SCAN 0", "-NOPERM no\r\n");
    struct scan_cursor cursor = scan_expect("*1\r\n$1\r\nb\r\n");
    ck_assert_uint_le(cursor.slot, 7233); /* NODE_B's */
    ck_assert_uint_gt(cursor.slot, 3300);
    flow_send(f, c, "SCAN x", "SCAN 0");
    flow_node_serves(f, NODE_A, "SCAN 0", "-NOPERM no\r\n");
    flow_expect(f, c, "-ERR invalid cursor\r\n-NOPERM no\r\n");
}
END_TEST

START_TEST(a_scan_whose_client_leaves_ends_with_the_reply_under_way)
{
    flow_send(f, c, "SCAN 0");
    flow_node_gets(f, NODE_A, "SCAN 0");
    client_close(flow_newest(f));
    flow_settle(f);
    flow_answer(f, NODE_A, SCAN_END("*1\r\n$1\r\nb\r\n"));
    flow_settle(f);
    flow_node_gets_nothing(f, NODE_B);
}
END_TEST

START_TEST(what_is_no_reply_to_scan_is_an_error)
{
    flow_send(f, c, "SCAN 0");
    flow_node_serves(f, NODE_A, "SCAN 0", "+OK\r\n");
    flow_expect(f, c, "-ERR slotway can't merge what the nodes answered\r\n");
}
END_TEST

/* What a master says of one command. */
#define CALLS(n, histogram) "*4\r\n$5\r\ncalls\r\n:" n "\r\n$14\r\nhistogram_usec\r\n" histogram

START_TEST(latency_of_all_masters_is_that_of_one_server)
{
    flow_merges("LATENCY HISTOGRAM",
                "*2\r\n$3\r\nget\r\n" CALLS("6", "*4\r\n:2\r\n:5\r\n:8\r\n:6\r\n"),
                "*4\r\n$3\r\nset\r\n" CALLS("1", "*2\r\n:4\r\n:1\r\n") /**/
                "$3\r\nget\r\n" CALLS("3", "*4\r\n:1\r\n:1\r\n:4\r\n:3\r\n"),
                "*0\r\n",
                "*4\r\n$3\r\nget\r\n" /* no more than 1, 2, 4 and 8 µs */
                CALLS("9", "*8\r\n:1\r\n:1\r\n:2\r\n:6\r\n:4\r\n:8\r\n:8\r\n:9\r\n") /**/
                "$3\r\nset\r\n" CALLS("1", "*2\r\n:4\r\n:1\r\n"));
    flow_merges("LATENCY LATEST",
                "*2\r\n*4\r\n$4\r\nfork\r\n:70\r\n:3\r\n:9\r\n"
                "*4\r\n$7\r\ncommand\r\n:60\r\n:5\r\n:7\r\n",
                "*1\r\n*4\r\n$7\r\ncommand\r\n:61\r\n:4\r\n:6\r\n", "*0\r\n",
                "*2\r\n*4\r\n$4\r\nfork\r\n:70\r\n:3\r\n:9\r\n"
                "*4\r\n$7\r\ncommand\r\n:61\r\n:4\r\n:7\r\n");
    flow_merges("LATENCY HISTORY command", "*2\r\n*2\r\n:10\r\n:1\r\n*2\r\n:30\r\n:2\r\n",
                "*1\r\n*2\r\n:20\r\n:3\r\n", "*0\r\n",
                "*3\r\n*2\r\n:10\r\n:1\r\n*2\r\n:20\r\n:3\r\n*2\r\n:30\r\n:2\r\n");
    flow_merges("LATENCY LATEST", "*0\r\n", "+OK\r\n", "*0\r\n",
                "-ERR slotway can't merge what the nodes answered\r\n");
}
END_TEST

static Suite *fanout_suite(void)
{
    Suite *suite = suite_create("fanout");
    TCase *t = tcase_create("fanout");
    tcase_add_checked_fixture(t, flow_begin, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, mget_is_split_by_slot_and_put_together_in_the_order_of_its_keys);
    tcase_add_test(t, keys_of_one_slot_are_not_split);
    tcase_add_test(t, two_slots_of_one_node_are_two_requests);
    tcase_add_test(t, many_keys_keep_their_places);
    tcase_add_test(t, long_elements_that_come_in_pieces_are_put_together);
    tcase_add_test(t, a_failed_part_is_an_error_and_no_nil);
    tcase_add_test(t, the_first_of_several_errors_is_the_answer);
    tcase_add_test(t, a_part_that_is_not_what_was_asked_for_is_an_error);
    tcase_add_test(t, what_can_not_be_merged_to_its_end_leaves_nothing_behind);
    tcase_add_test(t, del_unlink_exists_and_touch_add_up);
    tcase_add_test(t, mset_takes_each_key_with_its_value);
    tcase_add_test(t, commands_that_are_not_split_are_refused_across_slots);
    tcase_add_test(t, max_keys_per_command_is_kept);
    tcase_add_test(t, all_masters_are_asked_and_numbers_added);
    tcase_add_test(t, arrays_of_all_masters_are_put_one_after_the_other);
    tcase_add_test(t, what_must_succeed_everywhere_gives_one_answer);
    tcase_add_test(t, element_by_element_for_arrays_of_numbers);
    tcase_add_test(t, one_success_is_enough_for_script_kill);
    tcase_add_test(t, without_any_master_there_is_a_clear_error);
    tcase_add_test(t, parts_are_redirected_and_retried_like_other_requests);
    tcase_add_test(t, a_client_that_leaves_in_the_middle_of_a_split_is_no_harm);
    tcase_add_test(t, what_comes_for_a_client_that_left_is_not_kept);
    tcase_add_test(t, scan_of_a_small_keyspace_is_one_reply);
    tcase_add_test(t, scan_goes_on_to_the_next_master_until_it_has_count_keys);
    tcase_add_test(t, scan_stays_with_a_master_that_has_more);
    tcase_add_test(t, scan_keeps_what_it_has_when_the_next_master_fails);
    tcase_add_test(t, a_scan_whose_client_leaves_ends_with_the_reply_under_way);
    tcase_add_test(t, what_is_no_reply_to_scan_is_an_error);
    tcase_add_test(t, latency_of_all_masters_is_that_of_one_server);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(fanout_suite)
