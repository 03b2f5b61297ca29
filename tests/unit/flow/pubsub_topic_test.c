/* pubsub_topic_test: what topics there are, who has them, and when they are forgotten. */
#include "flow/client.h"
#include "flow/pubsub_hub.h"
#include "support/pubsub_unit.h"
#include <string.h>
#include <unistd.h>

static struct pubsub *hub;

static void begin(void)
{
    pubsub_begin();
    hub = f->w->pubsub;
}

/* A test's topics have no members: it says when they may go. */
static void drop_all(void)
{
    struct pubsub_topic *t, *next;
    HASH_ITER (hh, hub->topics, t, next)
        topic_check_idle(t);
    topic_free_idle(hub);
    ck_assert_ptr_null(hub->topics);
    for (int i = 0; i < PUBSUB_SCOPES; i++)
        ck_assert_uint_eq(hub->scopes[i], 0);
}

START_TEST(names_of_any_bytes_and_length_are_told_apart)
{
    static char name[1000];
    static const uint32_t lens[] = {0, 1, 2, 254, 255, 256, 257, 999, 1000};
    struct pubsub_topic *topics[sizeof lens / sizeof *lens][PUBSUB_KINDS];
    memset(name, 'n', sizeof name);
    name[1] = '\0'; /* bytes, not text */
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
            ck_assert_ptr_null(topic_find(hub, (enum pubsub_kind)kind, name, lens[i]));
            topics[i][kind] = topic_get(hub, (enum pubsub_kind)kind, name, lens[i]);
        }
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        for (int kind = 0; kind < PUBSUB_KINDS; kind++) {
            struct pubsub_topic *t = topics[i][kind];
            ck_assert_ptr_eq(topic_find(hub, (enum pubsub_kind)kind, name, lens[i]), t);
            ck_assert_ptr_eq(topic_get(hub, (enum pubsub_kind)kind, name, lens[i]), t);
            ck_assert_int_eq(t->kind, kind);
            ck_assert_uint_eq(topic_name_len(t), lens[i]);
            ck_assert_mem_eq(topic_name(t), name, lens[i]);
        }
    ck_assert_uint_eq(HASH_COUNT(hub->topics), 27);
    drop_all();
}
END_TEST

START_TEST(each_has_its_place)
{
    static const struct {
        enum pubsub_kind kind;
        const char *name;
        enum pubsub_scope scope;
        uint16_t slot;
    } places[] = {
        {PUBSUB_CHANNEL, "b", PUBSUB_AT_HOME, SLOT_NONE},
        {PUBSUB_PATTERN, "b*", PUBSUB_AT_HOME, SLOT_NONE},
        {PUBSUB_PATTERN, "*", PUBSUB_AT_MASTERS, SLOT_NONE},
        {PUBSUB_CHANNEL, "__keyspace@0__:b", PUBSUB_AT_MASTERS, SLOT_NONE},
        {PUBSUB_CHANNEL, "__keyevent@0__:set", PUBSUB_AT_MASTERS, SLOT_NONE},
        {PUBSUB_SHARD, "b", PUBSUB_AT_OWNER, 3300},
        {PUBSUB_SHARD, "{b}x", PUBSUB_AT_OWNER, 3300},
        {PUBSUB_SHARD, "__keyspace@0__:b", PUBSUB_AT_OWNER, 0},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        uint64_t before = hub->scopes[places[i].scope];
        const struct pubsub_topic *t = topic_get(hub, places[i].kind, places[i].name,
                                                 strlen(places[i].name));
        ck_assert_msg(t->scope == places[i].scope, "%s", places[i].name);
        if (places[i].slot)
            ck_assert_uint_eq(t->slot, places[i].slot);
        ck_assert_uint_eq(hub->scopes[places[i].scope], before + 1);
        ck_assert(t->target == NODE_NONE && t->moved == NODE_NONE);
    }
    drop_all();
}
END_TEST

START_TEST(no_two_topics_have_one_serial)
{
    uint64_t first = topic_get(hub, PUBSUB_CHANNEL, "y", 1)->serial;
    ck_assert_uint_eq(topic_get(hub, PUBSUB_CHANNEL, "y", 1)->serial, first);
    drop_all();
    ck_assert_uint_gt(topic_get(hub, PUBSUB_CHANNEL, "y", 1)->serial, first); /* another one */
    drop_all();
}
END_TEST

START_TEST(only_what_nobody_needs_is_forgotten)
{
    struct pubsub_topic *t = topic_get(hub, PUBSUB_CHANNEL, "y", 1);
    uint32_t *needs[] = {&t->members, &t->named, &t->queued};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        *needs[i] = 1;
        topic_check_idle(t);
        ck_assert_ptr_null(hub->idle); /* needed */
        *needs[i] = 0;
        topic_check_idle(t);
        topic_check_idle(t); /* once is enough */
        ck_assert_ptr_eq(hub->idle, t);
        ck_assert_ptr_null(t->next_idle);
        *needs[i] = 1; /* needed again before the turn's end */
        topic_free_idle(hub);
        ck_assert_ptr_eq(topic_find(hub, PUBSUB_CHANNEL, "y", 1), t);
        *needs[i] = 0;
    }
    drop_all();
    ck_assert_ptr_null(topic_find(hub, PUBSUB_CHANNEL, "y", 1));
    ck_assert(census_is_empty()); /* its name is forgotten too */
}
END_TEST

/* --- who has them --- */

/* a is client 1, b client 2. */
static struct client *client_of(unsigned id)
{
    struct client *client = f->w->clients;
    while (client && client->id != id)
        client = client->next;
    ck_assert_ptr_nonnull(client);
    return client;
}

/* The client has so many, and is subscribed if that is any. */
static void has(unsigned id, uint32_t channels, uint32_t patterns, uint32_t shards)
{
    const struct client *client = client_of(id);
    ck_assert_uint_eq(pubsub_count(client, PUBSUB_CHANNEL), channels);
    ck_assert_uint_eq(pubsub_count(client, PUBSUB_PATTERN), patterns);
    ck_assert_uint_eq(pubsub_count(client, PUBSUB_SHARD), shards);
    ck_assert_int_eq((client->flags & CLIENT_SUBSCRIBED) != 0, channels + patterns + shards > 0);
}

/* The client sends a command for one name, the node confirms what it gets. */
static void subscribes(int client, const char *command, const char *confirmation, const char *want)
{
    flow_send(f, client, command);
    flow_node_serves(f, NODE_A, command, confirmation);
    flow_expect(f, client, want);
}

#define PSUB(n) CONFIRMED("10\r\npsubscribe", "1\r\nx", n)
#define SSUB(n) CONFIRMED("10\r\nssubscribe", "1\r\nb", n)

START_TEST(a_client_counts_each_kind)
{
    has(1, 0, 0, 0);
    pubsub_subscribe_x(a);
    has(1, 1, 0, 0);
    subscribes(a, "PSUBSCRIBE x", PSUB(2), PSUB(2));
    subscribes(a, "SSUBSCRIBE b", SSUB(1), SSUB(1));
    has(1, 1, 1, 1);
    has(2, 0, 0, 0);
    subscribes(a, "SUBSCRIBE x", SUBSCRIBED("1\r\nx", 1), SUBSCRIBED("1\r\nx", 2)); /* has it */
    has(1, 1, 1, 1);
    flow_send(f, a, "UNSUBSCRIBE x y", "SUNSUBSCRIBE");
    flow_expect(f, a,
                UNSUBSCRIBED("1\r\nx", 1) UNSUBSCRIBED("1\r\ny", 1)
                    CONFIRMED("12\r\nsunsubscribe", "1\r\nb", 0));
    has(1, 0, 1, 0);
    flow_send(f, a, "PUNSUBSCRIBE x");
    flow_expect(f, a, CONFIRMED("12\r\npunsubscribe", "1\r\nx", 0));
    has(1, 0, 0, 0);
    flow_send(f, b, "SSUBSCRIBE c");
    flow_node_serves(f, NODE_B, "SSUBSCRIBE c", CONFIRMED("10\r\nssubscribe", "1\r\nc", 1));
    flow_expect(f, b, CONFIRMED("10\r\nssubscribe", "1\r\nc", 1));
    has(2, 0, 0, 1);
}
END_TEST

START_TEST(messages_go_to_members_in_the_order_in_which_they_came)
{
    int clients[] = {a, b, flow_client(f), flow_client(f)};
    const struct pubsub_topic *x;
    pubsub_subscribe_x(a);
    x = topic_find(hub, PUBSUB_CHANNEL, "x", 1);
    for (int i = 1; i < 4; i++)
        pubsub_join_x(clients[i]);
    ck_assert_uint_eq(x->members, 4);
    const unsigned leaving[] = {2, 4, 1}; /* from the middle, the end, the begin */
    for (size_t i = 0; i < 3; i++) {
        unsigned last = 0, n = 0;
        flow_send(f, clients[leaving[i] - 1], "UNSUBSCRIBE x");
        flow_expect(f, clients[leaving[i] - 1], UNSUBSCRIBED("1\r\nx", 0));
        for (const struct pubsub_member *m = x->first; m; m = m->next, n++) {
            ck_assert_uint_gt(m->key.client->id, last);
            ck_assert_ptr_eq(m->next ? m->next->prev : x->last, m);
            last = (unsigned)m->key.client->id;
        }
        ck_assert_uint_eq(n, 3 - i);
        ck_assert_uint_eq(x->members, 3 - i);
    }
    flow_answer(f, NODE_A, MESSAGE("1\r\nx", "1\r\n1"));
    flow_expect(f, clients[2], MESSAGE("1\r\nx", "1\r\n1"));
    flow_node_gets_nothing(f, NODE_A);
    close(clients[2]);
    close(clients[3]);
}
END_TEST

START_TEST(who_leaves_is_a_member_of_nothing)
{
    pubsub_subscribe_x(a);
    subscribes(a, "PSUBSCRIBE x", PSUB(2), PSUB(2));
    subscribes(a, "SSUBSCRIBE b", SSUB(1), SSUB(1));
    pubsub_join_x(b);
    ck_assert_uint_eq(HASH_COUNT(hub->members), 4);
    ck_assert_uint_eq(census_names(PUBSUB_CHANNEL), 1);
    ck_assert_uint_eq(census_names(PUBSUB_PATTERN), 1);
    client_close(client_of(1));
    ck_assert_uint_eq(HASH_COUNT(hub->members), 1);
    ck_assert_ptr_nonnull(member_find(client_of(2), topic_find(hub, PUBSUB_CHANNEL, "x", 1)));
    ck_assert_uint_eq(census_names(PUBSUB_CHANNEL), 1); /* b's */
    ck_assert_uint_eq(census_names(PUBSUB_PATTERN), 0);
    ck_assert_uint_eq(census_names(PUBSUB_SHARD), 0);
    flow_node_gets(f, NODE_A, "PUNSUBSCRIBE x");
    flow_node_gets(f, NODE_A, "SUNSUBSCRIBE b");
    flow_node_gets_nothing(f, NODE_A);
    has(2, 1, 0, 0);
}
END_TEST

/* --- ready --- */

START_TEST(a_master_that_can_not_be_reached_holds_nobody_up)
{
    static const char confirmed[] = SUBSCRIBED("16\r\n__keyspace@0__:b", 1);
    flow_node_dies(f, NODE_C);
    flow_send(f, a, "SUBSCRIBE __keyspace@0__:b");
    flow_node_serves(f, NODE_A, "SUBSCRIBE __keyspace@0__:b", confirmed);
    flow_expect_nothing(f, a);
    flow_node_serves(f, NODE_B, "SUBSCRIBE __keyspace@0__:b", confirmed);
    flow_expect(f, a, confirmed);
    flow_node_returns(f, NODE_C);
    flow_node_serves(f, NODE_C, "SUBSCRIBE __keyspace@0__:b", confirmed);
}
END_TEST

/* Ready for those who asked up to a turn, not for later ones. */
START_TEST(a_confirmation_is_for_what_was_asked_before)
{
    pubsub_subscribe_x(a);
    const struct pubsub_topic *x = topic_find(hub, PUBSUB_CHANNEL, "x", 1);
    uint64_t turn = x->subs->confirmed;
    ck_assert(topic_is_ready(x, turn) && topic_is_ready(x, turn - 1));
    ck_assert(!topic_is_ready(x, turn + 1));
    subscribes(a, "SSUBSCRIBE b", SSUB(1), SSUB(1));
    const struct pubsub_topic *shard = topic_find(hub, PUBSUB_SHARD, "b", 1);
    turn = shard->subs->confirmed;
    ck_assert(topic_is_ready(shard, turn) && !topic_is_ready(shard, turn + 1));
    hub->home = NODE_B; /* nothing of x is there */
    ck_assert(!topic_is_ready(x, 1) && topic_is_ready(shard, turn));
    hub->home = NODE_NONE;
    ck_assert(!topic_is_ready(x, 1));
    hub->home = NODE_A;
}
END_TEST

UNIT_SUITE_WITH("pubsub_topic", begin, pubsub_end, {names_of_any_bytes_and_length_are_told_apart},
                {each_has_its_place}, {no_two_topics_have_one_serial},
                {only_what_nobody_needs_is_forgotten}, {a_client_counts_each_kind},
                {messages_go_to_members_in_the_order_in_which_they_came},
                {who_leaves_is_a_member_of_nothing},
                {a_master_that_can_not_be_reached_holds_nobody_up},
                {a_confirmation_is_for_what_was_asked_before})
