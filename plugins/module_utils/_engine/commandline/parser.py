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

_POOL_HIGH = "give up kept bases, oldest first, where the volume's pool is fuller than that; 100: never (80)"
_MODES = (
    "metadata: all is there in its size; data: read all that is stored; source: compare with the snapshot here; "
    "restore: restore it to scratch (metadata)"
)

Arguments = argparse.Namespace
Subparsers = Any  # argparse keeps the name of this type to itself

_EPILOG = """\
exit codes:
  0    done, or there was nothing to do
  1    it failed
  2    the command line is wrong
  3    some volumes failed, others are done
  130  interrupted (128 and the signal's number)

A volume whose name begins with a dash goes after `--`.
"""


def build() -> argparse.ArgumentParser:
    """The parser; what it returns has ``run``, ``returns`` (name of the list of results) and ``table``."""
    parser = argparse.ArgumentParser(
        prog="snapship",
        allow_abbrev=False,
        description="Ship snapshots of volumes to a remote, and restore them anywhere.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"snapship {VERSION}")
    _add_common(parser)
    parser.add_argument("--check", action="store_true", help="only say what would be done")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    _remote(subparsers)
    _snapshot(subparsers)
    _backup(subparsers)
    _listing(subparsers)
    _restore(subparsers)
    _verify(subparsers)
    return parser


def _add_common(parser: argparse.ArgumentParser, **default: Any) -> None:
    """The flags that may stand before a command as well as after it."""
    parser.add_argument("--config-dir", metavar="DIR", help="where this host keeps its remotes", **default)
    default_format = default or {"default": "text"}
    parser.add_argument("--format", choices=("text", "json"), help="how results are written", **default_format)
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", help="as --format json", **default_format
    )
    parser.add_argument("--debug", action="store_true", help="show where an error came from", **default)


class _Command(NamedTuple):
    """A command: what its usage line says after its name, what it runs, and what comes of it."""

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
        _add_common(parser, default=argparse.SUPPRESS)  # what was said before the command stays
        if self.writes:
            parser.add_argument(
                "--check", action="store_true", default=argparse.SUPPRESS, help="only say what would be done"
            )
        return parser


_REMOTE_ADD = _Command(
    "add",
    "NAME (--path PATH | --bucket BUCKET)",
    "define a remote, or change it",
    commands.remote_add,
    "remotes",
    REMOTES,
)
_REMOTE_REMOVE = _Command(
    "remove", "NAME", "forget a remote; its backups stay", commands.remote_remove, "remotes", REMOTES
)
_REMOTE_LIST = _Command("list", "[NAME]", "list the remotes", commands.remote_list, "remotes", REMOTES, False)
_REMOTE_SHOW = _Command("show", "NAME", "show all of one remote", commands.remote_list, "remotes", REMOTES, False)
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
    "keep backups of volumes on a remote",
    commands.ship,
    "backups",
    BACKUPS,
)
_DELETE = _Command("delete", "ID", "remove a backup from a remote", commands.remove_backup, "backups", REMOVED)
_LIST = _Command("list", "[VOLUME...]", "list the backups on a remote", commands.list_backups, "backups", LISTED, False)
_SHOW = _Command("show", "ID", "show all of one backup", commands.list_backups, "backups", LISTED, False)
_RESTORE = _Command("restore", "SOURCE TARGET", "restore volumes from a remote", commands.fetch, "restored", RESTORED)
_VERIFY = _Command("verify", "VOLUME...", "prove that backups are good", commands.prove, "verified", VERIFIED)


def _remote(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("remote", help="define remotes on this host, list them, forget them")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    add = _REMOTE_ADD.add_to(verbs)
    add.add_argument("name", metavar="NAME")
    probes = ("on_change", "always", "never")
    add.add_argument("--probe", choices=probes, default="on_change", help="when to try out whether it works")
    add_definition(add, "--type")
    _REMOTE_REMOVE.add_to(verbs).add_argument("name", metavar="NAME")
    for command, count in ((_REMOTE_LIST, "?"), (_REMOTE_SHOW, None)):
        shown = command.add_to(verbs)
        shown.add_argument("name", metavar="NAME", nargs=count)
        shown.add_argument("--probe", action="store_true", help="try out now whether it answers, by reading")
        shown.set_defaults(whole=command is _REMOTE_SHOW)


def _snapshot(subparsers: Subparsers) -> None:
    parser = _SNAPSHOT.add_to(subparsers)
    _volumes(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="the snapshot's name")
    which.add_argument("--max-age", metavar="AGE", help="take one if the newest is older, as in 1h; 0s takes one now")
    states = ("present", "absent")
    parser.add_argument("--state", choices=states, default="present", help="absent removes the snapshot --name")
    _point_in_time(parser)
    _volumes(_SNAPSHOTS.add_to(subparsers))


def _backup(subparsers: Subparsers) -> None:
    parser = _BACKUP.add_to(subparsers)
    _volumes(parser)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--max-age", metavar="AGE", help="make one if the newest is older, as in 1h; 0s makes one now")
    which.add_argument("--snapshot", metavar="NAME", help="ship this snapshot")
    parser.add_argument("--type", choices=("auto", "full", "incremental"), default="auto", help="what to make")
    parser.add_argument("--full-every", metavar="AGE", help="make a full one if the newest full one is older")
    parser.add_argument("--skip-unchanged", action="store_true", help="make none of a volume that hasn't changed")
    parser.add_argument("--pool-high", metavar="PERCENT", type=int, default=80, help=_POOL_HIGH)
    parser.add_argument("--adopt-origin", action="store_true", help="take over the origin from another machine")
    _point_in_time(parser)
    _parallel(parser)
    _at_remote(parser)
    parser = _DELETE.add_to(subparsers)
    parser.add_argument("id", metavar="ID")
    parser.add_argument("--volume", help="whose backup it is, where the id alone doesn't tell")
    parser.add_argument("--cascade", action="store_true", help="also remove the increments that rest on it")
    _lock(parser)
    _at_remote(parser)


def _listing(subparsers: Subparsers) -> None:
    parser = _LIST.add_to(subparsers)
    parser.add_argument("volumes", metavar="VOLUME", nargs="*")
    parser.add_argument("--details", action="store_true", help="read each manifest, for sizes and more (slower)")
    parser.set_defaults(id=None)
    _at_remote(parser)
    parser = _SHOW.add_to(subparsers)
    parser.add_argument("id", metavar="ID")
    parser.set_defaults(volumes=[], details=True, whole=True)
    _at_remote(parser)


def _restore(subparsers: Subparsers) -> None:
    parser = _RESTORE.add_to(subparsers)
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="the volume as it was backed up")
    parser.add_argument("target", metavar="TARGET", nargs="?", help="the volume to restore into")
    parser.add_argument(
        "--volume",
        dest="pairs",
        nargs=2,
        action="append",
        metavar=("SOURCE", "TARGET"),
        help="one more; can be given again and again",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--backup", metavar="ID", help="the backup; without it, the newest")
    which.add_argument("--at", metavar="TIME", help="the newest not younger than that, as in 2026-03-09T14:30:00+01:00")
    which.add_argument("--group", metavar="ID", help="the backups of one point in time")
    parser.add_argument("--overwrite", action="store_true", help="replace a target that exists; it is kept beside")
    parser.add_argument("--discard-changes", action="store_true", help="even one that was written to since its restore")
    parser.add_argument("--recursive", action="store_true", help="with all below that was backed up at the same moment")
    parser.add_argument("--pool", help="the thin pool in which a new logical volume is made, as in vg0/pool0")
    parser.add_argument(
        "--property",
        dest="properties",
        metavar="NAME",
        action="append",
        help="a recorded property to set on a restored dataset, or all; can be given again and again",
    )
    _provider(parser)
    _parallel(parser)
    _at_remote(parser)


def _verify(subparsers: Subparsers) -> None:
    parser = _VERIFY.add_to(subparsers)
    _volumes(parser)
    modes = ("metadata", "data", "source", "restore")
    parser.add_argument("--mode", choices=modes, default="metadata", help=_MODES)
    parser.add_argument("--max-age", metavar="AGE", help="only if that wasn't done here within this time, as in 7d")
    parser.add_argument("--backup", metavar="ID", help="the backup; without it, the newest")
    parser.add_argument("--scratch", metavar="VOLUME", help="where to restore to with --mode restore (beside it)")
    parser.add_argument("--pool", help="the thin pool in which that is made, where it is a logical volume")
    _parallel(parser)
    _at_remote(parser)


def _volumes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("volumes", metavar="VOLUME", nargs="+")
    _provider(parser)


def _provider(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--provider", choices=provider_names(), help="what keeps the volumes; follows from their names")


def _point_in_time(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--consistent", action="store_true", help="one point in time for all, all or nothing")
    parser.add_argument("--recursive", action="store_true", help="with all datasets below each; each tree is one group")
    parser.add_argument("--quiesce", choices=("none", "fsfreeze"), default="none", help="what to do meanwhile")
    parser.add_argument("--pre-command", metavar="COMMAND", help="run before the snapshot (split into words, no shell)")
    parser.add_argument("--post-command", metavar="COMMAND", help="run after it, in any case")
    parser.add_argument("--hook-timeout", metavar="TIME", default="60s", help="how long each may take (60s)")


def _parallel(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parallel", metavar="N", type=int, default=4, help="how many workers (4)")
    _lock(parser)


def _lock(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--lock-timeout", metavar="TIME", default="1h", help="how long to wait for another run (1h)")


def _at_remote(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remote", metavar="NAME", help="a remote defined on this host")
    parser.add_argument("--origin", help="the name under which the volumes appear there (this host's); list: * is all")
    add_definition(parser, "--remote-type")
