/* sketch_test: heavy keys are found among many light ones, and are forgotten when they stop. */
#include "base/sketch.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>

static const struct sketch_entry *heaviest(const struct sketch *s)
{
    const struct sketch_entry *best = &s->entries[0];
    for (size_t i = 1; i < SKETCH_ENTRIES; i++)
        if (s->entries[i].weight > best->weight)
            best = &s->entries[i];
    return best;
}

START_TEST(a_heavy_key_is_found_among_many)
{
    struct sketch s = {0};
    char key[32];
    for (int i = 0; i < 20000; i++) {
        int len = snprintf(key, sizeof key, "light:%d", i);
        sketch_add(&s, key, (size_t)len, 1, 0);
        if (i % 10 == 0)
            sketch_add(&s, "heavy", 5, 1, 7);
    }
    const struct sketch_entry *best = heaviest(&s);
    ck_assert_uint_eq(best->key_len, 5);
    ck_assert_mem_eq(best->key, "heavy", 5);
    ck_assert_uint_eq(best->tag, 7);
    ck_assert(best->weight >= 2000 && best->weight - best->inherited <= 2000);
}
END_TEST

START_TEST(what_stops_fades)
{
    struct sketch s = {0};
    sketch_add(&s, "old", 3, 1000, 0);
    for (int i = 0; i < 200; i++)
        sketch_fade(&s, 0.9f);
    ck_assert(heaviest(&s)->weight == 0);
    sketch_add(&s, "new", 3, 1, 0);
    ck_assert(heaviest(&s)->weight == 1 && heaviest(&s)->inherited == 0);
}
END_TEST

START_TEST(long_keys_are_cut_but_told_apart)
{
    struct sketch s = {0};
    char a[300], b[300];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    b[299] = 'y';
    sketch_add(&s, a, sizeof a, 2, 0);
    sketch_add(&s, b, sizeof b, 3, 0);
    ck_assert(heaviest(&s)->weight == 3);
    ck_assert_uint_eq(heaviest(&s)->key_len, SKETCH_KEY);
}
END_TEST

UNIT_SUITE("sketch", {a_heavy_key_is_found_among_many}, {what_stops_fades},
           {long_keys_are_cut_but_told_apart})
