# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The command line's flags. They are named as the options of the modules."""

from __future__ import annotations

import argparse
from typing import Any, Callable, NamedTuple

from ..repository.version import VERSION
from ..volumes.registry import provider_names
from . import commands
from .columns import BACKUPS, LISTED, REMOTES, REMOVED, RESTORED, SNAPSHOTS, VERIFIED, Table
from .remote_options import add_definition

_POOL_HIGH = "remove base snapshots, oldest first, when the pool is fuller than this; 100: never (80)"
_CHECK_EVERY = "check the whole chain's objects on the remote if the last check is older than this; 0s: always (1d)"
_MODES = (
    "metadata: all objects exist in their size; data: read all stored data; source: compare with the local snapshot; "
    "restore: restore it to a scratch volume (metadata)"
)

Arguments = argparse.Namespace
Subparsers = Any  # argparse keeps the name of this type to itself

_EPILOG = """\
exit codes:
  0    done, or nothing to do
  1    failed
  2    wrong usage
  3    some volumes failed, others are done
  130  interrupted (128 + the number of the signal)

A volume whose name begins with a dash goes after `--`.
"""


def build() -> argparse.ArgumentParser:
    """The parser. Its result has ``run``, ``returns`` (the name of the list of results) and ``table``."""
    parser = argparse.ArgumentParser(
        prog="snapship",
        allow_abbrev=False,
        description="Ship snapshots of volumes to a remote, and restore them anywhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"snapship {VERSION}")
    _add_common(parser)
    parser.add_argument("--check", action="store_true", help="only show what would be done")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    _remote(subparsers)
    _snapshot(subparsers)
    _backup(subparsers)
    _listing(subparsers)
    _restore(subparsers)
    _cat(subparsers)
    _verify(subparsers)
    return parser


def _add_common(parser: argparse.ArgumentParser, **default: Any) -> None:
    """Flags that can stand before or after a command."""
    parser.add_argument("--config-dir", metavar="DIR", help="configuration directory of this host", **default)
    default_format = default or {"default": "text"}
    parser.add_argument("--format", choices=("text", "json"), help="format of the results", **default_format)
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="same as --format json", **default_format
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error", **default)


class _Command(NamedTuple):
    """A command: its usage line after the name, the function it runs, and its results."""

    name: str
    usage: str
    help: str
    run: Callable[..., Any]
    returns: str
    table: Table
    writes: bool = True

    def add_to(self, subparsers: Subparsers) -> argparse.ArgumentParser:
        """The command's parser, with the flags that all have."""
        parser: argparse.ArgumentParser = subparsers.add_parser(
            self.name,
            usage=f"%(prog)s [OPTION...] {self.usage}",
            allow_abbrev=False,  # a secret after --secret-key must not be taken for the file of --secret-key-file
            help=self.help,
            description=self.help[:1].upper() + self.help[1:] + ".",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.set_defaults(run=self.run, returns=self.returns, table=self.table, writes=self.writes)
        _add_common(parser, default=argparse.SUPPRESS)  # keeps flags given before the command
        if self.writes:
            parser.add_argument(
                "--check", action="store_true", default=argparse.SUPPRESS, help="only show what would be done"
            )
        return parser


_REMOTE_ADD = _Command(
    "add",
    "NAME (--path PATH | --bucket BUCKET)",
    "define or change a remote",
    commands.remote_add,
    "remotes",
    REMOTES,
)
_REMOTE_REMOVE = _Command(
    "remove", "NAME", "remove the definition of a remote; its backups stay", commands.remote_remove, "remotes", REMOTES
)
_REMOTE_LIST = _Command("list", "[NAME]", "list the remotes", commands.remote_list, "remotes", REMOTES, False)
_REMOTE_SHOW = _Command("show", "NAME", "show one remote", commands.remote_list, "remotes", REMOTES, False)
_SNAPSHOT = _Command(
    "snapshot",
    "(--max-age AGE | --name NAME) VOLUME...",
    "take snapshots of volumes",
    commands.take_snapshot,
    "snapshots",
    SNAPSHOTS,
)
_SNAPSHOTS = _Command(
    "snapshots", "VOLUME...", "list the snapshots of volumes", commands.list_snapshots, "snapshots", SNAPSHOTS, False
)
_BACKUP = _Command(
    "backup",
    "(--max-age AGE | --snapshot NAME) VOLUME...",
    "back up volumes to a remote",
    commands.ship,
    "backups",
    BACKUPS,
)
_DELETE = _Command("delete", "ID", "delete a backup from a remote", commands.remove_backup, "backups", REMOVED)
_LIST = _Command("list", "[VOLUME...]", "list the backups on a remote", commands.list_backups, "backups", LISTED, False)
_SHOW = _Command("show", "ID", "show one backup", commands.list_backups, "backups", LISTED, False)
_RESTORE = _Command("restore", "SOURCE TARGET", "restore volumes from a remote", commands.fetch, "restored", RESTORED)
_CAT = _Command("cat", "VOLUME", "write bytes of a backup to standard output", commands.read_bytes, "bytes", (), False)
_VERIFY = _Command("verify", "VOLUME...", "verify backups", commands.prove, "verified", VERIFIED)


def _remote(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("remote", help="define, list and remove remotes of this host")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add = _REMOTE_ADD.add_to(verbs)
    add.add_argument("name", metavar="NAME")
    probes = ("on_change", "always", "never")
    add.add_argument("--probe", choices=probes, default="on_change", help="when to test the remote")
    add_definition(add, "--type")
    _REMOTE_REMOVE.add_to(verbs).add_argument("name", metavar="NAME")
    for command, count in ((_REMOTE_LIST, "?"), (_REMOTE_SHOW, None)):
        shown = command.add_to(verbs)
        shown.add_argument("name", metavar="NAME", nargs=count)
        shown.add_argument("--probe", action="store_true", help="test now whether it answers; reads only")
        shown.set_defaults(whole=command is _REMOTE_SHOW)


def _snapshot(subparsers: Subparsers) -> None:
    parser = _SNAPSHOT.add_to(subparsers)
    _volumes(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="the snapshot's name")
    which.add_argument("--max-age", metavar="AGE", help="take one if the newest is older than this, as 1h; 0s: always")
    states = ("present", "absent")
    parser.add_argument("--state", choices=states, default="present", help="absent removes the snapshot --name")
    _point_in_time(parser)
    _volumes(_SNAPSHOTS.add_to(subparsers))


def _backup(subparsers: Subparsers) -> None:
    parser = _BACKUP.add_to(subparsers)
    _volumes(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--max-age", metavar="AGE", help="ship if the newest backup is older than this, as 1h; 0s: always"
    )
    which.add_argument("--snapshot", metavar="NAME", help="ship this snapshot")
    parser.add_argument("--type", choices=("auto", "full", "incremental"), default="auto", help="type of the backup")
    parser.add_argument("--full-every", metavar="AGE", help="ship a full if the newest full is older than this")
    parser.add_argument("--check-every", metavar="AGE", default="1d", help=_CHECK_EVERY)
    parser.add_argument("--skip-unchanged", action="store_true", help="ship nothing if the volume hasn't changed")
    parser.add_argument("--pool-high", metavar="PERCENT", type=int, default=80, help=_POOL_HIGH)
    parser.add_argument(
        "--adopt-origin-from", metavar="MACHINE", help="take over the origin from the machine with this id"
    )
    _accept_lost(parser)
    _point_in_time(parser)
    _parallel(parser)
    _at_remote(parser)
    parser = _DELETE.add_to(subparsers)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--volume", help="the volume of the backup; narrows the search")
    parser.add_argument("--cascade", action="store_true", help="also delete the incrementals based on it")
    _accept_lost(parser)
    _lock(parser)
    _at_remote(parser)


def _accept_lost(parser: argparse.ArgumentParser) -> None:
    help_text = "go on although the remote lost this backup, which this host shipped last (repeatable)"
    parser.add_argument("--accept-lost", metavar="ID", action="append", help=help_text)


def _listing(subparsers: Subparsers) -> None:
    parser = _LIST.add_to(subparsers)
    parser.add_argument("volumes", metavar="VOLUME", nargs="*")
    parser.add_argument("--details", action="store_true", help="read each manifest, for sizes and more (slower)")
    parser.set_defaults(id=None)
    _then(parser)
    _at_remote(parser)
    parser = _SHOW.add_to(subparsers)
    parser.add_argument("id", metavar="ID")
    parser.set_defaults(volumes=[], details=True, whole=True)
    _then(parser)
    _at_remote(parser)


def _restore(subparsers: Subparsers) -> None:
    parser = _RESTORE.add_to(subparsers)
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="the volume that was backed up")
    parser.add_argument("target", metavar="TARGET", nargs="?", help="the volume to restore into")
    parser.add_argument(
        "--volume",
        dest="pairs",
        nargs=2,
        action="append",
        metavar=("SOURCE", "TARGET"),
        help="another pair; can be repeated",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--backup", metavar="ID", help="the backup (the newest)")
    which.add_argument("--at", metavar="TIME", help="the newest backup up to this time, as 2026-03-09T14:30:00+01:00")
    which.add_argument("--group", metavar="ID", help="the backups of this consistency group")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an existing target; the old volume is kept beside it"
    )
    parser.add_argument(
        "--discard-changes", action="store_true", help="even if it was written to since it was restored"
    )
    parser.add_argument("--recursive", action="store_true", help="with all datasets below it of the same group")
    parser.add_argument("--pool", help="thin pool for a new logical volume, as vg0/pool0")
    parser.add_argument(
        "--property",
        dest="properties",
        metavar="NAME",
        action="append",
        help="a recorded property to set on the restored dataset, or all; can be repeated",
    )
    _provider(parser)
    _parallel(parser)
    _then(parser)
    _at_remote(parser)


def _cat(subparsers: Subparsers) -> None:
    parser = _CAT.add_to(subparsers)
    parser.add_argument("volume", metavar="VOLUME", help="the volume that was backed up")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--backup", metavar="ID", help="the backup (the newest)")
    which.add_argument("--at", metavar="TIME", help="the newest backup up to this time, as 2026-03-09T14:30:00+01:00")
    parser.add_argument("--offset", metavar="BYTES", default="0", help="where to begin, as 4096 or 10G (0)")
    parser.add_argument("--length", metavar="BYTES", help="how many bytes, as 512 or 1M (up to the end)")
    _then(parser)
    _at_remote(parser)


def _verify(subparsers: Subparsers) -> None:
    parser = _VERIFY.add_to(subparsers)
    _volumes(parser)
    modes = ("metadata", "data", "source", "restore")
    parser.add_argument("--mode", choices=modes, default="metadata", help=_MODES)
    parser.add_argument("--max-age", metavar="AGE", help="only if this host hasn't verified it within this time, as 7d")
    parser.add_argument("--backup", metavar="ID", help="the backup (the newest)")
    parser.add_argument("--scratch", metavar="VOLUME", help="scratch volume for --mode restore (beside the volume)")
    parser.add_argument("--pool", help="thin pool for the scratch volume, if it is a logical volume")
    _parallel(parser)
    _then(parser)
    _at_remote(parser)


def _volumes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volumes", metavar="VOLUME", nargs="+")
    _provider(parser)


def _provider(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", choices=provider_names(), help="what keeps the volumes; follows from their names")


def _point_in_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--consistent", action="store_true", help="all volumes at one point in time, all or nothing")
    parser.add_argument(
        "--recursive", action="store_true", help="with all datasets below; each tree is a consistency group"
    )
    parser.add_argument("--quiesce", choices=("none", "fsfreeze"), default="none", help="how to quiesce the volume")
    parser.add_argument("--pre-command", metavar="COMMAND", help="run before the snapshot (split into words, no shell)")
    parser.add_argument("--post-command", metavar="COMMAND", help="run after the snapshot, in any case")
    parser.add_argument("--hook-timeout", metavar="TIME", default="60s", help="time limit of each command (60s)")


def _parallel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parallel", metavar="N", type=int, default=4, help="number of workers (4)")
    _lock(parser)


def _lock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lock-timeout", metavar="TIME", default="1h", help="how long to wait for another run (1h)")


def _then(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--as-of", metavar="TIME", help="read a bucket with versioning as it was then, by the server's clock"
    )


def _at_remote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remote", metavar="NAME", help="a remote defined on this host")
    parser.add_argument("--origin", help="origin of the volumes (this host's); list: * for all")
    add_definition(parser, "--remote-type")
