# shellcheck shell=bash disable=SC2034  # what is set here is used elsewhere
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

# Sourced by the scripts beside it: where things are.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
venv=$root/.venv
build=$root/build
results=$build/results  # of the jobs, for the tally
# Kept outside the checkout, so that a second clone on the same machine is ready quickly.
cache=${SNAPSHIP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/snapship-dr}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
# For a gate that can't run on this machine: dev/step leaves it out.
cannot_run() { say "$*"; exit 77; }

# leave_out JOB NAME REASON: says it and notes it for the tally.
leave_out() {
    printf 'left out  %s: %s\n' "$2" "$3"
    echo "0 0 1" > "$results/$1/$2.tally"
    printf '%s: %s\n' "$2" "$3" > "$results/$1/$2.left-out"
}
