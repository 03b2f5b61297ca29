/* testing: what every integration test needs: time, waiting for conditions, free ports, temporary
 * folders, children that never outlive the test, and the main() of an integration test. */
#ifndef SLOTWAY_TESTS_TESTING_H
#define SLOTWAY_TESTS_TESTING_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

/* Milliseconds and microseconds of the monotonic clock. */
int64_t now_ms(void);
int64_t now_us(void);

/* Wait (polling every few milliseconds) until condition(arg) is true. False after timeout_ms. */
bool wait_until(bool (*condition)(void *arg), void *arg, int timeout_ms);

/* A pause between two polls of a condition, never a wait for time itself. */
void poll_pause(int ms);

/* SLOTWAY_TEST_FULL=1: full sizes, and the promised figures are asserted. */
bool test_full(void);

/* Factor for time bounds: SLOTWAY_TEST_SLACK (default 1; sanitizer builds set more). */
double test_slack(void);

/* Report a measured figure against its promise: always printed; asserted exactly in full runs, and
 * at ten times the promise otherwise (times the slack). promise < 0: only printed. */
void report_figure(const char *what, double value, double promise, const char *unit);

/* A TCP port of 127.0.0.1 such that `count` ports from it on (and the same 10,000 higher if bus)
 * are free now. Below the range the kernel hands out by itself. */
int free_ports(int count, bool bus);

/* A new empty folder, removed when the test executable ends. Static ring of 8 results. */
const char *temp_dir(const char *name);

/* The root of the project (SLOTWAY_ROOT, else found from the working directory upwards). */
const char *project_root(void);

/* From /proc: resident bytes (now, at most), open descriptors, CPU time in ms of a process; -1 if
 * it is gone. */
int64_t process_memory(pid_t pid);
int64_t process_peak_memory(pid_t pid);
int process_descriptors(pid_t pid);
int64_t process_cpu_ms(pid_t pid);

/* Run a shell command line; its exit status. Output goes to the test's own. */
int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Start a program with its output in log_file. NULL-terminated arguments. It is killed when the
 * test executable goes away for whatever reason. */
pid_t spawn(const char *log_file, char *const argv[]);

/* Forget a child that was waited for, so that it isn't killed at the end. */
void spawn_forget(pid_t pid);

/* A shell command line to be run when the test executable goes away for whatever reason. */
void at_end(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A fixture noticed a failure outside of a test (at its end): printed, and the executable fails. */
void fixture_failed(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int fixture_failure_count(void);

/* Print the last lines of a file to the test's output. */
void print_tail(const char *file, int lines);

/* Repeatable random numbers: SLOTWAY_TEST_SEED, else new ones each run; the seed is printed. */
uint64_t test_seed(void);
uint64_t random_next(uint64_t *state);

/* A log of which the end is printed when a test failed. */
void show_on_failure(const char *file);

int integration_main(Suite *suite);
#define INTEGRATION_MAIN(suite_function)                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        return integration_main(suite_function());                                                 \
    }

#endif
