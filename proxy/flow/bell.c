/* bell: waiting until a list has an element, without taking it.
 * Nothing happens at once: what changes the state of a bell sets bells_wanted, and at the end of
 * the turn bells_drive does what is to be done, so that no call comes back into itself. */
#include "flow/bell.h"
#include "base/memory.h"
#include "flow/fanout.h"
#include "flow/lease.h"
#include "flow/worker.h"
#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

/* A bell that nobody waits for keeps its connection for so long, µs: a consumer that got its
 * element comes back for the next. */
#define BELL_IDLE 3000000
/* Pause after an error before the node is asked again, µs. */
#define BELL_PAUSE 100000

struct bell {
    UT_hash_handle hh;
    struct worker *worker;
    struct fanout *fanout; /* without client; its one part waits at the node */
    struct bell_waiter *first, *last;
    uint64_t idle_since; /* µs; nobody waits for it */
    uint64_t retry_at;   /* µs */
    uint32_t len;
    uint16_t slot;
    bool rung;    /* there was an element, and nobody has found it gone since */
    bool calling; /* a waiter tries */
    char key[];
};

struct bells {
    struct bell *table;
};

/* The node's answer: an element, or an error that the waiter will find too. */
static void bell_on_reply(struct worker *w, struct fanout *f)
{
    struct bell *bell = f->state;
    if (f->failure)
        bell->retry_at = w->now + BELL_PAUSE;
    bell->rung = true;
    w->bells_wanted = true;
}

static void bell_ask(struct bell *bell)
{
    static const char format[] = "*6\r\n$6\r\nBLMOVE\r\n";
    static const char where[] = "$4\r\nLEFT\r\n$4\r\nLEFT\r\n$1\r\n0\r\n";
    char *line = memory_alloc(2 * (size_t)bell->len + 128), *p = line;
    p += sprintf(p, "%s", format);
    for (int i = 0; i < 2; i++) {
        p += sprintf(p, "$%u\r\n", bell->len);
        memcpy(p, bell->key, bell->len);
        p += bell->len;
        p += sprintf(p, "\r\n");
    }
    p += sprintf(p, "%s", where);
    fanout_ask(bell->worker, bell->fanout, 0, bell->slot,
               REQUEST_LEASE | REQUEST_BLOCKING | REQUEST_ERRAND, line, (size_t)(p - line));
    free(line);
}

static struct bell *bell_new(struct worker *w, const struct command *cmd, const char *key,
                             size_t len, uint16_t slot)
{
    struct bell *bell = memory_zalloc(sizeof *bell + len);
    bell->worker = w;
    bell->len = (uint32_t)len;
    bell->slot = slot;
    memcpy(bell->key, key, len);
    bell->fanout = fanout_begin(w, NULL, cmd, 1, NULL, bell_on_reply);
    bell->fanout->state = bell;
    HASH_ADD_KEYPTR(hh, w->bells->table, bell->key, len, bell);
    return bell;
}

static void bell_free(struct bell *bell)
{
    struct bufq nothing = {0};
    HASH_DEL(bell->worker->bells->table, bell);
    /* frees its state, which is the bell, too */
    fanout_end(bell->worker, bell->fanout, &nothing);
}

void bell_join(struct worker *w, struct bell_waiter *waiter, const struct command *cmd,
               const char *key, size_t len, uint16_t slot)
{
    struct bell *bell;
    if (!w->bells)
        w->bells = memory_zalloc(sizeof *w->bells);
    HASH_FIND(hh, w->bells->table, key, len, bell);
    if (!bell)
        bell = bell_new(w, cmd, key, len, slot);
    waiter->bell = bell;
    waiter->next = NULL;
    waiter->prev = bell->last;
    if (bell->last)
        bell->last->next = waiter;
    else
        bell->first = waiter;
    bell->last = waiter;
    w->bells_wanted = true;
}

void bell_leave(struct worker *w, struct bell_waiter *waiter)
{
    struct bell *bell = waiter->bell;
    if (!bell)
        return;
    if (waiter->prev)
        waiter->prev->next = waiter->next;
    else
        bell->first = waiter->next;
    if (waiter->next)
        waiter->next->prev = waiter->prev;
    else
        bell->last = waiter->prev;
    waiter->bell = NULL;
    bell->idle_since = w->now;
}

void bell_on_tried(struct worker *w, struct bell *bell, bool found)
{
    bell->calling = false;
    bell->rung = found;
    bell->idle_since = w->now;
    w->bells_wanted = true;
}

static void bell_drive(struct worker *w, struct bell *bell)
{
    struct bell_waiter *waiter = bell->first;
    if (!waiter || bell->calling)
        return;
    if (!bell->rung) {
        if (bell->fanout->missing == 0 && w->now >= bell->retry_at)
            bell_ask(bell);
        return;
    }
    while (waiter && waiter->busy)
        waiter = waiter->next;
    if (!waiter)
        return; /* all have something to do, and look here afterwards */
    bell->calling = true;
    waiter->ring(waiter);
}

void bells_drive(struct worker *w)
{
    struct bell *bell = NULL, *next = NULL;
    w->bells_wanted = false;
    HASH_ITER (hh, w->bells->table, bell, next) {
        bell_drive(w, bell);
    }
}

/* Nobody waits for it: its connection is closed, or its request dropped when its turn comes. */
static void bell_end(struct worker *w, struct bell *bell)
{
    struct request *child = bell->fanout->replies[0].request;
    if (child) {
        child->flags &= ~(uint32_t)REQUEST_ERRAND;
        w->drive_wanted = true;
        lease_abandon(child);
    }
    if (bell->fanout->missing == 0)
        bell_free(bell);
}

void bells_check(struct worker *w)
{
    struct bell *bell = NULL, *next = NULL;
    if (!w->bells)
        return;
    HASH_ITER (hh, w->bells->table, bell, next) {
        if (!bell->first && !bell->calling && w->now - bell->idle_since > BELL_IDLE)
            bell_end(w, bell);
        else if (bell->first && bell->fanout->missing == 0)
            w->bells_wanted = true;
    }
}

void bells_free(struct worker *w)
{
    struct bell *bell = NULL, *next = NULL;
    if (!w->bells)
        return;
    HASH_ITER (hh, w->bells->table, bell, next) {
        bell_free(bell);
    }
    free(w->bells);
    w->bells = NULL;
}
