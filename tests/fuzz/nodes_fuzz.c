/* nodes_fuzz: any bytes as a CLUSTER NODES reply; what is accepted is consistent in itself. */
#include "cluster/view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *error = NULL;
    struct view *view = view_parse((const char *)data, size, &error);
    uint32_t ranges = 0;

    if (!view) {
        assert(error);
        return 0;
    }
    assert(view->myself < view->nnodes);
    for (uint16_t i = 0; i < view->nnodes; i++) {
        const struct view_node *node = &view->nodes[i];

        assert(strlen(node->id) == TOPOLOGY_ID_LEN && strlen(node->host) < 256);
        assert(node->first_range + node->nranges <= view->nranges);
        for (uint16_t r = 0; r < node->nranges; r++, ranges++) {
            assert(view->ranges[node->first_range + r].first <=
                   view->ranges[node->first_range + r].last);
            assert(view->ranges[node->first_range + r].last < SLOT_COUNT);
        }
    }
    assert(ranges == view->nranges);
    view_free(view);
    return 0;
}
