/* glob_test: patterns match as in redis-server. */
#include "base/glob.h"
#include "support/unit.h"
#include <string.h>

static bool match(const char *pattern, const char *text)
{
    return glob_match(pattern, strlen(pattern), text, strlen(text));
}

static bool may_begin(const char *pattern)
{
    return glob_may_begin(pattern, strlen(pattern), "__key", 5);
}

START_TEST(patterns_match_as_in_redis)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {
        {"abc", "abc", true},   {"abc", "abd", false},
        {"abc", "ab", false},   {"ab", "abc", false},
        {"*", "abc", true},     {"*", "", false},
        {"", "", true},         {"", "a", false},
        {"a*", "a", true},      {"a**c", "abbc", true},
        {"*b*d", "abcd", true}, {"*b*e", "abcd", false},
        {"a?c", "abc", true},   {"a?", "a", false},
        {"[ab]c", "bc", true},  {"[^ab]c", "bc", false},
        {"[^ab]c", "cc", true}, {"[a-c]", "b", true},
        {"[c-a]", "b", true},   {"[a-c]", "d", false},
        {"[\\]]", "]", true},   {"[abc", "c", true},
        {"[abc", "d", false},   {"\\*", "*", true},
        {"\\*", "a", false},    {"a\\", "a\\", true},
        {"h[]i", "hi", false},  {"news.*", "news.x", true},
        {"A", "a", false},      {"*a*a*a*b", "aaaaaaaaaaaaac", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_msg(match(cases[i].pattern, cases[i].text) == cases[i].matches, "%s %s",
                      cases[i].pattern, cases[i].text);
    ck_assert(glob_match("a?c", 3, "a\0c", 3));
}
END_TEST

START_TEST(a_pattern_that_could_match_a_prefix_is_known)
{
    ck_assert(may_begin("__key"));
    ck_assert(may_begin("*"));
    ck_assert(may_begin("__*"));
    ck_assert(may_begin("?_key*"));
    ck_assert(may_begin("[_x]_key"));
    ck_assert(may_begin("\\__keyspace"));
    ck_assert(!may_begin("__kex*"));
    ck_assert(!may_begin("__ke"));
    ck_assert(!may_begin("news.*"));
    ck_assert(!may_begin(""));
}
END_TEST

UNIT_SUITE("glob", {patterns_match_as_in_redis}, {a_pattern_that_could_match_a_prefix_is_known})
