# SPDX-License-Identifier: Apache-2.0
"""Where the time goes: the phases of each engine, stacked, for one group of programs that were not
generated.

Phases are exclusive, so they add up; the calls of a program are left out, since the work inside
them is in its own phase already. What is left until the last result is the program itself and
whatever no phase claims.
"""

import statistics

from style import BAND, FAINT, INK, MARGIN, MUTED, Canvas, format_ns

REGIME = "cold-process"

# In the order in which they happen. One hue per kind of work, one lightness per phase.
PHASES = [
    ("process_load", "load the process", "#b8bcc4"), ("llvm_init", "start LLVM", "#878d97"),
    ("create", "create the engine", "#c9e3f5"), ("parse", "parse", "#7fbce6"),
    ("add", "add", "#3b93cf"), ("partition", "partition", "#0b5a94"),
    ("ir_passes", "IR passes", "#f6c48f"), ("codegen", "code generation", "#D55E00"),
    ("link", "link", "#9bd7c1"), ("finalize", "finalize", "#3bb08b"),
    ("resolve", "resolve", "#00704f"), ("rest", "the program and the rest", "#CC79A7"),
    ("teardown", "teardown, after the last result", "#e9d9e3"),
]


def stack_of(cell):
    """{phase: median ns} with "rest", and "total" until the last result, over the samples that ended
    well; None without any."""
    samples = [s for s in cell["samples"]
               if s["kind"] == "ok" and s["time_to_last_result_ns"] is not None]
    if not samples:
        return None
    stack = {}
    for phase, _, _ in PHASES:
        if phase == "rest":
            values = [max(0, s["time_to_last_result_ns"] - claimed(s)) for s in samples]
        else:
            values = [s["phases_ns"].get(phase) or 0 for s in samples]
        stack[phase] = statistics.median(values)
    stack["total"] = statistics.median(s["time_to_last_result_ns"] for s in samples)
    return stack


def length_of(stack):
    """How long the bar is: the sum of its phases."""
    return sum(stack[phase] for phase, _, _ in PHASES)


def claimed(sample):
    """What the phases before the last result account for."""
    return sum(sample["phases_ns"].get(phase) or 0 for phase, _, _ in PHASES
               if phase not in ("rest", "teardown"))


def groups(report):
    """Groups that hold a program which was not generated, in the report's order."""
    return list(dict.fromkeys(w["group"] for name, w in report.workloads.items()
                              if not report.is_generated(name)))


def draw(report, looks, opt_level, group):
    """The Canvas of this figure, or None when no program of the group ran at that level."""
    bars = []  # (workload, [(engine, stack)])
    for workload in report.workloads:
        if report.workloads[workload]["group"] != group:
            continue
        stacks = [(e, stack_of(cell)) for e in report.engines
                  for cell in [report.cell(workload, e, opt_level, REGIME)] if cell]
        stacks = [(e, s) for e, s in stacks if s]
        if stacks and not report.is_generated(workload):
            bars.append((workload, stacks))
    if not bars:
        return None
    bars.sort(key=lambda bar: -max(length_of(s) for _, s in bar[1]))
    return draw_bars(report, looks, opt_level, group, bars)


def draw_bars(report, looks, opt_level, group, bars):
    bar_height, gap, legend = 0.23, 0.46, 0.2 * ((len(PHASES) + 3) // 4) + 0.15
    count = sum(len(stacks) for _, stacks in bars)
    plot_height = bar_height * count + gap * len(bars)
    engine_width = 0.085 * max(len(e) for _, s in bars for e, _ in s) + 0.2
    width, plot_width = 10.4, 10.4 - 2 * MARGIN - engine_width - 0.85
    canvas = Canvas(report, width, legend + plot_height + 0.3, title_of(group, bars, opt_level),
                    "", caption(report, opt_level, bars))
    draw_legend(canvas, bars)
    ax = canvas.axes(MARGIN + engine_width, legend, plot_width, plot_height)
    ax.set_ylim(plot_height, 0)
    ax.set_xlim(0, 1.1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1])
    ax.set_xticklabels(["0", "25 %", "50 %", "75 %", "100 % of the slowest engine's time"])
    ax.grid(axis="x", color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)
    y = 0
    for index, (workload, stacks) in enumerate(bars):
        if index % 2:
            ax.axhspan(y, y + gap + bar_height * len(stacks), color=BAND, zorder=0, linewidth=0)
        ax.text(0, y + 0.2, workload, size=9, weight="bold", va="center")
        longest = max(length_of(s) for _, s in stacks)
        for i, (engine, stack) in enumerate(stacks):
            middle = y + 0.34 + bar_height * (i + 0.5)
            ax.text(-0.008, middle, engine, transform=ax.get_yaxis_transform(), ha="right",
                    va="center", size=8.5, color=looks.colour[engine], weight="bold")
            draw_stack(ax, stack, middle, bar_height * 0.82, longest)
        y += gap + bar_height * len(stacks)
    ax.set_yticks([])
    return canvas


def draw_stack(ax, stack, middle, height, longest):
    left = 0
    for phase, _, colour in PHASES:
        share = stack[phase] / longest
        if share > 0:
            ax.barh(middle, share, height, left=left, color=colour, edgecolor="white",
                    linewidth=0, hatch="////" if phase == "teardown" else None, zorder=3)
            left += share
    ax.text(left + 0.007, middle, format_ns(stack["total"]), va="center", size=8, color=INK,
            zorder=4)


def draw_legend(canvas, bars):
    used = [(text, colour, phase) for phase, text, colour in PHASES
            if any(s[phase] > 0 for _, stacks in bars for _, s in stacks)]
    column = (canvas.width - 2 * MARGIN) / 4
    ax = canvas.axes(0, 0, canvas.width, 0.2 * ((len(used) + 3) // 4))
    ax.set_axis_off()
    ax.set_xlim(0, canvas.width)
    ax.set_ylim(0.2 * ((len(used) + 3) // 4), 0)
    for i, (text, colour, phase) in enumerate(used):
        x, y = MARGIN + column * (i % 4), 0.2 * (i // 4)
        ax.barh(y + 0.07, 0.16, 0.12, left=x, color=colour, edgecolor="white", linewidth=0.4,
                hatch="////" if phase == "teardown" else None)
        ax.text(x + 0.23, y + 0.07, text, size=8, va="center", color=MUTED)


def title_of(group, bars, opt_level):
    """Which phase takes most of each engine's time, as the mean share over the programs; the
    first three engines."""
    names = {phase: text for phase, text, _ in PHASES if phase != "teardown"}
    shares = {}
    for _, stacks in bars:
        for engine, stack in stacks:
            until_result = sum(stack[phase] for phase in names) or 1
            for phase in names:
                shares.setdefault(engine, {}).setdefault(phase, []).append(
                    stack[phase] / until_result)
    parts, last = [], None
    for engine, of_phase in shares.items():
        share, phase = max((statistics.mean(values), p) for p, values in of_phase.items())
        what = "" if phase == last else f"{names[phase]} is "
        parts.append(f"{what}{100 * share:.0f} % of {engine}")
        last = phase
    return f"Where {group} spends its time at -O{opt_level}: " + ", ".join(parts[:3])


def caption(report, opt_level, bars):
    counts = sorted({sum(s["kind"] == "ok" for s in report.cell(w, e, opt_level, REGIME)["samples"])
                     for w, stacks in bars for e, _ in stacks})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (f"Median of each phase over {n} processes, regime {REGIME}, level -O{opt_level}; medians "
            "need not add up exactly. Bars are relative to the slowest engine of each program; the "
            "number is the time until the last result, and teardown comes after it. Work that a lazy engine does inside calls is in its own phase.")
