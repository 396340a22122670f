/* SPDX-License-Identifier: Apache-2.0
 *
 * Our rank test as a filter, for stats_scipy.py: a line holds two counts, then the values of both
 * groups; the answer is p with 17 digits.
 */
#include <stdio.h>

#include "stats.h"

enum { MOST = 512 };

int main(void)
{
    double values[MOST], p;
    size_t a_count, b_count;
    struct jd_error err = JD_ERROR_INIT;
    while (scanf("%zu %zu", &a_count, &b_count) == 2) {
        if (a_count + b_count > MOST)
            return 2;
        for (size_t i = 0; i < a_count + b_count; i++)
            if (scanf("%lf", &values[i]) != 1)
                return 2;
        if (jd_stats_rank_test(values, a_count, values + a_count, b_count, &p, &err))
            return 1;
        printf("%.17g\n", p);
    }
    return 0;
}
