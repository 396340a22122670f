# SPDX-License-Identifier: Apache-2.0
"""The command-line cases: data for run_cli.py.

A case: name "subject.fact"; on "engine" (once per engine of the build), "fake" (the test engine,
which ends and fails on demand) or "tool" (no engine matters); args; and what must come out: code or
signal, out and err as patterns that cover the whole stream (absent: nothing is printed). Optional:
stdin, files (made before), env, shell (instead of args), as_nobody, before and check (functions of
the context). Expected values come from C, POSIX and docs, never from an engine.
"""

import os
import re
import shutil
import signal
import subprocess
import threading

from old_ir import old_bitcode, old_layout
import tool_cases
from run_cli import TIMEOUT_S, Skip, expect, value_of

CASES = []


def case(name, on, args, **members):
    CASES.append(dict(members, name=name, on=on, args=args))


def run(name, file, *options, words=(), **members):
    """`jitduel run` of one of the programs under ir/, on every engine."""
    arguments = ["--"] + list(words) if words else []
    case("run." + name, "engine",
         ["run", "-e", "{engine}", *options, "{ir}/" + file, *arguments], **members)


def fake(name, script, *options, words=(), **members):
    """`jitduel run` of a script for the test engine."""
    arguments = ["--"] + list(words) if words else []
    files = dict(members.pop("files", {}), **{"p.ll": "fake\n" + script})
    case("run." + name, "fake", ["run", "-e", "fake", *options, "p.ll", *arguments],
         files=files, **members)


def one_line(text):
    """The pattern of one error line: `jitduel: WHERE: TEXT`."""
    return "jitduel: " + text + r"\n"


def stats(**wanted):
    """A check of members of the --stats file, which must fit its schema too."""
    def check(context):
        value = context.stats()
        for name, member in wanted.items():
            expect(value[name] == member, f"{name} is {value[name]!r}, wanted {member!r}")
    return check


def sums_add_up(context):
    value = context.stats()
    spans = value["spans_ns"]
    expect(0 < value["time_to_main_ns"] < value["time_to_exit_ns"], "times are not in order")
    expect(sum(spans[name] for name in ("create", "add", "prepare", "constructors")) <=
           value["time_to_main_ns"], "the steps before main take longer than all of it")
    expect(sum(value["phases_ns"].values()) <= value["time_to_exit_ns"],
           "the phases of one thread take longer than the process")
    expect(value["phases_ns"]["codegen"] > 0, "no time in codegen")
    expect(value["counters"]["functions_compiled"] >= 1, "nothing was compiled")
    expect(value["counters"]["functions_defined"] == 2, "hello.ll defines two functions")
    expect(value["counters"]["code_bytes"] > 0, "no bytes of code")
    expect(value["memory"]["vm_hwm_bytes"] > 1 << 20, "a process of less than 1 MiB")


# ---- the program's own life, on every engine ------------------------------------------------

HELLO = r"\[[^]]*hello\.ll\]"
run("arguments", "hello.ll", words=["a", "b c", "", "--stats"], code=5,
    out=HELLO + r"\[a\]\[b c\]\[\]\[--stats\]\n")
run("no_arguments", "hello.ll", code=1, out=HELLO + r"\n")
for level in "0123":
    run("opt_" + level, "hello.ll", "-O", level, code=1, out=HELLO + r"\n")
run("entry", "hello.ll", "--entry", "other", code=77)
run("no_lazy", "hello.ll", "--no-lazy", words=["x"], code=2, out=HELLO + r"\[x\]\n")
for option in ("verify", "passes=instcombine,simplifycfg", "cpu=generic", "features="):
    run(option.split("=", 1)[0], "hello.ll", "--" + option, code=1, out=HELLO + r"\n")
run("cpu_native", "hello.ll", "--cpu=native", code=1, out=HELLO + r"\n")
run("cpu_unknown", "hello.ll", "--cpu=no-such", code=64, err=one_line(r"--cpu: .*'no-such'.*"))
for text in ("+no-such", "no-such", "+"):
    run("features_unknown_" + (re.sub(r"\W", "", text) or "empty") + str(len(text)), "hello.ll",
        "--features=" + text, code=64, err=one_line(r"--features: .*" + re.escape(f"'{text}'") + ".*"))
run("passes_unknown", "hello.ll", "--passes=no-such", code=64, err=one_line(r".*no-such.*"))
# Peers answer to the C library's start-up and to linkers in their own ways.
for engine in ("legacy", "mcjit"):
    for level in "02":
        case(f"run.start_{engine}_{level}", "tool",
             ["run", "-e", engine, "-O", level, "{ir}/start.ll", "--", "word"],
             out=r"early 2 word 1\n(late 2 word 1\n){2}listed 2 word 1\nmain\nend\n")
        case(f"run.dlsym_next_{engine}_{level}", "tool",
             ["run", "-e", engine, "-O", level, "{ir}/next.ll"], code=42)
        case(f"run.section_bounds_{engine}_{level}", "tool",
             ["run", "-e", engine, "-O", level, "--extra-module", "{ir}/sections_more.ll",
              "{ir}/sections.ll"], code=3, out=r"first 1\nsecond 2\nthird 3\n")

# Descriptors of a peer's own may be in the way, those of the two engines not.
for engine in ("legacy", "mcjit"):
    case("run.name_" + engine, "tool", (), code=3, out=r"\S*/ir/name\.ll\nname\.ll\n", shell="exec "
         "{jitduel} run -e " + engine + " {ir}/name.ll 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-")

run("order_on_return", "order.ll", code=3, out=r"c1 c2 main a2 a1 object d1 d2")
run("order_on_exit", "order.ll", words=["exit"], code=3, out=r"c1 c2 main a2 a1 object d1 d2")
run("order_of_handlers", "handlers.ll", code=9, out=r"third second first end ")
run("constructor_arguments", "arguments.ll", words=["word"], code=6, out=r"2 word 1\n")

END = {"return": ("r", 4, r"bye\n"), "exit": ("e", 5, r"bye\n"), "early_exit": ("_", 7, None),
       "quick_exit": ("q", 8, None), "thread_exit": ("t", 6, r"bye\n"),
       "fork_exit": ("k", 15, r"bye\nbye\n"), "chdir": ("c", 0, r"bye\n")}
for way, (letter, code, out) in END.items():
    run("end_" + way, "ends.ll", words=[letter], code=code,
        out=r"(quick\n)?" if way == "quick_exit" else out)
    run("stats_end_" + way, "ends.ll", "--stats", "stats.json", words=[letter], code=code,
        out=r"(quick\n)?" if way == "quick_exit" else out, check=stats(exit_code=code))

DEATH = {"abort": ("a", signal.SIGABRT, "Aborted"),
         "segv": ("s", signal.SIGSEGV, "Segmentation fault"),
         "ill": ("i", signal.SIGILL, "Illegal instruction"),
         "fpe": ("f", signal.SIGFPE, "Floating point exception"),
         "overflow": ("o", signal.SIGSEGV, "Segmentation fault")}
for way, (letter, number, text) in DEATH.items():
    run("death_" + way, "ends.ll", words=[letter], signal=number,
        err=one_line(rf".*ends\.ll: program died of signal {int(number)} \({text}\)"))

run("input_offset_kept", "read_one.ll", code=0, out=r"bcdef\n", files={"in": "abcdef\n"},
    shell="({jitduel} run -e {engine} {ir}/read_one.ll; test $? = 97 && cat) < in")


# ---- files ----------------------------------------------------------------------------------

def raw(name):
    """Bytes of a program under ir/."""
    def read(context):
        with open(os.path.join(context.tools.ir, name), "rb") as file:
            return file.read()
    return read


def bitcode(name, part=1.0):
    """The same as bitcode, or the first part of it."""
    def make(context):
        data = context.bitcode(name)
        return data[:int(len(data) * part)]
    return make


case("run.two_files", "engine",
     ["run", "-e", "{engine}", "{ir}/caller.ll", "{ir}/callee.ll", "--", "x"], code=42)
case("run.extra_module", "engine",
     ["run", "-e", "{engine}", "--extra-module", "{ir}/callee.ll", "{ir}/caller.ll"], code=41)
case("run.text_from_stdin", "engine", ["run", "-e", "{engine}", "-", "--", "x"],
     stdin=raw("hello.ll"), code=2, out=r"\[-\]\[x\]\n")
case("run.bitcode_from_stdin", "engine", ["run", "-e", "{engine}", "-"],
     stdin=bitcode("hello.ll"), code=1, out=r"\[-\]\n")
case("run.bitcode", "engine", ["run", "-e", "{engine}", "p.bc"],
     files={"p.bc": bitcode("hello.ll")}, code=1, out=r"\[p\.bc\]\n")
case("run.bitcode_two_files", "engine", ["run", "-e", "{engine}", "a.bc", "b.bc"],
     files={"a.bc": bitcode("caller.ll"), "b.bc": bitcode("callee.ll")}, code=41)
run("environment", "environment.ll", env={"JD_HABIT": "kept"}, out="kept\n")
case("run.old_data_layout", "engine", ["run", "-e", "{engine}", "p.ll"],
     files={"p.ll": old_layout}, code=9)
case("run.old_bitcode", "engine", ["run", "-e", "{engine}", "p.bc", "--", "x", "y"],
     files={"p.bc": old_bitcode}, code=3, out=r"3 12\n")
case("run.truncated_bitcode", "engine", ["run", "-e", "{engine}", "p.bc"],
     files={"p.bc": bitcode("order.ll", 0.6)}, code=65, err=one_line(r"p\.bc: .+"))
case("run.not_ir", "engine", ["run", "-e", "{engine}", "p.bc"], files={"p.bc": b"\x7fELF\x02\x01"},
     code=65, err=one_line(r"p\.bc.*: .+"))
case("run.empty_file", "engine", ["run", "-e", "{engine}", "p.ll"], files={"p.ll": ""}, code=65,
     err=one_line(r"p\.ll: is empty, not LLVM IR"))
case("run.missing_file", "engine", ["run", "-e", "{engine}", "none.ll"], code=66,
     err=one_line(r"none\.ll: cannot be opened: No such file or directory"))
case("run.folder", "engine", ["run", "-e", "{engine}", "."], code=66,
     err=one_line(r"\.: is a directory, not an IR file"))


def make_unreadable(context):
    context.write("p.ll", "")
    os.chmod(context.path("p.ll"), 0)


case("run.unreadable_file", "engine", ["run", "-e", "{engine}", "p.ll"], before=make_unreadable,
     as_nobody=True, code=66, err=one_line(r"p\.ll: cannot be opened: Permission denied"))
run("syntax_error", "syntax.ll", code=65,
    err=one_line(r".*syntax\.ll: ?4:19: .*use of undefined value '%missing'.*"))
run("foreign_target", "foreign.ll", code=65, err=one_line(r".*foreign\.ll: .*sparcv9.*"))
for _fact, _words in (("text_is_verified", []), ("verifier_refuses", ["--verify"])):
    run(_fact, "broken.ll", *_words, code=65,
        err=one_line(r".*broken\.ll.*PHI nodes not grouped.*"))
run("no_main", "callee.ll", code=65,
    err=one_line(r".*callee\.ll: no function 'main' to start with.*"))
run("no_entry", "hello.ll", "--entry", "nothing", code=65,
    err=one_line(r".*hello\.ll: no function 'nothing' to start with.*"))
case("run.duplicate_main", "engine", ["run", "-e", "{engine}", "{ir}/hello.ll", "{ir}/order.ll"],
     code=65, err=one_line(r".*main.*"))


# ---- symbols --------------------------------------------------------------------------------

def is_lazy(context):
    return "lazy" in context.caps


run("unresolved_taken", "unresolved.ll", words=["x"], code=65,
    out=lambda c: r"before\n" if is_lazy(c) else None,
    err=one_line(r".*nowhere_to_be_found.*--load LIBRARY.*--extra-archive FILE\)"))
run("unresolved_untaken", "unresolved.ll", code=lambda c: 0 if is_lazy(c) else 65,
    err=lambda c: None if is_lazy(c) else one_line(r".*nowhere_to_be_found.*"))
for name, options in {"named": [], "no_lazy": ["--no-lazy"]}.items():
    run("unresolved_" + name, "unresolved.ll", *options, words=["x"], code=65,
        out=r"(before\n)?", err=one_line(r".*nowhere_to_be_found.*"))


def stats_of_failure(context):
    if is_lazy(context):
        stats(exit_code=65)(context)
    else:
        expect(not os.path.exists(context.path("stats.json")), "stats of what never started")


run("unresolved_stats", "unresolved.ll", "--stats", "stats.json", words=["x"], code=65,
    out=lambda c: r"before\n" if is_lazy(c) else None,
    err=one_line(r".*nowhere_to_be_found.*"), check=stats_of_failure)
run("no_process_symbols", "hello.ll", "--no-process-symbols", code=65, err=one_line(r".*(puts|printf).*"))
run("small_floats", "small_floats.ll", code=0,
    out=r"0\.3332519531 2048 inf 1\.00390625\n0\.333984375 256 3 1\.0078125\n")
run("load", "library_user.ll", "--load", "{library}", code=42, out=r"library destructed\n")
run("without_load", "library_user.ll", code=65, err=one_line(r".*fixture_answer.*--load LIBR.*"))
run("load_missing", "library_user.ll", "--load", "./none.so", code=71,
    err=one_line(r"\./none\.so: cannot be loaded: .*"))


# ---- objects of other compilers ---------------------------------------------------------------

def links_objects(context):
    return "add-object" in context.caps


def with_object(name, *options, code=43, out=None, err=None, **members):
    """Engines that cannot link object files say so of the first one."""
    def wanted(member, refusal):
        return lambda c: value_of(member, c) if links_objects(c) else refusal
    run(name, "object_user.ll", *options, code=wanted(code, 69), out=wanted(out, None),
        err=wanted(err, one_line(r".+: the \S+ engine cannot link .+")), **members)


OBJECT_OUT = (r"object: 20 7 99\nir: 4 1\nregistered by the object\nobject destructed\n")
with_object("object", "--extra-object", "{object}", out=OBJECT_OUT)
with_object("object_no_lazy", "--no-lazy", "--extra-object", "{object}", out=OBJECT_OUT)
with_object("archive", "--extra-archive", "{archive}", out=OBJECT_OUT)
with_object("object_unneeded", "--extra-object", "{object}", "--extra-object", "{unneeded}",
            code=lambda c: 43 if is_lazy(c) else 65,
            out=lambda c: OBJECT_OUT if is_lazy(c) else None,
            err=lambda c: None if is_lazy(c) else one_line(r".*defined_by_nobody.*"))
with_object("object_twice", "--extra-object", "{object}", "--extra-object", "{object}", code=65,
            err=one_line(r"\S+: '\w+' is already defined in \S+"))
with_object("object_tls", "--extra-object", "{tls_object}", code=69,
            err=one_line(r"\S+: .*thread-local: compile the object with -femulated-tls"))
with_object("object_is_ir", "--extra-object", "{ir}/object_user.ll", code=65,
            err=one_line(r"\S+object_user\.ll: not an ELF object"))


def truncated_object(context):
    with open(context.tools.object, "rb") as file:
        context.write("short.o", file.read()[:700])


def foreign_object(context):
    """e_machine of a 32-bit ARM."""
    with open(context.tools.object, "rb") as file:
        data = file.read()
    context.write("foreign.o", data[:18] + b"\x28\0" + data[20:])


with_object("object_truncated", "--extra-object", "short.o", code=65, before=truncated_object,
            err=one_line(r"short\.o: damaged object: .+"))
with_object("object_foreign", "--extra-object", "foreign.o", code=65, before=foreign_object,
            err=one_line(r"foreign\.o: object is for ELF machine 40, this machine is .+"))
for name, (option, file, code, text) in {
        "object_is_archive": ("--extra-object", "{archive}", 65, "is an archive: use .+"),
        "archive_is_object": ("--extra-archive", "{object}", 65, "not an archive .+"),
        "archive_is_thin": ("--extra-archive", "./thin.a", 69, "(a thin archive|the ).+"),
        "object_missing": ("--extra-object", "./none.o", 66, "cannot be opened: .+")}.items():
    run(name, "object_user.ll", option, file, code=code, files={"thin.a": "!<thin>\n"},
        err=one_line(r"\S+: " + text))


# ---- engine options -------------------------------------------------------------------------

# Which capability makes which unit work; the engine's own unit works always.
UNITS = {"function": "lazy", "module": "granularity-module", "block": "granularity-block"}


def supports(unit):
    def code(context):
        own = "engine" if "lazy" not in context.caps else "function"
        return 1 if unit == own or UNITS.get(unit) in context.caps else 69
    return code


for unit in ("function", "module", "block", "engine"):
    run("granularity_" + unit, "hello.ll", "--granularity", unit, code=supports(unit),
        out=lambda c, code=supports(unit): HELLO + r"\n" if code(c) == 1 else None,
        err=lambda c, code=supports(unit): None if code(c) == 1 else one_line(r".+: .+"))


def is_peer(context):
    return "peer" in context.caps


def is_mcjit(context):
    return context.engine.startswith("mcjit")


def kept_objects(context):
    if not is_mcjit(context):
        return
    names = os.listdir(context.path("objects"))
    expect(len(names) == 1 and re.fullmatch(r"[0-9a-f]{64}\.o", names[0]), f"kept: {names}")
    expect(context.stats()["counters"]["modules_compiled"] == 0, "compiled again")


def fill_cache(context):
    if is_mcjit(context):
        subprocess.run(context.tools.emulator + [context.tools.jitduel, "run", "-e", context.engine,
                       "--object-cache", context.path("objects"),
                       os.path.join(context.tools.ir, "hello.ll")], stdout=subprocess.DEVNULL)


case("run.link_modules", "engine",
     ["run", "-e", "{engine}", "--link-modules", "{ir}/caller.ll", "{ir}/callee.ll", "--", "x"],
     code=lambda c: 42 if is_mcjit(c) else 69,
     err=lambda c: None if is_mcjit(c) else one_line(r"--link-modules: .+"))


def arm_counts(is_lazy_arm, **wanted):
    """Counters of an arm, and whether it says that it is lazy."""
    def check(context):
        value = context.stats()
        expect(wanted.items() <= value["counters"].items(), f"counters {value['counters']}")
        expect(value["is_lazy"] == is_lazy_arm, "is_lazy says what the arm does not do")
    return check


for arm, counts in (("mcjit-linked", arm_counts(False, modules_compiled=3, stubs_live=0)),
                    ("mcjit-module", arm_counts(True, modules_compiled=2, stubs_live=1))):
    case("run.arm_" + arm.replace("-", "_"), "tool",
         ["run", "-e", arm, "--stats", "stats.json", "{ir}/caller.ll", "{ir}/callee.ll",
          "{ir}/aside.ll", "--", "x"], code=42, check=counts)
run("object_cache", "hello.ll", "--object-cache", "objects", "--stats", "stats.json",
    code=lambda c: 1 if is_mcjit(c) else 69, out=lambda c: HELLO + r"\n" if is_mcjit(c) else None,
    err=lambda c: None if is_mcjit(c) else one_line(r"--object-cache: .+"), before=fill_cache,
    check=kept_objects)
run("object_cache_is_file", "hello.ll", "--object-cache", "{ir}/hello.ll",
    code=lambda c: 71 if is_mcjit(c) else 69,
    err=lambda c: one_line(r"\S+hello\.ll: is not a folder" if is_mcjit(c) else
                           r"--object-cache: .+"))
run("arena_limit", "big_data.ll", "--arena-limit", "64M", code=lambda c: 69 if is_peer(c) else 5,
    err=lambda c: one_line(r"--arena-limit: .+") if is_peer(c) else None)
run("arena_full", "big_data.ll", "--arena-limit", "4M", code=lambda c: 69 if is_peer(c) else 71,
    err=one_line(r".+"))


# ---- profilers and debuggers -----------------------------------------------------------------

def is_observable(context):
    return "legacy" in context.engine


def observed(result):
    """Members of a case in which an engine that cannot be observed must say so."""
    def refuse(option):
        return lambda c: None if is_observable(c) else one_line(option + r": .+")
    return dict(code=lambda c: result if is_observable(c) else 69), refuse


def perf_map_names_functions(context):
    if not is_observable(context):
        return
    with open(context.path("perf.map"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    ranges = {}
    for line in lines:
        found = re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) (\S+)", line)
        expect(found, f"not a line of a perf map: {line!r}")
        ranges[found[3]] = (int(found[1], 16), int(found[2], 16))
    for name in ("main", "seen_middle", "seen_leaf"):
        expect(ranges.get(name, (0, 0))[1] > 0, f"{name} has no line or no size")
    ordered = sorted(ranges.values())
    for (begin, size), (after, _) in zip(ordered, ordered[1:]):
        expect(begin + size <= after, "functions overlap")


members, refuse = observed(42)
case("run.perf_map", "engine", [], shell="{jitduel} run -e {engine} --perf-map {ir}/observed.ll & "
     "wait $!; code=$?; test ! -e /tmp/perf-$!.map || mv /tmp/perf-$!.map perf.map; exit $code",
     err=refuse("perf_map"), check=perf_map_names_functions, **members)
run("gdb_without_debugger", "observed.ll", "--gdb", err=refuse("gdb"), **members)


def needs_gdb(context):
    if not is_observable(context):
        raise Skip(f"{context.engine} shows nothing to debuggers")
    if context.tools.emulator:
        raise Skip("a debugger cannot look into the emulator")
    if not shutil.which("gdb"):
        raise Skip("gdb is not installed")
    run_in_gdb("run")


def run_in_gdb(*commands):
    words = [word for command in commands for word in ("-ex", command)]
    probe = subprocess.run(["gdb", "-nx", "-batch", *words, "--args", "/bin/true"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
    if b"exited normally" not in probe.stdout:
        raise Skip(f"gdb cannot do {commands} here: {probe.stdout!r}")


def needs_hardware_breakpoints(context):
    needs_gdb(context)
    run_in_gdb("starti", "stepi", "hbreak *$pc", "continue")


def gdb(name, commands, frames, before=needs_gdb):
    """What `bt` must show, innermost first."""
    words = " ".join(f"-ex '{command}'" for command in commands)
    case("run." + name, "engine", [], before=before,
         shell="gdb -nx -batch -ex 'set breakpoint pending on' " + words +
         " --args {jitduel} run -e {engine} --gdb {ir}/observed.ll 2>&1",
         out=r".*" + r".*".join(rf"#\d+ [^\n]*\b{frame} \([^\n]*\n" for frame in frames) + r".*")


gdb("gdb_backtrace", ["break getppid", "run", "bt"],
    ["seen_leaf", "seen_middle", "main", "jd_program_call", "jd_cmd_run"])
gdb("gdb_backtrace_of_compile", ["break legacy_link", "ignore 1 2", "run", "bt"],
    ["legacy_link", "jd_call_on_stack", "jd_trampoline", "seen_middle", "main",
     "jd_program_call", "jd_cmd_run"])
gdb("gdb_breakpoint", ["hbreak seen_leaf", "run", "bt"], ["seen_leaf", "seen_middle", "main"],
    before=needs_hardware_breakpoints)


# ---- --stats --------------------------------------------------------------------------------

run("stats", "hello.ll", "--stats", "stats.json", "-O1", words=["x"], code=2,
    out=HELLO + r"\[x\]\n", check=sums_add_up)


def stats_name_the_run(context):
    value = context.stats()
    expect(value["engine"] == context.engine, "another engine")
    expect(value["opt_level"] == 2, "the default level is 2")
    expect(value["exit_code"] == 42, "another exit code")
    expect(value["is_lazy"] == is_lazy(context), "is_lazy says what the engine does not do")
    expect([os.path.basename(f) for f in value["files"]] == ["caller.ll", "callee.ll"],
           "other files")


case("run.stats_name_the_run", "engine",
     ["run", "-e", "{engine}", "--stats", "stats.json", "--extra-module", "{ir}/callee.ll",
      "{ir}/caller.ll", "--", "x"], code=42, check=stats_name_the_run)


def waits_with_modules(context):
    return "granularity-module" in context.caps


def modules_on_demand(context):
    """What nothing calls is not compiled, where an engine can wait with modules."""
    if not waits_with_modules(context):
        return
    value = context.stats()
    expect(value["is_lazy"], "something waits for its first call")
    expect(value["granularity"] == "module", "another granularity")
    expect(value["counters"]["modules_added"] == 3, "not all modules")
    expect(value["counters"]["modules_compiled"] == 2, "not those modules that are called")
    expect(value["counters"]["stubs_live"] >= 1, "no stub between modules")


case("run.modules_on_demand", "engine",
     ["run", "-e", "{engine}", "--granularity", "module", "--stats", "stats.json",
      "{ir}/caller.ll", "{ir}/callee.ll", "{ir}/aside.ll", "--", "x"],
     code=lambda c: 42 if waits_with_modules(c) else 69,
     err=lambda c: None if waits_with_modules(c) else one_line(r".+: .+"),
     check=modules_on_demand)
run("stats_to_stdout", "hello.ll", "--stats", "/dev/stdout", code=1,
    out=HELLO + r"\n\{.*\"jitduel-run/1\".*\}\n")


def first_calls_of_lazy(context):
    """Work while the program runs is a lazy engine's, and only its."""
    count = context.stats()["first_calls"]["count"]
    expect((count > 0) == is_lazy(context), f"{count} first calls")


run("stats_first_calls", "order.ll", "--stats", "stats.json", code=3, out=r".*",
    check=first_calls_of_lazy)


# ---- every ending and failure, on the test engine -------------------------------------------

fake("fake_argc", "define main argc\n", words=["a", "b"], code=3)
fake("fake_arguments", "define main print_args\n", words=["a", "b c"], out=r"\[p\.ll\]\[a\]\[b c\]\n")
fake("fake_order", "define main exit_3\nconstructor say_constructed\ndestructor say_destructed\n",
     code=3, out=r"constructed\nmain, no line end, registered second\nregistered first\n"
     r"destructed\n")
fake("fake_return_259", "define main return_259\n", code=3)
fake("fake_constructor_exits", "define main argc\nconstructor exit_9\ndestructor say_destructed\n",
     "--stats", "stats.json", code=9, out=r"destructed\n",
     check=stats(exit_code=9, time_to_main_ns=None))
fake("fake_destructor_exits", "define main argc\ndestructor exit_9\n", "--stats", "stats.json",
     code=9, check=stats(exit_code=9))
fake("fake_early_exit", "define main _exit_7\n", code=7)
fake("fake_early_exit_stats", "define main _exit_7\n", "--stats", "stats.json", code=7,
     check=stats(exit_code=7))
fake("fake_fork_exit", "define main fork_exit\ndestructor say_destructed\n", "--stats",
     "stats.json", code=15, out=r"destructed\ndestructed\n", check=stats(exit_code=15))
fake("fake_thread_exit", "define main thread_exit\ndestructor say_destructed\n", "--stats",
     "stats.json", code=6, out=r"destructed\n", check=stats(exit_code=6))
fake("fake_own_handler", "define main own_handler\n", code=44)
for death in ("segv", "stack_overflow"):
    fake("fake_death_" + death, f"define main {death}\n", signal=signal.SIGSEGV,
         err=one_line(r"p\.ll: program died of signal 11 \(Segmentation fault\)"))
fake("fake_death_abort", "define main abort\n", signal=signal.SIGABRT,
     err=one_line(r"p\.ll: program died of signal 6 \(Aborted\)"))
for phase in ("parse", "codegen", "resolve"):
    fake("fake_crash_in_" + phase, f"crash {phase} 6\n", code=70,
         err=one_line(rf"p\.ll: input error: LLVM crashed in phase {phase} \(signal 6\)"))
fake("fake_crash_in_measured_phase", "crash codegen 11\n", "--stats", "stats.json", code=70,
     err=one_line(r"p\.ll: input error: LLVM crashed in phase codegen \(signal 11\)"))
fake("fake_crash_early", "crash - 11\n", code=70,
     err=one_line(r"p\.ll: input error: LLVM crashed before the program started \(signal 11\)"))
fake("fake_failed_call", "define main unresolved_call\ndestructor say_destructed\n", "--stats",
     "stats.json", code=65, out=r"before the call\n",
     err=one_line("nowhere: no module, library or creator defines it.*"), check=stats(exit_code=65))
KINDS = {"USAGE": 64, "NO_MEMORY": 71, "UNSUPPORTED": 69, "BAD_IR": 65, "RELOC_RANGE": 70}
for kind, code in KINDS.items():
    fake("fake_fails_" + kind.lower(), f"define main argc\nfail prepare {kind} some text\n",
         code=code, err=one_line(r"script: some text"))
fake("fake_add_fails", "fail add_module DUPLICATE f is there twice\n", code=65,
     err=one_line(r"p\.ll: script: f is there twice"))
fake("fake_constructors_fail", "define main argc\nfail constructors COMPILE no\n", code=65,
     err=one_line(r"script: no"))
fake("fake_destructors_fail", "define main argc\nfail destructors INTERNAL no\n", code=70,
     err=one_line(r"script: no"))
fake("fake_counters_fail", "define main argc\nfail counters INTERNAL no\n", "--stats", "stats.json",
     code=70, err=one_line(r"script: no"))
fake("fake_lazy_calls", "define main lazy_calls\n", "--stats", "stats.json",
     check=lambda c: check_three_calls(c.stats()))


def check_three_calls(value):
    calls = value["first_calls"]
    expect(calls["count"] == 3 and calls["sampled"] == 3, "there were three first calls")
    expect(2000000 <= calls["p50_ns"] <= calls["p99_ns"] <= calls["max_ns"], "each slept 2 ms")
    expect(calls["total_ns"] == sum(value["phases_ns"].values()), "the sums differ")
    # With the sum above, no part of the sleep can have been charged to the outer phase as well.
    expect(value["phases_ns"]["codegen"] >= 6000000, "the inner phase was not charged its sleep")


# ---- output files ---------------------------------------------------------------------------

ARGC = "define main argc\n"
fake("stats_disk_full", ARGC, "--stats", "/dev/full", code=71,
     err=one_line(r"/dev/full: cannot be written: No space left on device"))
fake("stats_no_folder", "define main print_args\n", "--stats", "none/stats.json", code=71,
     err=one_line(r"none/stats\.json: cannot be written: No such file or directory"))
fake("stats_is_folder", "define main print_args\n", "--stats", ".", code=71,
     err=one_line(r"\.: cannot be written: Is a directory"))
fake("stats_empty_name", ARGC, "--stats", "", code=71, err=one_line(r"output file: .*empty"))


def needs_file_limit(context):
    if context.tools.sanitizer == "thread" or context.tools.emulator:
        raise Skip("the limit holds for files of ThreadSanitizer and of emulators, too")


case("run.stats_file_limit", "fake", [], files={"p.ll": "fake\n" + ARGC}, code=71,
     shell="ulimit -f 0; exec {jitduel} run -e fake --stats stats.json p.ll", before=needs_file_limit,
     err=one_line(r"\S*stats\.json: cannot be written: File too large"))
case("run_legacy.file_limit", "tool", [], code=1, before=needs_file_limit,
     shell="ulimit -f 1; exec {jitduel} run -e legacy {ir}/hello.ll", out=HELLO + r"\n")


def is_alone(*names):
    """No temporary file is left behind."""
    def check(context):
        expect(sorted(os.listdir(context.folder)) == sorted(names), str(os.listdir(context.folder)))
    return check


def replaced(context):
    is_alone("p.ll", "stats.json")(context)
    stats(exit_code=1)(context)


fake("stats_replaced", ARGC, "--stats", "stats.json", code=1, files={"stats.json": "old"},
     check=replaced)


def make_link(context):
    context.write("target.json", "old")
    os.symlink("target.json", context.path("stats.json"))


def link_kept(context):
    expect(os.path.islink(context.path("stats.json")), "the link was replaced by a file")
    stats(exit_code=1)(context)


fake("stats_through_link", ARGC, "--stats", "stats.json", code=1, before=make_link,
     check=link_kept)


def make_fifo(context):
    os.mkfifo(context.path("stats.json"))
    read = []
    context.reader = threading.Thread(daemon=True, target=lambda: read.append(
        open(context.path("stats.json"), encoding="utf-8").read()))
    context.read = read
    context.reader.start()


def fifo_read(context):
    context.reader.join(TIMEOUT_S)
    expect(context.read and '"exit_code": 1' in context.read[0], "nothing came through the pipe")


fake("stats_to_pipe", ARGC, "--stats", "stats.json", code=1, before=make_fifo, check=fifo_read)


# ---- the command line -----------------------------------------------------------------------

case("main.no_command", "tool", [], code=64, err=one_line(r"command line: a command is missing.*"))
case("main.unknown_command", "tool", ["frobnicate"], code=64,
     err=one_line(r"frobnicate: unknown command \(see 'jitduel --help'\)"))
case("main.near_command", "tool", ["rum"], code=64,
     err=one_line(r"rum: unknown command, did you mean 'run'\? .*"))
case("main.help", "tool", ["--help"], 
     out=r"Usage: jitduel COMMAND.*\n  list .*\n  run .*\n  bench .*\n  synth .*")
case("main.version", "tool", ["--version"], out=r"jitduel \d+\.\d+\.\d+ \(LLVM 19\.\d+\.\d+, .*\)\n")
case("main.hidden_command", "tool", ["--help"], out=r"(?!.*\bchild\b).*")
case("run_legacy.speculate", "tool", ["run", "--speculate", "2", "{ir}/hello.ll", "--", "x"], code=2,
     out=HELLO + r"\[x\]\n")
case("run_mcjit.speculate", "tool", ["run", "-e", "mcjit", "--speculate", "2", "{ir}/hello.ll"],
     code=69, err=one_line(r".*specul.*"))

HELP = {"--engine", "-O", "--entry", "--granularity", "--stats", "--cpu", "--features", "--passes",
        "--no-lazy", "--no-process-symbols", "--verify", "--arena-limit", "--load",
        "--extra-module", "--speculate", "--extra-object", "--extra-archive",
        "--object-cache", "--link-modules"}


def help_is_complete(context):
    text = context.result.stdout.decode()
    for option in HELP:
        expect(option in text, f"{option} is not in the help")
    for code in ("64", "65", "66", "69", "70", "71"):
        expect(re.search(rf"\b{code}\b", text), f"exit code {code} is not in the help")
    expect("default: legacy" in text and "default: 2" in text, "the defaults are not in the help")


case("run.help", "tool", ["run", "--help"], out=r"Usage: jitduel run .*", check=help_is_complete)
case("run.usage", "tool", ["run", "--usage"], out=r"Usage: jitduel run .*")
case("bench.help", "tool", ["bench", "--help"], out=r"Usage: jitduel bench .*")
tool_cases.add_programs(case)
tool_cases.add_synth(case)
tool_cases.add_list(case, one_line)
case("run.file_name_of_two_lines", "tool", ["run", "no\nsuch\x1b[31m\u00e9.ll"], code=66,
     err=one_line(r"no\?such\?\[31m\u00e9\.ll: cannot be opened: [^\n]+"))
case("run.empty_file_name", "tool", ["run", ""], code=66,
     err=one_line(r"'': cannot be opened: [^\n]+"))
case("run.no_file", "tool", ["run"], code=64, err=one_line(r"run: an IR file is missing .*"))
case("run.no_file_but_arguments", "tool", ["run", "--", "x.ll"], code=64,
     err=one_line(r"run: an IR file is missing .*"))
case("run.unknown_option", "tool", ["run", "--frobnicate", "x.ll"], code=64,
     err=one_line(r"run: unrecognized option '--frobnicate'"))
case("run.option_without_value", "tool", ["run", "--stats"], code=64,
     err=one_line(r"run: option '--stats' requires an argument"))
case("run.unknown_engine", "tool", ["run", "-e", "frobnicate", "x.ll"], code=64,
     err=one_line(r"--engine: unknown engine 'frobnicate' \(there are: .*\)"))
case("run.near_engine", "tool", ["run", "-e", "legcay", "x.ll"], code=64,
     err=one_line(r"--engine: unknown engine 'legcay', did you mean 'legacy'\? .*"))
case("run.unknown_granularity", "tool", ["run", "--granularity", "line", "x.ll"], code=64,
     err=one_line(r"--granularity: unknown unit 'line' .*"))
for text in ("9", "-1", "s", "", "2x", "4", "99999999999999999999"):
    case("run.opt_bad_" + (re.sub(r"\W", "m", text) or "empty"), "tool", ["run", "-O", text, "x.ll"],
         code=64, err=one_line(r"-O: .*"))
for text in ("0", "64Q", "1KK", "-1", "", "99999999999G"):
    case("run.arena_bad_" + (re.sub(r"\W", "m", text) or "empty"), "tool",
         ["run", "--arena-limit", text, "x.ll"], code=64, err=one_line(r"--arena-limit: .*"))
for command in ("list engines", "list engines --json", "--help", "--version", "run --help",
                "run --usage", "bench --help", "synth --help", "synth --print-expected"):
    case("main.disk_full_" + re.sub("[ -]+", "_", command).strip("_"), "tool", [], code=71,
         shell="{jitduel} " + command + " > /dev/full",
         err=one_line(r"standard output: cannot be written: No space left on device"))
