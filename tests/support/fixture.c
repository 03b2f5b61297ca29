/* fixture: one cluster and one slotway for all tests of an executable. */
#include "support/fixture.h"

#include <string.h>

struct cluster *cluster;
struct proxy *proxy;
static const char *proxy_flags;

static void set_up(void)
{
    cluster = cluster_start();
    proxy = proxy_start(cluster, proxy_flags);
    show_on_failure(proxy->log);
}

static void tear_down(void)
{
    proxy_stop(proxy);
    cluster_stop(cluster);
    proxy = NULL;
    cluster = NULL;
}

/* Runs in the forked child of each test. */
static void before_each(void)
{
    ck_assert_msg(proxy_alive(proxy), "slotway has died in an earlier test");
    cluster_heal(cluster);
}

static TCase *add_tests(Suite *suite, int timeout, const TTest *const *tests, int count)
{
    TCase *tc = tcase_create("tests");
    tcase_set_timeout(tc, timeout * test_slack());
    /* SLOTWAY_TEST_ONLY=name runs one test of the file. */
    const char *only = getenv("SLOTWAY_TEST_ONLY");
    for (int i = 0; i < count; i++)
        if (!only || strcmp(only, tests[i]->name) == 0)
            tcase_add_test(tc, tests[i]);
    suite_add_tcase(suite, tc);
    return tc;
}

Suite *fixture_suite(const char *name, int timeout, const char *flags, const TTest *const *tests,
                     int count)
{
    Suite *suite = suite_create(name);
    TCase *tc = add_tests(suite, timeout, tests, count);
    proxy_flags = flags;
    tcase_add_unchecked_fixture(tc, set_up, tear_down);
    tcase_add_checked_fixture(tc, before_each, NULL);
    return suite;
}

Suite *plain_suite(const char *name, int timeout, const TTest *const *tests, int count)
{
    Suite *suite = suite_create(name);
    add_tests(suite, timeout, tests, count);
    return suite;
}

void stop_and_check(struct proxy *p)
{
    int before = fixture_failure_count();
    proxy_stop(p);
    ck_assert_msg(fixture_failure_count() == before, "slotway did not end well");
}
