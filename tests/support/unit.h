/* unit: main() of a test executable.
 * Use UNIT_MAIN(suite_function) once per file; check prints its usual summary. */
#ifndef SLOTWAY_TESTS_UNIT_H
#define SLOTWAY_TESTS_UNIT_H

#include <check.h>
#include <stdlib.h>

/* suite_function returns the Suite to run. The exit status says whether anything failed. */
#define UNIT_MAIN(suite_function)                                                                  \
    int main(void)                                                                                 \
    {                                                                                              \
        SRunner *runner = srunner_create(suite_function());                                        \
        srunner_run_all(runner, CK_NORMAL);                                                        \
        int failed = srunner_ntests_failed(runner);                                                \
        srunner_free(runner);                                                                      \
        return failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;                                           \
    }

#endif
