# SPDX-License-Identifier: Apache-2.0
"""Draw a jitduel report: figures as SVG and PNG, and a page that holds them.

Reads the report's JSON and its schema, nothing else. Exit codes: 0 drawn, 64 usage, 65 the report
cannot be drawn, 66 it cannot be read, 69 a Python module is missing, 73 the output folder cannot be
written.
"""

import argparse
import importlib
import os
import pathlib
import re
import sys

EX_USAGE, EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_CANTCREAT = 64, 65, 66, 69, 73

# Figures of one metric each: (file name, regime, metric), in the page's order.
FORESTS = [
    ("time-to-first-result", "cold-process", "time_to_first_result_ns"),
    ("time-to-last-result", "cold-process", "time_to_last_result_ns"),
    ("worst-pause", "cold-process", "worst_pause_ns"),
    ("engine-life", "cold-engine", "engine_cycle_ns"),
    ("warm-call", "warm", "ns_per_call"),
    ("peak-memory", "cold-process", "peak_rss_bytes"),
    ("engine-memory", "cold-process", "engine_memory_bytes"),
    ("instructions", "cold-process", "instructions"),
]


class Parser(argparse.ArgumentParser):
    def error(self, message):
        fail(EX_USAGE, f"{message}; see scripts/plot --help")


def fail(code, text):
    print(f"plot: {text}", file=sys.stderr)
    sys.exit(code)


def parse_arguments(argv):
    parser = Parser(prog="scripts/plot", allow_abbrev=False,
                    description="Draw the figures of a jitduel report and a page that holds them.")
    parser.add_argument("report", help="what `jitduel bench --out` wrote")
    parser.add_argument("-o", "--out", metavar="DIR", required=True,
                        help="folder for report.html and the figures (SVG and PNG); made if needed")
    return parser.parse_args(argv)


def need(name):
    """A module that is imported only now: a report that cannot be drawn is refused without waiting
    a second for matplotlib, and a module that is missing gets a line of its own."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        return fail(EX_UNAVAILABLE, f"Python module '{error.name}' is missing; run scripts/setup")


def figures(report, looks):
    """(file name, Canvas) of every figure that the report has data for."""
    crossover, curve, forest, growth, phases = (
        need(f"figure_{name}") for name in ("crossover", "curve", "forest", "growth", "phases"))
    for level in report.opt_levels:
        for name, regime, metric in FORESTS:
            yield f"{name}-O{level}", forest.draw(report, looks, level, regime, metric)
        for family in crossover.families(report, level):
            shape = f"f{family.functions}-i{family.instructions}-O{level}"
            yield (f"crossover-{file_part(family.prefix).strip('-')}-{shape}",
                   crossover.draw(report, looks, level, family))
        for family in growth.families(report, level):
            yield (f"growth-x{family.executed}-i{family.instructions}-m{family.modules}-O{level}",
                   growth.draw(report, looks, level, family))
        for group in phases.groups(report):
            yield (f"phases-{file_part(group)}-O{level}",
                   phases.draw(report, looks, level, group))
        yield f"curve-O{level}", curve.draw(report, looks, level)


def file_part(text):
    """What of a name can stand in a file name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)


def make_folder(path):
    out = pathlib.Path(path)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(EX_CANTCREAT, f"{path}: cannot be made: {error.strerror}")
    if not os.access(out, os.W_OK | os.X_OK):
        fail(EX_CANTCREAT, f"{path}: cannot be written; choose another folder with -o")
    return out


def main(argv):
    arguments = parse_arguments(argv)
    model = need("model")
    try:
        report = model.load(arguments.report)
    except model.ReportError as error:
        fail(EX_DATAERR, str(error))
    except OSError as error:
        fail(EX_NOINPUT, f"{arguments.report}: {error.strerror}")
    except UnicodeDecodeError:
        fail(EX_DATAERR, f"{arguments.report}: not JSON: not UTF-8 text")
    out = make_folder(arguments.out)
    style, page = need("style"), need("page")
    style.setup()
    looks = style.Engines(report.engines)
    names = []
    try:
        for name, canvas in figures(report, looks):
            if canvas is not None:
                canvas.save(out / name, name)
                names.append(name)
        page.write(report, looks, out, names)
    except OSError as error:
        fail(EX_CANTCREAT, f"{error.filename or out}: {error.strerror}")
    print(f"{out}: report.html and {len(names)} figures, each as SVG and PNG")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
