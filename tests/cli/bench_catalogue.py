# SPDX-License-Identifier: Apache-2.0
"""What the cases of bench_cli.py need: a catalogue made for one case, and jitduel run over it."""

import json
import os
import subprocess
import time

TIMEOUT_S = 600  # for what hangs; machines may be slow

GOOD = ("define main print_args\n", "[{file}]\n", 0)
BY_TOKEN = ("define main print_args_by_token\n", "[{file}]\n", 0)


class Failure(Exception):
    """The case failed, and why."""


class Skip(Exception):
    """The case cannot be judged here, and why."""


def check(condition, what, *values):
    if not condition:
        raise Failure(what % values if values else what)


def equal(got, wanted, what):
    check(got == wanted, "%s is %r, not %r", what, got, wanted)


class Bench:
    """A catalogue in a folder of its own, and jitduel to run it."""

    def __init__(self, tools, folder):
        self.tools, self.folder = tools, folder
        self.report_path = os.path.join(folder, "report.json")
        self.journal_path = self.report_path + ".journal"
        for name in ("source/kernels", "source/suites", "bitcode/t"):
            os.makedirs(os.path.join(folder, name))
        self.program = tools["fake"]
        self.lines = []
        self.more_environment = {}

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def workload(self, name, script, output, exit_code=0, more="", suite="cold"):
        """One workload of the fake engine, and its line in the suite `test`."""
        ir = self.path("bitcode", "t", name + ".fake")
        os.makedirs(self.path("source", "kernels", name), exist_ok=True)
        self.write("bitcode/t/%s.fake" % name, "fake\n" + script)
        self.write("source/kernels/%s/expected.txt" % name, output.replace("{file}", ir))
        self.write("source/kernels/%s/%s.workload" % (name, name),
                   "name = t/%s\nsummary = does what its script says\nfiles = %s\n"
                   "expected = expected.txt\nexit_code = %d\n%s" % (name, ir, exit_code, more))
        self.lines.append("t/%s %s : for the test\n" % (name, suite))

    def good(self, name="good", **more):
        self.workload(name, *GOOD, **more)

    def command(self, *args, suite="test"):
        self.write("source/suites/test.suite",
                   "summary = for tests\nprocesses = 3\nlevels = O0\n\n" + "".join(self.lines))
        words = ["--suite", suite] if suite else []
        return (self.tools["emulator"] +
                [self.program, "bench", "--out", self.report_path] + words + list(args))

    def environment(self):
        """Signals are the program's business, also where a sanitizer would take them."""
        taken = ("segv", "sigbus", "sigfpe", "sigill", "abort")
        asan = os.environ.get("ASAN_OPTIONS", "") + "".join(":handle_%s=0" % s for s in taken)
        own = {"JITDUEL_WORKLOADS": self.path("source"), "JITDUEL_BITCODE": self.path("bitcode"),
               "TERM": "dumb", "LC_ALL": "C", "ASAN_OPTIONS": asan}
        return {**os.environ, **own, **self.more_environment}

    def start(self, *args, suite="test", **more):
        return subprocess.Popen(self.command(*args, suite=suite), env=self.environment(),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)

    def run(self, *args, code=0, suite="test", **more):
        process = self.start(*args, suite=suite, **more)
        self.out, self.err = process.communicate(timeout=TIMEOUT_S)
        check(process.returncode == code, "exit code %d, not %d\n--- stdout\n%s\n--- stderr\n%s",
              process.returncode, code, self.out, self.err)
        return self

    def report(self):
        """The report, checked against its schema."""
        with open(self.report_path, encoding="utf-8") as file:
            report = json.load(file)
        validate(self.tools, report)
        return report


def validate(tools, report):
    import jsonschema
    with open(tools["report_schema"], encoding="utf-8") as file:
        schema = json.load(file)
    errors = list(jsonschema.Draft202012Validator(schema).iter_errors(report))
    check(not errors, "%d schema errors, first: %s: %s", len(errors),
          list(errors[0].path) if errors else "", errors[0].message[:300] if errors else "")


def samples(report):
    return [sample for cell in report["cells"] for sample in cell["samples"]]


def one_line(text, part):
    lines = text.splitlines()
    check(len(lines) == 1 and part in lines[0], "not one line with %r: %r", part, text)


def count_journal(bench):
    try:
        with open(bench.journal_path, "rb") as file:
            return file.read().count(b"\n")
    except FileNotFoundError:
        return 0


def run_until(bench, count, number, *args, **more):
    """Start with so many tokens, wait until so many samples are in the journal, send the signal while
    the next one waits for a token; return the exit code."""
    pipe = bench.path("tokens")
    os.mkfifo(pipe)
    tokens = os.open(pipe, os.O_RDWR)  # does not wait for the other end
    os.write(tokens, b"." * count)
    bench.more_environment = {"JD_FAKE_TOKENS": pipe}
    process = bench.start(*args, **more)
    bench.more_environment = {}
    deadline = time.monotonic() + TIMEOUT_S
    while count_journal(bench) < count + 1 and process.poll() is None:
        check(time.monotonic() < deadline, "the journal does not grow")
        time.sleep(0.005)
    process.send_signal(number)
    bench.out, bench.err = process.communicate(timeout=TIMEOUT_S)
    os.close(tokens)
    os.unlink(pipe)
    return process.returncode


def close_streams(*numbers):
    """A preexec_fn: the program starts without these of its standard streams."""
    return lambda: [os.close(number) for number in numbers]
