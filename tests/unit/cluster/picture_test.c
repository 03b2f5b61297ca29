/* picture_test: from what nodes say and how they answer to a topology: addresses, silence, doubt.
 * a and b are masters of half of the slots each, c is b's replica; they are at ports 1, 2 and 3. */
#include "support/discovery_unit.h"
#include <stdio.h>
#include <string.h>

enum { A, B, C, NODES };

static struct topology *t;
static struct endpoint *at[NODES];
static const char *flags_of_b, *host_of_b;

/* Far away, so that it makes no difference how long a test takes. */
#define LATER 60

static struct view *view_of(int me, double now)
{
    char text[1024], ids[NODES][TOPOLOGY_ID_LEN + 1] = {"", "", ""};
    const char *error = NULL;
    for (int i = 0; i < NODES; i++)
        memset(ids[i], 'a' + i, TOPOLOGY_ID_LEN);
    int len = snprintf(text, sizeof text,
                       "%s 127.0.0.1:1@17 %smaster - 0 0 1 connected 0-8191\n"
                       "%s %s:2@17 %s%s - 0 0 2 connected 8192-16383\n"
                       "%s 127.0.0.1:3@17 %sslave %s 0 0 2 connected\n",
                       ids[A], me == A ? "myself," : "", ids[B], host_of_b,
                       me == B ? "myself," : "", me == B ? "master" : flags_of_b, ids[C],
                       me == C ? "myself," : "", ids[B]);
    struct view *view = view_parse(text, (size_t)len, &error);
    ck_assert_msg(view != NULL, "%s", error);
    for (uint16_t i = 0; i < view->nnodes; i++) {
        struct view_node *node = &view->nodes[i];
        node->index = registry_see(d->env.registry, node->id, now);
        if (*node->master_id)
            node->master = registry_see(d->env.registry, node->master_id, now);
    }
    return view;
}

/* The node says now what it has to say; it is connected to if it was not. */
static void speaks(int node)
{
    double now = control_clock();
    struct endpoint *e = at[node];
    discovery_connect(e);
    view_free(e->view);
    e->view = view_of(node, now);
    e->view_at = e->view_asked_at = now;
    e->node = e->view->nodes[e->view->myself].index;
    strcpy(e->run_id, "run");
    e->info_known = true;
    e->link_up = node == C;
}

static void set_up(void)
{
    discovery_begin();
    flags_of_b = "master";
    host_of_b = "127.0.0.1";
    for (int i = 0; i < NODES; i++)
        at[i] = endpoints_need(d, "127.0.0.1", (uint16_t)(i + 1));
}

static void tear_down(void)
{
    if (t != d->published)
        topology_unref(t);
    discovery_end();
}

static void look(void)
{
    if (t != d->published)
        topology_unref(t);
    t = picture_make(d);
}

static void all_speak(void)
{
    for (int i = 0; i < NODES; i++)
        speaks(i);
}

static const struct topology_node *node(int which)
{
    char id[TOPOLOGY_ID_LEN + 1] = "";
    memset(id, 'a' + which, TOPOLOGY_ID_LEN);
    uint16_t i = topology_find_id(t, id);
    ck_assert_uint_ne(i, TOPOLOGY_NO_NODE);
    return &t->nodes[i];
}

START_TEST(nodes_that_answer_are_well)
{
    look();
    ck_assert_ptr_null(t);
    all_speak();
    look();
    ck_assert_uint_eq(t->nnodes, NODES);
    ck_assert_uint_eq(t->covered, SLOT_COUNT);
    ck_assert_uint_eq(node(A)->flags, TOPOLOGY_MASTER);
    ck_assert_uint_eq(node(B)->flags, TOPOLOGY_MASTER);
    ck_assert_uint_eq(node(C)->flags, TOPOLOGY_REPLICA);
    ck_assert_str_eq(node(C)->host, "127.0.0.1");
    ck_assert_uint_eq(node(C)->port, 3);
    ck_assert_uint_gt(node(C)->addrlen, 0);
    ck_assert_str_eq(node(C)->run_id, "run");
}
END_TEST

START_TEST(a_replica_is_fit_when_it_has_said_so)
{
    all_speak();
    at[C]->link_up = false;
    look();
    ck_assert_uint_eq(node(C)->flags, TOPOLOGY_REPLICA | TOPOLOGY_LAGGING);
    at[C]->link_up = true;
    at[C]->loading = true;
    look();
    ck_assert_uint_eq(node(C)->flags, TOPOLOGY_REPLICA | TOPOLOGY_LOADING);
    endpoint_disconnect(at[C]);
    at[C]->refused = true;
    look();
    ck_assert_uint_eq(node(C)->flags, TOPOLOGY_REPLICA | TOPOLOGY_LAGGING | TOPOLOGY_SILENT);
}
END_TEST

START_TEST(a_short_silence_counts_if_others_notice_it_too)
{
    all_speak();
    at[B]->unwell_since = control_clock() + LATER;
    look();
    ck_assert_uint_eq(node(B)->flags, TOPOLOGY_MASTER);
    flags_of_b = "master,fail?";
    speaks(A);
    speaks(C);
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT);
    flags_of_b = "master";
    speaks(A);
    speaks(C);
    at[B]->unwell_since = control_clock() - 2 * ENDPOINT_SILENT;
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT);
}
END_TEST

/* After a restart of everything the others need seconds to see it. */
START_TEST(a_node_that_answers_with_its_slots_is_not_dead)
{
    flags_of_b = "master,fail";
    all_speak();
    look();
    ck_assert_uint_eq(node(B)->flags, TOPOLOGY_MASTER | TOPOLOGY_PFAIL);
    ck_assert_uint_eq(t->covered, SLOT_COUNT);
    endpoint_disconnect(at[B]);
    look();
    ck_assert(node(B)->flags & TOPOLOGY_FAIL);
    ck_assert_uint_eq(t->covered, SLOT_COUNT / 2);
}
END_TEST

/* It may not know yet that its slots were given to another. */
START_TEST(who_returns_is_trusted_when_the_others_have_been_asked)
{
    all_speak();
    at[B]->refused = true;
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT);
    ck_assert(at[B]->held_silent);
    speaks(B);
    at[B]->returned_at = control_clock() + LATER;
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT);
    ck_assert(d->env.doubting);
    at[A]->view_asked_at = at[B]->returned_at;
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT); /* c has not said anything yet */
    at[C]->view_asked_at = at[B]->returned_at;
    look();
    ck_assert_uint_eq(node(B)->flags, TOPOLOGY_MASTER);
    ck_assert(!d->env.doubting && !at[B]->held_silent);
}
END_TEST

START_TEST(who_returns_while_all_others_are_suspected_waits_for_a_word)
{
    all_speak();
    at[B]->refused = true;
    look();
    speaks(B);
    at[B]->refused = false;
    at[B]->returned_at = control_clock() + LATER;
    at[A]->unwell_since = at[C]->unwell_since = control_clock();
    endpoints_drop(d); /* all are named */
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT);
    at[A]->unwell_since = 0;
    at[A]->view_asked_at = at[B]->returned_at;
    look();
    ck_assert(!(node(B)->flags & TOPOLOGY_SILENT));
}
END_TEST

/* b has returned, and the others have been asked since. */
static void returned(void)
{
    at[B]->returned_at = control_clock() + LATER;
    at[A]->view_asked_at = at[C]->view_asked_at = at[B]->returned_at;
}

/* While they elect another one, and as long as what runs there is the same as before. */
START_TEST(who_returns_to_others_that_take_it_for_dead_waits_longer)
{
    all_speak();
    strcpy(at[B]->run_id, "run");
    look();
    at[B]->refused = true;
    look();
    flags_of_b = "master,fail";
    speaks(A);
    speaks(C);
    speaks(B);
    returned();
    look();
    ck_assert(node(B)->flags & TOPOLOGY_SILENT);
    at[B]->returned_at = control_clock() - LATER;
    look();
    ck_assert(!(node(B)->flags & TOPOLOGY_SILENT));
    at[B]->refused = true;
    look();
    speaks(B);
    strcpy(at[B]->run_id, "new"); /* restarted: it has lost what it was elected for */
    returned();
    look();
    ck_assert(!(node(B)->flags & TOPOLOGY_SILENT));
}
END_TEST

/* Behind NAT: it announces an address that leads nowhere from here. */
START_TEST(a_node_is_where_it_answers_if_its_own_address_does_not_work)
{
    host_of_b = "192.0.2.9";
    all_speak();
    look();
    ck_assert_str_eq(node(B)->host, "192.0.2.9"); /* not tried yet */
    struct endpoint *announced = endpoints_need(d, "192.0.2.9", 2);
    announced->refused = true;
    look();
    ck_assert_str_eq(node(B)->host, "127.0.0.1");
    ck_assert_str_eq(node(B)->announced, "192.0.2.9");
    ck_assert_uint_eq(node(B)->flags, TOPOLOGY_MASTER);
}
END_TEST

START_TEST(announced_addresses_go_through_the_map)
{
    discovery_reconfigure("node-address-map 192.0.2.9:2=127.0.0.1:2\n");
    host_of_b = "192.0.2.9";
    all_speak();
    look();
    ck_assert_str_eq(node(B)->host, "127.0.0.1");
    ck_assert_str_eq(node(B)->announced, "192.0.2.9");
    ck_assert_uint_eq(HASH_COUNT(d->endpoints), NODES);
}
END_TEST

START_TEST(when_nobody_speaks_the_map_stays)
{
    all_speak();
    look();
    d->published = t;
    for (int i = 0; i < NODES; i++) {
        endpoint_disconnect(at[i]);
        at[i]->refused = true;
    }
    look();
    ck_assert_uint_eq(t->nnodes, NODES);
    ck_assert(memcmp(t->owner, d->published->owner, sizeof t->owner) == 0);
    for (int i = 0; i < NODES; i++) {
        ck_assert(node(i)->flags & TOPOLOGY_SILENT);
        ck_assert_str_eq(node(i)->run_id, "run"); /* nobody said otherwise */
    }
}
END_TEST

UNIT_SUITE_WITH("picture", set_up, tear_down, {nodes_that_answer_are_well},
                {a_replica_is_fit_when_it_has_said_so},
                {a_short_silence_counts_if_others_notice_it_too},
                {a_node_that_answers_with_its_slots_is_not_dead},
                {who_returns_is_trusted_when_the_others_have_been_asked},
                {who_returns_while_all_others_are_suspected_waits_for_a_word},
                {who_returns_to_others_that_take_it_for_dead_waits_longer},
                {a_node_is_where_it_answers_if_its_own_address_does_not_work},
                {announced_addresses_go_through_the_map}, {when_nobody_speaks_the_map_stays})
