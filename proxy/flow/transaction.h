/* transaction: MULTI, what is queued behind it, and EXEC.
 *
 *   MULTI   +OK, here
 *   SET …   checked here, kept in `batch`; +QUEUED
 *   CLIENT… what only slotway can answer: kept in `own`; +QUEUED
 *   EXEC    "MULTI SET … EXEC" in one piece, as one request, on the shared connection of the slot's
 *           node; the replies before EXEC's are skipped (request->lead)
 *   <- [ +OK, … ]   the commands of `own` are run now, and their replies put between the others
 *
 * No connection is held: only WATCH needs one of its own (keywatch.h), and EXEC then travels on it.
 */
#ifndef SLOTWAY_FLOW_TRANSACTION_H
#define SLOTWAY_FLOW_TRANSACTION_H

#include "base/chunk.h"
#include "flow/keywatch.h"
#include "flow/request.h"
#include "resp/command.h"
#include "resp/reply.h"
#include <stdbool.h>

struct backend;
struct client;
struct worker;

/* A queued command that slotway answers itself, or that goes to all masters. */
struct exec_own {
    uint32_t at; /* its position among the queued commands */
    bool both;   /* the transaction's node has it in the batch; the other masters are asked after */
    const struct command *cmd;
    char *data; /* the request; malloc */
    size_t len;
};

/* What an EXEC needs beyond its bytes; most need nothing and have none. Owned by the transaction
 * while commands are queued, by the request of EXEC from then on. */
struct exec {
    uint32_t count; /* queued commands, own ones included */
    uint32_t nown;
    uint32_t nscripts;
    struct exec_own *own;
    unsigned char *scripts; /* digests that EVALSHAs name, 20 bytes each */
    struct bufq reply;      /* EXEC's reply until it is whole, if there are own commands */
    /* the array that is put together: transaction_reply.c */
    struct request *request;    /* the EXEC, while it is on the list of its worker … */
    struct exec *next;          /* … by this */
    struct reply_reader reader; /* what is left of the node's array */
    const char *from;           /* what has been given to the client ends there */
    uint32_t at, next_own;      /* the element that comes next, and the own command */
    uint16_t node;
    char *error;        /* the first error before EXEC's reply, as EXECABORT; NULL: none */
    size_t error_len;   /* 0: none in this attempt */
    uint64_t slow_mark; /* slowlog_next when EXEC came: what is noted from then on is younger */
    bool unopened;      /* MULTI itself was refused … */
    bool executed;      /* … and something behind it was not */
};

struct transaction {
    struct bufq batch;     /* MULTI and the commands for the node */
    struct exec *exec;     /* NULL: nothing beyond the batch */
    struct keywatch watch; /* outlives MULTI … EXEC */
    size_t bytes;          /* of all that is kept */
    uint32_t count;        /* queued commands: CLIENT LIST's multi= */
    uint32_t nbatch;       /* of these in the batch */
    uint16_t slot;         /* of all keys; SLOT_NONE: none so far */
    bool spoiled;          /* a command was refused: EXEC will be */
    bool writes;           /* may change data, or be seen by others: never sent twice */
};

/* The client's transaction, made when there is none. */
struct transaction *transaction_of(struct client *c);

/* A command of a client in MULTI that passed Redis' checks. True: queued, or refused with an error;
 * false: it is to be run now (EXEC, DISCARD, QUIT …). */
bool transaction_on_command(struct client *c, const struct command *cmd, struct chunk *chunk,
                            char *data, size_t len, const struct resp_args *args);
/* A command of a client in MULTI was refused: EXEC will answer EXECABORT. */
void transaction_spoil(struct client *c);
/* An EXEC that fails one of Redis' checks ends the transaction, with an error of its own around
 * what the check says (text: without "ERR "). */
void transaction_refuse_exec(struct client *c, const char *text);
/* Must EXEC wait for what the client has under way, and hold up what follows? */
bool transaction_is_alone(const struct client *c);
/* Does CLIENT PAUSE WRITE hold back an EXEC of this client? */
bool transaction_may_write(const struct client *c);

/* RESET, and the end of the client: forget everything. */
void transaction_reset(struct client *c);
void transaction_free(struct client *c);

/* --- EXEC under way: called by backend.c, route*.c and request.c (transaction_reply.c) --- */

/* One of the replies before EXEC's own. */
void transaction_note(struct request *r, const char *data, size_t len);
static inline void transaction_on_lead(struct request *r, const char *data, size_t len)
{
    if (r->skip <= r->lead && (*data == '-' || r->exec))
        transaction_note(r, data, len);
}
/* r was answered with the error line *data; if it is an EXEC: what it stands for, the refusal or
 * error of the command that was not queued. True: *data was replaced and lies in r's own memory. */
bool transaction_judge(struct request *r, char **data, size_t *len);
/* REQUEST_ASSEMBLED: a part of the array, and the last part; r is off the backend's FIFO. */
void transaction_on_part(struct worker *w, struct request *r, struct chunk *chunk, char *data,
                         size_t len);
void transaction_on_reply(struct worker *w, struct request *r, uint16_t node, struct chunk *chunk,
                          char *data, size_t len);
/* The same for a transaction of own commands only. */
void transaction_run_own(struct worker *w, struct request *r);
/* Is SLOWLOG RESET among its own commands? Then EXEC itself is forgotten too. */
bool transaction_forgets_slow(const struct request *r);
/* Append to q what the node behind b has to be given before r is sent to it (SCRIPT LOAD). Returns
 * how many commands. */
uint32_t transaction_prepare(struct worker *w, struct request *r, struct backend *b,
                             struct bufq *q);
/* At the end of a turn: those of w->assembling whose own commands have been answered go on. */
void transaction_resume(struct worker *w);
void transaction_free_exec(struct worker *w, struct exec *exec);

#endif
