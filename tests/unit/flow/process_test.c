/* process_test: what concerns every worker. */
#include "flow/process.h"
#include "support/flow.h"
#include "support/unit.h"
#include <unistd.h>

START_TEST(a_new_configuration_reaches_the_workers)
{
    struct flow *f = flow_start(NULL);
    struct config_error error;
    struct config *changed = config_set(f->config, "max-pipeline", "17", &error);
    ck_assert_ptr_nonnull(changed);
    ck_assert_uint_ne(f->w->config->max_pipeline, 17);
    process_set_config(&f->process, changed);
    flow_turn(f);
    ck_assert_uint_eq(f->w->config->max_pipeline, 17);
    flow_stop(f);
}
END_TEST

START_TEST(clients_are_counted_from_when_they_are_handed_over)
{
    struct flow *f = flow_start(NULL);
    ck_assert_uint_eq(process_clients(&f->process), 0);
    int c = flow_client(f);
    ck_assert_uint_eq(process_clients(&f->process), 1);
    close(c);
    flow_settle(f);
    ck_assert_uint_eq(process_clients(&f->process), 0);
    flow_stop(f);
}
END_TEST

UNIT_SUITE("process", {a_new_configuration_reaches_the_workers},
           {clients_are_counted_from_when_they_are_handed_over})
