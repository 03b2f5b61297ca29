/* mailbox: calls from any thread that one loop runs in its own.
 * Senders push on a stack with one compare-and-swap; the receiver takes all of it at once. */
#include "base/mailbox.h"
#include "base/memory.h"
#include <stddef.h>
#include <stdlib.h>

struct mail {
    struct mail *next;
    mailbox_fn fn;
    void *arg;
};

bool mailbox_run(struct mailbox *box)
{
    bool any = false;
    struct mail *stack = atomic_exchange_explicit(&box->head, NULL, memory_order_acquire);
    struct mail *order = NULL;
    while (stack) {
        struct mail *mail = stack;
        stack = mail->next;
        mail->next = order;
        order = mail;
    }
    while (order) {
        struct mail *mail = order;
        any = true;
        order = mail->next;
        mail->fn(box->owner, mail->arg);
        free(mail);
    }
    return any;
}

static void mailbox_on_wake(struct ev_loop *loop, ev_async *watcher, int events)
{
    (void)loop;
    (void)events;
    mailbox_run(watcher->data);
}

void mailbox_init(struct mailbox *box, struct ev_loop *loop, void *owner)
{
    atomic_init(&box->head, NULL);
    box->loop = loop;
    box->owner = owner;
    ev_async_init(&box->wake, mailbox_on_wake);
    box->wake.data = box;
    ev_async_start(loop, &box->wake);
    ev_unref(loop);
}

void mailbox_destroy(struct mailbox *box)
{
    mailbox_run(box);
    ev_ref(box->loop);
    ev_async_stop(box->loop, &box->wake);
}

void mailbox_post(struct mailbox *box, mailbox_fn fn, void *arg)
{
    struct mail *mail = memory_alloc(sizeof *mail);
    mail->fn = fn;
    mail->arg = arg;
    mail->next = atomic_load_explicit(&box->head, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&box->head, &mail->next, mail,
                                                  memory_order_release, memory_order_relaxed))
        ;
    ev_async_send(box->loop, &box->wake);
}
