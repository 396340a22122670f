# SPDX-License-Identifier: Apache-2.0
"""Check the directions that must never exist between rooms.

usage: check_layering.py includes SOURCE_DIR     on the sources: what a file includes, and what
                                                 that includes in turn
       check_layering.py links LINK_GRAPH        on the link graph that link_graph.cmake wrote

Prints one line per offence, with the chain that leads to it, and exits 1. Knows nothing of what
the code does. The rules are docs/design.md, "Rooms and directions".
"""

import os
import re
import sys

SOURCE_SUFFIXES = (".c", ".h", ".cc", ".S", ".def")
ROOMS = ("engines", "workloads", "harness", "reports")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)

# A header of a library, by how it is written in an include line.
LLVM = re.compile(r"^llvm(-c)?/")
JANSSON = re.compile(r"^jansson(_config)?\.h$")
BENCHMARK = re.compile(r"^benchmark/")
CLOCK = re.compile(r"^(time\.h|sys/time\.h|sys/times\.h|chrono)$")

# Engines live in a folder each; peers/ holds one file or several per engine.
ENGINE_SHARED = ("common", "include")


class Rule:
    """Files that `applies` selects must not reach, directly or through headers of this tree, what
    `forbids` selects: a tree path, or a library header as it is written."""

    def __init__(self, name, applies, forbids, is_direct=False):
        self.name, self.applies, self.forbids, self.is_direct = name, applies, forbids, is_direct


def room(path):
    return path.split("/")[0]


def engine_of(path):
    """The engine's folder that a path belongs to, or None."""
    parts = path.split("/")
    if parts[0] != "engines" or len(parts) < 3 or parts[1] in ENGINE_SHARED:
        return None
    return parts[1]


def stem_is(path, *stems):
    """Whether a file name is one of these, or one of these followed by _something."""
    name = os.path.basename(path).split(".")[0]
    return any(name == stem or name.startswith(stem + "_") for stem in stems)


def is_public_door(path):
    return path.startswith("engines/include/")


def is_plain_c(path):
    """Engine code that works on crafted bytes, for both CPUs on any host."""
    return room(path) == "engines" and stem_is(path, "elf_read", "reloc", "stubs", "arena")


def is_pure_data(path):
    """Statistics and records of the harness. record_json is the step from one to the other side."""
    return (room(path) == "harness" and stem_is(path, "stats", "record") and
            not stem_is(path, "record_json"))


RULES = [
    Rule("engines must not see harness, workloads or reports",
         lambda p: room(p) == "engines",
         lambda t: room(t) in ("harness", "workloads", "reports")),
    Rule("engines must not see jansson or Google Benchmark",
         lambda p: room(p) == "engines",
         lambda t: JANSSON.match(t) or BENCHMARK.match(t)),
    Rule("the harness must not see an engine's private header",
         lambda p: room(p) == "harness",
         lambda t: room(t) == "engines" and not is_public_door(t)),
    Rule("harness and reports must not see LLVM",
         lambda p: room(p) in ("harness", "reports"),
         lambda t: LLVM.match(t)),
    Rule("statistics and records must not see JSON, clocks or engines",
         is_pure_data,
         lambda t: JANSSON.match(t) or CLOCK.match(t) or t == "engines/include/jitduel/engine.h" or
         stem_is(t, "json", "record_json", "clock") and room(t) == "harness"),
    Rule("elf_read, reloc, stubs and arena must not see LLVM",
         is_plain_c,
         lambda t: LLVM.match(t)),
    Rule("reports must not see any C header",
         lambda p: room(p) == "reports",
         lambda t: True),
]


def source_files(root):
    for top in ROOMS:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith(SOURCE_SUFFIXES):
                    yield os.path.relpath(os.path.join(folder, name), root)


def read_includes(root):
    """{tree path: [(written, tree path or None)]} of every source and header below the rooms."""
    paths = set(source_files(root))
    by_tail = {}
    for path in paths:
        by_tail.setdefault(os.path.basename(path), []).append(path)
    includes = {}
    for path in paths:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
            text = file.read()
        includes[path] = [(written, resolve(path, written, by_tail))
                          for _, written in INCLUDE.findall(text)]
    return includes


def resolve(path, written, by_tail):
    """The tree's file that an include line means: beside the includer, else the one whose path
    ends so, else (a name used in several folders) the one of the includer's own room."""
    beside = os.path.normpath(os.path.join(os.path.dirname(path), written))
    candidates = by_tail.get(os.path.basename(written), [])
    if beside in candidates:
        return beside
    tail = os.path.normpath(written)
    while tail.startswith("../"):
        tail = tail[3:]
    matches = sorted(c for c in candidates if c == tail or c.endswith("/" + tail))
    own = [c for c in matches if room(c) == room(path)]
    return (own or matches or [None])[0]


def offences_of_file(path, includes):
    """(rule name, chain) for each rule that the file breaks, shortest chain first."""
    rules = [rule for rule in RULES if rule.applies(path)]
    engine = engine_of(path)
    if engine:
        rules.append(Rule("an engine must not see another engine's folder", None,
                          lambda t: engine_of(t) not in (None, engine)))
    found, seen, queue = {}, {path}, [(path, [path])]
    while queue:
        at, chain = queue.pop(0)
        for written, target in includes.get(at, []):
            name = target or written
            for rule in rules:
                if rule.name not in found and rule.forbids(name):
                    found[rule.name] = chain + [name]
            if target and target not in seen:
                seen.add(target)
                queue.append((target, chain + [target]))
    return sorted(found.items())


def check_includes(root):
    includes = read_includes(root)
    if not any(room(path) == "engines" for path in includes):
        raise SystemExit(f"{root}: no engine sources found; is this the source folder?")
    return [f"{rule}: {' -> '.join(chain)}"
            for path in sorted(includes) for rule, chain in offences_of_file(path, includes)]


class LinkGraph:
    """Targets with the folder that defines them, and what each compiles with."""

    def __init__(self, lines):
        self.folder, self.link, self.interface, self.exposes = {}, {}, {}, {}
        for line in lines:
            fact, name, value = (line.rstrip("\n").split("\t") + ["", ""])[:3]
            if fact == "target":
                self.folder[name] = value
            elif fact in ("link", "interface", "exposes"):
                getattr(self, fact).setdefault(name, []).append(value)

    def compile_closure(self, target):
        """{reached: chain} of everything whose headers the target's sources can include. A private
        dependency of a static library is linked with its users but not compiled with them; CMake
        writes it as $<LINK_ONLY:...>."""
        seen, queue = {}, [(name, [target, name]) for name in self.link.get(target, [])]
        if target not in self.link:
            queue = [(name, [target, name]) for name in self.interface.get(target, [])]
        while queue:
            name, chain = queue.pop(0)
            if name in seen or name.startswith("$<LINK_ONLY:"):
                continue
            seen[name] = chain
            queue += [(next_, chain + [next_]) for next_ in self.interface.get(name, [])]
        return seen


LLVM_TARGETS = re.compile(r"^(jd_llvm\w*|LLVM\w*)$")
JSON_TARGETS = re.compile(r"jansson", re.IGNORECASE)
BENCHMARK_TARGETS = re.compile(r"^benchmark(::|$)")


def link_offence(folder, reached, reached_folder, exposed):
    """Why a target of `folder` must not compile with `reached`, or None. `exposed` are the include
    directories that this gives it."""
    own, other = room(folder), room(reached_folder or "")
    if own == "engines" and other in ("harness", "workloads", "reports"):
        return "engines must not see harness, workloads or reports"
    if own == "engines" and (JSON_TARGETS.search(reached) or BENCHMARK_TARGETS.match(reached)):
        return "engines must not see jansson or Google Benchmark"
    if own == "harness" and LLVM_TARGETS.match(reached):
        return "the harness must not see LLVM"
    if own == "harness" and any(room(e) == "engines" and not is_public_door(e + "/")
                                for e in exposed):
        return "the harness must not see an engine's private header"
    mine, theirs = engine_of(folder + "/x"), engine_of((reached_folder or "") + "/x")
    if mine and theirs and mine != theirs:
        return "an engine must not see another engine's folder"
    return None


def check_links(lines):
    graph = LinkGraph(lines)
    if not any(room(folder) == "engines" for folder in graph.folder.values()):
        raise SystemExit("the link graph names no engine; was the tree configured?")
    offences = []
    for target, folder in sorted(graph.folder.items()):
        for reached, chain in sorted(graph.compile_closure(target).items()):
            reason = link_offence(folder, reached, graph.folder.get(reached),
                                  graph.exposes.get(reached, []))
            if reason:
                offences.append(f"{reason}: {' -> '.join(chain)}")
    return offences


def main(argv):
    if len(argv) != 3 or argv[1] not in ("includes", "links"):
        raise SystemExit(__doc__)
    if argv[1] == "includes":
        offences = check_includes(argv[2])
    else:
        with open(argv[2], encoding="utf-8") as file:
            offences = check_links(file)
    for offence in offences:
        print(offence)
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
