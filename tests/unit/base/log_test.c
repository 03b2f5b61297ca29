/* log_test: the form of log lines, where they go, what is kept back, and that threads do not mix
 * them. */
#include "base/log.h"

#include "support/unit.h"
#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path[80];

static void set_up(void)
{
    strcpy(dir, "/tmp/slotway-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    ck_assert(log_open(path));
    log_set_level(LOG_LEVEL_DEBUG);
}

static void tear_down(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

/* The whole log; caller frees. */
static char *read_log(const char *name)
{
    FILE *file = fopen(name, "r");
    char *text = calloc(1, 1 << 20);

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_lt(fread(text, 1, 1 << 20, file), 1 << 20);
    fclose(file);
    return text;
}

static void assert_log(const char *pattern)
{
    regex_t regex;
    char *text = read_log(path);

    ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_msg(regexec(&regex, text, 0, NULL, 0) == 0, "log: %s\npattern: %s", text, pattern);
    regfree(&regex);
    free(text);
}

static unsigned count_lines(const char *with)
{
    char *text = read_log(path), *rest = text, *line;
    unsigned n = 0;

    while ((line = strsep(&rest, "\n")))
        n += strstr(line, with) != NULL;
    free(text);
    return n;
}

START_TEST(lines_look_like_those_of_redis)
{
    log_notice("hello %d", 5);
    assert_log("^[0-9]+:P [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8}\\.[0-9]{3} \\* hello 5\n$");
    log_warning("w");
    assert_log(" # w\n");
    log_verbose("v");
    assert_log(" - v\n");
    log_debug("d");
    assert_log(" \\. d\n");
}
END_TEST

START_TEST(lower_levels_are_left_out_and_not_evaluated)
{
    int evaluated = 0;

    log_set_level(LOG_LEVEL_NOTICE);
    log_verbose("%d", ++evaluated);
    ck_assert_int_eq(evaluated, 0);
    log_notice("%d", ++evaluated);
    ck_assert_uint_eq(count_lines("*"), 1);
}
END_TEST

START_TEST(a_text_cannot_forge_lines)
{
    log_notice("a\nb\x1b[31mc\rd");
    ck_assert_uint_eq(count_lines("a b?[31mc?d"), 1);
}
END_TEST

START_TEST(a_long_text_is_cut)
{
    char *text = malloc(10001);

    memset(text, 'x', 10000);
    text[10000] = '\0';
    log_notice("%s", text);
    free(text);
    log_notice("next");
    char *log = read_log(path);
    ck_assert_uint_gt(strlen(log), 4000);
    ck_assert_uint_lt(strlen(log), 5000);
    free(log);
    ck_assert_uint_eq(count_lines("* next"), 1);
}
END_TEST

START_TEST(errno_survives_logging)
{
    errno = ENOENT;
    log_notice("x");
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(reopen_follows_a_rotation)
{
    char moved[96];

    snprintf(moved, sizeof(moved), "%s.1", path);
    log_notice("before");
    ck_assert_int_eq(rename(path, moved), 0);
    log_notice("still before");
    ck_assert(log_reopen());
    log_notice("after");
    ck_assert_uint_eq(count_lines("after"), 1);
    ck_assert_uint_eq(count_lines("before"), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_changes_nothing)
{
    ck_assert(!log_open("/nonexistent/log"));
    ck_assert_int_eq(errno, ENOENT);
    log_notice("still here");
    ck_assert_uint_eq(count_lines("still here"), 1);
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
    struct stat st;
    char stream[64];
    int saved = dup(STDERR_FILENO);

    ck_assert_ptr_nonnull(freopen(path, "a", stderr));
    ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    ck_assert(log_open(""));
    log_warning("w");
    log_debug("d");
    dup2(saved, STDERR_FILENO);
    assert_log("^<4>w\n<7>d\n$");
}
END_TEST

static void log_often(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        log_limited(LOG_LEVEL_NOTICE, "often");
}

START_TEST(a_repeated_line_is_limited)
{
    log_often(1000);
    /* All in one second, or with one second's end in between. */
    ck_assert_uint_ge(count_lines("* often"), LOG_LIMIT_PER_SECOND);
    ck_assert_uint_le(count_lines("* often"), 2 * LOG_LIMIT_PER_SECOND);
}
END_TEST

START_TEST(what_was_kept_back_is_counted)
{
    struct log_limit limit = {.second = 1, .lines = 12, .kept_back = 7};

    ck_assert(log_limit_pass(&limit, LOG_LEVEL_NOTICE));
    ck_assert_uint_eq(count_lines("7 lines like the next one were kept back"), 1);
    ck_assert_uint_eq(limit.kept_back, 0);
}
END_TEST

static void *log_many(void *arg)
{
    for (int i = 0; i < 500; i++)
        log_notice("thread %s thread %s", (char *)arg, (char *)arg);
    return NULL;
}

START_TEST(threads_do_not_mix_lines)
{
    pthread_t threads[2];

    pthread_create(&threads[0], NULL, log_many, "aaaa");
    pthread_create(&threads[1], NULL, log_many, "bbbb");
    ck_assert(log_reopen());
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    ck_assert_uint_eq(count_lines("* thread aaaa thread aaaa"), 500);
    ck_assert_uint_eq(count_lines("* thread bbbb thread bbbb"), 500);
}
END_TEST

UNIT_SUITE_WITH("log", set_up, tear_down, {lines_look_like_those_of_redis},
                {lower_levels_are_left_out_and_not_evaluated}, {a_text_cannot_forge_lines},
                {a_long_text_is_cut}, {errno_survives_logging}, {reopen_follows_a_rotation},
                {a_file_that_cannot_be_opened_changes_nothing}, {the_journal_gets_priorities},
                {a_repeated_line_is_limited}, {what_was_kept_back_is_counted},
                {threads_do_not_mix_lines})
