/* load: what the files of the bench's load generator share.
 *
 * Each client sends a batch of requests and waits for all of its replies, as redis-benchmark does:
 *
 *   client --batch--> conn[0] (the proxy)               one connection per client
 *          \-batch--> conn[0..n) (the cluster's nodes)  with --direct: one per node, by owner of
 * key
 *
 * Keys are PREFIX and 12 digits, values begin with the same digits, so each value tells whether it
 * is the answer to the request it came for. */
#ifndef SLOTWAY_BENCH_LOAD_H
#define SLOTWAY_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum { DIGITS = 12, MAX_NODES = 64, CARRY = 512 };

#define NS_PER_S 1000000000ull

/* One kind of request. */
struct shape {
    const char *name;
    bool values; /* the reply carries values that begin with the key's digits */
    bool multi;  /* takes --keys keys */
    bool churn;  /* a new connection for each batch */
    int parts;   /* replies to one request; 0: 1 */
};

/* MULTI, two SET and two GET of one key, EXEC: counted as one request. */
enum { TRANSACTION_KEYS = 4, TRANSACTION_STORES = 2, TRANSACTION_PARTS = TRANSACTION_KEYS + 2 };

struct options {
    const char *host;
    int port;
    int clients;
    int pipeline;
    int keys;
    uint32_t keyspace;
    size_t size;
    const char *prefix;
    uint64_t requests;
    double seconds;
    double warmup;
    bool direct;
    bool sequential;
    const struct shape *shape;
};

enum part { PART_TYPE, PART_BODY, PART_CRLF };

struct conn {
    int fd;
    struct client *client;
    char *out;
    size_t out_len, out_sent;
    int awaited;      /* replies of this batch still to come */
    int done;         /* replies of this batch that came */
    int element;      /* values of the current reply that came */
    int parts;        /* replies to the current request that came */
    uint64_t pending; /* elements missing in the current reply; 0 between replies */
    enum part part;
    uint64_t skip; /* bytes of a value still to pass over */
    bool polls_write;
    size_t carried;
    char carry[CARRY];
};

struct client {
    struct conn *conns;
    int awaited;
    uint64_t started;
};

struct counts {
    uint64_t replies, errors, nils, mismatches, connects, at, self_ns;
};

/* --- load.c --- */

extern struct counts counts; /* at and self_ns are those of a moment, not kept here */
extern struct sockaddr_storage node_addr[MAX_NODES];
extern socklen_t node_addr_len[MAX_NODES];
extern int nodes;
extern uint64_t turn_now; /* ns */
extern bool measuring;

/* The system refused something that a bench cannot do without. */
void fail(const char *what) __attribute__((noreturn));
/* The other side said something that no correct one says. */
void broken(const char *what) __attribute__((noreturn));
void *must_alloc(size_t n, size_t size);
uint64_t now_ns(void);
/* Send the client's next batch. */
void client_start(struct client *cl);

/* --- load_options.c --- */

extern struct options opt;
void options_read(int argc, char **argv);

/* --- load_requests.c --- */

extern size_t text_len; /* of one request */
extern size_t *digit;   /* offsets of the digits that name keys; `digits` of them */
extern int digits;

/* Make the request that all others are copies of. */
void requests_prepare(void);
/* Number of the next key. */
uint32_t key_next(void);
/* Write the last nine of a key's twelve digits; the first three are always 0. */
void put_digits(char *at, uint32_t key);
/* Append one request to c's output. The first key decides the node with --direct. */
void request_put(struct conn *c, uint32_t first);

/* --- load_replies.c --- */

extern char first_error[128];
/* Read what has come and take the replies in it. */
void conn_read(struct conn *c);

/* --- load_direct.c --- */

void address_set(int node, const char *host, int port);
/* With --direct: the nodes of the cluster, and which one owns each key. */
void cluster_learn(void);
extern uint8_t *key_node;

/* --- load_figures.c --- */

/* Latencies: 64 buckets per power of two, so within 1.6 %. */
enum { HIST_SUB = 64, HIST_SIZE = 64 * HIST_SUB };
extern uint64_t histogram[HIST_SIZE];

static inline int hist_index(uint64_t ns)
{
    if (ns < HIST_SUB)
        return (int)ns;
    int top = 63 - __builtin_clzll(ns);
    return (top - 5) * HIST_SUB + (int)((ns >> (top - 6)) & (HIST_SUB - 1));
}

double hist_quantile(double q);
/* The scheduler's own count of run time, user and system, to the nanosecond. */
uint64_t process_cpu_ns(int pid);
/* Processes whose CPU time is reported: "NAME=PID,PID…", which is written to. */
void watch_add(char *arg);
void watches_begin(void);
void watches_print(void);

#endif
