# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""This host's configuration and state: defined remotes, the machine's identity, its origin, locks and notes.

Below the configuration directory: ``remotes/`` (one 0600 file for each remote), ``origin``, ``host`` (a random id of
this directory) and ``state/`` (locks, running shipments, restores). Nothing is written before it is needed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
import tempfile
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Callable, cast

from ..common.errors import ConfigError, UnknownError, UsageError
from ..common.files import (
    check_mode,
    damaged,
    private_folder,
    read_json,
    read_note,
    read_private,
    read_record,
    sync_folder,
    write_json,
    write_private,
    writing,
)
from ..common.keys import decode, encode, is_id
from ..common.range_locks import Lock, locked_ranges
from ..common.units import is_time
from ..remotes.registry import parse_remote, refuse_definition, secret_options
from ..remotes.spec import RemoteSpec
from . import machine

Progress = Callable[[str, int, int], None]
Wanted = tuple[str, tuple[str, ...]]  # what is locked, for the message when it is busy; and its identity


def default_config_dir() -> str:
    """``/etc/snapship`` for root, else below ``$XDG_CONFIG_HOME``."""
    if os.geteuid() == 0:
        return "/etc/snapship"
    return os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "snapship")


_LINE = 4096  # bytes of a file that holds one name
_SPARE = 1 << 30  # bytes that spools leave free on a file system, or a twentieth of a small one
VERIFIED_KEPT = 200  # so many backups of a volume have notes of verifications


class Host:
    """Reads lazily. Only methods whose description says so write."""

    def __init__(self, config_dir: str | None = None, progress: Progress | None = None) -> None:
        """``progress`` is called with volume, bytes done and bytes in all, from any thread."""
        self.config_dir = os.path.abspath(os.path.expanduser(config_dir or default_config_dir()))
        self.progress: Progress = progress or (lambda volume, done, total: None)

    def _path(self, *parts: str) -> str:
        return os.path.join(self.config_dir, *parts)

    # --- who this is

    @property
    def machine_id(self) -> str:
        """A stable id of this machine: a hash of /etc/machine-id, or the id of this configuration."""
        for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
            with contextlib.suppress(OSError, UnicodeError):
                with open(path, encoding="ascii") as source:
                    text = source.read(_LINE).strip()
                if text and text != "uninitialized":
                    return hashlib.sha256(b"snapship machine " + text.encode()).hexdigest()[:32]
        found = self._binding()
        return found.instance if found else "unknown"

    def _binding(self) -> machine.Binding | None:
        text = self._read_line("host")
        return machine.parse(text) if text else None

    def _read_line(self, name: str) -> str | None:
        data = read_private(self._path(name), _LINE) or b""
        return data.decode("utf-8", "surrogateescape").rstrip("\n") or None

    def instance(self) -> str:
        """Random id of this configuration directory on this machine, made at first use (writes).

        Where the directory was copied from another machine, a new one is made, and journals of shipments are dropped
        unread: they are that machine's.
        """
        found = self._binding()
        if found is not None and found.elsewhere():
            write_private(self._path("copied"), (self.copied_from() or "unknown").encode() + b"\n")
            self._drop_shipments()
            found = None
        if found is None:
            found = machine.Binding(secrets.token_hex(16), None, {})
            write_private(self._path("host"), found.text())  # machine_id may be this one
        if not found.facts and machine.facts(found.instance):  # new, or of a run that was killed here
            found = machine.bind(found.instance, self.machine_id)
            write_private(self._path("host"), found.text())
        return found.instance

    def _drop_shipments(self) -> None:
        folder = self._path("state", "shipments")
        with writing(folder), contextlib.suppress(FileNotFoundError):
            for name in os.listdir(folder):
                os.unlink(os.path.join(folder, name))
            sync_folder(folder)

    def copied_from(self) -> str | None:
        """The id of the machine that this directory was copied from, until an origin was kept since (reads only)."""
        found = self._binding()
        if found is not None and found.elsewhere():
            return self._read_line("copied") or found.machine or "unknown"
        return self._read_line("copied")

    def kept_origin(self) -> str | None:
        """The origin that was kept at first use."""
        return self._read_line("origin")

    def origin(self, given: str | None = None) -> str:
        """The name under which volumes appear on remotes: given, or kept at first use, or the host name."""
        return given or self._read_line("origin") or socket.gethostname()

    def keep_origin(self, origin: str) -> None:
        """Keep the origin at its first use, and where the directory was copied from another machine (writes)."""
        copied = self.copied_from() is not None
        if copied or self._read_line("origin") is None:
            write_private(self._path("origin"), origin.encode("utf-8", "surrogateescape") + b"\n")
        if copied:
            with writing(self._path("copied")), contextlib.suppress(FileNotFoundError):
                os.unlink(self._path("copied"))

    # --- remotes

    def _remote_path(self, name: str) -> str:
        refuse_definition(name)
        return self._path("remotes", encode(name) + ".json")

    def remote_names(self) -> list[str]:
        """Names of the remotes defined here, sorted."""
        names = []
        for entry in self._defined():
            name = None
            with contextlib.suppress(ConfigError):  # the remote of that name says what is wrong with it
                name = read_note(self._path("remotes", entry)).get("name")
            names.append(name if name and isinstance(name, str) else decode(entry[:-5]) or entry[:-5])
        return sorted(names)

    def _defined(self) -> list[str]:
        """The files of remotes."""
        folder = self._path("remotes")
        try:
            return [entry for entry in os.listdir(folder) if entry.endswith(".json")]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ConfigError(f"{folder} can't be read: {error.strerror}.", "Give this user read access.") from error

    def find_remote(self, name: str) -> RemoteSpec | None:
        """The remote of this name, if it is defined on this host."""
        path = self._remote_path(name)
        stored = read_record(path)
        if stored is None:
            return None
        check_mode(path, os.stat(path).st_mode, any(stored.get(option) for option in secret_options()))
        return parse_remote(name, stored)

    def remote(self, name: str | None, spec: Mapping[str, Any] | None = None) -> RemoteSpec:
        """The remote of this name, or the one defined inline. Raises UnknownError with the directory searched."""
        if spec is not None:
            if name is not None:
                raise UsageError("remote and remote_spec are both given.", "Set one of them.")
            return parse_remote(str(spec.get("name") or "inline"), spec)
        if not name:
            raise UsageError("no remote is given.", "Set remote (a name) or remote_spec (a definition).")
        found = self.find_remote(name)
        if found is None:
            names = ", ".join(self.remote_names()) or "none"
            raise UnknownError(
                f"remote {name!r} isn't defined in {self._path('remotes')} (defined: {names}).",
                "Define it with the remote module or `snapship remote add`, or set remote_spec.",
                code="unknown_remote",
            )
        return found

    def save_remote(self, spec: RemoteSpec) -> None:
        """Save a definition (writes; 0600)."""
        write_json(self._remote_path(spec.name), spec.to_json())

    def forget_remote(self, name: str) -> None:
        """Remove a definition (writes)."""
        path = self._remote_path(name)
        with writing(path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            sync_folder(self._path("remotes"))

    def capabilities(self, name: str) -> dict[str, Any] | None:
        """The capabilities of a remote, found when it was defined; ``None`` where they aren't known."""
        return read_note(self._path("state", "capabilities", encode(name) + ".json")) or None

    def remember_capabilities(self, name: str, found: dict[str, Any] | None) -> None:
        """Save the capabilities of a remote (writes)."""
        write_json(self._path("state", "capabilities", encode(name) + ".json"), found)

    def repository(self, location: str) -> str | None:
        """The id of the repository that this host knows at a store's location."""
        return self._noted(self._path("state", "repositories", _hash(location) + ".json"))

    def note_repository(self, location: str, repository: str) -> None:
        """Note the id of the repository at a store's location (writes)."""
        path = self._path("state", "repositories", _hash(location) + ".json")
        write_json(path, {"location": location, "id": repository})

    def _newest_path(self, location: str, repository: str, origin: str, volume: str) -> str:
        """Where the newest backup is noted that this host committed: a folder for each repository, a file a volume."""
        return self._path("state", "newest", _hash(location, repository), _hash(origin, volume) + ".json")

    def newest(self, location: str, repository: str, origin: str, volume: str) -> str | None:
        """The id of the newest backup of a volume that this host committed to a repository."""
        path = self._newest_path(location, repository, origin, volume)
        found = self._noted(path)
        if found is not None and not is_id(found):
            raise damaged(path, "the id in it isn't that of a backup")
        return found

    @staticmethod
    def _noted(path: str) -> str | None:
        """The id in a note. Raises ConfigError where it can't be read: no note would mean that anything is right."""
        found = read_record(path)
        if found is not None and not isinstance(found.get("id"), (str, type(None))):
            raise damaged(path, "the id in it isn't a text")
        return found.get("id") if found else None

    def note_newest(self, location: str, repository: str, origin: str, volume: str, backup_id: str | None) -> None:
        """Note the newest backup of a volume, or that it was removed (writes)."""
        path = self._newest_path(location, repository, origin, volume)
        write_json(path, {"location": location, "origin": origin, "volume": volume, "id": backup_id})

    # --- state

    def lock(self, what: str, timeout: float, *identity: str) -> contextlib.AbstractContextManager[None]:
        """A lock on one thing (writes a lock file)."""
        return self.locks([(what, identity)], timeout)

    def locks(self, wanted: Iterable[Wanted], timeout: float) -> contextlib.AbstractContextManager[None]:
        """Locks on several things, with one descriptor for all (writes a lock file). ``timeout`` (seconds) holds for
        each. Raises BusyError about the one that is busy."""
        locks = [Lock(what, "\0".join(identity)) for what, identity in wanted]
        return locked_ranges(self._path("state", "lock"), timeout, locks)

    def shipment_path(self, location: str, origin: str, volume: str) -> str:
        """Where the journal of an unfinished shipment is kept."""
        return self._path("state", "shipments", _hash(location, origin, volume))

    def spool(self) -> BinaryIO:
        """A new file without a name for large things while a run lasts (writes): closing it removes it."""
        folder = self._path("state", "spools")
        with writing(folder):
            private_folder(folder)
            return cast(BinaryIO, tempfile.TemporaryFile(dir=folder, buffering=0))  # the caller closes it

    def spooled(self, spool: BinaryIO, data: bytes | bytearray | memoryview) -> None:
        """Append to such a file (writes). Raises ConfigError where that would fill the file system."""
        there = os.fstatvfs(spool.fileno())
        if there.f_bavail * there.f_frsize < len(data) + min(_SPARE, there.f_blocks * there.f_frsize // 20):
            raise ConfigError(
                f"the index of this backup is too large for the file system of {self._path('state', 'spools')}.",
                "Free some space there, or use a configuration directory (config_dir) on a larger file system.",
                code="no_space",
            )
        rest = memoryview(data)
        with writing(self._path("state", "spools")):
            while rest:
                rest = rest[spool.write(rest) :]

    def note_held(self, location: str, holder: str, provider: str, volume: str) -> None:
        """Note that a snapshot of this volume is held for a remote (writes)."""
        entry = [location, holder, provider, volume]
        if entry in self._held():
            return
        with self.lock("the list of held snapshots", 60.0, "held"):
            write_json(self._path("state", "held.json"), [*self._held(), entry])

    def held(self, location: str) -> list[list[str]]:
        """``[holder, provider, volume]`` of all snapshots held for a remote."""
        return [each[1:] for each in self._held() if each[0] == location]

    def _held(self) -> list[list[str]]:
        path = self._path("state", "held.json")
        found = read_json(path)
        if found is None:
            return []
        lists = isinstance(found, list) and all(isinstance(each, list) and len(each) == 4 for each in found)
        if not lists or not all(isinstance(part, str) for each in found for part in each):
            raise damaged(path, "it isn't a list of held snapshots")
        return list(found)

    def forget_held(self, location: str) -> None:
        """Remove the notes of snapshots held for a remote (writes)."""
        with self.lock("the list of held snapshots", 60.0, "held"):
            write_json(self._path("state", "held.json"), [each for each in self._held() if each[0] != location])

    def verified(self, location: str, origin: str, volume: str) -> dict[str, dict[str, float]]:
        """When this host verified backups of a volume: by id and mode, seconds since the epoch."""
        path = self._path("state", "verified", _hash(location, origin, volume) + ".json")
        found: dict[str, dict[str, float]] = {}
        for backup_id, modes in read_note(path).items():
            if isinstance(modes, dict):
                found[backup_id] = {mode: when for mode, when in modes.items() if is_time(when)}
        return found

    def note_verified(self, location: str, origin: str, volume: str, backup_id: str, mode: str, when: float) -> None:
        """Note a verification (writes); notes of the newest backups are kept."""
        found = self.verified(location, origin, volume)
        found.setdefault(backup_id, {})[mode] = when
        kept = dict(sorted(found.items())[-VERIFIED_KEPT:])
        write_json(self._path("state", "verified", _hash(location, origin, volume) + ".json"), kept)

    def found_whole(self, location: str, origin: str, volume: str) -> tuple[str, float] | None:
        """Up to which backup a volume's chain was found with all its objects, and when (seconds since the epoch)."""
        found = read_note(self._path("state", "whole", _hash(location, origin, volume) + ".json"))
        backup_id, when = found.get("id"), found.get("at")
        if not isinstance(backup_id, str) or not isinstance(when, (int, float)) or not is_time(when):
            return None
        return backup_id, float(when)

    def note_whole(self, location: str, origin: str, volume: str, backup_id: str, when: float) -> None:
        """Note that a chain was found with all its objects (writes)."""
        value = {"id": backup_id, "at": when}
        write_json(self._path("state", "whole", _hash(location, origin, volume) + ".json"), value)

    def provenance(self, target: str) -> dict[str, Any]:
        """The stamp of the last restore to a target."""
        path = self._path("state", "restored", _hash(target) + ".json")
        found = read_record(path)
        if found is None:
            return {}
        texts = (found.get("id"), found.get("state_id"))
        if not isinstance(found.get("witness"), dict) or not all(isinstance(text, str) for text in texts):
            raise damaged(path, f"it isn't the stamp of a restore to {target}")
        return found

    def stamp(self, target: str, value: dict[str, Any]) -> None:
        """Save the stamp of a restore to a target (writes)."""
        write_json(self._path("state", "restored", _hash(target) + ".json"), value)


def _hash(*identity: str) -> str:
    text = "\0".join(identity).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()[:40]
