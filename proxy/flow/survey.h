/* survey: what one worker holds now, for the statistics thread: it is asked once a second and
 * answers with copies, so nothing is shared.
 *
 *   statistics thread --survey_ask--> worker: fills it --mailbox--> statistics thread: done */
#ifndef SLOTWAY_FLOW_SURVEY_H
#define SLOTWAY_FLOW_SURVEY_H

#include "flow/watch.h"

#define SURVEY_CLIENTS 50 /* of each order */
#define SURVEY_SLOW    64
#define SURVEY_MOVING  64
#define SURVEY_COMMAND 208

/* A node of which this worker has a pool. */
struct survey_node {
    uint16_t index;
    uint32_t in_flight;
    uint32_t waiting;        /* requests that wait for it */
    uint64_t waiting_oldest; /* µs that the oldest has waited */
    uint32_t shared, bulk, leased;
    uint64_t bytes_in, bytes_out;
};

struct survey_client {
    uint64_t id;
    uint64_t commands;
    double rate; /* commands a second, since the last survey */
    int64_t age, idle;
    uint64_t output, input; /* bytes held */
    uint32_t in_flight, waiting;
    bool subscribed;
    const char *command; /* its last one; NULL: none */
    char address[NET_ADDRESS_LEN];
    char name[64];
    char library[64];
};

struct survey_slow {
    uint64_t id;
    int64_t at;      /* seconds since 1970 */
    uint64_t total;  /* µs */
    uint64_t inside; /* µs of it in slotway */
    uint16_t node;   /* stable index */
    char command[SURVEY_COMMAND];
    char client[NET_ADDRESS_LEN];
    char name[64];
};

struct survey {
    /* the question */
    uint32_t worker;
    uint64_t slow_known;      /* id up to which entries are known */
    bool slow_none;           /* not even the one with id 0 */
    uint64_t sightings_known; /* number up to which they are */
    struct mailbox *asker;
    mailbox_fn done; /* posted to the asker with this survey, which is its own again */

    /* the answer */
    bool answered;
    struct survey_node *nodes; /* malloc'ed */
    uint32_t nnodes;
    uint32_t clients, backends;
    uint64_t in_flight, waiting, waiting_oldest, chunk_bytes;
    uint64_t waiting_nowhere, waiting_nowhere_oldest; /* for slots that nobody owns */
    struct survey_client by_output[SURVEY_CLIENTS], by_rate[SURVEY_CLIENTS];
    uint32_t noutput, nrate;
    struct survey_slow slow[SURVEY_SLOW];
    uint32_t nslow;
    struct watch_sighting sightings[WATCH_SIGHTINGS];
    uint32_t nsightings;
    struct sketch keys_by_rate, keys_by_bytes;
    float load[WATCH_LOADS];
    uint64_t sampled;
    uint16_t moving[SURVEY_MOVING]; /* slots that are being migrated */
    uint32_t nmoving;
};

struct survey *survey_new(uint32_t worker);
void survey_free(struct survey *s); /* NULL is fine */

/* From any thread: the worker fills s. s is not to be touched until it comes back. */
void survey_ask(struct worker *w, struct survey *s);

#endif
