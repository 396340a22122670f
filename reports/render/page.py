# SPDX-License-Identifier: Apache-2.0
"""report.html: one file with the figures inside, the numbers as a table, and where they come from.

Knows the report and the files that the figures wrote; all layout is in report.html.j2.
"""

import os
import pathlib
import re

import jinja2

import style
from figure_forest import BETTER, METRICS, WORSE

# Headings of the page: (first part of the figures' file names, heading).
SECTIONS = [
    ("time-to-first-result", "How long until the first result?"),
    ("time-to-last-result", "How long until the last result?"),
    ("crossover", "At which executed fraction does eager win?"),
    ("growth", "How do costs grow with the program?"),
    ("phases", "Where does the time go?"),
    ("curve", "How does compiling spread over a run?"),
    ("worst-pause", "What is the worst pause?"),
    ("engine-life", "What does one more engine cost in a warm process?"),
    ("warm-call", "What does a call cost once everything is compiled?"),
    ("peak-memory", "How much memory does the process need?"),
    ("engine-memory", "How much memory does the engine hold?"),
    ("instructions", "How many instructions are executed?"),
]


def write(report, looks, out, names):
    """Write out/report.html; `names` are the figures that were drawn into `out`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.dirname(os.path.abspath(__file__))),
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    text = environment.get_template("report.html.j2").render(
        report=report.data, stamps=report.stamps(), engines=engine_rows(report, looks),
        sections=sections(out, names), rows=summary_rows(report),
        machine=[(key.replace("_", " "), fact_text(value))
                 for key, value in report.data["fingerprint"].items()],
        calibration=calibration_rows(report), failures=failure_rows(report),
        command=" ".join(report.data["meta"]["command_line"]))
    (out / "report.html").write_text(text, encoding="utf-8")


def engine_rows(report, looks):
    return [{"name": e["name"], "summary": e["summary"], "colour": looks.colour[e["name"]],
             "caps": ", ".join(c.replace("_", " ") for c in e["caps"]) or "none"}
            for e in report.data["plan"]["engines"]]


def sections(out, names):
    found = []
    for prefix, heading in SECTIONS:
        figures = [{"name": n, "svg": jinja2.filters.Markup(svg_element(out / f"{n}.svg"))}
                   for n in names if n.startswith(prefix)]
        if figures:
            found.append({"id": prefix, "heading": heading, "figures": figures})
    return found


def svg_element(path):
    """The <svg> element of a file, without the XML and DOCTYPE lines that HTML has no place for."""
    text = pathlib.Path(path).read_text(encoding="utf-8")
    return re.sub(r"^.*?(?=<svg\b)", "", text, count=1, flags=re.DOTALL)


def summary_rows(report):
    """One row per headline comparison."""
    rows = []
    for c in report.data["comparisons"]:
        if not c["is_primary"]:
            continue
        key = (c["opt_level"], c["regime"], c["metric"])
        rows.append({
            "workload": c["workload"], "regime": c["regime"], "level": f"-O{c['opt_level']}",
            "metric": METRICS[c["metric"]][0], "engine": c["engine"], "baseline": c["baseline"],
            "value": median_text(report, c["workload"], c["engine"], key),
            "base_value": median_text(report, c["workload"], c["baseline"], key),
            "ratio": style.format_ratio(c["ratio"]) if c["ratio"] is not None else "–",
            "interval": interval_text(c), "verdict": c["verdict"], "reason": c["reason"],
            "kind": "better" if c["verdict"] in BETTER else
                    "worse" if c["verdict"] in WORSE else "none"})
    return rows


def median_text(report, workload, engine, key):
    opt_level, regime, metric = key
    statistic = report.statistic(workload, engine, opt_level, regime, metric)
    return style.formatter_of(metric)(statistic["median"]) if statistic else "–"


def interval_text(comparison):
    if comparison["ratio_low"] is None or comparison["ratio_high"] is None:
        return "–"
    return (f"{style.three_digits(comparison['ratio_low'])} to "
            f"{style.three_digits(comparison['ratio_high'])}")


def calibration_rows(report):
    return [{"regime": r["regime"], "is_calibrated": r["is_calibrated"],
             "effect": style.format_percent(r["detectable_effect"])
             if r["detectable_effect"] is not None else "none up to 100 %"}
            for r in report.data["calibration"]["regimes"]]


def failure_rows(report):
    """Failures with the same text once, with how often."""
    counts = {}
    for f in report.data["failures"]:
        key = (f["workload"], f["engine"], f"-O{f['opt_level']}", f["regime"], f["kind"], f["detail"])
        counts[key] = counts.get(key, 0) + 1
    return [(*key, count) for key, count in counts.items()]


def fact_text(value):
    if isinstance(value, list):
        return ", ".join(value) or "unavailable"
    return str(value)
