# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The single-file program is the same bytes wherever it is built, and replaces nothing but an older one of its kind."""

from __future__ import annotations

import ast
import io
import os
import random
import re
import shlex
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import files
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.program import build, recognise
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.version import VERSION
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import engine
from ansible_collections.snapship.dr.tests.unit.engine.test_without_ansible import PYTHONS, ROOT

UTILS = ROOT / "plugins" / "module_utils"
COLLECTION = "ansible_collections.snapship.dr."


# --- the bytes


def imported(file: Path) -> Iterator[Path]:
    """The collection's files that a file imports, as Ansible finds them: an imported name can be a module."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom):
            continue
        if node.level:
            folder = file.parents[node.level - 1].joinpath(*filter(None, (node.module or "").split(".")))
        elif (node.module or "").startswith(COLLECTION):
            folder = ROOT.joinpath(*(node.module or "").removeprefix(COLLECTION).split("."))
        else:
            continue
        for each in (folder, *(folder / alias.name for alias in node.names)):
            yield from (path for path in (each.with_suffix(".py"), each / "__init__.py") if path.exists())
            yield from (above / "__init__.py" for above in each.parents if (above / "__init__.py").exists())


def test_the_module_imports_all_of_the_engine_so_that_all_of_it_is_sent_to_a_host() -> None:
    found: set[Path] = set()
    ahead = [ROOT / "plugins/modules/engine.py"]
    while ahead:
        for each in imported(ahead.pop()):
            if each not in found:
                found.add(each)
                ahead.append(each)
    missing = {str(each.relative_to(ROOT)) for each in (UTILS / "_engine").rglob("*.py") if each not in found}
    assert not missing, "import these in plugins/modules/engine.py"


@pytest.mark.parametrize("python", PYTHONS)
def test_a_zip_file_of_the_sources_gives_the_same_bytes_as_the_checkout(tmp_path: Path, python: str) -> None:
    """Ansible runs a module from a zip file."""
    with zipfile.ZipFile(tmp_path / "payload.zip", "w", zipfile.ZIP_DEFLATED) as payload:
        for each in sorted((UTILS / "_engine").rglob("*.py"), reverse=True):
            payload.write(each, f"ansible_collections/snapship/dr/plugins/{each.relative_to(UTILS.parent)}")
        for name in ("", "snapship/", "snapship/dr/", "snapship/dr/plugins/", "snapship/dr/plugins/module_utils/"):
            payload.writestr(f"ansible_collections/{name}__init__.py", b"")
    (tmp_path / "program").write_bytes(build())
    for place, package in (
        ("payload.zip", f"{COLLECTION}plugins.module_utils._engine"),
        ("program", "snapship"),  # the program can build itself, too
    ):
        script = (
            f"import sys; sys.path.insert(0, {str(tmp_path / place)!r}); import {package}.local.program as program\n"
        )
        script += "sys.stdout.buffer.write(program.build())"
        done = subprocess.run([python, "-I", "-S", "-B", "-c", script], check=True, capture_output=True)
        assert done.stdout == build()


def test_the_program_that_make_builds_is_the_one_that_the_module_installs(tmp_path: Path) -> None:
    target = tmp_path / "snapship"
    subprocess.run([sys.executable, str(ROOT / "dev/zipapp.py"), str(target)], check=True, capture_output=True)
    assert target.read_bytes() == build()
    assert target.stat().st_mode & 0o777 == 0o755


def test_the_version_is_read_without_running_anything() -> None:
    program = recognise(build())
    assert program is not None
    assert program.version == VERSION
    assert program.size == len(build())
    older = recognise(another(b'VERSION = "0.0.9"'))
    assert older is not None
    assert older.version == "0.0.9"
    unknown = recognise(another(b"VERSION = None"))
    assert unknown is not None
    assert unknown.version is None


def another(version: bytes) -> bytes:
    """A program of another version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(build())) as archive, zipfile.ZipFile(buffer, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "snapship/repository/version.py":
                content = re.sub(rb"^VERSION = .*$", version, content, flags=re.MULTILINE)
            changed.writestr(name, content)
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()


def foreign_zip() -> bytes:
    """Somebody else's zipapp."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("__main__.py", b"print('mine')")
        archive.writestr("ship/__init__.py", b"")
    return b"#!/usr/bin/env python3\n" + buffer.getvalue()


def test_damaged_and_foreign_bytes_are_no_program() -> None:
    whole = build()
    dice = random.Random(7)
    for content in (
        b"",
        b"#!/bin/sh\n",
        foreign_zip(),
        whole[: len(whole) // 2],
        whole[:-1],
        b"PK\x05\x06" + bytes(18),
    ):
        assert recognise(content) is None
    directory = whole.rindex(b"PK\x01\x02")
    for _turn in range(200):  # whatever zipfile makes of it, no error
        damaged = bytearray(whole)
        for _byte in range(4):
            damaged[dice.randrange(directory - 2000, len(damaged))] = dice.randrange(256)
        recognise(bytes(damaged))


# --- on a host


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin" / "snapship"


def run(path: Path | str, state: str = "present", mode: str = "0755") -> Outcome:
    """Check, run, run, check; what the first run told."""
    host = Host("/nonexistent")
    request = engine.Request(str(path), state, mode)
    folder = Path(path).parent
    before = sorted(os.listdir(folder))
    foreseen = engine.plan(host, request).preview()
    assert sorted(os.listdir(folder)) == before
    outcome = engine.apply(host, engine.plan(host, request))
    assert (foreseen.changed, foreseen.before, foreseen.after) == (outcome.changed, outcome.before, outcome.after)
    assert foreseen.items == outcome.items
    assert not engine.apply(host, engine.plan(host, request)).changed
    assert not engine.plan(host, request).preview().changed
    return outcome


def refused(path: Path | str, state: str = "present", mode: str = "0755") -> SnapshipError:
    with pytest.raises(SnapshipError) as caught:
        engine.plan(Host("/nonexistent"), engine.Request(str(path), state, mode))
    assert caught.value.hint or "neither present nor absent" in caught.value.msg
    return caught.value


def test_install_update_set_the_mode_and_remove(path: Path) -> None:
    made = run(path)
    assert made.changed
    assert made.before == {"state": "absent"}
    assert path.read_bytes() == build()
    assert path.stat().st_mode & 0o7777 == 0o755
    (item,) = made.items
    assert (item["path"], item["version"], item["mode"]) == (str(path), VERSION, "0755")

    path.write_bytes(another(b'VERSION = "0.0.9"'))
    updated = run(path)
    assert updated.changed
    assert (updated.before["version"], updated.after["version"]) == ("0.0.9", VERSION)
    assert updated.before["sha256"] != updated.after["sha256"]

    secret = run(path, mode="0700")
    assert (secret.before["mode"], secret.after["mode"]) == ("0755", "0700")
    assert path.stat().st_mode & 0o7777 == 0o700

    gone = run(path, "absent")
    assert gone.changed
    assert gone.items == []
    assert os.listdir(path.parent) == []
    assert not run(path, "absent").changed


def test_a_running_program_goes_on_when_its_file_is_replaced(path: Path, tmp_path: Path) -> None:
    run(path)
    image, other = tmp_path / "db.img", tmp_path / "other"
    image.write_bytes(os.urandom(1 << 20))
    other.write_bytes(b"nothing that could be imported from")
    replace = [sys.executable, "-c", "import os, sys; os.replace(*sys.argv[1:])", str(other), str(path)]
    backup = [sys.executable, "-I", "-S", str(path), "backup", str(image), "--max-age", "0s", "--compression", "none"]
    backup += ["--path", str(tmp_path / "remote"), "--config-dir", str(tmp_path / "config")]
    subprocess.run([*backup, "--pre-command", shlex.join(replace)], check=True, capture_output=True)
    assert path.read_bytes() == b"nothing that could be imported from"


def test_the_umask_does_not_count(path: Path) -> None:
    before = os.umask(0o077)
    try:
        run(path, mode="0775")
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o7777 == 0o775


@pytest.mark.parametrize("state", ["present", "absent"])
def test_what_is_no_program_of_ours_stays(path: Path, state: str) -> None:
    for content in (b"", b"#!/bin/sh\necho mine\n", foreign_zip()):
        path.write_bytes(content)
        assert refused(path, state).code == "not_snapship"
        assert path.read_bytes() == content
    path.unlink()
    path.mkdir()
    assert "It is a directory" in refused(path, state).msg
    path.rmdir()
    os.mkfifo(path)
    assert "neither a file nor a directory" in refused(path, state).msg


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_link_is_not_followed(path: Path, state: str) -> None:
    real = path.with_name("real")
    real.write_bytes(another(b'VERSION = "0.0.9"'))
    for target in (real, path.with_name("nothing")):
        path.symlink_to(target)
        assert f"It is a link to {target}" in refused(path, state).msg
        assert path.is_symlink()
        path.unlink()
    assert real.read_bytes() == another(b'VERSION = "0.0.9"')


def test_a_link_that_appears_during_the_run_is_not_followed(path: Path) -> None:
    host = Host("/nonexistent")
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    for state, there in (("present", None), ("absent", build())):
        if there is not None:
            path.write_bytes(there)
        planned = engine.plan(host, engine.Request(str(path), state))
        path.unlink(missing_ok=True)
        path.symlink_to(victim)
        with pytest.raises(SnapshipError, match="It is a link"):
            engine.apply(host, planned)
        path.unlink()
    files.write_beside_others(str(path), b"new", 0o755)
    path.unlink()
    path.symlink_to(victim)
    files.write_beside_others(str(path), b"new", 0o755)  # even if it appears at the last moment
    assert not path.is_symlink()
    assert victim.read_bytes() == b"precious"


def test_a_file_that_changes_during_the_run_stays(path: Path) -> None:
    host = Host("/nonexistent")
    planned = engine.plan(host, engine.Request(str(path)))
    path.write_bytes(another(b'VERSION = "9.9"'))
    with pytest.raises(SnapshipError) as caught:
        engine.apply(host, planned)
    assert caught.value.code == "changed"
    assert path.read_bytes() == another(b'VERSION = "9.9"')


def test_a_write_that_fails_leaves_the_old_program_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = another(b'VERSION = "0.0.9"')
    path.write_bytes(older)
    (path.parent / ".new-mine").write_bytes(b"somebody else's")
    (path.parent / ".snapship-new-dead").write_bytes(b"half, by a run that was killed")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SnapshipError, match="No space left on device"):
            engine.apply(Host("/nonexistent"), engine.plan(Host("/nonexistent"), engine.Request(str(path))))
    assert path.read_bytes() == older
    assert sorted(os.listdir(path.parent)) == [".new-mine", "snapship"]


def test_options_that_are_wrong(path: Path) -> None:
    for wrong in ("snapship", "bin/snapship", "", "/", f"{path.parent}/", f"{path.parent}/.."):
        assert refused(wrong).code == "usage"
    assert "isn't there" in refused(path.parent / "nowhere" / "snapship").msg
    assert not run(path.parent / "snapship", "absent").changed
    for mode in ("755", "493", "4755", "rwxr-xr-x", "0o755", "0855", "07555", ""):
        assert refused(path, mode=mode).code == "usage"
    assert refused(path, "latest").code == "usage"
    path.write_bytes(build())
    assert "isn't there" in refused(path / "snapship").msg


def test_check_mode_foresees_a_folder_that_cannot_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda folder, _rights: folder != str(path.parent))  # root can write everywhere
    assert "can't write" in refused(path).msg


def test_a_host_whose_python_cannot_start_the_program(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warned(script: str | None) -> str:
        (tmp_path / "python3").unlink(missing_ok=True)
        if script is not None:
            (tmp_path / "python3").write_text(script, encoding="utf-8")
            (tmp_path / "python3").chmod(0o755)
        plan = engine.plan(Host("/nonexistent"), engine.Request(str(path)))
        assert plan.python == (None if script is None else str(tmp_path / "python3"))
        return " ".join(plan.warnings)

    monkeypatch.setattr(engine.processes, "environment", lambda: {"PATH": str(tmp_path)})
    assert "isn't in PATH" in warned(None)
    assert "is Python 3.6. The program needs 3.9" in warned("#!/bin/sh\necho 3 6\n")
    assert "doesn't tell its version" in warned("#!/bin/sh\nexit 1\n")
    assert warned("#!/bin/sh\necho 3 10\n") == ""
