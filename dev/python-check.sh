# shellcheck shell=bash disable=SC2154  # paths.sh sets them
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

# Sourced: stops with the reason when no virtual environment can be made.
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

command -v "$python" >/dev/null || die "$python not found; on Debian: apt-get install python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
    || die "$("$python" -V) is too old for the tests (3.11 or newer); name another with PYTHON=..."
"$python" -c 'import ensurepip, venv' 2>/dev/null \
    || die "$python can't make virtual environments; on Debian: apt-get install python3-venv"
