/* function_test: FCALL while CLIENT PAUSE WRITE is in force: functions that do not write go on. */
#include "support/flow_unit.h"
#include <string.h>
#include <unistd.h>

/* Two libraries: f writes, g and long do not. */
#define LIST                                                                                       \
    "*2\r\n"                                                                                       \
    "*6\r\n$12\r\nlibrary_name\r\n$1\r\na\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*2\r" \
    "\n"                                                                                           \
    "*6\r\n$4\r\nname\r\n$1\r\nf\r\n$11\r\ndescription\r\n$9\r\nno-writes\r\n$5\r\nflags\r\n*0\r"  \
    "\n"                                                                                           \
    "*6\r\n$4\r\nname\r\n$1\r\nG\r\n$11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n"                  \
    "*2\r\n+allow-oom\r\n+no-writes\r\n"                                                           \
    "*4\r\n$12\r\nlibrary_name\r\n$1\r\nb\r\n$9\r\nfunctions\r\n*1\r\n"                            \
    "*4\r\n$5\r\nflags\r\n*1\r\n+no-writes\r\n$4\r\nname\r\n$4\r\nlong\r\n"

static int admin;

static void begin(void)
{
    flow_begin();
    admin = flow_client(f);
}

static void end(void)
{
    close(admin);
    flow_end();
}

static void pause_with(const char *command)
{
    flow_send(f, admin, command);
    flow_expect(f, admin, "+OK\r\n");
}

static void unpause(void)
{
    flow_send(f, admin, "CLIENT UNPAUSE");
    flow_expect(f, admin, "+OK\r\n");
}

/* The master that is asked answers. */
static void is_asked(const char *reply)
{
    flow_node_serves(f, NODE_A, "FUNCTION LIST", reply);
}

START_TEST(functions_that_do_not_write_go_on)
{
    pause_with("CLIENT PAUSE 100000 WRITE");
    flow_send(f, c, "FCALL g 1 b");
    is_asked(LIST);
    flow_node_serves(f, NODE_A, "FCALL g 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
    flow_send(f, c, "FCALL LONG 1 b", "FCALL g 1 b");
    flow_node_gets(f, NODE_A, "FCALL LONG 1 b");
    flow_node_serves(f, NODE_A, "FCALL g 1 b", ":2\r\n:3\r\n");
    flow_expect(f, c, ":2\r\n:3\r\n");
}
END_TEST

START_TEST(others_wait_for_the_end_of_the_pause)
{
    int other = flow_client(f);
    pause_with("CLIENT PAUSE 100000 WRITE");
    flow_send(f, c, "FCALL f 1 b");
    flow_send(f, other, "FCALL nosuch 1 b");
    is_asked(LIST);
    flow_node_gets_nothing(f, NODE_A);
    unpause();
    flow_node_serves(f, NODE_A, "FCALL f 1 b", ":1\r\n");
    flow_node_serves(f, NODE_A, "FCALL nosuch 1 b", ":2\r\n");
    flow_expect(f, c, ":1\r\n");
    flow_expect(f, other, ":2\r\n");
    close(other);
}
END_TEST

START_TEST(a_pause_of_everything_asks_nobody)
{
    pause_with("CLIENT PAUSE 100000");
    flow_send(f, c, "FCALL g 1 b");
    flow_node_gets_nothing(f, NODE_A);
    unpause();
    flow_node_serves(f, NODE_A, "FCALL g 1 b", ":1\r\n");
    flow_expect(f, c, ":1\r\n");
}
END_TEST

START_TEST(without_a_list_all_of_them_wait)
{
    static const char *const replies[] = {"-NOPERM no\r\n", "+OK\r\n", "*1\r\n*2\r\n:1\r\n:2\r\n",
                                          "*1\r\n*2\r\n$9\r\nfunctions\r\n*1\r\n+x\r\n"};
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        pause_with("CLIENT PAUSE 100000 WRITE");
        flow_send(f, c, "FCALL g 1 b");
        is_asked(replies[i]);
        flow_node_gets_nothing(f, NODE_A);
        unpause();
        flow_node_serves(f, NODE_A, "FCALL g 1 b", ":1\r\n");
        flow_expect(f, c, ":1\r\n");
        end();
        begin();
    }
}
END_TEST

START_TEST(the_end_of_the_worker_ends_the_question)
{
    pause_with("CLIENT PAUSE 100000 WRITE");
    flow_send(f, c, "FCALL g 1 b");
    flow_node_gets(f, NODE_A, "FUNCTION LIST");
}
END_TEST

UNIT_SUITE_WITH("function", begin, end, {functions_that_do_not_write_go_on},
                {others_wait_for_the_end_of_the_pause}, {a_pause_of_everything_asks_nobody},
                {without_a_list_all_of_them_wait}, {the_end_of_the_worker_ends_the_question})
