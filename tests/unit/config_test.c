/* config_test: files, flags, reload and runtime changes of the configuration. */
#include "support/config_unit.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- helpers --- */

static char *dir;

static void set_up(void)
{
    dir = strdup("/tmp/slotway-config-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    free(dir);
}

/* Write a file in the test's folder; its path is valid until the next call with another name. */
static const char *write_file(const char *name, const char *text)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return path;
}

struct loaded {
    enum config_outcome outcome;
    struct config *config;
    char out[32768];
    char err[4096];
};

static struct loaded loaded;

#define load(...) load_words((char *[]){"slotway", __VA_ARGS__, NULL})

static struct config *load_words(char *const argv[])
{
    int argc = 0;
    FILE *out, *err;

    loaded = (struct loaded){0};
    out = fmemopen(loaded.out, sizeof(loaded.out), "w");
    err = fmemopen(loaded.err, sizeof(loaded.err), "w");
    while (argv[argc])
        argc++;
    loaded.outcome = config_load(argc, argv, out, err, &loaded.config);
    fclose(out);
    fclose(err);
    return loaded.config;
}

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

START_TEST(every_row_is_documented_and_found_by_its_name)
{
    for (uint32_t i = 0; i < config_count(); i++)
        ck_assert_ptr_eq(config_find(config_name(config_at(i))), config_at(i));
    ck_assert_ptr_eq(config_find("MASTERAUTH"), config_find("auth-password"));
    ck_assert_ptr_eq(config_find("auth"), config_find("auth-password"));
    ck_assert_ptr_null(config_find("aut"));
    ck_assert_ptr_null(config_find(""));
    ck_assert(config_is_secret(config_find("requirepass")));
    ck_assert(!config_is_runtime(config_find("port")));
    ck_assert(config_is_unused(config_find("tls-port")));
}
END_TEST

/* --- the syntax of files --- */

START_TEST(mistakes_name_line_reason_and_what_is_allowed)
{
    config_bad("\nport 70000", "test.conf:2: port: \"70000\" is out of range; allowed: a number "
                               "from 0 to 65535");
    config_bad("port -1", "is out of range");
    config_bad("port 99999999999999999999999", "is out of range");
    config_bad("port 80x", "\"80x\" is not valid");
    config_bad("port", "the value is missing");
    config_bad("port 1 2", "more than one value");
    config_bad("port 1 # clients", "a comment needs a line of its own");
    config_bad("maxclient 5", "unknown directive \"maxclient\"; did you mean \"maxclients\"?");
    config_bad("appendonly yes", "unknown directive \"appendonly\"");
    config_bad("proto-max-bulk-len 9999999999gb", "is out of range");
    config_bad("proto-max-bulk-len 1kb", "allowed: a size in bytes, kb, mb or gb from 1mb to 2gb");
    config_bad("timeout 5ms", "is not valid");
    config_bad("stats-admin maybe", "allowed: no or yes");
    config_bad("unixsocketperm 888", "octal");
    config_bad("read-from master-only", "master, prefer-replica, replica or nearest");
    config_bad("requirepass \"abc", "quotes that never close");
    config_bad("requirepass \"abc\"d", "quotes that never close");
    config_bad("requirepass \"a\\x00b\"", "NUL");
    config_bad("bind a:1", "bind: \"a:1\" is not valid");
    config_bad("cluster-nodes 10.0.0.1", "HOST:PORT");
    config_bad("include other.conf", "include: too many files");
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

START_TEST(include_is_relative_and_never_circular)
{
    write_file("b.conf", "port 7777\ninclude a.conf\n");
    const char *a = write_file("a.conf", "cluster-nodes h:1\ninclude b.conf\n");
    ck_assert_ptr_null(load("-c", (char *)a));
    ck_assert_ptr_nonnull(strstr(loaded.err, "b.conf:2: include: "));
    write_file("b.conf", "port 7777\n");
    struct config *c = load("-c", (char *)a);
    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(c->port, 7777);
    ck_assert_str_eq(config_file(c), a);
    config_unref(c);
    write_file("a.conf", "cluster-nodes h:1\ninclude none.conf\n");
    ck_assert_ptr_null(load("-c", (char *)a));
    ck_assert_ptr_nonnull(strstr(loaded.err, "No such file"));
}
END_TEST

/* --- the command line --- */

START_TEST(flags_win_over_the_file_wherever_they_stand)
{
    char *path = (char *)write_file("s.conf", "port 6000\nmaxclients 7\ncluster-nodes f:1\n");
    struct config *c = load("--port", "6001", "h:1", "-c", path, "h:2", "--bind", "127.0.0.1",
                            "-::1", "--timeout=5", "[::1]:3");

    ck_assert_int_eq(loaded.outcome, CONFIG_START);
    ck_assert_uint_eq(c->port, 6001);
    ck_assert_uint_eq(c->maxclients, 7);
    ck_assert_uint_eq(c->timeout, 5);
    config_shows(c, "cluster-nodes", "h:1 h:2 [::1]:3");
    config_shows(c, "bind", "127.0.0.1 -::1");
    config_comes_from(c, "port", "command line");
    ck_assert(!config_is_protected(c));
    config_unref(c);
}
END_TEST

START_TEST(a_value_that_looks_like_an_option_is_a_value)
{
    struct config *c = load("h:1", "--requirepass", "-t", "--slowlog-log-slower-than", "-1");

    ck_assert_int_eq(loaded.outcome, CONFIG_START);
    ck_assert_str_eq(c->requirepass, "-t");
    config_unref(c);
    c = load("--requirepass=--x=y", "--bind", "::1", "--", "h:1");
    ck_assert_str_eq(c->requirepass, "--x=y");
    config_shows(c, "cluster-nodes", "h:1");
    config_unref(c);
}
END_TEST

START_TEST(bad_command_lines_are_explained)
{
    static const struct {
        char *words[4];
        const char *message;
    } cases[] = {
        {{"slotway"}, "cluster-nodes: no node is named"},
        {{"slotway", "h"}, "\"h\" is not valid"},
        {{"slotway", "h:1", "-x"}, "unknown option \"-x\""},
        {{"slotway", "h:1", "--prot"}, "did you mean \"port\"?"},
        {{"slotway", "h:1", "--port"}, "the value is missing"},
        {{"slotway", "h:1", "-c"}, "the file name is missing"},
        {{"slotway", "/etc/slotway.conf"}, "given with -c"},
        {{"slotway", "-c", "/nonexistent"}, "cannot read /nonexistent: No such file"},
        {{"slotway", "-c", "/tmp"}, "cannot read /tmp: Is a directory"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *words[5] = {0};
        memcpy(words, cases[i].words, sizeof(cases[i].words));
        ck_assert_ptr_null(load_words(words));
        ck_assert_int_eq(loaded.outcome, CONFIG_FAILED);
        ck_assert_msg(strstr(loaded.err, cases[i].message), "got: %s", loaded.err);
    }
}
END_TEST

START_TEST(check_help_and_version_print_and_end)
{
    char *path = (char *)write_file("s.conf", "cluster-nodes h:1\n");

    ck_assert_ptr_null(load("-t", "-c", path));
    ck_assert_int_eq(loaded.outcome, CONFIG_DONE);
    ck_assert_ptr_nonnull(strstr(loaded.out, "good"));
    load("--version");
    ck_assert_int_eq(loaded.outcome, CONFIG_DONE);
    ck_assert_int_eq(strncmp(loaded.out, "slotway ", 8), 0);
    load("--help");
    ck_assert_int_eq(loaded.outcome, CONFIG_DONE);
    for (uint32_t i = 0; i < config_count(); i++)
        ck_assert_ptr_nonnull(strstr(loaded.out, config_name(config_at(i))));
    write_file("s.conf", "port x\n");
    load("-t", "-c", path);
    ck_assert_int_eq(loaded.outcome, CONFIG_FAILED);
    ck_assert_ptr_nonnull(strstr(loaded.err, "s.conf:1: port: "));
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
    char *path = (char *)write_file("s.conf", "cluster-nodes h:1\nmaxclients 5\nport 6000\n");
    struct config *old = load("-c", path, "--timeout", "9");

    write_file("s.conf", "maxclients x\n");
    ck_assert_ptr_null(config_reload(old, &error));
    ck_assert_ptr_nonnull(strstr(error.text, "s.conf:1: maxclients: \"x\" is not valid"));
    write_file("s.conf", "cluster-nodes h:2\nmaxclients 6\nport 6001\ntimeout 1\n");
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

UNIT_SUITE_WITH("config", set_up, tear_down, {defaults_are_those_of_the_specification},
                {every_row_is_documented_and_found_by_its_name},
                {mistakes_name_line_reason_and_what_is_allowed},
                {values_that_contradict_each_other_are_refused},
                {all_mistakes_of_a_file_are_shown_and_passwords_are_not},
                {include_is_relative_and_never_circular},
                {flags_win_over_the_file_wherever_they_stand},
                {a_value_that_looks_like_an_option_is_a_value}, {bad_command_lines_are_explained},
                {check_help_and_version_print_and_end}, {a_runtime_change_makes_a_new_snapshot},
                {a_bad_runtime_change_says_why},
                {reload_takes_the_file_keeps_flags_and_what_is_fixed},
                {match_takes_globs_as_config_get})
