# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restores a dataset: receives its streams with ``zfs receive`` beside the target."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Callable

from ...common import processes
from ...common.errors import SnapshipError, VolumeError, need
from ...common.processes import ProgramError
from ..provider import ReceiveRequest
from .commands import number, one_line, rows, zfs, zpool
from .names import MOST, is_component, pool_of
from .placement import FoundDataset, witness
from .sender import widen
from .staging_area import StagingArea, discard
from .stream_header import SIZE, Begin, parse
from .swap import destroy_snapshots, received


class ZfsStreamTarget:
    """The dataset that is received beside the target, state by state."""

    def __init__(self, request: ReceiveRequest) -> None:
        self._staging = StagingArea(request)
        self._target, self.path = self._staging.target, self._staging.path
        self._states: list[str] | None = None  # GUIDs of the complete states, in order
        self._names: dict[str, str] = {}  # names of their snapshots -> GUID
        self._found: FoundDataset | None = None

    def has(self, state_ids: list[str]) -> int:
        self._states, self._names = [], {}
        self._staging.clear_elsewhere()
        found = self._staging.whole()
        if found is None:
            return 0
        there = self._snapshots()
        if there and there == state_ids[: len(there)] and number(found.values["written"]) == 0:
            self._states = there
            return len(there)
        discard(found)
        return 0

    def _snapshots(self) -> list[str]:
        """GUIDs of the snapshots, oldest first. Remembers their names."""
        listed = list(rows(["list", "-t", "snapshot", "-d", "1"], ("name", "guid", "createtxg"), [self.path]))
        self._names = {row["name"].partition("@")[2]: row["guid"] for row in listed}
        return [row["guid"] for row in sorted(listed, key=lambda row: number(row["createtxg"]))]

    # --- streams

    @contextlib.contextmanager
    def receiving(self, state_id: str) -> Iterator[Callable[[memoryview], None]]:
        if self._states is None:
            self.has([])
        states = need(self._states, "has() sets it")
        receiver = _Receiver(self._staging, state_id, states[-1] if states else None, self._names)
        try:
            yield receiver.write
            receiver.finish()
        except BaseException:
            receiver.kill()
            with contextlib.suppress(SnapshipError):
                self._staging.whole()
            raise
        if self._snapshots() != [*states, state_id]:
            raise VolumeError(f"{self._target}: zfs receive reported success, but snapshot {state_id} is missing.")
        states.append(state_id)

    def sync(self) -> None:
        zpool("sync", pool_of(self._target))

    def release(self) -> None:
        pass  # each stream's receiver has ended

    def witness(self) -> dict[str, Any]:
        """As the interface; commit() must follow at once."""
        self._found = received(self._target)
        return witness(self._found, need(self._states, "it was received")[-1])

    def commit(self, keep_as: str | None) -> str | None:
        found = self._found or received(self._target)
        older = need(self._states, "it was received")[:-1]
        listed = rows(["list", "-t", "snapshot", "-d", "1"], ("name", "guid"), [found.name]) if older else []
        destroy_snapshots(found.name, [row["name"].partition("@")[2] for row in listed if row["guid"] in older])
        return self._staging.commit(found, keep_as)

    def abort(self) -> None:
        self._staging.abort()


class _Receiver:
    """A ``zfs receive``, started once the header of the stream was checked."""

    def __init__(self, place: StagingArea, state: str, base: str | None, names: dict[str, str]) -> None:
        """``names`` of existing snapshots -> GUID."""
        self._target, self._path, self._stamp = place.target, place.path, place.stamp
        self._state, self._base, self._names = state, base, names
        self._head = b""
        self._said: IO[bytes] = tempfile.TemporaryFile(prefix="snapship-receive-")  # noqa: SIM115  # kill() closes it
        self._process: processes.Process | None = None

    def write(self, data: memoryview) -> None:
        """Write all of it. Raises VolumeError with the error message of ``zfs receive`` if that has ended."""
        if self._process is None:
            rest = SIZE - len(self._head)
            self._head += data[:rest]
            data = data[rest:]
            if len(self._head) < SIZE:
                return
            self._start(self._checked(parse(self._head)))
            self._feed(memoryview(self._head))
        self._feed(data)

    def _checked(self, begin: Begin) -> Begin:
        if (begin.state, begin.base) != (self._state, self._base):
            what = f"an increment on {begin.base}" if begin.base else "a full stream"
            raise VolumeError(
                f"{self._target}: wrong stream: got {what} to state {begin.state}, expected "
                f"{f'an increment on {self._base}' if self._base else 'a full stream'} to state {self._state}.",
                "The backup's segments don't match its manifest: run verify.",
                code="wrong_stream",
            )
        return begin

    def _start(self, begin: Begin) -> None:
        options = []
        if self._base is None:
            options = ["-o", "canmount=noauto" if begin.kind == "filesystem" else "volmode=none", "-o", self._stamp]
        command = ["zfs", "receive", "-s", "-u", *options, f"{self._path}@{self._name(begin)}"]
        self._process = processes.start(command, stdin=processes.PIPE, stdout=processes.NOWHERE, stderr=self._said)
        widen(need(self._process.stdin, "it was started with a pipe").fileno())

    def _name(self, begin: Begin) -> str:
        """The snapshot's own name (an older snapshot of this name is renamed), or a name with its GUID."""
        if not is_component(begin.name) or len(f"{self._path}@{begin.name}") > MOST:
            return f"snapship-{begin.state}"
        if begin.name in self._names:
            path = f"{self._path}@{begin.name}"
            zfs("rename", path, f"{self._path}@snapship-{self._names[begin.name]}")
        return begin.name

    def _feed(self, data: memoryview) -> None:
        pipe = need(need(self._process, "_start() comes first").stdin, "it was started with a pipe").fileno()
        try:
            while data:
                data = data[os.write(pipe, data) :]
        except BrokenPipeError:
            self._end()
            raise VolumeError(
                f"{self._target}: zfs receive ended before the end of the stream.", code="receive"
            ) from None

    def finish(self) -> None:
        """Wait until the complete stream is received."""
        if self._process is None:
            parse(self._head)  # too short: raises
        self._end()
        self._said.close()

    def _end(self) -> None:
        """Wait until zfs receive has ended. Raises VolumeError if it failed."""
        process = need(self._process, "write() has started it")
        need(process.stdin, "it was started with a pipe").close()
        status = process.wait()
        if status == 0:
            return
        self._said.seek(0)
        error: ProgramError = one_line(["zfs", "receive"], status, self._said.read(1 << 16).decode(errors="replace"))
        full = "out of space" in error.said or "quota" in error.said
        raise VolumeError(
            f"can't restore {self._target}: zfs receive failed with {status}: {error.said or 'no error message'}. "
            "The target was not changed.",
            "Free some space, or restore to another pool." if full else "See zpool status.",
            code="no_space" if full else "receive",
        )

    def kill(self) -> None:
        """Kill it, if it still runs."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process.wait()
        self._said.close()
