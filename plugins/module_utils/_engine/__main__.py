# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""``python -m`` on this package, which is what the single file runs."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    raise SystemExit(main())
