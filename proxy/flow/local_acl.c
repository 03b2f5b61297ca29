/* local_acl: ACL as a server answers it whose only user is the default one, with all rights and the
 * password of requirepass. CAT, GENPASS and HELP are any node's business. */
#include "flow/local_call.h"
#include <openssl/sha.h>
#include <stdio.h>

#define ACL_USER "default"

/* The texts of Redis. */
#define ACL_NO_FILE                                                                                \
    "ERR This Redis instance is not configured to use an ACL file. You may want to specify users " \
    "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "      \
    "configuration file set) in order to store users in the Redis configuration."

static bool acl_is_user(const struct local_call *call, uint32_t i)
{
    return local_len(call, i) == strlen(ACL_USER) &&
           memcmp(local_arg(call, i), ACL_USER, strlen(ACL_USER)) == 0;
}

/* SHA-256 of requirepass in hexadecimal; empty without one. */
static const char *acl_password(const struct local_call *call,
                                char out[2 * SHA256_DIGEST_LENGTH + 1])
{
    const char *secret = call->c->worker->config->requirepass;
    unsigned char digest[SHA256_DIGEST_LENGTH];
    out[0] = '\0';
    if (*secret) {
        SHA256((const unsigned char *)secret, strlen(secret), digest);
        for (size_t i = 0; i < sizeof digest; i++)
            snprintf(out + 2 * i, 3, "%02x", digest[i]);
    }
    return out;
}

static void acl_whoami(const struct local_call *call)
{
    local_bulk_reply(call->c, ACL_USER, strlen(ACL_USER));
}

static void acl_users(const struct local_call *call)
{
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    reply_array(&r, 1);
    reply_bulk_string(&r, ACL_USER);
    client_reply_bufq(call->c, &q);
}

static void acl_list(const struct local_call *call)
{
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    acl_password(call, hash);
    reply_array(&r, 1);
    reply_bulkf(&r, "user " ACL_USER " on %s%s ~* &* +@all", *hash ? "#" : "nopass", hash);
    client_reply_bufq(call->c, &q);
}

static void acl_getuser(const struct local_call *call)
{
    char hash[2 * SHA256_DIGEST_LENGTH + 1];
    if (!acl_is_user(call, 2)) {
        local_null_reply(call->c);
        return;
    }
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    bool open = !*acl_password(call, hash);
    reply_map(&r, 6);
    reply_bulk_string(&r, "flags");
    reply_set(&r, open ? 2 : 1);
    reply_bulk_string(&r, "on");
    if (open)
        reply_bulk_string(&r, "nopass");
    reply_bulk_string(&r, "passwords");
    reply_array(&r, open ? 0 : 1);
    if (!open)
        reply_bulk_string(&r, hash);
    reply_bulk_string(&r, "commands");
    reply_bulk_string(&r, "+@all");
    reply_bulk_string(&r, "keys");
    reply_bulk_string(&r, "~*");
    reply_bulk_string(&r, "channels");
    reply_bulk_string(&r, "&*");
    reply_bulk_string(&r, "selectors");
    reply_array(&r, 0);
    client_reply_bufq(call->c, &q);
}

/* Nothing is logged: no user lacks a right. */
static void acl_log(const struct local_call *call)
{
    int64_t count;
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    if (local_argc(call) > 3) {
        local_wrong_sub(call);
    } else if (local_argc(call) == 3 && local_is(call, 2, "reset")) {
        local_ok(call->c);
    } else if (local_argc(call) == 3 && !local_int(call, 2, &count)) {
        client_reply_error(call->c, "ERR value is not an integer or out of range");
    } else {
        reply_array(&r, 0);
        client_reply_bufq(call->c, &q);
    }
}

static void acl_deluser(const struct local_call *call)
{
    for (uint32_t i = 2; i < local_argc(call); i++)
        if (acl_is_user(call, i)) {
            client_reply_error(call->c, "ERR The '" ACL_USER "' user cannot be removed");
            return;
        }
    local_int_reply(call->c, 0);
}

/* Without rules it changes nothing. */
static void acl_setuser(const struct local_call *call)
{
    if (acl_is_user(call, 2) && local_argc(call) == 3)
        local_ok(call->c);
    else
        client_reply_error(call->c, "ERR 'acl|setuser' is not supported by slotway yet");
}

static void acl_dryrun(const struct local_call *call)
{
    char shown[LOCAL_SHOWN_LEN], text[COMMAND_ERROR_MAX + 1];
    struct resp_args args = {.v = call->args->v + 3, .argc = local_argc(call) - 3};
    bool unknown_sub = false;
    if (!acl_is_user(call, 2)) {
        client_reply_errorf(call->c, "ERR User '%s' not found", local_shown(call, 2, shown));
        return;
    }
    const struct command *cmd = command_lookup(call->c->worker->commands, call->request, &args,
                                               &unknown_sub);
    if (!cmd || unknown_sub) {
        client_reply_errorf(call->c, "ERR Command '%s' not found", local_shown(call, 3, shown));
    } else if (!command_arity_ok(cmd, args.argc)) {
        text[command_error_arity(text, sizeof text - 1, cmd)] = '\0';
        client_reply_error(call->c, text);
    } else {
        local_ok(call->c);
    }
}

static void acl_file(const struct local_call *call)
{
    client_reply_error(call->c, ACL_NO_FILE);
}

void local_acl(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"whoami", 2, acl_whoami},    {"users", 2, acl_users},    {"list", 2, acl_list},
        {"getuser", 3, acl_getuser},  {"log", -2, acl_log},       {"deluser", -3, acl_deluser},
        {"setuser", -3, acl_setuser}, {"dryrun", -4, acl_dryrun}, {"save", 2, acl_file},
        {"load", 2, acl_file},
    };
    local_run_sub(call, subs, sizeof subs / sizeof subs[0]);
}
