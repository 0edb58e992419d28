# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What describes remotes: an option, a type of remote, and the definition of one remote."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from .store import ObjectStore


class RemoteOption(NamedTuple):
    """One option of a definition. Modules, command line, environment and inventory checks derive from it.

    ``kind``: ``text``, ``path``, ``flag``, ``number`` (0 or more), ``size`` (bytes), ``duration`` (seconds), ``secret``
    ``secrets`` (a list) or ``id`` (32 hex digits). ``default`` is as users write it. ``help`` is for the command line.
    """

    name: str
    help: str
    kind: str = "text"
    choices: tuple[str, ...] = ()
    default: Any = None

    @property
    def secret(self) -> bool:
        return self.kind in ("secret", "secrets")


#: the options that every type of remote has, besides ``type``
COMMON = (
    RemoteOption("layout", "who writes the backups there", "text", ("snapship", "linstor"), "snapship"),
    RemoteOption("encryption_key", "the key to encrypt with, 32 bytes in base64 or hex", "secret"),
    RemoteOption("old_encryption_keys", "older keys to decrypt with, one a line", "secrets"),
    RemoteOption("accept_unencrypted", "with a key, also read backups made without one", "flag", default=False),
    RemoteOption("compression", "compression of segments", "text", ("zstd", "none"), "zstd"),
    RemoteOption("bandwidth_limit", "bytes a second, as 20M", "size"),
    RemoteOption("append_only", "never delete anything there", "flag", default=False),
    RemoteOption("repository_id", "id of the repository that must be there, 32 hex digits", "id"),
    RemoteOption("grace_period", "how long the data of deleted backups stays, as 1d", "duration", default="1d"),
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class RemoteSpec:
    """The definition of one remote. ``options`` are those of its type; defaults are filled in."""

    name: str
    type: str
    options: Mapping[str, Any] = dataclasses.field(repr=False)
    layout: str = "snapship"
    encryption_key: str | None = dataclasses.field(default=None, repr=False)
    old_encryption_keys: list[str] = dataclasses.field(default_factory=list, repr=False)
    accept_unencrypted: bool = False
    compression: str = "zstd"
    bandwidth_limit: int = 0  # bytes a second; 0: none
    append_only: bool = False
    repository_id: str | None = None  # the repository that must be there; None: the one that the host noted
    grace_period: float = 86400.0  # seconds

    @property
    def read_only(self) -> bool:
        """Whether another program wrote the backups there, so that they are only read."""
        return self.layout != "snapship"

    def to_json(self) -> dict[str, Any]:
        """All of it in one level, secrets too, for the 0600 file."""
        fields = {name: value for name, value in dataclasses.asdict(self).items() if name != "options"}
        return {**fields, **self.options}


@dataclasses.dataclass(frozen=True)
class RemoteType:
    """A type of remote: everything about it that others need to know.

    ``title`` names one of them in a sentence. ``options`` are its own; ``telling`` is the option that tells this type
    where ``type`` isn't set. ``credentials`` are options that playbooks take from the controller's environment, unless
    one of them or of ``other_credentials`` is set. ``use`` is its role in an inventory.
    """

    name: str
    title: str
    options: tuple[RemoteOption, ...]
    telling: str
    check: Callable[[str, dict[str, Any]], None]  # name and values; normalises them, raises UsageError
    open: Callable[[RemoteSpec], ObjectStore]  # raises RemoteError
    creates: Callable[[RemoteSpec, bool], bool]  # whether to create a missing place; true: the definition is inline
    place: Callable[[str], str]  # a store's location, in words
    open_as_of: Callable[[RemoteSpec, float], ObjectStore] | None = None  # as it was then; None: it keeps no versions
    local: bool = False  # whether asking if the place exists needs no request
    credentials: tuple[str, ...] = ()
    other_credentials: tuple[str, ...] = ()
    use: str = "backup"
