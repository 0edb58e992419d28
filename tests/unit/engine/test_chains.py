# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.snapship.dr.plugins.module_utils._engine.policy.chains import (
    chain,
    dependants,
    known_length,
    root,
)

#: c rests on b on a; e on d, which is gone; f and g on each other
BASES = {"a": None, "b": "a", "c": "b", "e": "d", "f": "g", "g": "f", "x": "b"}


def test_chain() -> None:
    assert chain(BASES, "c") == ["a", "b", "c"]
    assert chain(BASES, "a") == ["a"]
    assert chain(BASES, "e") is None
    assert chain(BASES, "f") is None
    assert chain(BASES, "nosuch") is None


def test_known_length() -> None:
    assert [known_length(BASES, each) for each in ("a", "b", "c")] == [1, 2, 3]
    assert known_length(BASES, "e") == 2  # itself and what is gone
    assert known_length(BASES, "f") == 2


def test_root() -> None:
    assert [root(BASES, each) for each in ("a", "c", "e", "nosuch")] == ["a", "a", "e", "nosuch"]
    assert root(BASES, "f") in "fg"


def test_dependants() -> None:
    assert dependants(BASES, "a") == ["b", "c", "x"]
    assert dependants(BASES, "c") == []
    assert dependants(BASES, "d") == ["e"]
    assert dependants(BASES, "f") == ["g"]
