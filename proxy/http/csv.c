/* csv: HAProxy's table of statistics. Names, order and meaning of the columns are those of its
 * management guide, section 9.1; what slotway has no figure for stays empty. */
#include "http/csv.h"
#include "base/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const csv_columns[] = {
    "pxname",
    "svname",
    "qcur",
    "qmax",
    "scur",
    "smax",
    "slim",
    "stot",
    "bin",
    "bout",
    "dreq",
    "dresp",
    "ereq",
    "econ",
    "eresp",
    "wretr",
    "wredis",
    "status",
    "weight",
    "act",
    "bck",
    "chkfail",
    "chkdown",
    "lastchg",
    "downtime",
    "qlimit",
    "pid",
    "iid",
    "sid",
    "throttle",
    "lbtot",
    "tracked",
    "type",
    "rate",
    "rate_lim",
    "rate_max",
    "check_status",
    "check_code",
    "check_duration",
    "hrsp_1xx",
    "hrsp_2xx",
    "hrsp_3xx",
    "hrsp_4xx",
    "hrsp_5xx",
    "hrsp_other",
    "hanafail",
    "req_rate",
    "req_rate_max",
    "req_tot",
    "cli_abrt",
    "srv_abrt",
    "comp_in",
    "comp_out",
    "comp_byp",
    "comp_rsp",
    "lastsess",
    "last_chk",
    "last_agt",
    "qtime",
    "ctime",
    "rtime",
    "ttime",
    "agent_status",
    "agent_code",
    "agent_duration",
    "check_desc",
    "agent_desc",
    "check_rise",
    "check_fall",
    "check_health",
    "agent_rise",
    "agent_fall",
    "agent_health",
    "addr",
    "cookie",
    "mode",
    "algo",
    "conn_rate",
    "conn_rate_max",
    "conn_tot",
    "intercepted",
    "dcon",
    "dses",
    "wrew",
    "connect",
    "reuse",
    "cache_lookups",
    "cache_hits",
    "srv_icur",
    "src_ilim",
    "qtime_max",
    "ctime_max",
    "rtime_max",
    "ttime_max",
    "eint",
    "idle_conn_cur",
    "safe_conn_cur",
    "used_conn_cur",
    "need_conn_est",
    "uweight",
    "agg_server_status",
    "agg_server_check_status",
    "agg_check_status",
};

#define CSV_COLUMNS (sizeof csv_columns / sizeof csv_columns[0])
#define CSV_CELL    300

enum { CSV_FRONTEND, CSV_BACKEND, CSV_SERVER };

struct csv_row {
    char cells[CSV_COLUMNS][CSV_CELL];
};

static char *csv_cell(struct csv_row *row, const char *column)
{
    for (size_t i = 0; i < CSV_COLUMNS; i++)
        if (strcmp(csv_columns[i], column) == 0)
            return row->cells[i];
    return NULL;
}

static void csv_text(struct csv_row *row, const char *column, const char *text)
{
    char *cell = csv_cell(row, column);
    if (cell)
        snprintf(cell, CSV_CELL, "%s", text);
}

/* Whole numbers; an unknown one leaves the cell empty. */
static void csv_number(struct csv_row *row, const char *column, double value)
{
    char *cell = csv_cell(row, column);
    if (cell && value > STATS_UNKNOWN)
        snprintf(cell, CSV_CELL, "%.0f", value);
}

static void csv_start(struct csv_row *row, const char *service, int type)
{
    memset(row, 0, sizeof *row);
    csv_text(row, "pxname", "slotway");
    csv_text(row, "svname", service);
    csv_number(row, "type", type);
    csv_number(row, "pid", 1); /* HAProxy's own number of the process, from 1 */
    csv_number(row, "iid", type == CSV_FRONTEND ? 1 : 2);
    csv_number(row, "sid", 0);
    csv_text(row, "mode", "tcp");
}

static void csv_end(const struct csv_row *row, struct gather_part *out)
{
    for (size_t i = 0; i < CSV_COLUMNS; i++) {
        const char *cell = row->cells[i];
        bool quoted = strpbrk(cell, ",\"\n") != NULL;
        gather_printf(out, quoted ? "\"%.*s\"," : "%.*s,", (int)strcspn(cell, "\"\n"), cell);
    }
    gather_append(out, "\n", 1);
}

static double csv_peak(const struct stats *s, unsigned which)
{
    double peak = s->now[which];
    const struct history_ring *rings[] = {&s->history.second, &s->history.minute};
    for (size_t r = 0; r < 2; r++)
        for (uint32_t i = 0; i < rings[r]->n; i++)
            peak = fmax(peak, (double)history_at(rings[r], i, which));
    return peak;
}

static void csv_frontend(const struct stats *s, struct gather_part *out)
{
    struct csv_row row;
    csv_start(&row, "FRONTEND", CSV_FRONTEND);
    csv_number(&row, "scur", s->now[NOW_clients]);
    csv_number(&row, "smax", csv_peak(s, NOW_clients));
    csv_number(&row, "slim", s->config->maxclients);
    csv_number(&row, "stot", (double)s->counters[COUNTER_clients_accepted]);
    csv_number(&row, "conn_tot", (double)s->counters[COUNTER_clients_accepted]);
    csv_number(&row, "bin", (double)s->counters[COUNTER_bytes_in]);
    csv_number(&row, "bout", (double)s->counters[COUNTER_bytes_out]);
    csv_number(&row, "dcon", (double)s->totals[TOTAL_clients_rejected]);
    csv_number(&row, "ereq", (double)s->counters[COUNTER_clients_closed_protocol]);
    csv_number(&row, "req_rate", s->now[NOW_requests_rate]);
    csv_number(&row, "req_rate_max", csv_peak(s, NOW_requests_rate));
    csv_number(&row, "req_tot", (double)s->counters[COUNTER_commands]);
    csv_text(&row, "status", s->draining ? "STOP" : "OPEN");
    csv_end(&row, out);
}

static const char *csv_status(const struct stats_node *node)
{
    switch (node->state) {
    case STATS_DOWN:
        return "DOWN";
    case STATS_GOING_DOWN:
        return "UP 1/3";
    case STATS_DRAIN:
        return "DRAIN";
    case STATS_LOADING:
        return "NOLB";
    default:
        return "UP";
    }
}

/* Seconds in the state that it has now. */
static double csv_changed(const struct stats *s, const struct stats_node *node)
{
    return s->time - (node->state_since > 0 ? node->state_since : s->started);
}

static void csv_latency(struct csv_row *row, const struct stats_latency *latency)
{
    if (latency->p50 < 0)
        return;
    csv_number(row, "rtime", latency->p50 / 1e3);
    csv_number(row, "ttime", latency->p50 / 1e3);
    csv_number(row, "rtime_max", latency->p999 / 1e3);
    csv_number(row, "ttime_max", latency->p999 / 1e3);
}

static void csv_server(const struct stats *s, const struct stats_node *node, uint32_t number,
                       struct gather_part *out)
{
    struct csv_row row;
    csv_start(&row, node->address, CSV_SERVER);
    csv_number(&row, "sid", number);
    csv_number(&row, "qcur", node->v[NODE_waiting]);
    csv_number(&row, "scur", node->v[NODE_in_flight]);
    csv_number(&row, "stot", node->v[NODE_requests]);
    csv_number(&row, "lbtot", node->v[NODE_requests]);
    csv_number(&row, "rate", node->requests_rate);
    csv_number(&row, "req_tot", node->v[NODE_requests]);
    csv_number(&row, "bin", (double)node->count[WATCH_bytes_out]);
    csv_number(&row, "bout", (double)node->count[WATCH_bytes_in]);
    csv_number(&row, "econ", (double)node->count[WATCH_failed]);
    csv_number(&row, "eresp", (double)(node->count[WATCH_lost] + node->count[WATCH_replied]));
    csv_number(&row, "wredis", (double)node->count[WATCH_redirects]);
    csv_number(&row, "wretr", (double)node->count[WATCH_refused]);
    csv_number(&row, "weight", node->v[NODE_slots]);
    csv_number(&row, "act", node->is_master);
    csv_number(&row, "bck", !node->is_master);
    csv_number(&row, "lastchg", csv_changed(s, node));
    csv_number(&row, "check_duration", node->v[NODE_probe_ms]);
    csv_number(&row, "connect", (double)node->count[WATCH_opened]);
    csv_number(&row, "used_conn_cur",
               node->v[NODE_connections_shared] + node->v[NODE_connections_bulk] +
                   node->v[NODE_connections_leased]);
    csv_text(&row, "status", csv_status(node));
    csv_text(&row, "addr", node->address);
    csv_latency(&row, &node->latency);
    csv_end(&row, out);
}

static void csv_backend(const struct stats *s, struct gather_part *out)
{
    struct csv_row row;
    double masters = 0, replicas = 0, in_flight = 0, covered = 0, changed = s->time - s->started;
    for (uint32_t i = 0; i < s->nnodes; i++) {
        const struct stats_node *node = &s->nodes[i];
        bool up = node->v[NODE_up] > 0;
        masters += node->is_master && up;
        replicas += !node->is_master && up;
        covered += up ? node->v[NODE_slots] : 0;
        in_flight += node->v[NODE_in_flight];
        changed = fmin(changed, csv_changed(s, node));
    }
    csv_start(&row, "BACKEND", CSV_BACKEND);
    csv_number(&row, "qcur", s->now[NOW_waiting]);
    csv_number(&row, "qmax", csv_peak(s, NOW_waiting));
    csv_number(&row, "qlimit", s->config->max_waiting_requests);
    csv_number(&row, "scur", in_flight);
    csv_number(&row, "stot", (double)s->counters[COUNTER_requests_forwarded]);
    csv_number(&row, "lbtot", (double)s->counters[COUNTER_requests_forwarded]);
    csv_number(&row, "bin", (double)s->counters[COUNTER_node_bytes_out]);
    csv_number(&row, "bout", (double)s->counters[COUNTER_node_bytes_in]);
    csv_number(&row, "econ", (double)s->counters[COUNTER_backends_failed]);
    csv_number(&row, "eresp", (double)s->counters[COUNTER_errors]);
    csv_number(&row, "wretr", (double)s->counters[COUNTER_retried]);
    csv_number(&row, "wredis",
               (double)(s->counters[COUNTER_redirects_moved] + s->counters[COUNTER_redirects_ask]));
    csv_number(&row, "rate", s->now[NOW_forwarded_rate]);
    csv_number(&row, "rate_max", csv_peak(s, NOW_forwarded_rate));
    csv_number(&row, "weight", covered);
    csv_number(&row, "act", masters);
    csv_number(&row, "bck", replicas);
    csv_number(&row, "lastchg", changed);
    csv_number(&row, "connect", (double)s->counters[COUNTER_backends_opened]);
    csv_text(&row, "status", covered > 0 ? "UP" : "DOWN");
    csv_text(&row, "algo", "hash");
    csv_end(&row, out);
}

void csv_write(const struct stats *s, struct gather_part *out)
{
    gather_append(out, "# ", 2);
    for (size_t i = 0; i < CSV_COLUMNS; i++)
        gather_printf(out, "%s,", csv_columns[i]);
    gather_append(out, "\n", 1);
    csv_frontend(s, out);
    const struct stats_node **nodes = memory_alloc((s->nnodes + 1) * sizeof *nodes);
    uint32_t n = stats_by_address(s, nodes);
    for (uint32_t i = 0; i < n; i++)
        csv_server(s, nodes[i], i + 1, out);
    free(nodes);
    csv_backend(s, out);
}
