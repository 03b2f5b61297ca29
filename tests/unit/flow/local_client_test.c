/* local_client_test: CLIENT: names, modes and pauses, with the replies of redis-server 7. What asks
 * all clients is in local_client_list_test and local_client_end_test, TRACKING in
 * tracking_command_test. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <unistd.h>

#define OK         "+OK\r\n"
#define SYNTAX     "-ERR syntax error\r\n"
#define NO_INT     "-ERR timeout is not an integer or out of range\r\n"
#define BAD_NAME   "-ERR Client names cannot contain spaces, newlines or special characters.\r\n"
#define BAD(what)  "-ERR " what " cannot contain spaces, newlines or special characters.\r\n"
#define ARITY(sub) "-ERR wrong number of arguments for 'client|" sub "' command\r\n"

START_TEST(a_name_is_kept_until_it_is_replaced)
{
    static const struct flow_case cases[] = {
        {"CLIENT GETNAME", "$-1\r\n"},
        {"client setname first", OK},
        {"CLIENT GETNAME", "$5\r\nfirst\r\n"},
        {"CLIENT SETNAME !~", OK}, /* the first and the last character that may be in it */
        {"CLIENT GETNAME", "$2\r\n!~\r\n"},
        {"CLIENT SETNAME a\nb", BAD_NAME},
        {"CLIENT SETNAME a\x7f", BAD_NAME},
        {"CLIENT SETNAME \x80", BAD_NAME},
        {"CLIENT GETNAME", "$2\r\n!~\r\n"},
        {"CLIENT SETNAME ", OK},
        {"CLIENT GETNAME", "$-1\r\n"},
        {"CLIENT SETNAME", ARITY("setname")},
        {"CLIENT SETNAME a b", ARITY("setname")},
    };
    static const char blank[] = "*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$3\r\na b\r\n";
    flow_asks(c, cases);
    flow_send_raw(f, c, blank, sizeof blank - 1);
    flow_expect(f, c, BAD_NAME);
    flow_hello(c, 3);
    flow_send(f, c, "CLIENT GETNAME");
    flow_expect(f, c, "_\r\n");
}
END_TEST

START_TEST(the_library_is_shown_in_its_line)
{
    static const struct flow_case cases[] = {
        {"CLIENT SETINFO lib-name mine", OK},
        {"CLIENT SETINFO LIB-VER 1.2", OK},
        {"CLIENT SETINFO lib-name x\ny", BAD("lib-name")},
        {"CLIENT SETINFO LIB-VER x\ty", BAD("lib-ver")},
        {"CLIENT SETINFO lib-age 7", "-ERR Unrecognized option 'lib-age'\r\n"},
        {"CLIENT SETINFO lib-name", ARITY("setinfo")},
    };
    flow_asks(c, cases);
    flow_send(f, c, "CLIENT INFO");
    flow_contains(flow_received(c), " lib-name=mine lib-ver=1.2\n");
    flow_send(f, c, "CLIENT SETINFO lib-ver ", "CLIENT INFO");
    flow_contains(flow_received(c), OK, " lib-name=mine lib-ver=\n");
}
END_TEST

START_TEST(each_client_has_an_id_of_its_own)
{
    char want[2][40];
    int clients[] = {c, flow_client(f)};
    for (int i = 0; i < 2; i++) {
        snprintf(want[i], sizeof want[i], ":%llu\r\n",
                 (unsigned long long)flow_newest(f)->id - 1 + (unsigned)i);
        flow_send(f, clients[i], "CLIENT ID");
        flow_expect(f, clients[i], want[i]);
    }
    ck_assert_str_ne(want[0], want[1]);
    close(clients[1]);
    flow_send(f, c, "CLIENT ID x");
    flow_expect(f, c, ARITY("id"));
}
END_TEST

START_TEST(reply_skip_and_off_end_as_in_redis)
{
    static const struct flow_case cases[] = {
        {"CLIENT REPLY maybe", SYNTAX},
        {"CLIENT REPLY ON", OK},
        {"CLIENT REPLY", ARITY("reply")},
        {"CLIENT REPLY skip", ""},
        {"PING", ""},
        {"PING", "+PONG\r\n"},
        {"CLIENT REPLY SKIP", ""},
        {"CLIENT REPLY ON", OK}, /* what SKIP meant, and yet it answers */
        {"PING", "+PONG\r\n"},
        {"CLIENT REPLY OFF", ""},
        {"PING", ""},
        {"CLIENT REPLY SKIP", ""}, /* for nothing: all is skipped */
        {"CLIENT REPLY maybe", ""},
        {"CLIENT REPLY on", OK},
        {"PING", "+PONG\r\n"},
    };
    flow_asks(c, cases);
}
END_TEST

/* The flags of c as CLIENT INFO shows them. */
static void has_flags(const char *want)
{
    char field[40];
    snprintf(field, sizeof field, " flags=%s ", want);
    flow_send(f, c, "CLIENT INFO");
    flow_contains(flow_received(c), field);
}

START_TEST(no_evict_and_no_touch_are_switches)
{
    static const struct flow_case on[] = {{"CLIENT NO-EVICT on", OK}, {"CLIENT NO-TOUCH ON", OK}},
                                  off[] = {{"CLIENT NO-EVICT OFF", OK}},
                                  bad[] = {{"CLIENT NO-EVICT 1", SYNTAX},
                                           {"CLIENT NO-TOUCH maybe", SYNTAX},
                                           {"CLIENT NO-TOUCH", ARITY("no-touch")},
                                           {"CLIENT NO-EVICT on off", ARITY("no-evict")}};
    has_flags("U");
    flow_asks(c, on);
    has_flags("UeT");
    flow_asks(c, off);
    flow_asks(c, bad);
    has_flags("UT");
}
END_TEST

START_TEST(a_pause_is_for_all_unless_only_writes_are_meant)
{
    static const struct {
        const char *line;
        uint64_t ms;
        bool all;
    } pauses[] = {
        {"CLIENT PAUSE 100000", 100000, true},
        {"CLIENT PAUSE 0", 0, true},
        {"CLIENT PAUSE 7 write", 7, false},
        {"client pause 7 ALL", 7, true},
        {"CLIENT PAUSE 9223372036854775807 write", INT64_MAX / 2000, false},
    };
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        flow_send(f, c, pauses[i].line);
        flow_turn(f);
        flow_turn(f);
        uint64_t until = atomic_load(&f->process.pause_until);
        ck_assert_uint_ge(until, pauses[i].ms * 1000 + 1); /* the clock is not at 0 */
        ck_assert_uint_le(until, f->w->now + pauses[i].ms * 1000);
        ck_assert_int_eq(atomic_load(&f->process.pause_all), pauses[i].all);
        flow_send(f, c, "CLIENT UNPAUSE");
        flow_expect(f, c, OK OK);
        ck_assert_uint_eq(atomic_load(&f->process.pause_until), 0);
    }
}
END_TEST

START_TEST(bad_pauses_hold_up_nobody)
{
    static const struct flow_case bad[] = {
        {"CLIENT PAUSE", ARITY("pause")},
        {"CLIENT PAUSE x", NO_INT},
        {"CLIENT PAUSE 9223372036854775808", NO_INT},
        {"CLIENT PAUSE -1", "-ERR timeout is negative\r\n"},
        {"CLIENT PAUSE x maybe", "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n"},
        {"CLIENT PAUSE 1 all x", "-ERR unknown subcommand or wrong number of arguments for "
                                 "'PAUSE'. Try CLIENT HELP.\r\n"},
        {"CLIENT UNPAUSE x", ARITY("unpause")},
    };
    flow_asks(c, bad);
    ck_assert_uint_eq(atomic_load(&f->process.pause_until), 0);
}
END_TEST

START_TEST(help_has_a_line_for_each)
{
    static const struct flow_case bad[] = {
        {"CLIENT", "-ERR wrong number of arguments for 'client' command\r\n"},
        {"CLIENT HELP x", ARITY("help")},
        {"CLIENT nosuch", "-ERR unknown subcommand 'nosuch'. Try CLIENT HELP.\r\n"},
    };
    flow_asks(c, bad);
    flow_send(f, c, "CLIENT HELP");
    flow_contains(flow_received(c), "\r\n+CLIENT <subcommand> [<arg> [value] [opt] ...]. ",
                  "+CACHING ", "+GETREDIR\r", "+GETNAME\r", "+ID\r", "+INFO\r", "+KILL ", "+LIST ",
                  "+UNBLOCK ", "+TRACKING ", "+TRACKINGINFO\r", "+UNPAUSE\r", "+PAUSE ", "+REPLY ",
                  "+SETNAME ", "+SETINFO ", "+NO-EVICT ", ", NO-TOUCH ", "+HELP\r");
}
END_TEST

UNIT_SUITE_WITH("local_client", flow_begin, flow_end, {a_name_is_kept_until_it_is_replaced},
                {the_library_is_shown_in_its_line}, {each_client_has_an_id_of_its_own},
                {reply_skip_and_off_end_as_in_redis}, {no_evict_and_no_touch_are_switches},
                {a_pause_is_for_all_unless_only_writes_are_meant}, {bad_pauses_hold_up_nobody},
                {help_has_a_line_for_each})
