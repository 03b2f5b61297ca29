/* load_state: what the files of load*.c share. Nobody else includes it. */
#ifndef SLOTWAY_TESTS_LOAD_STATE_H
#define SLOTWAY_TESTS_LOAD_STATE_H

#include "support/client.h"
#include "support/cluster.h"
#include "support/load.h"
#include "support/testing.h"
#include <pthread.h>

#define STRINGS   30 /* keys of each kind a client has */
#define COUNTERS  6
#define LISTS     4
#define ABSENT    3 /* never written */
#define KEYS      (STRINGS + COUNTERS + LISTS + ABSENT)
#define MAX_OPS   128
#define MAX_PARTS 10
#define MAX_MAYBE 64
#define MAX_TEXTS 64
#define MAX_MS    240000 /* longest run */
#define MAX_WRONG 12     /* wrong replies that are printed */
#define STUCK_MS  20000  /* an unanswered pipeline at the end is a failure after this */

enum key_kind { KEY_STRING, KEY_COUNTER, KEY_LIST, KEY_ABSENT };

struct key {
    char name[48];
    enum key_kind kind;
    uint32_t next;             /* sequence number of the next write */
    uint32_t known;            /* string: the last acknowledged or seen; 0: nil */
    uint32_t maybe[MAX_MAYBE]; /* string: further possible ones */
    int nmaybe;
    int64_t low, high;   /* counter, list: how often it can have been written */
    int64_t lost;        /* list: so many elements at most were seen to be lost, and excused */
    char *fate;          /* list: of each element: 'a' acknowledged, 'm' maybe, 'n' not executed */
    uint32_t loss_round; /* up to which round of possible losses its model is true */
    uint8_t group;
};

enum op_kind { OP_GET, OP_SET, OP_INCR, OP_RPUSH, OP_MGET, OP_MSET, OP_WRONG_TYPE, OP_NOT_INTEGER };

struct op {
    enum op_kind kind;
    int nparts;
    uint8_t part[MAX_PARTS]; /* key indexes */
    uint32_t seq[MAX_PARTS]; /* of the written values */
};

struct client {
    int fd;
    int id;
    int group; /* -1: mixed */
    bool connected;
    struct key keys[KEYS];
    struct op ops[MAX_OPS];
    int nops, answered;
    int64_t started, next_start; /* ms */
    char *out;
    size_t out_len, out_sent, out_cap;
    redisReader *reader;
    uint64_t done;
    uint8_t *good; /* a bit for each ms since begin in which it got a good reply */
};

struct load {
    struct load_options o;
    uint8_t group_of_slot[CLUSTER_SLOTS];
    struct client *clients;
    int nclients;
    pthread_t thread;
    int epoll;
    uint64_t random;
    int64_t begin; /* ms */
    int64_t fault; /* ms, 0: none yet */
    int stopping;
    uint32_t lossy, fallible;         /* bits by group */
    uint32_t loss_round[LOAD_GROUPS]; /* counted up when a time of possible losses begins or ends */
    int closable;
    uint64_t done_group[LOAD_GROUPS + 1]; /* the last: mixed clients */
    uint16_t *success[LOAD_GROUPS];       /* good replies in each ms since begin */
    int64_t longest_wait[LOAD_GROUPS + 1];
    uint64_t pipelines[LOAD_GROUPS + 1][2]; /* done before the fault, and from then on */
    struct {
        char text[160];
        uint64_t count;
        int64_t first, last;
    } texts[MAX_TEXTS];
    int ntexts;
    char wrong_text[MAX_WRONG][400];
    struct load_result result;
    char *scratch;
};

#define GET(field)        __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define PUT(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define ADD(field, value) __atomic_fetch_add(&(field), (value), __ATOMIC_RELAXED)

/* --- load_model.c --- */

enum key_kind load_kind_of(int index);
/* The value number seq of a key, whole, into out; its length. */
size_t load_make_value(struct load *l, char *out, int client, int key, uint32_t seq);
/* A reply that cannot be: counted, the first ones are kept for the end. */
void load_wrong(struct load *l, struct client *c, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* May this key show something older than was acknowledged? Ends with the first look after the time
 * in which the cluster may lose writes. */
bool load_excused(struct load *l, struct key *k);
/* What a read says of a key of any kind but a list. */
void load_saw_value(struct load *l, struct client *c, int index, const redisReply *r);
/* Does the operation change its keys? */
bool load_is_write(const struct op *op);
/* A write of which it isn't known whether it was executed. */
void load_maybe_written(struct key *k, uint32_t seq);
/* The reply to an operation. True if it was executed. */
bool load_judge(struct load *l, struct client *c, struct op *op, const redisReply *r);

/* --- load_pipeline.c --- */

/* Append a random operation to the client's pipeline. */
void load_add_op(struct load *l, struct client *c);
/* The first pipeline of a client gives every string key its first value. */
void load_add_first_values(struct load *l, struct client *c);

/* --- load_report.c --- */

/* Longest gaps and rates, until `end`. */
void load_measure(struct load *l, int64_t end);
/* Read the client's keys over a new connection and compare. */
void load_read_back(struct load *l, struct client *c);
void load_print_result(struct load *l, int64_t end);

#endif
