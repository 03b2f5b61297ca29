/* learning_test: which table of commands is in force when nodes differ. */
#include "cluster/learning.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>

#define COMMAND(name) "*1\r\n*6\r\n$4\r\n" name "\r\n:2\r\n*1\r\n+readonly\r\n:1\r\n:1\r\n:1\r\n"

static struct learning *l;
static const char *error;

static void begin(void)
{
    l = learning_new();
    ck_assert_ptr_nonnull(l);
}

static void end(void)
{
    learning_free(l);
}

static bool take(const char *software, const char *reply)
{
    return learning_take(l, software, reply, strlen(reply), &error);
}

#define choose(...) choose_of((const char *const[]){__VA_ARGS__, NULL})
static const struct command_table *choose_of(const char *const *software)
{
    size_t n = 0;
    while (software[n])
        n++;
    return learning_choose(l, software, n);
}

START_TEST(the_latest_version_that_is_known_is_in_force)
{
    ck_assert_ptr_null(choose("7.0.15"));
    ck_assert(take("7.0.9", COMMAND("nine")));
    ck_assert(take("7.0.15", COMMAND("xvth")));
    const struct command_table *latest = choose("7.0.9", "7.0.15", "7.2.4");
    ck_assert_ptr_nonnull(latest);
    ck_assert_ptr_null(choose("7.0.15", "7.0.9")); /* the same as before */
    const struct command_table *other = choose("7.0.9");
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_ne(other, latest);
}
END_TEST

/* Workers keep what they have learned of commands (counters …) as long as the table is the same. */
START_TEST(a_version_with_the_same_commands_changes_nothing)
{
    ck_assert(take("7.0.14", COMMAND("same")));
    ck_assert_ptr_nonnull(choose("7.0.14"));
    ck_assert(take("7.0.15", COMMAND("same")));
    ck_assert_ptr_null(choose("7.0.15"));
}
END_TEST

START_TEST(nonsense_is_not_asked_for_again_and_never_in_force)
{
    ck_assert(!learning_knows(l, "8.0.0"));
    ck_assert(!take("8.0.0", "*1\r\n:1\r\n"));
    ck_assert_ptr_nonnull(error);
    ck_assert(learning_knows(l, "8.0.0"));
    ck_assert(take("8.0.0", COMMAND("late"))); /* known already */
    ck_assert_ptr_null(choose("8.0.0"));
    ck_assert(take("7.0.15", COMMAND("good")));
    ck_assert_ptr_nonnull(choose("8.0.0", "7.0.15"));
}
END_TEST

/* Tables are never freed: a node that calls itself something else each time must not fill memory.
 */
START_TEST(what_is_learned_is_bounded)
{
    char software[32];
    for (int i = 0; i < 64; i++) {
        snprintf(software, sizeof software, "7.0.%d", i);
        ck_assert(!learning_knows(l, software));
        ck_assert(take(software, COMMAND("name")));
    }
    ck_assert(learning_knows(l, "9.9.9"));
    ck_assert(take("9.9.9", COMMAND("much")));
    ck_assert_ptr_null(choose("9.9.9"));
    ck_assert_ptr_nonnull(choose("9.9.9", "7.0.63"));
}
END_TEST

UNIT_SUITE_WITH("learning", begin, end, {the_latest_version_that_is_known_is_in_force},
                {a_version_with_the_same_commands_changes_nothing},
                {nonsense_is_not_asked_for_again_and_never_in_force}, {what_is_learned_is_bounded})
