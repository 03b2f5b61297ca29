/* mailbox_test: calls from several threads, run in the loop's. */
#include "base/mailbox.h"
#include "support/unit.h"
#include <pthread.h>
#include <stdint.h>

#define SENDERS 4
#define CALLS   5000

static struct mailbox box;
static struct ev_loop *loop;
static pthread_t receiver;
static unsigned received, last[SENDERS];
static int owner;

static void take(void *box_owner, void *arg)
{
    uintptr_t value = (uintptr_t)arg;
    unsigned sender = (unsigned)(value / (CALLS + 1)), number = (unsigned)(value % (CALLS + 1));
    ck_assert_ptr_eq(box_owner, &owner);
    ck_assert(pthread_equal(pthread_self(), receiver));
    ck_assert_uint_eq(number, last[sender] + 1);
    last[sender] = number;
    if (++received == SENDERS * CALLS)
        ev_break(loop, EVBREAK_ALL);
}

static void *sender(void *arg)
{
    uintptr_t base = (uintptr_t)arg * (CALLS + 1);
    for (uintptr_t i = 1; i <= CALLS; i++)
        mailbox_post(&box, take, (void *)(base + i));
    return NULL;
}

START_TEST(every_call_runs_once_in_the_receivers_thread_in_its_senders_order)
{
    pthread_t threads[SENDERS];
    receiver = pthread_self();
    loop = ev_loop_new(0);
    mailbox_init(&box, loop, &owner);
    ev_ref(loop); /* a mailbox does not keep a loop alive */
    for (uintptr_t i = 0; i < SENDERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
    ev_run(loop, 0);
    ck_assert_uint_eq(received, SENDERS * CALLS);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    ev_unref(loop);
    mailbox_destroy(&box);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(what_is_left_runs_at_the_end)
{
    receiver = pthread_self();
    loop = ev_loop_new(0);
    mailbox_init(&box, loop, &owner);
    mailbox_post(&box, take, (void *)1);
    mailbox_post(&box, take, (void *)2);
    mailbox_destroy(&box);
    ck_assert_uint_eq(received, 2);
    ev_loop_destroy(loop);
}
END_TEST

START_TEST(a_mailbox_alone_lets_its_loop_end)
{
    loop = ev_loop_new(0);
    mailbox_init(&box, loop, &owner);
    ck_assert_int_eq(ev_run(loop, 0), 0);
    mailbox_destroy(&box);
    ev_loop_destroy(loop);
}
END_TEST

UNIT_SUITE("mailbox", {every_call_runs_once_in_the_receivers_thread_in_its_senders_order},
           {what_is_left_runs_at_the_end}, {a_mailbox_alone_lets_its_loop_end})
