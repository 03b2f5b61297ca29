/* config_read_test: lines of files, includes, and the words of the command line. */
#include "support/config_unit.h"
#include <string.h>

START_TEST(bad_lines_are_named_and_explained)
{
    config_bad("\nport 70000", "test.conf:2: port: \"70000\" is out of range; allowed: a number "
                               "from 0 to 65535");
    config_bad("port", "the value is missing");
    config_bad("port 1 2", "more than one value");
    config_bad("port 1 # clients", "a comment needs a line of its own");
    config_bad("requirepass \"abc", "quotes that never close");
    config_bad("requirepass \"abc\"d", "quotes that never close");
    config_bad("requirepass \"a\\x00b\"", "NUL");
    config_bad("include other.conf", "include: too many files");
    config_bad("include a b", "include: one file name is allowed");
}
END_TEST

START_TEST(blank_lines_and_comments_are_passed_over)
{
    config_unref(config_good(""));
    config_unref(config_good("\n  # port x\n\t\n#"));
    struct config *c = config_good("# a\n   port 6000\n\nmaxclients 7"); /* no newline at the end */
    ck_assert_uint_eq(c->port, 6000);
    config_comes_from(c, "port", "test.conf:2");
    config_comes_from(c, "maxclients", "test.conf:4");
    config_unref(c);
}
END_TEST

START_TEST(include_is_relative_and_never_circular)
{
    config_write_file("b.conf", "port 7777\ninclude a.conf\n");
    char *a = config_write_file("a.conf", "cluster-nodes h:1\ninclude b.conf\n");
    ck_assert_ptr_null(config_load_from("-c", a));
    ck_assert_ptr_nonnull(strstr(config_loaded.err, "b.conf:2: include: "));
    config_write_file("b.conf", "port 7777\n");
    struct config *c = config_load_from("-c", a);
    ck_assert_ptr_nonnull(c);
    ck_assert_uint_eq(c->port, 7777);
    ck_assert_str_eq(config_file(c), a);
    config_unref(c);
    config_write_file("a.conf", "cluster-nodes h:1\ninclude none.conf\n");
    ck_assert_ptr_null(config_load_from("-c", a));
    ck_assert_ptr_nonnull(strstr(config_loaded.err, "No such file"));
}
END_TEST

START_TEST(flags_win_over_the_file_wherever_they_stand)
{
    char *path = config_write_file("s.conf", "port 6000\nmaxclients 7\ncluster-nodes f:1\n");
    struct config *c = config_load_from("--port", "6001", "h:1", "-c", path, "h:2", "--bind",
                                        "127.0.0.1", "-::1", "--timeout=5", "[::1]:3");

    ck_assert_int_eq(config_loaded.outcome, CONFIG_START);
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
    struct config *c = config_load_from("h:1", "--requirepass", "-t", "--slowlog-log-slower-than",
                                        "-1");

    ck_assert_int_eq(config_loaded.outcome, CONFIG_START);
    ck_assert_str_eq(c->requirepass, "-t");
    config_unref(c);
    c = config_load_from("--requirepass=--x=y", "--bind", "::1", "--", "h:1");
    ck_assert_str_eq(c->requirepass, "--x=y");
    config_shows(c, "cluster-nodes", "h:1");
    config_unref(c);
}
END_TEST

START_TEST(a_node_ends_the_words_of_a_list)
{
    struct config *c = config_load_from("--bind", "127.0.0.1", "::1", "h:1", "[::1]:2");

    ck_assert_msg(c, "%s", config_loaded.err);
    config_shows(c, "bind", "127.0.0.1 ::1");
    config_shows(c, "cluster-nodes", "h:1 [::1]:2");
    config_unref(c);
    c = config_load_from("--node-address-map", "a:1=b:2", "c=d", "h:1");
    ck_assert_msg(c, "%s", config_loaded.err);
    config_shows(c, "node-address-map", "a:1=b:2 c=d");
    config_shows(c, "cluster-nodes", "h:1");
    config_unref(c);
    ck_assert_ptr_null(config_load_from("--bind", "127.0.0.1:5000", "h:1"));
    ck_assert_ptr_nonnull(strstr(config_loaded.err, "bind: \"127.0.0.1:5000\" is not valid"));
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
        ck_assert_ptr_null(config_load_words(words));
        ck_assert_int_eq(config_loaded.outcome, CONFIG_FAILED);
        ck_assert_msg(strstr(config_loaded.err, cases[i].message), "got: %s", config_loaded.err);
    }
}
END_TEST

UNIT_SUITE_WITH("config_read", config_folder_begin, config_folder_end,
                {bad_lines_are_named_and_explained}, {blank_lines_and_comments_are_passed_over},
                {include_is_relative_and_never_circular},
                {flags_win_over_the_file_wherever_they_stand},
                {a_value_that_looks_like_an_option_is_a_value}, {a_node_ends_the_words_of_a_list},
                {bad_command_lines_are_explained})
