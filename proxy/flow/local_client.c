/* local_client: CLIENT: about slotway's own clients: names, modes, PAUSE. What asks all workers is
 * in local_client_list.c and local_client_end.c. Texts are those of redis-server 7. */
#include "flow/local_client.h"
#include "flow/pause.h"
#include "flow/session.h"
#include <stdlib.h>

#define SYNTAX_ERROR "ERR syntax error"

/* As good as for ever, ms: far from where the sum with the clock could overflow. */
#define CLIENT_PAUSE_MAX (INT64_MAX / 2000)

/* --- names --- */

/* Printable ASCII without blanks. */
static bool client_text_ok(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < '!' || s[i] > '~')
            return false;
    return true;
}

/* Put a copy of argument i, or NULL if it is empty, in the place of *text. */
static void client_replace_text(const struct local_call *call, uint32_t i, char **text)
{
    free(*text);
    *text = local_len(call, i) ? local_strdup(call, i) : NULL;
}

bool local_set_name(const struct local_call *call, uint32_t i)
{
    if (!client_text_ok(local_arg(call, i), local_len(call, i))) {
        client_reply_error(call->c, "ERR Client names cannot contain spaces, newlines or special "
                                    "characters.");
        return false;
    }
    client_replace_text(call, i, &session_of(call->c)->name);
    return true;
}

static void client_setname(const struct local_call *call)
{
    if (local_set_name(call, 2))
        local_ok(call->c);
}

static void client_getname(const struct local_call *call)
{
    const struct session *session = call->c->session;
    if (session && session->name)
        local_bulk_reply(call->c, session->name, strlen(session->name));
    else
        local_null_reply(call->c);
}

static void client_setinfo(const struct local_call *call)
{
    struct session *session = session_of(call->c);
    char shown[LOCAL_SHOWN_LEN];
    bool name = local_is(call, 2, "lib-name");
    if (!name && !local_is(call, 2, "lib-ver")) {
        client_reply_errorf(call->c, "ERR Unrecognized option '%s'", local_shown(call, 2, shown));
        return;
    }
    if (!client_text_ok(local_arg(call, 3), local_len(call, 3))) {
        client_reply_errorf(call->c,
                            "ERR %s cannot contain spaces, newlines or special characters.",
                            name ? "lib-name" : "lib-ver");
        return;
    }
    client_replace_text(call, 3, name ? &session->lib_name : &session->lib_version);
    local_ok(call->c);
}

static void client_id(const struct local_call *call)
{
    local_int_reply(call->c, (int64_t)call->c->id);
}

/* --- modes --- */

static void client_reply_mode(const struct local_call *call)
{
    struct client *c = call->c;
    if (local_is(call, 2, "on")) {
        c->flags &= ~(uint32_t)(CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_SKIP_NOW);
        local_ok(c);
    } else if (local_is(call, 2, "off")) {
        c->flags |= CLIENT_REPLY_OFF;
    } else if (local_is(call, 2, "skip")) {
        if (!(c->flags & CLIENT_REPLY_OFF))
            c->flags |= CLIENT_REPLY_SKIP;
    } else {
        client_reply_error(c, SYNTAX_ERROR);
    }
}

static void client_switch(const struct local_call *call, uint32_t flag)
{
    if (local_is(call, 2, "on")) {
        call->c->flags |= flag;
        local_ok(call->c);
    } else if (local_is(call, 2, "off")) {
        call->c->flags &= ~flag;
        local_ok(call->c);
    } else {
        client_reply_error(call->c, SYNTAX_ERROR);
    }
}

static void client_no_evict(const struct local_call *call)
{
    client_switch(call, CLIENT_NO_EVICT);
}

static void client_no_touch(const struct local_call *call)
{
    client_switch(call, CLIENT_NO_TOUCH);
}

/* Workers look at the clock while anything is paused, so nobody has to be told. */
static void client_pause(const struct local_call *call)
{
    struct process *process = call->c->worker->process;
    bool all = true;
    int64_t ms;
    if (local_argc(call) > 4) {
        local_wrong_sub(call);
        return;
    }
    if (local_argc(call) == 4) {
        all = local_is(call, 3, "all");
        if (!all && !local_is(call, 3, "write")) {
            client_reply_error(call->c, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return;
        }
    }
    if (!local_int(call, 2, &ms)) {
        client_reply_error(call->c, "ERR timeout is not an integer or out of range");
    } else if (ms < 0) {
        client_reply_error(call->c, "ERR timeout is negative");
    } else {
        if (ms > CLIENT_PAUSE_MAX)
            ms = CLIENT_PAUSE_MAX;
        uint64_t now = call->c->worker->now;
        pause_start(process, now, now + (uint64_t)ms * 1000, all);
        local_ok(call->c);
    }
}

static void client_unpause(const struct local_call *call)
{
    pause_end(call->c->worker->process);
    local_ok(call->c);
}

static void client_help(const struct local_call *call)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CACHING (YES|NO)",
        "    Track the keys of the next command (OPTIN), or do not (OPTOUT).",
        "GETREDIR",
        "    Return who is told of changes: -1: tracking is off, 0: this connection.",
        "GETNAME",
        "    Return the name of this connection.",
        "ID",
        "    Return the ID of this connection.",
        "INFO",
        "    Return the line of this connection in CLIENT LIST.",
        "KILL <ip:port>",
        "    Close the connection from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close connections to which all options apply:",
        "    * ADDR (<ip:port>|<unixsocket>:0), LADDR (<ip:port>|<unixsocket>:0)",
        "    * ID <client-id>, USER <username>, TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "    * MAXAGE <seconds>: open for at least so long",
        "    * SKIPME (YES|NO): spare this connection (default: yes)",
        "LIST [TYPE (NORMAL|MASTER|REPLICA|PUBSUB) | ID <client-id> [<client-id> ...]]",
        "    Return a line for each connection of slotway's clients.",
        "UNBLOCK <client-id> [TIMEOUT|ERROR]",
        "    End the wait of a client that is blocked.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Be told when keys change that this connection has read.",
        "TRACKINGINFO",
        "    Return how this connection tracks.",
        "UNPAUSE",
        "    End the pause.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold back all commands, or those that write, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Choose whether this connection gets replies.",
        "SETNAME <name>",
        "    Give this connection a name.",
        "SETINFO (LIB-NAME|LIB-VER) <value>",
        "    Tell which client library is used.",
        "NO-EVICT (ON|OFF), NO-TOUCH (ON|OFF)",
        "    Accepted and shown in CLIENT LIST.",
        "HELP",
        "    Print this help.",
    };
    local_help(call->c, lines, sizeof lines / sizeof lines[0]);
}

void local_client(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"id", 2, client_id},
        {"info", 2, local_client_info},
        {"list", -2, local_client_list},
        {"kill", -3, local_client_kill},
        {"setname", 3, client_setname},
        {"getname", 2, client_getname},
        {"setinfo", 4, client_setinfo},
        {"reply", 3, client_reply_mode},
        {"pause", -3, client_pause},
        {"unblock", -3, local_client_unblock},
        {"unpause", 2, client_unpause},
        {"no-evict", 3, client_no_evict},
        {"no-touch", 3, client_no_touch},
        {"getredir", 2, local_getredir},
        {"tracking", -3, local_tracking},
        {"caching", 3, local_caching},
        {"trackinginfo", 2, local_trackinginfo},
        {"help", 2, client_help},
    };
    local_run_sub(call, subs, sizeof subs / sizeof subs[0]);
}
