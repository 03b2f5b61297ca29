/* lease_test: connections that one client has to itself: their limits, and who may have them next.
 */
#include "flow/client.h"
#include "flow/lease.h"
#include "support/flow_unit.h"
#include <unistd.h>

START_TEST(connections_to_a_node_have_a_limit)
{
    flow_again("max-connections-per-node 1\n");
    int other = flow_client(f);
    flow_send(f, c, "BLPOP b 0");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLPOP b 0");
    flow_send(f, other, "BLPOP b 0");
    flow_expect(f, other,
                "-ERR no connection to the node is left for this command, "
                "max-connections-per-node is 1\r\n");
    flow_send(f, other, "BLPOP c 0");
    flow_lease_opens(NODE_B, "7");
    flow_node_serves(f, NODE_B, "BLPOP c 0", "*-1\r\n");
    flow_expect(f, other, "*-1\r\n");
    close(other);
}
END_TEST

START_TEST(open_files_are_a_limit_too)
{
    f->process.max_sockets = 0;
    flow_send(f, c, "BLPOP b 0");
    flow_expect(f, c,
                "-ERR no connection to the node is left for this command: the limit on open files "
                "is reached\r\n");
}
END_TEST

static Suite *lease_suite(void)
{
    Suite *suite = suite_create("lease");
    TCase *t = tcase_create("lease");
    tcase_add_checked_fixture(t, flow_begin, flow_end);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, connections_to_a_node_have_a_limit);
    tcase_add_test(t, open_files_are_a_limit_too);
    suite_add_tcase(suite, t);
    return suite;
}

UNIT_MAIN(lease_suite)
