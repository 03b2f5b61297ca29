/* fixture: one cluster and one slotway in front of it for all tests of an executable. */
#ifndef SLOTWAY_TESTS_FIXTURE_H
#define SLOTWAY_TESTS_FIXTURE_H

#include "support/client.h"
#include "support/cluster.h"
#include "support/proxy.h"
#include "support/testing.h"

/* Set before the tests run, as long as they do. */
extern struct cluster *cluster;
extern struct proxy *proxy;

/* A suite whose tests share a cluster and a slotway started with flags (NULL: none). timeout:
 * seconds for each test. Each test begins with a whole cluster. */
Suite *fixture_suite(const char *name, int timeout, const char *flags, const TTest *const *tests,
                     int count);

#define FIXTURE_SUITE(name, timeout, flags, ...)                                                   \
    static Suite *the_suite(void)                                                                  \
    {                                                                                              \
        const TTest *tests[] = {__VA_ARGS__};                                                      \
        return fixture_suite(name, timeout, flags, tests, sizeof tests / sizeof *tests);           \
    }                                                                                              \
    INTEGRATION_MAIN(the_suite)

/* A suite without fixture: each test starts what it needs. */
Suite *plain_suite(const char *name, int timeout, const TTest *const *tests, int count);

#define PLAIN_SUITE(name, timeout, ...)                                                            \
    static Suite *the_suite(void)                                                                  \
    {                                                                                              \
        const TTest *tests[] = {__VA_ARGS__};                                                      \
        return plain_suite(name, timeout, tests, sizeof tests / sizeof *tests);                    \
    }                                                                                              \
    INTEGRATION_MAIN(the_suite)

/* In tests without fixture the child that runs the test owns its proxy; what proxy_stop finds then
 * has to fail the test itself. */
void stop_and_check(struct proxy *p);

#endif
