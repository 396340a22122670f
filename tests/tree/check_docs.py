# SPDX-License-Identifier: Apache-2.0
"""Check what the documents point at, and the size of files.

usage: check_docs.py SOURCE_DIR

Links to files must lead somewhere, paths and scripts in `code` must exist, the README keeps to 150
lines and sources to 700. Prints one line per offence and exits 1.
"""

import os
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE_PATH = re.compile(r"`((?:scripts|docs|engines|harness|workloads|reports|tests|cmake)/[\w./-]+)`")
SOURCES = (".c", ".h", ".cc", ".hpp", ".S", ".py", ".cmake")
MADE = ("build", "out", ".git")


def files_of(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if folder != root or f not in MADE]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def dead_ends(root, path, text):
    base = os.path.dirname(path)
    for target in LINK.findall(text):
        if not re.match(r"[a-z]+:|#", target):
            yield target, os.path.join(base, target.split("#")[0])
    for target in CODE_PATH.findall(text):
        yield target, target


def check(root):
    offences, documents = [], 0
    for path in sorted(files_of(root)):
        is_document = path.endswith(".md")
        if not is_document and not path.endswith(SOURCES):
            continue
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        lines = text.count("\n")
        if is_document:
            documents += 1
            offences += [f"{path}: {target} does not exist"
                         for target, place in dead_ends(root, path, text)
                         if not os.path.exists(os.path.join(root, place))]
        if lines > 700 and not is_document or path == "README.md" and lines > 150:
            offences.append(f"{path}: {lines} lines are too many")
    if not documents:
        offences.append(f"{root}: no documents found; is this the source folder?")
    return offences


if __name__ == "__main__":
    found = check(sys.argv[1])
    print("\n".join(found))
    sys.exit(1 if found else 0)
