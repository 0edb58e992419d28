# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The definition of a remote from a module's parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._engine.remotes.registry import foreign_options, told_type
from .arguments import definition, variable


def remote_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a remote among ``params`` that are set.

    The task decides the type. Values from the environment that belong to another type are left out: a SNAPSHIP_BUCKET
    that is exported for other tasks isn't a mistake in the definition of a directory.

    ``params`` are a module's parameters, or the dictionary of its option ``remote_spec``.
    """
    options = {key: params[key] for key in definition() if params.get(key) is not None}
    said = {key: value for key, value in options.items() if os.environ.get(variable(key)) != str(value)}
    kind = told_type(said) or told_type(options)
    foreign = foreign_options(kind)
    found = {key: value for key, value in options.items() if key in said or key not in foreign}
    return found if kind is None else {**found, "type": kind}


def remote_spec(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The inline definition of a task, or ``None`` if it names a remote.

    A key that isn't set is left out, so that the engine's defaults apply.
    """
    given = params.get("remote_spec")
    return None if given is None else remote_options(given)
