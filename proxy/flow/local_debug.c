/* local_debug: DEBUG, where allow-admin lets it pass: about a key to its node, else to any one.
 * Nodes have a setting of their own for it (enable-debug-command). */
#include "cluster/slot.h"
#include "flow/fanout.h"
#include "flow/local_call.h"

/* Made here, as one that comes from a node might be taken for the node's own (LOADING …). The node
 * is asked for something else, to know whether DEBUG is allowed. */
static void debug_error(const struct local_call *call)
{
    char *error = local_strdup(call, 2);
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
    static const char *const keyed[] = {"object", "listpack", "quicklist", "digest-value"};
    uint16_t slot = SLOT_NONE;
    if (local_is(call, 1, "error") && local_argc(call) == 3) {
        debug_error(call);
        return;
    }
    for (size_t i = 0; i < sizeof keyed / sizeof keyed[0] && local_argc(call) > 2; i++)
        if (local_is(call, 1, keyed[i]))
            slot = slot_of_key(local_arg(call, 2), local_len(call, 2));
    fanout_one(call->c, call->cmd, slot, call->request, local_request_len(call), NULL);
}
