# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Operations in processes of their own, to be measured or killed.

``operation.py`` takes JSON objects, one a line. ``root`` and ``options`` make a place, ``do`` is a method of it, with
``arguments``; ``segment`` bytes of data are in a segment, at most; ``ahead``: seconds by which the store's clock is
seen ahead. Each runs in a new process, the leader of a new group, whose id is printed, and its exit status at its end.
In the file ``result`` it leaves a JSON object with ``failures`` and ``items`` of the outcome, and ``peak_kib``, the
memory it needed at most, or the traceback as ``error``.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3.store import S3Store
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.tests.faults.places import Place


class Operations:
    """Starts operations, one at a time. Everything is imported before: a kill hits the work itself."""

    def __init__(self, place: Place, segment: int | None = None) -> None:
        self._common = {"root": str(place.root), "options": place.options, "segment": segment}
        self._result = place.root / "result.json"
        self._server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def start(self, do: str, ahead: float = 0.0, **arguments: Any) -> int:
        """The id of the process, and group, that now runs it."""
        self._result.unlink(missing_ok=True)
        wanted = {**self._common, "do": do, "arguments": arguments, "ahead": ahead, "result": str(self._result)}
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._server.stdin.flush()
        return self._number(600)

    def wait(self, seconds: float = 600.0) -> bool:
        """Whether it ended within this time."""
        assert self._server.stdout is not None
        if not select.select([self._server.stdout], [], [], seconds)[0]:
            return False
        self._number(1)
        return True

    def result(self) -> dict[str, Any]:
        """What it left; it must have worked."""
        found: dict[str, Any] = json.loads(self._result.read_text(encoding="utf-8"))
        assert "error" not in found, found["error"]
        assert not found["failures"], found["failures"]
        return found

    def run(self, do: str, ahead: float = 0.0, **arguments: Any) -> dict[str, Any]:
        self.start(do, ahead, **arguments)
        assert self.wait(), f"{do} takes too long"
        return self.result()

    def close(self) -> None:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(600)

    def _number(self, seconds: float) -> int:
        assert self._server.stdout is not None
        assert select.select([self._server.stdout], [], [], seconds)[0], "the server of operations says nothing"
        return int(os.read(self._server.stdout.fileno(), 100))


def _look_ahead(seconds: float) -> None:
    for kind in (DirectoryStore, S3Store):
        real = kind.now

        def now(self: Any, write: bool = False, real: Any = real) -> float:
            return float(real(self, write) + seconds)

        kind.now = now  # type: ignore[method-assign]  # a test's clock


def _work(wanted: dict[str, Any]) -> dict[str, Any]:
    send_blocks.SEGMENT_DATA = wanted["segment"] or send_blocks.SEGMENT_DATA
    if wanted["ahead"]:
        _look_ahead(wanted["ahead"])
    outcome = getattr(Place(Path(wanted["root"]), wanted["options"]), wanted["do"])(**wanted["arguments"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"failures": outcome.failures, "items": outcome.items, "peak_kib": peak}


def _child(wanted: dict[str, Any]) -> None:
    os.setpgid(0, 0)
    try:
        result = _work(wanted)
    except BaseException:  # noqa: BLE001  # the test judges it
        result = {"error": traceback.format_exc()}
    Path(wanted["result"]).write_text(json.dumps(result), encoding="utf-8")
    os._exit(0)


def main() -> None:
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child == 0:
            _child(wanted)
        with contextlib.suppress(OSError):  # it did so itself, and may be gone already
            os.setpgid(child, child)
        os.write(1, f"{child}\n".encode())
        os.write(1, f"{os.waitpid(child, 0)[1]}\n".encode())


if __name__ == "__main__":
    main()
