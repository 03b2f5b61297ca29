/* local_debug: DEBUG. What tests of clients use goes to one node, which decides by its
 * enable-debug-command whether it may be; what could harm a node needs allow-admin as well. */
#include "cluster/slot.h"
#include "flow/dispatch.h"
#include "flow/fanout.h"
#include "flow/local_call.h"

static void debug_to(const struct local_call *call, uint16_t slot)
{
    fanout_one(call->c, call->cmd, slot, call->request, local_request_len(call), NULL);
}

static void debug_any(const struct local_call *call)
{
    debug_to(call, SLOT_NONE);
}

static void debug_key(const struct local_call *call)
{
    debug_to(call, slot_of_key(local_arg(call, 2), local_len(call, 2)));
}

/* Made here, as one that comes from a node might be taken for the node's own (LOADING …). The node
 * is asked for something else, to know whether DEBUG is allowed. */
static void debug_error(const struct local_call *call)
{
    char *error = local_strdup(call, 2);
    for (char *p = error; *p; p++)
        if (*p == '\r' || *p == '\n')
            *p = ' ';
    static char question[] = "*2\r\n$5\r\nDEBUG\r\n$4\r\nHELP\r\n";
    fanout_one(call->c, call->cmd, SLOT_NONE, question, sizeof question - 1, error);
}

bool local_debug_merge(struct worker *w, struct fanout *f, struct bufq *out)
{
    struct reply r = local_reply_to(w, f->parent, out);
    if (f->state)
        reply_error(&r, f->state);
    else
        bufq_splice(out, &f->replies[0].q);
    return true;
}

void local_debug(const struct local_call *call)
{
    static const struct local_sub subs[] = {
        {"help", -2, debug_any},      {"sleep", -2, debug_any},       {"protocol", -2, debug_any},
        {"error", 3, debug_error},    {"object", -3, debug_key},      {"listpack", -3, debug_key},
        {"quicklist", -3, debug_key}, {"digest-value", 3, debug_key},
    };
    for (size_t i = 0; i < sizeof subs / sizeof subs[0]; i++)
        if (local_is(call, 1, subs[i].name) &&
            (subs[i].argc < 0 ? (int)local_argc(call) >= -subs[i].argc
                              : (int)local_argc(call) == subs[i].argc)) {
            subs[i].run(call);
            return;
        }
    if (!dispatch_refuses_admin(call->c, "debug"))
        debug_any(call);
}
