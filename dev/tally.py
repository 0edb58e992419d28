# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sums up what the jobs of a test run left: ``python dev/tally.py RESULTS JOB...``.

A job's directory holds pytest's junit files, ``NAME.tally`` files of other steps (passed, failed, skipped),
``NAME.left-out`` files (``NAME: reason``) and ``ended`` (exit code, seconds). A job that failed without a failure in
its results, or that ran nothing, counts as one failure. What was left out is told in one line a reason; with
``CI=true`` whatever was skipped counts as failed. The last line is the sum; the exit code says whether anything failed.
"""

from __future__ import annotations

import collections
import os
import sys
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree


class Count(NamedTuple):
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        return f"{self.passed} passed, {self.failed} failed{skipped}"


def of_junit(file: Path) -> Count:
    count = Count()
    for suite in ElementTree.parse(file).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        # A test that passes and whose clean-up fails is counted twice by pytest, as a test and as an error.
        count = count.plus(Count(max(int(suite.get("tests", 0)) - bad - skipped, 0), bad, skipped))
    return count


def left_out(job: str, directory: Path) -> list[str]:
    """``NAME: reason`` of each step that was left out, and a line for each reason why tests were."""
    lines = [file.read_text(encoding="utf-8").strip() for file in sorted(directory.glob("*.left-out"))]
    reasons: collections.Counter[str] = collections.Counter()
    for file in sorted(directory.glob("*.xml")):
        for skipped in ElementTree.parse(file).getroot().iter("skipped"):
            reasons[" ".join((skipped.get("message") or "no reason given").split())] += 1
    return lines + [f"{count} of {job}: {reason}" for reason, count in sorted(reasons.items())]


def of_job(directory: Path) -> tuple[Count, str]:
    """The count and, where it needs one, a remark."""
    count = Count()
    for file in sorted(directory.glob("*.xml")):
        count = count.plus(of_junit(file))
    for file in sorted(directory.glob("*.tally")):
        count = count.plus(Count(*map(int, file.read_text(encoding="utf-8").split())))
    code, seconds = map(int, (directory / "ended").read_text(encoding="utf-8").split())
    remark = f"{seconds} s"
    if os.environ.get("CI") == "true" and count.skipped:
        remark += f"; {count.skipped} skipped, which CI doesn't allow"
        count = Count(count.passed, count.failed + count.skipped)
    if code != 0 and count.failed == 0:
        remark += f"; ended with code {code}"
        count = count.plus(Count(failed=1))
    if sum(count) == 0:
        remark += "; ran nothing"
        count = count.plus(Count(failed=1))
    return count, remark


def main() -> int:
    results, jobs = Path(sys.argv[1]), sys.argv[2:]
    total = Count()
    print("\n== summary")
    for job in jobs:
        count, remark = of_job(results / job)
        print(f"{job:20} {count} ({remark})")
        total = total.plus(count)
    for job in jobs:
        for line in left_out(job, results / job):
            print(f"left out  {line}")
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
