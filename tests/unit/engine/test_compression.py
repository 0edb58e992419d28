# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""zstd by whatever is there: the same frames, the same refusals, never more memory than was said."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, CorruptError
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import compression
from ansible_collections.snapship.dr.tests.support.needs import need_program

DATA = {
    "empty": b"",
    "one byte": b"x",
    "zeros": bytes(3 << 20),
    "random": os.urandom(1 << 20),
    "mixed": os.urandom(1 << 16) * 40 + bytes(12345),
}


BACKENDS = ["zstandard", *(["compression.zstd"] if sys.version_info >= (3, 14) else []), "zstd"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each implementation in turn, the better ones hidden."""
    name = str(request.param)
    if name != "zstandard":
        monkeypatch.setattr(compression, "_library", None)
    if name == "zstd":
        monkeypatch.setattr(compression, "_builtin", None)
        need_program("zstd", "zstd")
    assert compression.backend() == name
    return name


@pytest.mark.parametrize("plain", DATA.values(), ids=DATA.keys())
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_round_trip(backend: str, plain: bytes, kind: type) -> None:
    frame = compression.compress(kind(plain))
    assert compression.decompress(kind(frame), len(plain)) == plain


@pytest.mark.parametrize("plain", DATA.values(), ids=DATA.keys())
def test_a_frame_says_its_size_and_the_program_reads_it(backend: str, plain: bytes) -> None:
    need_program("zstd", "zstd")
    frame = bytes(compression.compress(plain))
    assert zstandard.frame_content_size(frame) == len(plain)
    done = subprocess.run(["zstd", "-q", "-d", "-c"], input=frame, capture_output=True, check=True)
    assert done.stdout == plain


def test_frames_of_others_without_a_size_are_read(backend: str) -> None:
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(DATA["mixed"])
    assert zstandard.frame_content_size(frame) == -1
    assert compression.decompress(frame, len(DATA["mixed"])) == DATA["mixed"]


@pytest.mark.parametrize("change", [-1, 1, 1 << 20])
def test_another_size_than_expected_is_refused(backend: str, change: int) -> None:
    frame = compression.compress(DATA["mixed"])
    with pytest.raises(CorruptError):
        compression.decompress(frame, len(DATA["mixed"]) + change)


def test_damage_is_refused(backend: str) -> None:
    frame = compression.compress(DATA["mixed"])
    for broken in (b"", b"no zstd at all", frame[: len(frame) // 2], frame[:-1], b"\0" + frame[1:]):
        with pytest.raises(CorruptError):
            compression.decompress(broken, len(DATA["mixed"]))


@pytest.mark.parametrize("says_its_size", [True, False])
def test_a_bomb_is_refused_without_room_being_made_for_it(backend: str, says_its_size: bool) -> None:
    """4 GiB of zeros, where 1 MiB was expected, in a process that may not grow by more than 1 GiB."""
    maker = zstandard.ZstdCompressor(level=1, write_content_size=says_its_size)
    total = 4 << 30
    compressor = maker.compressobj(size=total if says_its_size else -1)
    piece = bytes(64 << 20)
    bomb = b"".join(compressor.compress(piece) for _round in range(total // len(piece))) + compressor.flush()
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    try:
        with pytest.raises(CorruptError):
            compression.decompress(bomb, 1 << 20)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_without_any_of_them_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_library", None)
    monkeypatch.setattr(compression, "_builtin", None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert compression.backend() is None
    for call in (compression.require, lambda: compression.compress(b"x"), lambda: compression.decompress(b"x", 1)):
        with pytest.raises(ConfigError, match="zstandard") as caught:
            call()
        assert caught.value.code == "library"
