# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures that all tests share."""

from __future__ import annotations

pytest_plugins = [
    "ansible_collections.snapship.dr.tests.linstor_sim.fixtures",
    "ansible_collections.snapship.dr.tests.support.filesystems",
    "ansible_collections.snapship.dr.tests.support.s3_fixtures",
]
