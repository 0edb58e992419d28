# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.unit.engine.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A host and a directory remote, not made yet, without encryption."""
    return Place(tmp_path)
