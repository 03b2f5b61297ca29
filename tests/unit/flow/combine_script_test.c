/* combine_script_test: SCRIPT EXISTS: a script exists if each master has it, or is given it when it
 * is needed. */
#include "flow/script.h"
#include "support/flow_unit.h"
#include <stdio.h>

/* SHA-1 of "return1", and of nothing that has been seen. */
#define KNOWN   "53f1da8c8a352df2fd0b308664621bc76c9e57cd"
#define CAPITAL "53F1DA8C8A352DF2FD0B308664621BC76C9E57CD"
#define UNKNOWN "0000000000000000000000000000000000000000"
#define MERGE   "-ERR slotway can't merge what the nodes answered\r\n"

static void begin(void)
{
    flow_begin();
    flow_send(f, c, "EVAL return1 1 b");
    flow_node_serves(f, NODE_A, "EVAL return1 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}

static void end(void)
{
    flow_end();
    script_forget_all();
}

START_TEST(known_scripts_need_one_master_and_others_all)
{
    static const struct {
        const char *digest, *a, *b, *c, *want;
    } cases[] = {
        {KNOWN, "1", "1", "1", "1"},   {KNOWN, "1", "0", "0", "1"},   {KNOWN, "0", "1", "0", "1"},
        {KNOWN, "0", "0", "1", "1"},   {CAPITAL, "0", "0", "1", "1"}, {KNOWN, "0", "0", "0", "0"},
        {UNKNOWN, "1", "1", "1", "1"}, {UNKNOWN, "1", "1", "0", "0"}, {UNKNOWN, "0", "1", "1", "0"},
        {UNKNOWN, "0", "0", "0", "0"}, {"x", "0", "0", "0", "0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[80], reply[4][20];
        const char *const numbers[] = {cases[i].a, cases[i].b, cases[i].c, cases[i].want};
        snprintf(line, sizeof line, "SCRIPT EXISTS %s", cases[i].digest);
        for (int k = 0; k < 4; k++)
            snprintf(reply[k], sizeof reply[k], "*1\r\n:%s\r\n", numbers[k]);
        flow_merges(line, reply[0], reply[1], reply[2], reply[3]);
    }
}
END_TEST

START_TEST(each_digest_is_judged_for_itself)
{
    flow_merges("SCRIPT EXISTS " UNKNOWN " " KNOWN " x " KNOWN, "*4\r\n:1\r\n:0\r\n:0\r\n:0\r\n",
                "*4\r\n:1\r\n:1\r\n:0\r\n:1\r\n", "*4\r\n:1\r\n:0\r\n:1\r\n:0\r\n",
                "*4\r\n:1\r\n:1\r\n:0\r\n:1\r\n");
}
END_TEST

START_TEST(other_shapes_and_errors_are_no_answer)
{
    static const char line[] = "SCRIPT EXISTS " KNOWN " x", good[] = "*2\r\n:1\r\n:1\r\n";
    static const char *const odd[] = {"*1\r\n:1\r\n", "*3\r\n:1\r\n:1\r\n:1\r\n", "+OK\r\n",
                                      "*2\r\n:1\r\n$1\r\n1\r\n"};
    static const struct flow_case bad[] = {
        {"SCRIPT EXISTS", "-ERR wrong number of arguments for 'script|exists' command\r\n"}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        flow_merges(line, odd[i], good, good, MERGE);
        flow_merges(line, good, good, odd[i], MERGE);
    }
    flow_merges(line, good, "-ERR no\r\n", good, "-ERR no\r\n");
    flow_asks(c, bad);
}
END_TEST

START_TEST(script_flush_forgets)
{
    flow_merges("SCRIPT FLUSH", "+OK\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\n");
    flow_merges("SCRIPT EXISTS " KNOWN, "*1\r\n:1\r\n", "*1\r\n:0\r\n", "*1\r\n:0\r\n",
                "*1\r\n:0\r\n");
}
END_TEST

UNIT_SUITE_WITH("combine_script", begin, end, {known_scripts_need_one_master_and_others_all},
                {each_digest_is_judged_for_itself}, {other_shapes_and_errors_are_no_answer},
                {script_flush_forgets})
