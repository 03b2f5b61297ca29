/* deep pipelines and large values: all replies come, in order, in bounded memory. */
#include "support/fixture.h"
#include <string.h>
#include <unistd.h>

#define DEPTH 100000

struct buffer {
    char *data;
    size_t len;
    FILE *f;
};

static void buffer_open(struct buffer *b)
{
    b->f = open_memstream(&b->data, &b->len);
}

static void put_command(FILE *f, int argc, const char *const *argv)
{
    fprintf(f, "*%d\r\n", argc);
    for (int i = 0; i < argc; i++)
        fprintf(f, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
}

/* Send everything, and only then read. */
static void send_then_read(const struct buffer *in, const struct buffer *want)
{
    int fd = raw_open(proxy->port, 0);
    int64_t start = now_ms();
    ck_assert_msg(raw_send(fd, in->data, in->len, 40000), "slotway stopped reading");
    int64_t sent = now_ms();
    char *got = malloc(want->len + 1);
    size_t n = raw_read(fd, got, want->len, 40000);
    size_t same = 0;
    while (same < n && got[same] == want->data[same])
        same++;
    ck_assert_msg(same == want->len, "reply stream differs at byte %zu (%zu of %zu came): %.60s",
                  same, n, want->len, got + (same > 20 ? same - 20 : 0));
    printf("  %.1f MB sent in %lld ms, %.1f MB read in %lld ms\n", (double)in->len / 1e6,
           (long long)(sent - start), (double)want->len / 1e6, (long long)(now_ms() - sent));
    free(got);
    close(fd);
}

START_TEST(hundred_thousand_commands_in_one_write)
{
    struct buffer in, want;
    buffer_open(&in);
    buffer_open(&want);
    for (int i = 0; i < DEPTH; i++) {
        char key[32], value[32];
        snprintf(key, sizeof key, "deep:%d", i / 2);
        int len = snprintf(value, sizeof value, "value%d", i / 2);
        if (i % 2 == 0) {
            put_command(in.f, 3, (const char *[]){"SET", key, value});
            fprintf(want.f, "+OK\r\n");
        } else {
            put_command(in.f, 2, (const char *[]){"GET", key});
            fprintf(want.f, "$%d\r\n%s\r\n", len, value);
        }
    }
    fclose(in.f);
    fclose(want.f);
    int64_t before = proxy_memory(proxy);
    proxy_reset_peak(proxy);
    send_then_read(&in, &want);
    report_figure("growth", (double)(proxy_peak_memory(proxy) - before) / (1 << 20), 64, "MiB");
    free(in.data);
    free(want.data);
}
END_TEST

/* The replies are far more than is held for a client: most requests wait. */
START_TEST(hundred_thousand_reads_of_a_kilobyte)
{
    redisContext *c = client_open(proxy->port);
    char value[1001];
    memset(value, 'k', 1000);
    value[1000] = 0;
    for (int i = 0; i < 10; i++)
        expect(c, "OK", "SET kilo:%d %s", i, value);
    struct buffer in, want;
    buffer_open(&in);
    buffer_open(&want);
    for (int i = 0; i < DEPTH; i++) {
        char key[16];
        snprintf(key, sizeof key, "kilo:%d", i % 10);
        put_command(in.f, 2, (const char *[]){"GET", key});
        fprintf(want.f, "$1000\r\n%s\r\n", value);
    }
    fclose(in.f);
    fclose(want.f);
    int64_t before = proxy_memory(proxy);
    proxy_reset_peak(proxy);
    send_then_read(&in, &want);
    report_figure("growth", (double)(proxy_peak_memory(proxy) - before) / (1 << 20), 64, "MiB");
    free(in.data);
    free(want.data);
    redisFree(c);
}
END_TEST

START_TEST(split_commands_in_a_deep_pipeline)
{
    struct buffer in, want;
    buffer_open(&in);
    buffer_open(&want);
    for (int i = 0; i < 5000; i++) {
        char k[4][24];
        for (int j = 0; j < 4; j++)
            snprintf(k[j], sizeof k[j], "split:%d:%d", i % 100, j);
        put_command(in.f, 7, (const char *[]){"MSET", k[0], "a", k[1], "b", k[2], "c"});
        fprintf(want.f, "+OK\r\n");
        put_command(in.f, 6, (const char *[]){"MGET", k[2], k[3], k[0], k[1], k[2]});
        fprintf(want.f, "*5\r\n$1\r\nc\r\n$-1\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
        put_command(in.f, 4, (const char *[]){"DEL", k[0], k[1], k[3]});
        fprintf(want.f, ":2\r\n");
        put_command(in.f, 3, (const char *[]){"EXISTS", k[0], k[2]});
        fprintf(want.f, ":1\r\n");
    }
    fclose(in.f);
    fclose(want.f);
    send_then_read(&in, &want);
    free(in.data);
    free(want.data);
}
END_TEST

#define LARGE (64 << 20)

START_TEST(large_values_both_ways)
{
    redisContext *c = client_open(proxy->port);
    int64_t before = proxy_memory(proxy);
    proxy_reset_peak(proxy);
    char *value = malloc(LARGE);
    uint64_t seed = test_seed();
    for (size_t i = 0; i < LARGE; i += 8) {
        uint64_t word = random_next(&seed);
        memcpy(value + i, &word, 8);
    }
    for (int i = 0; i < 3; i++) {
        int64_t start = now_ms();
        expect(c, "OK", "SET large:%d %b", i, value, (size_t)LARGE);
        int64_t set = now_ms();
        redisReply *r = redisCommand(c, "GET large:%d", i);
        ck_assert(r && r->type == REDIS_REPLY_STRING);
        ck_assert_int_eq(r->len, LARGE);
        ck_assert(memcmp(r->str, value, LARGE) == 0);
        freeReplyObject(r);
        printf("  64 MiB: SET %lld ms, GET %lld ms\n", (long long)(set - start),
               (long long)(now_ms() - set));
        expect(c, ":1", "DEL large:%d", i);
    }
    report_figure("growth", (double)(proxy_peak_memory(proxy) - before) / (1 << 20), 160, "MiB");
    expect(c, "PONG", "PING");
    free(value);
    redisFree(c);
}
END_TEST

/* MGET and MSET of large values over several masters. */
START_TEST(large_values_in_split_commands)
{
    redisContext *c = client_open(proxy->port);
    enum { SIZE = 3 << 20 };
    char *value[3];
    for (int i = 0; i < 3; i++) {
        value[i] = malloc(SIZE);
        memset(value[i], 'a' + i, SIZE);
    }
    expect(c, "OK", "MSET big:1 %b big:2 %b big:3 %b", value[0], (size_t)SIZE, value[1],
           (size_t)SIZE, value[2], (size_t)SIZE);
    redisReply *r = redisCommand(c, "MGET big:3 big:1 nothing big:2");
    ck_assert(r && r->type == REDIS_REPLY_ARRAY && r->elements == 4);
    static const int order[] = {2, 0, -1, 1};
    for (int i = 0; i < 4; i++) {
        if (order[i] < 0) {
            ck_assert_int_eq(r->element[i]->type, REDIS_REPLY_NIL);
            continue;
        }
        ck_assert_int_eq(r->element[i]->len, SIZE);
        ck_assert(memcmp(r->element[i]->str, value[order[i]], SIZE) == 0);
    }
    freeReplyObject(r);
    expect(c, ":3", "DEL big:1 big:2 big:3");
    redisFree(c);
}
END_TEST

FIXTURE_SUITE("deep pipelines", 90, NULL, hundred_thousand_commands_in_one_write,
              hundred_thousand_reads_of_a_kilobyte, split_commands_in_a_deep_pipeline,
              large_values_both_ways, large_values_in_split_commands)
