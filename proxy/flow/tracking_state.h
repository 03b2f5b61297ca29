/* tracking_state: what tracking*.c share: how one client tracks. Private to them. */
#ifndef SLOTWAY_FLOW_TRACKING_STATE_H
#define SLOTWAY_FLOW_TRACKING_STATE_H

#include "flow/session.h"
#include "flow/tracking.h"
#include "flow/tracking_table.h"

#define TRACKING_BCAST   (1u << 0)
#define TRACKING_OPTIN   (1u << 1)
#define TRACKING_OPTOUT  (1u << 2)
#define TRACKING_NOLOOP  (1u << 3)
#define TRACKING_CACHING (1u << 4) /* CLIENT CACHING was said for the next command */
#define TRACKING_BROKEN  (1u << 5) /* who was to be told is gone */

/* What can be switched on, as it is written in commands. */
struct tracking_option {
    const char *name;
    uint32_t option;
};
#define TRACKING_OPTIONS 4
extern const struct tracking_option tracking_options[TRACKING_OPTIONS];

struct tracking_prefix {
    const char *data;
    size_t len;
};

struct tracking {
    uint32_t options;
    uint32_t generation; /* grows with each TRACKING ON: leases of an older one are told again */
    struct tracking_target target; /* id 0: the client itself */
    struct tracking_prefix *prefixes;
    uint32_t nprefixes;
    uint64_t next_command; /* c->commands at the next command, if none fails its checks before */
    bool last_was_client;  /* the last command was CLIENT: CACHING outlives it */
    bool settled;          /* BCAST: TRACKING ON has reached all masters */
    bool owes_flush;       /* a flush that RESP2 has no words for is due in RESP3 */
    uint64_t flushed_at;   /* c->commands when all was declared invalid and nothing was under way */
    struct request *ping;  /* PING that waits until the leases have said all they know */
    uint32_t pinged;       /* leases that it still waits for */
};

static inline struct tracking *tracking_of(const struct client *c)
{
    return c->session ? c->session->tracking : NULL;
}

static inline bool tracking_is_on(const struct client *c)
{
    return c->flags & CLIENT_TRACKING;
}

/* What CLIENT TRACKING asks for. The bytes of the prefixes are in the request; or behind the
 * array, while the target is looked for. */
struct tracking_wish {
    struct tracking_target target;
    uint32_t options;
    uint32_t nprefixes;
    bool on, off; /* neither: an error, once the rest has been checked */
    struct tracking_prefix prefixes[];
};

/* The checks are done: it is on, or has other options. True: masters are being told, and the reply
 * comes when they have been. */
bool tracking_enable(struct client *c, const struct command *cmd, const struct tracking_wish *wish);

/* Tell who is to be told. body: what is invalid, as RESP3 has it. */
void tracking_tell(struct client *c, const char *body, size_t len);
/* Everything is invalid. Said once is enough until something was read again; but in BCAST mode
 * others read for the client. */
void tracking_flush(struct client *c);
/* A lease has said what it knew when PING was asked, or is gone. */
void tracking_on_pong(struct client *c, struct backend *b);
/* Leases that track no more, and listeners, close; those held for another reason stay. */
void tracking_drop_leases(struct client *c);

#endif
