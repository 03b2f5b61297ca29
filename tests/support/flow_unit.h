/* flow_unit: what most tests of tests/unit/flow begin with, a worker and one client of it, and what
 * they do again and again. */
#ifndef SLOTWAY_TESTS_FLOW_UNIT_H
#define SLOTWAY_TESTS_FLOW_UNIT_H

#include "support/flow.h"
#include "support/unit.h"

/* The answer to a write whose connection was lost. */
#define MAYBE                                                                                      \
    "-ERR connection to the node was lost: the command may or may not have been executed\r\n"

extern struct flow *f;
extern int c; /* the client's end; a test that closes it and opens no other sets it to -1 */

/* A checked fixture. */
void flow_begin(void);
void flow_end(void);
/* The same with lines of a configuration file; flow_again puts it in the place of what there is. */
void flow_begin_with(const char *config);
void flow_again(const char *config);

/* Let the window of c learn that replies are small: from now on many requests go side by side. */
void flow_open_window(void);
/* A checked fixture, and flow_again, with such a window. */
void flow_begin_wide(void);
void flow_again_wide(const char *config);
/* The client speaks RESP2 or RESP3 from now on. */
void flow_hello(int client, int protocol);

/* The client sends each line, the nodes get nothing of it, and this is the reply. */
struct flow_case {
    const char *line, *reply;
};
#define flow_asks(client, cases) flow_ask_all(client, cases, sizeof(cases) / sizeof *(cases))
void flow_ask_all(int client, const struct flow_case *cases, size_t n);

/* All that the client has got by now, as text, valid until the next call: for what has parts that a
 * test does not know. It is something. */
const char *flow_received(int client);
/* It has each of these words in it. */
#define flow_contains(text, ...) flow_has_all(text, (const char *const[]){__VA_ARGS__, NULL})
void flow_has_all(const char *text, const char *const *words);

/* One of the masters, whichever, gets this command; returns it. */
enum flow_node flow_any_gets(const char *command);

/* A connection to the node is opened for one client alone: its handshake, in which it is told its
 * id there. */
void flow_lease_opens(enum flow_node node, const char *id);
/* The node gets command with a timeout behind it, which is returned. */
double flow_node_gets_timed(enum flow_node node, const char *command);
/* The client sends BLPOP b c 0, has found both lists empty and waits at both bells, whose links
 * these are: NODE_A's, NODE_B's. An element comes, and one of them rings. */
void flow_waits_at_bells(int client, struct flow_link *bells[2]);
void flow_rings(enum flow_node node, struct flow_link *bell);
/* The client's command goes to all masters, which answer a, b and third (NODE_C, the first to do
 * so); the client gets what comes of it. */
void flow_merges(const char *command, const char *a, const char *b, const char *third,
                 const char *want);
/* The node gets these commands, one after the other, and nothing else. */
#define flow_node_gets_all(node, ...) flow_gets_all(node, (const char *const[]){__VA_ARGS__, NULL})
void flow_gets_all(enum flow_node node, const char *const *commands);

#endif
