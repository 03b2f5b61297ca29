/* slow reader: clients that ask for gigabytes of replies and don't read them cost little memory,
 * slow nobody, and get every reply when they read at last. */
#include "support/fixture.h"
#include "support/load.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READERS 3

struct reader {
    int fd;
    int value_size;
    int requests;
    char *out;
    size_t out_len, out_sent;
    uint64_t received, expected;
    int group; /* whose slots its key is in */
};

static uint8_t groups[CLUSTER_SLOTS];

/* The most memory that slotway has had. Asked for seldom, because asking takes time of the very
 * processors that all of them share. */
struct peak {
    int64_t bytes, asked; /* ms */
};

static void peak_update(struct peak *p)
{
    int64_t now = now_ms();
    if (now - p->asked < 5)
        return;
    int64_t bytes = proxy_memory(proxy);
    p->bytes = bytes > p->bytes ? bytes : p->bytes;
    p->asked = now;
}

/* All replies of a reader are the same; the position says which byte must come. */
static char expected_byte(const struct reader *r, uint64_t at, const char *head, size_t head_len)
{
    uint64_t one = head_len + (uint64_t)r->value_size + 2;
    uint64_t in = at % one;
    if (in < head_len)
        return head[in];
    if (in >= one - 2)
        return in == one - 2 ? '\r' : '\n';
    return (char)('a' + (in - head_len) % 23);
}

static void prepare(redisContext *c, struct reader *r, int index, int size, uint64_t total)
{
    r->value_size = size;
    r->requests = (int)(total / (uint64_t)size);
    const char *key = cluster_key(cluster, cluster_master(cluster, index % 3), "slow:", index);
    char *value = malloc((size_t)size);
    for (int i = 0; i < size; i++)
        value[i] = (char)('a' + i % 23);
    expect(c, "OK", "SET %s %b", key, value, (size_t)size);
    free(value);
    char one[200];
    int len = snprintf(one, sizeof one, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
    r->out = malloc((size_t)len * (size_t)r->requests);
    for (int i = 0; i < r->requests; i++, r->out_len += (size_t)len)
        memcpy(r->out + r->out_len, one, (size_t)len);
    char head[32];
    r->expected = (uint64_t)r->requests *
                  (uint64_t)(snprintf(head, sizeof head, "$%d\r\n", size) + size + 2);
    r->fd = raw_open(proxy->port, 0);
}

static void send_what_goes(struct reader *r)
{
    while (r->out_sent < r->out_len) {
        ssize_t n = send(r->fd, r->out + r->out_sent, r->out_len - r->out_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        ck_assert_msg(n > 0, "slotway closed a slow reader: %s", strerror(errno));
        r->out_sent += (size_t)n;
    }
}

static void read_what_is_there(struct reader *r)
{
    static char block[1 << 20];
    char head[32];
    size_t head_len = (size_t)snprintf(head, sizeof head, "$%d\r\n", r->value_size);
    ssize_t n = recv(r->fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    ck_assert_msg(n > 0, "closed after %llu of %llu bytes", (unsigned long long)r->received,
                  (unsigned long long)r->expected);
    /* The edges of every read and a sample of its inside. (Each assertion writes to a file.) */
    for (ssize_t i = 0; i < n; i += i < 64 || i > n - 64 ? 1 : 61)
        if (block[i] != expected_byte(r, r->received + (uint64_t)i, head, head_len))
            ck_abort_msg("wrong byte at %llu", (unsigned long long)(r->received + (uint64_t)i));
    r->received += (uint64_t)n;
}

START_TEST(gigabytes_unread)
{
    uint64_t total = (test_full() ? 1024ull : 128ull) << 20;
    int unread_ms = test_full() ? 10000 : 2000;
    static const int sizes[READERS] = {1 << 20, 64 << 10, 4 << 10};
    struct reader readers[READERS] = {0};
    redisContext *c = client_open(proxy->port);
    for (int i = 0; i < READERS; i++)
        prepare(c, &readers[i], i, sizes[i], total);
    cluster_groups(cluster, groups);
    struct load_options o = {
        .port = proxy->port, .mixed = 6, .pinned = 3, .groups = 3, .group_of_slot = groups};
    struct load *l = load_start(&o);
    ck_assert(load_wait_progress(l, 100, 10000));
    int64_t before = proxy_memory(proxy);
    struct peak peak = {.bytes = before};
    load_fault_begins(l);
    for (int64_t end = now_ms() + unread_ms; now_ms() < end; poll_pause(5)) {
        for (int i = 0; i < READERS; i++)
            send_what_goes(&readers[i]);
        peak_update(&peak);
    }
    report_figure("growth for unread replies", (double)(peak.bytes - before) / (1 << 20), 64,
                  "MiB");
    int64_t start = now_ms();
    for (bool all = false; !all;) {
        struct pollfd p[READERS];
        all = true;
        for (int i = 0; i < READERS; i++) {
            struct reader *r = &readers[i];
            bool sending = r->out_sent < r->out_len;
            p[i] = (struct pollfd){.fd = r->received < r->expected ? r->fd : -1,
                                   .events = (short)(POLLIN | (sending ? POLLOUT : 0))};
            all &= r->received >= r->expected;
        }
        if (all)
            break;
        ck_assert_msg(
            poll(p, READERS, (int)(20000 * test_slack())) > 0,
            "no more replies; got %llu %llu %llu of %llu %llu %llu bytes",
            (unsigned long long)readers[0].received, (unsigned long long)readers[1].received,
            (unsigned long long)readers[2].received, (unsigned long long)readers[0].expected,
            (unsigned long long)readers[1].expected, (unsigned long long)readers[2].expected);
        for (int i = 0; i < READERS; i++) {
            if (p[i].revents & POLLOUT)
                send_what_goes(&readers[i]);
            if (p[i].revents & (POLLIN | POLLHUP | POLLERR))
                read_what_is_there(&readers[i]);
        }
        peak_update(&peak);
    }
    printf("  all replies read in %lld ms\n", (long long)(now_ms() - start));
    report_figure("growth at most", (double)(peak.bytes - before) / (1 << 20), 64, "MiB");
    struct load_result result = load_finish(l);
    load_assert_clean(&result);
    for (int g = 0; g < 3; g++)
        report_figure("longest gap of others", result.gap_ms[g], 250, "ms");
    for (int i = 0; i < READERS; i++) {
        close(readers[i].fd);
        free(readers[i].out);
    }
    redisFree(c);
}
END_TEST

/* A client that vanishes with replies unread leaves nothing behind. */
START_TEST(reader_leaves_with_replies_unread)
{
    redisContext *c = client_open(proxy->port);
    struct reader r = {0};
    int descriptors = process_descriptors(proxy->pid);
    for (int i = 0; i < 10; i++) {
        memset(&r, 0, sizeof r);
        prepare(c, &r, i, 256 << 10, 64 << 20);
        send_what_goes(&r);
        char first[1000];
        raw_read(r.fd, first, sizeof first, 5000);
        setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &(struct linger){i % 2, 0}, sizeof(struct linger));
        close(r.fd);
        free(r.out);
        expect(c, "PONG", "PING");
    }
    int64_t end = now_ms() + 5000;
    /* Some further connections to nodes may have come to stay. */
    while (process_descriptors(proxy->pid) > descriptors + 5 && now_ms() < end)
        poll_pause(10);
    ck_assert_int_le(process_descriptors(proxy->pid), descriptors + 5);
    expect(c, ":*", "DBSIZE");
    redisFree(c);
}
END_TEST

FIXTURE_SUITE("slow reader", 120, NULL, gigabytes_unread, reader_leaves_with_replies_unread)
