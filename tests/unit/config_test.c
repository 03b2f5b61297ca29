/* config_test: files, flags, reload and runtime changes of the configuration, and that the
 * documents in the tree are the ones that the table of directives gives. */
#include "config.h"

#include "support/testing.h"
#include "support/unit.h"
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

static struct config *parse(const char *text, struct config_error *error)
{
    return config_parse(text, strlen(text), "test.conf", error);
}

static struct config *parse_good(const char *text)
{
    struct config_error error;
    struct config *config = parse(text, &error);

    ck_assert_msg(config != NULL, "%s", error.text);
    return config;
}

static void assert_bad(const char *text, const char *message)
{
    struct config_error error;

    ck_assert_ptr_null(parse(text, &error));
    ck_assert_msg(strstr(error.text, message), "got: %s\nwanted: %s", error.text, message);
}

static void assert_value(const struct config *config, const char *name, const char *value)
{
    char *got = config_value(config, config_find(name));

    ck_assert_str_eq(got, value);
    free(got);
}

static void assert_source(const struct config *config, const char *name, const char *source)
{
    char got[CONFIG_SOURCE_LEN];

    config_source(config, config_find(name), got);
    ck_assert_str_eq(got, source);
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
    assert_source(c, "port", "default");
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

START_TEST(every_value_can_be_written_and_read_again)
{
    struct config *c = parse_good("bind 127.0.0.1 -::1\nunixsocket \"/tmp/a b\"\n");

    for (uint32_t i = 0; i < config_count(); i++) {
        const struct config_directive *d = config_at(i);
        char *value = config_value(c, d);
        struct config_error error;
        if (config_is_runtime(d)) {
            struct config *again = config_set(c, config_name(d), value, &error);
            ck_assert_msg(again != NULL, "%s: %s", config_name(d), error.text);
            assert_value(again, config_name(d), value);
            config_unref(again);
        }
        free(value);
    }
    config_unref(c);
}
END_TEST

/* --- the syntax of files --- */

START_TEST(values_of_every_type)
{
    struct config *c = parse_good("# comment\n\n  port 6000\r\n\tPROTECTED-MODE No\n"
                                  "proto-max-bulk-len 2mb\nclient-input-limit 1000k\n"
                                  "max-waiting-memory 123456\nfailover-timeout 3s\n"
                                  "redirect-timeout 250\ntcp-keepalive 2m\nunixsocketperm 770\n"
                                  "read-from NEAREST\nslowlog-log-slower-than -1\n"
                                  "requirepass 'it\\'s'\n"
                                  "auth-password \"\\x41\\n\\\"\"\nthreads 3\nloglevel debug");

    ck_assert_uint_eq(c->port, 6000);
    ck_assert(!c->protected_mode);
    ck_assert_uint_eq(c->proto_max_bulk_len, 2u << 20);
    ck_assert_uint_eq(c->client_input_limit, 1000000);
    ck_assert_uint_eq(c->max_waiting_memory, 123456);
    ck_assert_uint_eq(c->failover_timeout, 3000);
    ck_assert_uint_eq(c->redirect_timeout, 250);
    ck_assert_uint_eq(c->tcp_keepalive, 120);
    ck_assert_uint_eq(c->unixsocketperm, 0770);
    ck_assert_uint_eq(c->read_from, CONFIG_READ_NEAREST);
    ck_assert_int_eq(c->slowlog_log_slower_than, -1);
    ck_assert_str_eq(c->requirepass, "it's");
    ck_assert_str_eq(c->auth_password, "A\n\"");
    ck_assert_uint_eq(c->threads, 3);
    assert_value(c, "unixsocketperm", "770");
    assert_value(c, "read-from", "nearest");
    assert_value(c, "proto-max-bulk-len", "2097152");
    assert_source(c, "port", "test.conf:3");
    config_unref(c);
}
END_TEST

START_TEST(lists_add_up_over_lines_and_other_values_are_replaced)
{
    struct config *c = parse_good("cluster-nodes a:1 b:2\nport 1\ncluster [::1]:3\nport 2\n"
                                  "bind \"\"\ncluster-nodes /run/r.sock\n");

    assert_value(c, "cluster-nodes", "a:1 b:2 [::1]:3 /run/r.sock");
    ck_assert_uint_eq(c->port, 2);
    ck_assert_uint_eq(c->bind.n, 0);
    config_unref(c);
}
END_TEST

START_TEST(mistakes_name_line_reason_and_what_is_allowed)
{
    assert_bad("\nport 70000", "test.conf:2: port: \"70000\" is out of range; allowed: a number "
                               "from 0 to 65535");
    assert_bad("port -1", "is out of range");
    assert_bad("port 99999999999999999999999", "is out of range");
    assert_bad("port 80x", "\"80x\" is not valid");
    assert_bad("port", "the value is missing");
    assert_bad("port 1 2", "more than one value");
    assert_bad("port 1 # clients", "a comment needs a line of its own");
    assert_bad("maxclient 5", "unknown directive \"maxclient\"; did you mean \"maxclients\"?");
    assert_bad("appendonly yes", "unknown directive \"appendonly\"");
    assert_bad("proto-max-bulk-len 9999999999gb", "is out of range");
    assert_bad("proto-max-bulk-len 1kb", "allowed: a size in bytes, kb, mb or gb from 1mb to 2gb");
    assert_bad("timeout 5ms", "is not valid");
    assert_bad("stats-admin maybe", "allowed: no or yes");
    assert_bad("unixsocketperm 888", "octal");
    assert_bad("read-from master-only", "master, prefer-replica, replica or nearest");
    assert_bad("requirepass \"abc", "quotes that never close");
    assert_bad("requirepass \"abc\"d", "quotes that never close");
    assert_bad("requirepass \"a\\x00b\"", "NUL");
    assert_bad("bind a:1", "bind: \"a:1\" is not valid");
    assert_bad("cluster-nodes 10.0.0.1", "HOST:PORT");
    assert_bad("include other.conf", "include: too many files");
}
END_TEST

START_TEST(values_that_contradict_each_other_are_refused)
{
    assert_bad("port 0", "nothing to listen on");
    assert_bad("stats-port 5000", "stats-port");
    assert_bad("client-output-window 2gb", "client-output-limit");
    assert_bad("client-query-buffer-limit 1mb", "client-query-buffer-limit");
    config_unref(parse_good("port 0\nunixsocket /run/x\n"));
}
END_TEST

START_TEST(all_mistakes_of_a_file_are_shown_and_passwords_are_not)
{
    struct config_error error;

    ck_assert_ptr_null(parse("port x\nbind 1:2\nrequirepass a secret\n", &error));
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
    assert_value(c, "cluster-nodes", "h:1 h:2 [::1]:3");
    assert_value(c, "bind", "127.0.0.1 -::1");
    assert_source(c, "port", "command line");
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
    assert_value(c, "cluster-nodes", "h:1");
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
    struct config *old = parse_good("cluster-nodes a:1\nmaxclients 5\n");
    struct config *new = config_set(old, "MaxClients", "6", &error);

    ck_assert_uint_eq(old->maxclients, 5);
    ck_assert_uint_eq(new->maxclients, 6);
    assert_source(new, "maxclients", "PROXY CONFIG SET");
    assert_source(new, "cluster-nodes", "test.conf:1");
    config_unref(old);
    struct config *third = config_set(new, "cluster-nodes", "b:1 'c:2'", &error);
    struct config *fourth = config_set(third, "cluster-nodes", "d:3", &error);
    assert_value(third, "cluster-nodes", "b:1 c:2");
    assert_value(fourth, "cluster-nodes", "d:3");
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
    assert_value(new, "cluster-nodes", "h:2");
    assert_source(new, "timeout", "command line");
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

/* --- addresses --- */

START_TEST(addresses_are_split)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {{"10.0.0.1:7000", "10.0.0.1", 7000},
                 {"redis-1.example.org:1", "redis-1.example.org", 1},
                 {"[::1]:65535", "::1", 65535},
                 {"[fe80::1%eth0]:6379", "fe80::1%eth0", 6379},
                 {"/run/redis.sock", "/run/redis.sock", 0}};
    static const char *const bad[] = {"",        "h",    "h:",     ":1",      "h:0",
                                      "h:65536", "h:1x", "::1:70", "[::1]70", "[]:70",
                                      "[h]:70",  "-h:1", "h h:1",  "h:-1"};
    char host[CONFIG_HOST_LEN];
    uint16_t port;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        ck_assert(config_parse_address(cases[i].text, host, &port));
        ck_assert_str_eq(host, cases[i].host);
        ck_assert_uint_eq(port, cases[i].port);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        ck_assert_msg(!config_parse_address(bad[i], host, &port), "%s", bad[i]);
}
END_TEST

START_TEST(announced_addresses_are_mapped)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *to;
        uint16_t to_port;
    } cases[] = {{"172.17.0.2", 6379, "127.0.0.1", 7000},
                 {"172.17.0.2", 6380, "host", 6380},
                 {"fd00::1", 5, "::1", 5},
                 {"10.9.9.9", 1, "10.9.9.9", 1}};
    struct config *c = parse_good("node-address-map 172.17.0.2=host fd00::1=[::1]\n"
                                  "node-address-map 172.17.0.2:6379=127.0.0.1:7000\n");

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char host[CONFIG_HOST_LEN];
        uint16_t port = cases[i].port;
        strcpy(host, cases[i].host);
        ck_assert_int_eq(config_map_address(c, host, &port),
                         strcmp(cases[i].host, cases[i].to) != 0);
        ck_assert_str_eq(host, cases[i].to);
        ck_assert_uint_eq(port, cases[i].to_port);
    }
    config_unref(c);
    assert_bad("node-address-map a", "FROM=TO");
    assert_bad("node-address-map a:1=b", "both with a port");
    assert_bad("node-address-map =b", "FROM=TO");
    assert_bad("allow-from 10.0.0.0/33", "BITS");
    assert_bad("allow-from ten", "BITS");
    config_unref(parse_good("allow-from 10.0.0.0/8 ::1 fd00::/8\n"));
}
END_TEST

/* --- documents --- */

static void assert_current(const char *path, void (*print)(FILE *out))
{
    char name[4096], *wanted, *got;
    size_t len;
    FILE *out = open_memstream(&wanted, &len);

    print(out);
    fclose(out);
    snprintf(name, sizeof(name), "%s/%s", project_root(), path);
    FILE *file = fopen(name, "r");
    ck_assert_msg(file != NULL, "%s is missing: run make docs", path);
    got = calloc(1, len + 2);
    ck_assert_msg(fread(got, 1, len + 1, file) == len && memcmp(got, wanted, len) == 0,
                  "%s is out of date: run make docs", path);
    fclose(file);
    free(got);
    free(wanted);
}

START_TEST(documents_in_the_tree_are_current)
{
    assert_current("conf/slotway.conf", config_print_sample);
    assert_current("docs/slotway.8", config_print_manual);
    assert_current("docs/configuration.md", config_print_markdown);
}
END_TEST

START_TEST(the_sample_is_good_as_it_is_and_with_every_line_uncommented)
{
    char *text, *line, *rest;
    size_t len;
    uint32_t directives = 0;
    FILE *out = open_memstream(&text, &len);

    config_print_sample(out);
    fclose(out);
    config_unref(parse_good(text));
    rest = text;
    while ((line = strsep(&rest, "\n"))) {
        char name[64] = "";
        /* The last line of a paragraph is the directive, what is above it is prose. */
        if (rest && *rest == '\n' && sscanf(line, "# %63s", name) == 1 && config_find(name)) {
            config_unref(parse_good(line + 2));
            directives++;
        }
    }
    ck_assert_uint_eq(directives, config_count() - 1); /* cluster-nodes is no comment */
    free(text);
}
END_TEST

static Suite *config_suite(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = tcase_create("config");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, defaults_are_those_of_the_specification);
    tcase_add_test(tests, every_row_is_documented_and_found_by_its_name);
    tcase_add_test(tests, every_value_can_be_written_and_read_again);
    tcase_add_test(tests, values_of_every_type);
    tcase_add_test(tests, lists_add_up_over_lines_and_other_values_are_replaced);
    tcase_add_test(tests, mistakes_name_line_reason_and_what_is_allowed);
    tcase_add_test(tests, values_that_contradict_each_other_are_refused);
    tcase_add_test(tests, all_mistakes_of_a_file_are_shown_and_passwords_are_not);
    tcase_add_test(tests, include_is_relative_and_never_circular);
    tcase_add_test(tests, flags_win_over_the_file_wherever_they_stand);
    tcase_add_test(tests, a_value_that_looks_like_an_option_is_a_value);
    tcase_add_test(tests, bad_command_lines_are_explained);
    tcase_add_test(tests, check_help_and_version_print_and_end);
    tcase_add_test(tests, a_runtime_change_makes_a_new_snapshot);
    tcase_add_test(tests, a_bad_runtime_change_says_why);
    tcase_add_test(tests, reload_takes_the_file_keeps_flags_and_what_is_fixed);
    tcase_add_test(tests, match_takes_globs_as_config_get);
    tcase_add_test(tests, addresses_are_split);
    tcase_add_test(tests, announced_addresses_are_mapped);
    tcase_add_test(tests, documents_in_the_tree_are_current);
    tcase_add_test(tests, the_sample_is_good_as_it_is_and_with_every_line_uncommented);
    suite_add_tcase(suite, tests);
    return suite;
}

UNIT_MAIN(config_suite)
