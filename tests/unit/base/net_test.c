/* net_test: which addresses are loopback, how they are printed, and what is listened on. */
#include "base/log.h"
#include "base/net.h"
#include "support/unit.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

static int fds[8];
static unsigned nfds;

static void begin(void)
{
    ck_assert(log_open("/dev/null"));
}

static void end(void)
{
    for (unsigned i = 0; i < nfds; i++)
        close(fds[i]);
}

static const struct sockaddr *address(const char *ip, uint16_t port)
{
    static struct sockaddr_storage addr;
    struct sockaddr_in *in = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr;
    memset(&addr, 0, sizeof addr);
    if (inet_pton(AF_INET, ip, &in->sin_addr) == 1)
        addr.ss_family = AF_INET;
    else if (inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1)
        addr.ss_family = AF_INET6;
    else
        addr.ss_family = AF_UNIX;
    if (addr.ss_family != AF_UNIX)
        in->sin_port = htons(port); /* at the same place in both families */
    return (const struct sockaddr *)&addr;
}

static const struct {
    const char *ip, *text;
    bool loopback;
} addresses[] = {
    {"127.0.0.1", "127.0.0.1:70", true},
    {"127.255.0.9", "127.255.0.9:70", true},
    {"128.0.0.1", "128.0.0.1:70", false},
    {"0.0.0.0", "0.0.0.0:70", false},
    {"::1", "[::1]:70", true},
    {"::", "[::]:70", false},
    {"fe80::1", "[fe80::1]:70", false},
    {"::ffff:127.0.0.1", "127.0.0.1:70", true}, /* an IPv4 client of an IPv6 socket */
    {"::ffff:10.0.0.1", "10.0.0.1:70", false},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:70",
     false},
    {"/run/slotway.sock", "unix", true},
};

START_TEST(addresses_are_told_apart_and_printed)
{
    char text[NET_ADDRESS_LEN];
    const struct sockaddr *addr = address(addresses[_i].ip, 70);
    ck_assert_int_eq(net_is_loopback(addr), addresses[_i].loopback);
    net_print(addr, text);
    ck_assert_str_eq(text, addresses[_i].text);
}
END_TEST

static void add(void *ctx, int fd)
{
    ck_assert_ptr_eq(ctx, fds);
    ck_assert_uint_lt(nfds, sizeof fds / sizeof *fds);
    fds[nfds++] = fd;
}

/* Family and port of the socket that was opened last. */
static sa_family_t opened(uint16_t *port)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    ck_assert_int_eq(getsockname(fds[nfds - 1], (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(((const struct sockaddr_in *)&addr)->sin_port);
    return addr.ss_family;
}

START_TEST(one_address_is_one_socket_that_never_blocks)
{
    uint16_t port;
    ck_assert(net_listen("127.0.0.1", 0, 5, add, fds));
    ck_assert_uint_eq(nfds, 1);
    ck_assert_int_eq(opened(&port), AF_INET);
    ck_assert(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    ck_assert(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    ck_assert_int_lt(accept(fds[0], NULL, NULL), 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(fd, address("127.0.0.1", port), sizeof(struct sockaddr_in)), 0);
    close(fd);
}
END_TEST

START_TEST(a_port_that_is_taken_fails_unless_it_is_optional)
{
    uint16_t port;
    ck_assert(net_listen("127.0.0.1", 0, 5, add, fds));
    opened(&port);
    ck_assert(!net_listen("127.0.0.1", port, 5, add, fds));
    ck_assert(net_listen("-127.0.0.1", port, 5, add, fds));
    ck_assert_uint_eq(nfds, 1);
}
END_TEST

START_TEST(an_address_that_this_host_does_not_have)
{
    ck_assert(!net_listen("192.0.2.1", 0, 5, add, fds));
    ck_assert(net_listen("-192.0.2.1", 0, 5, add, fds));
    ck_assert_uint_eq(nfds, 0);
}
END_TEST

/* Each has its own socket, so that a host without IPv6 is served by the first. */
START_TEST(both_families_share_a_port)
{
    uint16_t port, other;
    ck_assert(net_listen("*", 0, 5, add, fds));
    ck_assert_uint_eq(nfds, 1);
    ck_assert_int_eq(opened(&port), AF_INET);
    ck_assert(net_listen("-::*", port, 5, add, fds));
    if (nfds == 2) {
        ck_assert_int_eq(opened(&other), AF_INET6);
        ck_assert_uint_eq(other, port);
    }
}
END_TEST

UNIT_SUITE_WITH("net", begin, end,
                {addresses_are_told_apart_and_printed, sizeof addresses / sizeof *addresses},
                {one_address_is_one_socket_that_never_blocks},
                {a_port_that_is_taken_fails_unless_it_is_optional},
                {an_address_that_this_host_does_not_have}, {both_families_share_a_port})
