# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fingerprints tell whether a secret has changed, and nothing else."""

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.fingerprints import fingerprint, matches


def test_of_the_same_and_of_another() -> None:
    kept = fingerprint("a secret: with colons, ü")
    assert "secret" not in kept
    assert matches("a secret: with colons, ü", kept)
    assert not matches("a secret", kept)
    assert not matches("", kept)


def test_no_two_are_the_same() -> None:
    assert fingerprint("x") != fingerprint("x")


@pytest.mark.parametrize("kept", [None, "", "x", "scrypt:00:", "scrypt:zz:00", "md5:00:00", "a:b:c:d", "scrypt:00:0"])
def test_what_is_none_matches_nothing(kept: str | None) -> None:
    assert not matches("", kept)
    assert not matches("x", kept)
