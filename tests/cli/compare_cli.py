# SPDX-License-Identifier: Apache-2.0
"""`jitduel compare` from outside: reports with invented figures, each made for one question.

usage: compare_cli.py TOOLS_FILE unittest-arguments...

Reports are built on the example report of tests/support and must fit the schema before jitduel sees
them: what is tested is judged by what was put in.
"""

import copy
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
TIMEOUT_S = 600  # for what hangs; machines may be slow
TOOLS = {}
KEY = ("kernel/fib", "kernel/sha256")


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


class Made:
    """A report in which every engine has the same figures for every workload, until told else."""

    def __init__(self, samples=16, spread=0.002, seed=1, regime_floor=0.02):
        self.data = load(TOOLS["example_report"])
        self.random = random.Random(seed)
        pattern = next(c for c in self.data["cells"]
                       if c["status"] == "ok" and c["regime"] == "cold-process")
        self.pattern = copy.deepcopy(pattern)
        self.data["cells"] = []
        self.data["comparisons"] = []
        self.data["failures"] = []
        for regime in self.data["calibration"]["regimes"]:
            regime["detectable_effect"] = regime_floor
        for workload in KEY:
            for engine in ("legacy", "mcjit"):
                self.add(workload, engine, samples, spread)

    def add(self, workload, engine, samples, spread):
        cell = copy.deepcopy(self.pattern)
        cell.update(id=len(self.data["cells"]), workload=workload, engine=engine, opt_level=0)
        one = cell["samples"][0]
        cell["samples"] = []
        for i in range(samples):
            sample = copy.deepcopy(one)
            sample.update(block=i, process=i, position=i, kind="ok", detail="")
            cell["samples"].append(sample)
        self.data["cells"].append(cell)
        for name in ("time_to_main_ns", "time_to_first_result_ns", "time_to_last_result_ns"):
            self.set(workload, engine, name, lambda block: int(
                1e8 * (1 + spread * (2 * self.random.random() - 1))))
        self.set_memory(workload, engine, "peak_rss_bytes", 1 << 25)
        cell["summary"] = None if cell["status"] != "ok" else cell["summary"]

    def cell(self, workload, engine):
        return next(c for c in self.data["cells"]
                    if (c["workload"], c["engine"]) == (workload, engine))

    def set(self, workload, engine, name, value):
        for sample in self.cell(workload, engine)["samples"]:
            sample[name] = value(sample["block"])

    def set_memory(self, workload, engine, name, size):
        for sample in self.cell(workload, engine)["samples"]:
            sample["memory"][name] = size + 4096 * self.random.randrange(4)

    def times(self, factor, workloads=KEY, engines=("legacy", "mcjit")):
        """Multiply times; factor is a number or a function of the block."""
        for workload in workloads:
            for engine in engines:
                for sample in self.cell(workload, engine)["samples"]:
                    by = factor(sample["block"]) if callable(factor) else factor
                    for name in ("time_to_main_ns", "time_to_first_result_ns",
                                 "time_to_last_result_ns"):
                        sample[name] = int(sample[name] * by)
        return self

    def fails(self, workload, engine, status, detail):
        cell = self.cell(workload, engine)
        cell.update(status=status, status_detail=detail, summary=None)
        return self


class Compare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="jd-compare-")
        self.addCleanup(self.folder.cleanup)
        self.base, self.now = (os.path.join(self.folder.name, n) for n in ("base.json", "new.json"))

    def write(self, path, report):
        import jsonschema
        data = report.data if isinstance(report, Made) else report
        jsonschema.validate(data, load(TOOLS["report_schema"]))
        with open(path, "w", encoding="utf-8") as file:
            json.dump(data, file)

    def call(self, *arguments, stdout=subprocess.PIPE):
        command = TOOLS["emulator"] + [TOOLS["jitduel"], "compare", *arguments]
        return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, timeout=TIMEOUT_S,
                              check=False, encoding="utf-8")

    def compare(self, base, now, *options, code):
        self.write(self.base, base)
        self.write(self.now, now)
        done = self.call(*options, self.base, self.now)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        if code == 3:
            self.assert_one_line(done)
        else:
            self.assertEqual(done.stderr, "")
        return done.stdout if code != 3 else done.stderr

    def assert_one_line(self, done):
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Ajitduel: [^\n]+\n\Z")

    # ---- verdicts ----

    def test_what_did_not_change_is_no_regression(self):
        out = self.compare(Made(seed=1), Made(seed=2), code=0)
        self.assertRegex(out, r"\n0 regressions, 0 better, \d+ without harm, 0 open, 0 not compared")

    def test_slower_is_a_regression_of_that_cell_alone(self):
        now = Made(seed=2).times(1.3, ["kernel/fib"], ["legacy"])
        out = self.compare(Made(), now, code=1)
        self.assertRegex(out, r"regressions:\n  kernel/fib legacy -O0 cold-process "
                              r"time_to_last_result_ns: 100(\.\d)? ms -> 130 ms = 1\.3\d\d "
                              r"\[1\.\d+, 1\.\d+\], p = [\d.e-]+: slower\n")
        self.assertNotIn("mcjit", out)
        self.assertIn("\n3 regressions, 0 better", out)  # to main, first result, last result

    def test_faster_is_none(self):
        now = Made(seed=2).times(0.7, ["kernel/fib"], ["legacy"])
        self.assertIn(": faster\n", self.compare(Made(), now, code=0))

    def test_more_memory_is_a_regression(self):
        now = Made(seed=2)
        now.set_memory("kernel/sha256", "mcjit", "peak_rss_bytes", 3 << 24)
        out = self.compare(Made(), now, code=1)
        self.assertRegex(out, r"kernel/sha256 mcjit -O0 cold-process peak_rss_bytes: 32\.0 MiB -> "
                              r"48\.0 MiB = 1\.\d+ .*: larger\n")

    def test_few_noisy_samples_are_inconclusive(self):
        self.compare(Made(4, 0.4), Made(4, 0.4, seed=2), code=2)

    def test_nothing_counts_below_what_the_calibration_saw(self):
        now = Made(seed=2, regime_floor=0.5).times(1.3)
        out = self.compare(Made(), now, "-w", "kernel/fib", code=1)
        self.assertIn("time_to_main_ns", out)  # not watched by the calibration
        self.assertRegex(out, r"time_to_last_result_ns: [^\n]*significant, but below what this run "
                              r"can tell apart")

    def test_what_does_not_run_any_more_is_a_regression(self):
        now = Made(seed=2).fails("kernel/fib", "mcjit", "wrong_output", "line 1 is 3, not 2")
        out = self.compare(Made(), now, code=1)
        self.assertIn("kernel/fib mcjit -O0 cold-process: was ok, is wrong_output: line 1 is 3, "
                      "not 2\n", out)

    def test_what_runs_now_is_better(self):
        base = Made().fails("kernel/fib", "mcjit", "refused", "no")
        self.assertIn("was refused, is ok", self.compare(base, Made(seed=2), code=0))

    def test_what_was_not_run_is_inconclusive(self):
        now = Made(seed=2).fails("kernel/fib", "mcjit", "not_run", "")
        self.compare(Made(), now, code=2)

    # ---- what may be compared ----

    def test_a_changed_workload_is_set_aside(self):
        now = Made(seed=2).times(1.3, ["kernel/fib"])
        for workload in now.data["plan"]["workloads"]:
            if workload["name"] == "kernel/fib":
                workload["hash"] = "f" * 64
        out = self.compare(Made(), now, code=0)
        self.assertIn("kernel/fib legacy -O0 cold-process: the workload's files changed\n", out)

    def test_cells_of_one_side_are_counted(self):
        now = Made(seed=2)
        now.data["cells"] = [c for c in now.data["cells"] if c["workload"] == "kernel/fib"]
        out = self.compare(Made(), now, "--all", code=0)
        self.assertIn("kernel/sha256 mcjit -O0 cold-process: only in the base\n", out)
        self.assertIn(" 2 not compared\n", out)

    def test_nothing_in_common_is_an_error(self):
        now = Made(seed=2)
        now.data["cells"] = []
        self.assertIn("nothing in common", self.compare(Made(), now, code=3))

    def test_other_hardware_is_refused(self):
        now = Made(seed=2)
        now.data["fingerprint"]["cpu_model"] = "Another CPU"
        err = self.compare(Made(), now, code=3)
        self.assertRegex(err, "^jitduel: cpu_model: .*different machines.*Another CPU.*"
                              "--relative-to")

    def test_other_software_is_told(self):
        now = Made(seed=2)
        now.data["fingerprint"]["kernel"] = "Linux 99"
        self.assertRegex(self.compare(Made(), now, code=0), r"\n  kernel differs: .* -> Linux 99\n")

    # ---- the machine ----

    def test_a_shift_of_all_engines_is_told(self):
        now = Made(seed=2).times(1.4)
        out = self.compare(Made(), now, code=1)
        self.assertRegex(out, r"\nEvery engine's times moved the same way, by \+(39|40)\.\d %")
        out = self.compare(Made(), now, "--relative-to=mcjit", code=0)
        self.assertNotIn("moved the same way", out)

    def test_relative_figures_pair_samples_of_a_block(self):
        """A machine that is five times as slow every other block hides a difference of a tenth."""
        def uneven(block):
            return 5 if block % 2 else 1
        base, now = Made().times(uneven), Made(seed=2).times(uneven)
        now.times(1.1, ["kernel/fib"], ["legacy"])
        self.compare(base, now, code=2)
        out = self.compare(base, now, "--relative-to", "mcjit", code=1)
        self.assertRegex(out, r"kernel/fib legacy -O0 cold-process time_to_last_result_ns: "
                              r"1\.00\d -> 1\.10\d = 1\.10\d ")

    def test_relative_figures_cross_machines(self):
        now = Made(seed=2).times(3)
        now.data["fingerprint"]["cpu_model"] = "Another CPU"
        self.compare(Made(), now, "--relative-to", "mcjit", code=0)

    # ---- JSON ----

    def test_json_fits_its_schema(self):
        import jsonschema
        now = Made(seed=2).times(1.3, ["kernel/fib"], ["legacy"])
        now.fails("kernel/sha256", "mcjit", "failed", "killed by signal 11")
        value = json.loads(self.compare(Made(), now, "--json", code=1))
        jsonschema.validate(value, load(TOOLS["compare_schema"]))
        self.assertEqual(value["result"], "regression")
        for change, count in value["counts"].items():
            self.assertEqual(count, sum(r["change"] == change for r in value["rows"]), change)
        row = next(r for r in value["rows"] if r["is_primary"] and r["change"] == "regression" and
                   r["workload"] == "kernel/fib")
        self.assertAlmostEqual(row["ratio"], 1.3, delta=0.01)
        self.assertEqual((row["engine"], row["verdict"], row["n_base"]), ("legacy", "slower", 16))

    # ---- errors ----

    def test_bad_files_are_named(self):
        good = Made()
        self.write(self.now, good)
        for text, wanted in (("", "line 1, column 0"), ("{", "line 1, column 1"),
                             ("[]", "names no schema"), ('{"schema": 1}', "names no schema"),
                             ('{"schema": "jitduel-report/2"}', "jitduel-report/2"),
                             ('{"schema": "jitduel-report/1"}', "head: ")):
            with open(self.base, "w", encoding="utf-8") as file:
                file.write(text)
            done = self.call(self.base, self.now)
            self.assertEqual(done.returncode, 3, text)
            self.assert_one_line(done)
            self.assertIn(self.base + ": ", done.stderr)
            self.assertIn(wanted, done.stderr)

    def test_bad_samples_are_named(self):
        self.write(self.now, Made())
        broken = Made()
        broken.cell("kernel/fib", "legacy")["samples"][3]["time_to_main_ns"] = "soon"
        with open(self.base, "w", encoding="utf-8") as file:
            json.dump(broken.data, file)
        done = self.call(self.base, self.now)
        self.assertEqual(done.returncode, 3)
        self.assertIn("kernel/fib under legacy: sample 3: time_to_main_ns", done.stderr)

    def test_wrong_use_is_told(self):
        self.write(self.base, Made())
        self.write(self.now, Made())
        for arguments, wanted in (((), "give two reports"), ((self.base,), "give two reports"),
                                  ((self.base, self.now, "x"), "x: unexpected word"),
                                  (("--nonsense", self.base, self.now), "--nonsense"),
                                  (("-e", "mcgit", self.base, self.now), "mcgit: neither report"),
                                  (("-w", "kernel/fob", self.base, self.now), "kernel/fob: neither"),
                                  (("--relative-to=orc", self.base, self.now), "no sample of this"),
                                  ((self.folder.name, self.now), "Is a directory"),
                                  ((self.base, self.base + ".not"), "No such file")):
            done = self.call(*arguments)
            self.assertEqual(done.returncode, 3, arguments)
            self.assert_one_line(done)
            self.assertIn(wanted, done.stderr)

    def test_a_full_disk_is_an_error(self):
        self.write(self.base, Made())
        self.write(self.now, Made())
        with open("/dev/full", "w", encoding="utf-8") as full:
            for options in ((), ("--json",)):
                done = self.call(*options, self.base, self.now, stdout=full)
                self.assertEqual(done.returncode, 3)
                self.assertRegex(done.stderr, r"\Ajitduel: [^\n]+\n\Z")

    def test_help_tells_the_exit_codes(self):
        done = self.call("--help")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?s)--relative-to=ENGINE.*Exit code: 0 no regression, 1")


if __name__ == "__main__":
    try:
        import jsonschema  # noqa: F401  (asked for by every case)
    except ImportError as error:
        print("skipped: " + str(error))
        sys.exit(77)
    TOOLS = load(sys.argv.pop(1))
    unittest.main(argv=sys.argv)
