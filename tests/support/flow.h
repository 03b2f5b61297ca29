/* flow: one worker in the test's own thread, between clients and nodes whose every byte the test
 * writes and reads itself. Nothing moves but in flow_turn, so that each order of events can be had.
 *
 *   test's end of a client --socketpair--> worker --TCP on loopback--> test's end of a node */
#ifndef SLOTWAY_TESTS_FLOW_H
#define SLOTWAY_TESTS_FLOW_H

#include "flow/worker.h"
#include <stdbool.h>
#include <stddef.h>

/* Three masters, each with a replica. Keys by owner: NODE_A b f, NODE_B c g, NODE_C a d e h; slots
 * of b 3300, f 3168, c 7365, g 7233, a 15495. */
enum flow_node { NODE_A, NODE_B, NODE_C, REPLICA_A, REPLICA_B, REPLICA_C, FLOW_NODES };

#define FLOW_LINKS 16 /* connections to one node at a time */

/* A node's end of a connection. */
struct flow_link {
    int fd; /* -1: none */
    size_t len, cap;
    char *in; /* received and not taken yet */
    char *command;
};

struct flow_peer {
    int listener;
    uint16_t port;
    uint32_t flags;         /* TOPOLOGY_… for the next flow_publish */
    bool hidden;            /* left out of the next flow_publish */
    struct flow_link *last; /* the connection on which the last command came */
    struct flow_link links[FLOW_LINKS];
};

struct flow {
    struct process process;
    struct worker *w;
    struct worker *workers[2]; /* w, and the one that flow_second made */
    struct config *config;     /* at the start; process.config may be a newer one */
    struct flow_peer nodes[FLOW_NODES];
    uint16_t owner[SLOT_COUNT]; /* for the next flow_publish */
    uint64_t version;
};

/* A worker that knows the topology above. config: lines of a configuration file, or NULL. */
struct flow *flow_start(const char *config);
/* Closes everything and frees it; AddressSanitizer's build sees what is left. */
void flow_stop(struct flow *f);

/* One more worker, for questions to all of them. Its clients' requests go to the same nodes. */
struct worker *flow_second(struct flow *f);

/* One turn of the loop; it does not wait. */
void flow_turn(struct flow *f);
/* A turn, and what the nodes were sent is taken in. True if that was anything. */
bool flow_step(struct flow *f);
/* Turns until nothing moves any more. */
void flow_settle(struct flow *f);
/* Turns until condition(arg). Fails the test after some seconds. */
void flow_until(struct flow *f, bool (*condition)(void *arg), void *arg, const char *what);
/* Turns while so many milliseconds of the worker's clock pass: for what must not happen by then. */
void flow_pass(struct flow *f, unsigned ms);

/* Give the worker a topology made of owner[] and the nodes' flags. */
void flow_publish(struct flow *f);

/* --- clients --- */

/* A new client; returns the test's end, which does not block. */
int flow_client(struct flow *f);
int flow_client_of(struct flow *f, struct worker *w);
/* One that comes by TCP to a listener at an address, by another one of it ("::", "127.0.0.1");
 * *port: the listener's. -1: this machine has no such address. */
int flow_client_at(struct flow *f, const char *listens, const char *connects, uint16_t *port);
/* The worker's side of the client opened last. */
struct client *flow_newest(struct flow *f);
/* Send bytes as they are, whatever turns it takes. */
void flow_send_raw(struct flow *f, int client, const char *data, size_t len);
/* Send commands, each a string of words: flow_send(f, c, "SET b 1", "GET b"). */
#define flow_send(f, client, ...) flow_send_all(f, client, (const char *const[]){__VA_ARGS__, NULL})
void flow_send_all(struct flow *f, int client, const char *const *commands);
/* The client's next bytes are these, and nothing follows them. */
void flow_expect(struct flow *f, int client, const char *replies);
void flow_expect_bytes(struct flow *f, int client, const char *data, size_t len);
/* The client gets nothing now. */
void flow_expect_nothing(struct flow *f, int client);
/* The client's connection ends, without further bytes. */
void flow_expect_closed(struct flow *f, int client);

/* --- nodes --- */

/* The next command that node gets is this one, its words joined by spaces; arguments of more than
 * 100 bytes as <length>. flow_answer answers it on the connection on which it came. */
void flow_node_gets(struct flow *f, enum flow_node node, const char *command);
/* The next command that node gets, whatever it is; like is for the text of a failure. */
const char *flow_node_command(struct flow *f, enum flow_node node, const char *like);
/* The next command that has come to the node, or NULL if none has; this does not wait. */
const char *flow_node_takes(struct flow *f, enum flow_node node);
/* The node gets no further command now. */
void flow_node_gets_nothing(struct flow *f, enum flow_node node);
void flow_answer(struct flow *f, enum flow_node node, const char *reply);
void flow_answer_bytes(struct flow *f, enum flow_node node, const char *data, size_t len);
/* "-MOVED slot address-of-target" or "-ASK …" */
void flow_answer_redirect(struct flow *f, enum flow_node node, const char *kind, unsigned slot,
                          enum flow_node target);
/* flow_node_gets and flow_answer */
void flow_node_serves(struct flow *f, enum flow_node node, const char *command, const char *reply);
/* Close the connection on which the last command came. */
void flow_node_cuts(struct flow *f, enum flow_node node);
/* Connections that the node has now. */
unsigned flow_node_links(struct flow *f, enum flow_node node);
/* Close the node's listener and all its connections; open them again at the same port. */
void flow_node_dies(struct flow *f, enum flow_node node);
void flow_node_returns(struct flow *f, enum flow_node node);

/* For nodes that answer by themselves: the next whole command on a connection, as flow_node_gets
 * shows it, or NULL; valid until the next call. Bytes that the socket takes at once go out. */
const char *flow_link_takes(struct flow_link *link);
void flow_link_answers(struct flow_link *link, const char *reply);
void flow_link_cuts(struct flow_link *link);

/* A counter of the worker. */
uint64_t flow_count(struct flow *f, enum counter which);

/* len bytes of a pattern; the caller frees. */
char *flow_pattern(size_t len);

#endif
