/* pubsub_unit: what tests of subscriptions begin with: a worker whose home for them is NODE_A, and
 * two clients. */
#include "support/pubsub_unit.h"
#include "flow/pubsub_hub.h"
#include <unistd.h>

int a, b;

void pubsub_begin_with(const char *config)
{
    f = flow_start(config);
    f->w->pubsub->home_choice = 0; /* NODE_A */
    a = flow_client(f);
    b = flow_client(f);
}

void pubsub_begin(void)
{
    pubsub_begin_with(NULL);
}

void pubsub_end(void)
{
    close(a);
    close(b);
    flow_stop(f);
}

void pubsub_subscribe_x(int client)
{
    flow_send(f, client, "SUBSCRIBE x");
    flow_node_serves(f, NODE_A, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1));
    flow_expect(f, client, SUBSCRIBED("1\r\nx", 1));
}

void pubsub_join_x(int client)
{
    pubsub_subscribe_x(client); /* the bytes are the same */
}
