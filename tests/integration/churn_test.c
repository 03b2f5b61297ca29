/* churn: thousands of clients that come, send half a request or don't read, and go. Others see
 * nothing of it, and nothing is left of them. */
#include "support/fixture.h"
#include "support/load.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RATE  2000 /* connects a second */
#define ALIVE 100  /* a connection is closed this many connects later */

static uint8_t groups[CLUSTER_SLOTS];

static const char *const sent[] = {
    "*3\r\n$3\r\nSET\r\n$5\r\nchurn\r\n$10\r\nhalf",
    "*2\r\n$3\r\nGET\r\n$5\r\nchurn\r\n*2\r\n$3\r\nGE",
    "GET churn\r\nGET churn2\r\nGET churn3\r\nMGET a b c d e f g\r\n",
    "",
    "*1\r\n$4\r\nPING\r\n",
    "*4\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\nGET bulky\r\n",
    "*",
    "SET churn ",
};

START_TEST(connects_and_disconnects)
{
    int seconds = test_full() ? 10 : 3;
    redisContext *c = client_open(proxy->port);
    char bulky[50000];
    memset(bulky, 'b', sizeof bulky);
    expect(c, "OK", "SET bulky %b", bulky, sizeof bulky);
    cluster_groups(cluster, groups);
    struct load_options o = {
        .port = proxy->port, .mixed = 6, .pinned = 3, .groups = 3, .group_of_slot = groups};
    int descriptors = process_descriptors(proxy->pid);
    struct load *l = load_start(&o);
    ck_assert(load_wait_progress(l, 100, 10000));
    int64_t memory = proxy_memory(proxy);
    load_fault_begins(l);
    static int fds[ALIVE];
    memset(fds, -1, sizeof fds);
    int64_t start = now_us();
    int refused = 0;
    for (int i = 0; i < RATE * seconds; i++) {
        int *fd = &fds[i % ALIVE];
        if (*fd >= 0) {
            /* Mostly resets: closed ports that wait would run out. */
            if (i % 8)
                setsockopt(*fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0},
                           sizeof(struct linger));
            close(*fd);
        }
        *fd = raw_open(proxy->port, 0);
        if (*fd < 0) {
            refused++;
            continue;
        }
        const char *text = sent[i % (int)(sizeof sent / sizeof *sent)];
        send(*fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
        int64_t due = start + (int64_t)(i + 1) * 1000000 / RATE;
        if (due > now_us() + 1000)
            poll_pause((int)((due - now_us()) / 1000));
    }
    double took = (double)(now_us() - start) / 1e6;
    for (int i = 0; i < ALIVE; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    printf("  %d connects in %.1f s, %d refused\n", RATE * seconds, took, refused);
    ck_assert_int_eq(refused, 0);
    struct load_result r = load_finish(l);
    load_assert_clean(&r);
    for (int g = 0; g < 3; g++)
        report_figure("longest gap of others", r.gap_ms[g], 250, "ms");
    int64_t end = now_ms() + 5000;
    /* The load's connections are gone too by now. */
    while (process_descriptors(proxy->pid) > descriptors + 5 && now_ms() < end)
        poll_pause(10);
    printf("  descriptors: %d before, %d after\n", descriptors, process_descriptors(proxy->pid));
    /* Some further connections to nodes may have come to stay. */
    ck_assert_int_le(process_descriptors(proxy->pid), descriptors + 5);
    report_figure("growth", (double)(proxy_memory(proxy) - memory) / (1 << 20), 32, "MiB");
    expect(c, "PONG", "PING");
    redisFree(c);
}
END_TEST

FIXTURE_SUITE("churn", 60, NULL, connects_and_disconnects)
