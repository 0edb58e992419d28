# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can't run on a machine is told with its reason, and is a failure with CI=true."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
REASON = "shellcheck is not installed; on Debian: apt-get install shellcheck"
JUNIT = """<testsuites><testsuite tests="5" failures="0" errors="0" skipped="3">
<testcase name="a"/><testcase name="b"/>
<testcase name="c"><skipped message="mounting xfs needs root"/></testcase>
<testcase name="d"><skipped message="mounting xfs needs root"/></testcase>
<testcase name="e"><skipped message="zstd is not installed; on Debian: apt-get install zstd"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A directory with the scripts, whose results are its own."""
    (tmp_path / "dev").mkdir()
    for name in ("step", "paths.sh", "tally.py"):
        shutil.copy(ROOT / "dev" / name, tmp_path / "dev" / name)
    return tmp_path


def run(*command: object, ci: bool) -> tuple[int, list[str]]:
    environment = {**os.environ, "CI": "true" if ci else ""}
    done = subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def step(checkout: Path, script: str, ci: bool = False) -> tuple[int, list[str]]:
    return run(checkout / "dev/step", "lint", "gate", "bash", "-c", script, ci=ci)


def tally(checkout: Path, code: int, ci: bool = False) -> tuple[int, list[str]]:
    (checkout / "build/results/lint/ended").write_text(f"{code} 1", encoding="utf-8")
    return run(sys.executable, checkout / "dev/tally.py", checkout / "build/results", "lint", ci=ci)


def test_a_gate_that_cannot_run_is_left_out(checkout: Path) -> None:
    assert step(checkout, f"echo looking; echo '{REASON}' >&2; exit 77") == (0, [f"left out  gate: {REASON}"])
    (checkout / "build/results/lint/other.tally").write_text("1 0 0", encoding="utf-8")
    code, lines = tally(checkout, 0)
    assert code == 0
    assert lines[-2:] == [f"left out  gate: {REASON}", "1 passed, 0 failed, 1 skipped"]


def test_with_ci_a_gate_that_cannot_run_has_failed(checkout: Path) -> None:
    code, lines = step(checkout, f"echo '{REASON}'; exit 77", ci=True)
    assert code == 77
    assert lines[0].startswith("FAILED  gate")
    assert REASON in lines[-1]
    code, lines = tally(checkout, 1, ci=True)
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")


def test_a_gate_that_fails_is_not_left_out(checkout: Path) -> None:
    code, lines = step(checkout, "echo no; exit 1")
    assert code == 1
    assert lines[0].startswith("FAILED  gate")
    code, lines = tally(checkout, 1)
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")


@pytest.mark.parametrize("ci", [False, True])
def test_skipped_tests_are_told_in_a_line_for_each_reason(checkout: Path, ci: bool) -> None:
    results = checkout / "build/results/lint"
    results.mkdir(parents=True)
    (results / "unit.xml").write_text(JUNIT, encoding="utf-8")
    code, lines = tally(checkout, 0, ci)
    assert lines[-3:-1] == [
        "left out  2 of lint: mounting xfs needs root",
        "left out  1 of lint: zstd is not installed; on Debian: apt-get install zstd",
    ]
    assert (code, lines[-1]) == ((1, "2 passed, 3 failed") if ci else (0, "2 passed, 0 failed, 3 skipped"))
