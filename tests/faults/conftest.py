# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fixtures that the tests of this directory share with others."""

from __future__ import annotations

# pytest finds fixtures by name in here; nothing else uses the imports.
from ansible_collections.snapship.dr.tests.support.filesystems import (  # noqa: F401 - fixtures
    btrfs,
    ext4,
    filesystems,
    reflink_filesystem,
    small_tmpfs,
    xfs,
)
from ansible_collections.snapship.dr.tests.support.s3_fixtures import (  # noqa: F401 - fixtures
    bucket,
    s3_server,
    s3_tls,
)
