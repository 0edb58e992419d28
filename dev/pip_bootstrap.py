# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts a stand-in where ansible-test looks for the pip bootstrap script that it would otherwise download.

Every supported Python brings pip along in ensurepip; what ansible-test wants of the script is pip in the version it
names. An existing script is left alone.
"""

from __future__ import annotations

from pathlib import Path

from ansible_test._internal.python_requirements import get_venv_packages

SCRIPT = """\
import subprocess, sys
for arguments in (["ensurepip", "--default-pip"], ["pip", "install", "--quiet", "pip=={version}"]):
    subprocess.run([sys.executable, "-m", *arguments], check=True)
"""


class AnyPython:
    """As much of a Python as get_venv_packages looks at: a version without exceptions to the rule."""

    version = "3"


def main() -> None:
    version = get_venv_packages(AnyPython())["pip"]  # type: ignore[arg-type]  # only .version is used
    script = Path.home() / ".ansible/test/cache" / f"get_pip_{version.replace('.', '_')}.py"
    if not script.exists():
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(SCRIPT.format(version=version), encoding="utf-8")


if __name__ == "__main__":
    main()
