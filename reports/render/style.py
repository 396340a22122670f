# SPDX-License-Identifier: Apache-2.0
"""How every figure looks: colours, units, captions, footers, stamps, and writing the files.

Knows matplotlib and the report's provenance; knows no single figure. Colours are Okabe and Ito's
colour-blind-safe set, given to engines in the report's order together with a marker of their own,
so that a figure survives a black-and-white printer.
"""

import functools
import logging
import math

# Where it keeps its cache, and that it makes one, is nobody's concern who wants a figure.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

import matplotlib  # noqa: E402

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen first)
from matplotlib import ticker  # noqa: E402
from matplotlib.font_manager import FontProperties  # noqa: E402
from matplotlib.textpath import TextPath  # noqa: E402

INK, MUTED, FAINT, BAND = "#1a1a1a", "#5f6670", "#d9dce1", "#f5f6f8"
ALARM = "#b3261e"
ENGINE_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a6d00",
                  "#4d4d4d")
ENGINE_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")

# Figure geometry, in inches.
MARGIN = 0.3
FOOTER = 0.52


def setup():
    """Set matplotlib's defaults; called once."""
    plt.rcParams.update({
        "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": MUTED,
        "axes.labelcolor": INK, "axes.linewidth": 0.8, "axes.spines.top": False,
        "axes.spines.right": False, "xtick.color": MUTED, "ytick.color": MUTED,
        "xtick.labelcolor": INK, "ytick.labelcolor": INK, "text.color": INK,
        "figure.facecolor": "white", "savefig.facecolor": "white", "svg.fonttype": "path",
        "figure.max_open_warning": 0,
    })


class Engines:
    """The look of each engine: the same in every figure of one report."""

    def __init__(self, names):
        self.colour = {n: ENGINE_COLOURS[i % len(ENGINE_COLOURS)] for i, n in enumerate(names)}
        self.marker = {n: ENGINE_MARKERS[i % len(ENGINE_MARKERS)] for i, n in enumerate(names)}


def three_digits(value):
    """Three significant digits without an exponent: 0.123, 1.23, 12.3, 123, 1230."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, decimals):.{decimals}f}"


def scaled(value, steps):
    """`value` in the largest unit that leaves it at least 1; rounding may not reach the next."""
    factor, unit = steps[0]
    for step_factor, step_unit in steps:
        if abs(value) >= 0.9995 * step_factor:
            factor, unit = step_factor, step_unit
    return value / factor, unit


def format_ns(value):
    if value == 0:
        return "0"
    number, unit = scaled(value, [(1, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")])
    return f"{three_digits(number)} {unit}"


def format_bytes(value):
    if value == 0:
        return "0"
    number, unit = scaled(value, [(1, "B"), (2**10, "KiB"), (2**20, "MiB"), (2**30, "GiB")])
    return f"{three_digits(number)} {unit}"


def format_count(value):
    number, unit = scaled(value, [(1, ""), (1e6, "million"), (1e9, "billion")])
    return f"{three_digits(number)} {unit}".strip()


def format_ratio(value):
    if value < 0.001:
        return "<0.001×"
    if value < 0.1:
        return f"{value:.3f}×"
    return f"{three_digits(value)}×"


def trim_zeros(number):
    """"95.0" -> "95", "1.50" -> "1.5"; whole numbers stay."""
    return number.rstrip("0").rstrip(".") if "." in number else number


def format_percent(fraction):
    return f"{trim_zeros(three_digits(100 * fraction))} %"


def formatter_of(metric):
    if metric.endswith("_bytes"):
        return format_bytes
    return format_ns if metric.endswith("_ns") or metric == "ns_per_call" else format_count


def tick_text(format_value):
    """An axis formatter: the value's own unit, without needless decimals ("1.00 ms" -> "1 ms")."""
    def text(value, _position):
        if value <= 0:
            return "0" if value == 0 else ""
        number, _, unit = format_value(value).partition(" ")
        return f"{trim_zeros(number)} {unit}".strip()
    return ticker.FuncFormatter(text)


def value_axis(axis, low, high, metric):
    """Scale one axis of positive values: logarithmic when they span more than a factor of 4, else
    from zero. Returns whether it is logarithmic."""
    ax, which = axis.axes, axis.axis_name
    set_scale = ax.set_xscale if which == "x" else ax.set_yscale
    set_limits = ax.set_xlim if which == "x" else ax.set_ylim
    format_value = formatter_of(metric)
    is_log = low > 0 and high / low > 4
    if is_log:
        set_scale("log")
        set_limits(low / 1.35, high * 1.35)
        subs = (1, 2, 5) if high / low < 60 else (1, 3) if high / low < 600 else (1,)
        if metric.endswith("_bytes"):
            axis.set_major_locator(ticker.LogLocator(base=4 if high / low < 600 else 16))
        else:
            axis.set_major_locator(ticker.LogLocator(base=10, subs=subs))
    else:
        set_limits(0, high * 1.12)
        if metric.endswith("_bytes"):
            step = 2 ** math.ceil(math.log2(max(high, 1) / 5))
            axis.set_major_locator(ticker.MultipleLocator(step))
        else:
            axis.set_major_locator(ticker.MaxNLocator(5))
    axis.set_minor_locator(ticker.NullLocator())
    axis.set_major_formatter(tick_text(format_value))
    ax.grid(axis=which, color=FAINT, linewidth=0.7)
    ax.set_axisbelow(True)
    return is_log


def provenance(report):
    """Two lines that say where the numbers come from."""
    meta, print_ = report.data["meta"], report.data["fingerprint"]
    revision = meta["git_revision"][:12] + (" with changes" if meta["git_dirty"] is True else "")
    machine = [print_["cpu_model"], print_["arch"], f"{print_['cpu_online_count']} CPUs",
               print_["kernel"], print_["libc"]]
    if print_["hypervisor"] == "yes":
        machine.append("virtual machine")
    elif print_["hypervisor"] not in ("none", "unavailable"):
        machine.append(f"on {print_['hypervisor']}")
    if print_["emulation"] not in ("none", "unavailable"):
        machine.append(f"emulated by {print_['emulation']}")
    run = [f"jitduel {meta['jitduel_version']}", f"commit {revision}", f"preset {meta['preset']}",
           f"LLVM {print_['llvm_version']}", f"suite {report.data['plan']['suite']}",
           f"seed {meta['seed']}", meta["created"]]
    return " · ".join(machine), " · ".join(run)


@functools.lru_cache(maxsize=None)
def word_width(word, size, weight):
    prop = FontProperties(family=plt.rcParams["font.family"], size=size, weight=weight)
    return TextPath((0, 0), word.replace("$", r"\$"), prop=prop).get_extents().width / 72


def text_width(text, size, weight="normal"):
    """Width in inches, a little generous: words apart, and a space of a third of the size."""
    words = text.split()
    return (sum(word_width(word, size, weight) + 0.01 for word in words) +
            max(0, len(words) - 1) * 0.35 * size / 72)


def wrap(text, width, size, weight="normal"):
    """Lines of at most `width` inches, broken between words."""
    lines = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size, weight) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def clip(text, width, size, weight="normal"):
    """The text, cut off after a word with an ellipsis where it would be wider than `width`."""
    lines = wrap(text, width - 0.15, size, weight)
    return lines[0] + " …" if len(lines) > 1 else text


class Canvas:
    """A figure with title, captions, footer and stamps in place; `axes` puts a plot area by inches
    from the left and the top of what is below the heading."""

    def __init__(self, report, width, body_height, title, subtitle="", caption=""):
        room = width - 2 * MARGIN
        title_lines = wrap(title, room, 12.5, "bold")
        subtitle_lines = [part for line in subtitle.split("\n") for part in wrap(line, room, 9)]
        caption_lines = wrap(caption, room, 8)
        heading = MARGIN + 0.27 * len(title_lines) + 0.18 * len(subtitle_lines) + 0.18
        tail = 0.14 + 0.165 * len(caption_lines) + FOOTER
        self.report, self.width, self.heading = report, width, heading
        self.height = heading + body_height + tail
        self.figure = plt.figure(figsize=(width, self.height))
        top = MARGIN
        for line in title_lines:
            self.text(MARGIN, top, line, size=12.5, weight="bold")
            top += 0.27
        for line in subtitle_lines:
            self.text(MARGIN, top, line, size=9, color=MUTED)
            top += 0.18
        top = heading + body_height + 0.14
        for line in caption_lines:
            self.text(MARGIN, top, line, size=8, color=INK)
            top += 0.165
        self._footer()
        self._stamp(body_height)

    def text(self, left, top, text, **kwargs):
        """Text by inches from the figure's left and top edges."""
        kwargs.setdefault("va", "top")
        self.figure.text(left / self.width, 1 - top / self.height, text, **kwargs)

    def axes(self, left, top, width, height):
        bottom = self.height - self.heading - top - height
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width,
                                     height / self.height))

    def _footer(self):
        for i, line in enumerate(provenance(self.report)):
            self.text(MARGIN, self.height - FOOTER + 0.14 + 0.145 * i,
                      clip(line, self.width - 2 * MARGIN, 6.8), size=6.8, color=MUTED)

    def _stamp(self, body_height):
        stamps = self.report.stamps()
        if not stamps:
            return
        middle = 1 - (self.heading + body_height / 2) / self.height
        self.figure.text(0.5, middle, " · ".join(stamps), ha="center", va="center", color=ALARM,
                         alpha=0.13, weight="bold", size=min(40, 3.1 * self.width),
                         rotation=min(25, 6 * body_height), zorder=10)
        reasons = "; ".join(self.report.data["unpublishable_reasons"]) or "the run was interrupted"
        text = clip(f"{' · '.join(stamps)}: {reasons}", self.width - 2 * MARGIN, 7.6, "bold")
        self.text(MARGIN, 0.1, text, size=7.6, color=ALARM, weight="bold")

    def save(self, base, description):
        """Write base.svg and base.png; deterministic for the same report and library."""
        with plt.rc_context({"svg.hashsalt": base.name}):
            self.figure.savefig(f"{base}.svg", format="svg",
                                metadata={"Date": None, "Title": description})
        self.figure.savefig(f"{base}.png", format="png", dpi=144,
                            metadata={"Title": description, "Software": None})
        plt.close(self.figure)
