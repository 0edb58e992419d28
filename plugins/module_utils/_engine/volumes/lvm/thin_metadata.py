# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Runs thin-provisioning-tools on a pool's metadata: mapped regions of a device, differences between two devices.

They read a metadata snapshot (:func:`.thin_pool.metadata_snapshot`) and write XML with one element a line, which is
parsed in pieces.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

from ...common import processes
from ...common.errors import VolumeError
from ..device_reader import Ranges
from .report import one_line

_READ = 1 << 20
# thin_delta and thin_dump of these releases misread the metadata of active pools.
_BROKEN = {(1, 0, 0), (1, 0, 1)}

_BLOCK_SIZE = re.compile(rb'<superblock [^>]*\bdata_block_size="(\d+)"')
_DEVICES = re.compile(rb"(?=<device )")
_DEVICE = re.compile(rb'<device dev_id="(\d+)" mapped_blocks="(\d+)" [^>]*\bcreation_time="(\d+)"')
_MAPPING = re.compile(
    rb'<(?:range_mapping origin_begin="(\d+)" data_begin="\d+" length="(\d+)" time="(\d+)"'
    rb'|single_mapping origin_block="(\d+)" data_block="\d+" time="(\d+)")'
)
_DIFF = re.compile(rb'<diff left="(\d+)" right="(\d+)"')
_DIFFERENCE = re.compile(rb'<(different|left_only|right_only) begin="(\d+)" length="(\d+)"')


class Device(NamedTuple):
    """A thin device in the pool's metadata."""

    mapped: int  # chunks
    creation_time: int  # on the pool's clock, which advances with each snapshot
    newest: int  # time of its newest mapping; -1 if it has none


class DeviceQuery(NamedTuple):
    """A device to look up."""

    thin_id: int
    size: int = 0  # mapped regions below this offset are wanted
    ranges: Ranges | None = None  # and are added here


def dump(metadata: str, thin_id: int, size: int = 0, ranges: Ranges | None = None) -> Device | None:
    """Look up one device; as :func:`dump_all`."""
    return dump_all(metadata, [DeviceQuery(thin_id, size, ranges)])[0]


def dump_all(metadata: str, devices: Sequence[DeviceQuery]) -> list[Device | None]:
    """Look up devices in one pass; ``None`` for one that the pool doesn't have. Raises VolumeError."""
    known = {each.thin_id: _Dumped(each) for each in devices}
    block, current = 0, None
    words = [word for thin_id in known for word in ("--dev-id", str(thin_id))]
    for text in _output("thin_dump", ["-m", *words, metadata]):
        block = block or _block_size(text)
        if b"<ref " in text:
            raise VolumeError("thin_dump wrote an unknown element: ref.", code="program")
        before, *parts = _DEVICES.split(text)
        if current is not None:
            current.add(before, block)
        for part in parts:
            current = _begun(part, known)
            current.add(part, block)
    return [known[each.thin_id].device() for each in devices]


class _Dumped:
    """What was read of a device so far."""

    def __init__(self, wanted: DeviceQuery) -> None:
        self.head: tuple[int, int] | None = None  # chunks, creation time
        self._wanted, self._newest = wanted, -1

    def add(self, text: bytes, block: int) -> None:
        ranges, size = self._wanted.ranges, self._wanted.size
        for begin, length, time, single, single_time in _MAPPING.findall(text):
            self._newest = max(self._newest, int(time or single_time))
            if ranges is not None:
                start = int(begin or single) * block
                ranges.add(start, min(start + int(length or 1) * block, size))

    def device(self) -> Device | None:
        return None if self.head is None else Device(*self.head, self._newest)


def _begun(text: bytes, known: dict[int, _Dumped]) -> _Dumped:
    """The device that begins here."""
    found = _DEVICE.match(text)
    if found is None or int(found[1]) not in known:
        named = f"device {int(found[1])}" if found else "something else"
        asked = " and ".join(map(str, known))
        raise VolumeError(f"thin_dump was asked for device {asked} and wrote {named}.", code="program")
    dumped = known[int(found[1])]
    dumped.head = int(found[2]), int(found[3])
    return dumped


def delta(metadata: str, left: int, right: int, size: int, ranges: Ranges) -> None:
    """What differs, below ``size`` (bytes), in device ``right`` from ``left``: added to ``ranges``, those only ``left``
    has mapped as false. Raises VolumeError."""
    for start, end, mapped in differences(metadata, left, right):
        ranges.add(start, min(end, size), mapped)


def differences(metadata: str, left: int, right: int) -> Generator[tuple[int, int, bool], None, None]:
    """Regions (start, end, mapped) in which two devices differ, in order."""
    block, pair = 0, None
    words = ["-m", "--thin1", str(left), "--thin2", str(right), metadata]
    for text in _output("thin_delta", words):
        block = block or _block_size(text)
        pair = pair or _DIFF.search(text)
        for kind, begin, length in _DIFFERENCE.findall(text):
            yield int(begin) * block, (int(begin) + int(length)) * block, kind != b"left_only"
    if pair is None or (int(pair[1]), int(pair[2])) != (left, right):
        raise VolumeError(f"thin_delta didn't compare devices {left} and {right}.", code="program")


def _block_size(text: bytes) -> int:
    """Bytes of a chunk, from the first lines."""
    found = _BLOCK_SIZE.search(text)
    if found is None:
        raise VolumeError("the thin-provisioning-tools wrote no valid superblock element.", code="program")
    return int(found[1]) * 512


def _output(tool: str, words: list[str]) -> Iterator[bytes]:
    """The complete output of a tool, in pieces of whole lines. Raises VolumeError if it fails or ends early."""
    tail = b""
    command = _command(tool, processes.environment()["PATH"])
    with tempfile.TemporaryFile() as said:
        with processes.start([*command, *words], stderr=said, buffered=True) as process:
            try:
                for text in _lines(process):
                    tail = text[-100:]
                    yield text
            except BaseException:
                process.kill()
                raise
        said.seek(0)
        words_said = one_line(said.read(4000).decode(errors="replace"))
    if process.returncode != 0:
        raise VolumeError(f"{tool} failed with {process.returncode}: {words_said}", code="program")
    if not tail.rstrip().endswith(b"</superblock>"):
        raise VolumeError(f"{tool} ended early: its output is incomplete.", code="program")


def _lines(process: processes.Process) -> Iterator[bytes]:
    """Pieces that end at the end of a line."""
    rest = b""
    while process.stdout is not None:
        piece = process.stdout.read(_READ)
        if not piece:
            break
        whole, newline, rest = (rest + piece).rpartition(b"\n")
        if newline:
            yield whole + newline
    if rest:
        yield rest


@functools.cache
def _command(tool: str, path: str) -> tuple[str, ...]:
    """The command of one of the tools, looked up in ``path``.

    Raises UnknownError if it isn't installed, VolumeError for a release that misreads the metadata of active pools."""
    command: tuple[str, ...] = (tool,)
    place = shutil.which(tool, path=path)
    if place is None:
        place = shutil.which("pdata_tools", path=path)
        if place is None:
            raise processes.missing(tool)
        command = ("pdata_tools", tool)
    version = _release_of(os.path.realpath(place), *command)
    if version in _BROKEN:
        raise VolumeError(
            f"thin-provisioning-tools {'.'.join(map(str, version))} misreads the metadata of active pools.",
            "Install 1.0.2 or newer, or 0.9.",
            code="program",
        )
    return command


_releases: dict[str, tuple[int, ...]] = {}


def _release_of(place: str, *command: str) -> tuple[int, ...]:
    """The release of a program. Usually all the tools are one file, which is asked once."""
    if place not in _releases:
        _releases[place] = release(processes.run([*command, "-V"]))
    return _releases[place]


def release(said: str) -> tuple[int, ...]:
    """The release from ``thin_delta -V``: ``0.9.0`` or ``thin_delta 1.0.4``."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else ()
