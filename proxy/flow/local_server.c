/* local_server: the small commands of a connection and of the server: PING, HELLO, AUTH, RESET …
 * Texts are those of redis-server in cluster mode. */
#include "flow/busy.h"
#include "flow/local_call.h"
#include "flow/session.h"
#include "version.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define LOCAL_WRONGPASS "WRONGPASS invalid username-password pair or user is disabled."

void local_ping(const struct local_call *call)
{
    if (local_argc(call) > 2)
        client_reply_error(call->c, "ERR wrong number of arguments for 'ping' command");
    else if (!call->c->head && busy_is(call->c->worker)) /* else what is before it will end */
        client_reply_error(call->c, "BUSY Redis is busy running a script. You can only call SCRIPT "
                                    "KILL or SHUTDOWN NOSAVE.");
    else if (local_argc(call) == 2)
        local_bulk_reply(call->c, local_arg(call, 1), local_len(call, 1));
    else
        client_reply(call->c, "+PONG\r\n", 7);
}

void local_echo(const struct local_call *call)
{
    local_bulk_reply(call->c, local_arg(call, 1), local_len(call, 1));
}

void local_time(const struct local_call *call)
{
    struct timeval now;
    struct bufq q = {0};
    struct reply r = local_reply(call->c, &q);
    gettimeofday(&now, NULL);
    reply_array(&r, 2);
    reply_bulkf(&r, "%lld", (long long)now.tv_sec);
    reply_bulkf(&r, "%ld", (long)now.tv_usec);
    client_reply_bufq(call->c, &q);
}

void local_quit(const struct local_call *call)
{
    local_ok(call->c);
    local_end_client(call->c);
}

void local_select(const struct local_call *call)
{
    int64_t db;
    if (!local_int(call, 1, &db))
        client_reply_error(call->c, "ERR value is not an integer or out of range");
    else if (db < INT32_MIN || db > INT32_MAX)
        client_reply_error(call->c, "ERR value is out of range, value must between -2147483648 and "
                                    "2147483647");
    else if (db != 0)
        client_reply_error(call->c, "ERR SELECT is not allowed in cluster mode");
    else
        local_ok(call->c);
}

/* --- authentication --- */

/* Equal? Takes the same time wherever they differ. */
static bool local_same_secret(const char *secret, const char *given, size_t len)
{
    size_t want = strlen(secret);
    unsigned char differ = want != len;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned char)(given[i] ^ secret[want ? i % want : 0]);
    return differ == 0;
}

/* The user in args[user], the password behind it. Without requirepass the default user takes any
 * password, as in Redis. */
static bool local_authenticate(const struct local_call *call, uint32_t user)
{
    const char *secret = call->c->worker->config->requirepass;
    bool known = local_len(call, user) == 7 && memcmp(local_arg(call, user), "default", 7) == 0;
    bool same = local_same_secret(secret, local_arg(call, user + 1), local_len(call, user + 1));
    if (!known || (*secret && !same))
        return false;
    call->c->flags |= CLIENT_AUTHENTICATED;
    return true;
}

void local_auth(const struct local_call *call)
{
    struct client *c = call->c;
    const char *secret = c->worker->config->requirepass;
    bool good = false;
    if (local_argc(call) > 3) {
        client_reply_error(c, "ERR syntax error");
        return;
    }
    if (local_argc(call) == 3) {
        good = local_authenticate(call, 1);
    } else if (!*secret) {
        client_reply_error(c, "ERR AUTH <password> called without any password configured for the "
                              "default user. Are you sure your configuration is correct?");
        return;
    } else if (local_same_secret(secret, local_arg(call, 1), local_len(call, 1))) {
        c->flags |= CLIENT_AUTHENTICATED;
        good = true;
    }
    if (good)
        local_ok(c);
    else
        client_reply_error(c, LOCAL_WRONGPASS);
}

/* The options of HELLO from args[2] on. False: answered with an error. */
static bool local_hello_options(const struct local_call *call)
{
    char shown[LOCAL_SHOWN_LEN];
    uint32_t argc = local_argc(call);
    for (uint32_t i = 2; i < argc; i++) {
        uint32_t more = argc - 1 - i;
        if (local_is(call, i, "AUTH") && more >= 2) {
            if (!local_authenticate(call, i + 1)) {
                client_reply_error(call->c, LOCAL_WRONGPASS);
                return false;
            }
            i += 2;
        } else if (local_is(call, i, "SETNAME") && more >= 1) {
            if (!local_set_name(call, i + 1))
                return false;
            i++;
        } else {
            client_reply_errorf(call->c, "ERR Syntax error in HELLO option '%s'",
                                local_shown(call, i, shown));
            return false;
        }
    }
    return true;
}

/* The protocol asked for, 0: none was named, -1: answered with an error. */
static int local_hello_protocol(const struct local_call *call)
{
    int64_t protocol = 0;
    if (local_argc(call) == 1)
        return 0;
    if (!local_int(call, 1, &protocol)) {
        client_reply_error(call->c, "ERR Protocol version is not an integer or out of range");
        return -1;
    }
    if (protocol != 2 && (protocol != 3 || atoi(local_redis_version(call->c->worker)) < 6)) {
        client_reply_error(call->c, "NOPROTO unsupported protocol version");
        return -1;
    }
    return (int)protocol;
}

void local_hello(const struct local_call *call)
{
    struct client *c = call->c;
    int protocol = local_hello_protocol(call);
    if (protocol < 0 || !local_hello_options(call))
        return;
    if (!(c->flags & CLIENT_AUTHENTICATED)) {
        client_reply_error(c, "NOAUTH HELLO must be called with the client already authenticated, "
                              "otherwise the HELLO AUTH <user> <pass> option can be used to "
                              "authenticate the client and select the RESP protocol version at "
                              "the same time");
        return;
    }
    if (protocol)
        c->flags = (c->flags & ~(uint32_t)CLIENT_RESP3) | (protocol == 3 ? CLIENT_RESP3 : 0);
    struct bufq q = {0};
    struct reply r = local_reply(c, &q);
    reply_map(&r, 7);
    reply_bulk_string(&r, "server");
    reply_bulk_string(&r, "redis");
    reply_bulk_string(&r, "version");
    reply_bulk_string(&r, local_redis_version(c->worker));
    reply_bulk_string(&r, "proto");
    reply_int(&r, c->flags & CLIENT_RESP3 ? 3 : 2);
    reply_bulk_string(&r, "id");
    reply_int(&r, (int64_t)c->id);
    reply_bulk_string(&r, "mode");
    reply_bulk_string(&r, "cluster");
    reply_bulk_string(&r, "role");
    reply_bulk_string(&r, "master");
    reply_bulk_string(&r, "modules");
    reply_array(&r, 0);
    client_reply_bufq(c, &q);
    if (protocol)
        session_on_protocol(c);
}

void local_reset(const struct local_call *call)
{
    struct client *c = call->c;
    c->flags &= ~(uint32_t)(CLIENT_READONLY | CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP |
                            CLIENT_NO_EVICT | CLIENT_NO_TOUCH);
    if (*c->worker->config->requirepass)
        c->flags &= ~(uint32_t)CLIENT_AUTHENTICATED;
    session_reset(c);
    client_reply(c, "+RESET\r\n", 8);
}

/* --- modes of a connection --- */

void local_readonly(const struct local_call *call)
{
    call->c->flags |= CLIENT_READONLY;
    local_ok(call->c);
}

void local_readwrite(const struct local_call *call)
{
    call->c->flags &= ~(uint32_t)CLIENT_READONLY;
    local_ok(call->c);
}

/* For cluster-aware clients: slotway never sends anybody elsewhere, so there is nothing to ask. */
void local_asking(const struct local_call *call)
{
    local_ok(call->c);
}

/* --- LOLWUT --- */

#define LOCAL_ART_ROWS    16
#define LOCAL_ART_COLUMNS 64

/* The keyspace as a tapestry: each stitch stands for sixteen slots, each shard has its pattern. */
void local_lolwut(const struct local_call *call)
{
    static const char *const stitches[] = {"\u2591", "\u2593", "\u2592", "\u2588", "\u2571",
                                           "\u2573", "\u2572", "\u254b", "\u2592"};
    const struct worker *w = call->c->worker;
    int64_t version;
    if (local_argc(call) > 2 && local_is(call, 1, "version") && !local_int(call, 2, &version)) {
        client_reply_error(call->c, "ERR value is not an integer or out of range");
        return;
    }
    char art[LOCAL_ART_ROWS * (LOCAL_ART_COLUMNS * 3 + 1) + 128];
    size_t len = 0;
    for (uint32_t cell = 0; cell < LOCAL_ART_ROWS * LOCAL_ART_COLUMNS; cell++) {
        uint16_t node = w->slot_node[cell * (SLOT_COUNT / (LOCAL_ART_ROWS * LOCAL_ART_COLUMNS))];
        const char *stitch = node == NODE_NONE
                                 ? " "
                                 : stitches[node % (sizeof stitches / sizeof stitches[0])];
        len += (size_t)sprintf(art + len, "%s", stitch);
        if ((cell + 1) % LOCAL_ART_COLUMNS == 0)
            art[len++] = '\n';
    }
    len += (size_t)sprintf(art + len, "\n%u shards, one address. slotway %s\nRedis ver. %s\n",
                           w->nshards, SLOTWAY_VERSION, local_redis_version(w));
    local_text_reply(call->c, art, len);
}
