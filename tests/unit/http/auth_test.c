/* auth_test: who may see the statistics page, and how often one may guess. */
#define _GNU_SOURCE
#include "http/auth.h"
#include "support/unit.h"
#include <arpa/inet.h>
#include <crypt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct auth *a;
static struct config *config;

static void setup(void)
{
    struct config_error error;
    a = auth_new();
    config = config_parse("stats-password sesame", 21, "test", &error);
    ck_assert_ptr_nonnull(config);
}

static void teardown(void)
{
    auth_free(a);
    config_unref(config);
}

static void set_password(const char *password)
{
    struct config_error error;
    struct config *next = config_set(config, "stats-password", password, &error);
    ck_assert_msg(next != NULL, "%s", error.text);
    config_unref(config);
    config = next;
}

static enum auth_result check_from(const char *ip, const char *user, const char *password,
                                   double now)
{
    struct sockaddr_storage addr = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&addr;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr;
    if (strchr(ip, ':')) {
        in6->sin6_family = AF_INET6;
        ck_assert_int_eq(inet_pton(AF_INET6, ip, &in6->sin6_addr), 1);
    } else {
        in->sin_family = AF_INET;
        ck_assert_int_eq(inet_pton(AF_INET, ip, &in->sin_addr), 1);
    }
    return auth_check(a, config, (struct sockaddr *)&addr, user, password, now);
}

START_TEST(a_plain_password)
{
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "sesame", 0), AUTH_OK);
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "sesam", 0), AUTH_WRONG);
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "sesame2", 0), AUTH_WRONG);
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "", 0), AUTH_WRONG);
    ck_assert_int_eq(check_from("10.0.0.1", "root", "sesame", 0), AUTH_WRONG);
    ck_assert_int_eq(check_from("10.0.0.1", NULL, NULL, 0), AUTH_MISSING);
    ck_assert_uint_eq(auth_refused(a), 4);
}
END_TEST

START_TEST(a_hashed_password)
{
    char salt[CRYPT_GENSALT_OUTPUT_SIZE];
    const char *const methods[] = {"$6$", "$5$", "$y$"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        struct crypt_data data = {0};
        ck_assert_ptr_nonnull(crypt_gensalt_rn(methods[i], 0, NULL, 0, salt, sizeof salt));
        set_password(crypt_r("open", salt, &data));
        for (int again = 0; again < 3; again++) {
            ck_assert_int_eq(check_from("10.0.0.1", "admin", "open", 0), AUTH_OK);
            ck_assert_int_eq(check_from("10.0.0.1", "admin", "shut", 0), AUTH_WRONG);
        }
        ck_assert_int_eq(check_from("10.0.0.2", "admin", config->stats_password, 0), AUTH_WRONG);
    }
}
END_TEST

START_TEST(a_dollar_alone_makes_no_hash)
{
    set_password("$ecret");
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "$ecret", 0), AUTH_OK);
}
END_TEST

START_TEST(a_hash_of_an_unknown_method_lets_nobody_in)
{
    set_password("$nope$x$y");
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "$nope$x$y", 0), AUTH_WRONG);
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "*0", 0), AUTH_WRONG);
}
END_TEST

START_TEST(the_default_password_serves_this_host_only)
{
    set_password("admin");
    ck_assert(auth_is_default(config));
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "admin", 0), AUTH_DEFAULT);
    ck_assert_int_eq(check_from("10.0.0.1", NULL, NULL, 0), AUTH_DEFAULT);
    ck_assert_int_eq(check_from("2001:db8::1", "admin", "admin", 0), AUTH_DEFAULT);
    ck_assert_int_eq(check_from("127.0.0.1", "admin", "admin", 0), AUTH_OK);
    ck_assert_int_eq(check_from("::1", "admin", "admin", 0), AUTH_OK);
    ck_assert_int_eq(check_from("::ffff:127.0.0.1", "admin", "admin", 0), AUTH_OK);
}
END_TEST

START_TEST(names_that_may_be_asked_for_with_the_default_password)
{
    static const char *const own[] = {
        NULL,       "",           "localhost",    "LocalHost:1947", "a.localhost", "127.0.0.1:1947",
        "10.1.2.3", "[::1]:1947", "[2001:db8::1]"};
    static const char *const others[] = {"evil.example",
                                         "evil.example:1947",
                                         "localhost.evil.example",
                                         "127.0.0.1.evil.example",
                                         "evillocalhost",
                                         "[evil]",
                                         ".localhost.",
                                         "1.2.3"};
    char name[300];
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ck_assert_msg(auth_is_own_name(own[i]), "%s", own[i] ? own[i] : "none");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!auth_is_own_name(others[i]), "%s", others[i]);
    ck_assert_int_eq(gethostname(name, 256), 0);
    strcat(name, ":1947");
    ck_assert(auth_is_own_name(name));
}
END_TEST

START_TEST(who_guesses_too_often_must_wait)
{
    for (int i = 0; i < AUTH_GUESSES; i++)
        ck_assert_int_eq(check_from("10.0.0.1", "admin", "guess", i), AUTH_WRONG);
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "sesame", 20), AUTH_LIMITED);
    ck_assert_int_eq(check_from("::ffff:10.0.0.1", "admin", "sesame", 20), AUTH_LIMITED);
    ck_assert_int_eq(check_from("10.0.0.2", "admin", "sesame", 20), AUTH_OK);
    ck_assert_int_eq(check_from("10.0.0.1", "admin", "sesame", AUTH_WINDOW), AUTH_OK);
}
END_TEST

START_TEST(one_ipv6_network_is_one_guesser)
{
    char ip[64];
    for (int i = 0; i < AUTH_GUESSES; i++) {
        snprintf(ip, sizeof ip, "2001:db8::%x", i + 1);
        ck_assert_int_eq(check_from(ip, "admin", "guess", 0), AUTH_WRONG);
    }
    ck_assert_int_eq(check_from("2001:db8::ffff", "admin", "sesame", 1), AUTH_LIMITED);
    ck_assert_int_eq(check_from("2001:db8:0:1::1", "admin", "sesame", 1), AUTH_OK);
}
END_TEST

START_TEST(many_guessers_take_no_more_memory)
{
    char ip[64];
    for (int i = 0; i < 5000; i++) {
        snprintf(ip, sizeof ip, "10.1.%d.%d", i / 250, i % 250 + 1);
        ck_assert_int_eq(check_from(ip, "admin", "guess", i / 1000.0), AUTH_WRONG);
    }
    ck_assert_int_eq(check_from("10.1.0.1", "admin", "sesame", 6), AUTH_OK);
}
END_TEST

UNIT_SUITE_WITH("auth", setup, teardown, {a_plain_password}, {a_hashed_password},
                {a_dollar_alone_makes_no_hash}, {a_hash_of_an_unknown_method_lets_nobody_in},
                {the_default_password_serves_this_host_only},
                {names_that_may_be_asked_for_with_the_default_password},
                {who_guesses_too_often_must_wait}, {one_ipv6_network_is_one_guesser},
                {many_guessers_take_no_more_memory})
