/* registry_test: indexes stay with their ids. */
#include "cluster/registry.h"

#include "support/unit.h"
#include <stdio.h>

static const char *id(unsigned n)
{
    static char text[TOPOLOGY_ID_LEN + 1];

    snprintf(text, sizeof(text), "%040x", n);
    return text;
}

START_TEST(an_id_keeps_its_index_and_another_gets_another)
{
    struct registry *r = registry_new();
    uint16_t a = registry_see(r, id(1), 1), b = registry_see(r, id(2), 1);

    ck_assert_uint_ne(a, b);
    ck_assert_uint_eq(registry_see(r, id(1), 100), a);
    ck_assert_str_eq(registry_id(r, a), id(1));
    ck_assert_str_eq(registry_id(r, b), id(2));
    ck_assert_double_eq(registry_seen(r, a), 100);
    ck_assert_double_eq(registry_seen(r, b), 1);
    ck_assert_str_eq(registry_id(r, 7), "");
    registry_free(r);
}
END_TEST

START_TEST(an_index_is_given_away_only_a_minute_after_its_node_is_gone)
{
    struct registry *r = registry_new();
    uint16_t first = registry_see(r, id(0), 50);

    for (unsigned i = 1; i < TOPOLOGY_MAX_NODES; i++)
        ck_assert_uint_ne(registry_see(r, id(i), 100), TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(registry_see(r, id(5000), 50 + REGISTRY_KEEP), TOPOLOGY_NO_NODE);
    ck_assert_uint_eq(registry_see(r, id(5000), 51 + REGISTRY_KEEP), first);
    ck_assert_str_eq(registry_id(r, first), id(5000));
    ck_assert_uint_eq(registry_see(r, id(5001), 51 + REGISTRY_KEEP), TOPOLOGY_NO_NODE);
    registry_free(r);
}
END_TEST

UNIT_SUITE("registry", {an_id_keeps_its_index_and_another_gets_another},
           {an_index_is_given_away_only_a_minute_after_its_node_is_gone})
