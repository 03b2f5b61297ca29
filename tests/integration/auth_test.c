/* auth: passwords on both sides, and protected mode. */
#include "support/fixture.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

START_TEST(clients_need_the_password)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start_unready(c, "--requirepass secret");
    redisContext *r = client_open(p->port);
    const char *noauth = "-NOAUTH Authentication required.";
    expect(r, noauth, "GET a");
    expect(r, noauth, "PING");
    expect(r, noauth, "MGET a b c");
    expect(r, "-EXECABORT Transaction discarded because of: NOAUTH Authentication required.",
           "EXEC");
    /* As in Redis, what is no command is said first. */
    expect(r, "-ERR unknown command 'NOSUCH', with args beginning with: ", "NOSUCH");
    expect(r, noauth, "CLUSTER SLOTS");
    expect(r, noauth, "PROXY INFO");
    expect(
        r,
        "-NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time",
        "HELLO 2");
    expect(r, "-WRONGPASS invalid username-password pair or user is disabled.", "AUTH wrong");
    expect(r, "-WRONGPASS invalid username-password pair or user is disabled.",
           "AUTH nobody secret");
    expect(r, noauth, "GET a");
    expect(r, "OK", "AUTH secret");
    expect(r, "OK", "SET auth x");
    /* A wrong password later leaves the client as it was. */
    expect(r, "-WRONGPASS *", "AUTH wrong");
    expect(r, "\"x\"", "GET auth");
    redisContext *two = client_open(p->port);
    expect(two, "OK", "AUTH default secret");
    expect(two, "\"x\"", "GET auth");
    expect(two, "RESET", "RESET");
    expect(two, noauth, "GET auth");
    redisContext *three = client_open(p->port);
    expect(three, "[\"server\"*", "HELLO 2 AUTH default secret SETNAME me");
    expect(three, "\"me\"", "CLIENT GETNAME");
    /* QUIT and RESET need none. */
    redisContext *four = client_open(p->port);
    expect(four, "OK", "QUIT");
    /* Before AUTH only small requests are read. */
    int fd = raw_open(p->port, 0);
    char text[200] = "";
    raw_send(fd, "*11\r\n", 5, 1000);
    ck_assert(raw_read_to_end(fd, text, sizeof text, 2000));
    ck_assert_str_eq(text, "-ERR Protocol error: unauthenticated multibulk length\r\n");
    close(fd);
    fd = raw_open(p->port, 0);
    raw_send(fd, "*2\r\n$20000\r\n", 12, 1000);
    ck_assert(raw_read_to_end(fd, text, sizeof text, 2000));
    ck_assert_str_eq(text, "-ERR Protocol error: unauthenticated bulk length\r\n");
    close(fd);
    redisFree(r);
    redisFree(two);
    redisFree(three);
    redisFree(four);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* The nodes of a cluster get a password while slotway runs: new connections log in. */
START_TEST(nodes_need_a_password)
{
    struct cluster *c = cluster_start_own(3, 1);
    for (int i = 0; i < 6; i++) {
        ck_assert_str_eq(ask_port(c->port + i, "CONFIG SET masterauth nodepass"), "OK");
        ck_assert_str_eq(ask_port(c->port + i, "CONFIG SET requirepass nodepass"), "OK");
    }
    struct proxy *p = proxy_start(c, "--auth-password nodepass");
    redisContext *r = client_open(p->port);
    for (int i = 0; i < 100; i++)
        expect(r, "OK", "SET nodeauth:%d x", i);
    stop_and_check(p);
    /* As an ACL user. */
    for (int i = 0; i < 6; i++) {
        redisContext *n = client_open(c->port + i);
        expect(n, "OK", "AUTH nodepass");
        expect(n, "OK", "ACL SETUSER way on >waypass +@all ~*");
        redisFree(n);
    }
    p = proxy_start(c, "--auth-user way --auth-password waypass");
    redisFree(r);
    r = client_open(p->port);
    expect(r, "OK", "SET nodeauth:1 y");
    redisFree(r);
    stop_and_check(p);
    /* With a wrong one: an error that says so, no crash, no NOAUTH text of a node as a reply. */
    p = proxy_start_unready(c,
                            "--auth-password wrong --failover-timeout 500 --redirect-timeout 500");
    r = client_open(p->port);
    const char *text = ask(r, "GET nodeauth:1");
    ck_assert_msg(text[0] == '-' && strncmp(text, "-NOAUTH", 7) != 0, "%s", text);
    printf("  with a wrong password: %s\n", text);
    ck_assert(proxy_wait_log(p, "WRONGPASS", 5000));
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* Without password and bind, clients of other hosts get Redis' text. */
START_TEST(protected_mode)
{
    struct ifaddrs *all, *i;
    ck_assert_int_eq(getifaddrs(&all), 0);
    struct sockaddr_in sa = {0};
    for (i = all; i; i = i->ifa_next)
        if (i->ifa_addr && i->ifa_addr->sa_family == AF_INET &&
            ntohl(((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr) >> 24 != 127)
            sa = *(struct sockaddr_in *)i->ifa_addr;
    freeifaddrs(all);
    if (!sa.sin_family) {
        printf("  skipped: this host has only loopback addresses\n");
        return;
    }
    struct cluster *c = cluster_start();
    proxy_no_bind();
    struct proxy *p = proxy_start(c, NULL);
    sa.sin_port = htons((uint16_t)p->port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    char text[2000];
    ck_assert(raw_read_to_end(fd, text, sizeof text, 3000));
    ck_assert_msg(strncmp(text, "-DENIED ", 8) == 0, "%s", text);
    close(fd);
    /* A password makes it safe. */
    redisContext *r = client_open(p->port);
    expect(r, "OK", "PROXY CONFIG SET requirepass secret");
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    raw_send(fd, "AUTH secret\r\nPING\r\n", 19, 1000);
    size_t n = raw_read(fd, text, 12, 3000);
    text[n] = 0;
    ck_assert_str_eq(text, "+OK\r\n+PONG\r\n");
    close(fd);
    redisFree(r);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

PLAIN_SUITE("auth", 40, clients_need_the_password, nodes_need_a_password, protected_mode)
