# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads JSON that anybody may have written: on a remote, in this host's records, in a user's folder.

Nothing else parses JSON. Whatever the bytes are, the answer is a value within these bounds or :class:`Unreadable`, in a
time and with memory that follow from the limit.
"""

from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from collections.abc import Callable
from typing import Any, NoReturn, Union

DEPTH = 32  # lists and objects within each other
NUMBER = (1 << 53) - 1  # the largest integer that every reader of JSON keeps
LOCAL_NUMBER = (1 << 64) - 1  # the largest integer in records of this host: inodes, nanoseconds
RECORD_LIMIT = 16 << 20  # bytes of a record of this host
_DIGITS = 32  # characters of a number
_STRUCTURE = re.compile(rb'\\.|["\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
Bytes = Union[bytes, bytearray, memoryview]


class Unreadable(ValueError):
    """Why this isn't read, as the end of a sentence: ``it isn't valid UTF-8``."""


def read_object(data: Bytes, limit: int, floats: bool = False, local: bool = False) -> dict[str, Any]:
    """The one JSON object in at most ``limit`` bytes. Raises Unreadable.

    ``floats``: whether finite numbers with a point or an exponent are good, too. ``local``: it is a record of this
    host, which has such numbers, and integers of 64 bits.
    """
    value = read_value(data, limit, floats, local)
    if not isinstance(value, dict):
        raise Unreadable("it isn't a JSON object")
    return value


def read_value(data: Bytes, limit: int, floats: bool = False, local: bool = False) -> Any:
    """As :func:`read_object`; any JSON value."""
    if len(data) > limit:
        raise Unreadable(f"it has {len(data)} bytes, at most {limit} are good")
    raw = bytes(data)
    _check_depth(raw)
    try:
        value = (_LOCAL if local else _WITH_FLOATS if floats else _STRICT).decode(raw.decode("utf-8"))
    except UnicodeDecodeError:
        raise Unreadable("it isn't valid UTF-8") from None
    except json.JSONDecodeError as error:  # its text stays out: it may quote a secret
        raise Unreadable(f"it is cut short or isn't JSON (line {error.lineno}, column {error.colno})") from None
    if _SURROGATE.search(raw):
        _check_text(value)
    return value


def read_file(path: str, limit: int = RECORD_LIMIT) -> bytes | None:
    """The content of a plain file of at most ``limit`` bytes; ``None`` where there is none.

    Never waits for a pipe or a device, and follows no link at the end of the path. Raises OSError, and Unreadable for
    what is something else or too large.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):
            raise Unreadable("it is a symbolic link, not a plain file") from None
        if error.errno in (errno.ENXIO, errno.ENODEV, errno.EOPNOTSUPP):
            raise Unreadable("it isn't a plain file") from None
        raise
    try:
        return read_open(descriptor, limit)
    finally:
        os.close(descriptor)


def read_open(descriptor: int, limit: int) -> bytes:
    """As :func:`read_file`, of an open file, which stays open."""
    known = os.fstat(descriptor)
    if not stat.S_ISREG(known.st_mode):
        raise Unreadable("it isn't a plain file")
    if known.st_size > limit:
        raise Unreadable(f"it has {known.st_size} bytes, at most {limit} are good")
    with os.fdopen(descriptor, "rb", closefd=False) as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(f"it has more than {limit} bytes")
    return data


def _check_depth(raw: bytes) -> None:
    """Refuse what nests too deeply, before the parser recurses into it."""
    depth = 0
    text = False  # inside of a string
    for match in _STRUCTURE.finditer(raw):
        sign = match[0]
        if sign == b'"':
            text = not text
        elif text or len(sign) > 1:
            continue
        elif sign in b"[{":
            depth += 1
            if depth > DEPTH:
                raise Unreadable(f"it nests more than {DEPTH} levels deep")
        else:
            depth -= 1


def _check_text(value: Any) -> None:
    """Refuse halves of surrogate pairs, except for those that stand for bytes of a name that isn't UTF-8."""
    if isinstance(value, dict):
        for name, member in value.items():
            _check_text(name)
            _check_text(member)
    elif isinstance(value, list):
        for member in value:
            _check_text(member)
    elif isinstance(value, str):
        try:
            value.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise Unreadable("a text in it isn't valid Unicode") from None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise Unreadable("a member is there twice")
    return members


def _integer(text: str, largest: int = NUMBER) -> int:
    if len(text) > _DIGITS or abs(int(text)) > largest:
        raise Unreadable("a number in it is too large")
    return int(text)


def _local_integer(text: str) -> int:
    return _integer(text, LOCAL_NUMBER)


def _fraction(text: str) -> float:
    value = float(text) if len(text) <= _DIGITS else math.inf
    if not math.isfinite(value):
        raise Unreadable("a number in it is too large or too long")
    return value


def _no_fraction(_text: str) -> NoReturn:
    raise Unreadable("a number in it isn't a whole one")


def _no_constant(text: str) -> NoReturn:
    raise Unreadable(f"{text} in it isn't a number")


def _decoder(integer: Callable[[str], int], fraction: Callable[[str], float]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_members, parse_int=integer, parse_float=fraction, parse_constant=_no_constant
    )


_STRICT = _decoder(_integer, _no_fraction)
_WITH_FLOATS = _decoder(_integer, _fraction)
_LOCAL = _decoder(_local_integer, _fraction)
