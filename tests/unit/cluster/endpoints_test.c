/* endpoints_test: which addresses discovery knows, which of them lead to which node, and which are
 * let go. */
#include "support/discovery_unit.h"

#define NODE 7 /* index of a node that several ways lead to */

static const char no_view[] = "0123456789012345678901234567890123456789 127.0.0.1:1@1 "
                              "myself,master - 0 0 1 connected 0-16383\n";

/* The way to a node that was there already, at this port of this host; up: it answers. */
static struct endpoint *way(const char *host, uint16_t port, bool up)
{
    struct endpoint *e = endpoints_need(d, host, port);
    if (up) {
        const char *error;
        discovery_connect(e);
        e->node = NODE;
        if (!e->view)
            e->view = view_parse(no_view, sizeof no_view - 1, &error);
        ck_assert_ptr_nonnull(e->view);
    }
    return e;
}

static bool is_known(const char *host, uint16_t port)
{
    char key[CONFIG_HOST_LEN + 8];
    struct endpoint *e;
    endpoint_key(key, host, port);
    HASH_FIND_STR(d->endpoints, key, e);
    return e != NULL;
}

START_TEST(an_address_is_known_once)
{
    struct endpoint *e = endpoints_need(d, "127.0.0.1", 1);
    ck_assert(d->changed);
    d->changed = false;
    d->generation = 5;
    ck_assert_ptr_eq(endpoints_need(d, "127.0.0.1", 1), e);
    ck_assert(!d->changed);
    ck_assert_uint_eq(e->generation, 5);
    ck_assert_ptr_ne(endpoints_need(d, "127.0.0.1", 2), e);
    ck_assert_ptr_ne(endpoints_need(d, "127.0.0.2", 1), e);
    ck_assert_uint_eq(HASH_COUNT(d->endpoints), 3);
}
END_TEST

START_TEST(seeds_are_those_of_the_newest_configuration)
{
    discovery_reconfigure("cluster-nodes 127.0.0.1:1 [::1]:2 somewhere:3\n");
    endpoints_add_seeds(d);
    ck_assert_uint_eq(HASH_COUNT(d->endpoints), 3);
    ck_assert(is_known("127.0.0.1", 1) && is_known("::1", 2) && is_known("somewhere", 3));
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        ck_assert(e->seed);
    discovery_reconfigure("cluster-nodes 127.0.0.1:1 127.0.0.1:4\n");
    endpoints_add_seeds(d);
    ck_assert_uint_eq(HASH_COUNT(d->endpoints), 4);
    for (struct endpoint *e = d->endpoints; e; e = e->hh.next)
        ck_assert(e->seed == (e->port == 1 || e->port == 4));
}
END_TEST

/* An announced address is better than a seed that leads there by another name. */
START_TEST(the_announced_address_is_the_way_to_a_node)
{
    bool seed_first = _i;
    struct endpoint *seed = seed_first ? way("127.0.0.1", 1, true) : NULL;
    struct endpoint *announced = way("10.0.0.1", 1, true);
    if (!seed)
        seed = way("127.0.0.1", 1, true);
    d->generation++;
    endpoints_index(d);
    ck_assert_ptr_eq(d->at[NODE], seed_first ? seed : announced); /* none is: the first one */
    endpoints_need(d, "10.0.0.1", 1);
    endpoints_index(d);
    ck_assert_ptr_eq(d->at[NODE], announced);
    endpoint_disconnect(announced);
    endpoints_index(d);
    ck_assert_ptr_eq(d->at[NODE], seed);
    endpoint_disconnect(seed);
    endpoints_index(d);
    ck_assert_ptr_null(d->at[NODE]);
}
END_TEST

START_TEST(who_has_not_answered_leads_nowhere)
{
    struct endpoint *e = way("127.0.0.1", 1, true);
    e->answered = false;
    endpoints_index(d);
    ck_assert_ptr_null(d->at[NODE]);
    e->answered = true;
    e->node = TOPOLOGY_NO_NODE; /* it has not said who it is */
    endpoints_index(d);
    for (unsigned i = 0; i < TOPOLOGY_MAX_NODES; i++)
        ck_assert_ptr_null(d->at[i]);
}
END_TEST

/* What becomes of an address when others are let go. */
static const struct {
    const char *what;
    bool seed, named, up, others; /* others: another node has a view */
    bool kept, wanted;
} fates[] = {
    {"an address that a view names", false, true, false, true, true, true},
    {"one that none names any more", false, false, false, true, false, false},
    {"the only way to a node", false, false, true, true, true, true},
    {"a seed while nobody else serves", true, false, false, false, true, true},
    {"a seed that is not needed", true, false, false, true, true, false},
    {"a seed that is named", true, true, false, true, true, true},
    {"a seed that is the only way", true, false, true, true, true, true},
    {"no seed, while nobody serves", false, false, false, false, false, false},
};

START_TEST(what_nothing_needs_is_let_go)
{
    if (fates[_i].others)
        way("10.0.0.9", 9, true)->node = NODE + 1;
    struct endpoint *e = way("127.0.0.1", 1, fates[_i].up);
    e->seed = fates[_i].seed;
    d->generation++;
    endpoints_index(d);
    if (fates[_i].named)
        endpoints_need(d, "127.0.0.1", 1);
    endpoints_drop(d);
    ck_assert_msg(is_known("127.0.0.1", 1) == fates[_i].kept, "%s", fates[_i].what);
    if (fates[_i].kept)
        ck_assert_msg(e->wanted == fates[_i].wanted, "%s", fates[_i].what);
    ck_assert(is_known("10.0.0.9", 9) == fates[_i].others);
}
END_TEST

/* It leads to a node that an announced address leads to as well. */
START_TEST(a_second_way_is_closed)
{
    struct endpoint *seed = way("127.0.0.1", 1, true);
    struct endpoint *other = way("127.0.0.2", 1, true);
    seed->seed = true;
    d->generation++;
    struct endpoint *announced = way("10.0.0.1", 1, true);
    seed->unwell_since = 5;
    seed->refused = true;
    endpoints_index(d);
    endpoints_drop(d);
    ck_assert(!seed->control && !seed->wanted);
    ck_assert(!endpoint_is_suspected(seed)); /* that it was closed is no fault of it */
    ck_assert(announced->wanted && announced->control);
    ck_assert(!is_known("127.0.0.2", 1));
    (void)other;
    ck_assert_uint_eq(HASH_COUNT(d->endpoints), 2);
}
END_TEST

START_TEST(those_that_are_wanted_are_connected_to)
{
    struct endpoint *e = endpoints_need(d, "127.0.0.1", 1);
    struct endpoint *other = endpoints_need(d, "127.0.0.2", 1);
    e->wanted = true;
    endpoints_tick(d);
    ck_assert(e->control || e->refused);
    ck_assert(!other->control && !other->refused);
}
END_TEST

UNIT_SUITE_WITH("endpoints", discovery_begin, discovery_end, {an_address_is_known_once},
                {seeds_are_those_of_the_newest_configuration},
                {the_announced_address_is_the_way_to_a_node, 2},
                {who_has_not_answered_leads_nowhere},
                {what_nothing_needs_is_let_go, sizeof fates / sizeof *fates},
                {a_second_way_is_closed}, {those_that_are_wanted_are_connected_to})
