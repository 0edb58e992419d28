# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What thin-provisioning-tools say of a pool's metadata: which regions of a device are mapped, what differs of two.

All of it is read from a metadata snapshot (:func:`.thin_pool.metadata_snapshot`) as XML, one element a line, by blocks.
"""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from typing import NamedTuple

from ..errors import VolumeError
from . import programs
from .lvm import one_line
from .ranges import Ranges

_READ = 1 << 20
# Their thin_delta and thin_dump go wrong on live metadata.
_BROKEN = {(1, 0, 0), (1, 0, 1)}

_BLOCK_SIZE = re.compile(rb'<superblock [^>]*\bdata_block_size="(\d+)"')
_DEVICE = re.compile(rb'<device dev_id="(\d+)" mapped_blocks="(\d+)" [^>]*\bcreation_time="(\d+)"')
_MAPPING = re.compile(
    rb'<(?:range_mapping origin_begin="(\d+)" data_begin="\d+" length="(\d+)" time="(\d+)"'
    rb'|single_mapping origin_block="(\d+)" data_block="\d+" time="(\d+)")'
)
_DIFF = re.compile(rb'<diff left="(\d+)" right="(\d+)"')
_DIFFERENCE = re.compile(rb'<(different|left_only|right_only) begin="(\d+)" length="(\d+)"')


class Device(NamedTuple):
    """A thin device as the pool's metadata has it."""

    mapped: int  # chunks
    creation_time: int  # of the pool's clock, which goes on with each snapshot that is made
    newest: int  # time of its newest mapping; -1 without any


def dump(metadata: str, thin_id: int, size: int = 0, ranges: Ranges | None = None) -> Device | None:
    """What a device consists of; ``None`` where the pool has none of this id. Its mapped regions below ``size`` (bytes)
    are added to ``ranges``. Raises VolumeError."""
    block, found, newest = 0, None, -1
    for text in _output("thin_dump", ["-m", "--dev-id", str(thin_id), metadata]):
        block = block or _block_size(text)
        found = found or _DEVICE.search(text)
        if b"<ref " in text:
            raise VolumeError("thin_dump wrote the metadata in a form that isn't known here (ref).", code="program")
        for begin, length, time, single, single_time in _MAPPING.findall(text):
            newest = max(newest, int(time or single_time))
            if ranges is not None:
                start = int(begin or single) * block
                ranges.add(start, min(start + int(length or 1) * block, size))
    if found is None:
        return None
    if int(found[1]) != thin_id:
        raise VolumeError(f"thin_dump was asked for device {thin_id} and wrote device {int(found[1])}.", code="program")
    return Device(int(found[2]), int(found[3]), newest)


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
        raise VolumeError(f"thin_delta didn't compare devices {left} and {right} as asked.", code="program")


def _block_size(text: bytes) -> int:
    """Bytes in a chunk; the first lines have it."""
    found = _BLOCK_SIZE.search(text)
    if found is None:
        raise VolumeError("what the tools say of the pool's metadata doesn't begin as it must.", code="program")
    return int(found[1]) * 512


def _output(tool: str, words: list[str]) -> Iterator[bytes]:
    """What a tool writes, in pieces of whole lines, complete. Raises VolumeError where it fails or ends early."""
    tail = b""
    command = _command(tool, programs.environment()["PATH"])
    with tempfile.TemporaryFile() as said:
        try:
            process = subprocess.Popen(
                [*command, *words],
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
            )
        except OSError as error:
            raise VolumeError(f"{tool} can't be run: {error.strerror}.", code="program") from error
        with process:
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
        raise VolumeError(f"{tool} ended before all of the metadata was written.", code="program")


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Pieces that end where a line does."""
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
    """How to call one of the tools, found along ``path``. Raises UnknownError where they aren't installed,
    VolumeError for a release that can't be trusted with live metadata."""
    command: tuple[str, ...] = (tool,)
    if not shutil.which(tool, path=path):
        if not shutil.which("pdata_tools", path=path):
            raise programs.missing(tool)
        command = ("pdata_tools", tool)
    version = release(programs.run([*command, "-V"]))
    if version in _BROKEN:
        raise VolumeError(
            f"thin-provisioning-tools {'.'.join(map(str, version))} misread the metadata of pools in use.",
            "Install 1.0.2 or newer, or 0.9.",
            code="program",
        )
    return command


def release(said: str) -> tuple[int, ...]:
    """The release that ``thin_delta -V`` names: ``0.9.0`` or ``thin_delta 1.0.4``."""
    found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in found.groups()) if found else ()
