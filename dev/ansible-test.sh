# shellcheck shell=bash disable=SC2154  # paths.sh sets them
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

# Sourced: ansible_test ARGS... runs ansible-test with real interpreters only on PATH: .venv's, or that of the virtual
# environment that the variable ansible_venv names.
. "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

ansible_test() {
    local pythons=$cache/pythons venv=${ansible_venv:-$venv}
    "$root/dev/real-pythons" "$pythons"
    "$venv/bin/python" "$root/dev/pip_bootstrap.py"
    PATH=$pythons:$venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "$venv/bin/ansible-test" "$@" --color no
}
