/* local_address_test: addresses of clients and slotway's own, as Redis prints them. */
#include "flow/client.h"
#include "flow/local_address.h"
#include "support/flow_unit.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The port from which a client has come; it has the same place in both families. */
static uint16_t port_of(int fd)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static void shows(const char *peer, const char *own, const char *ip, uint16_t port)
{
    char text[LOCAL_ADDRESS_LEN];
    uint16_t node_port = 0;
    const struct client *client = flow_newest(f);
    local_address_peer(client, text);
    ck_assert_str_eq(text, peer);
    local_address_own(client, text);
    ck_assert_str_eq(text, own);
    local_address_node(client, text, &node_port);
    ck_assert_str_eq(text, ip);
    ck_assert_uint_eq(node_port, port);
}

/* A client that connects to `connects`, where slotway listens at `listens`, is shown so. */
static void tcp_shows(const char *listens, const char *connects, const char *format)
{
    char peer[LOCAL_ADDRESS_LEN], own[LOCAL_ADDRESS_LEN];
    uint16_t port;
    int client = flow_client_at(f, listens, connects, &port);
    if (client < 0)
        return;
    snprintf(peer, sizeof peer, format, connects, port_of(client));
    snprintf(own, sizeof own, format, connects, port);
    shows(peer, own, connects, port);
    close(client);
}

START_TEST(ip_addresses_with_their_ports)
{
    tcp_shows("127.0.0.1", "127.0.0.1", "%s:%u");
    tcp_shows("0.0.0.0", "127.0.0.1", "%s:%u");
    tcp_shows("::1", "::1", "[%s]:%u");
    tcp_shows("::", "::1", "[%s]:%u");
}
END_TEST

START_TEST(ipv4_in_ipv6_is_ipv4)
{
    tcp_shows("::", "127.0.0.1", "%s:%u");
}
END_TEST

START_TEST(a_unix_sockets_path_and_the_configured_port)
{
    flow_again("unixsocket /run/x.sock\nport 5017\n");
    shows("/run/x.sock:0", "/run/x.sock:0", "", 5017);
}
END_TEST

START_TEST(what_has_no_address_is_a_question_mark)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    worker_give_client(f->w, pair[0], false);
    flow_turn(f);
    shows("?:0", "?:0", "", f->w->config->port);
    close(pair[1]);
}
END_TEST

UNIT_SUITE_WITH("local_address", flow_begin, flow_end, {ip_addresses_with_their_ports},
                {ipv4_in_ipv6_is_ipv4}, {a_unix_sockets_path_and_the_configured_port},
                {what_has_no_address_is_a_question_mark})
