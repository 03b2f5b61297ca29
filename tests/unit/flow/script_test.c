/* script_test: a node that does not know a script is given it unseen. */
#include "flow/script.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <unistd.h>

#define NOSCRIPT "-NOSCRIPT No matching script. Please use EVAL.\r\n"
/* SHA-1 of "return1" and how a node is given it. */
#define SHA  "53f1da8c8a352df2fd0b308664621bc76c9e57cd"
#define BODY "return1"

static void end(void)
{
    flow_end();
    script_forget_all();
}

static void learn(void)
{
    flow_send(f, c, "EVAL " BODY " 1 c");
    flow_node_serves(f, NODE_B, "EVAL " BODY " 1 c", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}

/* Before the first EVALSHA on a connection, so that nothing pipelined behind it overtakes it. */
START_TEST(a_known_script_is_loaded_before_its_first_use_on_a_connection)
{
    learn();
    flow_send(f, c, "EVALSHA " SHA " 1 b", "GET b", "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", ":1\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+b\r\n");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", ":2\r\n");
    flow_expect(f, c, ":1\r\n+b\r\n:2\r\n");
    flow_node_cuts(f, NODE_A);
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", ":3\r\n");
    flow_expect(f, c, ":3\r\n");
}
END_TEST

static void use_once(void)
{
    learn();
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}

START_TEST(a_script_that_a_node_forgot_is_loaded_again)
{
    use_once();
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", NOSCRIPT);
    flow_send(f, c, "GET b");
    flow_node_serves(f, NODE_A, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", ":1\r\n");
    flow_node_serves(f, NODE_A, "GET b", "+b\r\n");
    flow_expect(f, c, ":1\r\n+b\r\n");
    ck_assert_uint_eq(flow_count(f, COUNTER_scripts_loaded), 1);
}
END_TEST

START_TEST(script_load_teaches_and_script_flush_forgets)
{
    flow_send(f, c, "SCRIPT LOAD " BODY);
    for (int node = 0; node < 3; node++)
        flow_node_serves(f, (enum flow_node)node, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_expect(f, c, "$40\r\n" SHA "\r\n");
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
    flow_send(f, c, "SCRIPT FLUSH");
    for (int node = 0; node < 3; node++)
        flow_node_serves(f, (enum flow_node)node, "SCRIPT FLUSH", "+OK\r\n");
    flow_expect(f, c, "+OK\r\n");
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", NOSCRIPT);
    flow_expect(f, c, NOSCRIPT);
}
END_TEST

START_TEST(an_unknown_script_is_the_clients_error)
{
    flow_send(f, c, "EVALSHA " SHA " 1 b", "EVALSHA nonsense 1 b", "PING");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", NOSCRIPT);
    flow_node_serves(f, NODE_A, "EVALSHA nonsense 1 b", NOSCRIPT);
    flow_expect(f, c, NOSCRIPT NOSCRIPT "+PONG\r\n");
}
END_TEST

START_TEST(a_script_without_keys_goes_to_any_master)
{
    flow_send(f, c, "EVAL " BODY " 0");
    flow_settle(f);
    ck_assert_uint_eq(
        flow_node_links(f, NODE_A) + flow_node_links(f, NODE_B) + flow_node_links(f, NODE_C), 1);
}
END_TEST

/* The node that an ASK named is the one that gets the script. */
START_TEST(a_script_is_loaded_where_an_ask_led)
{
    use_once();
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_gets(f, NODE_A, "EVALSHA " SHA " 1 b");
    flow_answer_redirect(f, NODE_A, "ASK", 3300, NODE_C);
    flow_node_serves(f, NODE_C, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_C, "EVALSHA " SHA " 1 b", NOSCRIPT);
    flow_node_serves(f, NODE_C, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n");
    flow_node_serves(f, NODE_C, "EVALSHA " SHA " 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(a_script_is_loaded_again_where_it_was_moved_to)
{
    use_once();
    flow_send(f, c, "EVALSHA " SHA " 1 b");
    flow_node_serves(f, NODE_A, "EVALSHA " SHA " 1 b", NOSCRIPT);
    flow_node_serves(f, NODE_A, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_gets(f, NODE_A, "EVALSHA " SHA " 1 b");
    flow_answer_redirect(f, NODE_A, "MOVED", 3300, NODE_C);
    flow_node_serves(f, NODE_C, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_C, "EVALSHA " SHA " 1 b", NOSCRIPT);
    flow_node_serves(f, NODE_C, "SCRIPT LOAD " BODY, "$40\r\n" SHA "\r\n");
    flow_node_serves(f, NODE_C, "ASKING", "+OK\r\n"); /* which does no harm here */
    flow_node_serves(f, NODE_C, "EVALSHA " SHA " 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

/* A script may end with an error of its own that begins so. */
START_TEST(a_long_error_of_an_unknown_script_comes_whole)
{
    char error[1200];
    int len = snprintf(error, sizeof error, "-NOSCRIPT No matching script %01000d\r\n", 7);
    flow_send(f, c, "FCALL f 1 b", "PING");
    flow_node_gets(f, NODE_A, "FCALL f 1 b");
    flow_answer(f, NODE_A, error);
    snprintf(error + len, sizeof error - (size_t)len, "+PONG\r\n");
    flow_expect(f, c, error);
}
END_TEST

UNIT_SUITE_WITH("script", flow_begin, end,
                {a_known_script_is_loaded_before_its_first_use_on_a_connection},
                {a_script_that_a_node_forgot_is_loaded_again},
                {script_load_teaches_and_script_flush_forgets},
                {an_unknown_script_is_the_clients_error},
                {a_long_error_of_an_unknown_script_comes_whole},
                {a_script_without_keys_goes_to_any_master}, {a_script_is_loaded_where_an_ask_led},
                {a_script_is_loaded_again_where_it_was_moved_to})
