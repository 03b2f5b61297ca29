/* pubsub_hub: the parts of a worker's hub; private to pubsub*.c and local_pubsub.c.
 *
 *   topic -- members -- clients        who gets its messages
 *     |----- subs ----- links          where slotway is subscribed to it
 *     '----- waits                     SUBSCRIBE commands that it keeps waiting
 *
 * A turn of the loop is known by its time (worker->now): what is written to a link in a turn leaves
 * at its end, after everything that came from clients in it. */
#ifndef SLOTWAY_FLOW_PUBSUB_HUB_H
#define SLOTWAY_FLOW_PUBSUB_HUB_H

#include "cluster/topology.h"
#include "flow/pubsub.h"
#include "flow/stream.h"
#include "resp/resp.h"
#include <stdatomic.h>
#include <uthash.h>

/* Where a topic has to be subscribed. */
enum pubsub_scope {
    PUBSUB_AT_HOME,
    PUBSUB_AT_MASTERS, /* and at home */
    PUBSUB_AT_OWNER,   /* of its slot */
    PUBSUB_SCOPES
};

struct pubsub_topic {
    UT_hash_handle hh;
    struct pubsub *hub;
    struct census_entry *entry;
    struct pubsub_member *first, *last; /* linked by next, prev */
    struct pubsub_sub *subs;            /* linked by topic_next */
    struct pubsub_wait *waits;          /* those that wait for this topic now: topic_next */
    struct pubsub_topic *next_idle;
    uint32_t members;
    uint32_t named;    /* commands under way that name it */
    uint32_t queued;   /* deliveries under way */
    uint64_t retry_at; /* µs: a node refused it; not tried again before */
    uint64_t serial;   /* of all topics that there were */
    uint16_t slot;     /* PUBSUB_SHARD */
    uint16_t target;   /* PUBSUB_SHARD: MOVED named this node, else NODE_NONE … */
    uint16_t moved;    /* … while the slot map said this one */
    uint8_t kind;      /* enum pubsub_kind */
    uint8_t scope;     /* enum pubsub_scope */
    bool idle;         /* on the list of those that may be freed */
    uint32_t key_len;
    char key[]; /* kind + 'a', then the name */
};

static inline const char *topic_name(const struct pubsub_topic *t)
{
    return t->key + 1;
}

static inline uint32_t topic_name_len(const struct pubsub_topic *t)
{
    return t->key_len - 1;
}

/* Must slotway be subscribed to it? */
static inline bool topic_is_wanted(const struct pubsub_topic *t)
{
    return t->members || t->named;
}

/* One client's subscription to one topic. */
struct pubsub_member {
    UT_hash_handle hh; /* by key */
    struct pubsub_member_key {
        struct client *client;
        struct pubsub_topic *topic;
    } key;
    struct pubsub_member *next, *prev;               /* the topic's */
    struct pubsub_member *client_next, *client_prev; /* the client's */
    uint64_t since;                                  /* it gets messages whose number is greater */
};

/* What a client's session holds. */
struct pubsub_client {
    struct pubsub_member *first, *last;
    uint32_t counts[PUBSUB_KINDS];
    struct pubsub_wait *wait; /* its SUBSCRIBE under way */
};

/* A SUBSCRIBE command whose topics are not all confirmed yet. */
struct pubsub_wait {
    struct pubsub_wait *next, *prev;             /* the hub's */
    struct pubsub_wait *topic_next, *topic_prev; /* of topics[at] */
    struct client *client;
    struct request *request;
    uint64_t started; /* turn in which the command came, µs */
    uint8_t kind;
    uint32_t n, at; /* topics[0 … at - 1] are confirmed */
    struct pubsub_topic *topics[];
};

/* slotway's subscription to a topic at a node. */
struct pubsub_sub {
    struct pubsub_topic *topic;
    struct pubsub_link *link;
    struct pubsub_sub *topic_next;
    struct pubsub_sub *link_next, *link_prev;
    uint64_t asked;     /* turn in which the latest SUBSCRIBE was written */
    uint64_t confirmed; /* turn of the latest that was confirmed; 0: not subscribed */
    uint32_t inflight;  /* SUBSCRIBE and UNSUBSCRIBE commands without an answer … */
    uint32_t ending;    /* … and of these UNSUBSCRIBEs */
    bool wanted;        /* the last one of them is a SUBSCRIBE */
};

/* A command under way on a link. */
enum pubsub_op_kind { PUBSUB_OP_GREET, PUBSUB_OP_PING, PUBSUB_OP_SUB, PUBSUB_OP_UNSUB };

struct pubsub_op {
    struct pubsub_op *next;
    struct pubsub_sub *sub; /* SUB, UNSUB */
    uint64_t turn;          /* in which it was written */
    enum pubsub_op_kind kind;
};

/* Shard channels have links of their own: what goes wrong with a slot's move does not touch the
 * others. */
enum pubsub_role { PUBSUB_PLAIN, PUBSUB_SHARDED };

/* A connection to a node, for subscriptions only. */
struct pubsub_link {
    struct stream stream; /* first: a stream of ops link_ops is a link */
    struct pubsub *hub;
    struct pubsub_link *next, *prev; /* the hub's, or its closed ones (next) */
    struct pubsub_sub *subs;
    struct pubsub_op *ops, *last_op; /* in the order of their answers */
    struct resp_reply_scan scan;     /* of the message that is being read … */
    size_t scanned;                  /* … of which so many bytes were seen */
    struct chunk *in;                /* the beginning of a message, NULL: none */
    size_t in_len;
    uint64_t opened, heard; /* µs */
    uint64_t idle_since;    /* µs: without subscriptions; 0: has some */
    uint32_t spare;         /* SUNSUBSCRIBEs after whose answer another one may come */
    uint16_t node;
    uint8_t role; /* enum pubsub_role */
    bool ready;
    bool useful; /* its node answered something after the handshake */
    bool pinged;
    bool closed;
};

/* A message that is handed out bit by bit. */
struct pubsub_delivery {
    struct pubsub_delivery *next;
    struct pubsub_topic *topic;
    struct chunk *chunk;
    char *data;
    size_t len;
    uint64_t number;
};

/* slotway is not subscribed any more, but may have been when a node counted. */
struct pubsub_ghost {
    struct pubsub_ghost *next;
    struct census_entry *entry;
    uint16_t node;
    uint64_t due; /* µs */
};

/* What a worker does one after the other to get from one home to the next, see pubsub_move.c. */
enum pubsub_step {
    PUBSUB_SUBSCRIBING, /* at the new one, too */
    PUBSUB_HOLDING,     /* PUBLISH, until those under way are answered */
    PUBSUB_HEARING,     /* what these have brought */
    PUBSUB_STEPS        /* done */
};

/* A message of which a home and the one before it bring a copy each. */
struct pubsub_copies {
    UT_hash_handle hh;
    uint64_t print; /* of all its bytes */
    uint32_t by_old, by_new;
    uint32_t early; /* of by_old: when the new one had not confirmed yet and may bring none */
    uint64_t heard; /* µs: when the old one brought the latest */
};

/* The latest messages of the home. */
#define PUBSUB_RECENT 1024

struct reply_value;

struct pubsub_recent {
    uint64_t print;
    uint64_t at; /* µs, 0: none */
};

/* When a node may be connected to again. */
struct pubsub_backoff {
    uint64_t retry_at; /* µs */
    uint64_t again_at; /* µs: when a link that had worked was last opened again at once */
    uint32_t failures; /* in a row */
};

struct pubsub {
    struct worker *worker;
    struct pubsub_topic *topics;   /* hash */
    struct pubsub_member *members; /* hash */
    struct pubsub_topic *idle;     /* topics that may be freed */
    struct pubsub_link *links, *dead;
    struct pubsub_wait *waits, *last_wait;
    struct pubsub_ghost *ghosts, *last_ghost;
    struct pubsub_delivery *queue, *queue_tail;
    size_t queued_bytes;
    struct pubsub_member *cursor; /* next one to get the first of the queue */
    bool begun;                   /* the cursor is that of the first of the queue */
    bool reading_paused;
    bool place_wanted;
    bool unsettled; /* something could not be placed */
    bool closing;
    uint32_t per_turn;              /* messages handed out in one turn at most */
    uint32_t budget;                /* messages that may still be handed out in this turn … */
    uint64_t budget_turn;           /* … which is that of this time */
    uint64_t number;                /* of the last message */
    uint64_t last_serial;           /* of the last topic */
    uint64_t scopes[PUBSUB_SCOPES]; /* topics that exist */
    uint16_t home;                  /* node, NODE_NONE: to be chosen */
    uint16_t leaving;               /* the home before, NODE_NONE: it is left for good */
    uint64_t leaving_since;         /* µs: the begin of this step of the move */
    enum pubsub_step step;          /* of the move */
    bool leveled;                   /* there are no early copies any more */
    /* For all workers: the home for which a worker has this step still to do, NODE_NONE: none. */
    _Atomic uint16_t due[PUBSUB_STEPS];
    uint64_t all_asked; /* turn in which the last question of this step was written; 0: not yet */
    struct pubsub_recent recent[PUBSUB_RECENT]; /* a ring … */
    uint32_t next_recent;                       /* … and where it goes on */
    struct pubsub_copies *copies;               /* hash: messages since then */
    uint64_t missing;     /* of them: which the new home should have brought, too, and has not */
    uint32_t home_choice; /* where the choice begins */
    struct pubsub_backoff backoff[TOPOLOGY_MAX_NODES];
};

/* Have pubsub_turn called at the end of this turn. */
void hub_wake(struct pubsub *hub);

/* --- pubsub_topic.c: topics and members --- */
struct pubsub_topic *topic_get(struct pubsub *hub, enum pubsub_kind kind, const char *name,
                               size_t len);
struct pubsub_topic *topic_find(struct pubsub *hub, enum pubsub_kind kind, const char *name,
                                size_t len);
/* It may have become useless: freed at the end of the turn if it is. */
void topic_check_idle(struct pubsub_topic *t);
void topic_free_idle(struct pubsub *hub);
/* Is it subscribed wherever it has to be, by SUBSCRIBEs of this turn or a later one? */
bool topic_is_ready(const struct pubsub_topic *t, uint64_t turn);
struct pubsub_member *member_find(struct client *c, struct pubsub_topic *t);
void member_add(struct client *c, struct pubsub_topic *t);
void member_remove(struct pubsub_member *m);

/* --- pubsub_place.c: where topics are subscribed --- */
/* Subscribe a topic where it has to be, and nowhere else. */
void place_topic(struct pubsub_topic *t);
void place_all(struct pubsub *hub);
/* Choose a home if there is none, or none that is fit. */
void place_find_home(struct pubsub *hub);
/* May slotway use this node? */
bool place_is_fit(const struct pubsub *hub, uint16_t node);
/* May this link be kept? Also at a master that is silent for a moment: what it does when it comes
 * back (SPUBLISH that waits there, writes with keyspace notifications) nobody else will tell. */
bool place_may_stay(const struct pubsub_link *l);
/* It is no home any more: if it is silent, what it brings later the next one has brought. */
void place_leave_unfit(struct pubsub *hub, uint16_t node);
/* Is a message on this channel from this node to be passed on, and not one that comes from the home
 * or from the slot's master as well? */
bool place_accepts(const struct pubsub_link *l, const char *channel, size_t len);
/* Is this name, or may a match of this pattern be, the channel of a keyspace notification? */
bool place_is_keyspace(enum pubsub_kind kind, const char *name, size_t len);

/* --- pubsub_move.c: from one home to the next --- */
/* hub->home is about to become `next`. If it still has subscriptions they stay for a while. */
void move_begin(struct pubsub *hub, uint16_t next);
/* Is this message to be passed on, and not one that the other of two homes brought already? */
bool move_is_news(const struct pubsub_link *l, const struct pubsub_topic *t,
                  const struct reply_value *channel, const char *data, size_t len);
/* Where PUBLISH goes. NODE_NONE: it is held for a moment. */
uint16_t move_publish_node(struct pubsub *hub);
/* Are new topics to be subscribed at the home that is being left, too? */
bool move_needs_both(const struct pubsub *hub);
/* At the end of turns and now and then: is the next step due? */
void move_check(struct pubsub *hub);
void move_end(struct pubsub *hub);

/* --- pubsub_link.c: connections --- */
struct pubsub_link *link_find(struct pubsub *hub, uint16_t node, enum pubsub_role role);
/* NULL: not possible now. */
struct pubsub_link *link_open(struct pubsub *hub, uint16_t node, enum pubsub_role role);
/* Close it; what was subscribed there is subscribed elsewhere. why: NULL: it is not needed. */
void link_fail(struct pubsub_link *l, const char *why);
/* Timeouts, pings. */
void link_check_all(struct pubsub *hub);
void link_free_dead(struct pubsub *hub);
/* Its node, for the log. */
const char *link_host(const struct pubsub_link *l);
uint16_t link_port(const struct pubsub_link *l);

/* --- pubsub_link_subs.c: commands and subscriptions on a link --- */
/* lens NULL: arguments are strings. */
void link_command(struct pubsub_link *l, enum pubsub_op_kind kind, struct pubsub_sub *sub, int argc,
                  const char *const *argv, const size_t *lens);
/* AUTH, if there is anything to be said. */
void link_greet(struct pubsub_link *l);
/* Subscribe a topic on a link that is ready, unless it is. */
void link_subscribe(struct pubsub_link *l, struct pubsub_topic *t);
void link_unsubscribe(struct pubsub_sub *sub);
/* Have all subscriptions of a topic confirmed again. */
void link_confirm_again(struct pubsub_topic *t);
struct pubsub_sub *link_sub(const struct pubsub_link *l, const struct pubsub_topic *t);
/* The node has no subscription of slotway's to it any more. */
void link_free_sub(struct pubsub_sub *sub);
/* Forget those that ended long enough before. */
void ghost_free_due(struct pubsub *hub, uint64_t now);

/* --- pubsub_link_answers.c: what nodes send --- */
/* One whole element. False: it is nothing that can come here. */
bool link_on_line(struct pubsub_link *l, const char *data, size_t len);
bool link_on_array(struct pubsub_link *l, struct chunk *chunk, char *data, size_t len);

/* --- pubsub_deliver.c: messages to clients --- */
/* One message as its node sent it (RESP2). */
void deliver_message(struct pubsub_topic *t, struct chunk *chunk, char *data, size_t len);
/* Go on with those that were too many for one turn. */
void deliver_queued(struct pubsub *hub);
void deliver_drop_all(struct pubsub *hub);

/* --- pubsub_wait.c: SUBSCRIBE commands --- */
/* A client's SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE: args[1 … argc - 1] are names. */
void wait_begin(const struct local_call *call, enum pubsub_kind kind);
/* The topic is confirmed, or may be: let those that wait for it go on. */
void wait_on_topic(struct pubsub_topic *t);
/* Something is not subscribed any more: look at all topics again. */
void wait_restart_all(struct pubsub *hub);
/* A node refused the topic for good: error line without line end. */
void wait_refuse(struct pubsub_topic *t, const char *line, size_t len);
/* The client is gone: its request is freed. */
void wait_cancel(struct pubsub_wait *wait);
void wait_check_all(struct pubsub *hub);
/* "subscribe", name (NULL: a null), count; as a push in RESP3. */
struct reply;
void wait_put_answer(struct reply *r, const char *verb, const char *name, size_t len,
                     uint32_t count);

#endif
