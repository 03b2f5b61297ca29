/* histogram_test: buckets without gaps, quantiles within a bucket's width. */
#include "base/histogram.h"
#include "support/unit.h"

START_TEST(every_duration_has_its_bucket)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_lower(i), next = histogram_lower(i + 1);
        ck_assert_uint_lt(low, next);
        ck_assert_uint_eq(histogram_bucket(low), i);
        ck_assert_uint_eq(histogram_bucket(next - 1), i);
    }
    ck_assert_uint_eq(histogram_lower(0), 0);
    ck_assert_uint_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}
END_TEST

START_TEST(quantiles_lie_within_a_quarter_of_an_octave)
{
    struct histogram h = {{0}};
    ck_assert(histogram_quantile(&h, 0.5) < 0);
    for (unsigned us = 1; us <= 10000; us++)
        histogram_add(&h, us, 1);
    ck_assert_double_eq_tol(histogram_quantile(&h, 0.5), 5000, 100);
    ck_assert_double_eq_tol(histogram_quantile(&h, 0.99), 9900, 500);
    ck_assert_double_eq_tol(histogram_total(&h), 50005000, 500050);
    ck_assert_uint_eq(histogram_count(&h), 10000);
    ck_assert_uint_eq(histogram_below(&h, 1024), 1023);
}
END_TEST

START_TEST(differences_never_go_below_zero)
{
    struct histogram before = {{0}}, now = {{0}}, since;
    histogram_add(&before, 5, 10); /* started anew since then */
    histogram_add(&now, 5, 3);
    histogram_add(&now, 100, 7);
    histogram_since(&since, &now, &before);
    ck_assert_uint_eq(histogram_count(&since), 7);
    histogram_sum(&since, &now);
    ck_assert_uint_eq(histogram_count(&since), 17);
}
END_TEST

UNIT_SUITE("histogram", {every_duration_has_its_bucket},
           {quantiles_lie_within_a_quarter_of_an_octave}, {differences_never_go_below_zero})
