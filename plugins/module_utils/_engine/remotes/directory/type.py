# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The type ``directory``: a mounted NAS, or a second disk."""

from __future__ import annotations

import os
from typing import Any

from ...common.errors import UsageError
from ..spec import RemoteOption, RemoteSpec, RemoteType
from .store import DirectoryStore


def _check(name: str, values: dict[str, Any]) -> None:
    path = values.get("path")
    if not path:
        raise UsageError(f"remote {name!r}: path is missing.", "Set path to the directory.")
    if not os.path.isabs(path):
        raise UsageError(f"remote {name!r}: path {path!r} isn't absolute.", "Begin it with a slash.")
    values["path"] = os.path.normpath(path)
    mount = values.get("mount_point")
    if not mount:
        values["mount_point"] = None
        return
    if not os.path.isabs(mount):
        raise UsageError(f"remote {name!r}: mount_point {mount!r} isn't absolute.", "Begin it with a slash.")
    values["mount_point"] = mount = os.path.normpath(mount)
    if os.path.commonpath([mount, values["path"]]) != mount:
        raise UsageError(
            f"remote {name!r}: path {values['path']!r} doesn't lie in mount_point {mount!r}.",
            "Set mount_point to where the filesystem is mounted, and path to a directory in it.",
        )


def _creates(_spec: RemoteSpec, inline: bool) -> bool:
    """A defined remote whose directory is gone isn't mounted."""
    return inline


def _place(location: str) -> str:
    return location.partition("|")[2]


DIRECTORY = RemoteType(
    name="directory",
    title="a directory",
    options=(
        RemoteOption("path", "the directory, for a remote that is one", "path"),
        RemoteOption("mount_point", "where a filesystem must be mounted, with the directory in it", "path"),
    ),
    telling="path",
    check=_check,
    open=DirectoryStore,
    creates=_creates,
    place=_place,
    local=True,
)
