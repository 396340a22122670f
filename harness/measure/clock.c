/* SPDX-License-Identifier: Apache-2.0
 *
 * What the clock itself costs. Knows nothing of what is timed.
 */
#include "measure/clock.h"

double jd_clock_overhead_ns(void)
{
    enum { ROUNDS = 16, READINGS = 256 };
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t last = 0, first = jd_clock_ns();
        for (int i = 0; i < READINGS; i++)
            last = jd_clock_ns();
        double average = (double)(last - first) / READINGS;
        if (round == 0 || average < best)
            best = average;
    }
    return best;
}
