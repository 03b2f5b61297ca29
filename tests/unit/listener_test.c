/* listener_test: how many clients and connections the limit on open files allows. */
#include "config.h"
#include "listener.h"
#include "support/unit.h"
#include <string.h>
#include <sys/resource.h>

/* What listener_raise_limits makes of a configuration; the limit that it leaves in *files. */
static uint32_t allowed(const char *text, rlim_t hard, rlim_t *files)
{
    struct rlimit limit = {.rlim_cur = 100, .rlim_max = hard};
    struct config_error error;
    struct config *config = config_parse(text, strlen(text), "test", &error);
    ck_assert_msg(config != NULL, "%s", error.text);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    uint32_t n = listener_raise_limits(config);
    config_unref(config);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    *files = limit.rlim_cur;
    return n;
}

START_TEST(each_client_may_hold_a_connection_to_a_node)
{
    rlim_t files;
    uint32_t n = allowed("maxclients 100\nthreads 2\nstats-port 0\n", 5000, &files);
    ck_assert_uint_eq(n, 200);
    ck_assert_uint_gt(files, n);
}
END_TEST

START_TEST(browsers_take_nothing_from_clients)
{
    rlim_t without, with;
    uint32_t n = allowed("maxclients 100\nthreads 2\nstats-port 0\n", 5000, &without);
    ck_assert_uint_eq(allowed("maxclients 100\nthreads 2\n", 5000, &with), n);
    ck_assert_uint_eq(with - without, 256);
}
END_TEST

UNIT_SUITE("listener", {each_client_may_hold_a_connection_to_a_node},
           {browsers_take_nothing_from_clients})
