/* tracking_command_test: CLIENT TRACKING, CACHING, TRACKINGINFO and GETREDIR: which options go
 * together, and how a client is told how it tracks, as redis-server 7 does. */
#include "flow/client.h"
#include "flow/tracking_state.h"
#include "support/tracking_unit.h"
#include <unistd.h>

#define OK         "+OK\r\n"
#define SYNTAX     "-ERR syntax error\r\n"
#define NO_SUCH_ID "-ERR The client ID you want redirect to does not exist\r\n"
#define NO_BCAST                                                                                   \
    "-ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then " \
    "re-enabling it with a different mode.\r\n"
#define NO_SWITCH                                                                                  \
    "-ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then " \
    "re-enabling it with a different mode.\r\n"
#define NO_MODE                                                                                    \
    "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "    \
    "OPTOUT mode enabled\r\n"
#define NOT_YES "-ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.\r\n"
#define NOT_NO  "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n"
#define OVERLAPS(a, which, b)                                                                      \
    "-ERR Prefix '" a "' overlaps with " which " prefix '" b "'. Prefixes for a single client "    \
    "must not overlap.\r\n"
#define EXISTING "an existing"
#define OTHER    "another provided"

/* TRACKINGINFO: flags and prefixes with their number before them, texts with their length. */
#define TRACKS(flags, redirect, prefixes)                                                          \
    "%3\r\n$5\r\nflags\r\n~" flags "$8\r\nredirect\r\n:" redirect "\r\n$"                          \
    "8\r\nprefixes\r\n*" prefixes
#define OFF    TRACKS("1\r\n$3\r\noff\r\n", "-1", "0\r\n")
#define NONE   "0\r\n"
#define ON     "$2\r\non\r\n"
#define OPTIN  "$5\r\noptin\r\n"
#define OPTOUT "$6\r\noptout\r\n"
#define BCAST  "$5\r\nbcast\r\n"
#define NOLOOP "$6\r\nnoloop\r\n"
#define YES    "$11\r\ncaching-yes\r\n"
#define NO     "$10\r\ncaching-no\r\n"

START_TEST(bad_options_switch_nothing_on)
{
    static const struct flow_case bad[] = {
        {"CLIENT TRACKING", "-ERR wrong number of arguments for 'client|tracking' command\r\n"},
        {"CLIENT TRACKING maybe", SYNTAX},
        {"CLIENT TRACKING on x", SYNTAX},
        {"CLIENT TRACKING on PREFIX", SYNTAX},
        {"CLIENT TRACKING on REDIRECT", SYNTAX},
        {"CLIENT TRACKING on OPTIN x", SYNTAX},
        {"CLIENT TRACKING on OPTIN OPTOUT",
         "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n"},
        {"CLIENT TRACKING on BCAST OPTIN",
         "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n"},
        {"CLIENT TRACKING on OPTOUT BCAST",
         "-ERR OPTIN and OPTOUT are not compatible with BCAST\r\n"},
        {"CLIENT TRACKING on PREFIX x", "-ERR PREFIX option requires BCAST mode to be enabled\r\n"},
        {"CLIENT TRACKING on REDIRECT x", "-ERR value is not an integer or out of range\r\n"},
        {"CLIENT TRACKING on REDIRECT -1", NO_SUCH_ID},
        {"CLIENT TRACKING on REDIRECT 0", NO_SUCH_ID},
        {"CLIENT TRACKING on REDIRECT 999999", NO_SUCH_ID},
        /* whether there is such a client is looked at before the options */
        {"CLIENT TRACKING on REDIRECT 999999 OPTIN OPTOUT", NO_SUCH_ID},
        {"CLIENT TRACKING on BCAST PREFIX a PREFIX ab", OVERLAPS("a", OTHER, "ab")},
        {"CLIENT TRACKING on BCAST PREFIX x PREFIX ab PREFIX a", OVERLAPS("ab", OTHER, "a")},
        {"CLIENT TRACKING on BCAST PREFIX a PREFIX a", OVERLAPS("a", OTHER, "a")},
        {"CLIENT TRACKING on BCAST PREFIX  PREFIX a", OVERLAPS("", OTHER, "a")},
        {"CLIENT GETREDIR", ":-1\r\n"},
        {"CLIENT TRACKINGINFO", OFF},
        {"CLIENT TRACKINGINFO x",
         "-ERR wrong number of arguments for 'client|trackinginfo' command\r\n"},
    };
    flow_asks(c, bad);
    ck_assert_uint_eq(tracking_clients(&f->process), 0);
}
END_TEST

START_TEST(a_client_is_told_how_it_tracks)
{
    static const struct flow_case cases[] = {
        {"CLIENT TRACKING on", OK},
        {"CLIENT TRACKINGINFO", TRACKS("1\r\n" ON, "0", NONE)},
        {"CLIENT GETREDIR", ":0\r\n"},
        {"client tracking ON noloop", OK},
        {"CLIENT TRACKINGINFO", TRACKS("2\r\n" ON NOLOOP, "0", NONE)},
        {"CLIENT TRACKING off", OK},
        {"CLIENT TRACKINGINFO", OFF},
        {"CLIENT TRACKING off", OK},
        {"CLIENT TRACKING on NOLOOP OPTOUT", OK},
        {"CLIENT TRACKINGINFO", TRACKS("3\r\n" ON OPTOUT NOLOOP, "0", NONE)},
        {"CLIENT TRACKING OFF BCAST OPTIN", OK}, /* which do not matter */
        {"CLIENT GETREDIR", ":-1\r\n"},
    };
    flow_asks(c, cases);
}
END_TEST

START_TEST(in_resp2_it_is_told_in_lists)
{
    static const struct flow_case cases[] = {
        {"CLIENT TRACKING on OPTIN", OK},
        {"CLIENT TRACKINGINFO",
         "*6\r\n$5\r\nflags\r\n*2\r\n" ON OPTIN "$8\r\nredirect\r\n:0\r\n$8\r\nprefixes\r\n*0\r\n"},
    };
    flow_hello(c, 2);
    flow_asks(c, cases);
}
END_TEST

START_TEST(modes_are_not_changed_while_it_tracks)
{
    static const struct flow_case cases[] = {
        {"CLIENT TRACKING on OPTIN", OK},
        {"CLIENT TRACKING on OPTOUT", NO_SWITCH},
        {"CLIENT TRACKING on BCAST", NO_BCAST},
        {"CLIENT TRACKING on OPTIN NOLOOP", OK},
        {"CLIENT TRACKINGINFO", TRACKS("3\r\n" ON OPTIN NOLOOP, "0", NONE)},
        {"CLIENT TRACKING off", OK},
        {"CLIENT TRACKING on OPTOUT", OK},
        {"CLIENT TRACKING on OPTIN", NO_SWITCH},
        {"CLIENT TRACKING on", OK},
        {"CLIENT TRACKING on OPTIN", OK},
    };
    flow_asks(c, cases);
}
END_TEST

START_TEST(caching_is_for_the_next_command_of_its_mode)
{
    static const struct flow_case cases[] = {
        {"CLIENT CACHING yes", NO_MODE},
        {"CLIENT CACHING maybe", NO_MODE},
        {"CLIENT CACHING", "-ERR wrong number of arguments for 'client|caching' command\r\n"},
        {"CLIENT TRACKING on", OK},
        {"CLIENT CACHING yes", NOT_YES},
        {"CLIENT CACHING no", NOT_NO},
        {"CLIENT CACHING maybe", SYNTAX},
        {"CLIENT TRACKING on OPTIN", OK},
        {"CLIENT CACHING no", NOT_NO},
        {"CLIENT TRACKINGINFO", TRACKS("2\r\n" ON OPTIN, "0", NONE)},
        {"CLIENT CACHING YES", OK},
        {"CLIENT TRACKINGINFO", TRACKS("3\r\n" ON OPTIN YES, "0", NONE)},
        {"CLIENT TRACKINGINFO", TRACKS("3\r\n" ON OPTIN YES, "0", NONE)}, /* CLIENT is none */
        {"ECHO 1", "$1\r\n1\r\n"},
        {"CLIENT TRACKINGINFO", TRACKS("2\r\n" ON OPTIN, "0", NONE)},
        {"CLIENT TRACKING off", OK},
        {"CLIENT TRACKING on OPTOUT", OK},
        {"CLIENT CACHING yes", NOT_YES},
        {"CLIENT CACHING no", OK},
        {"CLIENT TRACKINGINFO", TRACKS("3\r\n" ON OPTOUT NO, "0", NONE)},
    };
    flow_asks(c, cases);
}
END_TEST

/* c asks for BCAST, and each master is told so. */
static void broadcast(const char *line, const char *told, bool first)
{
    flow_send(f, c, line);
    for (int node = NODE_A; node <= NODE_C; node++) {
        if (first)
            tracking_leases((enum flow_node)node, told);
        else
            flow_node_serves(f, (enum flow_node)node, told, OK);
        flow_expect_nothing(f, c);
        flow_node_serves(f, (enum flow_node)node, "SELECT 0", OK); /* tells that it has been */
    }
    flow_expect(f, c, OK);
}

START_TEST(prefixes_are_added_and_do_not_overlap)
{
    static const struct flow_case overlaps[] = {
        {"CLIENT TRACKINGINFO",
         TRACKS("2\r\n" ON BCAST, "0", "3\r\n$2\r\nac\r\n$1\r\nd\r\n$1\r\ne\r\n")},
        {"CLIENT TRACKING on BCAST PREFIX dx", OVERLAPS("dx", EXISTING, "d")},
        {"CLIENT TRACKING on BCAST PREFIX x PREFIX a", OVERLAPS("a", EXISTING, "ac")},
        {"CLIENT TRACKING on BCAST PREFIX ", OVERLAPS("", EXISTING, "ac")}, /* the first of all */
        {"CLIENT TRACKING on BCAST PREFIX b PREFIX b", OVERLAPS("b", OTHER, "b")},
        {"CLIENT TRACKING on", NO_BCAST},
        {"CLIENT CACHING yes", NOT_YES},
    };
    static const struct flow_case added[] = {
        {"CLIENT TRACKINGINFO", TRACKS("3\r\n" ON BCAST NOLOOP, "0",
                                       "4\r\n$2\r\nac\r\n$1\r\nb\r\n$1\r\nd\r\n$1\r\ne\r\n")},
    };
    broadcast("CLIENT TRACKING on BCAST PREFIX d PREFIX ac PREFIX e",
              "CLIENT TRACKING ON bcast PREFIX d PREFIX ac PREFIX e", true);
    flow_asks(c, overlaps);
    broadcast("CLIENT TRACKING on BCAST NOLOOP PREFIX b",
              "CLIENT TRACKING ON bcast noloop PREFIX b", false);
    flow_asks(c, added);
    flow_send(f, c, "CLIENT TRACKING off", "CLIENT TRACKINGINFO");
    flow_expect(f, c, OK OFF);
}
END_TEST

START_TEST(who_is_told_instead_is_checked_and_shown)
{
    int other = flow_client(f);
    static const struct flow_case cases[] = {
        {"CLIENT TRACKING on REDIRECT 2 REDIRECT 2",
         "-ERR A client can only redirect to a single other client\r\n"},
        {"CLIENT TRACKING on REDIRECT 2 OPTIN OPTOUT",
         "-ERR You can't specify both OPTIN mode and OPTOUT mode\r\n"},
        {"CLIENT TRACKING on BCAST PREFIX a PREFIX xb REDIRECT 2 PREFIX xbc",
         OVERLAPS("xb", OTHER, "xbc")},
        {"CLIENT TRACKING off REDIRECT 2", OK},
        {"CLIENT TRACKING off REDIRECT 9",
         "-ERR The client ID you want redirect to does not exist\r\n"},
        {"CLIENT TRACKING maybe REDIRECT 2", "-ERR syntax error\r\n"},
        {"CLIENT GETREDIR", ":-1\r\n"},
        {"CLIENT TRACKING on NOLOOP REDIRECT 2", OK},
        {"CLIENT TRACKINGINFO", TRACKS("2\r\n" ON NOLOOP, "2", NONE)},
        {"CLIENT GETREDIR", ":2\r\n"},
        {"CLIENT TRACKING on", OK},
        {"CLIENT GETREDIR", ":0\r\n"},
    };
    ck_assert_uint_eq(flow_newest(f)->id, 2);
    flow_asks(c, cases);
    close(other);
}
END_TEST

START_TEST(who_is_told_instead_may_be_another_workers_client)
{
    static const struct flow_case cases[] = {{"CLIENT TRACKING on REDIRECT 2", OK},
                                             {"CLIENT GETREDIR", ":2\r\n"}};
    int other = flow_client_of(f, flow_second(f));
    flow_asks(c, cases);
    ck_assert_uint_eq(tracking_of(flow_newest(f))->target.worker, 1);
    close(other);
}
END_TEST

UNIT_SUITE_WITH("tracking_command", tracking_begin, flow_end, {bad_options_switch_nothing_on},
                {a_client_is_told_how_it_tracks}, {in_resp2_it_is_told_in_lists},
                {modes_are_not_changed_while_it_tracks},
                {caching_is_for_the_next_command_of_its_mode},
                {prefixes_are_added_and_do_not_overlap}, {who_is_told_instead_is_checked_and_shown},
                {who_is_told_instead_may_be_another_workers_client})
