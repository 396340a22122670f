# SPDX-License-Identifier: Apache-2.0
"""How do costs grow with the program? Time against the number of functions, at the same work.

A family is a set of generated workloads in which equally many functions run, of programs of different
size. Growth is judged by the exponent of a power law over the whole sweep, not by one size: 0 is
flat, 1 is proportional. Its interval comes from resampling the processes of every size.
"""

import collections

import numpy

from family import (METRIC, REGIME, RESAMPLES, SEED, confidence_text, draw_lines, families_of,
                    generated, label_ends, medians_text, median_draws, modules_text, samples_of, tails)
from style import FAINT, MARGIN, Canvas, value_axis

Family = collections.namedtuple("Family", "executed instructions modules points")
Growth = collections.namedtuple("Growth", "engine exponent low high")


def families(report, opt_level):
    """Families of at least three sizes, fewest functions first."""
    found = {}
    for name, w in generated(report, opt_level):
        key = (w["executed_count"], w["instructions_per_function"] or 0, w["module_count"] or 0)
        found.setdefault(key, {}).setdefault(w["function_count"], name)
    return families_of(found, Family)


def growth_of(report, family, engine, opt_level):
    """The Growth of one engine, or None with fewer than three sizes."""
    points = [(size, numpy.array(samples)) for size, w in family.points
              for samples in [samples_of(report, w, engine, opt_level)] if samples]
    if len(points) < 3:
        return None
    sizes = numpy.log([size for size, _ in points])
    random = numpy.random.default_rng(SEED)
    draws = numpy.log([median_draws(random, values) for _, values in points])
    medians = numpy.log([numpy.median(values) for _, values in points])
    low, high = numpy.percentile(exponent_of(sizes, draws), tails(report))
    return Growth(engine, float(exponent_of(sizes, medians)), low, high)


def exponent_of(log_sizes, log_values):
    """Slope of the least-squares line, for each column of values."""
    centred = log_sizes - log_sizes.mean()
    return centred @ log_values / (centred @ centred)


def draw(report, looks, opt_level, family):
    """The Canvas of one family, or None when no engine has enough of it."""
    engines = report.engines_with([w for _, w in family.points], opt_level, REGIME)
    growths = [g for e in engines for g in [growth_of(report, family, e, opt_level)] if g]
    if not growths:
        return None
    canvas = Canvas(report, 9.2, 4.0, title_of(growths), shape(family, opt_level),
                    caption(report, family, opt_level, engines))
    ax = canvas.axes(MARGIN + 0.75, 0.05, 6.0, 3.35)
    values, ends = draw_lines(ax, report, looks, family, engines, opt_level)
    size_axis(ax, family)
    value_axis(ax.yaxis, min(values), max(values), METRIC)
    ax.set_ylabel("time to last result")
    ax.set_xlabel(f"functions in the program ({family.executed} of them run)")
    label_ends(ax, [(x, y, end_text(e, growths), looks.colour[e]) for x, y, e in ends], 0.065,
               size=9.5, weight="bold")
    return canvas


def size_axis(ax, family):
    ax.set_xscale("log")
    sizes = [size for size, _ in family.points]
    ax.set_xlim(sizes[0] / 1.2, sizes[-1] * 1.2)
    ax.minorticks_off()
    ax.set_xticks(sizes)
    ax.set_xticklabels([f"{size:,}" for size in sizes])
    ax.grid(axis="x", color=FAINT, linewidth=0.7)


def end_text(engine, growths):
    for growth in growths:
        if growth.engine == engine:
            return f"{engine}, n^{growth.exponent:.2f}"
    return engine


def title_of(growths):
    """The first two engines; the others' exponents stand at their lines."""
    parts = [f"{g.engine} as n^{g.exponent:.2f} ({g.low:.2f} to {g.high:.2f})" for g in growths[:2]]
    return "At the same work, time grows with n functions in the program: " + ", ".join(parts)


def shape(family, opt_level):
    return (f"{family.executed} functions run, of {family.instructions} instructions each, in "
            f"{modules_text(family, opt_level)}")


def caption(report, family, opt_level, engines):
    return (f"{medians_text(report, family, opt_level, engines)} Exponents: least squares in "
            f"logarithms over all sizes, with {confidence_text(report)} intervals over {RESAMPLES} "
            "resamples of the processes; 0 is flat, 1 is proportional. The fixed cost of a process is "
            "in them.")
