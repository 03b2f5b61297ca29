/* slab_test: fixed-size objects. */
#include "base/slab.h"
#include "support/unit.h"
#include <stdint.h>
#include <string.h>

START_TEST(objects_are_distinct_aligned_and_as_large_as_asked_for)
{
    static const size_t sizes[] = {1, 8, 24, 200, 5000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct slab slab;
        char *objects[100];
        slab_init(&slab, sizes[i]);
        ck_assert_uint_ge(slab.size, sizes[i]);
        for (int k = 0; k < 100; k++) {
            objects[k] = slab_alloc(&slab);
            ck_assert_uint_eq((uintptr_t)objects[k] % 16, 0);
            memset(objects[k], k, sizes[i]);
        }
        ck_assert_uint_eq(slab.in_use, 100);
        for (int k = 0; k < 100; k++) {
            ck_assert_int_eq(objects[k][0], k);
            ck_assert_int_eq(objects[k][sizes[i] - 1], k);
            slab_free(&slab, objects[k]);
        }
        ck_assert_uint_eq(slab.in_use, 0);
        slab_destroy(&slab);
    }
}
END_TEST

START_TEST(freed_objects_are_used_again)
{
    struct slab slab;
    slab_init(&slab, 64);
    slab_free(&slab, slab_alloc(&slab));
    struct slab_page *page = slab.pages;
    for (int i = 0; i < 100000; i++)
        slab_free(&slab, slab_alloc(&slab));
    ck_assert_ptr_eq(slab.pages, page);
    ck_assert_uint_eq(slab.in_use, 0);
    slab_destroy(&slab);
}
END_TEST

UNIT_SUITE("slab", {objects_are_distinct_aligned_and_as_large_as_asked_for},
           {freed_objects_are_used_again})
