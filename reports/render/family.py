# SPDX-License-Identifier: Apache-2.0
"""What figures of a family share: generated workloads that differ in one number, its points.

A point is (number, workload). Samples come from one regime and one metric; intervals from resampling
the processes of every point, from a fixed seed.
"""

import numpy

from style import format_percent

REGIME, METRIC = "cold-process", "time_to_last_result_ns"
RESAMPLES, SEED = 2000, 1


def generated(report, opt_level):
    """(name, workload) of every generated workload that some engine has a figure for."""
    for name, w in report.workloads.items():
        if w["function_count"] and w["executed_count"] and any(
                report.statistic(name, e, opt_level, REGIME, METRIC) for e in report.engines):
            yield name, w


def families_of(found, kind):
    """The families of at least three points, from {key: {number: workload}}, in the order of keys."""
    return [kind(*key, sorted(points.items())) for key, points in sorted(found.items())
            if len(points) >= 3]


def samples_of(report, workload, engine, opt_level):
    cell = report.cell(workload, engine, opt_level, REGIME)
    if cell is None or cell["summary"] is None:
        return None
    return [s[METRIC] for s in cell["samples"] if s["kind"] == "ok" and s[METRIC] is not None] or None


def median_draws(random, values):
    """Medians of RESAMPLES resamples of the values."""
    return numpy.median(random.choice(values, (RESAMPLES, len(values))), axis=1)


def tails(report):
    confidence = report.data["meta"]["options"]["confidence"]
    return 100 * (1 - confidence) / 2, 100 * (1 + confidence) / 2


def draw_lines(ax, report, looks, family, engines, opt_level):
    """A line with its band for each engine. Returns all values that were drawn, and the right end of
    each line as (x, y, engine)."""
    values, ends = [], []
    for engine in engines:
        rows = [(x, s) for x, w in family.points
                for s in [report.statistic(w, engine, opt_level, REGIME, METRIC)] if s]
        if not rows:
            continue
        x, colour = [x for x, _ in rows], looks.colour[engine]
        median = [s["median"] for _, s in rows]
        low = [s["median"] if s["ci_low"] is None else s["ci_low"] for _, s in rows]
        high = [s["median"] if s["ci_high"] is None else s["ci_high"] for _, s in rows]
        ax.fill_between(x, low, high, color=colour, alpha=0.2, linewidth=0)
        ax.plot(x, median, color=colour, marker=looks.marker[engine], linewidth=1.8, markersize=5.5,
                markeredgecolor="white", markeredgewidth=0.6)
        values += low + high
        ends.append((x[-1], median[-1], engine))
    return values, ends


def label_ends(ax, ends, room, **style):
    """(x, y, text, colour) of each line's right end, written beside the plot and pushed apart where
    the texts would overlap."""
    to_axes = ax.transData + ax.transAxes.inverted()
    places = sorted((to_axes.transform((x, y))[1], text, colour) for x, y, text, colour in ends)
    last = -1
    for y, text, colour in places:
        last = max(y, last + room)
        ax.text(1.015, last, text, transform=ax.transAxes, va="center", color=colour, **style)


def modules_text(family, opt_level):
    return f"{family.modules} module{'s' if family.modules != 1 else ''}, -O{opt_level}"


def confidence_text(report):
    return format_percent(report.data["meta"]["options"]["confidence"])


def medians_text(report, family, opt_level, engines):
    """What points and bands are, as a caption begins."""
    counts = sorted({len(s) for _, w in family.points for e in engines
                     for s in [samples_of(report, w, e, opt_level)] if s})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (f"Medians of {n} processes per point, regime {REGIME}; bands: {confidence_text(report)} "
            "bootstrap intervals.")
