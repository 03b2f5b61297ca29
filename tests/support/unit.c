/* unit: runs the tests of one executable. */
#include "support/unit.h"
#include <stdlib.h>

/* For one test, s. What hangs is ended by then also where sanitizers make everything slow. */
#define UNIT_TIMEOUT 250

int unit_run(const char *name, void (*setup)(void), void (*teardown)(void),
             const struct unit_test *tests, int count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    SRunner *runner = srunner_create(suite);
    tcase_set_timeout(tcase, UNIT_TIMEOUT);
    if (setup)
        tcase_add_checked_fixture(tcase, setup, teardown);
    for (int i = 0; i < count; i++)
        if (tests[i].test)
            tcase_add_loop_test_raise_signal(tcase, tests[i].test, tests[i].signal, 0,
                                             tests[i].loops ? tests[i].loops : 1);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
