/* load_requests: requests are made by copying one text and writing digits into it. */
#include "bench/load.h"
#include <stdio.h>
#include <string.h>

static char *text;
size_t text_len;
size_t *digit;
static size_t *stamp; /* offsets of the digits at the start of values; `stamps` of them */
int digits;
static int stamps;
static char thousands[1000][3];
static uint64_t rng = 88172645463325252ull, next_key;

static uint64_t random_next(void)
{
    rng ^= rng << 13;
    rng ^= rng >> 7;
    rng ^= rng << 17;
    return rng;
}

uint32_t key_next(void)
{
    if (opt.sequential)
        return (uint32_t)(next_key++ % opt.keyspace);
    return (uint32_t)(((random_next() >> 32) * opt.keyspace) >> 32);
}

void put_digits(char *at, uint32_t key)
{
    memcpy(at + 3, thousands[key / 1000000], 3);
    memcpy(at + 6, thousands[key / 1000 % 1000], 3);
    memcpy(at + 9, thousands[key % 1000], 3);
}

/* Appends a bulk string; with `at` it ends in digits, and *at is where they are. */
static void text_bulk(const char *data, size_t *at)
{
    size_t len = strlen(data);
    text_len += (size_t)sprintf(text + text_len, "$%zu\r\n%s", len + (at ? DIGITS : 0), data);
    if (at) {
        *at = text_len;
        memset(text + text_len, '0', DIGITS);
        text_len += DIGITS;
    }
    memcpy(text + text_len, "\r\n", 2);
    text_len += 2;
}

static void text_value(size_t *at)
{
    size_t start = text_len + (size_t)sprintf(text + text_len, "$%zu\r\n", opt.size);
    *at = start;
    memset(text + start, '0', DIGITS);
    memset(text + start + DIGITS, 'x', opt.size - DIGITS);
    memcpy(text + start + opt.size, "\r\n", 2);
    text_len = start + opt.size + 2;
}

/* Appends the commands of a transaction. */
static void text_transaction(void)
{
    text_len = (size_t)sprintf(text, "*1\r\n$5\r\nMULTI\r\n");
    for (int i = 0; i < TRANSACTION_KEYS; i++) {
        bool stores = i < TRANSACTION_STORES;
        text_len += (size_t)sprintf(text + text_len, stores ? "*3\r\n" : "*2\r\n");
        text_bulk(stores ? "set" : "get", NULL);
        text_bulk(opt.prefix, &digit[i]);
        if (stores)
            text_value(&stamp[i]);
    }
    text_len += (size_t)sprintf(text + text_len, "*1\r\n$4\r\nEXEC\r\n");
}

/* Makes the request that all others are copies of, and notes where its digits are. */
static void text_build(void)
{
    const char *name = opt.shape->name;
    bool ping = !strcmp(name, "ping"), stores = strstr(name, "set") != NULL;
    if (!strcmp(name, "churn") || !strcmp(name, "idle"))
        name = "get";
    bool transaction = opt.shape->parts > 0;
    digits = ping ? 0 : opt.shape->multi ? opt.keys : transaction ? TRANSACTION_KEYS : 1;
    stamps = stores ? digits : transaction ? TRANSACTION_STORES : 0;
    if (opt.size < DIGITS)
        broken("values must have 12 bytes at least");
    text = must_alloc((size_t)(digits + 1), opt.size + strlen(opt.prefix) + 128);
    digit = must_alloc((size_t)digits, sizeof(*digit));
    stamp = must_alloc((size_t)digits, sizeof(*stamp));
    if (transaction) {
        text_transaction();
        return;
    }
    text_len = (size_t)sprintf(text, "*%d\r\n", 1 + digits + stamps);
    text_bulk(name, NULL);
    for (int i = 0; i < digits; i++) {
        text_bulk(opt.prefix, &digit[i]);
        if (stores)
            text_value(&stamp[i]);
    }
}

void request_put(struct conn *c, uint32_t first)
{
    char *at = c->out + c->out_len;
    memcpy(at, text, text_len);
    for (int i = 0; i < digits; i++) {
        uint32_t key = i && !opt.shape->parts ? key_next() : first;
        put_digits(at + digit[i], key);
        if (i < stamps)
            put_digits(at + stamp[i], key);
    }
    c->out_len += text_len;
    c->awaited++;
}

void requests_prepare(void)
{
    rng ^= now_ns() << 16;
    for (int i = 0; i < 1000; i++) {
        thousands[i][0] = (char)('0' + i / 100);
        thousands[i][1] = (char)('0' + i / 10 % 10);
        thousands[i][2] = (char)('0' + i % 10);
    }
    text_build();
}
