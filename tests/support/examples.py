# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples in the modules' documentation and in the guides, and a machine that stands in for those they talk about.

What talks of the pools ``tank`` or ``vg0`` runs where there are pools, in the lab; all else runs anywhere.
"""

from __future__ import annotations

import datetime
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
_POOLS = re.compile(r"\b(tank|vg0)\b")
_A_TIME = "2026-03-09T12:00:00Z"
_OF_A_STORE = "2026-03-09T18:00:00Z"  # for which only minutes of the future are taken


def of_module(module: Any) -> list[dict[str, Any]]:
    """The tasks in a module's documentation."""
    tasks: list[dict[str, Any]] = yaml.safe_load(module.EXAMPLES)
    return tasks


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page, relative to the checkout."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no block of {language}"
    return found


def of_page(page: str) -> list[dict[str, Any]]:
    """The plays on a page."""
    return [play for text in blocks(page, "yaml") for play in yaml.safe_load(text)]


def need_pools(example: Any) -> bool:
    """Whether a task, a play or a text is about volumes in pools."""
    return bool(_POOLS.search(example if isinstance(example, str) else yaml.safe_dump(example)))


class Site:
    """A machine with images below a directory, and whatever else it is given as ``names``: what examples say, and what
    that is here."""

    def __init__(self, directory: Path, names: dict[str, str], secrets: dict[str, str]) -> None:
        """``secrets``: values of variables that nothing may show."""
        self.directory = directory
        self.secrets = secrets
        self.variables: dict[str, str] = {}
        self.environment: dict[str, str] = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": "",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "SNAPSHIP_CONFIG_DIR": str(directory / "config"),
        }
        for name in ("srv/monday", "srv/rescued", "nas"):
            (directory / name).mkdir(parents=True)
        for name in ("db", "wal"):
            (directory / "srv" / f"{name}.img").write_bytes(os.urandom(1 << 20) + bytes(1 << 20))
        self._names = {
            "/mnt/nas/backup": f"{directory}/nas",
            "/srv": f"{directory}/srv",
            "/usr/local/sbin/hold": "/bin/echo",
            **names,
        }

    def adapted(self, text: str) -> str:
        """An example with this site's places and times in it."""
        now = datetime.datetime.now(datetime.timezone.utc)
        soon, later = (now + datetime.timedelta(minutes=minutes) for minutes in (4, 60))
        words = "|".join(re.escape(name) for name in sorted(self._names, key=len, reverse=True))
        text = re.sub(rf"(?<![\w-])({words})(?![\w-])", lambda found: self._names[found.group()], text)
        return text.replace(_A_TIME, later.isoformat()).replace(_OF_A_STORE, soon.isoformat())

    def play(self, name: str, plays: list[dict[str, Any]]) -> str:
        """Runs plays on one machine that is in every group; they have to succeed and to keep secrets. Returns what they
        say."""
        path, inventory = self.directory / f"{name}.yml", self.directory / "inventory.yml"
        plays = [{**play, "gather_facts": False} for play in plays]
        path.write_text(self.adapted(yaml.safe_dump(plays, sort_keys=False, width=10000)), encoding="utf-8")
        hosts = {"san1": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
        groups = {group: {"hosts": {"san1": {}}} for group in ("storage", "rescue")}
        inventory.write_text(
            yaml.safe_dump({"all": {"hosts": hosts, "vars": {**self.variables, **self.secrets}, "children": groups}}),
            encoding="utf-8",
        )
        done = subprocess.run(
            [str(ANSIBLE_PLAYBOOK), "--inventory", str(inventory), "-vvv", "--diff", str(path)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        for secret in self.secrets.values():
            assert secret not in said
        return said

    def shell(self, text: str, **environment: str) -> str:
        """Runs lines of an example, which have to succeed; returns what they say."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=self.adapted(text),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
        return done.stdout

    def build_program(self) -> None:
        """Makes ``snapship`` a command of :meth:`shell`."""
        programs = self.directory / "bin"
        programs.mkdir()
        subprocess.run([sys.executable, str(ROOT / "dev/zipapp.py"), str(programs / "snapship.pyz")], check=True)
        (programs / "snapship").write_text(
            f'#!/bin/sh\nexec {sys.executable} {programs}/snapship.pyz "$@"\n', encoding="utf-8"
        )
        (programs / "snapship").chmod(0o755)
        self.environment["PATH"] = f"{programs}:{self.environment['PATH']}"

    def keep_origin(self, origin: str) -> None:
        """As if this machine had shipped under that name."""
        (self.directory / "config").mkdir()
        (self.directory / "config/origin").write_text(origin + "\n", encoding="utf-8")
