# SPDX-License-Identifier: Apache-2.0
"""The rank test against SciPy.

usage: stats_scipy.py [EMULATOR] STATS_CASES      exit 0 agrees, 1 differs, 77 without SciPy

Without ties: scipy.stats.mannwhitneyu, exact. With ties SciPy has no exact distribution; there all
splits are counted here. Above 100 values: SciPy's normal approximation.
"""

import itertools
import random
import subprocess
import sys

try:
    from scipy import stats
except ImportError as error:
    print("skipped: " + str(error))
    sys.exit(77)


def by_enumeration(a, b):
    """Two-sided p: share of splits whose rank sum is at least as far from the mean."""
    ranks = stats.rankdata(a + b)
    mean = len(a) * (len(a) + len(b) + 1) / 2
    distance = abs(sum(ranks[: len(a)]) - mean)
    sums = [sum(split) for split in itertools.combinations(ranks, len(a))]
    return sum(abs(s - mean) >= distance - 1e-9 for s in sums) / len(sums)


def cases(rng):
    """(a, b, p that must come out)"""
    for _ in range(200):
        a = [rng.random() for _ in range(rng.randint(1, 20))]
        b = [rng.random() + rng.choice((0, 0.5)) for _ in range(rng.randint(1, 20))]
        yield a, b, stats.mannwhitneyu(a, b, alternative="two-sided", method="exact").pvalue
    for _ in range(100):
        a = [float(rng.randint(0, 4)) for _ in range(rng.randint(1, 7))]
        b = [float(rng.randint(0, 5)) for _ in range(rng.randint(1, 7))]
        yield a, b, by_enumeration(a, b)
    for _ in range(40):
        a = [float(rng.randint(0, 300)) for _ in range(rng.randint(60, 150))]
        b = [float(rng.randint(20, 320)) for _ in range(rng.randint(60, 150))]
        yield a, b, stats.mannwhitneyu(a, b, alternative="two-sided", method="asymptotic").pvalue


def main():
    wanted = list(cases(random.Random(1)))
    lines = [" ".join(map(repr, [len(a), len(b)] + a + b)) for a, b, _ in wanted]
    out = subprocess.run(sys.argv[1:], input="\n".join(lines), stdout=subprocess.PIPE, text=True,
                         check=True).stdout.split()
    if len(out) != len(wanted):
        sys.exit("%d answers for %d cases" % (len(out), len(wanted)))
    worst = 0.0
    for (a, b, p), got in zip(wanted, map(float, out)):
        worst = max(worst, abs(got - p) / p)
        if abs(got - p) > 1e-9 * p:
            sys.exit("p is %r, SciPy says %r for %r against %r" % (got, p, a, b))
    print("%d cases, largest relative difference %.1e" % (len(wanted), worst))


main()
