# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is restored into what: one source and target, or a list of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .arguments import Spec


def pairs(several: str) -> Spec:
    """The options; ``several`` is the one that takes a list. See :func:`either`."""
    one: Spec = {"source": {"type": "str"}, "target": {"type": "str"}}
    each = {option: dict(rules, required=True) for option, rules in one.items()}
    return {**one, several: {"type": "list", "elements": "dict", "options": each}}


def either(several: str) -> list[tuple[str, str]]:
    """For mutually_exclusive of a module that takes :func:`pairs`."""
    return [(several, "source"), (several, "target")]


#: for required_together of a module that takes :func:`pairs`
TOGETHER = [("source", "target")]


def given(params: Mapping[str, Any], several: str) -> list[dict[str, str]]:
    """The pairs that a task names."""
    found: list[dict[str, str]] | None = params[several]
    return [{"source": params["source"], "target": params["target"]}] if found is None else found
