# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One operation in a process of its own, to be killed: ``operation.py`` and a JSON object on standard input.

``root`` and ``options`` make the place, ``do`` is a method of it, with ``arguments``; ``segment`` bytes of data are
in a segment, at most. ``ahead``: seconds by which the store's clock is seen ahead. Prints a JSON object with ``failures`` and
``items`` of the outcome, and ``peak_kib``, the memory that was needed at most.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from ansible_collections.snapship.dr.plugins.module_utils._engine import sending
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3 import S3Store
from ansible_collections.snapship.dr.tests.faults.places import Place


def _look_ahead(seconds: float) -> None:
    for kind in (DirectoryStore, S3Store):
        real = kind.now
        kind.now = lambda self, real=real: real(self) + seconds  # type: ignore[method-assign]  # a test's clock


def main() -> None:
    wanted = json.load(sys.stdin)
    sending.SEGMENT_DATA = wanted.get("segment", sending.SEGMENT_DATA)
    if wanted.get("ahead"):
        _look_ahead(wanted["ahead"])
    place = Place(Path(wanted["root"]), wanted["options"])
    outcome = getattr(place, wanted["do"])(**wanted["arguments"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    json.dump({"failures": outcome.failures, "items": outcome.items, "peak_kib": peak}, sys.stdout)


if __name__ == "__main__":
    main()
