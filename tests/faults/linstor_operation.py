# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of use cases against a controller, in processes of their own, to be killed.

``linstor_operation.py`` takes JSON objects, one a line: ``controllers``, ``use_case`` (a module's name) and ``request``
(its fields). Each runs in a new process, whose id is printed, and its exit status at its end.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster

_ROOM = "ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases"
_NAMES = ("backup", "backup_delete", "encryption", "remote", "restore", "retention", "schedule", "snapshot")
_USE_CASES = {name: importlib.import_module(f"{_ROOM}.{name}") for name in _NAMES}  # before a fork


class Operations:
    """Starts operations, one at a time. Everything is imported before: a kill hits the work itself."""

    def __init__(self) -> None:
        self._server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def start(self, controllers: list[str], use_case: str, request: dict[str, Any]) -> int:
        """The id of the process that now runs it."""
        wanted = {"controllers": controllers, "use_case": use_case, "request": request}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._server.stdin.flush()
        return self._number()

    def wait(self, seconds: float = 600.0) -> int | None:
        """Its exit status, negative for a signal; ``None`` if it still runs after this time."""
        assert self._server.stdout is not None
        return self._number() if select.select([self._server.stdout], [], [], seconds)[0] else None

    def _number(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.kill()
        self._server.wait()


def run(controllers: list[str], use_case: str, request: dict[str, Any]) -> list[dict[str, Any]]:
    """To its end; returns the failures."""
    work = _USE_CASES[use_case]
    with Cluster(Access(controllers=tuple(controllers), timeout=60)) as cluster:
        failures: list[dict[str, Any]] = work.apply(cluster, work.plan(cluster, work.Request(**request))).failures
    return failures


def main() -> None:
    """One operation after the other."""
    for line in iter(sys.stdin.buffer.readline, b""):
        wanted = json.loads(line)
        child = os.fork()
        if not child:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            try:
                failures = run(**wanted)
                if failures:
                    print(failures, file=sys.stderr, flush=True)
                os._exit(1 if failures else 0)
            except BaseException:  # noqa: BLE001  # its exit status tells
                traceback.print_exc()
                os._exit(1)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
