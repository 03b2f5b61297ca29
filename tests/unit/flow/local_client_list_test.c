/* local_client_list_test: CLIENT LIST and INFO: who is listed, and what of a client only we know.
 */
#include "flow/client.h"
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(clients_are_listed_by_their_ids)
{
    char command[100];
    unsigned long long first = flow_newest(f)->id;
    int others[] = {flow_client(f), flow_client(f), flow_client(f)};
    snprintf(command, sizeof command, "CLIENT LIST ID %llu 77 %llu %llu %llu", first + 3, first,
             first + 2, first);
    flow_send(f, c, command);
    const char *list = flow_received(c);
    for (unsigned long long i = 0; i < 4; i++) {
        char id[40];
        snprintf(id, sizeof id, "id=%llu ", first + i);
        ck_assert(!strstr(list, id) == (i == 1));
    }
    for (size_t i = 0; i < 3; i++)
        close(others[i]);
}
END_TEST

/* qbuf-free of the client that was opened last, as another one is told. */
static int free_room(void)
{
    char id[40];
    snprintf(id, sizeof id, "CLIENT LIST ID %llu", (unsigned long long)flow_newest(f)->id);
    flow_send(f, c, id);
    const char *list = flow_received(c), *at = strstr(list, " qbuf=0 qbuf-free=");
    ck_assert_msg(at != NULL, "%s", list);
    return atoi(at + strlen(" qbuf=0 qbuf-free="));
}

START_TEST(room_for_reading_is_shown_as_redis_shows_it)
{
    char large[60000];
    int other = flow_client(f);
    ck_assert_int_eq(free_room(), 0);
    flow_send(f, other, "ECHO 1");
    flow_expect(f, other, "$1\r\n1\r\n");
    ck_assert_int_eq(free_room(), 16384);
    int len = snprintf(large, sizeof large, "*2\r\n$4\r\nECHO\r\n$%d\r\n%050000d\r\n", 50000, 1);
    flow_send_raw(f, other, large, 20000);
    flow_settle(f);
    flow_send_raw(f, other, large + 20000, (size_t)len - 20000);
    flow_settle(f);
    ck_assert_int_gt(read(other, large, sizeof large), 50000);
    ck_assert_int_ge(free_room(), 50000);
    flow_send(f, other, "ECHO 1");
    flow_expect(f, other, "$1\r\n1\r\n");
    ck_assert_int_eq(free_room(), 16384);
    flow_newest(f)->active -= 3;
    ck_assert_int_eq(free_room(), 0);
    close(other);
}
END_TEST

UNIT_SUITE_WITH("local_client_list", flow_begin, flow_end, {clients_are_listed_by_their_ids},
                {room_for_reading_is_shown_as_redis_shows_it})
