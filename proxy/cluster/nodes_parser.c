/* nodes_parser: CLUSTER NODES text -> view.
 * <id> <ip:port@cport[,hostname[,aux=value…]]> <flags> <master> <ping> <pong> <epoch> <link>
 * <slot|first-last|[slot->-id]>… (https://redis.io/commands/cluster-nodes/) */
#include "cluster/view.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS      8 /* before the slots */
#define MAX_LINES   (4 * TOPOLOGY_MAX_NODES)
#define HOST_ROOM   256 /* of topology_node, with the final NUL */
#define MAX_RANGES  SLOT_COUNT
#define FNV_START   0xcbf29ce484222325ULL
#define FNV_PRIME   0x100000001b3ULL
#define NODE_IGNORE (1u << 31) /* flag of a line that is to be left out */
#define NODE_MYSELF (1u << 30)

struct flag_name {
    const char *name;
    uint32_t bit;
};

static const struct flag_name flag_names[] = {
    {"myself", NODE_MYSELF},     {"master", TOPOLOGY_MASTER},
    {"slave", TOPOLOGY_REPLICA}, {"replica", TOPOLOGY_REPLICA},
    {"fail?", TOPOLOGY_PFAIL},   {"fail", TOPOLOGY_FAIL},
    {"handshake", NODE_IGNORE},  {"noaddr", NODE_IGNORE},
    {"nofailover", 0},           {"noflags", 0},
};

static void digest_text(struct view *view, const char *s)
{
    do
        view->digest = (view->digest ^ (unsigned char)*s) * FNV_PRIME;
    while (*s++);
}

static void digest_number(struct view *view, uint64_t n)
{
    for (int i = 0; i < 8; i++, n >>= 8)
        view->digest = (view->digest ^ (n & 0xff)) * FNV_PRIME;
}

/* A decimal number that is all of s and at most max. */
static bool number(const char *s, uint64_t max, uint64_t *value)
{
    uint64_t n = 0;

    if (!*s)
        return false;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return false;
        if (n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(*s - '0');
    }
    *value = n;
    return n <= max;
}

static bool is_id(const char *s)
{
    size_t len = strlen(s);

    return len == TOPOLOGY_ID_LEN && strspn(s, "0123456789abcdef") == len;
}

/* ip:port@cport,hostname,aux=value. The last colon separates the port, so "::1:7000" works. */
static bool parse_address(struct view_node *node, char *s)
{
    char *comma = strchr(s, ',');
    char *end, *colon;
    uint64_t port;

    node->hostname = "";
    if (comma) {
        *comma++ = '\0';
        end = strchr(comma, ',');
        if (end)
            *end = '\0';
        if (!strchr(comma, '='))
            node->hostname = comma;
    }
    end = strchr(s, '@');
    if (end)
        *end = '\0';
    colon = strrchr(s, ':');
    if (!colon || !number(colon + 1, UINT16_MAX, &port))
        return false;
    *colon = '\0';
    node->host = strcmp(s, "?") == 0 ? "" : s;
    node->port = (uint16_t)port;
    return strlen(node->host) < HOST_ROOM && strlen(node->hostname) < HOST_ROOM;
}

static void parse_flags(struct view_node *node, char *s)
{
    char *save = NULL;

    for (char *f = strtok_r(s, ",", &save); f; f = strtok_r(NULL, ",", &save))
        for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++)
            if (strcmp(f, flag_names[i].name) == 0)
                node->flags |= flag_names[i].bit;
}

static bool add_range(struct view *view, struct view_node *node, char *s)
{
    char *dash = strchr(s, '-');
    uint64_t first, last;

    if (dash)
        *dash++ = '\0';
    if (!number(s, SLOT_COUNT - 1, &first) || !number(dash ? dash : s, SLOT_COUNT - 1, &last) ||
        last < first || view->nranges == MAX_RANGES)
        return false;
    view->ranges[view->nranges++] = (struct view_range){(uint16_t)first, (uint16_t)last};
    node->nranges++;
    view->nslots += (uint32_t)(last - first + 1);
    digest_number(view, first << 16 | last);
    return true;
}

/* "[77->-ID]": given away; "[77-<-ID]": not its owner's word. */
static void add_moving(struct view *view, char *s)
{
    char *arrow = strstr(s, "->-");
    uint64_t slot;

    if (!arrow || view->nmoving == MAX_RANGES)
        return;
    *arrow = '\0';
    if (number(s + 1, SLOT_COUNT - 1, &slot))
        view->moving[view->nmoving++] = (uint16_t)slot;
}

static bool parse_slots(struct view *view, struct view_node *node, char **save)
{
    node->first_range = view->nranges;
    for (char *s = strtok_r(NULL, " ", save); s; s = strtok_r(NULL, " ", save)) {
        if (*s == '[')
            add_moving(view, s);
        else if (!add_range(view, node, s))
            return false;
    }
    return true;
}

static bool parse_line(struct view *view, char *line)
{
    struct view_node *node = &view->nodes[view->nnodes];
    char *field[FIELDS];
    char *save = NULL;

    field[0] = strtok_r(line, " ", &save);
    for (int i = 1; i < FIELDS && field[i - 1]; i++)
        field[i] = strtok_r(NULL, " ", &save);
    for (int i = 0; i < FIELDS; i++)
        if (!field[i])
            return false;
    *node = (struct view_node){.id = field[0],
                               .master_id = strcmp(field[3], "-") == 0 ? "" : field[3],
                               .index = TOPOLOGY_NO_NODE,
                               .master = TOPOLOGY_NO_NODE};
    parse_flags(node, field[2]);
    if (node->flags & NODE_IGNORE && !(node->flags & NODE_MYSELF))
        return true;
    if (!is_id(node->id) || (*node->master_id && !is_id(node->master_id)) ||
        !parse_address(node, field[1]) || !number(field[6], UINT64_MAX, &node->epoch))
        return false;
    if (node->flags & NODE_MYSELF)
        view->myself = view->nnodes;
    node->flags &= ~(NODE_MYSELF | NODE_IGNORE);
    digest_text(view, node->id);
    digest_text(view, node->master_id);
    digest_text(view, node->host);
    digest_text(view, node->hostname);
    digest_number(view, (uint64_t)node->port << 32 | node->flags);
    digest_number(view, node->epoch);
    view->nnodes++;
    return parse_slots(view, node, &save);
}

static size_t count_lines(const char *text)
{
    size_t n = 1;

    while ((text = strchr(text, '\n'))) {
        n++;
        text++;
    }
    return n;
}

/* An upper bound of the ranges in the text: every range follows a space. */
static size_t count_words(const char *text)
{
    size_t n = 0;

    while ((text = strchr(text, ' '))) {
        n++;
        text++;
    }
    return n < MAX_RANGES ? n : MAX_RANGES;
}

static bool make_room(struct view *view, const char *text, size_t len)
{
    size_t lines, ranges;

    view->text = malloc(len + 1);
    if (!view->text)
        return false;
    memcpy(view->text, text, len);
    view->text[len] = '\0';
    lines = count_lines(view->text);
    if (lines > MAX_LINES || strlen(view->text) != len)
        return false;
    ranges = count_words(view->text);
    view->nodes = calloc(lines, sizeof(*view->nodes));
    view->ranges = calloc(ranges + 1, sizeof(*view->ranges));
    view->moving = calloc(ranges + 1, sizeof(*view->moving));
    return view->nodes && view->ranges && view->moving;
}

struct view *view_parse(const char *text, size_t len, const char **error)
{
    struct view *view = calloc(1, sizeof(*view));
    char *save = NULL;

    *error = "CLUSTER NODES is too long, or not text";
    if (!view || !make_room(view, text, len)) {
        view_free(view);
        return NULL;
    }
    *error = "malformed line in CLUSTER NODES";
    view->digest = FNV_START;
    view->myself = TOPOLOGY_NO_NODE;
    for (char *s = strtok_r(view->text, "\n", &save); s; s = strtok_r(NULL, "\n", &save))
        if (!parse_line(view, s)) {
            view_free(view);
            return NULL;
        }
    if (view->myself == TOPOLOGY_NO_NODE) {
        *error = "CLUSTER NODES without a line of its own (myself)";
        view_free(view);
        return NULL;
    }
    digest_number(view, view->myself);
    *error = NULL;
    return view;
}

void view_free(struct view *view)
{
    if (!view)
        return;
    free(view->text);
    free(view->nodes);
    free(view->ranges);
    free(view->moving);
    free(view);
}
