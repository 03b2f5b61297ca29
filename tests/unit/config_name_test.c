/* config_name_test: which directive a name stands for, and which was probably meant. */
#include "support/config_unit.h"

START_TEST(directives_have_names_and_aliases)
{
    for (uint32_t i = 0; i < config_count(); i++)
        ck_assert_ptr_eq(config_find(config_name(config_at(i))), config_at(i));
    ck_assert_ptr_eq(config_find("MASTERAUTH"), config_find("auth-password"));
    ck_assert_ptr_eq(config_find("auth"), config_find("auth-password"));
    ck_assert_ptr_null(config_find("aut"));
    ck_assert_ptr_null(config_find("auth "));
    ck_assert_ptr_null(config_find(""));
}
END_TEST

START_TEST(the_nearest_name_is_proposed_if_it_is_near)
{
    config_bad("maxclient 5", "unknown directive \"maxclient\"; did you mean \"maxclients\"?");
    config_bad("MaxKlients 5", "did you mean \"maxclients\"?");
    config_bad("prot 1", "did you mean \"port\"?");
    config_bad("appendonly yes", "unknown directive \"appendonly\"; slotway --help lists all");
    config_bad("p 1", "unknown directive \"p\"; slotway --help lists all");
    /* Longer than any could be, and cut where it is shown. */
    config_bad(
        "maxclientsmaxclientsmaxclientsmaxclientsmaxclientsmaxclientsmaxclients 1",
        "unknown directive \"maxclientsmaxclientsmaxclientsmaxclientsmaxclientsmaxclients\"; "
        "slotway --help lists all");
}
END_TEST

UNIT_SUITE("config_name", {directives_have_names_and_aliases},
           {the_nearest_name_is_proposed_if_it_is_near})
