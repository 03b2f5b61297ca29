/* load: many clients that know what every reply must be.
 *
 * Each client owns its keys, models them and sends pipelines of 1 to 100 commands (GET, SET, INCR,
 * RPUSH, MGET, MSET; nil and large values; errors), one pipeline at a time. Every value carries
 * client, key and sequence number, so a wrong, shifted or torn reply is recognised. Runs in one
 * thread with epoll while the test does harm to the cluster. */
#ifndef SLOTWAY_TESTS_LOAD_H
#define SLOTWAY_TESTS_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#define LOAD_GROUPS 4

struct load_options {
    int port;
    int mixed;        /* clients with keys all over the slots */
    int pinned;       /* clients per group whose keys are all in that group's slots */
    int groups;       /* number of groups (masters) */
    int max_pipeline; /* 0: 100 */
    int pace_ms;      /* a client starts a pipeline at most this often; 0: 10 */
    int large;        /* one value in so many is up to large_size long; 0: 200 */
    int large_size;   /* 0: 100,000 bytes */
    bool reads_only;  /* after the first filling only GET and MGET */
    uint64_t seed;
    const uint8_t *group_of_slot; /* 16384 entries; copied */
};

struct load;

struct load *load_start(const struct load_options *options);

/* The moment (now_ms of the test) from which a fault is on; until then everything is "before". */
void load_fault_begins(struct load *l);

/* From now on the cluster itself may lose acknowledged writes of this group (its master died):
 * an older value that was once written is taken as the truth. -1: no group. */
void load_may_lose(struct load *l, int group);

/* Errors may be answered in this group / in any (-1) from now on: counted, not failures. */
void load_may_fail(struct load *l, int group);
/* Connections may be closed by the proxy from now on; clients reconnect. */
void load_may_close(struct load *l);

/* Commands answered without error by pinned clients of a group (-1: all clients) so far. */
uint64_t load_done(struct load *l, int group);
/* Wait until every group (every client) got at least n more good replies. */
bool load_wait_progress(struct load *l, uint64_t n, int timeout_ms);

/* When (now_ms) every pinned client of this group had got a good reply again, from `since` on; -1:
 * not yet. */
int64_t load_all_served(struct load *l, int group, int64_t since);

struct load_result {
    uint64_t commands, errors, unexpected_errors, maybe_errors, wrong, redirects_seen, closed, lost;
    uint64_t read_ahead;                /* retried reads that saw a write pipelined behind them */
    double gap_ms[LOAD_GROUPS];         /* longest time without a good reply, pinned clients */
    double longest_pipeline_ms;         /* of all clients, since the fault: no slot waited longer */
    int64_t last_error;                 /* when (now_ms) the last error came; 0: none did */
    double before_rate[LOAD_GROUPS];    /* pipelines a second before the fault */
    double during_rate[LOAD_GROUPS];    /* and from its begin to the end */
    uint64_t group_errors[LOAD_GROUPS]; /* errors by the group of the (pinned) client */
};

/* Stop: let pipelines end, read all keys back over fresh connections and compare. Prints a summary
 * with the errors by text and the first wrong replies. Frees l. */
struct load_result load_finish(struct load *l);

/* Assert what must hold always: nothing wrong, no MOVED or ASK seen, nothing closed or failed
 * that wasn't allowed. */
void load_assert_clean(const struct load_result *r);

#endif
