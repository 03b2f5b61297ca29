/* local_test: commands that slotway answers itself, or by one node's leave, for which a plain
 * server is no measure: ACL with a password, DEBUG, SAVE, memory of clients. */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void begin_admin(void)
{
    flow_begin_with("allow-admin yes\n");
}

/* --- ACL --- */

START_TEST(the_default_user_has_the_password_of_requirepass)
{
    flow_again("requirepass foo\n");
    flow_send(f, c, "ACL LIST", "AUTH foo", "ACL LIST");
    flow_expect(
        f, c,
        "-NOAUTH Authentication required.\r\n+OK\r\n*1\r\n$93\r\nuser default on "
        "#2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae ~* &* +@all\r\n");
    flow_send(f, c, "ACL GETUSER default");
    flow_expect(f, c,
                "*12\r\n$5\r\nflags\r\n*1\r\n$2\r\non\r\n$9\r\npasswords\r\n*1\r\n$64\r\n"
                "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\r\n"
                "$8\r\ncommands\r\n$5\r\n+@all\r\n$4\r\nkeys\r\n$2\r\n~*\r\n$8\r\nchannels\r\n"
                "$2\r\n&*\r\n$9\r\nselectors\r\n*0\r\n");
}
END_TEST

START_TEST(other_users_are_refused_and_reach_no_node)
{
    flow_send(f, c, "ACL SETUSER other on nopass", "ACL SETUSER default off");
    flow_expect(f, c,
                "-ERR 'acl|setuser' is not supported by slotway yet\r\n"
                "-ERR 'acl|setuser' is not supported by slotway yet\r\n");
    flow_node_gets_nothing(f, NODE_A);
}
END_TEST

/* --- DEBUG --- */

START_TEST(debug_of_a_key_goes_to_its_node)
{
    flow_send(f, c, "DEBUG OBJECT b", "DEBUG object a fast");
    flow_node_serves(f, NODE_C, "DEBUG object a fast", "+a\r\n");
    flow_node_serves(f, NODE_A, "DEBUG OBJECT b", "+b\r\n");
    flow_expect(f, c, "+b\r\n+a\r\n");
}
END_TEST

START_TEST(debug_error_is_no_error_of_the_node)
{
    flow_send(f, c, "GET b", "DEBUG ERROR LOADING");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_B, "DEBUG HELP", "*1\r\n+help\r\n");
    flow_expect(f, c, "+1\r\n-LOADING\r\n");
    flow_send_raw(f, c, "*3\r\n$5\r\nDEBUG\r\n$5\r\nERROR\r\n$6\r\na\r\n+OK\r\n", 38);
    flow_node_serves(f, NODE_B, "DEBUG HELP", "*1\r\n+help\r\n");
    flow_expect(f, c, "-a  +OK\r\n");
}
END_TEST

START_TEST(debug_needs_the_nodes_leave)
{
    flow_send(f, c, "GET b", "DEBUG ERROR x", "DEBUG SLEEP 0");
    flow_node_serves(f, NODE_A, "GET b", "+1\r\n");
    flow_node_serves(f, NODE_B, "DEBUG HELP", "-ERR no\r\n");
    flow_node_serves(f, NODE_B, "DEBUG SLEEP 0", "-ERR no\r\n");
    flow_expect(f, c, "+1\r\n-ERR no\r\n-ERR no\r\n");
}
END_TEST

START_TEST(debug_and_saves_need_allow_admin)
{
    flow_again(NULL);
    flow_send(f, c, "DEBUG SLEEP 0");
    flow_expect(f, c,
                "-ERR 'debug' is for who runs the cluster: send it to the nodes themselves, or "
                "set allow-admin yes in slotway\r\n");
    flow_send(f, c, "BGSAVE");
    flow_expect(f, c,
                "-ERR 'bgsave' is for who runs the cluster: send it to the nodes themselves, or "
                "set allow-admin yes in slotway\r\n");
}
END_TEST

START_TEST(saves_go_to_all_masters)
{
    flow_merges("BGSAVE", "+Background saving started\r\n", "+Background saving started\r\n",
                "+Background saving started\r\n", "+Background saving started\r\n");
    flow_send(f, c, "MULTI", "SET b 1", "BGREWRITEAOF", "EXEC");
    flow_node_gets(f, NODE_A, "MULTI");
    flow_node_gets(f, NODE_A, "SET b 1");
    flow_node_gets(f, NODE_A, "EXEC");
    flow_answer(f, NODE_A, "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n");
    flow_node_serves(f, NODE_A, "BGREWRITEAOF", "+OK\r\n");
    flow_node_serves(f, NODE_B, "BGREWRITEAOF", "-ERR Background save already in progress\r\n");
    flow_node_serves(f, NODE_C, "BGREWRITEAOF", "+OK\r\n");
    flow_expect(f, c,
                "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-ERR Background save already in "
                "progress\r\n");
}
END_TEST

/* --- CLIENT LIST --- */

START_TEST(clients_are_listed_by_their_ids)
{
    char list[4096] = "", command[100];
    unsigned long long first = flow_newest(f)->id;
    int others[] = {flow_client(f), flow_client(f), flow_client(f)};
    snprintf(command, sizeof command, "CLIENT LIST ID %llu 77 %llu %llu %llu", first + 3, first,
             first + 2, first);
    flow_send(f, c, command);
    flow_settle(f);
    ck_assert_int_gt(read(c, list, sizeof list - 1), 0);
    for (unsigned long long i = 0; i < 4; i++) {
        char id[40];
        snprintf(id, sizeof id, "id=%llu ", first + i);
        ck_assert(!strstr(list, id) == (i == 1));
    }
    for (size_t i = 0; i < 3; i++)
        close(others[i]);
}
END_TEST

/* qbuf-free of the client that was opened last, as another one is told. */
static int free_room(void)
{
    char list[4096] = "", id[40];
    snprintf(id, sizeof id, "CLIENT LIST ID %llu", (unsigned long long)flow_newest(f)->id);
    flow_send(f, c, id);
    flow_settle(f);
    ck_assert_int_gt(read(c, list, sizeof list - 1), 0);
    const char *at = strstr(list, " qbuf=0 qbuf-free=");
    ck_assert_msg(at != NULL, "%s", list);
    return atoi(at + strlen(" qbuf=0 qbuf-free="));
}

START_TEST(room_for_reading_is_shown_as_redis_shows_it)
{
    char large[60000];
    int other = flow_client(f);
    ck_assert_int_eq(free_room(), 0);
    flow_send(f, other, "ECHO 1");
    flow_expect(f, other, "$1\r\n1\r\n");
    ck_assert_int_eq(free_room(), 16384);
    int len = snprintf(large, sizeof large, "*2\r\n$4\r\nECHO\r\n$%d\r\n%050000d\r\n", 50000, 1);
    flow_send_raw(f, other, large, 20000);
    flow_settle(f);
    flow_send_raw(f, other, large + 20000, (size_t)len - 20000);
    flow_settle(f);
    ck_assert_int_gt(read(other, large, sizeof large), 50000);
    ck_assert_int_ge(free_room(), 50000);
    flow_send(f, other, "ECHO 1");
    flow_expect(f, other, "$1\r\n1\r\n");
    ck_assert_int_eq(free_room(), 16384);
    flow_newest(f)->active -= 3;
    ck_assert_int_eq(free_room(), 0);
    close(other);
}
END_TEST

static Suite *local_suite(void)
{
    Suite *suite = suite_create("local");
    TCase *t = tcase_create("local");
    tcase_add_checked_fixture(t, flow_begin, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_default_user_has_the_password_of_requirepass);
    tcase_add_test(t, other_users_are_refused_and_reach_no_node);
    tcase_add_test(t, debug_and_saves_need_allow_admin);
    tcase_add_test(t, clients_are_listed_by_their_ids);
    tcase_add_test(t, room_for_reading_is_shown_as_redis_shows_it);
    suite_add_tcase(suite, t);

    TCase *admin = tcase_create("allow-admin");
    tcase_add_checked_fixture(admin, begin_admin, flow_end);
    tcase_set_timeout(admin, 60);
    tcase_add_test(admin, debug_of_a_key_goes_to_its_node);
    tcase_add_test(admin, debug_error_is_no_error_of_the_node);
    tcase_add_test(admin, debug_needs_the_nodes_leave);
    tcase_add_test(admin, saves_go_to_all_masters);
    suite_add_tcase(suite, admin);
    return suite;
}

UNIT_MAIN(local_suite)
