# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest of the lab: a Linux machine as a group of ordinary processes, with sparse files as its disks.

    with Guest(tmp_path) as guest:
        guest.run("vgcreate", "vg", *guest.disks)
        work = guest.start("dd", "if=/dev/urandom", "of=/dev/vg/lv")
        guest.power_off()               # as if the plug were pulled
        guest.boot()                    # on the same disks
        guest.run("vgck", "vg")

Inside it, the checkout, the project's cache and the interpreter are seen under the same paths as outside, read-only;
``guest.folder`` is shared and can be written from both sides. Several guests don't disturb each other.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.tests.lab import build

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
GIB = 1 << 30
BOOT_SECONDS = 60
SCRATCH_BYTES = 64 * GIB  # the guest's /tmp


class GuestLost(Exception):
    """The guest ended, or was ended, while something was asked of it."""


class Failed(Exception):
    """A command in the guest failed; the message holds what it wrote."""


class Command:
    """A command that runs in a guest."""

    def __init__(self, guest: Guest, ident: int, argv: tuple[str, ...], sink: Callable[[bytes], None] | None) -> None:
        self.guest, self.ident, self.argv, self.sink = guest, ident, argv, sink
        self.out = bytearray()
        self.err = bytearray()
        self.code: int | None = None  # of the ended command; negative: the signal
        self.ended = threading.Event()  # also set when the guest is lost

    @property
    def text(self) -> str:
        """What it wrote to standard output so far."""
        return self.out.decode(errors="replace")

    @property
    def errors(self) -> str:
        """What it wrote to standard error so far."""
        return self.err.decode(errors="replace")

    def wait(self, seconds: float | None = None) -> int:
        """Its exit code. Raises TimeoutError when it still runs, GuestLost when there is no more guest."""
        if not self.ended.wait(seconds):
            raise TimeoutError(f"still running after {seconds} s: {' '.join(self.argv)}")
        if self.code is None:
            raise GuestLost(f"the guest ended before {' '.join(self.argv)}\n{self.guest.console()}")
        return self.code

    def wait_for(self, text: str, seconds: float = 60) -> None:
        """Until it has written ``text`` to standard output. Raises TimeoutError when it doesn't or ended without."""
        deadline = time.monotonic() + seconds
        while text not in self.text:
            if self.ended.wait(0.02) and text not in self.text or time.monotonic() > deadline:
                raise TimeoutError(f"{text!r} isn't in what {' '.join(self.argv)} wrote: {self.text + self.errors}")

    def signal(self, number: int = signal.SIGKILL) -> None:
        """Signals it and what it started."""
        self.guest.ask({"id": self.ident, "signal": int(number)})


class Guest:
    """``directory`` (kept small unless the guest writes much) holds disks and log; give each guest its own."""

    def __init__(self, directory: Path, disks: tuple[int, ...] = (4 * GIB,) * 4, memory_mib: int = 2560) -> None:
        self.directory = directory
        self.memory_mib = memory_mib
        self.folder = directory / "folder"
        self.images = [directory / f"disk{index}.img" for index in range(len(disks))]
        self.disks = [f"/dev/ubd{chr(ord('b') + index)}" for index in range(len(disks))]
        self.mounts = [("rw", self.folder), ("ro", CHECKOUT), ("ro", build.cache())]
        prefix = Path(sys.base_prefix).resolve()
        if not prefix.is_relative_to("/usr") or prefix.is_relative_to("/usr/local"):
            self.mounts.append(("ro", prefix))
        self.process: subprocess.Popen[bytes] | None = None
        self.folder.mkdir(parents=True, exist_ok=True)
        for image, size in zip([directory / "scratch.img", *self.images], [SCRATCH_BYTES, *disks]):
            if not image.exists():
                with image.open("wb") as file:
                    file.truncate(size)

    def __enter__(self) -> Guest:
        self.boot()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.power_off()

    def boot(self, terminal: bool = False) -> None:
        """Starts it and waits until it takes commands. ``terminal``: this process's own becomes /dev/tty1."""
        built = build.ensure()
        for name in ("init.sh", "agent.py", "lvmlocal.conf"):
            shutil.copy(HERE / name, self.folder / name)
        (self.folder / "mounts").write_text("".join(f"{mode} {path}\n" for mode, path in self.mounts))
        self._channel, theirs = socket.socketpair()
        self._commands: dict[int, Command] = {}
        self._ready = threading.Event()
        self._asking = threading.Lock()
        self._next = 1
        with theirs, (self.directory / "console.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in self._command_line(built, theirs.fileno(), terminal)],
                env={**os.environ, "TMPDIR": str(self._memory_directory())},
                stdin=None if terminal else subprocess.DEVNULL,
                stdout=None if terminal else log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=not terminal,
            )
        threading.Thread(target=self._listen, args=(self._channel,), daemon=True).start()
        if not self._ready.wait(BOOT_SECONDS) or self.process.poll() is not None:
            self.power_off()
            raise GuestLost(f"the guest doesn't start; the end of its console:\n{self.console()}")

    def start(
        self,
        *argv: object,
        env: dict[str, str] | None = None,
        cwd: Path | str = "/",
        stdin: str | None = None,
        sink: Callable[[bytes], None] | None = None,
    ) -> Command:
        """Starts a command and doesn't wait; ``sink`` gets what it writes, of both kinds, as it comes."""
        words = tuple(str(word) for word in argv)
        command = Command(self, self._next, words, sink)
        self._commands[command.ident] = command
        self._next += 1
        base = {"LAB_DISKS": " ".join(self.disks), "LAB_FOLDER": str(self.folder)}
        asked = {"id": command.ident, "argv": words, "env": {**base, **(env or {})}, "cwd": str(cwd), "stdin": stdin}
        self.ask(asked)
        return command

    def run(self, *argv: object, seconds: float = 120, check: bool = True, **options: Any) -> Command:
        """Runs a command to its end. Raises Failed when its code isn't 0, unless ``check`` is False."""
        command = self.start(*argv, **options)
        try:
            command.wait(seconds)
        except TimeoutError:
            command.signal()
            raise
        if check and command.code:
            said = (command.out + command.err).decode(errors="replace")
            raise Failed(f"{' '.join(command.argv)} ended with code {command.code}:\n{said}")
        return command

    def script(self, text: str, **options: Any) -> Command:
        """Runs lines of shell, which stop at the first that fails."""
        return self.run("sh", "-euc", text, **options)

    def power_off(self) -> None:
        """Pulls the plug: nothing that the guest hasn't written to its disks is kept."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self._gone()

    def halt(self, seconds: float = 60) -> None:
        """Shuts it down in good order: pools exported, everything written."""
        if self.process is None:
            return
        self.ask({"halt": True})
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.power_off()
            raise GuestLost(f"the guest doesn't halt; the end of its console:\n{self.console()}") from None
        self._gone()

    def console(self, lines: int = 30) -> str:
        """The end of what the kernel and the start wrote."""
        text = (self.directory / "console.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def ask(self, request: dict[str, Any]) -> None:
        try:
            with self._asking:
                self._channel.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise GuestLost(f"no guest to talk to: {error}\n{self.console()}") from error

    # -- the inside

    def _command_line(self, built: Path, channel: int, terminal: bool) -> list[object]:
        # In a process namespace of its own nothing of a guest outlives its first process, nor that one this one.
        namespace = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--pid", "--fork", "--kill-child"]
        disks = [f"ubda={self.directory}/scratch.img"]
        disks += [f"{Path(disk).name}={image}" for disk, image in zip(self.disks, self.images)]
        consoles = ["con=null", "con0=fd:2,fd:2", "ssl=null", f"ssl0=fd:{channel}"]
        if terminal:
            consoles.append("con1=fd:0,fd:1")
        names = ["quiet", f"umid=lab{os.getpid()}", f"uml_dir={self.directory}/uml"]
        root = ["root=/dev/root", "rootfstype=hostfs", f"rootflags={built}/root", "ro"]
        first = ["init=/bin/sh", "--", "-c", f'"mount -t hostfs -o {self.folder} none /mnt && exec sh /mnt/init.sh"']
        return [
            *namespace,
            built / "linux",
            f"mem={self.memory_mib}M",
            *root,
            *disks,
            *consoles,
            *names,
            "quiet",
            *first,
        ]

    def _memory_directory(self) -> Path:
        """Where the file that is the guest's memory may lie: in memory, where there is enough of it."""
        shm = Path("/dev/shm")
        with contextlib.suppress(OSError):
            flags = os.statvfs(shm).f_flag
            if shutil.disk_usage(shm).free > (self.memory_mib << 20) * 2 and not flags & os.ST_NOEXEC:
                return shm
        return self.directory

    def _listen(self, channel: socket.socket) -> None:
        commands, ready = self._commands, self._ready
        with contextlib.suppress(OSError), channel.makefile("rb") as frames:
            while header := frames.readline():
                kind, ident, length = header.split()
                data = frames.read(int(length))
                if kind == b"H":
                    ready.set()
                    continue
                command = commands[int(ident)]
                if kind == b"X":
                    command.code = int(data)
                    command.ended.set()
                    continue
                (command.out if kind == b"O" else command.err).extend(data)
                if command.sink:
                    command.sink(data)
        for command in list(commands.values()):
            command.ended.set()
        ready.set()

    def _gone(self) -> None:
        assert self.process is not None
        self.process.wait()
        self.process = None
        self._channel.close()
