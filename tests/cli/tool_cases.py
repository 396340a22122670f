# SPDX-License-Identifier: Apache-2.0
"""The command-line cases of `jitduel synth` and `jitduel list`, and those of programs with operators new
of their own, in the form of cases.py."""

import json
import os
import re

from run_cli import Skip, expect


def link_to(device):
    """A symbolic link stands for the device, which a mistake must not cost this machine."""
    return lambda context: os.symlink(device, os.path.join(context.folder, "device"))


def link_is_kept(context):
    expect(os.path.islink(os.path.join(context.folder, "device")), "a file took the device's place")


def needs_own_operators(context):
    if context.tools.sanitizer:
        raise Skip("the sanitizer's operators come before those of the C++ library, and call no others")


def needs_own_signals(context):
    if "thread" in context.tools.sanitizer:
        raise Skip("ThreadSanitizer puts handlers of its own in the place of all")


def add_programs(case):
    """Through case() of cases.py. Peers leave the C++ library its own operators, and keep to a
    page's alignment."""
    for name, options in (("legacy_0", ["-O0"]), ("legacy_2", ["-O2"]),
                          ("ahead", ["--speculate", "2"]),
                          ("mcjit_0", ["-e", "mcjit", "-O0"]), ("mcjit_2", ["-e", "mcjit", "-O2"]),
                          ("by_module", ["-e", "mcjit", "--granularity", "module"])):
        case("run.operators_" + name, "tool", ["run", *options, "{ir}/operators.ll"], code=40,
             before=needs_own_operators)
    for engine in ("legacy", "mcjit", "orc-lazy"):
        case("run.signals_" + engine, "tool", ["run", "-e", engine, "{ir}/signals.ll"],
             out="(default ){4}", before=needs_own_signals)
    for engine in ("legacy", "mcjit"):
        case("run.aligned_" + engine, "tool", ["run", "-e", engine, "{ir}/aligned.ll"], code=3)


def add_synth(case):
    """Through case() of cases.py."""
    case("synth.help", "tool", ["synth", "--help"], out=r"Usage: jitduel synth .*")
    case("synth.to_device", "tool", ["synth", "--functions", "1", "-o", "device"],
         before=link_to("/dev/null"), check=link_is_kept)
    case("synth.to_full_device", "tool", ["synth", "--functions", "1", "-o", "device"], code=71,
         before=link_to("/dev/full"), check=link_is_kept,
         err=r"jitduel synth: device: cannot be written: No space left on device\n")
    case("synth.no_folder", "tool", ["synth", "-o", "nowhere/x.bc"], code=71,
         err=r"jitduel synth: nowhere/x\.bc: cannot be made: No such file or directory\n")
    for name, words, wanted in (("nothing", [], r"--output is missing.*"),
                                ("unknown_option", ["--frobnicate"], r".*'--frobnicate'"),
                                ("no_value", ["-o"], r".*'o'"),
                                ("shape", ["-o", "x", "--shape", "cube"], r"--shape: 'cube' .*"),
                                ("number", ["-o", "x", "--seed", "1,5"], r"--seed: '1,5' .*"),
                                ("fraction", ["-o", "x", "--executed", "2"], r"--executed: '2' .*"),
                                ("range", ["-o", "x", "--modules", "0"], r"--modules: 0 .*"),
                                ("word", ["-o", "x", "y"], r"'y' .*")):
        case("synth.bad_" + name, "tool", ["synth", *words], code=64,
             err=r"jitduel synth: " + wanted.replace(".", "[^\n]") + r"\n")


def json_list(*required):
    def check(context):
        value = json.loads(context.result.stdout)
        expect(isinstance(value, list) and value, "the list is empty")
        for item in value:
            for member in required:
                expect(member in item, f"{item} has no {member}")
    return check


def add_list(case, one_line):
    """Through case() of cases.py."""
    case("list.nothing", "tool", ["list"], code=64, err=one_line(r"list: say what: .*"))
    case("list.unknown", "tool", ["list", "engine"], code=64,
         err=one_line(r"engine: unknown list, did you mean 'engines'\? .*"))
    case("list.two", "tool", ["list", "engines", "suites"], code=64,
         err=one_line(r"suites: one list at a time"))
    case("list.help", "tool", ["list", "--help"], out=r"Usage: jitduel list .*")
    case("list.engines", "tool", ["list", "engines"],
         out=lambda c: r".*".join(rf"{re.escape(e)} +\S[^\n]*\n +can:" for e in c.tools.engines()) +
         r".*")
    case("list.engines_json", "tool", ["list", "engines", "--json"], out=r"\[.*\]\n",
         check=json_list("name", "summary", "caps"))
    case("list.workloads", "tool", ["list", "workloads"], out=r".+\n")
    case("list.workloads_json", "tool", ["list", "workloads", "--json"], out=r"\[.*\]\n",
         check=json_list("name", "group", "summary", "files", "hash", "unavailable"))
    case("list.suites", "tool", ["list", "suites"], out=r".+\n")
    case("list.suites_json", "tool", ["list", "suites", "--json"], out=r"\[.*\]\n",
         check=json_list("name", "summary", "lines"))
    case("list.no_catalogue", "tool", ["list", "workloads"], env={"JITDUEL_WORKLOADS": "/nonexistent"},
         code=71, err=one_line(r".*/nonexistent.*"))
