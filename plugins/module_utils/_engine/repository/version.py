# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The version of snapship and of the format it writes."""

from __future__ import annotations

import platform

from ..streams import compression
from .envelope import VERSION as FORMAT_VERSION

VERSION = "0.1.0"

__all__ = ["FORMAT_VERSION", "VERSION", "versions"]


def versions() -> dict[str, str | None]:
    """The versions of what writes a backup, for its manifest."""
    return {"snapship": VERSION, "python": platform.python_version(), "zstd": compression.backend()}
