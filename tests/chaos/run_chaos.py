# SPDX-License-Identifier: Apache-2.0
"""Fail the Nth call of one kind in a whole run of jitduel, for many N, and judge how it ends.

usage: run_chaos.py --jitduel PROGRAM --preload LIBRARY --file FILE.ll --work DIR
                    (--run ENGINE | --bench ROLE) --kind KIND [--limit N] [--only N]

--run ENGINE   `jitduel run -e ENGINE FILE`; --bench parent|child: a small `jitduel bench`, with the
               failure in the process that measures or in those that are measured
--limit N      at most this many values of N, evenly spread (default: 40; 0: every one)
--only N       just this one, with what it printed

However a run ends, it ends in one of these ways: as if nothing had failed; or with one of the exit
codes of docs/usage.md, at least one line that begins with `jitduel:`, and no output that the program
would not have written before. bench must in addition be
able to go on: with --resume, without failures, it completes, and no finished sample is lost.
Exit 0: all runs did, 1: some did not.
"""

import argparse
import json
import os
import shutil
import signal
import struct
import subprocess
import sys

KINDS = ["malloc", "mmap", "mprotect", "memfd", "ftruncate", "write", "spawn", "open"]
ERROR_CODES = {64, 65, 66, 69, 70, 71}
TIMEOUT_S = 600  # for what hangs; machines may be slow


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        how = f"signal {signal.Signals(-self.code).name}" if self.code < 0 else f"code {self.code}"
        return f"{how}, stdout {self.out[:200]!r}, stderr {self.err[-400:]!r}"


def run(args, command, call):
    counters = os.path.join(args.work, "counters")
    with open(counters, "wb") as file:
        file.write(bytes(8 * len(KINDS)))
    environment = dict(os.environ, LD_PRELOAD=args.preload, JD_CHAOS=f"{args.kind}:{call}",
                       JD_CHAOS_COUNT=counters)
    if args.bench:
        environment["JD_CHAOS_ROLE"] = "child" if args.bench == "child" else "!child"
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment, timeout=TIMEOUT_S,
                              cwd=args.work)
    except subprocess.TimeoutExpired:
        return Outcome(124, "", "timed out"), 0
    with open(counters, "rb") as file:
        calls = struct.unpack(f"{len(KINDS)}Q", file.read(8 * len(KINDS)))[KINDS.index(args.kind)]
    return Outcome(done.returncode, done.stdout.decode(errors="replace"),
                   done.stderr.decode(errors="replace")), calls


def is_clear_error(outcome, codes):
    return outcome.code in codes and any(line.startswith("jitduel: ")
                                         for line in outcome.err.splitlines())


def judge_run(args, wanted, call):
    outcome, _ = run(args, [args.jitduel, "run", "-e", args.run, args.file], call)
    # A program's own failed write is the program's affair: it may have lost output.
    is_same = outcome.code == wanted.code and (outcome.out == wanted.out or args.kind == "write")
    # An allocation of the program's own may be its end, as anywhere.
    is_own_end = outcome.code < 0 and "program died of signal" in outcome.err
    is_honest = wanted.out.startswith(outcome.out) and is_clear_error(outcome, ERROR_CODES)
    if is_same or is_honest or is_own_end:
        return None
    return str(outcome)


def bench_command(args):
    return [args.jitduel, "bench", "-w", "kernel/fib", "-e", "legacy", "-O0", "--regime", "cold-process",
            "--samples", "3", "--seed", "7", "--out", "report.json"]


def finished_samples(path):
    """Samples of a journal or a report that went well, by place."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")[:-1]
    except FileNotFoundError:
        return set()
    samples = [json.loads(line) for line in lines[1:]]
    return {(s["block"], s["position"]) for s in samples if s.get("kind") == "ok"}


def judge_bench(args, wanted, call):
    del wanted
    report = os.path.join(args.work, "report.json")
    for path in (report, report + ".journal"):
        if os.path.exists(path):
            os.unlink(path)
    outcome, _ = run(args, bench_command(args), call)
    # 1: a sample failed, and the report says so.
    if outcome.code not in (0, 1) and not is_clear_error(outcome, ERROR_CODES):
        return str(outcome)
    if os.path.exists(report):
        with open(report, encoding="utf-8") as file:
            json.load(file)
        return None
    finished = finished_samples(report + ".journal")
    again = subprocess.run(bench_command(args) + ["--resume"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=args.work,
                           timeout=TIMEOUT_S)
    if again.returncode != 0 or not os.path.exists(report):
        return f"{outcome}; then --resume: code {again.returncode}, {again.stderr[-400:]!r}"
    with open(report, encoding="utf-8") as file:
        cells = json.load(file)["cells"]
    kept = {(s["block"], s["position"]) for cell in cells for s in cell["samples"]}
    if not finished <= kept:
        return f"{outcome}; --resume lost samples {sorted(finished - kept)}"
    return None


def values(total, limit):
    if not limit or total <= limit:
        return range(1, total + 1)
    return sorted({1 + i * (total - 1) // max(1, limit - 1) for i in range(limit)})


def main():
    parser = argparse.ArgumentParser()
    for name in ("--jitduel", "--preload", "--file", "--work"):
        parser.add_argument(name, required=True)
    parser.add_argument("--run")
    parser.add_argument("--bench")
    parser.add_argument("--kind", required=True, choices=KINDS)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--only", type=int)
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    os.makedirs(args.work)
    command = ([args.jitduel, "run", "-e", args.run, args.file] if args.run
               else bench_command(args))
    judge = judge_run if args.run else judge_bench
    wanted, total = run(args, command, 0)
    if args.run and wanted.code != 7 or args.bench and wanted.code != 0:
        print(f"without failures: {wanted}")
        return 1
    if args.only is not None:
        print(run(args, command, args.only)[0])
        return 0
    failures = 0
    calls = values(total, args.limit)
    for call in calls:
        why = judge(args, wanted, call)
        if why:
            failures += 1
            print(f"{args.kind} {call} of {total}: {why}")
    print(f"{args.kind}: {len(calls)} of {total} calls failed, {failures} ended badly")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
