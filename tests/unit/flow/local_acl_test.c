/* local_acl_test: ACL, as a server answers whose only user is the default one. */
#include "support/flow_unit.h"

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

UNIT_SUITE_WITH("local_acl", flow_begin, flow_end,
                {the_default_user_has_the_password_of_requirepass},
                {other_users_are_refused_and_reach_no_node})
