/* local_client: what the subcommands of CLIENT share. Private to local_client*.c. */
#ifndef SLOTWAY_FLOW_LOCAL_CLIENT_H
#define SLOTWAY_FLOW_LOCAL_CLIENT_H

#include "flow/local_call.h"

/* The types of clients that Redis knows. */
enum client_type { CLIENT_TYPE_ANY, CLIENT_TYPE_NORMAL, CLIENT_TYPE_PUBSUB, CLIENT_TYPE_NONE };

bool client_is_of_type(const struct client *c, enum client_type type);
/* The type that argument i names; slotway has no clients of some. False: Redis knows none such. */
bool client_parse_type(const struct local_call *call, uint32_t i, enum client_type *type);

/* local_client_list.c */
void local_client_info(const struct local_call *call);
void local_client_list(const struct local_call *call);
/* local_client_end.c */
void local_client_kill(const struct local_call *call);
void local_client_unblock(const struct local_call *call);

#endif
