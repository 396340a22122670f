# SPDX-License-Identifier: Apache-2.0
"""How compiling spreads over a run: bodies compiled so far against time since the process started.

One panel per program that was not generated; per engine the curve of the process nearest to the
median, since curves of several processes cannot be averaged point by point.
"""

import math

from style import FAINT, INK, MARGIN, MUTED, Canvas, value_axis

REGIME, METRIC = "cold-process", "time_to_last_result_ns"
COLUMNS = 3


def curve_of(report, workload, engine, opt_level):
    """(times, counts, last result) of the sample nearest to the median, or None."""
    statistic = report.statistic(workload, engine, opt_level, REGIME, METRIC)
    if statistic is None:
        return None
    samples = [s for s in report.cell(workload, engine, opt_level, REGIME)["samples"]
               if s["kind"] == "ok" and s["curve"] and s["curve"]["functions"] and
               s[METRIC] is not None]
    if not samples:
        return None
    sample = min(samples, key=lambda s: abs(s[METRIC] - statistic["median"]))
    return sample["curve"]["time_ns"], sample["curve"]["functions"], sample[METRIC]


def draw(report, looks, opt_level):
    """The Canvas of this figure, or None when no curve was recorded."""
    panels = []
    for workload in report.workloads:
        curves = {e: c for e in report.engines
                  for c in [curve_of(report, workload, e, opt_level)] if c}
        if curves and not report.is_generated(workload):
            panels.append((workload, curves))
    if not panels:
        return None
    panels.sort(key=lambda p: -max(c[1][-1] for c in p[1].values()))
    engines = [e for e in report.engines if any(e in curves for _, curves in panels)]
    rows = math.ceil(len(panels) / COLUMNS)
    width, cell_width, cell_height = 11.0, (11.0 - 2 * MARGIN) / COLUMNS, 2.45
    canvas = Canvas(report, width, 0.3 + rows * cell_height,
                    title_of(report, panels, opt_level), "",
                    f"Bodies that have become callable against time since before the process "
                    f"starts, regime {REGIME}. Per engine one process: the one nearest to the "
                    "median. The vertical mark is its last result.")
    draw_legend(canvas, looks, engines)
    for i, (workload, curves) in enumerate(panels):
        ax = canvas.axes(MARGIN + 0.45 + cell_width * (i % COLUMNS),
                         0.6 + cell_height * (i // COLUMNS), cell_width - 0.75, cell_height - 0.75)
        draw_panel(ax, looks, workload, curves)
    return canvas


def title_of(report, panels, opt_level):
    """The first lazy engine's bodies as a share of the first eager one's, over all programs."""
    text = f"How compiling spreads over a run at -O{opt_level}"
    pairs = [(a, b) for a in report.engines for b in report.engines
             if "lazy" in report.caps[a] and "lazy" not in report.caps[b]]
    for lazy, eager in pairs:
        both = [(c[lazy][1][-1], c[eager][1][-1]) for _, c in panels if lazy in c and eager in c]
        if both:
            done, all_ = (sum(counts) for counts in zip(*both))
            return f"{text}: {lazy} compiles {100 * done / all_:.0f} % as many bodies as {eager}"
    return text


def draw_legend(canvas, looks, engines):
    ax = canvas.axes(MARGIN, 0, canvas.width - 2 * MARGIN, 0.2)
    ax.set_axis_off()
    ax.set_xlim(0, canvas.width - 2 * MARGIN)
    ax.set_ylim(0, 1)
    x = 0.0
    for engine in engines:
        ax.plot([x, x + 0.25], [0.5, 0.5], color=looks.colour[engine], linewidth=2)
        ax.text(x + 0.33, 0.5, engine, size=9, weight="bold", va="center",
                color=looks.colour[engine])
        x += 0.33 + 0.1 * len(engine) + 0.35


def draw_panel(ax, looks, workload, curves):
    longest = max(last for _, _, last in curves.values())
    for engine, (times, counts, last) in curves.items():
        ax.step([0, *times, last], [0, *counts, counts[-1]], where="post", linewidth=1.8,
                color=looks.colour[engine])
        ax.plot([last], [counts[-1]], marker="|", markersize=11, markeredgewidth=2,
                color=looks.colour[engine])
    value_axis(ax.xaxis, 0, longest, "wall_ns")
    ax.xaxis.get_major_locator().set_params(nbins=4)
    ax.set_ylim(0, max(counts[-1] for _, counts, _ in curves.values()) * 1.12)
    ax.grid(axis="y", color=FAINT, linewidth=0.7)
    ax.tick_params(labelsize=7.5)
    ax.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    ax.set_title(workload, loc="left", size=9, weight="bold", color=INK)
    ax.text(1, 1.02, "functions compiled", transform=ax.transAxes, ha="right", size=7, color=MUTED)
