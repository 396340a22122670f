# SPDX-License-Identifier: Apache-2.0
"""One metric per workload and engine: dots with intervals, and the numbers beside them.

A row is a workload, a dot an engine's median over processes, the line through it the interval of
that median. The columns on the right give each value and, where the report compares the engine
with a baseline, the ratio: bold when the report's own verdict says so, grey when it does not. The
verdicts are the report's; nothing is tested anew here.
"""

import math

from style import (BAND, FAINT, INK, MARGIN, MUTED, Canvas, format_percent, format_ratio,
                   formatter_of, text_width, value_axis)

# What a metric is called, and what of it the caption must say.
METRICS = {
    "time_to_first_result_ns": ("time to first result", "from before the process starts until its "
                                "first byte of output has arrived"),
    "time_to_last_result_ns": ("time to last result", "from before the process starts until the "
                               "program has ended and its output is written"),
    "time_to_main_ns": ("time to main", "from before the process starts until the program's main "
                        "is entered"),
    "worst_pause_ns": ("worst pause", "the longest that one call of the program waited for a "
                       "compile"),
    "teardown_ns": ("teardown", "giving everything back after the last result"),
    "ns_per_call": ("time per warm call", "steady state, after the third call"),
    "engine_cycle_ns": ("life of one engine", "create, add, run, destroy, in a warm process"),
    "peak_rss_bytes": ("peak resident memory", "VmHWM of the whole process, libraries included"),
    "engine_memory_bytes": ("memory held by the engine", "committed pages of code, data and "
                            "stubs"),
    "instructions": ("instructions executed", "counted by the processor"),
}
BETTER = {"faster", "smaller"}
WORSE = {"slower", "larger"}


def words_of(metric):
    """(better, worse) as adverbs of this metric."""
    return ("smaller", "larger") if metric.endswith("_bytes") else ("faster", "slower")


def finding(report, opt_level, regime, metric, workloads):
    """The title and the subtitle lines: what the verdicts say, pair by pair."""
    name = METRICS[metric][0]
    pairs = {}
    for comparison in report.comparisons(opt_level, regime, metric):
        if comparison["workload"] in workloads:
            pairs.setdefault((comparison["engine"], comparison["baseline"]), []).append(comparison)
    lines = [pair_line(pair, found, metric) for pair, found in pairs.items()]
    if not lines:
        return f"{name.capitalize()} at -O{opt_level}", []
    return f"{name.capitalize()} at -O{opt_level}: {lines[0]}", lines[1:]


def pair_line(pair, comparisons, metric):
    engine, baseline = pair
    better, worse = words_of(metric)
    ratios = [c["ratio"] for c in comparisons if c["ratio"]]
    wins = sum(c["verdict"] in BETTER for c in comparisons)
    losses = sum(c["verdict"] in WORSE for c in comparisons)
    total = sum(c["verdict"] != "disqualified" for c in comparisons)
    parts = []
    if wins:
        parts.append(f"{engine} {better} than {baseline} in {wins} of {total}")
        if losses:
            parts.append(f"{worse} in {losses}")
    elif losses:
        parts.append(f"{engine} {worse} than {baseline} in {losses} of {total}")
    else:
        parts.append(f"no verdict between {engine} and {baseline} in any of {total}")
    if total < len(comparisons):
        parts.append(f"{len(comparisons) - total} disqualified")
    if len(ratios) > 1:
        mean = math.exp(sum(math.log(r) for r in ratios) / len(ratios))
        parts.append(f"geometric mean {format_ratio(mean)}")
    return ", ".join(parts)


def rows_of(report, workloads):
    """[(workload or None, text)] from top to bottom: a heading row opens each group."""
    rows, group = [], None
    for name in workloads:
        if report.workloads[name]["group"] != group:
            group = report.workloads[name]["group"]
            rows.append((None, group))
        rows.append((name, name.removeprefix(group + "/")))
    return rows


def draw(report, looks, opt_level, regime, metric):
    """The Canvas of this figure, or None when the report has nothing of it."""
    workloads = report.workloads_with(opt_level, regime, metric)
    if not workloads:
        return None
    engines = report.engines_with(workloads, opt_level, regime)
    rows = rows_of(report, workloads)
    row_height = 0.2 + 0.05 * max(3, len(engines))
    header = 0.42
    body = header + row_height * len(rows) + 0.3
    label_width = 0.085 * max(len(text) for _, text in rows) + 0.25
    plot_width, columns = 4.2, column_places(report, engines, (opt_level, regime, metric))
    width = 2 * MARGIN + label_width + plot_width + columns[-1][1]
    title, more = finding(report, opt_level, regime, metric, workloads)
    canvas = Canvas(report, width, body, title, "\n".join(more),
                    caption(report, opt_level, regime, metric, workloads))
    ax = canvas.axes(MARGIN + label_width, header, plot_width, row_height * len(rows))
    ax.set_ylim(len(rows) - 0.5, -0.5)
    values = draw_rows(ax, report, looks, rows, engines, (opt_level, regime, metric))
    value_axis(ax.xaxis, min(values), max(values), metric)
    draw_columns(ax, report, looks, rows, engines, (opt_level, regime, metric),
                 (plot_width, columns, header / row_height))
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    return canvas


def column_places(report, engines, key):
    """(left, right) of each engine's column, in inches from the plot's right edge: a value, then a
    ratio where the engine has a baseline."""
    places, left = [], 0.15
    for engine in engines:
        right = left + (1.4 if baseline_of(report, engine, *key) else 0.78)
        right = max(right, left + 0.25 + text_width(engine, 9, "bold"))
        places.append((left, right))
        left = right + 0.1
    return places


def draw_rows(ax, report, looks, rows, engines, key):
    """Labels, bands, dots and intervals; returns all values that must fit the axis."""
    opt_level, regime, metric = key
    values, is_banded = [], False
    for y, (workload, text) in enumerate(rows):
        is_heading = workload is None
        ax.text(-0.015, y + (0.2 if is_heading else 0), text, transform=ax.get_yaxis_transform(),
                ha="right", va="center", size=8.5 if is_heading else 9,
                color=MUTED if is_heading else INK, weight="bold" if is_heading else "normal")
        is_banded = not is_heading and not is_banded
        if is_heading:
            continue
        if is_banded:
            ax.axhspan(y - 0.5, y + 0.5, color=BAND, zorder=0, linewidth=0)
        for i, engine in enumerate(engines):
            statistic = report.statistic(workload, engine, opt_level, regime, metric)
            if statistic is None:
                continue
            offset = (i - (len(engines) - 1) / 2) * 0.62 / max(2, len(engines))
            low = statistic["ci_low"] if statistic["ci_low"] is not None else statistic["median"]
            high = statistic["ci_high"] if statistic["ci_high"] is not None else low
            colour = looks.colour[engine]
            ax.plot([low, high], [y + offset] * 2, color=colour, linewidth=2.2, alpha=0.55,
                    solid_capstyle="butt", zorder=3)
            ax.plot([statistic["median"]], [y + offset], marker=looks.marker[engine], color=colour,
                    markersize=5.2, markeredgecolor="white", markeredgewidth=0.6, zorder=4,
                    linestyle="none", clip_on=False)
            values += [v for v in (low, statistic["median"], high) if v > 0]
    return values or [1]


def draw_columns(ax, report, looks, rows, engines, key, geometry):
    """The numbers right of the plot: one column per engine."""
    opt_level, regime, metric = key
    plot_width, columns, header_rows = geometry
    format_value = formatter_of(metric)
    place = ax.get_yaxis_transform()
    for (left, column_right), engine in zip(columns, engines):
        right = 1 + (left + 0.78) / plot_width
        ratio_right = 1 + column_right / plot_width
        baseline = baseline_of(report, engine, opt_level, regime, metric)
        top = -0.5 - 0.62 * header_rows
        ax.plot([1 + (left + 0.1) / plot_width], [top], transform=place,
                marker=looks.marker[engine], color=looks.colour[engine], markersize=6,
                clip_on=False, linestyle="none")
        ax.text(1 + (left + 0.2) / plot_width, top, engine, transform=place,
                ha="left", va="center", size=9, weight="bold", color=looks.colour[engine])
        if baseline:
            ax.text(ratio_right, -0.5 - 0.2 * header_rows, f"÷ {baseline}", transform=place,
                    ha="right", va="center", size=7, color=MUTED)
        for y, (workload, _) in enumerate(rows):
            if workload is None:
                continue
            statistic = report.statistic(workload, engine, opt_level, regime, metric)
            cell = report.cell(workload, engine, opt_level, regime)
            if statistic is None:
                if cell is not None:
                    ax.text(right, y, missing_text(cell), transform=place, ha="right",
                            va="center", size=7.5, color=MUTED, style="italic")
                continue
            partial = "*" if cell["status"] == "partial" else ""
            ax.text(right, y, format_value(statistic["median"]) + partial, transform=place,
                    ha="right", va="center", size=8.5)
            draw_ratio(ax, report.comparison(workload, engine, opt_level, regime, metric),
                       ratio_right, y, place)
    ax.axhline(-0.5, color=FAINT, linewidth=0.8, clip_on=False)


def draw_ratio(ax, comparison, x, y, place):
    if comparison is None or comparison["ratio"] is None:
        return
    has_verdict = comparison["verdict"] in BETTER | WORSE
    ax.text(x, y, format_ratio(comparison["ratio"]), transform=place, ha="right", va="center",
            size=8.5, weight="bold" if has_verdict else "normal", color=INK if has_verdict else MUTED)


def missing_text(cell):
    return {"ok": "–", "partial": "–", "wrong_output": "wrong output"}.get(
        cell["status"], cell["status"].replace("_", " "))


def baseline_of(report, engine, opt_level, regime, metric):
    """The reference, where the engine is compared with it at all."""
    return next((c["baseline"] for c in report.comparisons(opt_level, regime, metric)
                 if c["engine"] == engine), None)


def floor_sentence(comparisons, is_calibrated):
    """What a bold ratio rests on."""
    floors = [c["effect_floor"] for c in comparisons if c["ratio"] is not None]
    if not floors or None in floors:
        return ("Grey: no verdict; this run was too noisy or too short for its A/A calibration to "
                "tell any effect from noise.")
    if not is_calibrated:
        source = "the minimum effect; this run has no A/A calibration, and does not know its noise"
    elif comparisons[0]["is_primary"]:
        source = "what this run's A/A calibration can tell from noise"
    else:
        source = "the minimum effect; the calibration watches the headline metrics only"
    return (f"Bold: significant after Holm's correction and at least {format_percent(max(floors))}, "
            f"{source}; grey: no verdict.")


def caption(report, opt_level, regime, metric, workloads):
    name, meaning = METRICS[metric]
    statistics = [(cell, report.statistic(w, e, opt_level, regime, metric))
                  for w in workloads for e in report.engines
                  for cell in [report.cell(w, e, opt_level, regime)]]
    counts = sorted({s["n"] for _, s in statistics if s})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    confidence = format_percent(report.data["meta"]["options"]["confidence"])
    better, _ = words_of(metric)
    parts = [f"{name.capitalize()}: {meaning}; regime {regime}, code generation level -O{opt_level}. "
             f"Dot: median of {n} processes; bar: {confidence} bootstrap interval of the median."]
    compared = [c for c in report.comparisons(opt_level, regime, metric)
                if c["workload"] in workloads]
    if compared:
        parts.append(f"Ratio below 1 is {better}. "
                     f"{floor_sentence(compared, bool(report.data['calibration']['pairs']))}")
    if any(s and s["median"] == 0 for _, s in statistics):
        parts.append("A value of 0 has no dot where the axis is logarithmic.")
    if any(cell and cell["status"] == "partial" for cell, _ in statistics):
        parts.append("*: some samples failed and are left out.")
    return " ".join(parts)
