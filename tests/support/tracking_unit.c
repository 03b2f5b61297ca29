/* tracking_unit: what tests of CLIENT TRACKING begin with: a client that speaks RESP3. */
#include "support/tracking_unit.h"
#include <stdio.h>

void tracking_begin(void)
{
    flow_begin();
    flow_hello(c, 3);
}

void tracking_turn_on(const char *options)
{
    char command[100];
    snprintf(command, sizeof command, "CLIENT TRACKING ON%s", options);
    flow_send(f, c, command);
    flow_expect(f, c, "+OK\r\n");
}

void tracking_leases(enum flow_node node, const char *told)
{
    flow_node_serves(f, node, "HELLO 3", "%0\r\n");
    flow_lease_opens(node, "7");
    flow_node_serves(f, node, told, "+OK\r\n");
}
