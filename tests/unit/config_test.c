/* config_test: the whole of a configuration, its reload and its changes at run time. */
#include "support/config_unit.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- defaults and the table --- */

START_TEST(defaults_are_those_of_the_specification)
{
    struct config *c = config_default();

    ck_assert_uint_eq(c->port, 5000);
    ck_assert_uint_eq(c->stats_port, 1947);
    ck_assert_uint_eq(c->maxclients, 10000);
    ck_assert_uint_ge(c->threads, 1);
    ck_assert_uint_eq(c->proto_max_bulk_len, 512u << 20);
    ck_assert_uint_eq(c->failover_timeout, 10000);
    ck_assert_int_eq(c->slowlog_log_slower_than, 10000);
    ck_assert(c->protected_mode && c->cross_slot && !c->allow_admin && !c->stats_admin);
    ck_assert_str_eq(c->requirepass, "");
    ck_assert_str_eq(c->stats_user, "admin");
    ck_assert(config_is_protected(c));
    config_comes_from(c, "port", "default");
    config_unref(c);
}
END_TEST

START_TEST(what_a_row_says_of_its_directive)
{
    ck_assert(config_is_secret(config_find("requirepass")));
    ck_assert(!config_is_runtime(config_find("port")));
    ck_assert(config_is_unused(config_find("tls-port")));
}
END_TEST

/* --- mistakes --- */

START_TEST(mistakes_say_what_is_allowed)
{
    config_bad("port -1", "is out of range");
    config_bad("port 99999999999999999999999", "is out of range");
    config_bad("port 80x", "\"80x\" is not valid");
    config_bad("proto-max-bulk-len 9999999999gb", "is out of range");
    config_bad("proto-max-bulk-len 1kb", "allowed: a size in bytes, kb, mb or gb from 1mb to 2gb");
    config_bad("timeout 5ms", "is not valid");
    config_bad("stats-admin maybe", "allowed: no or yes");
    config_bad("unixsocketperm 888", "octal");
    config_bad("read-from master-only", "master, prefer-replica, replica or nearest");
    config_bad("bind a:1", "bind: \"a:1\" is not valid");
    config_bad("cluster-nodes 10.0.0.1", "HOST:PORT");
}
END_TEST

START_TEST(values_that_contradict_each_other_are_refused)
{
    config_bad("port 0", "nothing to listen on");
    config_bad("stats-port 5000", "stats-port");
    config_bad("client-output-window 2gb", "client-output-limit");
    config_bad("client-query-buffer-limit 1mb", "client-query-buffer-limit");
    config_unref(config_good("port 0\nunixsocket /run/x\n"));
}
END_TEST

START_TEST(all_mistakes_of_a_file_are_shown_and_passwords_are_not)
{
    struct config_error error;

    ck_assert_ptr_null(config_text("port x\nbind 1:2\nrequirepass a secret\n", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "test.conf:1"));
    ck_assert_ptr_nonnull(strstr(error.text, "test.conf:2"));
    ck_assert_ptr_nonnull(strstr(error.text, "test.conf:3"));
    ck_assert_ptr_null(strstr(error.text, "secret"));
}
END_TEST

START_TEST(check_help_and_version_print_and_end)
{
    char *path = config_write_file("s.conf", "cluster-nodes h:1\n");

    ck_assert_ptr_null(config_load_from("-t", "-c", path));
    ck_assert_int_eq(config_loaded.outcome, CONFIG_DONE);
    ck_assert_ptr_nonnull(strstr(config_loaded.out, "good"));
    config_load_from("--version");
    ck_assert_int_eq(config_loaded.outcome, CONFIG_DONE);
    ck_assert_int_eq(strncmp(config_loaded.out, "slotway ", 8), 0);
    config_load_from("--help");
    ck_assert_int_eq(config_loaded.outcome, CONFIG_DONE);
    for (uint32_t i = 0; i < config_count(); i++)
        ck_assert_ptr_nonnull(strstr(config_loaded.out, config_name(config_at(i))));
    config_write_file("s.conf", "port x\n");
    config_load_from("-t", "-c", path);
    ck_assert_int_eq(config_loaded.outcome, CONFIG_FAILED);
    ck_assert_ptr_nonnull(strstr(config_loaded.err, "s.conf:1: port: "));
}
END_TEST

/* --- changes while running --- */

START_TEST(a_runtime_change_makes_a_new_snapshot)
{
    struct config_error error;
    struct config *old = config_good("cluster-nodes a:1\nmaxclients 5\n");
    struct config *new = config_set(old, "MaxClients", "6", &error);

    ck_assert_uint_eq(old->maxclients, 5);
    ck_assert_uint_eq(new->maxclients, 6);
    config_comes_from(new, "maxclients", "PROXY CONFIG SET");
    config_comes_from(new, "cluster-nodes", "test.conf:1");
    config_unref(old);
    struct config *third = config_set(new, "cluster-nodes", "b:1 'c:2'", &error);
    struct config *fourth = config_set(third, "cluster-nodes", "d:3", &error);
    config_shows(third, "cluster-nodes", "b:1 c:2");
    config_shows(fourth, "cluster-nodes", "d:3");
    config_unref(new);
    config_unref(third);
    config_unref(fourth);
}
END_TEST

START_TEST(a_bad_runtime_change_says_why)
{
    struct config_error error;
    struct config *c = config_default();

    ck_assert_ptr_null(config_set(c, "port", "1", &error));
    ck_assert_str_eq(error.text, "port cannot change while slotway runs");
    ck_assert_ptr_null(config_set(c, "maxclients", "0", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "from 1 to 1000000"));
    ck_assert_ptr_null(config_set(c, "nonsense", "0", &error));
    ck_assert_ptr_nonnull(strstr(error.text, "unknown directive"));
    ck_assert_ptr_null(config_set(c, "cluster-nodes", "\"a", &error));
    config_unref(c);
}
END_TEST

START_TEST(reload_takes_the_file_keeps_flags_and_what_is_fixed)
{
    struct config_error error;
    char *path = config_write_file("s.conf", "cluster-nodes h:1\nmaxclients 5\nport 6000\n");
    struct config *old = config_load_from("-c", path, "--timeout", "9");

    config_write_file("s.conf", "maxclients x\n");
    ck_assert_ptr_null(config_reload(old, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "s.conf:1: maxclients: \"x\" is not valid"));
    config_write_file("s.conf", "cluster-nodes h:2\nmaxclients 6\nport 6001\ntimeout 1\n");
    struct config *new = config_reload(old, &error);
    ck_assert_msg(new != NULL, "%s", error.text);
    ck_assert_uint_eq(new->maxclients, 6);
    ck_assert_uint_eq(new->port, 6000);
    ck_assert_uint_eq(new->timeout, 9);
    config_shows(new, "cluster-nodes", "h:2");
    config_comes_from(new, "timeout", "command line");
    config_unref(old);
    unlink(path);
    ck_assert_ptr_null(config_reload(new, &error));
    config_unref(new);
}
END_TEST

static void count(void *ctx, const struct config_directive *d, const char *value)
{
    (void)d;
    (void)value;
    ++*(int *)ctx;
}

START_TEST(match_takes_globs_as_config_get)
{
    static const struct {
        const char *pattern;
        int least, most;
    } cases[] = {{"port", 1, 1}, {"*-PORT", 2, 2}, {"tls-*", 6, 6}, {"por[st]", 1, 1},
                 {"p?rt", 1, 1}, {"none", 0, 0},   {"*", 50, 80}};
    struct config *c = config_default();

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int n = 0;
        config_match(c, cases[i].pattern, count, &n);
        ck_assert_msg(n >= cases[i].least && n <= cases[i].most, "%s: %d", cases[i].pattern, n);
    }
    config_unref(c);
}
END_TEST

UNIT_SUITE_WITH("config", config_folder_begin, config_folder_end,
                {defaults_are_those_of_the_specification}, {what_a_row_says_of_its_directive},
                {mistakes_say_what_is_allowed}, {values_that_contradict_each_other_are_refused},
                {all_mistakes_of_a_file_are_shown_and_passwords_are_not},
                {check_help_and_version_print_and_end}, {a_runtime_change_makes_a_new_snapshot},
                {a_bad_runtime_change_says_why},
                {reload_takes_the_file_keeps_flags_and_what_is_fixed},
                {match_takes_globs_as_config_get})
