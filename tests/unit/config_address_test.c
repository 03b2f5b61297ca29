/* config_address_test: addresses of nodes and how announced ones are mapped. */
#include "support/config_unit.h"
#include <string.h>

START_TEST(addresses_are_split)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {{"10.0.0.1:7000", "10.0.0.1", 7000},
                 {"redis-1.example.org:1", "redis-1.example.org", 1},
                 {"[::1]:65535", "::1", 65535},
                 {"[fe80::1%eth0]:6379", "fe80::1%eth0", 6379},
                 {"/run/redis.sock", "/run/redis.sock", 0}};
    static const char *const bad[] = {"",        "h",    "h:",     ":1",      "h:0",
                                      "h:65536", "h:1x", "::1:70", "[::1]70", "[]:70",
                                      "[h]:70",  "-h:1", "h h:1",  "h:-1"};
    char host[CONFIG_HOST_LEN];
    uint16_t port;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert(config_parse_address(cases[i].text, host, &port));
        ck_assert_str_eq(host, cases[i].host);
        ck_assert_uint_eq(port, cases[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!config_parse_address(bad[i], host, &port), "%s", bad[i]);
}
END_TEST

START_TEST(announced_addresses_are_mapped)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *to;
        uint16_t to_port;
    } cases[] = {{"172.17.0.2", 6379, "127.0.0.1", 7000},
                 {"172.17.0.2", 6380, "host", 6380},
                 {"fd00::1", 5, "::1", 5},
                 {"10.9.9.9", 1, "10.9.9.9", 1}};
    struct config *c = config_good("node-address-map 172.17.0.2=host fd00::1=[::1]\n"
                                   "node-address-map 172.17.0.2:6379=127.0.0.1:7000\n");

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char host[CONFIG_HOST_LEN];
        uint16_t port = cases[i].port;
        strcpy(host, cases[i].host);
        ck_assert_int_eq(config_map_address(c, host, &port),
                         strcmp(cases[i].host, cases[i].to) != 0);
        ck_assert_str_eq(host, cases[i].to);
        ck_assert_uint_eq(port, cases[i].to_port);
    }
    config_unref(c);
    config_bad("node-address-map a", "FROM=TO");
    config_bad("node-address-map a:1=b", "both with a port");
    config_bad("node-address-map =b", "FROM=TO");
    config_bad("allow-from 10.0.0.0/33", "BITS");
    config_bad("allow-from ten", "BITS");
    config_unref(config_good("allow-from 10.0.0.0/8 ::1 fd00::/8\n"));
}
END_TEST

UNIT_SUITE("config_address", {addresses_are_split}, {announced_addresses_are_mapped})
