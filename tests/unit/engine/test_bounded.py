# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""JSON that anybody may have written: a value within the bounds, or one kind of refusal, whatever the bytes are."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import bounded, files
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.bounded import (
    Unreadable,
    read_file,
    read_object,
    read_value,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError

LIMIT = 1 << 20


def nested(depth: int, closed: bool = True) -> bytes:
    """An object with lists within each other: ``depth`` levels in all."""
    return b'{"a":' + b"[" * (depth - 1) + (b"]" * (depth - 1) + b"}" if closed else b"")


REFUSED = {
    "nothing": (b"", "isn't JSON"),
    "a list": (b"[]", "isn't a JSON object"),
    "a text": (b'"x"', "isn't a JSON object"),
    "null": (b"null", "isn't a JSON object"),
    "cut short": (b'{"a": 1', "isn't JSON"),
    "something behind it": (b'{"a": 1} {}', "isn't JSON"),
    "33 levels": (nested(33), "32 levels"),
    "a million levels": (nested(500_000), "32 levels"),
    "a million levels, open": (nested(1_000_000, closed=False), "32 levels"),
    "a million objects, open": (b'{"a":' * 200_000, "32 levels"),
    "2^53": (b'{"a": 9007199254740992}', "too large"),
    "-2^53": (b'{"a": -9007199254740992}', "too large"),
    "100,000 digits": (b'{"a": 1%s}' % (b"0" * 100_000), "too large"),
    "a fraction": (b'{"a": 1.5}', "isn't a whole one"),
    "an exponent": (b'{"a": 1e3}', "isn't a whole one"),
    "infinity by an exponent": (b'{"a": 1e999}', "isn't a whole one"),
    "NaN": (b'{"a": NaN}', "NaN"),
    "Infinity": (b'{"a": Infinity}', "Infinity"),
    "-Infinity": (b'{"a": -Infinity}', "-Infinity"),
    "a member twice": (b'{"a": 1, "a": 1}', "twice"),
    "a member twice, deeper": (b'{"b": [{"a": 1, "\\u0061": 2}]}', "twice"),
    "latin1": (b'{"a": "\xe9"}', "UTF-8"),
    "a surrogate's bytes": (b'{"a": "\xed\xa0\x80"}', "UTF-8"),
    "half of a surrogate pair": (b'{"a": ["\\ud800"]}', "Unicode"),
    "half of a surrogate pair as a name": (b'{"\\uDBFF": 1}', "Unicode"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "UTF-8"),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "isn't JSON"),
    "a mark in front": (b'\xef\xbb\xbf{"a": 1}', "isn't JSON"),
    "a control character": (b'{"a": "\n"}', "isn't JSON"),
    "zeros": (bytes(1000), "isn't JSON"),
    "an open text": (b'{"' + b'\\"' * 500_000, "isn't JSON"),
    "quotes": (b'"' * LIMIT, "isn't JSON"),
    "backslashes": (b"\\" * LIMIT, "isn't JSON"),
}  # fmt: skip


@pytest.mark.parametrize(("data", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(data: bytes, why: str) -> None:
    for kind in (bytes, bytearray, memoryview):
        with pytest.raises(Unreadable, match=why):
            read_object(kind(data), LIMIT)


def test_the_limit_is_looked_at_before_anything_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = b'{"a": "%s"}' % (b"x" * 100)
    assert read_object(data, len(data)) == {"a": "x" * 100}
    monkeypatch.setattr(bounded, "_check_depth", None)
    with pytest.raises(Unreadable, match="109 bytes, at most 108 are good"):
        read_object(data, len(data) - 1)


@pytest.mark.parametrize(
    "value",
    [{}, {"a": [1, -1, 0, None, True, 'x\n\\"]}{[é€𝄞']}, {"a": (1 << 53) - 1, "b": 1 - (1 << 53)}, {"[{": "]]}}\\"}],
)
def test_what_is_good(value: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        assert read_object(json.dumps(value, ensure_ascii=ascii_only).encode(), LIMIT) == value
    assert len(str(read_object(nested(32), LIMIT))) > 60


def test_names_that_are_not_utf8_survive() -> None:
    name = os.fsdecode(b"/tank/\xff\x80")
    assert read_object(json.dumps({"volume": name}).encode(), LIMIT) == {"volume": name}


def test_fractions_where_they_are_allowed() -> None:
    assert read_object(b'{"a": 1773066600.123456, "b": 1e3}', LIMIT, floats=True) == {"a": 1773066600.123456, "b": 1e3}
    for text in (b"1e999", b"-1e999", b"NaN", b"1.%s" % (b"0" * 100_000), b"1E" + b"9" * 100_000):
        with pytest.raises(Unreadable):
            read_object(b'{"a": %s}' % text, LIMIT, floats=True)


def test_records_of_this_host_may_have_integers_of_64_bits() -> None:
    for number in (1773066600123456789, -((1 << 64) - 1)):
        data = b'{"a": %d, "b": 0.5}' % number
        assert read_object(data, LIMIT, local=True) == {"a": number, "b": 0.5}
        with pytest.raises(Unreadable, match="too large"):
            read_object(data, LIMIT, floats=True)
    for text in (b"%d" % (1 << 64), b"9" * 100_000, b"1e999"):
        with pytest.raises(Unreadable, match="too large"):
            read_object(b'{"a": %s}' % text, LIMIT, local=True)


def test_random_changes_give_a_value_or_the_refusal() -> None:
    good = json.dumps(
        {"a": [{"b": 1, "c": [1, 2, {"d": "text \\u00e9"}]}], "e": {"f": None, "g": True}, "h": -77}
    ).encode()
    source = random.Random(5)
    signs = b'{}[]",:\\0123456789eE.-+ufalsenrt \xff\x00'
    refused = 0
    for _round in range(5000):
        broken = bytearray(good)
        for _change in range(source.randint(1, 4)):
            at = source.randrange(len(broken))
            if source.random() < 0.3:
                end = min(at + source.randint(1, 20), len(broken))
                broken[at:at] = broken[at:end] * source.choice((1, 1, 50))
            elif source.random() < 0.3:
                del broken[at : at + source.randint(1, 10)]
            else:
                broken[at] = source.choice(signs)
            broken = broken or bytearray(b"0")
        try:
            assert isinstance(read_object(bytes(broken), 4096, floats=source.random() < 0.5), dict)
        except Unreadable as error:
            assert "\n" not in str(error)
            refused += 1
    assert 1000 < refused < 5000


# --- files


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "record"
    assert read_file(str(path)) is None
    assert read_file(str(path / "below")) is None
    path.write_bytes(b"12345")
    assert read_file(str(path), 5) == b"12345"
    with pytest.raises(Unreadable, match="5 bytes, at most 4"):
        read_file(str(path), 4)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(Unreadable, match="symbolic link"):
        read_file(str(tmp_path / "link"))
    os.mkfifo(tmp_path / "pipe")
    for other in (tmp_path / "pipe", tmp_path, Path("/dev/zero"), Path("/dev/tty")):
        with pytest.raises((Unreadable, OSError), match="plain file|No such device"):
            read_file(str(other))


def test_a_file_that_says_it_is_empty_is_read_up_to_the_limit() -> None:
    """As files in /proc do."""
    with pytest.raises(Unreadable, match="more than 3 bytes"):
        read_file("/proc/self/cmdline", 3)


@pytest.mark.parametrize("content", [b"[", b"\xff", nested(100_000), b"[1e999]", b"9" * 400])
def test_a_damaged_record_of_this_host_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "held.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"held\.json can't be read: .*\. Restore the file, or remove it"):
        files.read_json(str(path))


def test_records_of_this_host_survive(tmp_path: Path) -> None:
    path = str(tmp_path / "below/record.json")
    assert files.read_json(path) is files.read_record(path) is None
    for value in ({"created": 1773066600.123456}, [["a", "b"]]):
        files.write_json(path, value)
        assert files.read_json(path) == value
    with pytest.raises(ConfigError, match="isn't a JSON object"):
        files.read_record(path)
    assert read_value(b"[1]", LIMIT) == [1]
