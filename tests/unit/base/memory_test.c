/* memory_test: allocation that cannot fail, and says so when it does. */
#include "base/memory.h"
#include "support/unit.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(no_size_gives_null)
{
    void *nothing = memory_alloc(0), *zero = memory_zalloc(0);
    ck_assert_ptr_nonnull(nothing);
    ck_assert_ptr_nonnull(zero);
    nothing = memory_realloc(nothing, 0);
    ck_assert_ptr_nonnull(nothing);
    free(nothing);
    free(zero);
}
END_TEST

START_TEST(copies_end_with_a_nul)
{
    char *whole = memory_strdup("text"), *part = memory_strndup("text", 2);
    ck_assert_str_eq(whole, "text");
    ck_assert_str_eq(part, "te");
    free(whole);
    free(part);
}
END_TEST

START_TEST(zalloc_clears)
{
    unsigned char *p = memory_zalloc(1000);
    for (int i = 0; i < 1000; i++)
        ck_assert_uint_eq(p[i], 0);
    free(p);
}
END_TEST

#ifndef MEMORY_CHECKED
START_TEST(out_of_memory_ends_the_process)
{
    volatile size_t size = SIZE_MAX / 4;
    free(memory_alloc(size));
}
END_TEST
#endif

#ifdef MEMORY_CHECKED
#define OUT_OF_MEMORY NULL
#else
#define OUT_OF_MEMORY out_of_memory_ends_the_process
#endif

UNIT_SUITE("memory", {no_size_gives_null}, {copies_end_with_a_nul}, {zalloc_clears},
           {OUT_OF_MEMORY, .signal = SIGABRT})
