# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs commands in a guest for the host, which talks to it over a serial line: ``agent.py /dev/ttyS0``.

From the host come JSON objects, one a line: ``{"id", "argv", "env", "cwd", "stdin"}`` starts a command,
``{"id", "signal"}`` signals its process group, ``{"halt"}`` ends the guest in good order. To the host go frames: a line
``KIND ID LENGTH`` and LENGTH bytes. Kinds: ``H`` the agent is ready, ``O`` and ``E`` output and errors, ``X`` the exit
code, as decimal digits (negative: the signal).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import tty
from typing import IO, Any


class Agent:
    def __init__(self, line: str) -> None:
        self.line = os.open(line, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.line)
        self.sending = threading.Lock()
        self.running: dict[int, subprocess.Popen[bytes]] = {}

    def send(self, kind: str, ident: int, data: bytes = b"") -> None:
        frame = f"{kind} {ident} {len(data)}\n".encode() + data
        with self.sending:
            while frame:
                frame = frame[os.write(self.line, frame) :]

    def serve(self) -> None:
        self.send("H", 0)
        with os.fdopen(self.line, "rb", closefd=False) as requests:
            for request in requests:
                asked = json.loads(request)
                if "halt" in asked:
                    return
                if "signal" in asked:
                    process = self.running.get(asked["id"])
                    if process:
                        with contextlib.suppress(ProcessLookupError):
                            os.killpg(process.pid, asked["signal"])
                else:
                    threading.Thread(target=self.run, args=(asked,), daemon=True).start()

    def run(self, asked: dict[str, Any]) -> None:
        ident = asked["id"]
        stdin = asked.get("stdin")
        try:
            process = subprocess.Popen(
                asked["argv"],
                env={**os.environ, **asked["env"]},
                cwd=asked["cwd"],
                stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self.send("E", ident, f"{asked['argv'][0]}: {error}\n".encode())
            self.send("X", ident, b"127")
            return
        self.running[ident] = process
        pumps = [threading.Thread(target=self.pump, args=(kind, ident, stream)) for kind, stream in self.ends(process)]
        for pump in pumps:
            pump.start()
        if process.stdin:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin.encode())
        for pump in pumps:
            pump.join()
        code = process.wait()
        del self.running[ident]
        self.send("X", ident, str(code).encode())

    def ends(self, process: subprocess.Popen[bytes]) -> list[tuple[str, IO[bytes]]]:
        assert process.stdout and process.stderr
        return [("O", process.stdout), ("E", process.stderr)]

    def pump(self, kind: str, ident: int, stream: IO[bytes]) -> None:
        while data := os.read(stream.fileno(), 65536):
            self.send(kind, ident, data)


def close_down() -> None:
    """As an orderly machine would: processes ended, pools exported, everything written."""
    os.kill(-1, signal.SIGTERM)  # everyone but the first process and this one
    for command in (["zpool", "export", "-a"], ["umount", "-a"], ["vgchange", "-an"], ["sync"]):
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    os.environ.update(HOME="/root", LC_ALL="C.UTF-8", LAB="guest")
    Agent(sys.argv[1]).serve()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    close_down()
