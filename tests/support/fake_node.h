/* fake_node: a node that answers like a one-node cluster owning all slots, and misbehaves on
 * demand.
 *
 * It keeps strings, counters and lists in memory and counts what it executed, so that a test knows
 * whether a command was executed once, twice or never. A rule says what happens to commands whose
 * arguments contain a given word; anything else is answered properly. */
#ifndef SLOTWAY_TESTS_FAKE_NODE_H
#define SLOTWAY_TESTS_FAKE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fake_act {
    FAKE_ANSWER,        /* properly */
    FAKE_TEXT,          /* these bytes instead of a reply */
    FAKE_TEXT_CLOSE,    /* these bytes, then close */
    FAKE_TWICE,         /* the proper reply two times */
    FAKE_UNASKED,       /* the proper reply, and a reply nobody asked for */
    FAKE_HALF_CLOSE,    /* half of the proper reply, then close */
    FAKE_EXECUTE_CLOSE, /* execute, close without a reply */
    FAKE_CLOSE,         /* close without executing */
    FAKE_SILENCE        /* no reply, and nothing further on this connection */
};

struct fake_node;

/* Listens on a free port of 127.0.0.1; runs in a thread of its own. */
struct fake_node *fake_node_start(void);
void fake_node_stop(struct fake_node *f);
int fake_node_port(struct fake_node *f);

/* From now on, `times` commands (-1: all) that contain word are treated so. text (for FAKE_TEXT…)
 * of length len (0: strlen) is copied; "%d" in it is replaced by this node's port. */
void fake_node_rule(struct fake_node *f, const char *word, enum fake_act act, const char *text,
                    size_t len, int times);
void fake_node_clear_rules(struct fake_node *f);

/* How often a command containing word was executed / was received at all. */
int fake_node_executed(struct fake_node *f, const char *word);
int fake_node_received(struct fake_node *f, const char *word);
/* Bytes that were no valid request; must stay 0: slotway sends nothing malformed. */
int fake_node_malformed(struct fake_node *f);
/* The order in which commands containing word were executed, by their last arguments, joined by
 * spaces. The caller frees it. */
char *fake_node_order(struct fake_node *f, const char *word);

#endif
