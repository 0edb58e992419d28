# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Argument specs in parts, which modules put together. Their documentation is in plugins/doc_fragments."""

from __future__ import annotations

import os
from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound

from .._engine.remotes.registry import all_options, type_names
from .._engine.remotes.spec import RemoteOption
from .._engine.volumes.registry import provider_names

Spec = dict[str, dict[str, Any]]


def variable(option: str) -> str:
    """The environment variable that stands in for an option that isn't given."""
    return f"SNAPSHIP_{option.upper()}"


def from_environment(name: str) -> str:
    """The value of a variable; one that is empty counts as not set, as playbooks pass on what may not be there."""
    value = os.environ.get(name)
    if not value:
        raise AnsibleFallbackNotFound
    return value


def merge(*parts: Spec) -> Spec:
    """One spec of several; an option that two of them have is a mistake of ours."""
    merged: Spec = {}
    for part in parts:
        twice = sorted(set(merged) & set(part))
        if twice:
            raise AssertionError(f"options given twice: {', '.join(twice)}")
        merged.update(part)
    return merged


def _with_environment(spec: Spec) -> Spec:
    return {option: dict(rules, fallback=(from_environment, [variable(option)])) for option, rules in spec.items()}


def config_dir() -> Spec:
    """Where this host keeps remotes and its identity."""
    return _with_environment({"config_dir": {"type": "path"}})


_KINDS: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "flag": {"type": "bool"},
    "number": {"type": "int"},
    "secret": {"type": "str", "no_log": True},
    "secrets": {"type": "list", "elements": "str", "no_log": True},
}


def _rules(option: RemoteOption) -> dict[str, Any]:
    """An option of a remote as an argument spec has it."""
    rules = dict(_KINDS.get(option.kind, {"type": "str"}))
    if option.choices:
        rules["choices"] = list(option.choices)
    if option.default is not None:
        rules["default"] = option.default
    return rules


def definition() -> Spec:
    """What a remote is made of; each option has an environment variable to fall back on."""
    kind: Spec = {"type": {"type": "str", "choices": type_names()}}
    return _with_environment(merge(kind, {option.name: _rules(option) for option in all_options()}))


def remote() -> Spec:
    """A remote by name or inline, and the name under which volumes appear on it; see :data:`ONE_REMOTE`."""
    return {
        "remote": {"type": "str"},
        "remote_spec": {"type": "dict", "options": definition()},
        "origin": {"type": "str"},
    }


def as_of() -> Spec:
    """The time at which a remote is looked at, where that isn't now."""
    return {"as_of": {"type": "str"}}


#: for mutually_exclusive and required_one_of of a module that takes :func:`remote`
ONE_REMOTE = [("remote", "remote_spec")]


def volumes(required: bool = False) -> Spec:
    """Volumes as they were written: ``raw``, as ``list`` would split a name with a comma in it."""
    return {"volumes": {"type": "raw", "required": required}}


def provider() -> Spec:
    """What keeps the volumes."""
    return {"provider": {"type": "str", "choices": provider_names()}}


def point_in_time() -> Spec:
    """How a snapshot is taken: alone or as a group, and what runs around it."""
    return {
        "consistent": {"type": "bool", "default": False},
        "recursive": {"type": "bool", "default": False},
        "quiesce": {"type": "str", "choices": ["none", "fsfreeze"], "default": "none"},
        "pre_command": {"type": "raw"},
        "post_command": {"type": "raw"},
        "hook_timeout": {"type": "str", "default": "60s"},
    }


def backup() -> Spec:
    """A backup that is to be there, or one that is to go; see :func:`backup_needs`."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "max_age": {"type": "str"},
        "snapshot": {"type": "str"},
        "type": {"type": "str", "choices": ["auto", "full", "incremental"], "default": "auto"},
        "full_every": {"type": "str"},
        "id": {"type": "str"},
        "cascade": {"type": "bool", "default": False},
    }


#: for mutually_exclusive of a module that takes :func:`backup`
ONE_BACKUP = [("max_age", "snapshot"), ("max_age", "id"), ("snapshot", "id")]


def backup_needs(volumes: str) -> list[tuple[Any, ...]]:
    """For required_if of a module that takes :func:`backup`, with the option that names what is backed up."""
    return [
        ("state", "present", (volumes,)),
        ("state", "present", ("max_age", "snapshot"), True),
        ("state", "absent", ("id",)),
    ]


def retention(*options: str) -> Spec:
    """Rules of what is to stay, in each of these options."""
    counts = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    rules: Spec = {**{name: {"type": "int"} for name in counts}, "within": {"type": "str"}}
    return {option: {"type": "dict", "options": rules} for option in options}


def parallel() -> Spec:
    """How many workers share the work."""
    return {"parallel": {"type": "int", "default": 4}}


def lock_timeout() -> Spec:
    """How long to wait for another run on the same volume."""
    return {"lock_timeout": {"type": "str", "default": "1h"}}
