# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""zstd streams unfolded on the way: whole ones come out as they went in, and all others are refused."""

from __future__ import annotations

import contextlib
import random
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import zstd_reader
from ansible_collections.snapship.dr.tests.support.needs import need_program

MIB = 1 << 20


@pytest.fixture(params=["program", "library"], autouse=True)
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    need_program("zstd", "zstd")
    if request.param == "library":
        monkeypatch.setattr(zstd_reader.shutil, "which", lambda _name: None)
    return str(request.param)


def zstd(data: bytes, *options: str) -> bytes:
    return subprocess.run(["zstd", "-q", "-c", *options], input=data, capture_output=True, check=True).stdout


def pieces(data: bytes, size: int) -> Generator[bytes, None, None]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def unfolded(data: bytes, size: int = 1000) -> bytes:
    with contextlib.closing(zstd_reader.unfold(pieces(data, size))) as plain:
        found = []
        while piece := plain.read(70_000):
            found.append(piece)
        return b"".join(found)


CONTENTS: dict[str, bytes] = {
    "nothing": b"",
    "little": b"x",
    "noise": random.Random(1).randbytes(MIB + 7),
    "zeros": bytes(40 * MIB),
    "text": b"".join(b"line %d\n" % number for number in range(100_000)),
}


@pytest.mark.parametrize("options", [(), ("--no-check",), ("-19",), ("--stream-size=1048583",)], ids=str)
@pytest.mark.parametrize("name", CONTENTS)
def test_what_went_in_comes_out(name: str, options: tuple[str, ...]) -> None:
    plain = CONTENTS[name]
    if name == "zeros" and options == ("-19",):
        plain = plain[:MIB]
    if "--stream-size=1048583" in options and name != "noise":
        options = ()
    assert unfolded(zstd(plain, *options)) == plain


@pytest.mark.parametrize("size", [1, 3, 10**7])
def test_several_frames_in_pieces_of_any_size(size: int) -> None:
    skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
    data = zstd(b"one" * 1000) + skippable + zstd(b"") + zstd(CONTENTS["noise"][:5000]) + skippable
    assert unfolded(data, size) == b"one" * 1000 + CONTENTS["noise"][:5000]


@pytest.mark.parametrize("name", ["little", "noise", "text"])
def test_what_is_cut_short_is_refused(name: str) -> None:
    data = zstd(CONTENTS[name])
    places = {1, 3, 4, 5, 9, len(data) // 2, len(data) - 5, len(data) - 4, len(data) - 1}
    for length in sorted(each for each in places if 0 < each < len(data)):
        with pytest.raises(CorruptError, match="damaged or cut short|cut short|no zstd frame"):
            unfolded(data[:length])


def test_damage_is_refused() -> None:
    data = bytearray(zstd(CONTENTS["text"]))
    data[len(data) // 2] ^= 0x10
    with pytest.raises(CorruptError):
        unfolded(bytes(data))
    for junk in (b"junk", b"\0" * 100, b"PK\3\4" + bytes(50)):
        with pytest.raises(CorruptError):
            unfolded(zstd(b"good") + junk)


def test_what_fetching_raises_is_raised() -> None:
    def broken() -> Generator[bytes, None, None]:
        yield zstd(CONTENTS["noise"])[: MIB // 2]
        raise RemoteError("the line is cut", code="unreachable")

    with contextlib.closing(zstd_reader.unfold(broken())) as plain, pytest.raises(RemoteError, match="the line is cut"):
        while plain.read(100_000):
            pass


def test_closing_early_ends_everything() -> None:
    before = threading.active_count()
    for _turn in range(5):
        plain = zstd_reader.unfold(pieces(zstd(CONTENTS["zeros"]) * 20, 1000))
        assert plain.read(10) == bytes(10)
        plain.close()
    assert threading.active_count() == before
    assert not zstd_children()


def zstd_children() -> list[str]:
    """What runs, or wasn't waited for."""
    stats = [path.read_text(encoding="utf-8", errors="replace") for path in Path("/proc").glob("self/task/*/children")]
    children = [pid for text in stats for pid in text.split()]
    return [pid for pid in children if "zstd" in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")]


def test_memory_is_bounded(backend: str) -> None:
    """40 MiB in one kilobyte: never more of it at once than is asked for."""
    data = zstd(CONTENTS["zeros"]) * 50
    with contextlib.closing(zstd_reader.unfold(pieces(data, len(data)))) as plain:
        buffer: Any = memoryview(bytearray(100_000))
        total = 0
        while count := plain.readinto(buffer):
            total += count
    assert total == 50 * len(CONTENTS["zeros"])
