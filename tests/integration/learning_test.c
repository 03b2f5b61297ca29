/* learning: a command that no table knows is routed once a node has it, because a module was loaded
 * there or a newer version runs. */
#include "support/fake_node.h"
#include "support/fixture.h"
#include <string.h>

#define ROW(name_len, name, arity, flag, key)                                                      \
    "*6\r\n$" name_len "\r\n" name "\r\n:" arity "\r\n*1\r\n+" flag "\r\n:" key "\r\n:" key        \
    "\r\n:" key "\r\n"
#define TABLE                                                                                      \
    "*4\r\n" ROW("3", "get", "2", "readonly", "1") ROW("4", "ping", "-1", "fast", "0")             \
        ROW("3", "set", "-3", "write", "1") ROW("7", "new.get", "2", "readonly", "1")
#define MODULES "*1\r\n*4\r\n$4\r\nname\r\n$3\r\nnew\r\n$3\r\nver\r\n:1\r\n"

static redisContext *c;

static bool is_routed(void *arg)
{
    (void)arg;
    return strcmp(ask(c, "NEW.GET key"), "of the module") == 0;
}

START_TEST(commands_of_a_module_that_is_loaded_later)
{
    struct fake_node *node = fake_node_start();
    char flags[100];
    snprintf(flags, sizeof flags, "--threads 1 --refresh-interval 50 127.0.0.1:%d",
             fake_node_port(node));
    struct proxy *p = proxy_start(NULL, flags);
    c = client_open(p->port);
    expect(c, "-ERR unknown command 'NEW.GET', with args beginning with: 'key' ", "NEW.GET key");
    expect(c, "-ERR wrong number of arguments for 'get' command", "GET a b");
    ck_assert_int_eq(fake_node_received(node, "NEW.GET"), 0);
    fake_node_rule(node, "NEW.GET", FAKE_TEXT, "+of the module\r\n", 0, -1);
    fake_node_rule(node, "COMMAND", FAKE_TEXT, TABLE, 0, -1);
    fake_node_rule(node, "MODULE", FAKE_TEXT, MODULES, 0, -1);
    ck_assert_msg(wait_until(is_routed, NULL, 10000), "NEW.GET is not known: %s",
                  ask(c, "NEW.GET key"));
    expect(c, "-ERR wrong number of arguments for 'new.get' command", "NEW.GET a b");
    expect(c, "OK", "SET key x");
    redisFree(c);
    stop_and_check(p);
    fake_node_stop(node);
}
END_TEST

PLAIN_SUITE("learning", 30, commands_of_a_module_that_is_loaded_later)
