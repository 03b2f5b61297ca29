/* local_address: a client's own and our address as Redis prints them. */
#include "flow/local_address.h"
#include "flow/client.h"
#include "flow/worker.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef int (*local_address_ask)(int fd, struct sockaddr *addr, socklen_t *len);

/* IP in digits and port; an IPv4 client of an IPv6 socket is shown as IPv4. False: another family.
 */
static bool local_address_ip(const struct sockaddr_storage *addr, char ip[INET6_ADDRSTRLEN],
                             uint16_t *port, bool *v6)
{
    *v6 = false;
    if (addr->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
        *port = ntohs(in->sin_port);
        return inet_ntop(AF_INET, &in->sin_addr, ip, INET6_ADDRSTRLEN) != NULL;
    }
    if (addr->ss_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
    *port = ntohs(in6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        return inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ip, INET6_ADDRSTRLEN) != NULL;
    *v6 = true;
    return inet_ntop(AF_INET6, &in6->sin6_addr, ip, INET6_ADDRSTRLEN) != NULL;
}

static void local_address_print(const struct client *c, local_address_ask ask,
                                char out[LOCAL_ADDRESS_LEN])
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    char ip[INET6_ADDRSTRLEN];
    uint16_t port;
    bool v6;
    if (c->flags & CLIENT_UNIX)
        snprintf(out, LOCAL_ADDRESS_LEN, "%s:0", c->worker->config->unixsocket);
    else if (ask(c->stream.io.fd, (struct sockaddr *)&addr, &len) == 0 &&
             local_address_ip(&addr, ip, &port, &v6))
        snprintf(out, LOCAL_ADDRESS_LEN, v6 ? "[%s]:%u" : "%s:%u", ip, port);
    else
        snprintf(out, LOCAL_ADDRESS_LEN, "?:0");
}

static int local_address_getpeername(int fd, struct sockaddr *addr, socklen_t *len)
{
    return getpeername(fd, addr, len);
}

static int local_address_getsockname(int fd, struct sockaddr *addr, socklen_t *len)
{
    return getsockname(fd, addr, len);
}

void local_address_peer(const struct client *c, char out[LOCAL_ADDRESS_LEN])
{
    local_address_print(c, local_address_getpeername, out);
}

void local_address_own(const struct client *c, char out[LOCAL_ADDRESS_LEN])
{
    local_address_print(c, local_address_getsockname, out);
}

void local_address_node(const struct client *c, char ip[LOCAL_ADDRESS_LEN], uint16_t *port)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    bool v6;
    ip[0] = '\0';
    *port = c->worker->config->port;
    if (!(c->flags & CLIENT_UNIX) &&
        getsockname(c->stream.io.fd, (struct sockaddr *)&addr, &len) == 0)
        local_address_ip(&addr, ip, port, &v6);
}
