/* net: listening sockets and the texts of addresses, for whoever accepts connections. */
#ifndef SLOTWAY_BASE_NET_H
#define SLOTWAY_BASE_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NET_ADDRESS_LEN 64 /* "[IPV6]:PORT" with its final NUL */

/* Is it an address of this host that no other can use? A Unix socket's is. */
bool net_is_loopback(const struct sockaddr *addr);

/* "IP:PORT" or "[IP]:PORT", an IPv4 address in IPv6 as IPv4; "unix" for others. */
void net_print(const struct sockaddr *addr, char out[NET_ADDRESS_LEN]);

/* Listen on what one word of a bind directive means: an address, a host name, "*" or "::*"; a
 * leading '-' makes it optional. add gets each socket (non-blocking). False, with the reason in the
 * log: none could be opened and the word is not optional. */
bool net_listen(const char *word, uint16_t port, uint32_t backlog, void (*add)(void *ctx, int fd),
                void *ctx);

#endif
