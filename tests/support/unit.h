/* unit: main() of a unit test's executable, made from the list of its tests:
 *
 *   UNIT_SUITE("slab", {one_test}, {another}, {one_that_runs_for_0_to_4, 5})
 *   UNIT_SUITE_WITH("pause", flow_begin, flow_end, {one_test})
 *
 * check prints its usual summary. */
#ifndef SLOTWAY_TESTS_UNIT_H
#define SLOTWAY_TESTS_UNIT_H

#include <check.h>

struct unit_test {
    const TTest *test; /* NULL: this build has none */
    int loops;         /* _i is 0 … loops - 1; 0: it runs once */
    int signal;        /* it ends with this signal; 0: it doesn't */
};

/* setup and teardown, NULL: none, run around each test, in its process. Returns main()'s status:
 * whether anything failed. */
int unit_run(const char *name, void (*setup)(void), void (*teardown)(void),
             const struct unit_test *tests, int count);

/* Of most tests the name alone is given: the rest being 0 is what is meant. */
#define UNIT_SUITE_WITH(name, setup, teardown, ...)                                                \
    _Pragma("GCC diagnostic ignored \"-Wmissing-field-initializers\"") int main(void)              \
    {                                                                                              \
        const struct unit_test tests[] = {__VA_ARGS__};                                            \
        return unit_run(name, setup, teardown, tests, sizeof tests / sizeof *tests);               \
    }

#define UNIT_SUITE(name, ...) UNIT_SUITE_WITH(name, NULL, NULL, __VA_ARGS__)

#endif
