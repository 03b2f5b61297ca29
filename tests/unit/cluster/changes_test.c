/* changes_test: which differences of two topologies matter, and what is said of them, how loud. */
#include "base/event.h"
#include "base/log.h"
#include "cluster/changes.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>

enum { A, B, REPLICA }; /* A has the lower half of the slots, B the rest and a replica */

static struct topology *before, *after;
static struct event events[EVENT_KEPT];
static size_t nevents;

static void set_node(struct topology *t, uint16_t i, uint32_t flags, uint16_t master)
{
    struct topology_node *node = &t->nodes[i];
    memset(node->id, 'a' + i, TOPOLOGY_ID_LEN);
    strcpy(node->host, "10.0.0.1");
    strcpy(node->announced, "10.0.0.1");
    node->port = node->announced_port = (uint16_t)(7000 + i);
    node->index = i;
    node->flags = flags;
    node->master = master;
    node->slots = flags & TOPOLOGY_MASTER ? SLOT_COUNT / 2 : 0;
    node->epoch = i + 1u;
    strcpy(node->run_id, "run");
    strcpy(node->version, "7.0.15");
}

static struct topology *make(void)
{
    struct topology *t = topology_new(3);
    set_node(t, A, TOPOLOGY_MASTER, TOPOLOGY_NO_NODE);
    set_node(t, B, TOPOLOGY_MASTER, TOPOLOGY_NO_NODE);
    set_node(t, REPLICA, TOPOLOGY_REPLICA, B);
    for (uint32_t slot = 0; slot < SLOT_COUNT; slot++)
        t->owner[slot] = slot < SLOT_COUNT / 2 ? A : B;
    t->covered = SLOT_COUNT;
    return t;
}

static void begin(void)
{
    ck_assert(log_open("/dev/null"));
    before = make();
    after = make();
}

static void end(void)
{
    topology_unref(before);
    topology_unref(after);
}

/* So many things are said of what changed; what was said last is the first event. */
static void expect_events(const struct topology *from, size_t n)
{
    uint64_t known = event_changed();
    changes_log(from, after);
    nevents = event_copy(events, known);
    for (size_t i = 0; nevents != n && i < nevents; i++)
        printf("  %s\n", events[i].text);
    ck_assert_uint_eq(nevents, n);
}

static void expect(size_t i, const char *text, enum event_kind kind, enum event_severity severity)
{
    ck_assert_str_eq(events[i].text, text);
    ck_assert_uint_eq(events[i].kind, kind);
    ck_assert_uint_eq(events[i].severity, severity);
}

START_TEST(versions_and_epochs_alone_do_not_matter)
{
    after->version = 7;
    after->epoch = 9;
    after->nodes[A].epoch = 9;
    ck_assert(!changes_matter(before, after));
    expect_events(before, 0);
    ck_assert(changes_matter(NULL, after));
}
END_TEST

static void change(int what)
{
    struct topology_node *node = &after->nodes[REPLICA];
    switch (what) {
    case 0:
        after->owner[SLOT_COUNT - 1] = A;
        break;
    case 1:
        after->owner[0] = TOPOLOGY_NO_NODE;
        break;
    case 2:
        node->flags |= TOPOLOGY_LAGGING;
        break;
    case 3:
        node->master = A;
        break;
    case 4:
        node->port++;
        break;
    case 5:
        node->announced_port++;
        break;
    case 6:
        strcpy(node->host, "10.0.0.2");
        break;
    case 7:
        strcpy(node->announced, "10.0.0.2");
        break;
    case 8:
        strcpy(node->hostname, "redis-1");
        break;
    case 9:
        node->id[0] = 'x';
        break;
    case 10:
        strcpy(node->run_id, "other");
        break;
    case 11:
        strcpy(node->version, "7.0.16");
        break;
    case 12:
        node->addrlen = sizeof(struct sockaddr_in); /* its name was resolved */
        break;
    default:
        node->index++;
    }
}

START_TEST(whatever_a_reader_acts_on_matters)
{
    change(_i);
    ck_assert(changes_matter(before, after));
}
END_TEST

START_TEST(the_first_topology_is_told_node_by_node)
{
    expect_events(NULL, 4);
    expect(0, "16384 of 16384 slots are served", EVENT_SLOTS, EVENT_INFO);
    expect(1, "node 10.0.0.1:7002 (cccccccc) is there: replica of 10.0.0.1:7001", EVENT_NODE,
           EVENT_INFO);
    expect(3, "node 10.0.0.1:7000 (aaaaaaaa) is there: master of 8192 slots", EVENT_NODE,
           EVENT_INFO);
}
END_TEST

START_TEST(a_failover_is_one_story)
{
    for (uint32_t slot = SLOT_COUNT / 2; slot < SLOT_COUNT; slot++)
        after->owner[slot] = REPLICA;
    set_node(after, REPLICA, TOPOLOGY_MASTER, TOPOLOGY_NO_NODE);
    after->nodes[REPLICA].epoch = 9;
    set_node(after, B, TOPOLOGY_REPLICA, REPLICA);
    expect_events(before, 3);
    expect(0, "8192 slots moved from 10.0.0.1:7001 (epoch 2) to 10.0.0.1:7002 (epoch 9)",
           EVENT_SLOTS, EVENT_INFO);
    expect(1, "10.0.0.1:7002 is a master now (epoch 3 -> 9)", EVENT_FAILOVER, EVENT_WARNING);
    expect(2, "10.0.0.1:7001 is a replica of 10.0.0.1:7002 now", EVENT_FAILOVER, EVENT_INFO);
}
END_TEST

/* Suspicion ends with the verdict, and is not told again when that is taken back. */
START_TEST(a_dead_master_is_critical_and_a_dead_replica_is_not)
{
    before->nodes[A].flags |= TOPOLOGY_PFAIL;
    after->nodes[A].flags |= TOPOLOGY_FAIL;
    after->nodes[REPLICA].flags |= TOPOLOGY_FAIL;
    expect_events(before, 3);
    expect(0, "8192 of 16384 slots are served", EVENT_SLOTS, EVENT_CRITICAL);
    expect(1, "replica 10.0.0.1:7002 is dead, the cluster agrees", EVENT_NODE, EVENT_WARNING);
    expect(2, "master 10.0.0.1:7000 is dead, the cluster agrees", EVENT_NODE, EVENT_CRITICAL);
    struct topology *dead = after;
    after = make();
    expect_events(dead, 3);
    expect(0, "16384 of 16384 slots are served", EVENT_SLOTS, EVENT_INFO);
    expect(2, "master 10.0.0.1:7000 is alive again, the cluster agrees", EVENT_NODE, EVENT_INFO);
    topology_unref(dead);
}
END_TEST

START_TEST(a_new_replica_is_behind_without_a_word)
{
    after->nodes[REPLICA].flags |= TOPOLOGY_LAGGING;
    expect_events(before, 1);
    expect(0, "replica 10.0.0.1:7002 is too far behind its master for reads", EVENT_NODE,
           EVENT_WARNING);
    after->nodes[REPLICA].id[0] = 'x';
    expect_events(before, 2); /* one has left, one is there: nothing of its being behind */
    expect(0, "node 10.0.0.1:7002 (cccccccc) has left", EVENT_NODE, EVENT_WARNING);
}
END_TEST

START_TEST(a_node_that_moved_or_was_restarted)
{
    strcpy(after->nodes[A].host, "fd00::1");
    strcpy(after->nodes[B].run_id, "another");
    strcpy(after->nodes[B].version, "7.2.4");
    after->nodes[REPLICA].run_id[0] = '\0'; /* it has not said it again */
    expect_events(before, 2);
    expect(0, "master 10.0.0.1:7001 was restarted, now version 7.2.4", EVENT_NODE, EVENT_WARNING);
    expect(1, "node aaaaaaaa moved from 10.0.0.1:7000 to [fd00::1]:7000", EVENT_NODE,
           EVENT_WARNING);
}
END_TEST

START_TEST(slots_that_nobody_owns)
{
    for (uint32_t slot = 0; slot < 10; slot++)
        after->owner[slot] = TOPOLOGY_NO_NODE;
    expect_events(before, 2);
    expect(0, "16374 of 16384 slots are served", EVENT_SLOTS, EVENT_CRITICAL);
    expect(1, "10 slots moved from 10.0.0.1:7000 (epoch 1) to nobody (epoch 0)", EVENT_SLOTS,
           EVENT_INFO);
}
END_TEST

UNIT_SUITE_WITH("changes", begin, end, {versions_and_epochs_alone_do_not_matter},
                {whatever_a_reader_acts_on_matters, 14}, {the_first_topology_is_told_node_by_node},
                {a_failover_is_one_story}, {a_dead_master_is_critical_and_a_dead_replica_is_not},
                {a_new_replica_is_behind_without_a_word}, {a_node_that_moved_or_was_restarted},
                {slots_that_nobody_owns})
