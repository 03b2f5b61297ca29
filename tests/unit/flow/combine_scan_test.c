/* combine_scan_test: SCAN over all masters: its cursor, and when it goes on to the next. */
#include "flow/client.h"
#include "flow/combine_scan.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* --- the cursor --- */

START_TEST(cursor_comes_back_as_it_was)
{
    static const struct scan_cursor cursors[] = {{0, 1, 0},
                                                 {16383, 127, (1ULL << SCAN_NODE_BITS) - 1},
                                                 {5461, 7, 123456789},
                                                 {16383, 127, (1ULL << SCAN_LONG_NODE_BITS) - 1}};
    for (size_t i = 0; i < sizeof cursors / sizeof cursors[0]; i++) {
        struct scan_cursor got;
        uint64_t value;
        ck_assert(combine_scan_encode(&cursors[i], &value));
        ck_assert_uint_ne(value, 0);
        ck_assert_uint_le(value, cursors[i].node >> SCAN_NODE_BITS ? INT64_MAX : 1LL << 53);
        ck_assert(combine_scan_decode(value, &got));
        ck_assert_uint_eq(got.slot, cursors[i].slot);
        ck_assert_uint_eq(got.print, cursors[i].print);
        ck_assert_uint_eq(got.node, cursors[i].node);
    }
}
END_TEST

START_TEST(cursor_of_a_node_that_does_not_fit_is_refused)
{
    struct scan_cursor cursor = {.slot = 1, .print = 1, .node = 1ULL << SCAN_LONG_NODE_BITS};
    uint64_t value;
    ck_assert(!combine_scan_encode(&cursor, &value));
}
END_TEST

START_TEST(cursor_of_another_form_is_refused)
{
    struct scan_cursor cursor;
    ck_assert(!combine_scan_decode(5, &cursor));
    ck_assert(!combine_scan_decode(UINT64_MAX, &cursor));
    ck_assert(!combine_scan_decode(1ULL << 53 | 1ULL << SCAN_NODE_BITS, &cursor));
}
END_TEST

START_TEST(fingerprint_tells_processes_apart)
{
    ck_assert_uint_ne(combine_scan_print("", ""), 0);
    ck_assert_uint_eq(combine_scan_print("a", "b"), combine_scan_print("a", "b"));
    ck_assert_uint_ne(combine_scan_print("node", "run1"), combine_scan_print("node", "run2"));
    ck_assert_uint_ne(combine_scan_print("node1", ""), combine_scan_print("node2", ""));
}
END_TEST

/* --- SCAN --- */

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

UNIT_SUITE_WITH("combine_scan", flow_begin, flow_end, {scan_of_a_small_keyspace_is_one_reply},
                {scan_goes_on_to_the_next_master_until_it_has_count_keys},
                {scan_stays_with_a_master_that_has_more},
                {scan_keeps_what_it_has_when_the_next_master_fails},
                {a_scan_whose_client_leaves_ends_with_the_reply_under_way},
                {what_is_no_reply_to_scan_is_an_error}, {cursor_comes_back_as_it_was},
                {cursor_of_a_node_that_does_not_fit_is_refused},
                {cursor_of_another_form_is_refused}, {fingerprint_tells_processes_apart})
