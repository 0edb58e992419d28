# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A remote on the command line: by name, by flags, from a file, from the environment. A secret is never an argument."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

from ..common.errors import UsageError
from ..remotes.spec import LAYOUTS, S3_ONLY, SECRETS, TYPES, told_type


class _Option(NamedTuple):
    name: str
    help: str
    kind: str = "text"  # text, flag, number, secret
    choices: tuple[str, ...] | None = None


_OPTIONS = (
    _Option("layout", "whose backups lie there: ours, or LINSTOR's, which are only read", choices=LAYOUTS),
    _Option("path", "the directory, for a remote that is one"),
    _Option("bucket", "the bucket, for a remote in S3"),
    _Option("prefix", "what all keys begin with"),
    _Option("endpoint_url", "address of an S3-compatible service"),
    _Option("region", "region of the bucket"),
    _Option("access_key", "access key id", "secret"),
    _Option("secret_key", "secret access key", "secret"),
    _Option("session_token", "session token of temporary keys", "secret"),
    _Option("profile", "profile in the AWS configuration"),
    _Option("addressing_style", "where the bucket's name goes", choices=("auto", "path", "virtual")),
    _Option("ca_path", "certificate authorities to trust, a file"),
    _Option("validate_certs", "check the endpoint's certificate (default: yes)", "flag"),
    _Option("create_bucket", "create the bucket where it is missing", "flag"),
    _Option("object_lock_days", "lock each object for so many days", "number"),
    _Option("storage_class", "storage class of new objects"),
    _Option("encryption_key", "the key to encrypt with, 32 bytes in base64 or hex", "secret"),
    _Option("old_encryption_keys", "older keys to read with, one a line", "secret"),
    _Option("accept_unencrypted", "with a key, read backups made without one, too", "flag"),
    _Option("compression", "how segments are compressed", choices=("zstd", "none")),
    _Option("bandwidth_limit", "bytes a second, as in 20M"),
    _Option("append_only", "never delete anything there", "flag"),
    _Option("grace_period", "how long data of removed backups stays, as in 1d"),
)
_DEST = "definition_"
_FALSE, _TRUE = ("0", "false", "no", "off", "n", "f"), ("1", "true", "yes", "on", "y", "t")


def add_definition(parser: argparse.ArgumentParser, type_flag: str) -> None:
    """The flags a remote is defined with. ``type_flag`` is what its type is called where ``--type`` is taken."""
    group = parser.add_argument_group(
        "definition of the remote",
        "Each of these can also come from the environment, as SNAPSHIP_PATH, SNAPSHIP_BUCKET, SNAPSHIP_SECRET_KEY "
        "and so on. Secrets only come from there, from a file, or (S3 keys) from the usual AWS chain.",
    )
    group.add_argument(
        type_flag,
        dest=_DEST + "type",
        choices=TYPES,
        help="what it is; without it that follows from --bucket or --path",
    )
    for option in _OPTIONS:
        flag, dest = "--" + option.name.replace("_", "-"), _DEST + option.name
        if option.kind == "secret":
            help_text = f"file with: {option.help} (-: standard input)"
            group.add_argument(flag + "-file", dest=dest, metavar="FILE", help=help_text)
            group.add_argument(flag, action=_Refused, help=argparse.SUPPRESS)
        elif option.kind == "flag":
            group.add_argument(flag, dest=dest, action=argparse.BooleanOptionalAction, default=None, help=option.help)
        elif option.kind == "number":
            group.add_argument(flag, dest=dest, type=int, metavar="N", help=option.help)
        else:
            group.add_argument(flag, dest=dest, choices=option.choices, metavar=_metavar(option), help=option.help)
    group.add_argument("--remote-spec", metavar="FILE", help="all of it as a JSON object in a file (-: standard input)")


class _Refused(argparse.Action):
    """A secret where everybody on the machine can read it; the message doesn't repeat it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: object, values: object, option_string: str | None = None
    ) -> NoReturn:
        parser.error(f"a secret is never an argument: give {option_string}-file, or set it in the environment")


def definition(args: argparse.Namespace) -> dict[str, Any]:
    """What flags, file and environment say, in this order of precedence."""
    given = _from_file(args.remote_spec) if args.remote_spec else {}
    given.update(_from_flags(args))
    environment = _from_environment(os.environ)
    kind = told_type(given) or told_type(environment)
    foreign = {"directory": S3_ONLY, "s3": ("path",)}.get(kind or "", ())
    found = {**{key: value for key, value in environment.items() if key not in foreign}, **given}
    return found if kind is None else {**found, "type": kind}


def choice(args: argparse.Namespace) -> tuple[str | None, dict[str, Any] | None]:
    """A remote's name, or its definition."""
    if args.remote is not None:
        flags = sorted(_from_flags(args)) + (["remote_spec"] if args.remote_spec else [])
        if flags:
            raise UsageError(
                f"--remote {args.remote} is a remote that is defined already; {', '.join(flags)} can't go with it.",
                "Change the definition with `snapship remote add`, or leave --remote out.",
            )
        return args.remote, None
    spec = definition(args)
    if not spec.get("bucket") and not spec.get("path"):
        raise UsageError("a remote is needed.", "Name one with --remote, or say where it is with --path or --bucket.")
    return None, spec


def _metavar(option: _Option) -> str | None:
    return None if option.choices else option.name.rsplit("_", 1)[-1].upper()


def _from_flags(args: argparse.Namespace) -> dict[str, Any]:
    found = {}
    for name in ("type", *(option.name for option in _OPTIONS)):
        value = getattr(args, _DEST + name)
        if value is not None:
            found[name] = _secret(name, value) if name in SECRETS else value
    return found


def _secret(name: str, path: str) -> str | list[str]:
    lines = [line.strip() for line in _read(path).splitlines() if line.strip()]
    if name == "old_encryption_keys":
        return lines
    if len(lines) != 1:
        raise UsageError(f"{path}: {name} is expected on its one line, there are {len(lines)}.")
    return lines[0]


def _from_file(path: str) -> dict[str, Any]:
    try:
        value = json.loads(_read(path))
    except ValueError as error:
        # Not the text: it holds secrets.
        raise UsageError(f"{path} is no JSON: {getattr(error, 'msg', 'it is not readable as text')}.") from None
    if not isinstance(value, dict):
        raise UsageError(
            f"{path} is no JSON object.", 'Write it as {"path": "/mnt/nas/backup"}, with the options of a remote.'
        )
    return value


def _read(path: str) -> str:
    if path == "-":
        return sys.stdin.read()
    try:
        with open(path, encoding="utf-8") as source:
            return source.read()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text file.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for option in (_Option("type", ""), *_OPTIONS):
        name = f"SNAPSHIP_{option.name.upper()}"
        text = environment.get(name)
        if text:
            found[option.name] = _converted(option, name, text)
    return found


def _converted(option: _Option, name: str, text: str) -> Any:
    if option.name == "old_encryption_keys":
        return [key.strip() for key in text.split(",") if key.strip()]
    if option.kind == "flag":
        if text.lower() not in _TRUE + _FALSE:
            raise UsageError(f"{name} is {text!r}.", "Set it to yes or no.")
        return text.lower() in _TRUE
    if option.kind == "number":
        if not text.isdigit():
            raise UsageError(f"{name} is {text!r}, and no number.")
        return int(text)
    return text
