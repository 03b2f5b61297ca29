/* listeners: Unix socket, IPv6, several addresses; announced addresses of nodes in several forms.
 */
#include "support/fixture.h"
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

START_TEST(unix_socket)
{
    struct cluster *c = cluster_start();
    char path[200], flags[300];
    snprintf(path, sizeof path, "%.150s/s", temp_dir("unix"));
    snprintf(flags, sizeof flags, "--unixsocket %s --unixsocketperm 700", path);
    struct proxy *p = proxy_start(c, flags);
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0700);
    redisContext *r = redisConnectUnix(path);
    ck_assert(r && !r->err);
    for (int i = 0; i < 50; i++)
        expect(r, "OK", "SET unix:%d x", i);
    expect(r, "*addr=*:0 *", "CLIENT INFO");
    redisFree(r);
    stop_and_check(p);
    ck_assert_msg(stat(path, &st) != 0, "the socket is still there after the end");
    /* A socket left by a killed process is no obstacle. */
    p = proxy_start(c, flags);
    proxy_signal(p, SIGKILL);
    while (proxy_alive(p))
        poll_pause(5);
    ck_assert_int_eq(stat(path, &st), 0);
    struct proxy *again = proxy_start(c, flags);
    r = redisConnectUnix(path);
    ck_assert(r && !r->err);
    expect(r, "PONG", "PING");
    redisFree(r);
    stop_and_check(again);
    cluster_stop(c);
}
END_TEST

START_TEST(ipv6)
{
    struct cluster *c = cluster_start();
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has = probe >= 0 && bind(probe, (struct sockaddr *)&sa, sizeof sa) == 0;
    close(probe);
    if (!has) {
        printf("  skipped: this host has no ::1\n");
        return;
    }
    proxy_bind("127.0.0.1 ::1 -192.0.2.1");
    struct proxy *p = proxy_start(c, NULL);
    redisContext *r = redisConnect("::1", p->port);
    ck_assert_msg(r && !r->err, "%s", r ? r->errstr : "");
    for (int i = 0; i < 50; i++)
        expect(r, "OK", "SET six:%d x", i);
    expect(r, "*addr=[::1]:*", "CLIENT INFO");
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* Seeds by name, and nodes that announce a hostname. */
START_TEST(hostnames)
{
    struct cluster *c = cluster_start_own(3, 1);
    char flags[200];
    snprintf(flags, sizeof flags, "nosuch.invalid:1 localhost:%d", c->port);
    struct proxy *p = proxy_start(NULL, flags);
    redisContext *r = client_open(p->port);
    expect(r, "OK", "SET byname x");
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(ask_port(c->port + i, "CONFIG SET cluster-announce-hostname localhost"),
                         "OK");
        ck_assert_str_eq(
            ask_port(c->port + i, "CONFIG SET cluster-preferred-endpoint-type hostname"), "OK");
    }
    expect(r, "OK", "PROXY REFRESH");
    for (int i = 0; i < 50; i++)
        expect(r, "OK", "SET byname:%d x", i);
    /* An unknown endpoint means the node that was asked. */
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(
            ask_port(c->port + i, "CONFIG SET cluster-preferred-endpoint-type unknown-endpoint"),
            "OK");
    expect(r, "OK", "PROXY REFRESH");
    for (int i = 0; i < 50; i++)
        expect(r, "OK", "SET byname:%d y", i);
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* Nodes announce addresses that can't be reached from here; a map says where they are. */
START_TEST(address_map)
{
    struct cluster *c = cluster_start_own(3, 1);
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(ask_port(c->port + i, "CONFIG SET cluster-announce-hostname far.invalid"),
                         "OK");
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(
            ask_port(c->port + i, "CONFIG SET cluster-preferred-endpoint-type hostname"), "OK");
    char flags[200];
    snprintf(flags, sizeof flags, "127.0.0.1:%d --node-address-map far.invalid=127.0.0.1", c->port);
    struct proxy *p = proxy_start(NULL, flags);
    redisContext *r = client_open(p->port);
    for (int i = 0; i < 50; i++)
        expect(r, "OK", "SET mapped:%d x", i);
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

PLAIN_SUITE("listeners", 40, unix_socket, ipv6, hostnames, address_map)
