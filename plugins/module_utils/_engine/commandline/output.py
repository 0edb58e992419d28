# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Results on standard output, as text or JSON; everything else on standard error."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from ..common.errors import SnapshipError
from ..common.outcome import Outcome
from ..common.units import show_duration
from .columns import Table, plain, size


def complain(msg: str, hint: str = "") -> None:
    """An error on standard error: the cause on one line, the hint on the next."""
    sys.stderr.write(f"snapship: {plain(msg)}\n")
    if hint:
        sys.stderr.write(f"  {plain(hint)}\n")


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def show(outcome: Outcome, args: argparse.Namespace) -> None:
    """Print results, warnings and failures."""
    for warning in outcome.warnings:
        complain(f"warning: {warning}")
    if args.format == "json":
        _print_json(outcome, args)
    elif getattr(args, "whole", False):
        _write("\n\n".join(_whole(item) for item in outcome.items))
    else:
        _print_table(outcome.items, args.table)
        _print_sum(outcome, args)
    sys.stdout.flush()
    for failure in outcome.failures:
        volume = failure.get("volume")
        complain(
            failure["msg"] if not volume or volume in failure["msg"] else f"{volume}: {failure['msg']}", failure["hint"]
        )


def _print_sum(outcome: Outcome, args: argparse.Namespace) -> None:
    """The last line: a summary."""
    if not args.writes:
        if not outcome.items and not outcome.warnings:
            complain(f"no {args.returns} found.")
    elif args.check:
        _write("This is what would be done (--check)." if outcome.changed else "Nothing would be done (--check).")
    elif not outcome.changed and not outcome.failures:
        _write("Nothing to do.")


def show_error(error: SnapshipError, args: argparse.Namespace) -> None:
    """Print the error that stopped everything."""
    if args.format == "json":
        value = {
            "changed": False,
            args.returns: [],
            "failures": [error.as_dict()],
            "msg": error.msg,
            "code": error.code,
        }
        _write(json.dumps(value, indent=2))
        sys.stdout.flush()
    complain(error.msg, error.hint)


def _print_json(outcome: Outcome, args: argparse.Namespace) -> None:
    value: dict[str, Any] = {
        "changed": outcome.changed,
        args.returns: outcome.items,
        "failures": outcome.failures,
        "warnings": outcome.warnings,
    }
    if outcome.before or outcome.after:
        value["diff"] = {"before": outcome.before, "after": outcome.after}
    _write(json.dumps(value, indent=2))


def _print_table(items: list[dict[str, Any]], table: Table) -> None:
    if not items:
        return
    rows = [[column.title for column in table]]
    rows += [[column.show(item.get(column.field)) for column in table] for item in items]
    widths = [max(len(row[index]) for row in rows) for index in range(len(table))]
    for row in rows:
        cells = [
            cell.rjust(width) if column.right else cell.ljust(width) for cell, width, column in zip(row, widths, table)
        ]
        _write("  ".join(cells).rstrip())


def _whole(item: dict[str, Any]) -> str:
    width = max(len(key) for key in item)
    return "\n".join(f"{key.ljust(width)}  {_shown(key, value)}" for key, value in item.items())


def _shown(key: str, value: Any) -> str:
    if key.startswith("bytes_") and isinstance(value, int):
        return f"{value} ({size(value)})"
    if key in ("age", "grace_period") and value is not None:
        return show_duration(value)
    return plain(value)
