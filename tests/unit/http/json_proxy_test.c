/* json_proxy_test: slotway itself as JSON: workers, the process, actions, the configuration. */
#include "http/json_part.h"
#include "support/json_unit.h"
#include "support/stats_unit.h"
#include "version.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static json_t *made;

static void make(json_t *(*part)(const struct stats *s))
{
    json_decref(made);
    made = part(s);
}

static void set_up(void)
{
    s = world_new(3, "stats-password sesame\nmaxclients 77\nmax-waiting-requests 88\nport 4321\n");
    world_tick(s);
}

static void tear_down(void)
{
    json_decref(made);
    stats_end();
}

START_TEST(the_process)
{
    char text[64];
    s->time = s->started + 90;
    s->descriptors = 11;
    s->descriptors_limit = 1024;
    s->commands_known = 370;
    s->http_connections = 3;
    s->http_streams = 2;
    s->totals[TOTAL_http_requests] = 1000;
    s->totals[TOTAL_http_refused] = 4;
    s->now[NOW_clients] = 5;
    s->now[NOW_memory_bytes] = STATS_UNKNOWN;
    snprintf(s->id, sizeof s->id, "abc");
    make(json_proxy);
    static const struct {
        const char *path, *text;
    } want[] = {
        {"version", "\"" SLOTWAY_VERSION "\""},
        {"id", "\"abc\""},
        {"uptime_s", "90"},
        {"started", "1000000"},
        {"state", "\"running\""},
        {"threads", "2"},
        {"memory_bytes", "null"},
        {"descriptors", "11"},
        {"descriptors_limit", "1024"},
        {"clients", "5"},
        {"clients_limit", "77"},
        {"waiting_limit", "88"},
        {"port", "4321"},
        {"commands_known", "370"},
        {"default_password", "false"},
        {"http", "{\"connections\": 3, \"refused\": 4, \"requests\": 1000, \"streams\": 2}"},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        json_shows(made, want[i].path, want[i].text);
    snprintf(text, sizeof text, "%d", (int)getpid());
    json_shows(made, "pid", text);
}
END_TEST

START_TEST(states_of_the_process)
{
    s->draining = true;
    make(json_proxy);
    json_shows(made, "state", "\"draining\"");
    topology_unref(s->topology);
    s->topology = NULL;
    make(json_proxy);
    json_shows(made, "state", "\"draining\"");
    s->draining = false;
    make(json_proxy);
    json_shows(made, "state", "\"starting\"");
}
END_TEST

START_TEST(the_default_password_is_told)
{
    world_free(s);
    s = world_new(3, "");
    make(json_proxy);
    json_shows(made, "default_password", "true");
}
END_TEST

START_TEST(workers)
{
    for (unsigned i = 0; i < WORKER_COUNT; i++)
        s->workers[1].v[i] = i + 1;
    make(json_workers);
    ck_assert_uint_eq(json_array_size(made), 2);
    json_shows(made, "0.id", "0");
    json_shows(made, "1.id", "1");
    for (unsigned i = 0; i < WORKER_COUNT; i++) {
        char path[64], text[16];
        snprintf(path, sizeof path, "1.%s", figures_worker[i].name);
        snprintf(text, sizeof text, "%u", i + 1);
        json_shows(made, path, text);
    }
}
END_TEST

START_TEST(actions_need_a_token)
{
    make(json_actions);
    json_shows(made, "", "{\"allowed\": false, \"token\": null}");
    strcpy(s->token, "0123abcd");
    make(json_actions);
    json_shows(made, "", "{\"allowed\": true, \"token\": \"0123abcd\"}");
}
END_TEST

/* The member of the list that is about this directive. */
static const json_t *directive(const char *name)
{
    size_t i;
    json_t *o;
    json_array_foreach(made, i, o)
    {
        if (strcmp(json_string_value(json_object_get(o, "name")), name) == 0)
            return o;
    }
    ck_abort_msg("there is no %s", name);
    return NULL;
}

START_TEST(the_configuration_without_passwords)
{
    make(json_config);
    ck_assert_uint_eq(json_array_size(made), config_count());
    json_shows(directive("maxclients"), "value", "\"77\"");
    json_shows(directive("maxclients"), "source", "\"test:2\"");
    json_shows(directive("maxclients"), "runtime", "true");
    json_shows(directive("maxclients"), "section", "\"Limits\"");
    json_shows(directive("threads"), "runtime", "false");
    json_shows(directive("max-pipeline"), "source", "\"default\"");
    json_shows(directive("stats-password"), "value", "\"********\"");
    json_shows(directive("requirepass"), "value", "\"\""); /* there is none: that may be told */
    char *all = json_dumps(made, 0);
    ck_assert_ptr_null(strstr(all, "sesame"));
    free(all);
}
END_TEST

UNIT_SUITE_WITH("json_proxy", set_up, tear_down, {the_process}, {states_of_the_process},
                {the_default_password_is_told}, {workers}, {actions_need_a_token},
                {the_configuration_without_passwords})
