/* local_address: a client's own and our address as Redis prints them. */
#ifndef SLOTWAY_FLOW_LOCAL_ADDRESS_H
#define SLOTWAY_FLOW_LOCAL_ADDRESS_H

#include <stdint.h>

struct client;

#define LOCAL_ADDRESS_LEN 160

/* "127.0.0.1:41000", "[::1]:41000", "/path/of/socket:0"; "?:0" if the socket is gone. */
void local_address_peer(const struct client *c, char out[LOCAL_ADDRESS_LEN]);
void local_address_own(const struct client *c, char out[LOCAL_ADDRESS_LEN]);

/* The address by which this client reached slotway, as a cluster node's address: digits of the IP
 * ("" for a unix socket) and the port (the configured one for a unix socket). */
void local_address_node(const struct client *c, char ip[LOCAL_ADDRESS_LEN], uint16_t *port);

#endif
