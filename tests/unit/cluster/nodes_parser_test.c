/* nodes_parser_test: CLUSTER NODES texts of all versions, and texts that are not. */
#include "cluster/view.h"

#include "support/unit.h"
#include <stdio.h>
#include <string.h>

#define ID_A "07c37dfeb235213a872192d90877d0cd55635b91"
#define ID_B "67ed2db8d677e59ec4a4cefb06858cf2a1a89fa1"

static struct view *parse(const char *text)
{
    const char *error = NULL;
    struct view *view = view_parse(text, strlen(text), &error);

    ck_assert_msg((view == NULL) == (error != NULL), "view and error of: %s", text);
    return view;
}

/* --- what is understood --- */

START_TEST(masters_replicas_epochs_and_slots_are_read)
{
    struct view *v = parse(ID_A " 127.0.0.1:30004@31004 slave " ID_B
                                " 0 1426238317239 4 connected\n" ID_B
                                " 127.0.0.1:30001@31001 myself,master - 0 0 7 connected 0-5460 "
                                "5462 [5463->-" ID_A "] [77-<-" ID_A "]\n");

    ck_assert_uint_eq(v->nnodes, 2);
    ck_assert_uint_eq(v->myself, 1);
    ck_assert_uint_eq(v->nslots, 5462);
    ck_assert_str_eq(v->nodes[0].id, ID_A);
    ck_assert_str_eq(v->nodes[0].master_id, ID_B);
    ck_assert_uint_eq(v->nodes[0].flags, TOPOLOGY_REPLICA);
    ck_assert_uint_eq(v->nodes[0].epoch, 4);
    ck_assert_str_eq(v->nodes[1].host, "127.0.0.1");
    ck_assert_uint_eq(v->nodes[1].port, 30001);
    ck_assert_str_eq(v->nodes[1].master_id, "");
    ck_assert_uint_eq(v->nodes[1].flags, TOPOLOGY_MASTER);
    ck_assert_uint_eq(v->nodes[1].nranges, 2);
    ck_assert_uint_eq(v->ranges[v->nodes[1].first_range].last, 5460);
    ck_assert_uint_eq(v->ranges[v->nodes[1].first_range + 1].first, 5462);
    ck_assert_uint_eq(v->nmoving, 1);
    ck_assert_uint_eq(v->moving[0], 5463);
    view_free(v);
}
END_TEST

struct address_form {
    const char *text;
    const char *host;
    const char *hostname;
    unsigned port;
};

static const struct address_form forms[] = {
    {"10.0.0.1:7000@17000", "10.0.0.1", "", 7000},
    {"10.0.0.1:7000", "10.0.0.1", "", 7000}, /* before 4.0 */
    {"::1:7000@17000", "::1", "", 7000},
    {"2001:db8::1:7000@17000,redis-1.example", "2001:db8::1", "redis-1.example", 7000},
    {":7000@17000", "", "", 7000},
    {":0@0", "", "", 0},
    {"?:7000@17000", "", "", 7000},
    {":7000@17000,redis-1", "", "redis-1", 7000},
    {"10.0.0.1:7000@17000,redis-1,shard-id=69bc080733d1355567173199cff4a6a039a2f024", "10.0.0.1",
     "redis-1", 7000},
    {"10.0.0.1:7000@17000,,tls-port=0,shard-id=69bc08", "10.0.0.1", "", 7000},
    {"10.0.0.1:7000@17000,shard-id=69bc08", "10.0.0.1", "", 7000},
};

START_TEST(addresses_of_all_forms_are_read)
{
    const struct address_form *form = &forms[_i];
    char text[512];
    struct view *v;

    snprintf(text, sizeof(text), ID_A " %s myself,master - 0 0 1 connected\n", form->text);
    v = parse(text);
    ck_assert_msg(v != NULL, "%s", text);
    ck_assert_str_eq(v->nodes[0].host, form->host);
    ck_assert_str_eq(v->nodes[0].hostname, form->hostname);
    ck_assert_uint_eq(v->nodes[0].port, form->port);
    view_free(v);
}
END_TEST

START_TEST(nodes_in_handshake_or_without_address_are_left_out)
{
    struct view *v = parse(ID_A
                           " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-16383\n" ID_B
                           " 10.0.0.2:7000@17000 handshake - 0 0 0 disconnected\n" ID_B
                           " :0@0 slave,fail,noaddr " ID_A " 1 1 1 disconnected\n");

    ck_assert_uint_eq(v->nnodes, 1);
    ck_assert_str_eq(v->nodes[0].id, ID_A);
    view_free(v);
}
END_TEST

START_TEST(failures_are_read_agreed_and_suspected)
{
    struct view *v = parse(ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected\n" ID_B
                                " 10.0.0.2:7000@17000 master,fail? - 1 1 2 disconnected 0\n" ID_B
                                " 10.0.0.2:7000@17000 slave,fail,nofailover " ID_A
                                " 1 1 2 disconnected\n");

    ck_assert_uint_eq(v->nodes[1].flags, TOPOLOGY_MASTER | TOPOLOGY_PFAIL);
    ck_assert_uint_eq(v->nodes[2].flags, TOPOLOGY_REPLICA | TOPOLOGY_FAIL);
    view_free(v);
}
END_TEST

START_TEST(ping_times_and_links_do_not_change_the_digest_but_slots_do)
{
    struct view *v = parse(ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-9\n");
    struct view *later = parse(ID_A
                               " 10.0.0.1:7000@17000 myself,master - 5 6 1 disconnected 0-9\n");
    struct view *other = parse(ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-8\n");

    ck_assert_uint_eq(v->digest, later->digest);
    ck_assert_uint_ne(v->digest, other->digest);
    view_free(v);
    view_free(later);
    view_free(other);
}
END_TEST

/* --- what is not --- */

static const char *const malformed[] = {
    "",
    "\n",
    "-ERR This instance has cluster support disabled",
    ID_A " 10.0.0.1:7000@17000 master - 0 0 1 connected\n", /* nobody is myself */
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1\n",
    ID_A " 10.0.0.1 myself,master - 0 0 1 connected\n",
    ID_A " 10.0.0.1:70000@17000 myself,master - 0 0 1 connected\n",
    ID_A " 10.0.0.1:-1@17000 myself,master - 0 0 1 connected\n",
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 x connected\n",
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 99999999999999999999 connected\n",
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 16384\n",
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 9-3\n",
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected 3-\n",
    ID_A " 10.0.0.1:7000@17000 myself,master - 0 0 1 connected x\n",
    "07c37dfe 10.0.0.1:7000@17000 myself,master - 0 0 1 connected\n",
    ID_A " 10.0.0.1:7000@17000 myself,slave 07c3 0 0 1 connected\n",
};

START_TEST(malformed_texts_are_refused_whole)
{
    ck_assert_ptr_null(parse(malformed[_i]));
}
END_TEST

START_TEST(every_cut_of_a_good_text_is_refused_or_read)
{
    const char *text = ID_A " ::1:7000@17000,h myself,master - 0 0 1 connected 0-5 7\n" ID_B
                            " 10.0.0.2:7000@17000 slave " ID_A " 1 1 2 connected\n";
    const char *error;

    for (size_t len = 0; len <= strlen(text); len++)
        view_free(view_parse(text, len, &error));
}
END_TEST

UNIT_SUITE("nodes_parser", {masters_replicas_epochs_and_slots_are_read},
           {addresses_of_all_forms_are_read, sizeof(forms) / sizeof(forms[0])},
           {nodes_in_handshake_or_without_address_are_left_out},
           {failures_are_read_agreed_and_suspected},
           {ping_times_and_links_do_not_change_the_digest_but_slots_do},
           {malformed_texts_are_refused_whole, sizeof(malformed) / sizeof(malformed[0])},
           {every_cut_of_a_good_text_is_refused_or_read})
