/* net: listening sockets and the texts of addresses.
 * Blocks while a host name is looked up, so it is for the start only. */
#define _GNU_SOURCE
#include "base/net.h"
#include "base/log.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool net_is_loopback(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
        if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
            return in6->sin6_addr.s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    return true;
}

void net_print(const struct sockaddr *addr, char out[NET_ADDRESS_LEN])
{
    char ip[INET6_ADDRSTRLEN] = "?";
    if (addr->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)addr;
        inet_ntop(AF_INET, &in->sin_addr, ip, sizeof ip);
        snprintf(out, NET_ADDRESS_LEN, "%s:%u", ip, ntohs(in->sin_port));
    } else if (addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        if (mapped)
            inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], ip, sizeof ip);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof ip);
        snprintf(out, NET_ADDRESS_LEN, mapped ? "%s:%u" : "[%s]:%u", ip, ntohs(in6->sin6_port));
    } else {
        snprintf(out, NET_ADDRESS_LEN, "unix");
    }
}

/* A listening socket on one resolved address, or -1 with errno. */
static int net_bind(const struct addrinfo *info, uint32_t backlog)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, (int)backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool net_listen(const char *word, uint16_t port, uint32_t backlog, void (*add)(void *ctx, int fd),
                void *ctx)
{
    bool optional = *word == '-';
    const char *host = word + optional;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    if (strcmp(host, "*") == 0 || strcmp(host, "::*") == 0) {
        hints.ai_family = *host == '*' ? AF_INET : AF_INET6;
        host = NULL;
    }
    int error = getaddrinfo(host, service, &hints, &list);
    bool opened = false;
    for (const struct addrinfo *info = list; info; info = info->ai_next) {
        int fd = net_bind(info, backlog);
        if (fd >= 0)
            add(ctx, fd);
        opened = opened || fd >= 0;
    }
    if (!opened && !optional)
        log_warning("Can't listen on %s port %s: %s", word, service,
                    error ? gai_strerror(error) : strerror(errno));
    if (list)
        freeaddrinfo(list);
    return opened || optional;
}
