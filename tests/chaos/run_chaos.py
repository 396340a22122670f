# SPDX-License-Identifier: Apache-2.0
"""Fail the Nth call of one kind in a whole run of jitduel, for many N, and judge how it ends.

usage: run_chaos.py --jitduel PROGRAM --preload LIBRARY --file FILE.ll --schema SCHEMA --work DIR
                    (--run ENGINE | --bench ROLE) --kind KIND [--limit N] [--stacks] [--only N]

--run ENGINE   `jitduel run -e ENGINE FILE`; --bench parent|child|resume: a small `jitduel bench`, with
               the failure in the process that measures, in those that are measured, or in the one
               that goes on with a run that was broken off
--limit N      at most this many values of N, evenly spread (default: 40; 0: every one)
--stacks       instead of every call, one of each call stack, as long as there is one that has not
               failed: a loop that allocates a thousand times is tried once. At most --limit runs
--only N       just this one, with what it printed

However a run ends, it ends in one of these ways: as if nothing had failed; or with one of the exit
codes of docs/usage.md, at least one line that begins with `jitduel:`, and no output that the program
would not have written before. bench must in addition be
able to go on: with --resume, without failures, it completes, and no finished sample is lost. A report
is whole, as its schema (reports/schema) says, and one that says so has all its samples.
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
STACK_SLOTS = 1 << 16  # of chaos_preload.c
TIMEOUT_S = 600  # for what hangs; machines may be slow


class Outcome:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        how = f"signal {signal.Signals(-self.code).name}" if self.code < 0 else f"code {self.code}"
        return f"{how}, stdout {self.out[:200]!r}, stderr {self.err[-400:]!r}"


def run(args, command, call):
    """How it ended, how many calls there were, and which failed (0: none did). `call` None: one of
    a new stack."""
    counters = os.path.join(args.work, "counters")
    with open(counters, "wb") as file:
        file.write(bytes(8 * (len(KINDS) + 1)))
    environment = dict(os.environ, LD_PRELOAD=args.preload, JD_CHAOS=f"{args.kind}:{call or 0}",
                       JD_CHAOS_COUNT=counters)
    if call is None:
        environment["JD_CHAOS_STACKS"] = os.path.join(args.work, "stacks")
    if args.bench:
        environment["JD_CHAOS_ROLE"] = "child" if args.bench == "child" else "!child"
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=environment, timeout=TIMEOUT_S,
                              cwd=args.work)
    except subprocess.TimeoutExpired:
        return Outcome(124, "", "timed out"), 0, -1
    with open(counters, "rb") as file:
        calls = struct.unpack(f"{len(KINDS) + 1}Q", file.read(8 * (len(KINDS) + 1)))
    return Outcome(done.returncode, done.stdout.decode(errors="replace"),
                   done.stderr.decode(errors="replace")), calls[KINDS.index(args.kind)], calls[-1]


def is_clear_error(outcome, codes):
    return outcome.code in codes and any(line.startswith("jitduel: ")
                                         for line in outcome.err.splitlines())


def judge_run(args, wanted, call):
    outcome, _, failed = run(args, [args.jitduel, "run", "-e", args.run, args.file], call)
    # A program's own failed write is the program's affair: it may have lost output.
    is_same = outcome.code == wanted.code and (outcome.out == wanted.out or args.kind == "write")
    # An allocation of the program's own may be its end, as anywhere.
    is_own_end = outcome.code < 0 and "program died of signal" in outcome.err
    is_honest = wanted.out.startswith(outcome.out) and is_clear_error(outcome, ERROR_CODES)
    if is_same or is_honest or is_own_end:
        return failed, None
    return failed, str(outcome)


def bench_command(args):
    return [args.jitduel, "bench", "-w", "kernel/fib", "-e", "legacy", "-O0", "--regime", "cold-process",
            "--samples", "3", "--seed", "7", "--out", "report.json"]


def resume_command(args):
    return bench_command(args) + ["--resume"]


def failing_command(args):
    return resume_command(args) if args.bench == "resume" else bench_command(args)


def break_off(args):
    """A journal of some samples, as a run leaves it that cannot start processes any more."""
    environment = dict(os.environ, LD_PRELOAD=args.preload, JD_CHAOS="write:9", JD_CHAOS_ROLE="!child")
    subprocess.run(bench_command(args), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, env=environment, timeout=TIMEOUT_S, cwd=args.work)


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
    if args.bench == "resume":
        break_off(args)
    before = finished_samples(report + ".journal")
    outcome, _, failed = run(args, failing_command(args), call)
    return failed, judge_bench_outcome(args, outcome, report, before)


def what_is_missing(args, report, code):
    """Of the report; None: nothing."""
    import jsonschema
    with open(args.schema, encoding="utf-8") as file:
        schema = json.load(file)
    try:
        with open(report, encoding="utf-8") as file:
            value = json.load(file)
        jsonschema.Draft202012Validator(schema).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        return f"the report is not one: {str(error)[:400]}"
    samples = [sample for cell in value["cells"] for sample in cell["samples"]]
    if code == 0 and len(samples) != value["plan"]["samples_planned"]:
        return f"the report has {len(samples)} samples"
    return None


def judge_bench_outcome(args, outcome, report, finished):
    # 1: a sample failed, and the report says so.
    if outcome.code not in (0, 1) and not is_clear_error(outcome, ERROR_CODES):
        return str(outcome)
    if os.path.exists(report):
        why = what_is_missing(args, report, outcome.code)
        return f"{outcome}; {why}" if why else None
    finished |= finished_samples(report + ".journal")
    again = subprocess.run(resume_command(args), stdin=subprocess.DEVNULL,
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


def failing_stacks(args):
    """Ends when every stack has failed; a new one may show itself once another has."""
    with open(os.path.join(args.work, "stacks"), "wb") as file:
        file.write(bytes(8 * STACK_SLOTS))
    return range(args.limit) if args.limit else iter(int, 1)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--jitduel", "--preload", "--file", "--schema", "--work"):
        parser.add_argument(name, required=True)
    parser.add_argument("--run")
    parser.add_argument("--bench")
    parser.add_argument("--kind", required=True, choices=KINDS)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--only", type=int)
    parser.add_argument("--stacks", action="store_true")
    args = parser.parse_args()
    shutil.rmtree(args.work, ignore_errors=True)
    os.makedirs(args.work)
    command = ([args.jitduel, "run", "-e", args.run, args.file] if args.run
               else failing_command(args))
    if args.bench == "resume":
        break_off(args)
        if not finished_samples(os.path.join(args.work, "report.json.journal")):
            print("no run was broken off")
            return 1
    judge = judge_run if args.run else judge_bench
    wanted, total, _ = run(args, command, 0)
    if args.run and wanted.code != 7 or args.bench and wanted.code != 0:
        print(f"without failures: {wanted}")
        return 1
    if args.only is not None:
        if args.bench == "resume":
            break_off(args)
        print(run(args, command, args.only)[0])
        return 0
    failures = count = 0
    for call in failing_stacks(args) if args.stacks else values(total, args.limit):
        failed, why = judge(args, wanted, None if args.stacks else call)
        if args.stacks and not failed and not why:
            break
        count += 1
        if why:
            failures += 1
            print(f"{args.kind} {failed} of {total}: {why}", flush=True)
    what = "stacks in" if args.stacks else "of"
    print(f"{args.kind}: {count} {what} {total} calls failed, {failures} ended badly")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
