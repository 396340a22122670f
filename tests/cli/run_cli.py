# SPDX-License-Identifier: Apache-2.0
"""Run one case of the command-line tests: a whole process, judged from outside.

usage: run_cli.py --tools FILE --list LIST                writes "test case engine" lines
       run_cli.py --tools FILE --case NAME [--engine E]   exit 0 passed, 1 failed, 77 skipped

FILE is JSON that the build wrote: where the programs are. The cases are in cases.py; this file knows
how to run and judge one, and nothing of jitduel. Each case runs in a folder of its own.
"""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
TIMEOUT_S = 600  # for what hangs; machines may be slow


# What would change how options are read or help is laid out, or send gdb to the network.
UNWANTED = ("POSIXLY_CORRECT", "ARGP_HELP_FMT", "DEBUGINFOD_URLS", "JITDUEL_WORKLOADS",
            "JITDUEL_BITCODE", "GLIBC_TUNABLES")


class Failure(Exception):
    """The case failed, and why."""


class Skip(Exception):
    """The case cannot be judged here, and why."""


class Tools:
    """Paths that the build knows, and what `jitduel list engines` says."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            values = json.load(file)
        self.jitduel = values["jitduel"]
        self.fake = values["fake"]
        self.library = values["library"]
        self.object = values["object"]
        self.unneeded = values["unneeded"]
        self.tls_object = values["tls_object"]
        self.archive = values["archive"]
        self.llvm_as = values["llvm_as"]
        self.schema = values["schema"]
        self.ir = values["ir"]
        self.cpu = values["cpu"]
        self.sanitizer = values["sanitizer"]
        self.emulator = values["emulator"]
        self.tested = values["engines"].split(",") if values["engines"] else None
        self._engines = None

    def engines(self):
        """{name: set of capabilities} of the engines to be tested"""
        if self._engines is None:
            out = subprocess.run(self.emulator + [self.jitduel, "list", "engines", "--json"],
                                 stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S).stdout
            self._engines = {e["name"]: set(e["caps"]) for e in json.loads(out)
                             if self.tested is None or e["name"] in self.tested}
        return self._engines


class Context:
    """What a case's functions may ask: the tools, the engine, the folder of this run."""

    def __init__(self, tools, engine, folder):
        self.tools, self.engine, self.folder = tools, engine, folder
        self.result = None

    @property
    def caps(self):
        return self.tools.engines()[self.engine]

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        mode = "wb" if isinstance(data, bytes) else "w"
        with open(self.path(name), mode) as file:
            file.write(data)

    def bitcode(self, name):
        """Bytes of ir/NAME as bitcode."""
        return subprocess.run([self.tools.llvm_as, "-o", "-", os.path.join(self.tools.ir, name)],
                              stdout=subprocess.PIPE, check=True, timeout=TIMEOUT_S).stdout

    def stats(self, name="stats.json"):
        """The --stats file, checked against its schema."""
        import jsonschema
        with open(self.path(name), encoding="utf-8") as file:
            value = json.load(file)
        with open(self.tools.schema, encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator(schema).validate(value)
        return value


def expect(condition, message):
    if not condition:
        raise Failure(message)


def match(what, pattern, text):
    """`pattern` covers the whole of `text`; None: there must be no text."""
    if pattern is None:
        expect(text == "", f"{what} is not empty: {text!r}")
    else:
        expect(re.fullmatch(pattern, text, re.DOTALL), f"{what} is {text!r}, wanted /{pattern}/")


def value_of(member, context):
    """A member of a case may be a function of the context."""
    return member(context) if callable(member) else member


def prepare(case, context):
    for name, data in case.get("files", {}).items():
        context.write(name, value_of(data, context))
    if "before" in case:
        case["before"](context)


def command_line(case, context):
    program = context.tools.fake if case["on"] == "fake" else context.tools.jitduel
    words = {"ir": context.tools.ir, "engine": context.engine or "", "jitduel": program,
             "library": context.tools.library, "here": context.folder,
             "object": context.tools.object, "unneeded": context.tools.unneeded,
             "tls_object": context.tools.tls_object, "archive": context.tools.archive}
    own = [program] + [a.format(**words) for a in value_of(case["args"], context)]
    if "shell" in case:
        for name, word in words.items():
            words[name] = shlex.quote(word)
        words["jitduel"] = shlex.join(context.tools.emulator + [program])
        return ["/bin/sh", "-c", case["shell"].format(**words)]
    return context.tools.emulator + own


def judge_status(case, context, status):
    wanted_signal = case.get("signal")
    if wanted_signal is not None:
        expect(status == -wanted_signal,
               f"ended with {status}, wanted death by {signal.Signals(wanted_signal).name}")
        return
    wanted = value_of(case.get("code", 0), context)
    expect(status == wanted, f"exit code {status}, wanted {wanted}")


def drop_privileges(context):
    """How to run as somebody who may not read everything."""
    if os.geteuid() != 0:
        return {}
    os.chmod(context.folder, 0o755)
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    try:
        subprocess.run(context.tools.emulator + [context.tools.jitduel, "--version"], check=True,
                       stdout=subprocess.DEVNULL, timeout=TIMEOUT_S, **nobody)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Skip(f"an unprivileged user cannot run jitduel here: {error}") from error
    return nobody


def without_emulator(context, err):
    """What the program said itself: qemu-user adds a line when a program dies of a signal."""
    if not context.tools.emulator:
        return err
    return re.sub(r"^qemu: uncaught target signal .*\n", "", err, flags=re.MULTILINE)


def run_case(case, context):
    prepare(case, context)
    environment = dict(os.environ, LC_ALL="C", ASAN_OPTIONS="handle_segv=0:handle_abort=0:"
                       "handle_sigill=0:handle_sigfpe=0:handle_sigbus=0:detect_leaks=0")
    for name in UNWANTED:
        environment.pop(name, None)
    environment.update(case.get("env", {}))
    stdin = value_of(case.get("stdin", b""), context)
    user = drop_privileges(context) if "as_nobody" in case else {}
    result = subprocess.run(command_line(case, context), input=stdin, cwd=context.folder,
                            env=environment, **user, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            timeout=TIMEOUT_S)
    context.result = result
    out = result.stdout.decode("utf-8", "replace")
    err = result.stderr.decode("utf-8", "replace")
    print("status", result.returncode, "stdout", repr(out), "stderr", repr(err), sep="\n  ")
    judge_status(case, context, result.returncode)
    match("stdout", value_of(case.get("out"), context), out)
    match("stderr", value_of(case.get("err"), context), without_emulator(context, err))
    if "check" in case:
        case["check"](context)


def tests_of(cases, engines):
    """(test name, case name, engine or "-"): a case for engines becomes one test per engine."""
    for case in cases:
        subject, fact = case["name"].split(".")
        if case["on"] != "engine":
            yield f"cli.{subject}.{fact}", case["name"], "-"
            continue
        for engine in engines:
            yield f"cli.{subject}_{engine}.{fact}", case["name"], engine


def write_list(path, cases, engines):
    lines = [" ".join(test) for test in tests_of(cases, engines)]
    expect(len(lines) == len({line.split()[0] for line in lines}), "two cases have one name")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def known_failure(case, engine):
    """Why this engine is known to fail this case; None: it is not. The test then fails where the
    case passes. A reason that begins with "not run: " is one not to try."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.json")
    with open(path, encoding="utf-8") as file:
        return json.load(file).get(engine, {}).get(case["name"])


def judge(case, tools, engine):
    reason = known_failure(case, engine)
    if reason and reason.startswith("not run: "):
        print(f"SKIPPED: {reason}")
        return 77
    with tempfile.TemporaryDirectory(prefix="jitduel-cli-") as folder:
        try:
            run_case(case, Context(tools, engine, folder))
        except Failure as failure:
            print(f"KNOWN FAILURE ({reason}): {failure}" if reason else f"FAILED: {failure}")
            return 0 if reason else 1
        except Skip as skip:
            print(f"SKIPPED: {skip}")
            return 77
    if reason:
        print(f"FAILED: it passes, and is recorded as failing: {reason}")
    return 1 if reason else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tools", required=True)
    parser.add_argument("--list")
    parser.add_argument("--case")
    parser.add_argument("--engine", default="-")
    arguments = parser.parse_args()
    import cases
    tools = Tools(arguments.tools)
    if arguments.list:
        write_list(arguments.list, cases.CASES, tools.engines())
        return 0
    found = [case for case in cases.CASES if case["name"] == arguments.case]
    return judge(found[0], tools, arguments.engine)


if __name__ == "__main__":
    # As the module that cases.py imports, so that both mean the same classes.
    import run_cli
    sys.exit(run_cli.main())
