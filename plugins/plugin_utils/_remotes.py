# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The remotes of an inventory: which of them a host can use, and what for."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import (
    REMOTE_TYPES,
    all_options,
    parse_remote,
    told_type,
    type_names,
)
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.remotes import LINSTOR_TYPES
from ansible_collections.snapship.dr.plugins.module_utils._module.arguments import variable
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes, shown

NATIVE, LINSTOR = "native", "linstor"
USES = ("backup", "sync")
#: types that nothing can ship to yet, and their use
PLANNED = {"ssh": "sync"}
#: options for the roles, not for a module
OURS = ("name", "use")


class InventoryType(NamedTuple):
    """A type of remote in an inventory: its use unless a definition says otherwise, and who can ship to it."""

    use: str
    carriers: tuple[str, ...]


def inventory_types() -> dict[str, InventoryType]:
    """All types by name: those of the engine, those of LINSTOR, and the planned ones."""
    uses = {
        **PLANNED,
        **{name: each.use for registry in (LINSTOR_TYPES, REMOTE_TYPES) for name, each in registry.items()},
    }
    carriers = {NATIVE: REMOTE_TYPES, LINSTOR: LINSTOR_TYPES}
    return {
        name: InventoryType(uses[name], tuple(carrier for carrier, types in carriers.items() if name in types))
        for name in dict.fromkeys((*REMOTE_TYPES, *LINSTOR_TYPES, *PLANNED))
    }


def restorable_types(carrier: str) -> list[str]:
    """The types that a carrier can restore from by the name of a remote."""
    if carrier == NATIVE:
        return type_names()
    return [name for name, linstor in LINSTOR_TYPES.items() if linstor.holds_backups and linstor.use == "backup"]


@dataclasses.dataclass(frozen=True)
class Remote:
    """One of an inventory's remotes. ``options`` hold secrets."""

    name: str
    type: str
    use: str
    options: Mapping[str, Any] = dataclasses.field(repr=False)

    def native(self) -> dict[str, Any]:
        """The options of the ``remote`` module. Missing credentials come from the controller's environment."""
        options = dict(self.options)
        native = REMOTE_TYPES.get(self.type)
        if native and not any(options.get(key) for key in (*native.credentials, *native.other_credentials)):
            found = {key: os.environ.get(variable(key)) for key in native.credentials}
            options.update({key: value for key, value in found.items() if value})
        return options


def read(given: Iterable[Any], where: str, mistakes: Mistakes) -> dict[str, Remote]:
    """The remotes by their names. The options of a type are checked only where a remote is used."""
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
            mistakes.add(place, "two remotes have this name.")
            continue
        mistakes.choice(options, "use", place, USES)
        types = inventory_types()
        kind = options.get("type") or told_type(options)
        if kind not in types:
            what = f"type {shown(kind)} is unknown" if kind else "type is missing"
            mistakes.add(place, f"{what}. Set one of {', '.join(types)}.")
            continue
        if types[kind].carriers == (LINSTOR,) and types[kind].use == "sync" and options.get("use") == "backup":
            mistakes.add(place, "use: backup isn't possible for another cluster. Leave use out: it is kept in sync.")
        rest = {key: value for key, value in options.items() if key not in OURS}
        found[name] = Remote(name, kind, options.get("use") or types[kind].use, {**rest, "type": kind})
    return found


def check_native(remote: Remote, where: str, mistakes: Mistakes) -> None:
    """Whether the ``remote`` module will take the definition."""
    known = {"type", *(option.name for option in all_options())}
    before = len(mistakes.found)
    mistakes.mapping(remote.options, f"{where}, {remote.name}", known)
    if len(mistakes.found) > before:
        return
    try:
        parse_remote(remote.name, remote.native())
    except SnapshipError as error:
        mistakes.add(where, f"{error.msg} {error.hint}".strip())
    except (TypeError, ValueError, AttributeError):
        mistakes.add(
            f"{where}, {remote.name}", "an option has a value of the wrong type. See ansible-doc snapship.dr.remote."
        )
