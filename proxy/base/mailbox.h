/* mailbox: calls from any thread that one loop runs in its own.
 * A lock-free stack that the receiver turns round: many senders, one receiver, order kept per
 * sender. */
#ifndef SLOTWAY_BASE_MAILBOX_H
#define SLOTWAY_BASE_MAILBOX_H

#include <ev.h>
#include <stdatomic.h>
#include <stdbool.h>

/* owner: what mailbox_init was given; arg: what mailbox_post was given. */
typedef void (*mailbox_fn)(void *owner, void *arg);

struct mail;

struct mailbox {
    _Atomic(struct mail *) head;
    struct ev_loop *loop;
    ev_async wake;
    void *owner;
};

/* Calls are run in loop, which the calling thread owns. The watcher does not keep the loop alive.
 */
void mailbox_init(struct mailbox *box, struct ev_loop *loop, void *owner);
/* Run what has been posted. True if there was anything. For when the loop does not run any more. */
bool mailbox_run(struct mailbox *box);
/* Runs what is left, then takes the watcher out of the loop. No sender may be left. */
void mailbox_destroy(struct mailbox *box);
/* Any thread. fn(owner, arg) runs in the receiver's thread at its next turn. */
void mailbox_post(struct mailbox *box, mailbox_fn fn, void *arg);

#endif
