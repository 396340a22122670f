# SPDX-License-Identifier: Apache-2.0
"""scripts/setup on machines where installing does not go well, played by commands of a PATH.

usage: test_setup.py SETUP [unittest options]

No package is installed and no site is asked: apt-get, dpkg and sudo are scripts made here, which write
down how they were called and answer as the test says. Nothing waits: sleep is one of them.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SETUP = sys.argv[1]
LOCKED = ("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7 (apt-get)\n"
          "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another "
          "process using it?")
UNANSWERED = "E: Failed to fetch http://site/InRelease  Temporary failure resolving 'site'"
INTERRUPTED = "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct it."
FORBIDDEN = ("E: Could not open lock file /var/lib/dpkg/lock-frontend - open (13: Permission denied)\n"
             "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), are you root?")
UNKNOWN = "E: Unable to locate package ninja-build"

# Says what the next line of the answers says, "\n" for line ends, and fails; without a line it succeeds.
APT = """#!/bin/sh
for word in "$@"; do case $word in update | install) step=$word ;; esac; done
echo "apt-get $step" >>calls
answer=$(sed -n 1p answers.$step 2>/dev/null)
sed -i 1d answers.$step 2>/dev/null
[ -n "$answer" ] || exit 0
printf '%b\\n' "$answer" >&2
exit 100
"""
OTHERS = {"dpkg": 'echo "dpkg $*" >>calls', "dpkg-query": "exit 1", "sudo": 'shift; exec "$@"',
          "sleep": 'echo sleep >>calls', "id": "echo 1000"}


class Setup(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="jd-setup-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / "bin").mkdir()
        for name, text in OTHERS.items():
            self.command(name, "#!/bin/sh\n" + text + "\n")
        self.command("apt-get", APT)

    def command(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def run_setup(self, code, update=(), install=()):
        for step, answers in (("update", update), ("install", install)):
            lines = [answer.replace("\n", "\\n") + "\n" for answer in answers]
            (self.folder / f"answers.{step}").write_text("".join(lines), encoding="utf-8")
        done = subprocess.run([SETUP], cwd=self.folder, capture_output=True, text=True, check=False,
                              timeout=600, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, PATH=f"{self.folder / 'bin'}:/usr/bin:/bin"))
        self.assertEqual((done.returncode, done.stdout), (code, ""), done.stderr)
        calls = (self.folder / "calls")
        self.calls = calls.read_text(encoding="utf-8").splitlines() if calls.exists() else []
        return done.stderr

    def test_installs_what_is_missing(self):
        err = self.run_setup(0)
        self.assertEqual(self.calls, ["apt-get update", "apt-get install"])
        self.assertIn("setup: installing gcc g++ ", err)

    def test_waits_for_a_lock(self):
        err = self.run_setup(0, update=[LOCKED], install=[LOCKED] * 5)
        self.assertEqual(self.calls.count("sleep"), 6)
        self.assertIn("another process has apt's locks", err)

    def test_does_not_wait_for_ever(self):
        err = self.run_setup(69, install=[LOCKED] * 1000)
        self.assertEqual(self.calls.count("sleep"), 60)
        self.assertIn("It is held by process 7", err)
        self.assertIn("setup: apt-get could not install: gcc", err)

    def test_asks_a_site_again(self):
        err = self.run_setup(0, update=[UNANSWERED], install=[UNANSWERED] * 2)
        self.assertEqual(self.calls.count("apt-get install"), 3)
        self.assertIn("a package site does not answer; trying again", err)
        self.assertNotIn("could not", err)

    def test_uses_old_lists_where_no_site_answers(self):
        err = self.run_setup(0, update=[UNANSWERED] * 1000)
        self.assertEqual(self.calls[-1], "apt-get install")
        self.assertIn("trying with the package lists that are here", err)

    def test_finishes_what_dpkg_began(self):
        err = self.run_setup(0, install=[INTERRUPTED])
        self.assertEqual(self.calls[1:], ["apt-get install", "dpkg --configure -a",
                                          "apt-get install"])
        self.assertIn("dpkg was interrupted; finishing", err)

    def test_does_not_wait_for_what_will_not_change(self):
        for answer in (UNKNOWN, FORBIDDEN, INTERRUPTED + "\n" + UNKNOWN):
            err = self.run_setup(69, install=[answer] * 1000)
            self.assertNotIn("sleep", self.calls)
            self.assertIn(answer.splitlines()[0], err)
            self.assertIn("could not install", err)

    def test_says_what_to_type_without_rights(self):
        self.command("sudo", "#!/bin/sh\nexit 1\n")
        err = self.run_setup(69)
        self.assertEqual(self.calls, [])
        self.assertRegex(err, r"\Asetup: missing packages: .*; as root, run: apt-get update && [^\n]+\n\Z")


if __name__ == "__main__":
    sys.argv[1:2] = []
    unittest.main()
