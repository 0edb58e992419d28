# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""zstd by whatever is there: the same frames, the same refusals, never more memory than was said."""

from __future__ import annotations

import gc
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import errors
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, CorruptError, need
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import compression, libzstd
from ansible_collections.snapship.dr.tests.support.needs import need_program, unavailable

DATA = {
    "empty": b"",
    "one byte": b"x",
    "zeros": bytes(3 << 20),
    "random": os.urandom(1 << 20),
    "mixed": os.urandom(1 << 16) * 40 + bytes(12345),
}
KINDS = [bytes, bytearray, memoryview, lambda data: memoryview(bytearray(data))]

BUILTIN = ["compression.zstd"] if sys.version_info >= (3, 14) else []
LIBRARIES = ["zstandard", *BUILTIN, "libzstd"]
BACKENDS = [*LIBRARIES, "zstd"]


def choose(name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Hide the implementations that are better than this one."""
    if name != "zstandard":
        monkeypatch.setattr(compression, "_library", None)
    if name in ("libzstd", "zstd"):
        monkeypatch.setattr(compression, "_builtin", None)
    if name == "libzstd" and libzstd.load() is None:
        unavailable("libzstd.so.1 is not installed; on Debian: apt-get install libzstd1")
    if name == "zstd":
        need_program("zstd", "zstd")
        monkeypatch.setattr(libzstd, "load", lambda: None)
    assert compression.backend() == name
    return name


@pytest.fixture(params=LIBRARIES)
def writer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each implementation that writes, in turn."""
    return choose(str(request.param), monkeypatch)


@pytest.fixture(params=BACKENDS)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each implementation that reads, in turn."""
    return choose(str(request.param), monkeypatch)


def frame_of(plain: bytes) -> bytes:
    """What an uninvolved writer makes of it."""
    return zstandard.ZstdCompressor(level=1).compress(plain)


@pytest.mark.parametrize("plain", DATA.values(), ids=DATA.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(writer: str, plain: bytes, kind: type) -> None:
    frame = compression.compress(kind(plain))
    assert compression.decompress(kind(frame), len(plain)) == plain


@pytest.mark.parametrize("plain", DATA.values(), ids=DATA.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_frames_of_another_writer(reader: str, plain: bytes, kind: type) -> None:
    assert compression.decompress(kind(frame_of(plain)), len(plain)) == plain
    row = kind(b"".join(map(frame_of, (plain, DATA["one byte"], DATA["mixed"]))) if plain else frame_of(plain))
    whole = plain + DATA["one byte"] + DATA["mixed"] if plain else plain
    assert compression.decompress_frames(row, len(whole)) == whole


@pytest.mark.parametrize("plain", DATA.values(), ids=DATA.keys())
def test_a_frame_says_its_size_and_the_program_reads_it(writer: str, plain: bytes) -> None:
    need_program("zstd", "zstd")
    frame = compression.compress(plain)
    assert zstandard.frame_content_size(frame) == len(plain)
    done = subprocess.run(["zstd", "-q", "-d", "-c"], input=frame, capture_output=True, check=True)
    assert done.stdout == plain


def test_the_program_only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("zstd", monkeypatch)
    compression.require()
    for call in (lambda: compression.compress(b"x"), lambda: compression.require(write=True)):
        with pytest.raises(ConfigError, match="only the program zstd") as caught:
            call()
        assert caught.value.code == "library"


def test_threads_have_contexts_of_their_own(reader: str) -> None:
    frames = [(frame_of(plain), plain) for plain in DATA.values()]

    def work(_number: int) -> bool:
        return all(compression.decompress(frame, len(plain)) == plain for frame, plain in frames)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(8)))


def test_contexts_are_freed_with_their_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    choose("libzstd", monkeypatch)
    library = need(libzstd.load(), "choose has looked")
    freed: list[int] = []

    def noting(free: Callable[[int], object]) -> Callable[[int], object]:
        def count(pointer: int) -> object:
            freed.append(pointer)
            return free(pointer)

        return count

    for pair in ("_compressor", "_decompressor"):
        make, free = getattr(library, pair)
        monkeypatch.setattr(library, pair, (make, noting(free)))
    thread = threading.Thread(target=lambda: compression.decompress(compression.compress(b"x" * 9000), 9000))
    thread.start()
    thread.join()
    gc.collect()
    assert len(freed) == 2


@pytest.mark.parametrize("change", [-1, 1, 1 << 20])
def test_another_size_than_expected_is_refused(reader: str, change: int) -> None:
    frame = frame_of(DATA["mixed"])
    for read in (compression.decompress, compression.decompress_frames):
        with pytest.raises(CorruptError):
            read(frame, len(DATA["mixed"]) + change)
        with pytest.raises(CorruptError):
            read(frame, max(change, 0))


FRAME = frame_of(DATA["mixed"])
SKIPPED = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"12345"
BROKEN = {
    "nothing": b"",
    "another thing": b"no zstd at all",
    "only a magic": FRAME[:4],
    "half a header": FRAME[:7],
    "half": FRAME[: len(FRAME) // 2],
    "the last byte missing": FRAME[:-1],
    "another magic": b"\0" + FRAME[1:],
    "a byte behind it": FRAME + b"\0",
    "junk behind it": FRAME + b"junk behind it",
    "an empty frame behind it": FRAME + frame_of(b""),
    "a frame to skip behind it": FRAME + SKIPPED,
    "a frame to skip before it": SKIPPED + FRAME,
    "half a frame behind it": FRAME + FRAME[: len(FRAME) // 2],
    "a reserved block": FRAME[:4] + b"\xa0" + FRAME[5:9] + b"\x07\0\0",
    "a dictionary": FRAME[:4] + bytes([FRAME[4] | 1]) + FRAME[5:],
    "no size": zstandard.ZstdCompressor(write_content_size=False).compress(DATA["mixed"]),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_damage_is_refused(reader: str, broken: bytes) -> None:
    for read in (compression.decompress, compression.decompress_frames):
        with pytest.raises(CorruptError):
            read(broken, len(DATA["mixed"]))


def test_a_row_of_frames_is_refused_where_one_is_expected(reader: str) -> None:
    row = frame_of(b"ab") + frame_of(b"cd")
    assert compression.decompress_frames(row, 4) == b"abcd"
    with pytest.raises(CorruptError, match="follows"):
        compression.decompress(row, 4)


def test_a_frame_that_holds_more_or_less_than_it_states(reader: str) -> None:
    """The size is four bytes here; what the blocks hold stays."""
    plain = bytes(100_000) + DATA["mixed"]
    frame = bytearray(frame_of(plain))
    assert frame[4] >> 6 == 2
    at = 5 if frame[4] & 0b100000 else 6
    for lie in (len(plain) - 70_000, len(plain) + 70_000):
        frame[at : at + 4] = lie.to_bytes(4, "little")
        for read in (compression.decompress, compression.decompress_frames):
            with pytest.raises(CorruptError):
                read(bytes(frame), lie)


def test_any_flipped_bit_gives_a_result_of_that_size_or_a_refusal(reader: str) -> None:
    plain = b"".join(b"line %d\n" % number for number in range(3000))
    frame = frame_of(plain)
    source = random.Random(7)
    for _round in range(40 if reader == "zstd" else 1500):
        broken = bytearray(frame)
        broken[source.randrange(len(frame))] ^= 1 << source.randrange(8)
        try:
            assert len(compression.decompress(bytes(broken), len(plain))) == len(plain)
        except CorruptError:
            continue


def bombs() -> dict[str, bytes]:
    """Small objects that want much memory; each is to hold 1 MiB."""
    total, piece = 4 << 30, bytes(64 << 20)
    stated = zstandard.ZstdCompressor(level=1).compressobj(size=total)
    silent = zstandard.ZstdCompressor(level=1, write_content_size=False).compressobj()
    made = {}
    for name, maker in {"4 GiB": stated, "4 GiB without a word": silent}.items():
        made[name] = b"".join(maker.compress(piece) for _round in range(total // len(piece))) + maker.flush()
    content = (1 << 20).to_bytes(4, "little")
    last = (1 << 20 << 3 | 3).to_bytes(4, "little")[:3]
    for exponent in (14, 31):
        made[f"a window of 2^{10 + exponent}"] = (
            b"\x28\xb5\x2f\xfd\x80" + bytes([exponent << 3]) + content + last + b"\0"
        )
    made["a size of 2^64-1"] = b"\x28\xb5\x2f\xfd\xe0" + b"\xff" * 8 + b"\x03\0\0\0"
    made["a block of 2 MiB"] = b"\x28\xb5\x2f\xfd\xa0" + content + (2 << 20 << 3 | 3).to_bytes(4, "little")[:3] + b"\0"
    made["a million blocks"] = b"\x28\xb5\x2f\xfd\xa0" + content + bytes(3_000_000) + b"\x01\0\0"
    made["a million frames"] = frame_of(b"x") * (1 << 20)
    made["a million empty frames"] = frame_of(b"") * (1 << 20)
    made["4 GiB in 4096 frames"] = frame_of(bytes(1 << 20)) * 4096
    return made


@pytest.mark.parametrize("name", BACKENDS)
def test_a_bomb_is_refused_without_room_being_made_for_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In a process of its own, whose address space may grow by 64 MiB while it looks at each of them."""
    choose(name, monkeypatch)
    for number, bomb in enumerate(bombs().values()):
        (tmp_path / f"{number:02}").write_bytes(bomb)
    (tmp_path / "99").write_bytes(frame_of(bytes(1 << 20)))
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, name, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.splitlines()
    assert told[:-2] == ["refused"] * (2 * len(bombs())), told
    assert told[-2:] == ["1048576 bytes"] * 2


WATCHED = f"""
import pathlib, resource, sys
from {compression.__package__} import compression, libzstd
from {errors.__name__} import CorruptError
if sys.argv[1] != "zstandard":
    compression._library = None
if sys.argv[1] in ("libzstd", "zstd"):
    compression._builtin = None
if sys.argv[1] == "zstd":
    libzstd.load = lambda: None
assert compression.backend() == sys.argv[1]
for path in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    data = path.read_bytes()
    used = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    for read in (compression.decompress, compression.decompress_frames):
        try:
            print(len(read(data, 1 << 20)), "bytes")
        except CorruptError:
            print("refused")
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    del data
"""


def test_without_any_of_them_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_library", None)
    monkeypatch.setattr(compression, "_builtin", None)
    monkeypatch.setattr(libzstd, "load", lambda: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    assert compression.backend() is None
    for call in (
        compression.require,
        lambda: compression.compress(b"x"),
        lambda: compression.decompress(frame_of(b"x"), 1),
    ):
        with pytest.raises(ConfigError, match="zstandard") as caught:
            call()
        assert caught.value.code == "library"


def test_a_machine_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libzstd, "_NAME", "libzstd-that-is-not-there.so.1")
    libzstd.load.cache_clear()
    try:
        assert libzstd.load() is None
    finally:
        libzstd.load.cache_clear()
