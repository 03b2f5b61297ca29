/* combine_script: SCRIPT EXISTS over all masters. EVAL leaves a script on one master only, but
 * slotway, which saw it pass, loads it on the others when it is needed: so it exists. */
#include "flow/combine_script.h"
#include "base/memory.h"
#include "flow/local_call.h"
#include "flow/script.h"
#include <stdlib.h>

/* Which of the digests that were asked for are known here. */
struct script_question {
    uint32_t n;
    bool known[];
};

void local_script_exists(const struct local_call *call)
{
    uint32_t n = local_argc(call) - 2;
    struct script_question *question = memory_alloc(sizeof *question + n);
    question->n = n;
    for (uint32_t i = 0; i < n; i++)
        question->known[i] = script_has(local_arg(call, i + 2), local_len(call, i + 2));
    fanout_all(call->c, call->cmd, call->request, local_request_len(call), question);
}

/* Add up, for each digest, how many masters have it. */
static bool script_count(struct worker *w, struct fanout *f, uint32_t n, uint32_t *masters)
{
    for (uint32_t i = 0; i < f->children; i++) {
        struct bufq *q = &f->replies[i].q;
        const char *data = bufq_flatten(&w->chunks, q);
        struct reply_reader reader = {data, data ? data + q->len : data};
        struct reply_value value;
        if (!reply_read(&reader, &value) || value.type != '*' || value.n != (int64_t)n)
            return false;
        for (uint32_t k = 0; k < n; k++) {
            if (!reply_read(&reader, &value) || value.type != ':')
                return false;
            masters[k] += value.n != 0;
        }
    }
    return true;
}

bool combine_script_exists(struct worker *w, struct fanout *f, struct bufq *out)
{
    const struct script_question *question = f->state;
    struct reply r = local_reply_to(w, f->parent, out);
    uint32_t *masters = memory_zalloc((question->n + 1) * sizeof *masters);
    bool good = script_count(w, f, question->n, masters);
    reply_array(&r, question->n);
    for (uint32_t i = 0; i < question->n; i++)
        reply_int(&r, masters[i] == f->children || (masters[i] > 0 && question->known[i]));
    free(masters);
    return good;
}
