# SPDX-License-Identifier: Apache-2.0
"""At which executed fraction does eager win? Time against fraction for one shape of program.

A family is a set of generated workloads that differ only in how many of their functions run: they
agree in size, and in their names up to the number at the end. Which engines are lazy comes from
their capabilities. The crossing is where the straight line, in logarithms, between two neighbouring
fractions crosses ratio 1; its interval comes from resampling the processes of every point.
"""

import collections
import math
import re

import numpy

from family import (METRIC, REGIME, RESAMPLES, SEED, confidence_text, draw_lines, families_of,
                    generated, label_ends, medians_text, median_draws, modules_text, samples_of, tails)
from style import FAINT, INK, MARGIN, MUTED, Canvas, format_ratio, value_axis

Family = collections.namedtuple("Family", "functions instructions modules prefix points")
# crossing: fraction or None; low, high: its interval or None; share: of resamples that cross
Crossing = collections.namedtuple("Crossing", "lazy eager fraction low high share ratios")


def families(report, opt_level):
    """Families of at least three fractions, smallest first."""
    found = {}
    for name, w in generated(report, opt_level):
        key = (w["function_count"], w["instructions_per_function"] or 0, w["module_count"] or 0,
               re.sub(r"[\d.]+$", "", name))
        fraction = w["executed_count"] / w["function_count"]
        found.setdefault(key, {}).setdefault(fraction, name)
    return families_of(found, Family)


def crossing_of(fractions, ratios):
    """Fraction where lazy / eager rises through 1, or None; in logarithms of both."""
    for (x0, y0), (x1, y1) in zip(zip(fractions, ratios), zip(fractions[1:], ratios[1:])):
        if y0 < 1 <= y1:
            share = -math.log(y0) / (math.log(y1) - math.log(y0))
            return math.exp(math.log(x0) + share * (math.log(x1) - math.log(x0)))
    return None


def compare(report, family, lazy, eager, opt_level):
    """The Crossing of one pair, or None when they share fewer than two fractions."""
    points = [(f, samples_of(report, w, lazy, opt_level), samples_of(report, w, eager, opt_level))
              for f, w in family.points]
    points = [(f, numpy.array(a), numpy.array(b)) for f, a, b in points if a and b]
    if len(points) < 2:
        return None
    fractions = [f for f, _, _ in points]
    medians = [numpy.median(a) / numpy.median(b) for _, a, b in points]
    random = numpy.random.default_rng(SEED)
    draws = numpy.array([median_draws(random, a) / median_draws(random, b) for _, a, b in points])
    low, high = numpy.percentile(draws, tails(report), axis=1)
    crossings = [crossing_of(fractions, column) for column in draws.T]
    crossed = [c for c in crossings if c is not None]
    fraction = crossing_of(fractions, medians)
    interval = numpy.percentile(crossed, tails(report)) if fraction and crossed else (None, None)
    return Crossing(lazy, eager, fraction, *interval, len(crossed) / len(crossings),
                    list(zip(fractions, medians, low, high)))


def pairs_of(report, family, opt_level):
    """The family's engines, and its lazy against its eager ones: the pairs that the report itself
    compares, or all when it compares none."""
    names = [w for _, w in family.points]
    engines = report.engines_with(names, opt_level, REGIME)
    compared = {frozenset((c["engine"], c["baseline"]))
                for c in report.comparisons(opt_level, REGIME, METRIC)}
    pairs = [(a, b) for a in engines for b in engines
             if "lazy" in report.caps[a] and "lazy" not in report.caps[b]]
    pairs = [p for p in pairs if frozenset(p) in compared] or pairs
    found = [compare(report, family, a, b, opt_level) for a, b in pairs]
    return engines, [c for c in found if c]


def draw(report, looks, opt_level, family):
    """The Canvas of one family, or None when it has no pair to compare."""
    engines, pairs = pairs_of(report, family, opt_level)
    if not pairs:
        return None
    width, plot_width, left = 9.2, 6.6, MARGIN + 0.75
    sentences = [finding(c) for c in pairs]
    canvas = Canvas(report, width, 5.55, sentences[0], "\n".join([shape(family, opt_level)] +
                                                                 sentences[1:]),
                    caption(report, family, opt_level, engines))
    top = canvas.axes(left, 0.05, plot_width, 3.0)
    bottom = canvas.axes(left, 3.3, plot_width, 1.7)
    draw_times(top, report, looks, family, engines, opt_level)
    draw_ratios(bottom, looks, pairs)
    for ax in (top, bottom):
        fraction_axis(ax, family)
        mark_crossings(ax, pairs, looks, has_text=ax is top)
    top.set_xticklabels([])
    bottom.set_xlabel(f"share of the {family.functions} functions that runs")
    top.set_ylabel("time to last result")
    bottom.set_ylabel("lazy ÷ eager")
    return canvas


def draw_times(ax, report, looks, family, engines, opt_level):
    values, ends = draw_lines(ax, report, looks, family, engines, opt_level)
    value_axis(ax.yaxis, min(values), max(values), METRIC)
    label_ends(ax, [(x, y, e, looks.colour[e]) for x, y, e in ends], 0.065, size=9.5, weight="bold")


def draw_ratios(ax, looks, pairs):
    values, ends = [1.0], []
    for pair in pairs:
        x, ratio, low, high = zip(*pair.ratios)
        colour = looks.colour[pair.lazy]
        style = "-" if len({p.eager for p in pairs}) == 1 or pair is pairs[0] else "--"
        ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(x, ratio, style, color=colour, marker=looks.marker[pair.lazy], linewidth=1.6,
                markersize=5, markeredgecolor="white", markeredgewidth=0.6)
        ends.append((x[-1], ratio[-1], f"{pair.lazy} ÷ {pair.eager}", colour))
        values += low + high
    ax.axhline(1, color=INK, linewidth=1, zorder=2)
    ax.set_yscale("log")
    low, high = min(values) / 1.25, max(values) * 1.25
    ax.set_ylim(low, high)
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.7, 1, 1.4, 2, 5, 10, 20, 50, 100)
    shown = [s for s in steps if low <= s <= high]
    if high / low > 30:
        shown = [s for s in shown if s not in (0.02, 0.2, 0.7, 1.4, 2, 20)]
    ax.set_yticks(shown)
    ax.set_yticklabels([f"{s:g}×" for s in shown])
    ax.minorticks_off()
    ax.grid(axis="y", color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)
    label_ends(ax, ends, 0.1, size=8.5)


def fraction_axis(ax, family):
    fractions = [f for f, _ in family.points]
    ax.set_xscale("log")
    ax.set_xlim(fractions[0] / 1.2, fractions[-1] * 1.2)
    ax.minorticks_off()
    shown = [fractions[-1]]
    for fraction in reversed(fractions[:-1]):  # a tick at each measured fraction that has room
        if math.log(shown[-1] / fraction) > 0.07 * math.log(fractions[-1] / fractions[0]):
            shown.append(fraction)
    ax.set_xticks(shown)
    ax.set_xticklabels([f"{100 * f:g} %" for f in shown])
    ax.grid(axis="x", color=FAINT, linewidth=0.7)


def mark_crossings(ax, pairs, looks, has_text):
    for pair in pairs:
        if pair.fraction is None:
            continue
        if pair.low is not None and pair.high > pair.low:
            ax.axvspan(pair.low, pair.high, color=MUTED, alpha=0.16, linewidth=0, zorder=1)
        ax.axvline(pair.fraction, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=2)
        if has_text:
            ax.annotate(f"equal at {format_fraction(pair.fraction)}", (pair.fraction, 0.03),
                        xycoords=ax.get_xaxis_transform(), xytext=(-5, 0),
                        textcoords="offset points", ha="right", va="bottom", size=8.5)


def finding(pair):
    lazy, eager = pair.lazy, pair.eager
    first, last = pair.ratios[0], pair.ratios[-1]
    if pair.fraction is not None:
        text = (f"{lazy} beats {eager} until {format_fraction(pair.fraction)} of the functions run")
        if pair.low is not None:
            text += f" ({format_fraction(pair.low)} to {format_fraction(pair.high)})"
        return text + (f", seen in {100 * pair.share:.0f} % of resamples"
                       if pair.share < 0.95 else "")
    span = f"from {format_fraction(first[0])} to {format_fraction(last[0])} executed"
    if all(high < 1 for _, _, _, high in pair.ratios):
        return (f"{lazy} beats {eager} at every fraction {span}: "
                f"{format_ratio(first[1])} to {format_ratio(last[1])} of its time")
    if all(low > 1 for _, _, low, _ in pair.ratios):
        return (f"{eager} beats {lazy} at every fraction {span}: {lazy} takes "
                f"{format_ratio(first[1])} to {format_ratio(last[1])} of its time")
    return f"{lazy} and {eager} do not clearly cross {span}"


def format_fraction(fraction):
    """A percentage of two significant digits; the interval beside it claims no more."""
    return f"{float(f'{100 * fraction:.2g}'):g} %"


def shape(family, opt_level):
    return (f"{family.functions} functions of {family.instructions} instructions in "
            f"{modules_text(family, opt_level)}")


def caption(report, family, opt_level, engines):
    return (f"{medians_text(report, family, opt_level, engines)} Dashed: where both take the same "
            "time, interpolated between the measured fractions in logarithms; grey: its "
            f"{confidence_text(report)} interval over {RESAMPLES} resamples of the processes. Both "
            "times include starting the process and LLVM.")
