/* cluster: a real Redis Cluster on free loopback ports, made with deploy/local-cluster, and
 * everything that can happen to it.
 *
 * With SLOTWAY_TEST_CLUSTER=DIR:PORT set (tests/run does) the executables share one
 * cluster of three masters and three replicas; a test leaves it whole (cluster_heal). */
#ifndef SLOTWAY_TESTS_CLUSTER_H
#define SLOTWAY_TESTS_CLUSTER_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CLUSTER_SLOTS     16384
#define CLUSTER_MAX_NODES 16

struct cluster_node {
    char id[41];
    char master_id[41]; /* replica: its master's id; else "-" */
    int port;
    bool master, failed; /* as the node that was asked sees it */
    int slots;           /* number of slots it owns */
};

struct cluster {
    char dir[PATH_MAX];
    int port; /* of the first node; the others follow */
    int masters, replicas;
    bool shared;
    char options[512]; /* --option arguments of local-cluster */
    int nnodes;
    struct cluster_node nodes[CLUSTER_MAX_NODES];
    int owner[CLUSTER_SLOTS]; /* port of the owner as of the last refresh, 0: none */
    /* CONFIG GET of the nodes of a shared one, as the executable found them; NULL: no such node */
    struct redisReply *settings[CLUSTER_MAX_NODES];
};

/* The shared cluster, whole and empty; or an own one of 3 masters with a replica each. */
struct cluster *cluster_start(void);
/* Always an own one; options: redis-server settings, up to NULL ("%i": the node's index). */
struct cluster *cluster_start_own(int masters, int replicas);
struct cluster *cluster_start_with(int masters, int replicas, const char *const *options);
/* Stop and remove it (a shared one stays, whole; settings that a test leaves changed at a node make
 * the executable fail). */
void cluster_stop(struct cluster *c);

/* Read nodes[] and owner[] from a node that answers. False if none does. */
bool cluster_refresh(struct cluster *c);
/* Wait until every node is up, all agree on the slots and each replica is in step. */
bool cluster_wait_whole(struct cluster *c, int timeout_ms);
/* Start what was killed, thaw what was frozen, and wait until it is whole. Fails the test if not.
 */
void cluster_heal(struct cluster *c);
/* heal + FLUSHALL on each master. */
void cluster_empty(struct cluster *c);

uint16_t cluster_slot(const char *key, size_t len);
/* Port of the slot's owner / the owner of this key (as of the last refresh). */
int cluster_owner_of(struct cluster *c, const char *key);
/* The n-th name that starts with prefix and belongs to the node at port. Static ring of 16. */
const char *cluster_key(struct cluster *c, int port, const char *prefix, int n);
/* Port of the i-th master (by its first slot), and of the (first) replica of a master. */
int cluster_master(struct cluster *c, int i);
int cluster_replica_of(struct cluster *c, int master_port);
struct cluster_node *cluster_node_at(struct cluster *c, int port);
/* Index of the slot's owner among the masters as cluster_master counts them, for all slots. */
void cluster_groups(struct cluster *c, uint8_t group_of_slot[CLUSTER_SLOTS]);

pid_t cluster_pid(int port); /* 0 if nothing answers there */

/* The replica takes over from its master (CLUSTER FAILOVER); waits until all nodes agree.
 * False if it didn't within 10 s. */
bool cluster_failover(struct cluster *c, int replica_port);
void cluster_kill(struct cluster *c, int port);   /* kill -9 and wait until it is gone */
void cluster_freeze(struct cluster *c, int port); /* SIGSTOP */
void cluster_thaw(struct cluster *c);             /* SIGCONT to all */
/* Start again whatever is not running. */
void cluster_revive(struct cluster *c);
/* Stop the node and start it again at new_port (may be the same); waits until it is in step. */
bool cluster_restart(struct cluster *c, int port, int new_port);
/* Add an empty master / remove the (empty or not) node; port of the node. */
int cluster_add_node(struct cluster *c);
bool cluster_remove_node(struct cluster *c, int port);
/* Move slots with their keys between masters. */
bool cluster_reshard(struct cluster *c, int slots, int from_port, int to_port);
bool cluster_rolling_restart(struct cluster *c);

#endif
