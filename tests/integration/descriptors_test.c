/* descriptors: with few of them excess clients are told so, the others go on, and lost connections
 * to nodes still come back. */
#include "support/fixture.h"
#include <string.h>
#include <unistd.h>

#define LIMIT   100
#define CLIENTS 160

START_TEST(more_clients_than_descriptors)
{
    struct cluster *c = cluster_start();
    proxy_limit_descriptors(LIMIT);
    struct proxy *p = proxy_start(c, "--threads 1");
    static int fds[CLIENTS];
    int served = 0, refused = 0;
    bool works[CLIENTS] = {false};
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = raw_open(p->port, 0);
        ck_assert_msg(fds[i] >= 0, "connection %d is not taken", i);
        raw_send(fds[i], "PING\r\n", 6, 1000);
        char text[100] = "";
        size_t n = raw_read(fds[i], text, 7, 3000);
        ck_assert_msg(n > 0, "client %d is left hanging", i);
        works[i] = memcmp(text, "+PONG\r\n", 7) == 0;
        if (works[i]) {
            served++;
            continue;
        }
        refused++;
        bool closed = raw_read_to_end(fds[i], text + n, sizeof text - n, 3000);
        ck_assert_str_eq(text, "-ERR max number of clients reached\r\n");
        ck_assert_msg(closed, "a refused client is not closed");
    }
    printf("  limit %d: %d clients served, %d refused\n", LIMIT, served, refused);
    ck_assert_int_gt(served, LIMIT / 4);
    ck_assert_int_gt(refused, 0);
    /* All served ones go on, also when the nodes drop slotway's connections. */
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            ask_port(cluster_master(c, i), "CLIENT KILL TYPE normal");
        for (int i = 0; i < CLIENTS; i++) {
            if (!works[i])
                continue;
            char command[64], text[16] = "";
            int len = snprintf(command, sizeof command, "GET few:%d\r\n", i * 7 + round);
            ck_assert(raw_send(fds[i], command, (size_t)len, 2000));
            ck_assert_int_eq(raw_read(fds[i], text, 5, 5000), 5);
            ck_assert_str_eq(text, "$-1\r\n");
        }
    }
    /* And there is room again when some leave. */
    for (int i = 0; i < CLIENTS; i++)
        close(fds[i]);
    ck_assert(proxy_wait_serves_all(p, 5000));
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

START_TEST(maxclients)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start(c, "--maxclients 5");
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = raw_open(p->port, 0);
        raw_send(fds[i], "PING\r\n", 6, 1000);
        char text[100] = "";
        if (i < 5) {
            ck_assert_int_eq(raw_read(fds[i], text, 7, 3000), 7);
            ck_assert_str_eq(text, "+PONG\r\n");
        } else {
            ck_assert(raw_read_to_end(fds[i], text, sizeof text, 3000));
            ck_assert_str_eq(text, "-ERR max number of clients reached\r\n");
        }
    }
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    ck_assert(proxy_wait_serves_all(p, 5000));
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

/* Nothing to do costs (nearly) nothing. */
START_TEST(idle_costs_little)
{
    struct cluster *c = cluster_start();
    struct proxy *p = proxy_start(c, NULL);
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = raw_open(p->port, 0);
        ck_assert_int_ge(fds[i], 0);
    }
    int64_t cpu = process_cpu_ms(p->pid), start = now_ms();
    poll_pause(test_full() ? 10000 : 2000); /* what is measured is time */
    double share = 100.0 * (double)(process_cpu_ms(p->pid) - cpu) / (double)(now_ms() - start);
    report_figure("CPU when idle", share, 1, "%");
    for (int i = 0; i < 200; i++)
        close(fds[i]);
    stop_and_check(p);
    cluster_stop(c);
}
END_TEST

PLAIN_SUITE("descriptors", 60, more_clients_than_descriptors, maxclients, idle_costs_little)
