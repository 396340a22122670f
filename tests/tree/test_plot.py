# SPDX-License-Identifier: Apache-2.0
"""scripts/plot from outside: what it draws from a report, and what it says of a bad one.

usage: test_plot.py PLOT EXAMPLE_REPORT [unittest options]
"""

import copy
import html.parser
import json
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PLOT, EXAMPLE = sys.argv[1:3]
SVG = "{http://www.w3.org/2000/svg}"
VOID = {"meta", "link", "br", "img", "hr", "input"}


def example():
    with open(EXAMPLE, encoding="utf-8") as file:
        return json.load(file)


def small(workloads=""):
    """The example with one regime, level and metric, and only these workloads: 3 to 5 figures
    instead of 18."""
    report = example()
    metric = "time_to_last_result_ns"
    report["cells"] = [c for c in report["cells"]
                       if (c["regime"], c["opt_level"]) == ("cold-process", 0) and
                       c["workload"].startswith(workloads)]
    for cell in report["cells"]:
        if cell["summary"]:
            cell["summary"]["metrics"] = {metric: cell["summary"]["metrics"][metric]}
    report["comparisons"] = [c for c in report["comparisons"] if c["metric"] == metric]
    return report


class Balance(html.parser.HTMLParser):
    """Whether every element of a page is closed by its own end tag."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.links = [], [], []

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append((tag, self.getpos()))


class PlotTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = pathlib.Path(self.folder.name)
        self.out = self.path / "figures"

    def plot(self, *arguments, **environment):
        return subprocess.run([PLOT, *map(str, arguments)], capture_output=True, text=True,
                              timeout=900, check=False, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, **environment))

    def plot_report(self, report):
        """Draw this report; the set of figure names, after the common checks of every figure."""
        path = self.path / "report.json"
        path.write_text(report if isinstance(report, str) else json.dumps(report),
                        encoding="utf-8")
        done = self.plot(path, "-o", self.out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        names = {file.stem for file in self.out.glob("*.svg")}
        self.assertEqual(names, {file.stem for file in self.out.glob("*.png")})
        self.assertIn(f"{len(names)} figures", done.stdout)
        for name in names:
            self.check_svg(self.out / f"{name}.svg")
            self.check_png(self.out / f"{name}.png")
        self.check_page(names)
        return names

    def check_svg(self, path):
        root = xml.etree.ElementTree.parse(path).getroot()
        self.assertEqual(root.tag, f"{SVG}svg")
        self.assertGreater(len(root.findall(f".//{SVG}path")), 20, path)

    def check_png(self, path):
        """Big enough to read, and not blank: ink in the heading, the plot and the footer."""
        import matplotlib.image  # pylint: disable=import-outside-toplevel
        pixels = matplotlib.image.imread(path)[:, :, :3]
        height, width = pixels.shape[:2]
        self.assertGreater(width, 900, path)
        self.assertGreater(height, 400, path)
        for part in (pixels[:height // 6], pixels[height // 4:3 * height // 4],
                     pixels[-height // 8:]):
            inked = (part.min(axis=2) < 0.75).mean()
            self.assertGreater(inked, 0.0005, path)
            self.assertLess(inked, 0.5, path)

    def check_page(self, names):
        text = (self.out / "report.html").read_text(encoding="utf-8")
        page = Balance()
        page.feed(text)
        self.assertEqual((page.open, page.wrong), ([], []))
        self.assertEqual(text.count("<svg "), len(names))
        for link in page.links:
            self.assertTrue(link.startswith("#") or (self.out / link).is_file(), link)

    def page(self):
        return (self.out / "report.html").read_text(encoding="utf-8")

    def assert_refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)


class Draws(PlotTest):
    def test_without_a_home(self):
        """matplotlib cannot keep its cache, and says nothing of that."""
        report = self.path / "report.json"
        report.write_text(json.dumps(small("kernel/fib")), encoding="utf-8")
        done = self.plot(report, "-o", self.out, HOME="/proc/nowhere", MPLCONFIGDIR="/proc/nowhere")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_every_figure_of_the_example(self):
        names = self.plot_report(example())
        expected = {f"{name}-O{level}" for level in (0, 2) for name in (
            "time-to-first-result", "time-to-last-result", "worst-pause", "warm-call",
            "peak-memory", "engine-memory", "phases-kernel", "curve")}
        expected |= {"phases-sqlite-O0", "crossover-synth-f1000-x-f1000-i50-O0"}
        self.assertEqual(names, expected)

    def test_page_says_what_must_not_be_quoted_and_why(self):
        report = small("kernel/fib")
        report["unpublishable_reasons"] = ["built as dev, not release"]
        report["complete"] = False
        self.plot_report(report)
        for text in ("NOT FOR PUBLICATION", "INCOMPLETE RUN", "built as dev, not release",
                     "standard output differs at byte 12 of 65", "run scripts/build-recipes"):
            self.assertIn(text, self.page())

    def test_publishable_report_has_no_stamp(self):
        report = small("kernel/fib")
        report.update(publishable=True, unpublishable_reasons=[])
        self.plot_report(report)
        self.assertNotIn("NOT FOR PUBLICATION", self.page())

    def test_text_from_a_report_is_escaped(self):
        report = small("kernel/fib")
        report["fingerprint"]["cpu_model"] = "<b>5 & 6</b> $x_1$"
        self.plot_report(report)
        self.assertIn("&lt;b&gt;5 &amp; 6&lt;/b&gt; $x_1$", self.page())

    def test_same_report_same_bytes(self):
        report = small("kernel/fib")
        names = self.plot_report(report)
        first = {name: (self.out / f"{name}.svg").read_bytes() for name in names}
        self.plot_report(report)
        for name in names:
            self.assertEqual(first[name], (self.out / f"{name}.svg").read_bytes(), name)


class Discovers(PlotTest):
    """Engines, groups and metrics come from the report alone."""

    def test_engines_of_any_name_and_number(self):
        text = json.dumps(small()).replace('"legacy"', '"$weird_name$"')
        report = json.loads(text.replace('"mcjit"', '"b"'))
        for engine in ("c", "d", "e", "f", "g", "h", "i"):
            twins = [copy.deepcopy(c) for c in report["cells"] if c["engine"] == "b"]
            for twin in twins:
                twin["engine"] = engine
            report["cells"] += twins
            report["plan"]["engines"].append({"name": engine, "summary": engine, "caps": []})
        self.assertIn("crossover-synth-f1000-x-f1000-i50-O0", self.plot_report(report))
        self.assertIn("$weird_name$ beats b", self.titles())

    def titles(self):
        """What the figures say is drawn as shapes; the title of the crossover is asked here."""
        sys.path.insert(0, str(pathlib.Path(PLOT).parent.parent / "reports" / "render"))
        import figure_crossover  # pylint: disable=import-outside-toplevel
        import model  # pylint: disable=import-outside-toplevel
        report = model.load(self.path / "report.json")
        family = figure_crossover.families(report, 0)[0]
        _, pairs = figure_crossover.pairs_of(report, family, 0)
        return figure_crossover.finding(pairs[0])

    def test_caption_speaks_of_a_calibration_that_was_made(self):
        sys.path.insert(0, str(pathlib.Path(PLOT).parent.parent / "reports" / "render"))
        import figure_forest  # pylint: disable=import-outside-toplevel
        import model  # pylint: disable=import-outside-toplevel
        data = small()
        for pairs, wanted in ((data["calibration"]["pairs"] or [{}], "A/A calibration can tell"),
                              ([], "no A/A calibration")):
            data["calibration"]["pairs"] = pairs
            report = model.Report(data)
            first = data["comparisons"][0]
            first["effect_floor"], metric = 0.02, first["metric"]
            self.assertIn(wanted, figure_forest.caption(
                report, first["opt_level"], first["regime"], metric, [first["workload"]]))

    def test_comparison_is_turned_towards_the_reference(self):
        sys.path.insert(0, str(pathlib.Path(PLOT).parent.parent / "reports" / "render"))
        import model  # pylint: disable=import-outside-toplevel
        data = small()
        first = data["comparisons"][0]
        data["comparisons"].append({**first, "engine": first["baseline"], "baseline": "third",
                                    "ratio": 4.0, "ratio_low": 2.0, "ratio_high": 8.0,
                                    "verdict": "slower"})
        data["plan"]["engines"].append({"name": "third", "summary": "", "caps": []})
        turned = model.Report(data).comparison(first["workload"], "third", first["opt_level"],
                                               first["regime"], first["metric"])
        self.assertEqual([turned[k] for k in ("baseline", "ratio", "ratio_low", "ratio_high",
                                              "verdict")],
                         [first["baseline"], 0.25, 0.125, 0.5, "faster"])

    def test_one_engine_alone(self):
        report = small()
        report["plan"]["engines"] = report["plan"]["engines"][:1]
        report["cells"] = [c for c in report["cells"] if c["engine"] == "legacy"]
        report["comparisons"] = []
        names = self.plot_report(report)
        self.assertIn("time-to-last-result-O0", names)
        self.assertFalse([name for name in names if name.startswith("crossover")])

    def test_nothing_that_can_be_drawn(self):
        report = small()
        report.update(cells=[], comparisons=[])
        self.assertEqual(self.plot_report(report), set())
        self.assertIn("no cell that can be drawn", self.page())

    def test_all_cells_failed(self):
        report = small()
        for cell in report["cells"]:
            cell.update(status="failed", summary=None, samples=[])
        report["comparisons"] = []
        self.assertEqual(self.plot_report(report), set())


class Crossover(PlotTest):
    """The crossing against values worked out by hand."""

    def setUp(self):
        super().setUp()
        sys.path.insert(0, str(pathlib.Path(PLOT).parent.parent / "reports" / "render"))
        import figure_crossover  # pylint: disable=import-outside-toplevel
        self.crossing_of = figure_crossover.crossing_of

    def test_between_two_points_in_logarithms(self):
        # 0.25 -> 4 over 0.01 -> 1: ratio 1 is half way, which is 0.1 in logarithms.
        self.assertAlmostEqual(self.crossing_of([0.01, 1], [0.25, 4]), 0.1)
        self.assertAlmostEqual(self.crossing_of([0.01, 0.1, 1], [0.1, 0.5, 2]), 0.1 * 10 ** 0.5)

    def test_at_a_point(self):
        self.assertAlmostEqual(self.crossing_of([0.01, 0.1, 1], [0.5, 1, 2]), 0.1)

    def test_none(self):
        self.assertIsNone(self.crossing_of([0.01, 0.1, 1], [0.1, 0.2, 0.9]))
        self.assertIsNone(self.crossing_of([0.01, 0.1, 1], [1.1, 1.2, 1.9]))


class Growth(PlotTest):
    def test_exponent_of_a_power_law(self):
        """n functions, 10 of which run, at 3 n^0.5 and 7 n: exponents by construction."""
        data = small("synth/")
        for workload, count in zip(("x1", "x0.1", "x0.01"), (100, 10000, 1000000)):
            name = f"synth/f1000-{workload}"
            entry = next(w for w in data["plan"]["workloads"] if w["name"] == name)
            entry.update(function_count=count, executed_count=10)
            for cell in data["cells"]:
                if cell["workload"] == name:
                    time = 3e6 * count ** 0.5 if cell["engine"] == "legacy" else 7e3 * count
                    set_time(cell, int(time))
        self.assertIn("growth-x10-i50-m1-O0", self.plot_report(data))
        sys.path.insert(0, str(pathlib.Path(PLOT).parent.parent / "reports" / "render"))
        import figure_growth  # pylint: disable=import-outside-toplevel
        import model  # pylint: disable=import-outside-toplevel
        report = model.load(self.path / "report.json")
        family = figure_growth.families(report, 0)[0]
        for engine, exponent in (("legacy", 0.5), ("mcjit", 1)):
            growth = figure_growth.growth_of(report, family, engine, 0)
            self.assertAlmostEqual(growth.exponent, exponent, places=4)
            self.assertAlmostEqual(growth.low, exponent, places=4)


def set_time(cell, time_ns):
    """Every good sample of the cell takes this long."""
    metric = "time_to_last_result_ns"
    for sample in cell["samples"]:
        if sample["kind"] == "ok":
            sample[metric] = time_ns
    for name in ("median", "mean", "min", "max", "p25", "p75", "p99", "ci_low", "ci_high"):
        cell["summary"]["metrics"][metric][name] = time_ns


class Refuses(PlotTest):
    def refuse(self, text, *words):
        path = self.path / "bad.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.assert_refused(self.plot(path, "-o", self.out), 65, "bad.json", *words)
        self.assertFalse(self.out.exists())

    def test_missing_file(self):
        done = self.plot(self.path / "none.json", "-o", self.out)
        self.assert_refused(done, 66, "none.json: No such file")

    def test_folder_instead_of_file(self):
        self.assert_refused(self.plot(self.path, "-o", self.out), 66, "Is a directory")

    def test_not_json(self):
        for text in ("", "{", "\0\1\2", '{"a": NaN}', "[" * 100000):
            with self.subTest(text=text[:10]):
                self.refuse(text, "not JSON")
        self.refuse(b"\xff\xfe{}", "not JSON")

    def test_other_schema(self):
        for text in ("[]", "{}", "3", '{"schema": "jitduel-run/1"}', '{"schema": ["x"]}'):
            with self.subTest(text=text):
                self.refuse(text, "schema is", "jitduel-report/1")

    def test_broken_report_names_the_place(self):
        report = example()
        report["cells"][3]["samples"][1]["wall_ns"] = "soon"
        self.refuse(json.dumps(report), "cells[3].samples[1].wall_ns", "'soon'")
        report = example()
        del report["plan"]["suite"]
        self.refuse(json.dumps(report), "plan", "'suite'")

    def test_output_folder_cannot_be_made(self):
        (self.path / "file").write_text("in the way", encoding="utf-8")
        for out in (self.path / "file", self.path / "file" / "below"):
            with self.subTest(out=out):
                self.assert_refused(self.plot(EXAMPLE, "-o", out), 73, str(out), "cannot be made")

    def test_names_that_the_plan_lacks(self):
        for part, key in (("cells", "workload"), ("cells", "engine"), ("comparisons", "workload"),
                          ("comparisons", "engine"), ("comparisons", "baseline")):
            with self.subTest(part=part, key=key):
                report = example()
                report[part][1][key] = "nobody"
                self.refuse(json.dumps(report), f"{part}[1].{key}", '"nobody"', "of the plan")

    @unittest.skipIf(os.geteuid() == 0, "root may write anywhere")
    def test_output_folder_cannot_be_written(self):
        self.out.mkdir()
        self.out.chmod(stat.S_IRUSR | stat.S_IXUSR)
        self.assert_refused(self.plot(EXAMPLE, "-o", self.out), 73, "cannot be written")

    def test_full_disk(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full here")
        self.out.mkdir()
        (self.out / "time-to-first-result-O0.svg").symlink_to("/dev/full")
        done = self.plot(EXAMPLE, "-o", self.out)
        self.assert_refused(done, 73, "No space left on device")

    def test_usage(self):
        self.assert_refused(self.plot(), 64, "report", "--help")
        self.assert_refused(self.plot(EXAMPLE), 64, "-o", "--help")
        self.assert_refused(self.plot(EXAMPLE, "-o", self.out, "--bogus"), 64, "--bogus")

    def test_help(self):
        done = self.plot("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("report", "--out", "report.html"):
            self.assertIn(word, done.stdout)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
