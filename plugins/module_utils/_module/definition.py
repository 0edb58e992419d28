# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A remote's definition from a module's parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from .._engine.remotes.spec import told_type
from .arguments import definition, directory_only, s3_only, variable


def remote_options(params: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a remote among ``params``, those that are set.

    What the task says decides what kind it is, and the environment's values for another kind are left out: a
    SNAPSHIP_BUCKET that is exported for other tasks is no mistake in the definition of a directory.
    """
    options = {key: params[key] for key in definition() if params.get(key) is not None}
    said = {key: value for key, value in options.items() if os.environ.get(variable(key)) != str(value)}
    kind = told_type(said) or told_type(options)
    foreign = {"directory": s3_only(), "s3": directory_only()}.get(kind or "", {})
    found = {key: value for key, value in options.items() if key in said or key not in foreign}
    return found if kind is None else {**found, "type": kind}


def remote_spec(params: Mapping[str, Any]) -> dict[str, Any] | None:
    """The inline definition, or ``None`` where the remote is given by its name."""
    given = params.get("remote_spec")
    return None if given is None else remote_options(given)
