# SPDX-License-Identifier: Apache-2.0
"""A report as the figures see it: checked against its schema, then indexed.

Knows the schema and nothing of drawing. Engines, workloads, levels and regimes are discovered from
the report, in its order; no name of any is written here or in a figure. Source of every field's
meaning: reports/schema/jitduel-report-1.schema.json.
"""

import json
import os
import re

import jsonschema

SCHEMA_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "schema",
                           "jitduel-report-1.schema.json")


class ReportError(Exception):
    """A report that cannot be drawn: one line, naming the file and the place in it."""


class Report:
    """The parsed report with look-ups. `data` is the JSON, unchanged."""

    def __init__(self, data):
        self.data = data
        self.engines = [engine["name"] for engine in data["plan"]["engines"]]
        self.caps = {e["name"]: set(e["caps"]) for e in data["plan"]["engines"]}
        self.workloads = {w["name"]: w for w in data["plan"]["workloads"]}
        self.opt_levels = sorted({c["opt_level"] for c in data["cells"]})
        self._cells = {(c["workload"], c["engine"], c["opt_level"], c["regime"]): c
                       for c in data["cells"] if c["role"] == "measure"}
        # Reports compare each engine with every later one; figures show one reference, the
        # baseline that comes first, and turn the comparisons in which it is the other side.
        self.reference = data["comparisons"][0]["baseline"] if data["comparisons"] else None
        self._comparisons = {}
        for c in data["comparisons"]:
            if c["engine"] == self.reference:
                c = inverse(c)
            if c["baseline"] == self.reference:
                key = (c["workload"], c["engine"], c["opt_level"], c["regime"], c["metric"])
                self._comparisons[key] = c

    def cell(self, workload, engine, opt_level, regime):
        return self._cells.get((workload, engine, opt_level, regime))

    def comparison(self, workload, engine, opt_level, regime, metric):
        """The engine against the reference, or None where the report does not compare them."""
        return self._comparisons.get((workload, engine, opt_level, regime, metric))

    def comparisons(self, opt_level, regime, metric):
        """All engines against the reference, in the report's order of engines."""
        found = [c for c in self._comparisons.values()
                 if (c["opt_level"], c["regime"], c["metric"]) == (opt_level, regime, metric)]
        return sorted(found, key=lambda c: self.engines.index(c["engine"]))

    def statistic(self, workload, engine, opt_level, regime, metric):
        """The cell's statistic of that metric, or None."""
        cell = self.cell(workload, engine, opt_level, regime)
        if cell is None or cell["summary"] is None:
            return None
        return cell["summary"]["metrics"].get(metric)

    def workloads_with(self, opt_level, regime, metric):
        """Workloads of which any engine has the metric, or failed to get it; in reading order."""
        names = {w for (w, e, o, r), cell in self._cells.items()
                 if (o, r) == (opt_level, regime) and
                 (self.statistic(w, e, o, r, metric) is not None or cell["summary"] is None)}
        if not any(self.statistic(w, e, opt_level, regime, metric)
                   for w in names for e in self.engines):
            return []
        return sorted(names, key=lambda n: (self.workloads[n]["group"], natural_key(n)))

    def engines_with(self, workloads, opt_level, regime):
        """Engines that have a cell for any of these workloads, in the report's order."""
        return [e for e in self.engines
                if any(self.cell(w, e, opt_level, regime) for w in workloads)]

    def is_generated(self, workload):
        return self.workloads[workload]["function_count"] is not None

    def stamps(self):
        """What must be written on every figure: reasons not to quote it."""
        stamps = []
        if not self.data["complete"]:
            stamps.append("INCOMPLETE RUN")
        if not self.data["publishable"]:
            stamps.append("NOT FOR PUBLICATION")
        return stamps


OPPOSITE = {"faster": "slower", "slower": "faster", "smaller": "larger", "larger": "smaller"}


def inverse(comparison):
    """The same comparison seen from the other engine."""
    def over(value):
        return 1 / value if value else None
    return {**comparison, "engine": comparison["baseline"], "baseline": comparison["engine"],
            "n_engine": comparison["n_baseline"], "n_baseline": comparison["n_engine"],
            "ratio": over(comparison["ratio"]), "ratio_low": over(comparison["ratio_high"]),
            "ratio_high": over(comparison["ratio_low"]),
            "verdict": OPPOSITE.get(comparison["verdict"], comparison["verdict"])}


def natural_key(name):
    """Sorts f200 before f1000, and x0.01 before x0.1."""
    return [(0, float(part)) if re.fullmatch(r"\d+(\.\d+)?", part) else (1, part)
            for part in re.split(r"(\d+(?:\.\d+)?)", name) if part]


def load(path):
    """The report at `path`, or ReportError; OSError when it cannot be read."""
    with open(path, encoding="utf-8") as file:
        try:
            data = json.load(file, parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ReportError(f"{path}: not JSON: {error}") from error
    found = data.get("schema") if isinstance(data, dict) else None
    if found != "jitduel-report/1":
        raise ReportError(f"{path}: schema is {json.dumps(found)}, but scripts/plot draws "
                          "\"jitduel-report/1\", which jitduel bench writes")
    with open(SCHEMA_FILE, encoding="utf-8") as file:
        validator = jsonschema.Draft202012Validator(json.load(file))
    error = jsonschema.exceptions.best_match(validator.iter_errors(data))
    if error is not None:
        place = error.json_path.removeprefix("$").lstrip(".") or "top level"
        raise ReportError(f"{path}: {place}: {shorten(error.message)}")
    check_names(path, data)
    return Report(data)


def check_names(path, data):
    """What a schema cannot say: cells and comparisons are of the plan's engines and workloads."""
    known = {kind: {entry["name"] for entry in data["plan"][kind + "s"]}
             for kind in ("engine", "workload")}
    for part in ("cells", "comparisons"):
        for index, entry in enumerate(data[part]):
            for key, kind in (("workload", "workload"), ("engine", "engine"),
                              ("baseline", "engine")):
                if key in entry and entry[key] not in known[kind]:
                    raise ReportError(f"{path}: {part}[{index}].{key}: {json.dumps(entry[key])} "
                                      f"is no {kind} of the plan")


def refuse_constant(name):
    raise ValueError(f"{name} is no JSON number")


def shorten(text, limit=160):
    text = " ".join(text.split())
    return text if len(text) <= limit else text[:limit - 4] + " ..."
