/* pubsub_census_test: who is counted for a channel: clients of all workers, and slotway itself. */
#include "flow/pubsub_census.h"
#include "support/unit.h"
#include <string.h>

static struct census_entry *take(enum pubsub_kind kind, const char *name)
{
    return census_take(kind, name, strlen(name));
}

static void expect(struct census_count got, int64_t clients, int64_t links)
{
    ck_assert_int_eq(got.clients, clients);
    ck_assert_int_eq(got.links, links);
}

START_TEST(what_nobody_has_any_more_is_gone)
{
    ck_assert(census_is_empty());
    struct census_entry *x = take(PUBSUB_CHANNEL, "x"), *again = take(PUBSUB_CHANNEL, "x");
    ck_assert_ptr_eq(x, again);
    census_add_clients(x, 2);
    census_add_link(x, 5, 1);
    ck_assert(!census_is_empty());
    expect(census_of(PUBSUB_CHANNEL, "x", 1, 5), 2, 1);
    expect(census_of(PUBSUB_CHANNEL, "x", 1, 6), 2, 0);
    expect(census_of(PUBSUB_SHARD, "x", 1, 5), 0, 0);
    expect(census_of(PUBSUB_CHANNEL, "xy", 2, 5), 0, 0);
    census_add_clients(x, -2);
    census_release(again);
    census_add_link(x, 5, -1);
    census_release(x);
    ck_assert(census_is_empty());
    expect(census_of(PUBSUB_CHANNEL, "x", 1, 5), 0, 0);
}
END_TEST

START_TEST(a_message_on_a_channel_reaches_patterns_and_one_on_a_shard_channel_does_not)
{
    struct census_entry *news = take(PUBSUB_CHANNEL, "news"), *n = take(PUBSUB_PATTERN, "n*");
    struct census_entry *other = take(PUBSUB_PATTERN, "o*"), *shard = take(PUBSUB_SHARD, "news");
    census_add_clients(news, 1);
    census_add_clients(n, 10);
    census_add_clients(other, 100);
    census_add_clients(shard, 1000);
    census_add_link(news, 3, 1);
    census_add_link(n, 3, 1);
    census_add_link(other, 3, 1);
    expect(census_receivers(PUBSUB_CHANNEL, "news", 4, 3), 11, 2);
    expect(census_receivers(PUBSUB_CHANNEL, "news", 4, 4), 11, 0);
    expect(census_receivers(PUBSUB_CHANNEL, "none", 4, 3), 10, 1);
    expect(census_receivers(PUBSUB_SHARD, "news", 4, 3), 1000, 0);
    census_add_link(news, 3, -1);
    census_add_link(n, 3, -1);
    census_add_link(other, 3, -1);
    struct census_entry *all[] = {news, n, other, shard};
    for (int i = 0, clients = 1; i < 4; i++, clients *= 10) {
        census_add_clients(all[i], -clients);
        census_release(all[i]);
    }
    ck_assert(census_is_empty());
}
END_TEST

static void note(void *arg, const char *name, size_t len, int64_t clients)
{
    ck_assert_uint_eq(len, 1);
    ((int64_t *)arg)[*name - 'a'] += clients;
}

/* A link stays for a while after the last client has left. */
START_TEST(names_without_clients_are_no_channels)
{
    int64_t seen[3] = {0};
    struct census_entry *a = take(PUBSUB_CHANNEL, "a"), *b = take(PUBSUB_CHANNEL, "b");
    struct census_entry *p = take(PUBSUB_PATTERN, "a");
    census_add_clients(a, 3);
    census_add_link(b, 1, 1);
    census_add_clients(p, 2);
    census_add_link(p, 1, 1);
    ck_assert_uint_eq(census_names(PUBSUB_CHANNEL), 1);
    ck_assert_uint_eq(census_names(PUBSUB_PATTERN), 1);
    ck_assert_uint_eq(census_names(PUBSUB_SHARD), 0);
    census_each(PUBSUB_CHANNEL, note, seen);
    ck_assert_int_eq(seen[0], 3);
    ck_assert_int_eq(seen[1], 0);
    expect(census_patterns(1), 1, 1);
    expect(census_patterns(2), 1, 0);
    census_add_clients(a, -3);
    ck_assert_uint_eq(census_names(PUBSUB_CHANNEL), 0);
    census_add_clients(p, -2);
    expect(census_patterns(1), 0, 1);
    census_add_link(b, 1, -1);
    census_add_link(p, 1, -1);
    census_release(a);
    census_release(b);
    census_release(p);
    ck_assert(census_is_empty());
}
END_TEST

UNIT_SUITE("pubsub_census", {what_nobody_has_any_more_is_gone},
           {a_message_on_a_channel_reaches_patterns_and_one_on_a_shard_channel_does_not},
           {names_without_clients_are_no_channels})
