# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The remote of a command: by name, by flags, from a file, or from the environment. Secrets are never arguments."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn, TextIO

from ..common.bounded import Unreadable, read_value
from ..common.errors import UsageError
from ..common.files import check_mode
from ..remotes.registry import (
    all_options,
    foreign_options,
    secret_options,
    telling_options,
    told_type,
    type_names,
)
from ..remotes.spec import RemoteOption

_DEST = "definition_"
_LIMIT = 1 << 20  # characters of a file with a definition or a secret
_FALSE, _TRUE = ("0", "false", "no", "off", "n", "f"), ("1", "true", "yes", "on", "y", "t")


def add_definition(parser: argparse.ArgumentParser, type_flag: str) -> None:
    """Add the flags that define a remote. ``type_flag``: the flag for its type, as ``--type`` may be taken."""
    group = parser.add_argument_group(
        "definition of the remote",
        "The environment can set each of these, as SNAPSHIP_PATH, SNAPSHIP_BUCKET, SNAPSHIP_SECRET_KEY and so on. "
        "Secrets come from there, from a file, or (S3 keys) from the usual AWS chain.",
    )
    group.add_argument(
        type_flag,
        dest=_DEST + "type",
        choices=type_names(),
        help=f"type of the remote; follows from {' or '.join(map(_flag, telling_options()))}",
    )
    for option in all_options():
        flag, dest = _flag(option.name), _DEST + option.name
        if option.secret:
            help_text = f"file with: {option.help} (-: standard input)"
            group.add_argument(flag + "-file", dest=dest, metavar="FILE", help=help_text)
            group.add_argument(flag, action=_Refused, help=argparse.SUPPRESS)
        elif option.kind == "flag":
            group.add_argument(flag, dest=dest, action=argparse.BooleanOptionalAction, default=None, help=option.help)
        elif option.kind == "number":
            group.add_argument(flag, dest=dest, type=int, metavar="N", help=option.help)
        else:
            group.add_argument(
                flag, dest=dest, choices=option.choices or None, metavar=_metavar(option), help=option.help
            )
    group.add_argument("--remote-spec", metavar="FILE", help="all of it as a JSON object in a file (-: standard input)")


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


class _Refused(argparse.Action):
    """Refuses a secret where everybody on the machine can read it. The message doesn't repeat it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option_string: str | None = None
    ) -> NoReturn:
        parser.error(f"a secret is never an argument: use {option_string}-file, or the environment")


def definition(args: argparse.Namespace) -> dict[str, Any]:
    """The definition from flags, file and environment; flags win over the file, the file over the environment."""
    given = _from_file(args.remote_spec) if args.remote_spec else {}
    given.update(_from_flags(args))
    environment = _from_environment(os.environ)
    kind = told_type(given) or told_type(environment)
    foreign = foreign_options(kind)
    found = {**{key: value for key, value in environment.items() if key not in foreign}, **given}
    return found if kind is None else {**found, "type": kind}


def choice(args: argparse.Namespace) -> tuple[str | None, dict[str, Any] | None]:
    """A remote's name, or its definition."""
    if args.remote is not None:
        flags = sorted(_from_flags(args)) + (["remote_spec"] if args.remote_spec else [])
        if flags:
            raise UsageError(
                f"--remote {args.remote} names a defined remote, but {', '.join(flags)} is set, too.",
                "Change the definition with `snapship remote add`, or leave --remote out.",
            )
        return args.remote, None
    spec = definition(args)
    if not any(spec.get(option) for option in telling_options()):
        places = " or ".join(map(_flag, telling_options()))
        raise UsageError("no remote is given.", f"Name one with --remote, or define one with {places}.")
    return None, spec


def _metavar(option: RemoteOption) -> str | None:
    return None if option.choices else option.name.rsplit("_", 1)[-1].upper()


def _from_flags(args: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for option in (RemoteOption("type", ""), *all_options()):
        value = getattr(args, _DEST + option.name)
        if value is not None:
            found[option.name] = _secret(option.name, value, option.kind == "secrets") if option.secret else value
    return found


def _secret(name: str, path: str, several: bool) -> str | list[str]:
    lines = [line.strip() for line in _read(path, secret=True).splitlines() if line.strip()]
    if several:
        return lines
    if len(lines) != 1:
        raise UsageError(f"{path}: {name} must be its only line; the file has {len(lines)}.")
    return lines[0]


def _from_file(path: str) -> dict[str, Any]:
    try:
        value = read_value(_read(path).encode("utf-8", "surrogateescape"), _LIMIT, floats=True)
    except Unreadable as error:
        raise UsageError(f"{path}: {error}.") from None  # the reason quotes none of its secrets
    if not isinstance(value, dict):
        raise UsageError(
            f"{path} isn't a JSON object.", 'Write it as {"path": "/mnt/nas/backup"}, with the options of a remote.'
        )
    if path != "-" and any(value.get(name) for name in secret_options()):
        check_mode(path, os.stat(path).st_mode, secret=True)
    return value


def _read(path: str, secret: bool = False) -> str:
    try:
        if path == "-":
            return _bounded(path, sys.stdin)
        with open(path, encoding="utf-8") as source:  # a pipe is good, too: --access-key-file <(...)
            check_mode(path, os.fstat(source.fileno()).st_mode, secret)
            return _bounded(path, source)
    except UnicodeDecodeError:
        raise UsageError(f"{path} isn't a text file.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None


def _bounded(path: str, source: TextIO) -> str:
    text = source.read(_LIMIT + 1)
    if len(text) > _LIMIT:
        raise UsageError(f"{path} has more than {_LIMIT} characters.", "Name the file with the definition or secret.")
    return text


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in (RemoteOption("type", ""), *all_options()):
        name = f"SNAPSHIP_{option.name.upper()}"
        text = environment.get(name)
        if text:
            found[option.name] = _converted(option, name, text)
    return found


def _converted(option: RemoteOption, name: str, text: str) -> Any:
    if option.kind == "secrets":
        return [key.strip() for key in text.split(",") if key.strip()]
    if option.kind == "flag":
        if text.lower() not in _TRUE + _FALSE:
            raise UsageError(f"{name} is {text!r}.", "Set it to yes or no.")
        return text.lower() in _TRUE
    if option.kind == "number":
        if not text.isdecimal() or len(text) > 9:
            raise UsageError(f"{name} is {text!r}.", "Set it to a number.")
        return int(text)
    return text
