# SPDX-License-Identifier: Apache-2.0
"""Damaged reports: each must be drawn or refused with one line, and end in no other way.

usage: mutate_report.py RENDER_FOLDER EXAMPLE_REPORT [--count N] [--seed N] [--drawn N]

Damages the example N times, in bytes (what a torn write leaves) and in values (a missing key,
another type, another name, a number that nobody expects), and hands it to the renderer's reader.
What the reader takes is drawn, for the first --drawn of them, without saving the figures.
Exit 0: every report was read or refused, 1: one raised something else; its seed is named.
"""

import argparse
import copy
import json
import os
import random
import sys
import tempfile
import traceback

VALUES = [None, True, 0, -1, 1, 1e308, 5e-324, 2**63, "", "nobody", "legacy", [], {}, [0], {"": 0}]


def places(value, path=()):
    """Paths of all values in a JSON value, the outermost left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield path + (key,)
        if isinstance(inner, (dict, list)):
            yield from places(inner, path + (key,))


def damage_value(report, all_places, chance):
    *outer, last = chance.choice(all_places)
    holder = report
    try:
        for key in outer:
            holder = holder[key]
        how = chance.randrange(4)
        if how == 0:
            del holder[last]
        elif how == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        elif how == 2 and isinstance(holder[last], str):
            *other, name = chance.choice(all_places)
            source = report
            for key in other:
                source = source[key]
            holder[last] = copy.deepcopy(source[name])
        else:
            holder[last] = chance.choice(VALUES)
    except (KeyError, IndexError, TypeError):
        pass # an earlier damage took it away


def damaged(example, all_places, seed):
    chance = random.Random(seed)
    report = copy.deepcopy(example)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        damage_value(report, all_places, chance)
    data = bytearray(json.dumps(report).encode())
    if chance.randrange(4) == 0:
        for _ in range(chance.choice((1, 2, 20))):
            data[chance.randrange(len(data))] = chance.randrange(256)
    if chance.randrange(8) == 0:
        del data[chance.randrange(len(data)):]
    return bytes(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("render")
    parser.add_argument("example")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--drawn", type=int, default=0)
    args = parser.parse_args()
    sys.path.insert(0, args.render)
    import model, plot, style # pylint: disable=import-outside-toplevel
    with open(args.example, encoding="utf-8") as file:
        example = json.load(file)
    all_places = list(places(example))
    read = refused = drawn = failed = 0
    style.setup()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "report.json")
        for seed in range(args.seed, args.seed + args.count):
            with open(path, "wb") as file:
                file.write(damaged(example, all_places, seed))
            try:
                report = model.load(path)
                read += 1
                if drawn < args.drawn:
                    drawn += 1
                    for _, canvas in plot.figures(report, style.Engines(report.engines)):
                        del canvas
            except (model.ReportError, UnicodeDecodeError) as error:
                refused += 1
                if "\n" in str(error):
                    failed += 1
                    print(f"seed {seed}: more than a line: {error}")
            except Exception: # pylint: disable=broad-except
                failed += 1
                print(f"seed {seed}: {traceback.format_exc()}")
    print(f"seeds from {args.seed}: {read} read ({drawn} drawn), {refused} refused, {failed} failed")
    return 1 if failed or not read or not refused else 0


if __name__ == "__main__":
    sys.exit(main())
