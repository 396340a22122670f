# SPDX-License-Identifier: Apache-2.0
"""`jitduel bench` from outside: whole runs over a catalogue that each case makes for itself.

usage: bench_cli.py --tools FILE --list                 names of the cases, one per line
       bench_cli.py --tools FILE --case NAME            exit 0 passed, 1 failed, 77 skipped

FILE is JSON that the build wrote: where the programs are. Most cases use jitduel with the fake
engine (tests/support/fake_engine.h), whose programs do what their script says; timings mean nothing
there, and no case judges one.
"""

import argparse
import copy
import fcntl
import json
import os
import pty
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

sys.dont_write_bytecode = True

from bench_catalogue import (BY_TOKEN, GOOD, TIMEOUT_S, Bench, Failure, Skip, check, close_streams,
                             count_journal, equal, one_line, run_until, samples,
                             validate)  # noqa: E402

# ---- a run -------------------------------------------------------------------------------------

def case_report_is_complete(bench):
    bench.good()
    bench.workload("exit3", "define main exit_3\n",
                   "main, no line end, registered second\nregistered first\n", 3)
    report = bench.run("--seed", "7").report()
    equal(report["complete"], True, "complete")
    equal(report["meta"]["seed"], 7, "seed")
    equal([e["name"] for e in report["plan"]["engines"]], ["fake"], "engines")
    equal(report["plan"]["samples_planned"], len(samples(report)), "samples")
    equal({s["kind"] for s in samples(report)}, {"ok"}, "kinds")
    equal(sorted(s["position"] for s in samples(report)), list(range(len(samples(report)))),
          "positions")
    equal(report["failures"], [], "failures")
    check(not os.path.exists(bench.journal_path), "the journal is still there")
    equal(bench.out.splitlines()[-1], "report: " + bench.report_path, "last line")
    for sample in samples(report):
        check(0 < sample["time_to_main_ns"] <= sample["time_to_last_result_ns"]
              <= sample["wall_ns"], "times out of order: %r", sample)
        check(sample["time_to_first_result_ns"] <= sample["time_to_last_result_ns"], "first > last")
        check(sample["memory"]["peak_rss_bytes"] > 100000, "no memory: %r", sample["memory"])
        check(sample["phases_ns"]["process_load"] > 0, "no process_load")
        check(sample["counters"]["modules_added"] == 1, "counters %r", sample["counters"])


def case_teardown_is_measured_after_return(bench):
    bench.good()
    bench.workload("exit3", "define main exit_3\n",
                   "main, no line end, registered second\nregistered first\n", 3)
    if bench.tools["sanitizer"] != "thread":  # which writes stdout's buffer even then
        bench.workload("quick", "define main quick_exit_8\n", "", 8)
    for cell in bench.run("--no-calibration").report()["cells"]:
        for sample in cell["samples"]:
            has_teardown = sample["phases_ns"]["teardown"] is not None
            equal(has_teardown, cell["workload"] == "t/good", "teardown of " + cell["workload"])


def case_pauses_are_the_programs(bench):
    bench.workload("lazy", "define main lazy_calls\n", "")
    for sample in samples(bench.run("--no-calibration").report()):
        equal(sample["pauses"]["count"], 3, "pauses")
        check(sample["pauses"]["max_ns"] >= sample["pauses"]["p99_ns"] > 2000000, "pauses %r",
              sample["pauses"])
        check(sample["phases_ns"]["codegen"] > 6000000, "codegen %r", sample["phases_ns"])
        equal(sample["curve"]["functions"][-1], 3, "curve")


def case_seed_gives_the_order(bench):
    for name in "abcde":
        bench.good(name)
    orders = []
    for seed in ("1", "1", "2"):
        report = bench.run("--seed", seed, "--samples", "1", "--no-calibration").report()
        cells = sorted((cell["samples"][0]["position"], cell["workload"]) for cell in
                       report["cells"])
        orders.append([name for _, name in cells])
    equal(orders[0], orders[1], "order for the same seed")
    check(orders[0] != orders[2], "another seed, the same order: %r", orders[0])


def case_list_runs_nothing(bench):
    bench.good()
    bench.run("--list")
    check("t/good fake -O0 cold-process" in bench.out, "no plan in %r", bench.out)
    check(not os.path.exists(bench.report_path), "a report was written")


def case_quiet_has_no_progress(bench):
    bench.good()
    bench.run("--quiet")
    equal(bench.err, "", "standard error")


def case_progress_fits_the_terminal(bench):
    """What wraps could not be taken back: a line for each sample would stay."""
    bench.good()
    for columns in (1, 20, 80, 300):
        screen, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        bench.more_environment = {"TERM": "xterm"}
        process = subprocess.Popen(bench.command("--samples", "3"), stdout=subprocess.DEVNULL,
                                   stderr=terminal, env=bench.environment())
        os.close(terminal)
        shown = b""
        try:
            while part := os.read(screen, 65536):
                shown += part
        except OSError:
            pass  # EIO: nobody has the other end any more
        os.close(screen)
        equal(process.wait(timeout=TIMEOUT_S), 0, "exit code")
        lines = shown.decode().split("\r\033[K")
        check(len(lines) > 6, "%d lines of progress", len(lines))
        check(all(len(line) < columns and "\n" not in line for line in lines), "%d columns: %r",
              columns, lines)


# ---- samples that fail -------------------------------------------------------------------------

def only_cell(report, workload):
    cells = [c for c in report["cells"] if c["workload"] == workload and c["role"] == "measure"]
    equal(len(cells), 1, "cells of " + workload)
    return cells[0]


def case_failures_are_rows(bench):
    bench.good()
    bench.workload("segv", "define main segv\n", "")
    bench.workload("hang", "define main hang\n", "", more="timeout_s = 0.5\n")
    bench.workload("wrong", "define main print_args\n", "something else\n")
    bench.workload("code", "define main return_259\n", "", 4)
    bench.workload("llvm", "define main argc\ncrash codegen 6\n", "")
    bench.workload("late", "define main unresolved_call\n", "before the call\n")
    bench.workload("input", "define main argc\nfail add_module BAD_IR no such type\n", "")
    report = bench.run("--no-calibration", code=1).report()
    for name, kind, status in (("segv", "crashed", "failed"), ("hang", "timed_out", "failed"),
                               ("wrong", "wrong_output", "wrong_output"),
                               ("code", "wrong_exit_code", "wrong_output"),
                               ("llvm", "crashed", "failed"), ("late", "failed", "failed"),
                               ("input", "failed", "failed")):
        cell = only_cell(report, "t/" + name)
        equal({s["kind"] for s in cell["samples"]}, {kind}, "kind of " + name)
        equal(cell["status"], status, "status of " + name)
        equal(cell["summary"], None, "summary of " + name)
    equal(only_cell(report, "t/segv")["samples"][0]["signal"], signal.SIGSEGV, "signal")
    check("LLVM crashed in phase codegen" in only_cell(report, "t/llvm")["samples"][0]["detail"],
          "the crash of LLVM is not told")
    check("nowhere" in only_cell(report, "t/late")["samples"][0]["detail"], "no symbol named")
    good = only_cell(report, "t/good")
    equal((good["status"], len(good["samples"])), ("ok", 3), "the good cell")
    equal(len(report["failures"]), len(samples(report)) - 3, "failures listed")
    check("wrong output" in bench.out, "the table does not say wrong output:\n%s", bench.out)


def case_refusal_is_no_failure(bench):
    bench.good()
    bench.workload("refused", "define main argc\nfail prepare UNSUPPORTED no such thing\n", "")
    report = bench.run("--no-calibration").report()
    cell = only_cell(report, "t/refused")
    equal(cell["status"], "refused", "status")
    equal(len(cell["samples"]), 1, "samples: one refusal is enough")
    check("no such thing" in cell["samples"][0]["detail"], "no reason: %r", cell["samples"][0])


def case_hopeless_cells_are_given_up(bench):
    bench.workload("hang", "define main hang\n", "", more="timeout_s = 0.3\n")
    report = bench.run("--no-calibration", "--samples", "50", code=1).report()
    equal(len(samples(report)), 2, "samples")
    equal(report["complete"], True, "complete")


def case_memory_limit(bench):
    if bench.tools["sanitizer"]:
        raise Skip("sanitizers want all of the address space")
    bench.good()
    report = bench.run("--no-calibration", "--memory-limit", "16M", code=1).report()
    check(not any(s["kind"] == "ok" for s in samples(report)), "16 MiB were enough")
    equal(report["meta"]["options"]["memory_limit_bytes"], 16 << 20, "limit in the report")
    report = bench.run("--no-calibration", "--memory-limit", "16G").report()
    equal({s["kind"] for s in samples(report)}, {"ok"}, "kinds")


def case_skipped_is_listed(bench):
    bench.good()
    bench.workload("gone", *GOOD)
    os.unlink(bench.path("bitcode", "t", "gone.fake"))
    report = bench.run("--no-calibration").report()
    equal([s["workload"] for s in report["plan"]["skipped"]], ["t/gone"], "skipped")
    check(report["plan"]["skipped"][0]["reason"], "no reason")
    check("Skipped:" in bench.out and "t/gone" in bench.out, "not in the table")


# ---- warm --------------------------------------------------------------------------------------

WARM = "warm_entry = step\nwarm_argument = 14\nwarm_expected = %d\n"
FAST = ("--", "--benchmark_min_time=0.002", "--benchmark_repetitions=3")


def case_warm_regime(bench):
    bench.workload("warm", GOOD[0] + "define step triple\n", GOOD[1], more=WARM % 42,
                   suite="cold warm")
    report = bench.run("--regime", "warm", *FAST).report()
    for sample in samples(report):
        equal(sample["kind"], "ok", "kind")
        equal(len(sample["warm"]["values_ns"]), 3, "repetitions")
        check(sample["warm"]["ns_per_unit"] > 0, "time %r", sample["warm"])
        check(sample["warm"]["iterations"] > 0, "iterations %r", sample["warm"])
        check(min(sample["warm"]["values_ns"]) <= sample["warm"]["ns_per_unit"]
              <= max(sample["warm"]["values_ns"]), "not one of the values: %r", sample["warm"])
        for phase in ("first_call", "second_call", "third_call", "steady", "teardown"):
            check(sample["phases_ns"][phase] is not None, "no %s", phase)
    equal(report["meta"]["options"]["benchmark_args"], list(FAST[1:]), "benchmark_args")


def case_cold_engine_regime(bench):
    bench.workload("warm", GOOD[0] + "define step triple\n", GOOD[1], more=WARM % 42,
                   suite="cold warm")
    report = bench.run("--regime", "cold-engine", "--no-calibration").report()
    for sample in samples(report):
        equal(sample["kind"], "ok", "kind")
        check(len(sample["warm"]["values_ns"]) >= 5, "lives %r", sample["warm"])
    equal({c["metric"] for c in report["comparisons"]}, set(), "one engine, nothing to compare")


def case_warm_value_is_verified(bench):
    bench.workload("first", GOOD[0] + "define step triple\n", GOOD[1], more=WARM % 43,
                   suite="warm")
    bench.workload("later", GOOD[0] + "define step tire\n", GOOD[1], more=WARM % 14, suite="warm")
    report = bench.run("--no-calibration", *FAST, code=1).report()
    for name, part in (("t/first", "returned 42 for 14, not 43"), ("t/later", "steady state")):
        cell = only_cell(report, name)
        equal(cell["status"], "wrong_output", "status of " + name)
        check(part in cell["samples"][0]["detail"], "detail %r", cell["samples"][0]["detail"])


def case_warm_filter(bench):
    for name in ("one", "two"):
        bench.workload(name, GOOD[0] + "define step triple\n", GOOD[1], more=WARM % 42,
                       suite="cold warm")
    report = bench.run("--no-calibration", *FAST, "--benchmark_filter=on[e]").report()
    warm = {c["workload"] for c in report["cells"] if c["regime"] == "warm"}
    equal(warm, {"t/one"}, "warm workloads")
    equal([s["regime"] for s in report["plan"]["skipped"]], ["warm"], "skipped")
    report = bench.run("--no-calibration", "--no-warm").report()
    equal({c["regime"] for c in report["cells"]}, {"cold-process"}, "regimes with --no-warm")


# ---- a run that does not end -------------------------------------------------------------------

def case_killed_run_resumes(bench):
    bench.workload("a", *BY_TOKEN)
    bench.workload("b", *BY_TOKEN)
    args = ("--samples", "12", "--seed", "3")
    equal(run_until(bench, 20, signal.SIGKILL, *args), -signal.SIGKILL, "exit code")
    check(not os.path.exists(bench.report_path), "a killed run wrote a report")
    with open(bench.journal_path, "a", encoding="utf-8") as file:
        file.write('{"kind": "ok", "torn')
    kept = 20
    with open(bench.journal_path, encoding="utf-8") as file:
        lines = file.read().splitlines()[1:1 + kept]
    measured = {json.loads(line)["position"]: json.loads(line)["wall_ns"] for line in lines}
    bench.run(*args, code=64)  # without --resume nothing is thrown away
    check("--resume" in bench.err, "no hint: %r", bench.err)
    report = bench.run("--resume", *args).report()
    equal(report["complete"], True, "complete")
    equal(report["meta"]["resumed_count"], kept, "resumed")
    now = {s["position"]: s["wall_ns"] for s in samples(report)}
    equal(sorted(now), list(range(report["plan"]["samples_planned"])), "positions")
    for position, wall_ns in measured.items():
        equal(now[position], wall_ns, "sample %d" % position)
    check(not os.path.exists(bench.journal_path), "the journal is still there")


def case_interrupt_writes_a_report(bench):
    bench.workload("a", *BY_TOKEN)
    bench.workload("b", *BY_TOKEN)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        equal(run_until(bench, 10, number, "--samples", "20"), 130, "exit code")
        report = bench.report()
        equal(report["complete"], False, "complete")
        check("the run was interrupted" in report["unpublishable_reasons"], "reasons %r",
              report["unpublishable_reasons"])
        equal({s["kind"] for s in samples(report)}, {"ok"}, "kinds")
        equal(len(samples(report)), 10, "samples")
        check(os.path.exists(bench.journal_path), "the journal is gone")
        os.unlink(bench.journal_path)


def case_other_plan_is_refused(bench):
    bench.workload("a", *BY_TOKEN)
    run_until(bench, 3, signal.SIGKILL, "--samples", "100")
    before = open(bench.journal_path, "rb").read()
    for args, part in ((("--samples", "99"), "plan differs"),
                       (("--samples", "100", "--timeout", "9"), "limits differs")):
        bench.run("--resume", *args, code=64)
        one_line(bench.err, part)
    equal(open(bench.journal_path, "rb").read(), before, "the journal")


def case_two_runs_do_not_mix(bench):
    bench.workload("hang", "define main hang\n", "", more="timeout_s = 3600\n")
    process = bench.start("--samples", "1")
    while count_journal(bench) < 1 and process.poll() is None:
        time.sleep(0.005)
    bench.run("--resume", code=64)
    check("another run" in bench.err, "said %r", bench.err)
    process.terminate()
    process.communicate(timeout=TIMEOUT_S)
    equal(process.returncode, 130, "exit code of the first")


def case_full_disk_keeps_the_journal(bench):
    if bench.tools["sanitizer"] == "thread":
        raise Skip("ThreadSanitizer's own maps are files, which the limit holds for")
    bench.good()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000))

    bench.run("--samples", "50", code=71, preexec_fn=limit)
    check("cannot be saved" in bench.err, "said %r", bench.err)
    kept = count_journal(bench) - 1
    check(kept >= 2, "only %d samples kept", kept)
    report = bench.run("--samples", "50", "--resume").report()
    equal(report["meta"]["resumed_count"], kept, "resumed")


def case_closed_streams_spoil_no_file(bench):
    """The next file that is opened gets the number of a closed stream."""
    bench.workload("a", *BY_TOKEN)
    args = ("--samples", "8")
    equal(run_until(bench, 5, signal.SIGTERM, *args, preexec_fn=close_streams(1)), 71, "exit code")
    check("standard output: the summary cannot be written" in bench.err, "said %r", bench.err)
    equal(bench.report()["complete"], False, "complete")
    equal(bench.run("--resume", *args).report()["meta"]["resumed_count"], 5, "resumed")
    for streams, code in (((0,), 0), ((2,), 0), ((0, 2), 0), ((1,), 71), ((0, 1, 2), 71)):
        report = bench.run("--samples", "2", code=code, preexec_fn=close_streams(*streams)).report()
        equal(report["complete"], True, "complete without %r" % (streams,))
        check(not os.path.exists(bench.journal_path), "the journal is still there")


def case_reader_that_leaves_costs_no_report(bench):
    """As `jitduel bench | head`, or both streams into one that ends early."""
    bench.good()
    for streams in (("stdout",), ("stdout", "stderr")):
        process = bench.start("--samples", "3")
        for stream in streams:
            getattr(process, stream).close()
        equal(process.wait(timeout=TIMEOUT_S), 71, "exit code")
        process.stderr.close()
        equal(bench.report()["complete"], True, "complete")
        check(not os.path.exists(bench.journal_path), "the journal is still there")
        os.unlink(bench.report_path)


def case_small_stack(bench):
    if bench.tools["sanitizer"] or bench.tools["emulator"]:
        raise Skip("sanitizers and emulators want a stack of their own size")
    bench.good()
    environment = {name: value for name, value in bench.environment().items()
                   if name.startswith(("JITDUEL_", "LD_"))}  # it lies on the stack
    done = subprocess.run(bench.command(), env=environment, capture_output=True, text=True,
                          timeout=TIMEOUT_S, check=False, preexec_fn=lambda: resource.setrlimit(
                              resource.RLIMIT_STACK, (1 << 16, 1 << 16)))
    equal((done.returncode, {s["kind"] for s in samples(bench.report())}), (0, {"ok"}), "end")


def case_unwritable_report_is_told_first(bench):
    bench.good()
    bench.report_path = "/nonexistent/report.json"
    bench.run(code=71)
    one_line(bench.err, "/nonexistent/report.json")


# ---- command line ------------------------------------------------------------------------------

def case_usage_errors_are_one_line(bench):
    bench.good()
    for args, part in ((("--engine", "fakee"), "did you mean 'fake'"),
                       (("--workload", "t/goood"), "t/good"),
                       (("-O", "4"), "-O"),
                       (("--samples", "0"), "--samples"),
                       (("--seed", "-1"), "--seed"),
                       (("--timeout", "soon"), "--timeout"),
                       (("--regime", "tepid"), "cold-process, cold-engine, warm"),
                       (("extra",), "extra"),
                       (("--", "--help"), "--help"),
                       (("--", "--benchmark_out=x"), "--benchmark_out"),
                       (("--nonsense",), "nonsense")):
        bench.run(*args, code=64)
        one_line(bench.err, part)
        check(not os.path.exists(bench.report_path), "a report for %r", args)
    bench.run(code=64, suite="tset")
    one_line(bench.err, "(there are: test)")
    bench.run("--workload", "t/nothing", code=64, suite=None)
    one_line(bench.err, "there are: t/good")


def case_workload_without_suite(bench):
    bench.good("a")
    bench.good("b")
    report = bench.run("--workload", "t/b", "--samples", "1", "--no-calibration",
                       suite=None).report()
    equal({c["workload"] for c in report["cells"]}, {"t/b"}, "workloads")
    equal(report["plan"]["suite"], "selection", "suite")


def case_help_is_complete(bench):
    bench.good()
    bench.run("--help")
    for word in ("--suite", "--engine", "--workload", "--samples", "--out", "--seed", "--timeout",
                 "--memory-limit", "--resume", "--no-warm", "--list", "--quiet", "--regime",
                 "--benchmark_OPTION", "130"):
        check(word in bench.out, "--help does not tell %s", word)


def case_child_is_not_for_people(bench):
    for args in ([], ["--record-fd=1"], ["--engine=fake", "file"], ["--spawned-ns=x", "f", "--"]):
        result = subprocess.run(bench.tools["emulator"] + [bench.program, "child"] + args,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                timeout=TIMEOUT_S, check=False)
        equal(result.returncode, 64, "exit code for %r" % args)
        one_line(result.stderr, "'jitduel bench' alone")


# ---- with the engines of the build -------------------------------------------------------------

def case_real_engines_agree(bench):
    """Every engine of the build on its kernels, cold and warm."""
    bench.program = bench.tools["jitduel"]
    command = bench.tools["emulator"] + [
        bench.program, "bench", "--workload", "kernel/fib", "--samples", "2", "-O0", "--out",
        bench.report_path] + list(FAST)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            timeout=TIMEOUT_S, check=False)
    check(result.returncode == 0, "exit code %d\n%s%s", result.returncode, result.stdout,
          result.stderr)
    report = bench.report()
    check(len(report["plan"]["engines"]) >= 2, "engines %r", report["plan"]["engines"])
    equal({s["kind"] for s in samples(report)}, {"ok"}, "kinds")
    lazy = {e["name"] for e in report["plan"]["engines"] if "lazy" in e["caps"]}
    for cell in report["cells"]:
        for sample in cell["samples"]:
            if cell["regime"] == "cold-process":
                equal(sample["pauses"]["count"] > 0, cell["engine"] in lazy, "pauses")
                check(sample["phases_ns"]["codegen"] > 0, "no codegen")
                check(sample["phases_ns"]["teardown"] > 0, "no teardown")


def case_fingerprint_tells_the_truth(bench):
    """What the harness says about the engines' set-up without seeing it."""
    bench.program = bench.tools["jitduel"]
    result = subprocess.run(
        bench.tools["emulator"] + [bench.program, "bench", "--workload", "kernel/fib", "--samples",
                                   "1", "-O0", "--no-warm", "--no-calibration", "--out",
                                   bench.report_path],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S,
        check=False)
    equal(result.returncode, 0, "exit code")
    found = bench.report()["fingerprint"]
    library = "linked statically" if bench.tools["has_static_llvm"] else "libLLVM"
    check(found["llvm_library"].startswith(library), "LLVM is %r", found["llvm_library"])
    with open(os.path.join(bench.tools["source"], "engines/common/target.h"),
              encoding="utf-8") as file:
        target = file.read()
    equal((found["code_model"], "LLVMCodeModelSmall" in target), ("small", True), "code model")
    equal((found["relocation_model"], "LLVMRelocPIC" in target), ("PIC", True), "relocations")


# ---- the schema itself -------------------------------------------------------------------------

def case_schema_is_strict(bench):
    """What must never be written is refused by the schema."""
    with open(bench.tools["example_report"], encoding="utf-8") as file:
        example = json.load(file)
    validate(bench.tools, example)

    def zero_hash(report):
        report["fingerprint"]["hash"] = 0

    def extra(report):
        report["cells"][0]["samples"][0]["mood"] = "good"

    def negative(report):
        report["cells"][0]["samples"][0]["wall_ns"] = -1

    def unknown_verdict(report):
        report["comparisons"][0]["verdict"] = "better"

    def no_memory(report):
        del report["cells"][0]["samples"][0]["memory"]["peak_rss_bytes"]

    for spoil in (zero_hash, extra, negative, unknown_verdict, no_memory):
        spoiled = copy.deepcopy(example)
        spoil(spoiled)
        try:
            validate(bench.tools, spoiled)
        except Failure:
            continue
        raise Failure("the schema allows " + spoil.__name__)


# ---- parts of a plan ---------------------------------------------------------------------------

def positions(report):
    return sorted(s["position"] for s in samples(report))


def part(bench, name, *args, code=0):
    """A report of its own, kept under another name."""
    bench.run(*args, code=code)
    path = bench.path(name)
    os.rename(bench.report_path, path)
    with open(path, encoding="utf-8") as file:
        report = json.load(file)
    validate(bench.tools, report)
    return path, report


def merge(bench, *paths, code=0):
    done = subprocess.run(bench.tools["emulator"] + [bench.program, "merge", bench.report_path,
                                                     *paths],
                          capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    check(done.returncode == code, "merge ends with %d, not %d: %s%s", done.returncode, code,
          done.stdout, done.stderr)
    return done


def case_parts_make_the_whole(bench):
    for name in "abc":
        bench.good(name)
    bench.workload("wrong", "define main print_args\n", "something else\n")
    _, whole = part(bench, "whole.json", "--samples", "5", code=1)
    paths = []
    for k in (1, 2, 3):
        path, report = part(bench, "part%d.json" % k, "--samples", "5", "--shard", "%d/3" % k,
                            code=1)
        paths.append(path)
        equal(report["complete"], True, "complete")
        equal(report["meta"]["shard"], {"index": k, "count": 3}, "shard")
        check("part %d of 3 of a plan" % k in report["unpublishable_reasons"], "no reason: %r",
              report["unpublishable_reasons"])
        equal({s["process"] % 3 for s in samples(report)}, {k - 1}, "rounds")
    done = merge(bench, *paths[::-1])
    check(done.stdout.endswith("report: " + bench.report_path + "\n"), "last line: %r", done.stdout)
    merged = bench.report()
    equal(merged["complete"], True, "complete")
    equal(merged["meta"]["merged_count"], 3, "merged")
    check("shard" not in merged["meta"], "still a shard")
    for name in ("plan", "fingerprint"):
        for member in set(whole[name]) - {"load_average_1m"}:
            equal(merged[name][member], whole[name][member], name + "." + member)
    equal([(c["workload"], c["engine"], c["label"], c["status"]) for c in merged["cells"]],
          [(c["workload"], c["engine"], c["label"], c["status"]) for c in whole["cells"]], "cells")
    good = [p for c in whole["cells"] if c["status"] == "ok" for p in positions({"cells": [c]})]
    check(set(good) <= set(positions(merged)), "samples are missing")
    for cell in merged["cells"]:
        equal(positions({"cells": [cell]}), [s["position"] for s in cell["samples"]], "order")
        if cell["status"] == "ok":
            equal(cell["summary"]["metrics"]["wall_ns"]["n"], 5, "samples in the summary")
    equal(len(merged["calibration"]["pairs"]), len(whole["calibration"]["pairs"]), "pairs")


def case_missing_parts_are_told(bench):
    bench.good()
    paths = [part(bench, "part%d.json" % k, "--samples", "4", "--shard", "%d/3" % k)[0]
             for k in (1, 2)]
    merge(bench, *paths)
    report = bench.report()
    equal(report["complete"], False, "complete")
    check("samples are missing" in report["unpublishable_reasons"], "no reason: %r",
          report["unpublishable_reasons"])


def case_parts_that_do_not_fit_are_refused(bench):
    bench.good()
    first, _ = part(bench, "first.json", "--samples", "4", "--shard", "1/2")
    second, data = part(bench, "second.json", "--samples", "4", "--shard", "2/2")
    other, _ = part(bench, "other.json", "--samples", "4", "--shard", "2/2", "--seed", "2")
    slow, _ = part(bench, "slow.json", "--samples", "4", "--shard", "2/2", "--timeout", "9")

    def changed(name, change):
        copied = copy.deepcopy(data)
        change(copied)
        bench.write(name, json.dumps(copied))
        return bench.path(name)

    cpu = changed("cpu.json", lambda r: r["fingerprint"].update(cpu_model="Another CPU"))
    git = changed("git.json", lambda r: r["meta"].update(git_revision="0" * 40))
    place = changed("place.json", lambda r: samples(r)[0].update(position=10 ** 6))
    twice = changed("twice.json", lambda r: samples(r)[0].update(
        position=samples(r)[1]["position"]))
    broken = changed("broken.json", lambda r: samples(r)[0].update(wall_ns="long"))
    bench.write("text.json", "{")
    for paths, code, wanted in (([first], 64, "two parts or more"), ([first, first], 64, "too"),
                                ([first, other], 64, "another plan"),
                                ([first, slow], 64, "another time limit"),
                                ([first, cpu], 64, "another cpu_model"),
                                ([first, git], 64, "another revision"),
                                ([first, place], 65, "no place in the plan"),
                                ([first, twice], 65, "the same place"),
                                ([first, broken], 65, "wall_ns"),
                                ([first, bench.path("text.json")], 65, "line 1"),
                                ([first, bench.path("none.json")], 66, "No such file")):
        one_line(merge(bench, *paths, code=code).stderr, wanted)
        check(not os.path.exists(bench.report_path), "a report was written for %r", paths)
    kernel = changed("kernel.json", lambda r: r["fingerprint"].update(kernel="Linux 99"))
    merge(bench, first, kernel)
    check("the parts' machines differ in kernel" in bench.report()["unpublishable_reasons"],
          "the other kernel is not told")
    merge(bench, first, second)


def case_shards_must_be_numbers(bench):
    bench.good()
    for text in ("0/2", "3/2", "1", "1/2x", "/2", "-1/2", "a/b", "1/0"):
        one_line(bench.run("--shard", text, code=64).err, "--shard")
    one_line(bench.run("--samples", "2", "--shard", "1/3", code=64).err, "some would be empty")


def can_start_itself(tools):
    """bench starts itself with exec: an emulator must be known to the kernel for that."""
    try:
        return subprocess.run([tools["fake"], "--version"], stdout=subprocess.DEVNULL,
                              timeout=TIMEOUT_S, check=False).returncode == 0
    except OSError:
        return False


CASES = {name[5:]: function for name, function in globals().items() if name.startswith("case_")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--case")
    options = parser.parse_args()
    if options.list:
        print("\n".join(CASES))
        return 0
    try:
        import jsonschema  # noqa: F401  (asked for by every case that reads a report)
    except ImportError as error:
        print("skipped: " + str(error))
        return 77
    with open(options.tools, encoding="utf-8") as file:
        tools = json.load(file)
    if not can_start_itself(tools):
        print("skipped: the system cannot start this build's programs by itself (binfmt_misc)")
        return 77
    folder = tempfile.mkdtemp(prefix="jd-bench-")
    try:
        CASES[options.case](Bench(tools, folder))
    except Failure as failure:
        print("FAILED: " + str(failure))
        return 1
    except Skip as reason:
        print("skipped: " + str(reason))
        return 77
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


sys.exit(main())
