# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""``snapship``: the command line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Sequence

from .commandline import output, parser, progress
from .common.errors import SnapshipError, UsageError, of_system
from .common.outcome import Outcome
from .local.host import Host

DONE, FAILED, USAGE, SOME_FAILED = 0, 1, 2, 3
_BY_SIGNAL = 128


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code. Usage errors that argparse finds raise SystemExit(2)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # the terminal's encoding may lack characters of a name
            stream.reconfigure(errors="backslashreplace")
    args = parser.build().parse_args(argv)
    try:
        return _run(args)
    except KeyboardInterrupt:
        output.complain("interrupted. Backups that were complete stay complete; run the command again to continue.")
        return _BY_SIGNAL + signal.SIGINT
    except BrokenPipeError:
        # The reader of our output is gone; keep the interpreter from reporting that again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BY_SIGNAL + signal.SIGPIPE


def _run(args: parser.Arguments) -> int:
    line = progress.on_terminal(sys.stderr)
    try:
        outcome: Outcome | None = args.run(Host(args.config_dir or os.environ.get("SNAPSHIP_CONFIG_DIR"), line), args)
    except SnapshipError as error:
        line.clear()
        return _refused(args, error)
    except (OSError, MemoryError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        line.clear()
        if args.debug:
            traceback.print_exc()
        return _refused(args, of_system(error))
    except Exception as error:  # noqa: BLE001 - a line for the user, whatever it is
        line.clear()
        if args.debug:
            traceback.print_exc()
        output.complain(
            f"this should not have happened: {type(error).__name__}: {error}", "Run it with --debug to see where."
        )
        return FAILED
    line.clear()
    if outcome is None:  # a command whose output is data
        return DONE
    output.show(outcome, args)
    if not outcome.failures:
        return DONE
    return SOME_FAILED if outcome.items else FAILED


def _refused(args: parser.Arguments, error: SnapshipError) -> int:
    if args.debug:
        traceback.print_exception(type(error), error, error.__traceback__)
    output.show_error(error, args)
    return USAGE if isinstance(error, UsageError) else FAILED
