/* proxy: slotway (SLOTWAY_BIN, default build/slotway) as a child of the test. */
#ifndef SLOTWAY_TESTS_PROXY_H
#define SLOTWAY_TESTS_PROXY_H

#include "cluster.h"
#include <stdbool.h>
#include <sys/types.h>

struct proxy {
    pid_t pid;
    pid_t owner; /* the process whose child it is */
    int port, stats_port;
    bool terminated;    /* was sent SIGTERM */
    char dir[PATH_MAX]; /* its own folder: log, configuration files of tests */
    char log[PATH_MAX];
};

/* Start it for the cluster (its first three nodes are the seeds; NULL: no seeds but those in the
 * flags) with further flags separated by spaces (NULL: none); wait until it serves all slots. */
struct proxy *proxy_start(struct cluster *c, const char *flags);
/* The same but only wait until it answers PING. */
struct proxy *proxy_start_unready(struct cluster *c, const char *flags);
/* Start a program with these flags and return its exit status, output in out. -1: still running
 * after 5 s (killed). */
int proxy_run(const char *flags, char *out, size_t cap);

/* SIGTERM; must exit with 0 within 15 s and have logged nothing of a sanitizer. Anything else is
 * printed with the log and makes the executable fail (fixture_failed). */
void proxy_stop(struct proxy *p);
/* Send a signal. */
void proxy_signal(struct proxy *p, int signal);
/* Does it still run? (Works in forked tests.) */
bool proxy_alive(struct proxy *p);
/* Is the text in its log? */
bool proxy_logged(struct proxy *p, const char *text);
bool proxy_wait_log(struct proxy *p, const char *text, int timeout_ms);
/* It serves commands for all slots: a GET for each sixteenth of the slots gives no error. */
bool proxy_serves_all(struct proxy *p);
bool proxy_wait_serves_all(struct proxy *p, int timeout_ms);

/* Resident bytes now, and the most since the last proxy_reset_peak. */
int64_t proxy_memory(struct proxy *p);
int64_t proxy_peak_memory(struct proxy *p);
void proxy_reset_peak(struct proxy *p);

/* The next start gets these addresses to bind (separated by spaces) instead of 127.0.0.1, or none.
 */
void proxy_bind(const char *addresses);
void proxy_no_bind(void);

/* The next start gets this limit of descriptors (0: as it is). */
void proxy_limit_descriptors(int limit);

#endif
