/* worker_test: a worker in its own thread: what the main thread hands over, and its end. */
#include "base/memory.h"
#include "flow/worker.h"
#include "support/testing.h"
#include "support/unit.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct process process;
static struct worker *workers[1];
static struct config *config;
static struct ev_loop *loop;
static unsigned drained, ended;

static void on_worker_drained(void *owner, void *arg)
{
    ck_assert_ptr_eq(owner, &process);
    ck_assert_ptr_eq(arg, workers[0]);
    drained++;
    worker_stop(workers[0]);
}

static void on_worker_end(void *owner, void *arg)
{
    ck_assert_ptr_eq(owner, &process);
    ck_assert_ptr_eq(arg, workers[0]);
    ended++;
    ev_break(loop, EVBREAK_ALL);
}

static void begin(void)
{
    loop = ev_loop_new(0);
    config = config_default();
    memset(&process, 0, sizeof process);
    process.config = config;
    process.workers = workers;
    process.on_worker_drained = on_worker_drained;
    process.on_worker_end = on_worker_end;
    mailbox_init(&process.mailbox, loop, &process);
    workers[0] = worker_new(&process, 0, config, command_builtin());
    process.nworkers = 1;
    worker_start(workers[0]);
}

static void drain_and_free(double seconds)
{
    worker_drain(workers[0], seconds);
    ev_ref(loop);
    ev_run(loop, 0);
    ck_assert_uint_eq(drained, 1);
    ck_assert_uint_eq(ended, 1);
    worker_wait(workers[0]);
    worker_free(workers[0]);
    mailbox_destroy(&process.mailbox);
    config_unref(config);
    ev_loop_destroy(loop);
}

static int client(void)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    worker_give_client(workers[0], pair[0], true);
    return pair[1];
}

static void ping(int fd)
{
    char got[8] = "";
    ck_assert_int_eq(write(fd, "PING\r\n", 6), 6);
    ck_assert_int_eq(read(fd, got, 7), 7);
    ck_assert_str_eq(got, "+PONG\r\n");
}

static bool has_no_load(void *arg)
{
    (void)arg;
    return atomic_load(&workers[0]->load) == 0;
}

START_TEST(a_client_that_was_handed_over_is_served)
{
    int fd = client();
    ping(fd);
    ck_assert_uint_eq(atomic_load(&workers[0]->load), 1);
    close(fd);
    ck_assert(wait_until(has_no_load, NULL, 5000));
    drain_and_free(1);
}
END_TEST

START_TEST(a_new_configuration_is_in_force_for_new_requests)
{
    struct config_error error;
    struct config *changed = config_set(config, "requirepass", "secret", &error);
    ck_assert_ptr_nonnull(changed);
    worker_give_config(workers[0], changed);
    config_unref(changed);
    int fd = client();
    char got[64] = "";
    ck_assert_int_eq(write(fd, "PING\r\n", 6), 6);
    ck_assert_int_gt(read(fd, got, sizeof got - 1), 0);
    ck_assert_str_eq(got, "-NOAUTH Authentication required.\r\n");
    close(fd);
    drain_and_free(1);
}
END_TEST

START_TEST(draining_closes_idle_clients_and_ends)
{
    int fds[3];
    char got[8];
    for (int i = 0; i < 3; i++) {
        fds[i] = client();
        ping(fds[i]);
    }
    int64_t before = now_ms();
    drain_and_free(60);
    ck_assert_int_lt(now_ms() - before, 30000);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(read(fds[i], got, sizeof got), 0);
        close(fds[i]);
    }
}
END_TEST

START_TEST(draining_waits_for_requests_and_no_longer_than_it_may)
{
    int fd = client();
    char got[8];
    ping(fd);
    ck_assert_int_eq(write(fd, "GET waits-for-a-node\r\n", 22), 22);
    drain_and_free(0.3);
    ssize_t n = read(fd, got, sizeof got);
    ck_assert_int_le(n, 0);
    close(fd);
}
END_TEST

START_TEST(topologies_in_a_row_are_taken_over_and_given_back)
{
    struct topology *t = topology_new(0);
    for (int i = 0; i < 100; i++)
        worker_give_topology(workers[0], t);
    topology_unref(t);
    int fd = client();
    ping(fd);
    close(fd);
    drain_and_free(1);
}
END_TEST

UNIT_SUITE_WITH("worker", begin, NULL, {a_client_that_was_handed_over_is_served},
                {a_new_configuration_is_in_force_for_new_requests},
                {draining_closes_idle_clients_and_ends},
                {draining_waits_for_requests_and_no_longer_than_it_may},
                {topologies_in_a_row_are_taken_over_and_given_back})
