/* local_server_test: the small commands of a connection and of the server, PING to LOLWUT, with the
 * replies of redis-server 7 in cluster mode. PING while a script runs is in busy_test, what RESET
 * ends in session_test. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#define OK          "+OK\r\n"
#define NO_INT      "-ERR value is not an integer or out of range\r\n"
#define NO_SELECT   "-ERR SELECT is not allowed in cluster mode\r\n"
#define NOAUTH      "-NOAUTH Authentication required.\r\n"
#define WRONGPASS   "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
#define NOPROTO     "-NOPROTO unsupported protocol version\r\n"
#define NO_PROTOCOL "-ERR Protocol version is not an integer or out of range\r\n"
#define ARITY(name) "-ERR wrong number of arguments for '" name "' command\r\n"
#define OPTION(x)   "-ERR Syntax error in HELLO option '" x "'\r\n"
#define NO_PASSWORD                                                                                \
    "-ERR AUTH <password> called without any password configured for the default user. Are you "   \
    "sure your configuration is correct?\r\n"
#define HELLO_NOAUTH                                                                               \
    "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "     \
    "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "        \
    "protocol version at the same time\r\n"
#define HELLO(header, proto, id)                                                                   \
    header "$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$5\r\n7.0.0\r\n$5\r\nproto\r\n:" proto \
           "\r\n$2\r\nid\r\n:" id "\r\n$4\r\nmode\r\n$7\r\ncluster\r\n$4\r\nrole\r\n$6\r\nmaster"  \
           "\r\n$7\r\nmodules\r\n*0\r\n"
#define HELLO2 HELLO("*14\r\n", "2", "1")
#define HELLO3 HELLO("%7\r\n", "3", "1")

START_TEST(small_commands)
{
    static const struct flow_case cases[] = {
        {"PING", "+PONG\r\n"},
        {"ping a", "$1\r\na\r\n"},
        {"PING ", "$0\r\n\r\n"},
        {"PING a b", ARITY("ping")},
        {"ECHO a", "$1\r\na\r\n"},
        {"ECHO", ARITY("echo")},
        {"ECHO a b", ARITY("echo")},
        {"TIME x", ARITY("time")},
        {"SELECT 0", OK},
        {"SELECT 1", NO_SELECT},
        {"SELECT -2147483648", NO_SELECT},
        {"SELECT 2147483647", NO_SELECT},
        {"SELECT 2147483648", "-ERR value is out of range, value must between -2147483648 and "
                              "2147483647\r\n"},
        {"SELECT -2147483649", "-ERR value is out of range, value must between -2147483648 and "
                               "2147483647\r\n"},
        {"SELECT 99999999999999999999", NO_INT},
        {"SELECT x", NO_INT},
        {"SELECT", ARITY("select")},
        {"ASKING", OK},
        {"ASKING x", ARITY("asking")},
        {"READWRITE x", ARITY("readwrite")},
    };
    flow_asks(c, cases);
}
END_TEST

START_TEST(bytes_are_echoed_as_they_are)
{
    static const char request[] = "*2\r\n$4\r\nECHO\r\n$5\r\n\0\r\n\xff\n\r\n";
    flow_send_raw(f, c, request, sizeof request - 1);
    flow_expect_bytes(f, c, request + 14, sizeof request - 1 - 14);
}
END_TEST

START_TEST(time_is_that_of_the_clock)
{
    struct timeval before, after;
    long long sec = 0, usec = 0;
    int used = 0, digits = 0, more = 0;
    gettimeofday(&before, NULL);
    flow_send(f, c, "TIME");
    const char *got = flow_received(c);
    gettimeofday(&after, NULL);
    sscanf(got, "*2\r\n$10\r\n%lld\r\n$%d\r\n%n%lld\r\n%n", &sec, &digits, &used, &usec, &more);
    ck_assert_msg((size_t)more == strlen(got) && more - used == digits + 2, "\"%s\"", got);
    long long at = sec * 1000000 + usec;
    ck_assert_int_ge(at, before.tv_sec * 1000000LL + before.tv_usec);
    ck_assert_int_le(at, after.tv_sec * 1000000LL + after.tv_usec);
}
END_TEST

START_TEST(quit_answers_and_closes_and_runs_nothing_more)
{
    flow_send(f, c, "GET b", "QUIT", "SET b 1");
    flow_node_serves(f, NODE_A, "GET b", "$-1\r\n");
    flow_expect(f, c, "$-1\r\n" OK);
    flow_expect_closed(f, c);
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

/* --- AUTH, HELLO, RESET --- */

START_TEST(without_a_password_there_is_nothing_to_prove)
{
    static const struct flow_case cases[] = {
        {"AUTH", ARITY("auth")},
        {"AUTH x", NO_PASSWORD},
        {"AUTH ", NO_PASSWORD},
        {"AUTH default x", OK},
        {"AUTH nobody x", WRONGPASS},
        {"AUTH Default x", WRONGPASS},
        {"AUTH default2 x", WRONGPASS},
        {"AUTH a b c", "-ERR syntax error\r\n"},
        {"HELLO 2 AUTH default x", HELLO2},
        {"PING", "+PONG\r\n"},
    };
    flow_asks(c, cases);
}
END_TEST

START_TEST(with_a_password_nothing_goes_before_it)
{
    static const struct flow_case locked[] = {
        {"PING", NOAUTH},
        {"GET b", NOAUTH},
        {"HELLO", HELLO_NOAUTH},
        {"HELLO 3", HELLO_NOAUTH},
        {"HELLO 9", NOPROTO},
        {"HELLO x", NO_PROTOCOL},
        {"AUTH wrong", WRONGPASS},
        {"AUTH sesam", WRONGPASS},
        {"AUTH sesamesesame", WRONGPASS},
        {"AUTH sesamf", WRONGPASS},
        {"AUTH ", WRONGPASS},
        {"AUTH nobody sesame", WRONGPASS},
        {"AUTH default wrong", WRONGPASS},
        {"HELLO 3 AUTH default wrong", WRONGPASS},
        {"HELLO 3 AUTH nobody sesame", WRONGPASS},
        {"PING", NOAUTH},
        {"QUIT", OK},
    };
    flow_again("requirepass sesame\n");
    flow_asks(c, locked);
    flow_expect_closed(f, c);
}
END_TEST

START_TEST(a_password_opens_until_reset)
{
    static const struct flow_case cases[] = {
        {"AUTH sesame", OK},
        {"PING", "+PONG\r\n"},
        {"AUTH wrong", WRONGPASS},
        {"PING", "+PONG\r\n"}, /* as before */
        {"RESET", "+RESET\r\n"},
        {"PING", NOAUTH},
        {"AUTH default sesame", OK},
        {"PING", "+PONG\r\n"},
        {"RESET", "+RESET\r\n"},
        {"HELLO 3 AUTH default sesame SETNAME me", HELLO3},
        {"CLIENT GETNAME", "$2\r\nme\r\n"},
    };
    flow_again("requirepass sesame\n");
    flow_asks(c, cases);
}
END_TEST

START_TEST(hello_tells_what_it_is_and_takes_options)
{
    static const struct flow_case cases[] = {
        {"HELLO", HELLO2},
        {"HELLO x", NO_PROTOCOL},
        {"HELLO 1", NOPROTO},
        {"HELLO 4", NOPROTO},
        {"HELLO 2 AUTH", OPTION("AUTH")},
        {"HELLO 2 AUTH default", OPTION("AUTH")},
        {"HELLO 2 SETNAME", OPTION("SETNAME")},
        {"HELLO 2 what", OPTION("what")},
        {"HELLO 2 SETNAME a\nb",
         "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"},
        {"HELLO 3 SETNAME one x", OPTION("x")},
        {"CLIENT GETNAME", "$3\r\none\r\n"}, /* still RESP2; the name is set, as in Redis */
        {"hello 3 setname two", HELLO3},
        {"CLIENT GETNAME", "$3\r\ntwo\r\n"},
        {"HELLO", HELLO3},
        {"CLIENT SETNAME ", OK},
        {"CLIENT GETNAME", "_\r\n"},
        {"HELLO 2", HELLO2},
        {"CLIENT GETNAME", "$-1\r\n"},
        {"HELLO 3 SETNAME three", HELLO3},
        {"RESET", "+RESET\r\n"},
        {"CLIENT GETNAME", "$-1\r\n"},
    };
    flow_asks(c, cases);
}
END_TEST

START_TEST(the_version_is_that_of_the_nodes)
{
    static const struct flow_case cases[] = {{"HELLO 3", NOPROTO}, {"HELLO 4", NOPROTO}};
    strcpy(f->w->topology->nodes[1].version, "5.0.14");
    flow_asks(c, cases);
    flow_send(f, c, "HELLO 2");
    flow_contains(flow_received(c), "\r\n$6\r\n5.0.14\r\n");
    strcpy(f->w->topology->nodes[0].version, "6.2.1");
    flow_send(f, c, "HELLO 3");
    flow_contains(flow_received(c), "%7\r\n", "\r\n$5\r\n6.2.1\r\n");
}
END_TEST

/* --- modes --- */

START_TEST(modes_are_set_and_taken_back)
{
    static const struct {
        const char *line, *reply;
        uint32_t flags;
    } steps[] = {
        {"READONLY", OK, CLIENT_READONLY},
        {"READWRITE", OK, 0},
        {"READONLY", OK, CLIENT_READONLY},
        {"CLIENT NO-EVICT on", OK, CLIENT_READONLY | CLIENT_NO_EVICT},
        {"CLIENT NO-TOUCH on", OK, CLIENT_READONLY | CLIENT_NO_EVICT | CLIENT_NO_TOUCH},
        {"RESET", "+RESET\r\n", 0},
        {"CLIENT REPLY OFF", "", CLIENT_REPLY_OFF},
        {"RESET", "+RESET\r\n", 0},
        {"RESET x", ARITY("reset"), 0},
    };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        flow_send(f, c, steps[i].line);
        flow_expect(f, c, steps[i].reply);
        ck_assert_uint_eq(flow_newest(f)->flags & (CLIENT_READONLY | CLIENT_NO_EVICT |
                                                   CLIENT_NO_TOUCH | CLIENT_REPLY_OFF),
                          steps[i].flags);
    }
}
END_TEST

/* --- LOLWUT --- */

/* Lines of the reply, its header included. */
static unsigned lines_of(const char *text)
{
    unsigned n = 0;
    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

START_TEST(lolwut_shows_the_shards)
{
    char end[200];
    static const struct flow_case bad[] = {{"LOLWUT VERSION x", NO_INT}};
    flow_asks(c, bad);
    snprintf(end, sizeof end, "\n\n3 shards, one address. slotway %s\nRedis ver. 7.0.0\n\r\n",
             SLOTWAY_VERSION);
    flow_send(f, c, "LOLWUT x y");
    const char *got = flow_received(c);
    flow_contains(got, end, "\u2591\u2591\n", "\u2592\u2592\n", "\u2593\u2593\n");
    ck_assert_uint_eq(lines_of(got), 1 + 16 + 3 + 1);
    ck_assert_int_eq(atoi(got + 1), (int)strlen(strchr(got, '\n') + 1) - 2);
    for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
        f->owner[slot] = FLOW_NODES; /* nobody's */
    flow_publish(f);
    flow_hello(c, 3);
    flow_send(f, c, "LOLWUT VERSION 5 1");
    got = flow_received(c);
    ck_assert_int_eq(strncmp(strchr(got, '\n') + 1, "txt:          ", 14), 0);
    ck_assert_msg(!strstr(got, "\u2591"), "%s", got);
}
END_TEST

UNIT_SUITE_WITH("local_server", flow_begin, flow_end, {small_commands},
                {bytes_are_echoed_as_they_are}, {time_is_that_of_the_clock},
                {quit_answers_and_closes_and_runs_nothing_more},
                {without_a_password_there_is_nothing_to_prove},
                {with_a_password_nothing_goes_before_it}, {a_password_opens_until_reset},
                {hello_tells_what_it_is_and_takes_options}, {the_version_is_that_of_the_nodes},
                {modes_are_set_and_taken_back}, {lolwut_shows_the_shards})
