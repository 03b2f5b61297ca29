/* secret_test: the arguments that MONITOR and SLOWLOG must not show are those that Redis redacts,
 * and slotway's own passwords. */
#include "flow/secret.h"
#include "support/unit.h"
#include <stdio.h>
#include <string.h>

/* Words separated by blanks, and the same with what is hidden in brackets. */
static const char *const cases[][2] = {
    {"GET auth", "GET auth"},
    {"AUTH a", "AUTH [a]"},
    {"auth default b", "auth [default] [b]"},
    {"HELLO 3", "HELLO 3"},
    {"HELLO 3 AUTH u p SETNAME n", "HELLO 3 AUTH [u] [p] SETNAME n"},
    {"HELLO 3 SETNAME auth AUTH auth auth", "HELLO 3 SETNAME auth AUTH [auth] [auth]"},
    {"HELLO 3 AUTH", "HELLO 3 AUTH"},
    {"MIGRATE h 1 auth 0 10 COPY AUTH p", "MIGRATE h 1 auth 0 10 COPY AUTH [p]"},
    {"MIGRATE h 1 k 0 10 auth2 u p KEYS auth k", "MIGRATE h 1 k 0 10 auth2 [u] [p] KEYS auth k"},
    {"CONFIG SET maxmemory 1 requirepass s", "CONFIG SET maxmemory 1 requirepass [s]"},
    {"CONFIG SET masterauth s MASTERUSER u", "CONFIG SET masterauth [s] MASTERUSER [u]"},
    {"CONFIG SET requirepass", "CONFIG SET requirepass"},
    {"CONFIG GET requirepass", "CONFIG GET requirepass"},
    {"CONFIG", "CONFIG"},
    {"PROXY CONFIG SET auth-password s", "PROXY CONFIG SET auth-password [s]"},
    {"PROXY CONFIG SET timeout 5", "PROXY CONFIG SET timeout 5"},
    {"PROXY CONFIG GET auth-password", "PROXY CONFIG GET auth-password"},
    {"PROXY", "PROXY"},
    {"ACL SETUSER u on >p", "ACL SETUSER [u] [on] [>p]"},
    {"ACL WHOAMI", "ACL WHOAMI"},
    {"ACL", "ACL"},
};

static void put_request(char *out, const char *words)
{
    char body[500] = "";
    int n = 0;
    for (const char *p = words; *p; p += strspn(p, " "), n++) {
        int len = (int)strcspn(p, " ");
        sprintf(body + strlen(body), "$%d\r\n%.*s\r\n", len, len, p);
        p += len;
    }
    sprintf(out, "*%d\r\n%s", n, body);
}

START_TEST(passwords_are_hidden)
{
    static const struct resp_limits limits = {1000, 1000, 100, 1000};
    char request[600], shown[500] = "";
    struct resp_args args;
    const char *error;
    size_t used;
    put_request(request, cases[_i][0]);
    resp_args_init(&args);
    ck_assert_int_eq(resp_scan_request(&args, request, strlen(request), &limits, &used, &error),
                     RESP_COMPLETE);
    const struct secret_rule *rule = secret_rule(request, &args);
    for (uint32_t i = 0; i < args.argc; i++)
        sprintf(shown + strlen(shown),
                secret_hides(rule, request, &args, i) ? "%s[%.*s]" : "%s%.*s", i ? " " : "",
                (int)args.v[i].len, request + args.v[i].off);
    ck_assert_str_eq(shown, cases[_i][1]);
    resp_args_free(&args);
}
END_TEST

UNIT_SUITE("secret", {passwords_are_hidden, sizeof cases / sizeof *cases})
