/* merge_test: what becomes of the map when nodes disagree, situation by situation.
 *
 * A view is written as words, one for each node: NAME[*]ROLE[FLAG]@EPOCH[=SLOTS][/PORT]. NAME is a
 * letter, * marks the node that speaks, ROLE is m or s followed by the master's name, FLAG is f
 * (failed) or ? (suspected): "A*m@1=0-8191 Bm@2=8192-16383 CsA@1". */
#include "cluster/merge.h"
#include "cluster/registry.h"

#include "support/unit.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct registry *registry;
static struct merge_map map;
static struct topology *now;
static char gone[32]; /* names of nodes that have been missing for long */

static void set_up(void)
{
    registry = registry_new();
    merge_map_init(&map);
    now = NULL;
    gone[0] = '\0';
}

static void tear_down(void)
{
    topology_unref(now);
    registry_free(registry);
}

static const char *id_of_name(char name)
{
    static char id[2][TOPOLOGY_ID_LEN + 1];
    static int turn;

    turn = !turn;
    snprintf(id[turn], sizeof(id[turn]), "%040x", (unsigned)name);
    return id[turn];
}

static char name_of_id(const char *id)
{
    return (char)strtol(id, NULL, 16);
}

/* One word of a view as a line of CLUSTER NODES. */
static void add_line(char *text, size_t room, char *word)
{
    char name = *word++, master = 0, flags[64] = "", slots[128] = "";
    int myself = *word == '*', port = 7000 + name;
    unsigned long epoch;
    char *s;

    word += myself;
    if (*word == 's')
        master = *++word;
    word++;
    strcat(flags, myself ? "myself," : "");
    strcat(flags, master ? "slave" : "master");
    strcat(flags, *word == 'f' ? ",fail" : *word == '?' ? ",fail?" : "");
    ck_assert((s = strchr(word, '@')) != NULL);
    epoch = strtoul(s + 1, NULL, 10);
    if ((s = strchr(word, '/')))
        port = atoi(s + 1), *s = '\0';
    if ((s = strchr(word, '=')))
        snprintf(slots, sizeof(slots), " %s", s + 1);
    for (s = slots; (s = strchr(s, ',')) != NULL;)
        *s = ' ';
    snprintf(text + strlen(text), room - strlen(text), "%s %s:%d@0 %s %s 0 0 %lu connected%s\n",
             id_of_name(name), port ? "10.0.0.1" : "", port, flags,
             master ? id_of_name(master) : "-", epoch, slots);
}

static struct view *view_of(const char *words)
{
    char copy[512], text[4096] = "", *save = NULL;
    const char *error;
    struct view *v;

    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        add_line(text, sizeof(text), word);
    v = view_parse(text, strlen(text), &error);
    ck_assert_msg(v != NULL, "%s\n%s", error, text);
    for (int i = 0; i < v->nnodes; i++) {
        v->nodes[i].index = registry_see(registry, v->nodes[i].id, 0);
        if (*v->nodes[i].master_id)
            v->nodes[i].master = registry_see(registry, v->nodes[i].master_id, 0);
    }
    return v;
}

static bool is_forgotten(void *ctx, uint16_t index)
{
    (void)ctx;
    return strchr(gone, name_of_id(registry_id(registry, index))) != NULL;
}

static const char *id_of(void *ctx, uint16_t index)
{
    (void)ctx;
    return registry_id(registry, index);
}

/* Merge these views (strings up to NULL) into the map. False: they say nothing. */
static bool hear(const char *first, ...)
{
    struct view *views[16];
    struct merge_input input = {.views = (const struct view *const *)views,
                                .previous = now,
                                .is_forgotten = is_forgotten,
                                .id_of = id_of};
    struct topology *t;
    va_list args;

    va_start(args, first);
    for (const char *s = first; s; s = va_arg(args, const char *))
        views[input.nviews++] = view_of(s);
    va_end(args);
    t = topology_merge(&input, &map);
    for (size_t i = 0; i < input.nviews; i++)
        view_free(views[i]);
    if (!t)
        return false;
    topology_unref(now);
    now = t;
    return true;
}

static const struct topology_node *node(char name)
{
    uint16_t i = topology_find_id(now, id_of_name(name));

    return i == TOPOLOGY_NO_NODE ? NULL : &now->nodes[i];
}

/* Name of the slot's owner; '-': nobody. */
static char owner(uint16_t slot)
{
    return now->owner[slot] == TOPOLOGY_NO_NODE ? '-' : name_of_id(now->nodes[now->owner[slot]].id);
}

/* --- a healthy cluster --- */

START_TEST(views_that_agree_give_the_map)
{
    ck_assert(
        hear("A*m@1=0-8191 Bm@2=8192-16383 CsA@1", "Am@1=0-8191 B*m@2=8192-16383 CsA@1", NULL));
    ck_assert_uint_eq(now->nnodes, 3);
    ck_assert_uint_eq(now->covered, SLOT_COUNT);
    ck_assert_uint_eq(now->epoch, 2);
    ck_assert_int_eq(owner(0), 'A');
    ck_assert_int_eq(owner(8192), 'B');
    ck_assert_uint_eq(node('A')->slots, 8192);
    ck_assert_uint_eq(node('A')->flags, TOPOLOGY_MASTER);
    ck_assert_uint_eq(node('C')->flags, TOPOLOGY_REPLICA);
    ck_assert_int_eq(name_of_id(now->nodes[node('C')->master].id), 'A');
    ck_assert_uint_eq(node('B')->port, 7000 + 'B');
}
END_TEST

START_TEST(nobody_says_anything)
{
    ck_assert(!hear(NULL));
    ck_assert(hear("A*m@1=0-16383", NULL));
    ck_assert(!hear(NULL));
    ck_assert_int_eq(map.owner[5], node('A')->index);
}
END_TEST

START_TEST(nodes_that_have_not_met_are_all_there)
{
    ck_assert(hear("A*m@0=0-100", "B*m@0=101-200", "C*m@0", NULL));
    ck_assert_uint_eq(now->nnodes, 3);
    ck_assert_int_eq(owner(101), 'B');
    ck_assert_int_eq(owner(300), '-');
    ck_assert_uint_eq(now->covered, 201);
}
END_TEST

/* --- failover --- */

#define BEFORE_A "A*m@1=0-8191 Bm@2=8192-16383 CsA@1"
#define BEFORE_B "Am@1=0-8191 B*m@2=8192-16383 CsA@1"
#define BEFORE_C "Am@1=0-8191 Bm@2=8192-16383 C*sA@1"
#define AFTER_B  "Amf@1 B*m@2=8192-16383 Cm@3=0-8191"
#define AFTER_C  "Amf@1 Bm@2=8192-16383 C*m@3=0-8191"

START_TEST(one_view_with_a_greater_epoch_is_enough)
{
    ck_assert(hear(BEFORE_A, BEFORE_B, BEFORE_C, NULL));
    ck_assert(hear(BEFORE_A, BEFORE_B, AFTER_C, NULL));
    ck_assert_int_eq(owner(0), 'C');
    ck_assert(node('C')->flags & TOPOLOGY_MASTER);
}
END_TEST

START_TEST(the_winner_may_be_known_from_another_node_before_it_says_so_itself)
{
    ck_assert(hear(BEFORE_A, BEFORE_B, BEFORE_C, NULL));
    ck_assert(hear(BEFORE_A, AFTER_B, BEFORE_C, NULL));
    ck_assert_int_eq(owner(0), 'C');
    ck_assert(node('C')->flags & TOPOLOGY_MASTER);
}
END_TEST

START_TEST(a_master_that_slept_through_it_does_not_turn_the_map_back)
{
    ck_assert(hear(BEFORE_A, BEFORE_B, BEFORE_C, NULL));
    ck_assert(hear(AFTER_B, AFTER_C, NULL));
    ck_assert(hear(AFTER_B, AFTER_C, BEFORE_A, NULL));
    ck_assert_int_eq(owner(0), 'C');
}
END_TEST

START_TEST(nor_does_it_when_it_is_all_that_we_can_reach)
{
    ck_assert(hear(AFTER_B, AFTER_C, NULL));
    ck_assert(hear(BEFORE_A, NULL));
    ck_assert_int_eq(owner(0), 'C');
    ck_assert_uint_eq(node('C')->slots, 8192);
}
END_TEST

START_TEST(a_dead_master_is_dead_when_most_say_so_and_still_named)
{
    ck_assert(hear(BEFORE_B, "Am?@1=0-8191 Bm@2=8192-16383 C*sA@1", NULL));
    ck_assert_uint_eq(node('A')->flags, TOPOLOGY_MASTER | TOPOLOGY_PFAIL);
    ck_assert_uint_eq(now->covered, SLOT_COUNT);
    ck_assert(hear("Amf@1=0-8191 B*m@2=8192-16383 CsA@1", BEFORE_C, NULL));
    ck_assert_uint_eq(node('A')->flags, TOPOLOGY_MASTER | TOPOLOGY_PFAIL);
    ck_assert(
        hear("Amf@1=0-8191 B*m@2=8192-16383 CsA@1", "Amf@1=0-8191 Bm@2=8192-16383 C*sA@1", NULL));
    ck_assert_uint_eq(node('A')->flags, TOPOLOGY_MASTER | TOPOLOGY_FAIL);
    ck_assert_int_eq(owner(0), 'A');
    ck_assert_uint_eq(now->covered, 8192);
}
END_TEST

/* --- resharding --- */

START_TEST(a_slot_that_moved_is_known_from_its_target)
{
    ck_assert(hear("A*m@7=0-8191 Bm@2=8192-16383", "Am@7=0-8191 B*m@2=8192-16383", NULL));
    ck_assert(hear("A*m@7=0-8191 Bm@2=8192-16383", "Am@7=1-8191 B*m@8=0,8192-16383", NULL));
    ck_assert_int_eq(owner(0), 'B');
    ck_assert_int_eq(owner(1), 'A');
}
END_TEST

START_TEST(or_from_its_source_that_does_not_know_the_new_epoch_yet)
{
    ck_assert(hear("A*m@7=0-8191 Bm@2=8192-16383", "Am@7=0-8191 Bm@2=8192-16383 C*sA@7", NULL));
    ck_assert(hear("A*m@7=1-8191 Bm@2=0,8192-16383", "Am@7=0-8191 Bm@2=8192-16383 C*sA@7", NULL));
    ck_assert_int_eq(owner(0), 'B');
}
END_TEST

START_TEST(what_others_say_of_a_node_yields_to_its_own_denial)
{
    ck_assert(hear("A*m@9=1-8191 Bm@8=0,8192-16383", "Am@9=0-8191 Bm@8=8192-16383 C*sA@9",
                   "Am@9=1-8191 B*m@8=0,8192-16383", NULL));
    ck_assert_int_eq(owner(0), 'B');
}
END_TEST

START_TEST(equal_epochs_go_by_majority_and_then_by_what_is_published)
{
    ck_assert(hear("A*m@0=0-9 Bm@0 Cm@0", "Am@0=0-9 B*m@0 Cm@0", NULL));
    ck_assert(hear("A*m@0=0-9 Bm@0 Cm@0", "Am@0 B*m@0=0-9 Cm@0", NULL));
    ck_assert_int_eq(owner(0), 'A');
    ck_assert(hear("A*m@0=0-9 Bm@0 Cm@0", "Am@0 B*m@0=0-9 Cm@0", "Am@0 Bm@0=0-9 C*m@0", NULL));
    ck_assert_int_eq(owner(0), 'B');
}
END_TEST

/* --- slots that are given up --- */

START_TEST(an_owner_that_denies_a_slot_releases_it_to_a_lower_epoch)
{
    ck_assert(hear("A*m@7=0-9 Bm@2 Cm@1 Dm@1", "Am@7=0-9 B*m@2 Cm@1 Dm@1", NULL));
    ck_assert(hear("A*m@7 Bm@2=0-9 Cm@1 Dm@1", NULL));
    ck_assert_int_eq(owner(0), 'B');
}
END_TEST

START_TEST(slots_that_nobody_owns_any_more_are_uncovered)
{
    ck_assert(hear("A*m@1=0-9 Bm@2=10-19", "Am@1=0-9 B*m@2=10-19", NULL));
    ck_assert(hear("A*m@1 Bm@2=10-19", "Am@1 B*m@2=10-19", NULL));
    ck_assert_int_eq(owner(0), '-');
    ck_assert_int_eq(owner(10), 'B');
}
END_TEST

START_TEST(a_lower_epoch_is_believed_when_most_nodes_agree)
{
    ck_assert(hear("A*m@7=0-9 Bm@2 Cm@3=10", "Am@7=0-9 B*m@2 Cm@3=10", NULL));
    ck_assert(hear("Am@7 B*m@2=0-9 Cm@3=10", NULL));
    ck_assert_int_eq(owner(0), 'A');
    ck_assert(hear("Am@7 B*m@2=0-9 Cm@3=10", "Am@7 Bm@2=0-9 C*m@3=10", NULL));
    ck_assert_int_eq(owner(0), 'B');
}
END_TEST

/* --- nodes that come and go --- */

START_TEST(a_node_forgotten_by_all_others_leaves_though_it_knows_them)
{
    ck_assert(hear("A*m@1=0-9 Bm@2=10-19 Cm@0", "Am@1=0-9 B*m@2=10-19 Cm@0",
                   "Am@1=0-9 Bm@2=10-19 C*m@0", NULL));
    ck_assert_uint_eq(now->nnodes, 3);
    ck_assert(
        hear("A*m@1=0-9 Bm@2=10-19", "Am@1=0-9 B*m@2=10-19", "Am@1=0-9 Bm@2=10-19 C*m@0", NULL));
    ck_assert_uint_eq(now->nnodes, 2);
    ck_assert_ptr_null(node('C'));
}
END_TEST

START_TEST(a_node_that_was_reset_unsays_nothing)
{
    ck_assert(hear("A*m@1=0-9 Bm@2=10-19", "Am@1=0-9 B*m@2=10-19", NULL));
    ck_assert(!hear("B*m@0", NULL));
    ck_assert(hear("A*m@1=0-9 Bm@2=10-19", "B*m@0", NULL));
    ck_assert_int_eq(owner(10), 'B');
}
END_TEST

START_TEST(a_cluster_made_anew_takes_over_when_the_old_nodes_are_forgotten)
{
    ck_assert(hear("A*m@40=0-9 Bm@50=10-19", "Am@40=0-9 B*m@50=10-19", NULL));
    ck_assert(hear("X*m@1=0-9 Ym@2=10-19", "Xm@1=0-9 Y*m@2=10-19", NULL));
    ck_assert_int_eq(owner(0), 'A');
    ck_assert_ptr_nonnull(node('A')); /* an owner is always listed */
    ck_assert_uint_eq(node('A')->port, 7000 + 'A');
    strcpy(gone, "AB");
    ck_assert(hear("X*m@1=0-9 Ym@2=10-19", "Xm@1=0-9 Y*m@2=10-19", NULL));
    ck_assert_int_eq(owner(0), 'X');
    ck_assert_int_eq(owner(10), 'Y');
    ck_assert_uint_eq(now->nnodes, 2);
}
END_TEST

/* --- addresses and roles --- */

START_TEST(a_nodes_own_address_wins_then_the_majority_then_the_published_one)
{
    ck_assert(hear("A*m@1=0-9 Bm@2/1 Cm@3/3", "Am@1=0-9 Bm@2/1 C*m@3/3", NULL));
    ck_assert_uint_eq(node('B')->port, 1);
    ck_assert(hear("A*m@1=0-9 Bm@2/2 Cm@3/3", "Am@1=0-9 Bm@2/1 C*m@3/3", NULL));
    ck_assert_uint_eq(node('B')->port, 1);
    ck_assert(hear("A*m@1=0-9 Bm@2/2 Cm@3/3", "Am@1=0-9 Bm@2/1 C*m@3/3", "Am@1=0-9 B*m@2/2 Cm@3/3",
                   NULL));
    ck_assert_uint_eq(node('B')->port, 2);
    ck_assert(hear("A*m@1=0-9 Bm@2/4 Cm@3/3", "Am@1=0-9 Bm@2/4 C*m@3/3", NULL));
    ck_assert_uint_eq(node('B')->port, 4);
}
END_TEST

START_TEST(a_node_that_does_not_know_its_address_is_where_others_say)
{
    ck_assert(hear("A*m@1=0-9/0 Bm@2/2", "Am@1=0-9/1 B*m@2/2", NULL));
    ck_assert_uint_eq(node('A')->announced_port, 1);
    ck_assert_str_eq(node('A')->announced, "10.0.0.1");
}
END_TEST

START_TEST(a_master_that_came_back_as_replica_is_one)
{
    ck_assert(hear(AFTER_B, AFTER_C, NULL));
    ck_assert(hear(AFTER_B, AFTER_C, "A*sC@3 Bm@2=8192-16383 Cm@3=0-8191", NULL));
    ck_assert(node('A')->flags & TOPOLOGY_REPLICA);
    ck_assert_int_eq(name_of_id(now->nodes[node('A')->master].id), 'C');
}
END_TEST

/* Who sees that the views are the same may leave out the merge. */
START_TEST(the_map_is_settled_when_the_same_views_would_give_the_same_again)
{
    ck_assert(hear("A*m@1=0-8191 Bm@2=8192-16383", "Am@1=0-8191 B*m@2=8192-16383", NULL));
    ck_assert(!map.settled);
    ck_assert(hear("A*m@1=0-8191 Bm@2=8192-16383", "Am@1=0-8191 B*m@2=8192-16383", NULL));
    ck_assert(map.settled);
    /* A is in no view: time alone makes it forgotten */
    ck_assert(hear("B*m@2=8192-16383 Cm@0", NULL));
    ck_assert(hear("B*m@2=8192-16383 Cm@0", NULL));
    ck_assert(!map.settled);
    strcpy(gone, "A");
    ck_assert(hear("B*m@2=8192-16383 Cm@0", NULL));
    ck_assert(hear("B*m@2=8192-16383 Cm@0", NULL));
    ck_assert_int_eq(owner(0), '-');
    ck_assert(map.settled);
}
END_TEST

UNIT_SUITE_WITH("merge", set_up, tear_down, {views_that_agree_give_the_map}, {nobody_says_anything},
                {nodes_that_have_not_met_are_all_there}, {one_view_with_a_greater_epoch_is_enough},
                {the_winner_may_be_known_from_another_node_before_it_says_so_itself},
                {a_master_that_slept_through_it_does_not_turn_the_map_back},
                {nor_does_it_when_it_is_all_that_we_can_reach},
                {a_dead_master_is_dead_when_most_say_so_and_still_named},
                {a_slot_that_moved_is_known_from_its_target},
                {or_from_its_source_that_does_not_know_the_new_epoch_yet},
                {what_others_say_of_a_node_yields_to_its_own_denial},
                {equal_epochs_go_by_majority_and_then_by_what_is_published},
                {an_owner_that_denies_a_slot_releases_it_to_a_lower_epoch},
                {slots_that_nobody_owns_any_more_are_uncovered},
                {a_lower_epoch_is_believed_when_most_nodes_agree},
                {a_node_forgotten_by_all_others_leaves_though_it_knows_them},
                {a_node_that_was_reset_unsays_nothing},
                {a_cluster_made_anew_takes_over_when_the_old_nodes_are_forgotten},
                {a_nodes_own_address_wins_then_the_majority_then_the_published_one},
                {a_node_that_does_not_know_its_address_is_where_others_say},
                {a_master_that_came_back_as_replica_is_one},
                {the_map_is_settled_when_the_same_views_would_give_the_same_again})
