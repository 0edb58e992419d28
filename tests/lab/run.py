# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs one thing in a new guest, its output as it comes, and ends with its exit code.

run.py -- lsblk                         any command, in the checkout
run.py --pytest -k thin                 pytest on tests/lab/guest (or on what is named)
run.py --shell                          a prompt, with a thin pool `lab/pool` and a zpool `tank`
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.snapship.dr.tests.lab.debian import CannotBuild
from ansible_collections.snapship.dr.tests.lab.machine import CHECKOUT, GIB, Guest, GuestLost

SHELL_SET_UP = """
vgcreate -q lab "$1" "$2" && lvcreate -q -L 6G -c 64k -T lab/pool
zpool create -O mountpoint=/tank tank "$3"
"""
TAKEN_ALONG = ("CI", "TERM", "SNAPSHIP_SEED", "SNAPSHIP_KILLS", "SNAPSHIP_INCREMENTS")
# The checkout is read-only in a guest, and all that its tests write has to fit.
PYTEST_OPTIONS = ("-o", "cache_dir=/tmp/pytest-cache", "-o", "tmp_path_retention_policy=failed", "-o", "timeout=1800")


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_arguments: sys.exit(143))
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="snapship-lab-", dir=options.dir))
        guest = Guest(Path(directory), (options.size * GIB,) * options.disks, options.memory)
        stack.callback(guest.power_off)
        try:
            return shell(guest) if options.shell else run(guest, options)
        except (CannotBuild, GuestLost, TimeoutError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def run(guest: Guest, options: argparse.Namespace) -> int:
    guest.boot()
    words, report = list(options.command), guest.folder / "junit.xml"
    if options.pytest:
        python = CHECKOUT / ".venv/bin/python"
        if not any(Path(word.split("::")[0]).exists() for word in words):
            words.insert(0, "tests/lab/guest")
        words = [str(python), "-m", "pytest", "-q", *PYTEST_OPTIONS, f"--junitxml={report}", *words]
    environment = {name: os.environ[name] for name in TAKEN_ALONG if name in os.environ}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    command = guest.start(*words, env=environment, cwd=CHECKOUT, sink=to_stdout)
    try:
        code = command.wait(options.seconds)
    finally:
        if options.junit and report.exists():
            shutil.copy(report, options.junit)
    return code if code >= 0 else 128 - code


def shell(guest: Guest) -> int:
    if not sys.stdin.isatty():
        print("error: a prompt needs a terminal", file=sys.stderr)
        return 1
    with terminal_kept():
        guest.boot(terminal=True)
        guest.run("sh", "-c", SHELL_SET_UP, "sh", *guest.disks[:3])
        line = "exec setsid --ctty --wait bash -i </dev/tty1 >/dev/tty1 2>&1"
        return guest.start("sh", "-c", line, cwd=CHECKOUT, env={"TERM": os.environ.get("TERM", "linux")}).wait()


@contextlib.contextmanager
def terminal_kept() -> Iterator[None]:
    """The guest's kernel changes the terminal's modes and, ended as it is, doesn't change them back."""
    modes = termios.tcgetattr(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, modes)


def to_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="run one thing in a new guest of the lab", allow_abbrev=False)
    parser.add_argument("--pytest", action="store_true", help="the arguments are pytest's")
    parser.add_argument("--shell", action="store_true", help="a prompt")
    parser.add_argument("--disks", type=int, default=4, help="how many (default: 4)")
    parser.add_argument("--size", type=int, default=8, help="GiB of each disk, which are sparse (default: 8)")
    parser.add_argument("--memory", type=int, default=2560, help="MiB (default: 2560)")
    parser.add_argument("--seconds", type=float, default=3600, help="after which the guest is ended")
    parser.add_argument("--junit", type=Path, help="where pytest's report goes")
    parser.add_argument("--dir", type=Path, help="where the disks lie while it runs (default: TMPDIR)")
    options, rest = parser.parse_known_args()
    options.command = rest[1:] if rest[:1] == ["--"] else rest
    return options


if __name__ == "__main__":
    sys.exit(main())
