# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The remotes of an inventory for LINSTOR: they have the same options as for hosts, as far as possible."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.remotes import LINSTOR_TYPES
from ansible_collections.snapship.dr.plugins.module_utils._module.arguments import variable
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes
from ansible_collections.snapship.dr.plugins.plugin_utils._remotes import Remote

_KEYS = ("access_key", "secret_key")
#: Inventories use the words of the module remote. Those of the module linstor_remote on the left are refused.
_WORDS = {"endpoint": "endpoint_url", "use_path_style": "addressing_style"}
_VALUES = {"addressing_style": " (path, virtual)"}


def linstor_options(remote: Remote) -> dict[str, Any]:
    """The options for the module ``linstor_remote``. Missing keys come from the environment of the controller."""
    options = {key: value for key, value in remote.options.items() if key != "layout"}
    if remote.type != "linstor":
        for key in _KEYS:
            if not options.get(key) and os.environ.get(variable(key)):
                options[key] = os.environ[variable(key)]
    if "endpoint_url" in options:
        options["endpoint"] = options.pop("endpoint_url")
    elif remote.type == "s3":
        options["endpoint"] = _amazon(options.get("region"))
    if "addressing_style" in options:
        options["use_path_style"] = options.pop("addressing_style") == "path"
    return options


def check_linstor(remote: Remote, where: str, mistakes: Mistakes) -> None:
    """Add a mistake for each option that keeps LINSTOR from having this remote."""
    place = f"{where}, {remote.name}"
    made_of = LINSTOR_TYPES[remote.type]
    known = [_WORDS.get(name, name) for name in (*made_of.public, *made_of.secret)]
    given: Mapping[str, Any] = linstor_options(remote)
    for key in remote.options:
        if key in _WORDS:
            word = _WORDS[key]
            mistakes.add(place, f"{key} is called {word}{_VALUES.get(word, '')} here, as in the module remote.")
        elif key not in (*known, *made_of.inventory_only, "type"):
            mistakes.add(place, f"LINSTOR has no {key} for a remote of type {remote.type}; remove it.")
    for key in made_of.inventory_required:
        if not given.get(key):
            hint = f", and {variable(key)} isn't set here" if key in _KEYS else ""
            mistakes.add(place, f"{key} is missing{hint}; LINSTOR needs it.")
    if remote.type == "s3" and not given.get("endpoint"):
        mistakes.add(place, "LINSTOR needs region or endpoint_url.")
    if remote.type == "linstor" and not (given.get("url") or given.get("peer")):
        mistakes.add(place, "set url (the other cluster's controller) or peer (its name in the inventory).")
    for key in (*_KEYS, "passphrase", "reverse_passphrase"):
        if remote.options.get(key) == "":
            mistakes.add(place, f"{key} is empty.")


def _amazon(region: Any) -> str | None:
    return f"https://s3.{region}.amazonaws.com" if region else None
