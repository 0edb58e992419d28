# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Getting packages from the Debian mirror of this machine without touching its own apt configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
END_LINES = 25


class CannotBuild(Exception):
    """Why, with the end of what a failed command wrote."""


class Log:
    """Runs commands with their output in a file, and says in a line what goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started = time.monotonic()
        path.unlink(missing_ok=True)

    def say(self, line: str) -> None:
        print(f"{time.monotonic() - self.started:4.0f} s  {line}", file=sys.stderr, flush=True)

    def do(self, *command: object, tolerate: bool = False, **options: Any) -> None:
        """Runs a command; ``options`` are subprocess.run's. Raises CannotBuild when it fails, unless tolerated."""
        words = [str(word) for word in command]
        # A make above must not hand its flags to those below.
        clean = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
        clean |= {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        with self.path.open("ab") as log:
            log.write(f"+ {' '.join(words)}\n".encode())
            log.flush()
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options}
            code = subprocess.run(words, env=clean, check=False, **streams).returncode
        if code != 0 and not tolerate:
            end = "\n".join(self.path.read_text(encoding="utf-8", errors="replace").splitlines()[-END_LINES:])
            raise CannotBuild(f"{words[0]} failed with code {code}; the end of {self.path}:\n{end}")


class Debian:
    """Packages of the ``suites`` (and of ``release``'s security updates), downloaded into ``work``/packages."""

    def __init__(self, work: Path, log: Log, suites: list[str], release: str) -> None:
        self.packages, self.state = work / "packages", work / "apt"
        self.log, self.suites, self.release = log, suites, release

    def install(self, packages: Iterable[str]) -> None:
        """Installs on this machine what is missing of ``packages``, from its own sources."""
        missing = [each for each in packages if not is_installed(each)]
        if missing:
            self.log.say(f"installing {' '.join(missing)}")
            self.log.do("apt-get", "-qq", "update", tolerate=True)  # one of the machine's other sources may be down
            self.log.do("apt-get", "-qq", "install", "--yes", "--no-install-recommends", *missing)

    def sources(self) -> list[str]:
        """The lines of a sources.list."""
        found, signed = mirrors(), f"[signed-by={KEYRING}]"
        lines = [f"deb {signed} {found['Debian']} {suite} main contrib" for suite in self.suites]
        if "Debian-Security" in found:
            lines.append(f"deb {signed} {found['Debian-Security']} {self.release}-security main")
        return lines

    def update(self) -> None:
        for directory in (self.packages, self.state / "lists/partial", self.state / "archives/partial"):
            directory.mkdir(parents=True)
        (self.state / "status").touch()
        (self.state / "sources.list").write_text("".join(f"{line}\n" for line in self.sources()), encoding="utf-8")
        self._apt("update")

    def download(self, *packages: str) -> None:
        """``NAME/SUITE`` or ``NAME=VERSION`` each."""
        self._apt("download", *packages)

    def package(self, name: str) -> Path:
        """The file of a downloaded package."""
        (found,) = self.packages.glob(f"{name}_*.deb")
        return found

    def versions(self) -> dict[str, str]:
        """Of the downloaded packages."""
        return dict(sorted(file.name.split("_")[:2] for file in self.packages.glob("*.deb")))

    def unpack(self, name: str, archive: str, target: Path) -> None:
        """Unpacks an xz archive that is a file in a package, without its first directory."""
        target.mkdir()
        with (
            subprocess.Popen(["dpkg-deb", "--fsys-tarfile", self.package(name)], stdout=subprocess.PIPE) as package,
            subprocess.Popen(["tar", "-xO", archive], stdin=package.stdout, stdout=subprocess.PIPE) as inner,
        ):
            self.log.do("tar", "-xJ", "--strip-components=1", "-C", target, stdin=inner.stdout)

    def _apt(self, *arguments: str) -> None:
        options = {
            "Dir::Etc::sourcelist": self.state / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "-",
            "Dir::Etc::preferencesparts": "-",
            "Dir::State": self.state,
            "Dir::State::status": self.state / "status",
            "Dir::Cache": self.state,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        self.log.do("apt-get", "-q", *words, *arguments, cwd=self.packages)


def is_installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, check=False, capture_output=True, text=True).stdout == "installed"


def mirrors() -> dict[str, str]:
    """Where this machine's apt gets what from, by the label of the archive: ``Debian``, ``Debian-Security``."""
    query = ["apt-get", "indextargets", "--format", "$(LABEL)\t$(REPO_URI)", "Created-By: Packages"]
    try:
        lines = subprocess.run(query, check=False, capture_output=True, text=True).stdout.splitlines()
    except FileNotFoundError:
        return {}
    return dict(reversed([line.split("\t") for line in lines if line.count("\t") == 1]))
