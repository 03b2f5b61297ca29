/* fanout_merge_test: the replies of several nodes as one: elements in the order of the keys, sums,
 * concatenations, and what is not to be merged. */
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    flow_answer(f, flow_any_gets("CONFIG GET a*"),
                "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$-1\r\n");
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

UNIT_SUITE_WITH("fanout_merge", flow_begin, flow_end,
                {long_elements_that_come_in_pieces_are_put_together},
                {a_failed_part_is_an_error_and_no_nil}, {the_first_of_several_errors_is_the_answer},
                {a_part_that_is_not_what_was_asked_for_is_an_error},
                {what_can_not_be_merged_to_its_end_leaves_nothing_behind},
                {del_unlink_exists_and_touch_add_up},
                {arrays_of_all_masters_are_put_one_after_the_other},
                {what_must_succeed_everywhere_gives_one_answer},
                {element_by_element_for_arrays_of_numbers}, {one_success_is_enough_for_script_kill})
