/* action: what an operator may do on the statistics page with stats-admin yes. */
#ifndef SLOTWAY_HTTP_ACTION_H
#define SLOTWAY_HTTP_ACTION_H

#include "http/exchange.h"

void action_refresh(struct exchange *x);
void action_drain(struct exchange *x);
void action_resume(struct exchange *x);
void action_close_client(struct exchange *x);

#endif
