/* config_value_test: values of every type, read from a file and written again. */
#include "support/config_unit.h"
#include <stdlib.h>

START_TEST(every_value_can_be_written_and_read_again)
{
    struct config *c = config_good("bind 127.0.0.1 -::1\nunixsocket \"/tmp/a b\"\n");

    for (uint32_t i = 0; i < config_count(); i++) {
        const struct config_directive *d = config_at(i);
        char *value = config_value(c, d);
        struct config_error error;
        if (config_is_runtime(d)) {
            struct config *again = config_set(c, config_name(d), value, &error);
            ck_assert_msg(again != NULL, "%s: %s", config_name(d), error.text);
            config_shows(again, config_name(d), value);
            config_unref(again);
        }
        free(value);
    }
    config_unref(c);
}
END_TEST

START_TEST(values_of_every_type)
{
    struct config *c = config_good("# comment\n\n  port 6000\r\n\tPROTECTED-MODE No\n"
                                   "proto-max-bulk-len 2mb\nclient-input-limit 1000k\n"
                                   "max-waiting-memory 123456\nfailover-timeout 3s\n"
                                   "redirect-timeout 250\ntcp-keepalive 2m\nunixsocketperm 770\n"
                                   "read-from NEAREST\nslowlog-log-slower-than -1\n"
                                   "requirepass 'it\\'s'\n"
                                   "auth-password \"\\x41\\n\\\"\"\nthreads 3\nloglevel debug");

    ck_assert_uint_eq(c->port, 6000);
    ck_assert(!c->protected_mode);
    ck_assert_uint_eq(c->proto_max_bulk_len, 2u << 20);
    ck_assert_uint_eq(c->client_input_limit, 1000000);
    ck_assert_uint_eq(c->max_waiting_memory, 123456);
    ck_assert_uint_eq(c->failover_timeout, 3000);
    ck_assert_uint_eq(c->redirect_timeout, 250);
    ck_assert_uint_eq(c->tcp_keepalive, 120);
    ck_assert_uint_eq(c->unixsocketperm, 0770);
    ck_assert_uint_eq(c->read_from, CONFIG_READ_NEAREST);
    ck_assert_int_eq(c->slowlog_log_slower_than, -1);
    ck_assert_str_eq(c->requirepass, "it's");
    ck_assert_str_eq(c->auth_password, "A\n\"");
    ck_assert_uint_eq(c->threads, 3);
    config_shows(c, "unixsocketperm", "770");
    config_shows(c, "read-from", "nearest");
    config_shows(c, "proto-max-bulk-len", "2097152");
    config_comes_from(c, "port", "test.conf:3");
    config_unref(c);
}
END_TEST

START_TEST(lists_add_up_over_lines_and_other_values_are_replaced)
{
    struct config *c = config_good("cluster-nodes a:1 b:2\nport 1\ncluster [::1]:3\nport 2\n"
                                   "bind \"\"\ncluster-nodes /run/r.sock\n");

    config_shows(c, "cluster-nodes", "a:1 b:2 [::1]:3 /run/r.sock");
    ck_assert_uint_eq(c->port, 2);
    ck_assert_uint_eq(c->bind.n, 0);
    config_unref(c);
}
END_TEST

UNIT_SUITE("config_value", {every_value_can_be_written_and_read_again}, {values_of_every_type},
           {lists_add_up_over_lines_and_other_values_are_replaced})
