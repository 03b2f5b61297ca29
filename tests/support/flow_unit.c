/* flow_unit: what most tests of tests/unit/flow begin with, a worker and one client of it, and what
 * they do again and again. */
#include "support/flow_unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct flow *f;
int c;

void flow_begin_with(const char *config)
{
    f = flow_start(config);
    c = flow_client(f);
}

void flow_begin(void)
{
    flow_begin_with(NULL);
}

void flow_end(void)
{
    if (c >= 0)
        close(c);
    flow_stop(f);
}

void flow_again(const char *config)
{
    flow_end();
    flow_begin_with(config);
}

void flow_open_window(void)
{
    for (int i = 0; i < 12; i++) {
        flow_send(f, c, "GET b", "SET b 1");
        flow_node_serves(f, NODE_A, "GET b", "+x\r\n");
        flow_node_serves(f, NODE_A, "SET b 1", "+OK\r\n");
        flow_expect(f, c, "+x\r\n+OK\r\n");
    }
}

void flow_begin_wide(void)
{
    flow_begin();
    flow_open_window();
}

void flow_again_wide(const char *config)
{
    flow_again(config);
    flow_open_window();
}

void flow_hello(int client, int protocol)
{
    flow_send(f, client, protocol == 3 ? "HELLO 3" : "HELLO 2");
    flow_received(client);
}

void flow_ask_all(int client, const struct flow_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        flow_send(f, client, cases[i].line);
        flow_expect(f, client, cases[i].reply);
        for (int node = 0; node < FLOW_NODES; node++) {
            const char *got = flow_node_takes(f, (enum flow_node)node);
            ck_assert_msg(!got, "\"%s\" brought \"%s\" to a node", cases[i].line, got);
        }
    }
}

const char *flow_received(int client)
{
    static char got[32768];
    flow_settle(f);
    ssize_t n = recv(client, got, sizeof got - 1, 0);
    ck_assert_msg(n > 0, "the client got nothing");
    got[n] = '\0';
    return got;
}

void flow_has_all(const char *text, const char *const *words)
{
    for (; *words; words++)
        ck_assert_msg(strstr(text, *words), "no \"%s\" in \"%s\"", *words, text);
}

enum flow_node flow_any_gets(const char *command)
{
    const char *got = NULL;
    int node = NODE_A;
    flow_settle(f);
    while (node < REPLICA_A && !(got = flow_node_takes(f, (enum flow_node)node)))
        node++;
    ck_assert_msg(got != NULL, "no master got \"%s\"", command);
    ck_assert_str_eq(got, command);
    return (enum flow_node)node;
}

void flow_lease_opens(enum flow_node node, const char *id)
{
    char reply[32];
    snprintf(reply, sizeof reply, ":%s\r\n", id);
    flow_node_serves(f, node, "CLIENT ID", reply);
}

double flow_node_gets_timed(enum flow_node node, const char *command)
{
    const char *got = flow_node_command(f, node, command);
    ck_assert_msg(strncmp(got, command, strlen(command)) == 0, "got \"%s\"", got);
    char *rest;
    double value = strtod(got + strlen(command), &rest);
    ck_assert_msg(rest > got + strlen(command), "no timeout in \"%s\"", got);
    return value;
}

void flow_waits_at_bells(int client, struct flow_link *bells[2])
{
    flow_send(f, client, "BLPOP b c 0");
    flow_node_serves(f, NODE_A, "LPOP b", "$-1\r\n");
    flow_node_serves(f, NODE_B, "LPOP c", "$-1\r\n");
    flow_lease_opens(NODE_A, "7");
    flow_node_gets(f, NODE_A, "BLMOVE b b LEFT LEFT 0");
    bells[0] = f->nodes[NODE_A].last;
    flow_lease_opens(NODE_B, "7");
    flow_node_gets(f, NODE_B, "BLMOVE c c LEFT LEFT 0");
    bells[1] = f->nodes[NODE_B].last;
}

void flow_rings(enum flow_node node, struct flow_link *bell)
{
    f->nodes[node].last = bell;
    flow_answer(f, node, "$1\r\nx\r\n");
}

void flow_gets_all(enum flow_node node, const char *const *commands)
{
    for (; *commands; commands++)
        flow_node_gets(f, node, *commands);
    flow_node_gets_nothing(f, node);
}

void flow_merges(const char *command, const char *a, const char *b, const char *third,
                 const char *want)
{
    flow_send(f, c, command);
    flow_node_serves(f, NODE_C, command, third);
    flow_node_serves(f, NODE_A, command, a);
    flow_node_serves(f, NODE_B, command, b);
    flow_expect(f, c, want);
}
