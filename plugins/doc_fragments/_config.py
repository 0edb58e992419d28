# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The option for the configuration directory."""

from __future__ import annotations


class ModuleDocFragment:
    """The option ``config_dir``, which every module has."""

    DOCUMENTATION = r"""
options:
  config_dir:
    description:
      - Directory on the host for its remotes, its origin and its locks. Only the owner can read its files.
      - The default is C(/etc/snapship) for root, and C($XDG_CONFIG_HOME/snapship) (usually C(~/.config/snapship)) for
        other users.
      - The environment variable E(SNAPSHIP_CONFIG_DIR) is used where the option is not set.
    type: path
requirements:
  - python >= 3.9
"""
