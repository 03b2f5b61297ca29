/* pubsub_unit: what tests of subscriptions begin with: a worker whose home for them is NODE_A, and
 * two clients; and how confirmations and messages look. */
#ifndef SLOTWAY_TESTS_PUBSUB_UNIT_H
#define SLOTWAY_TESTS_PUBSUB_UNIT_H

#include "support/flow_unit.h"

extern int a, b; /* the clients' ends */

/* A checked fixture, with lines of a configuration file where a test wants them. */
void pubsub_begin(void);
void pubsub_begin_with(const char *config);
void pubsub_end(void);

/* Each name and text has its length before it: "1\r\nx". */
#define CONFIRMED(verb, name, count) "*3\r\n$" verb "\r\n$" name "\r\n:" #count "\r\n"
#define SUBSCRIBED(name, count)      CONFIRMED("9\r\nsubscribe", name, count)
#define UNSUBSCRIBED(name, count)    CONFIRMED("11\r\nunsubscribe", name, count)
#define PONG                         "*2\r\n$4\r\npong\r\n$0\r\n\r\n"
#define MESSAGE(name, text)          "*3\r\n$7\r\nmessage\r\n$" name "\r\n$" text "\r\n"

/* The client subscribes to x, which nobody had. */
void pubsub_subscribe_x(int client);
/* The client joins it: the node confirms once more. */
void pubsub_join_x(int client);

#endif
