/* combine_test: merges with code of their own: RANDOMKEY and FUNCTION STATS. Others are in the
 * tests of the commands' modules: combine_info_test, combine_latency_test, combine_script_test,
 * local_config_test, local_cluster_test, local_debug_test, local_pubsub_test. */
#include "support/flow_unit.h"
#include <string.h>

#define NONE   "$-1\r\n"
#define KEY(k) "$1\r\n" k "\r\n"

START_TEST(randomkey_is_of_whichever_master_has_one)
{
    for (int i = 0; i < 8; i++) { /* whichever it begins with */
        flow_merges("RANDOMKEY", KEY("b"), NONE, NONE, KEY("b"));
        flow_merges("RANDOMKEY", NONE, KEY("c"), NONE, KEY("c"));
        flow_merges("RANDOMKEY", NONE, NONE, KEY("a"), KEY("a"));
        flow_merges("RANDOMKEY", NONE, NONE, NONE, NONE);
        flow_merges("RANDOMKEY", "$0\r\n\r\n", NONE, NONE, "$0\r\n\r\n"); /* a key's name */
    }
}
END_TEST

START_TEST(randomkey_is_of_each_master_at_times)
{
    static const char keys[] = "bca";
    char seen[4] = "";
    for (int i = 0; i < 200 && strlen(seen) < 3; i++) {
        flow_send(f, c, "RANDOMKEY");
        flow_node_serves(f, NODE_A, "RANDOMKEY", KEY("b"));
        flow_node_serves(f, NODE_B, "RANDOMKEY", KEY("c"));
        flow_node_serves(f, NODE_C, "RANDOMKEY", KEY("a"));
        char key = flow_received(c)[4];
        ck_assert(strchr(keys, key) != NULL);
        if (!strchr(seen, key))
            seen[strlen(seen)] = key;
    }
    ck_assert_uint_eq(strlen(seen), 3);
}
END_TEST

START_TEST(resp3s_null_is_no_key_either)
{
    flow_hello(c, 3);
    flow_send(f, c, "RANDOMKEY");
    for (int i = NODE_A; i <= NODE_C; i++)
        flow_node_serves(f, (enum flow_node)i, "HELLO 3", "%0\r\n");
    flow_node_serves(f, NODE_A, "RANDOMKEY", "_\r\n");
    flow_node_serves(f, NODE_B, "RANDOMKEY", KEY("c"));
    flow_node_serves(f, NODE_C, "RANDOMKEY", "_\r\n");
    flow_expect(f, c, KEY("c"));
    flow_merges("RANDOMKEY", "_\r\n", "_\r\n", "_\r\n", "_\r\n");
}
END_TEST

#define ENGINES "$7\r\nengines\r\n*2\r\n$3\r\nLUA\r\n*4\r\n$15\r\nlibraries_count\r\n:"
#define STATS(script, n)                                                                           \
    "*4\r\n$14\r\nrunning_script\r\n" script ENGINES n "\r\n$15\r\nfunctions_count\r\n:1\r\n"
#define RUNNING(name)                                                                              \
    "*6\r\n$4\r\nname\r\n$1\r\n" name "\r\n$7\r\ncommand\r\n*1\r\n$5\r\nfcall\r\n"                 \
    "$11\r\nduration_ms\r\n:5\r\n"

START_TEST(function_stats_show_the_script_that_runs_anywhere)
{
    flow_merges("FUNCTION STATS", STATS(NONE, "1"), STATS(NONE, "2"), STATS(NONE, "3"),
                STATS(NONE, "1"));
    flow_merges("FUNCTION STATS", STATS(RUNNING("f"), "1"), STATS(NONE, "2"), STATS(NONE, "3"),
                STATS(RUNNING("f"), "1"));
    flow_merges("FUNCTION STATS", STATS(NONE, "1"), STATS(RUNNING("g"), "2"), STATS(NONE, "3"),
                STATS(RUNNING("g"), "2"));
    flow_merges("FUNCTION STATS", STATS(NONE, "1"), STATS(NONE, "2"), STATS(RUNNING("h"), "3"),
                STATS(RUNNING("h"), "3"));
}
END_TEST

UNIT_SUITE_WITH("combine", flow_begin, flow_end, {randomkey_is_of_whichever_master_has_one},
                {randomkey_is_of_each_master_at_times}, {resp3s_null_is_no_key_either},
                {function_stats_show_the_script_that_runs_anywhere})
