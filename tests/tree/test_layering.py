# SPDX-License-Identifier: Apache-2.0
"""The layering check itself: it must find each forbidden direction in a crafted tree, through
headers too, and must accept what is allowed."""

import os
import tempfile
import unittest

import check_layering

# (what is wrong, includer, include line, files that exist besides)
BAD = [
    ("engines must not see harness, workloads or reports",
     "engines/legacy/engine.c", '"record.h"', ["harness/record.h"]),
    ("engines must not see harness, workloads or reports",
     "engines/mcjit/engine.c", '"jitduel/workload.h"', ["workloads/include/jitduel/workload.h"]),
    ("engines must not see jansson or Google Benchmark",
     "engines/common/error.c", "<jansson.h>", []),
    ("engines must not see jansson or Google Benchmark",
     "engines/mcjit/engine.c", "<benchmark/benchmark.h>", []),
    ("an engine must not see another engine's folder",
     "engines/mcjit/engine.c", '"../legacy/stubs.h"', ["engines/legacy/stubs.h"]),
    ("an engine must not see another engine's folder",
     "engines/peers/orc.c", '"mcjit/symbols.h"', ["engines/mcjit/symbols.h"]),
    ("the harness must not see an engine's private header",
     "harness/child.c", '"arena.h"', ["engines/common/arena.h"]),
    ("harness and reports must not see LLVM", "harness/child.c", "<llvm-c/Core.h>", []),
    ("statistics and records must not see JSON, clocks or engines",
     "harness/stats.c", "<time.h>", []),
    ("statistics and records must not see JSON, clocks or engines",
     "harness/record.c", "<jansson.h>", []),
    ("statistics and records must not see JSON, clocks or engines",
     "harness/record.c", '"record_json.h"', ["harness/record_json.h"]),
    ("statistics and records must not see JSON, clocks or engines",
     "harness/stats_rank.c", '"jitduel/engine.h"', ["engines/include/jitduel/engine.h"]),
    ("elf_read, reloc, stubs and arena must not see LLVM",
     "engines/common/reloc_aarch64.c", "<llvm/BinaryFormat/ELF.h>", []),
    ("elf_read, reloc, stubs and arena must not see LLVM",
     "engines/legacy/stubs_x86_64.c", "<llvm-c/Core.h>", []),
    ("reports must not see any C header", "reports/x.c", "<stdio.h>", []),
]

GOOD = [
    ("engines/mcjit/engine.c", '"arena.h"', ["engines/common/arena.h"]),
    ("engines/mcjit/engine.c", "<llvm-c/Core.h>", []),
    ("engines/legacy/resolver.c", '"stubs.h"', ["engines/legacy/stubs.h"]),
    ("harness/child.c", '"jitduel/engine.h"', ["engines/include/jitduel/engine.h"]),
    ("harness/child.c", "<time.h>", []),
    ("harness/json_writer.c", "<jansson.h>", []),
    ("harness/record_json.c", '"record.h"', ["harness/record.h"]),
    ("harness/record_json.c", "<jansson.h>", []),
]

GRAPH = ["target\tjd_legacy\tengines/legacy", "target\tjd_mcjit\tengines/mcjit",
         "target\tjd_common\tengines/common", "target\tjd_engines\tengines",
         "target\tjd_harness\tharness", "target\tjd_llvm\t",
         "link\tjd_legacy\tjd_common", "interface\tjd_legacy\tjd_common",
         "link\tjd_common\tjd_llvm", "interface\tjd_common\t$<LINK_ONLY:jd_llvm>",
         "interface\tjd_engines\t$<LINK_ONLY:jd_legacy>", "link\tjd_engines\tjd_legacy",
         "exposes\tjd_engines\tengines/include", "exposes\tjd_legacy\tengines/legacy",
         "exposes\tjd_common\tengines/common", "link\tjd_harness\tjd_engines"]


def offences_in(files):
    """What the check says of a tree with these files: {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in {"engines/registry.c": "", **files}.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        return check_layering.check_includes(root)


class Includes(unittest.TestCase):
    def test_each_forbidden_direction_is_found(self):
        for rule, path, line, others in BAD:
            with self.subTest(path=path, line=line):
                found = offences_in({**{o: "" for o in others}, path: f"#include {line}\n"})
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(rule), found)

    def test_forbidden_direction_through_a_header_is_found(self):
        found = offences_in({"engines/common/reloc.c": '#include "helper.h"\n',
                             "engines/common/helper.h": "#  include <llvm-c/Core.h>\n"})
        self.assertEqual(found, ["elf_read, reloc, stubs and arena must not see LLVM: "
                                 "engines/common/reloc.c -> engines/common/helper.h -> "
                                 "llvm-c/Core.h"])

    def test_allowed_directions_are_accepted(self):
        for path, line, others in GOOD:
            with self.subTest(path=path, line=line):
                files = {**{o: "" for o in others}, path: f"#include {line}\n"}
                self.assertEqual(offences_in(files), [])

    def test_an_empty_tree_is_an_error(self):
        with tempfile.TemporaryDirectory() as root, self.assertRaises(SystemExit):
            check_layering.check_includes(root)


class Links(unittest.TestCase):
    def assert_offence(self, line, text):
        found = check_layering.check_links(GRAPH + [line])
        self.assertTrue(any(text in offence for offence in found), found)

    def test_private_dependencies_are_accepted(self):
        self.assertEqual(check_layering.check_links(GRAPH), [])

    def test_each_forbidden_direction_is_found(self):
        self.assert_offence("link\tjd_legacy\tjd_harness", "engines must not see harness")
        self.assert_offence("link\tjd_legacy\tPkgConfig::JANSSON", "engines must not see jansson")
        self.assert_offence("link\tjd_mcjit\tjd_legacy", "another engine's folder")
        self.assert_offence("link\tjd_harness\tjd_llvm", "the harness must not see LLVM")
        self.assert_offence("interface\tjd_engines\tjd_legacy", "engine's private header")
        self.assert_offence("link\tjd_harness\tjd_common", "engine's private header")

    def test_public_dependency_leaks_to_users(self):
        self.assert_offence("interface\tjd_engines\tjd_llvm",
                            "the harness must not see LLVM: jd_harness -> jd_engines -> jd_llvm")


if __name__ == "__main__":
    unittest.main()
