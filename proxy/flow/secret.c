/* secret: which arguments of a request hold passwords. */
#include "flow/secret.h"
#include "base/memory.h"
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef bool (*secret_fn)(const char *request, const struct resp_args *args, uint32_t i);

struct secret_rule {
    const char *command;
    secret_fn hides;
};

static bool secret_is(const char *request, const struct resp_arg *arg, const char *word)
{
    size_t len = strlen(word);
    return arg->len == len && strncasecmp(request + arg->off, word, len) == 0;
}

/* AUTH password, AUTH user password. */
static bool secret_in_auth(const char *request, const struct resp_args *args, uint32_t i)
{
    (void)request;
    (void)args;
    return i >= 1;
}

/* HELLO protocol … AUTH user password … */
static bool secret_in_hello(const char *request, const struct resp_args *args, uint32_t i)
{
    for (uint32_t k = 2; k < i; k++) {
        if (secret_is(request, &args->v[k], "setname")) {
            k++;
        } else if (secret_is(request, &args->v[k], "auth")) {
            if (i <= k + 2)
                return true;
            k += 2;
        }
    }
    return false;
}

/* MIGRATE host port key db timeout … AUTH password … AUTH2 user password … KEYS key … */
static bool secret_in_migrate(const char *request, const struct resp_args *args, uint32_t i)
{
    for (uint32_t k = 6; k < i; k++) {
        uint32_t n = secret_is(request, &args->v[k], "auth")    ? 1
                     : secret_is(request, &args->v[k], "auth2") ? 2
                                                                : 0;
        if (secret_is(request, &args->v[k], "keys"))
            return false;
        if (n && i <= k + n)
            return true;
        k += n;
    }
    return false;
}

/* Names of settings at `first`, first + 2 …: values of secret ones. Redis' own, and slotway's. */
static bool secret_setting(const char *request, const struct resp_args *args, uint32_t first,
                           uint32_t i)
{
    static const char *const names[] = {"masterauth",        "masteruser",
                                        "primaryauth",       "primaryuser",
                                        "tls-key-file-pass", "tls-client-key-file-pass"};
    if (i <= first || (i - first) % 2 == 0)
        return false;
    const struct resp_arg *name = &args->v[i - 1];
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
        if (secret_is(request, name, names[k]))
            return true;
    char *copy = memory_strndup(request + name->off, name->len);
    const struct config_directive *d = config_find(copy);
    free(copy);
    return d && config_is_secret(d);
}

/* CONFIG SET name value … */
static bool secret_in_config(const char *request, const struct resp_args *args, uint32_t i)
{
    return args->argc > 2 && secret_is(request, &args->v[1], "set") &&
           secret_setting(request, args, 2, i);
}

/* PROXY CONFIG SET name value */
static bool secret_in_proxy(const char *request, const struct resp_args *args, uint32_t i)
{
    return args->argc > 3 && secret_is(request, &args->v[2], "set") &&
           secret_setting(request, args, 3, i);
}

/* ACL SETUSER user rule … */
static bool secret_in_acl(const char *request, const struct resp_args *args, uint32_t i)
{
    return i >= 2 && secret_is(request, &args->v[1], "setuser");
}

static const struct secret_rule secret_rules[] = {
    {"acl", secret_in_acl},     {"auth", secret_in_auth},   {"config", secret_in_config},
    {"hello", secret_in_hello}, {"proxy", secret_in_proxy}, {"migrate", secret_in_migrate},
};

const struct secret_rule *secret_rule(const char *request, const struct resp_args *args)
{
    for (size_t k = 0; k < sizeof secret_rules / sizeof secret_rules[0]; k++)
        if (secret_is(request, &args->v[0], secret_rules[k].command))
            return &secret_rules[k];
    return NULL;
}

bool secret_hides(const struct secret_rule *rule, const char *request, const struct resp_args *args,
                  uint32_t i)
{
    return rule && rule->hides(request, args, i);
}
