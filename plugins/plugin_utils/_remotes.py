# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The remotes of an inventory: which of them a host can use, and what for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.spec import RemoteSpec
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes, shown

NATIVE, LINSTOR = "native", "linstor"
USES = ("backup", "sync")
#: What each type of remote is for unless its definition says otherwise, and who can ship to it.
TYPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "s3": ("backup", (NATIVE, LINSTOR)),
    "directory": ("backup", (NATIVE,)),
    "ebs": ("backup", (LINSTOR,)),
    "linstor": ("sync", (LINSTOR,)),
    "ssh": ("sync", ()),
}
#: What a definition says to the roles rather than to a module.
OURS = ("name", "use")
#: Credentials that the controller may have in its environment, as the modules name them there.
FROM_ENVIRONMENT = {
    "access_key": "SNAPSHIP_ACCESS_KEY",
    "secret_key": "SNAPSHIP_SECRET_KEY",
    "session_token": "SNAPSHIP_SESSION_TOKEN",
}


@dataclasses.dataclass(frozen=True)
class Remote:
    """One of an inventory's remotes. ``options`` hold secrets."""

    name: str
    type: str
    use: str
    options: Mapping[str, Any] = dataclasses.field(repr=False)

    def native(self) -> dict[str, Any]:
        """The options of the ``remote`` module. Keys that aren't given come from the controller's environment."""
        options = dict(self.options)
        if self.type == "s3" and not any(options.get(key) for key in (*FROM_ENVIRONMENT, "profile")):
            found = {key: os.environ.get(variable) for key, variable in FROM_ENVIRONMENT.items()}
            options.update({key: value for key, value in found.items() if value})
        return options


def read(given: Iterable[Any], where: str, mistakes: Mistakes) -> dict[str, Remote]:
    """The remotes by their names. What a type needs in particular is checked only where a remote is used."""
    found: dict[str, Remote] = {}
    for number, each in enumerate(given, 1):
        place = f"{where}, entry {number}"
        options = mistakes.mapping(each, place, None)
        if not options:
            continue
        name = mistakes.text(options, "name", place, required=True)
        if not name:
            continue
        place = f"{where}, {name}"
        if name in found:
            mistakes.add(place, "there are two remotes of this name.")
            continue
        mistakes.choice(options, "use", place, USES)
        kind = options.get("type") or ("s3" if options.get("bucket") else "directory" if options.get("path") else None)
        if kind not in TYPES:
            what = "type is missing" if kind is None else f"type: {shown(kind)} is unknown"
            mistakes.add(place, f"{what}; there are {', '.join(TYPES)}.")
            continue
        if kind == "linstor" and options.get("use") == "backup":
            mistakes.add(place, "use: another cluster is kept in sync; leave use out.")
        rest = {key: value for key, value in options.items() if key not in OURS}
        found[name] = Remote(name, kind, options.get("use") or TYPES[kind][0], {**rest, "type": kind})
    return found


def check_native(remote: Remote, where: str, mistakes: Mistakes) -> None:
    """Whether the ``remote`` module will take the definition."""
    known = {field.name for field in dataclasses.fields(RemoteSpec)} - {"name"}
    before = len(mistakes.found)
    mistakes.mapping(remote.options, f"{where}, {remote.name}", known)
    if len(mistakes.found) > before:
        return
    try:
        RemoteSpec.parse(remote.name, remote.native())
    except SnapshipError as error:
        mistakes.add(where, f"{error.msg} {error.hint}".strip())
    except (TypeError, ValueError, AttributeError):
        mistakes.add(f"{where}, {remote.name}", "an option has a value of the wrong type; see snapship.dr.remote.")
