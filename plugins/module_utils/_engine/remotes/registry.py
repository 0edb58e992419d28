# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The one list of types of remotes, and definitions read by it. Whatever offers, checks or names a type asks here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..common.errors import UsageError
from ..common.units import parse_duration, parse_size
from .directory.type import DIRECTORY
from .s3.type import S3
from .spec import COMMON, RemoteOption, RemoteSpec, RemoteType
from .store import ObjectStore

#: By name. A new type joins this tuple; tests/unit/remotes/test_registry.py lists the documents.
REMOTE_TYPES: dict[str, RemoteType] = {each.name: each for each in (S3, DIRECTORY)}

_MOST = 36500  # the largest number of an option; there are only days
_FLAGS = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
_WORDS = {"flag": "true or false", "number": "a number", "secrets": "a list of texts"}


_ASSIGNED = re.compile(r"(key|token|keys)['\"]?\s*[=:]")  # as every secret option ends


def type_names() -> list[str]:
    """The choices of an option ``type``."""
    return list(REMOTE_TYPES)


def type_of(spec: RemoteSpec) -> RemoteType:
    """The type of a remote."""
    return REMOTE_TYPES[spec.type]


def all_options() -> tuple[RemoteOption, ...]:
    """All options of all types but ``type``, each once."""
    own = {option.name: option for each in REMOTE_TYPES.values() for option in each.options}
    return (COMMON[0], *own.values(), *COMMON[1:])


def foreign_options(kind: str | None) -> frozenset[str]:
    """Options that only other types have; none where the type isn't known."""
    if kind not in REMOTE_TYPES:
        return frozenset()
    own = {option.name for option in (*COMMON, *REMOTE_TYPES[kind].options)}
    return frozenset(option.name for option in all_options() if option.name not in own)


def secret_options() -> tuple[str, ...]:
    """The names of options whose values are never shown."""
    return tuple(option.name for option in all_options() if option.secret)


def is_definition(text: str) -> bool:
    """Whether a text where a name is wanted is a whole definition, which may hold secrets: ``{'path': ...}``."""
    return text.lstrip()[:1] in ("{", "[") or bool(_ASSIGNED.search(text))


def refuse_definition(name: str) -> None:
    """Raises UsageError, which doesn't quote it, for a definition in the place of a name."""
    if is_definition(name):
        raise UsageError(
            "the name of a remote is wanted, and a whole definition was given.",
            "Give the definition as remote_spec, or define the remote first and give its name.",
        )


def told_type(options: Mapping[str, Any]) -> str | None:
    """The type that these options state or imply; ``None`` where that isn't clear."""
    given: str | None = options.get("type")
    if given:
        return given
    fitting = [each.name for each in REMOTE_TYPES.values() if options.get(each.telling)]
    return fitting[0] if len(fitting) == 1 else None


def telling_options() -> list[str]:
    """The options that say where a remote is, one of each type."""
    return [each.telling for each in REMOTE_TYPES.values()]


def parse_remote(name: str, given: Mapping[str, Any]) -> RemoteSpec:
    """The definition from a user's words; options that are ``None`` count as not given.

    Raises UsageError naming the option that is wrong, missing or doesn't go with the type.
    """
    refuse_definition(str(name))
    values = {key: value for key, value in given.items() if value is not None and key != "name"}
    known = {"type": RemoteOption("type", ""), **{option.name: option for option in all_options()}}
    strange = sorted((key for key in values if key not in known), key=str)
    if strange:
        strange = [str(key)[:40] for key in strange]
        raise UsageError(
            f"remote {name!r}: unknown option{'s' * (len(strange) > 1)} {', '.join(strange)}.",
            f"The options are {', '.join(sorted(known))}.",
        )
    if not isinstance(name, str) or not name:
        raise UsageError("the name of a remote is missing.", "Set name.")
    values = {key: _typed(name, known[key], value) for key, value in values.items()}
    kind = _kind(name, values)
    empty = [key for key in secret_options() if values.get(key) == ""]
    if empty:  # a variable that came out empty must not switch encryption off
        raise UsageError(f"remote {name!r}: {', '.join(empty)} is empty.", "Set a value, or leave the option out.")
    _refuse_foreign(name, kind, values, known)
    options = {option.name: values.pop(option.name, option.default) for option in kind.options}
    for key, value in {**values, **options}.items():
        _check_value(name, known[key], value)
    kind.check(name, options)
    for option in COMMON:
        if option.name in values and option.kind in ("size", "duration"):
            parse = parse_size if option.kind == "size" else parse_duration
            values[option.name] = parse(values[option.name], f"remote {name!r}: {option.name}")
    values["old_encryption_keys"] = list(values.get("old_encryption_keys") or [])
    values.pop("type", None)
    return RemoteSpec(name=name, type=kind.name, options=options, **values)


def _kind(name: str, values: Mapping[str, Any]) -> RemoteType:
    given = values.get("type")
    if given is not None:
        if given not in REMOTE_TYPES:
            raise UsageError(
                f"remote {name!r}: type{_quoted(given)} is unknown.", f"Set one of {', '.join(type_names())}."
            )
        return REMOTE_TYPES[given]
    fitting = [each for each in REMOTE_TYPES.values() if values.get(each.telling)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        several = " and ".join(each.telling for each in fitting)
        raise UsageError(f"remote {name!r}: {several} are both set.", "Set one of them: it tells the type.")
    places = " or ".join(f"{each.telling} ({each.title})" for each in REMOTE_TYPES.values())
    raise UsageError(f"remote {name!r}: its place is missing.", f"Set {places}.")


def _refuse_foreign(name: str, kind: RemoteType, values: dict[str, Any], known: Mapping[str, RemoteOption]) -> None:
    """Drop defaults of other types' options, which modules and stored definitions have; refuse other values."""
    odd = []
    for key in sorted(foreign_options(kind.name) & set(values)):
        value = values.pop(key)
        if value and value != known[key].default:
            odd.append(key)
    for each in REMOTE_TYPES.values():
        theirs = [option.name for option in each.options if option.name in odd]
        if theirs:
            raise UsageError(
                f"remote {name!r}: {', '.join(theirs)} {'is' if len(theirs) == 1 else 'are'} for type {each.name}; "
                f"the type here is {kind.name}.",
                f"Type {kind.name} takes {', '.join(option.name for option in kind.options)}.",
            )


def _check_value(name: str, option: RemoteOption, value: Any) -> None:
    if option.choices and value not in option.choices:
        raise UsageError(
            f"remote {name!r}: {option.name}{_quoted(value)} is unknown.", f"Set one of {', '.join(option.choices)}."
        )
    if option.kind == "id" and not re.fullmatch(r"[0-9a-f]{32}", str(value)):
        raise UsageError(
            f"remote {name!r}: {option.name} isn't 32 hex digits.", "Copy it from the message that told it."
        )
    if option.kind == "number" and not 0 <= int(value) <= _MOST:
        cure = "Set 0 or more." if int(value) < 0 else f"Set at most {_MOST}."
        raise UsageError(f"remote {name!r}: {option.name} is {value}.", cure)


def _quoted(value: Any) -> str:
    """A wrong value in a message, after a space; nothing of what may be a secret under the wrong option."""
    text = str(value)
    return f" {text!r}" if len(text) <= 16 else ""


def _typed(name: str, option: RemoteOption, value: Any) -> Any:
    """The value of an option in its type, which its words can be taken for. The error never shows it: a secret?"""
    kind = option.kind
    if isinstance(value, int) and not isinstance(value, bool) and kind not in ("flag", "secrets"):
        return value if kind in ("number", "size", "duration") else str(value)
    if kind == "flag" and isinstance(value, str) and value.lower() in _FLAGS:
        return _FLAGS[value.lower()]
    if kind == "number" and isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    if kind == "secrets":
        good = isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value)
    elif kind in ("flag", "number"):
        good = kind == "flag" and isinstance(value, bool)
    else:
        good = isinstance(value, str) and "\0" not in value or kind == "duration" and isinstance(value, float)
    if not good:
        raise UsageError(f"remote {name!r}: {option.name} isn't {_WORDS.get(kind, 'a text')}.", "Correct the option.")
    return value


def public(spec: RemoteSpec) -> dict[str, Any]:
    """All options of all types in one level, for results: secrets replaced by whether they are set."""
    shown = {option.name: _unset(option) for option in all_options()}
    shown.update(spec.to_json())
    return {name: bool(value) if name in secret_options() else value for name, value in shown.items()}


def _unset(option: RemoteOption) -> Any:
    """An option of another type, as results show it."""
    return "" if option.name == "prefix" else option.default


def place_in_words(location: str) -> str:
    """A store's location as people say it."""
    kind = REMOTE_TYPES.get(location.partition("|")[0])
    return kind.place(location) if kind else location


def open_store(spec: RemoteSpec, as_of: float | None = None) -> ObjectStore:
    """The store of a remote, now or as it was at a time of its own clock; nothing is asked of it yet.

    Raises RemoteError as the type's ``open``, UsageError for ``as_of`` where a type keeps no versions.
    """
    kind = type_of(spec)
    if as_of is None:
        return kind.open(spec)
    if kind.open_as_of is None:
        raise UsageError(
            f"remote {spec.name!r} is {kind.title}, which keeps no versions: as_of can't show what it was.",
            "Leave as_of out. If the storage below has snapshots of its own, read from one of these.",
            code="no_versions",
        )
    return kind.open_as_of(spec, as_of)
