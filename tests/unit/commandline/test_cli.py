# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole of ``snapship`` on real directories, and as one file where Ansible isn't installed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine import cli

ROOT = Path(__file__).parents[3]
SIZE = 3 << 20


class Machine:
    """A machine with an image, a configuration and a directory to ship to, and its command line."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.image = directory / "volumes" / "db, one.img"
        self.image.parent.mkdir()
        self.image.write_bytes(os.urandom(SIZE))
        self.remote = directory / "remote"
        self.config = directory / "config"
        self._capsys = capsys

    def run(self, *words: object) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def json(self, *words: object, code: int = 0) -> dict[str, Any]:
        """What it says with --json."""
        ended, out, err = self.run(*words, "--json")
        assert ended == code, err
        result: dict[str, Any] = json.loads(out)
        return result

    def everything(self) -> dict[str, bytes]:
        return {
            str(path): path.read_bytes() if path.is_file() else b""
            for top in (self.image.parent, self.remote, self.config)
            for path in sorted(top.rglob("*"))
        }


@pytest.fixture
def machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path, capsys)
    monkeypatch.setenv("SNAPSHIP_CONFIG_DIR", str(made.config))
    return made


def test_from_a_remote_to_a_restore(machine: Machine) -> None:
    assert machine.run("remote", "add", "nas", "--path", machine.remote)[0] == 0
    full = machine.json("backup", machine.image, "--remote", "nas", "--max-age", "1h")["backups"][0]
    assert full["type"] == "full"
    assert machine.json("backup", machine.image, "--remote", "nas", "--max-age", "1h")["changed"] is False
    before = machine.image.read_bytes()
    with machine.image.open("r+b") as image:
        image.write(b"changed")
    some = machine.json("backup", machine.image, "--remote", "nas", "--max-age", "0s")["backups"][0]
    assert (some["type"], some["base"]) == ("incremental", full["id"])
    listed = machine.json("list", "--remote", "nas")["backups"]
    assert [each["id"] for each in listed] == [some["id"], full["id"]]
    target = machine.image.with_name("restored.img")
    assert machine.json("restore", machine.image, target, "--remote", "nas")["changed"] is True
    assert target.read_bytes() == machine.image.read_bytes()
    assert machine.json("restore", machine.image, target, "--remote", "nas")["changed"] is False
    earlier = machine.image.with_name("earlier.img")
    machine.json("restore", machine.image, earlier, "--path", machine.remote, "--backup", full["id"])
    assert earlier.read_bytes() == before


def test_several_are_restored_at_once(machine: Machine) -> None:
    second = machine.image.with_name("second.img")
    second.write_bytes(b"second" * 1000)
    where = ("--path", machine.remote)
    group = machine.json("backup", machine.image, second, "--consistent", "--max-age", "0s", *where)["backups"][0][
        "group"
    ]
    first_target, second_target = (machine.image.with_name(name) for name in ("a", "b"))
    pairs = ("--volume", machine.image, first_target, "--volume", second, second_target)
    assert len(machine.json("restore", *pairs, "--group", group, *where)["restored"]) == 2
    assert second_target.read_bytes() == second.read_bytes()
    assert first_target.read_bytes() == machine.image.read_bytes()


def test_verifying(machine: Machine) -> None:
    where = ("--path", machine.remote)
    backup = machine.json("backup", machine.image, "--max-age", "0s", *where)["backups"][0]["id"]
    code, out, err = machine.run("verify", machine.image, "--mode", "data", *where)
    head, row = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split() == ["VOLUME", "ID", "CREATED", "MODE", "VERIFIED", "READ", "FETCHED", "SECONDS"]
    assert row.startswith(f"{machine.image}  {backup}  ")
    found = machine.json("verify", machine.image, "--max-age", "1h", *where)
    assert (found["changed"], found["verified"][0]["id"], found["failures"]) == (False, backup, [])
    (segment,) = machine.remote.glob(f"data/*/*/{backup}/00000000")
    segment.write_bytes(segment.read_bytes()[:-1] + b"?")
    code, out, err = machine.run("verify", machine.image, "--mode", "data", *where)
    assert (code, out) == (1, "")
    assert f"segment 0 of {machine.image} from " in err
    assert machine.run("verify", machine.image.with_name("none.img"), *where)[0] == 1


def test_check_writes_nothing(machine: Machine) -> None:
    machine.run("backup", machine.image, "--path", machine.remote, "--max-age", "0s")
    backup = machine.json("list", "--path", machine.remote)["backups"][0]["id"]
    before = machine.everything()
    target = machine.image.with_name("restored.img")
    for command in (
        ("remote", "add", "new", "--path", machine.remote),
        ("snapshot", machine.image, "--name", "one"),
        ("backup", machine.image, "--path", machine.remote, "--max-age", "0s"),
        ("restore", machine.image, target, "--path", machine.remote),
        ("delete", backup, "--path", machine.remote),
        ("verify", machine.image, "--path", machine.remote),
    ):
        assert machine.json(*command, "--check")["changed"] is True
        code, out, _err = machine.run(*command, "--check")
        assert (code, out.splitlines()[-1]) == (0, "This is what would be done (--check).")
    assert machine.everything() == before


def test_text_is_a_table(machine: Machine) -> None:
    code, out, err = machine.run("backup", machine.image, "--path", machine.remote, "--max-age", "1h")
    head, row = out.splitlines()
    assert (code, err) == (0, "")
    assert head.split() == ["VOLUME", "TYPE", "ID", "CHANGED", "SENT", "SECONDS", "REASON"]
    assert row.startswith(str(machine.image))
    assert row[head.index("TYPE") :].startswith("full ")
    assert machine.run("backup", machine.image, "--path", machine.remote, "--max-age", "1h")[1].endswith(
        "Nothing to do.\n"
    )


def test_snapshots(machine: Machine) -> None:
    taken = machine.json("snapshot", machine.image, "--name", "one")
    assert taken["changed"] is True
    assert machine.json("snapshot", machine.image, "--name", "one")["changed"] is False
    assert [each["name"] for each in machine.json("snapshots", machine.image)["snapshots"]] == ["one"]
    assert machine.json("snapshot", machine.image, "--name", "one", "--state", "absent")["changed"] is True
    assert machine.json("snapshots", machine.image)["snapshots"] == []


def test_show_and_delete(machine: Machine) -> None:
    machine.run("backup", machine.image, "--path", machine.remote, "--max-age", "0s")
    backup = machine.json("list", "--path", machine.remote)["backups"][0]["id"]
    code, out, _err = machine.run("show", backup, "--path", machine.remote)
    assert code == 0
    assert f"id             {backup}" in out
    assert f"bytes_logical  {SIZE} (3.0 MiB)" in out
    assert machine.json("delete", backup, "--path", machine.remote)["changed"] is True
    assert machine.json("delete", backup, "--path", machine.remote)["changed"] is False


def test_remotes(machine: Machine) -> None:
    machine.run("remote", "add", "nas", "--path", machine.remote)
    code, out, _err = machine.run("remote", "list")
    assert code == 0
    assert out.splitlines()[1].split() == ["nas", "directory", str(machine.remote), "no", "no"]
    assert machine.json("remote", "show", "nas", "--probe")["remotes"][0]["reachable"] is True
    assert machine.json("remote", "remove", "nas")["changed"] is True
    assert machine.json("remote", "remove", "nas")["changed"] is False
    assert machine.run("remote", "list")[2] == "snapship: no remotes found.\n"


def test_some_volumes_failed(machine: Machine) -> None:
    command = (
        "backup",
        machine.image,
        machine.image.with_name("none.img"),
        "--path",
        machine.remote,
        "--max-age",
        "0s",
    )
    code, out, err = machine.run(*command)
    assert code == 3
    assert len(out.splitlines()) == 2
    assert err.startswith("snapship: volume ")
    assert "none.img" in err
    result = machine.json(*command, code=3)
    assert [failure["code"] for failure in result["failures"]] == ["unknown_volume"]


def test_all_volumes_failed(machine: Machine) -> None:
    command = ("backup", machine.image.with_name("none.img"), "--path", machine.remote, "--max-age", "0s")
    assert machine.run(*command)[0] == 1


@pytest.mark.parametrize(
    "command",
    [
        ["list"],
        ["backup", "/srv/db.img", "--max-age", "12", "--path", "/srv/b"],
        ["backup", "/srv/db.img", "--path", "/srv/b"],
        ["backup", "/srv/db.img", "--max-age", "1h", "--snapshot", "one", "--path", "/srv/b"],
        ["restore", "/srv/db.img", "--path", "/srv/b"],
        ["restore", "--path", "/srv/b"],
        ["snapshot", "/srv/db.img", "--max-age", "0s", "--pre-command", "'"],
        ["snapshot", "/srv/db.img", "--max-age", "0s", "--pre-command", ""],
        ["backup", "/srv/db.img", "--max-age", "1h", "--path", "/srv/b", "--pool-high", "0"],
        ["backup", "/srv/db.img", "--max-age", "1h", "--path", "/srv/b", "--provider", "tape"],
        ["backup", "/srv/db.img", "--max-age", "1h", "--path", "/srv/b", "--recursive"],
        ["verify", "--path", "/srv/b"],
        ["verify", "/srv/db.img", "--path", "/srv/b", "--mode", "guess"],
        ["verify", "/srv/db.img", "--path", "/srv/b", "--max-age", "7"],
        ["remote", "add", "nas", "--path", "relative"],
        ["remote", "add", "nas"],
        ["remote"],
        ["fly"],
        [],
    ],
)
def test_wrong_command_lines(machine: Machine, command: list[str]) -> None:
    code, out, err = machine.run(*command)
    assert (code, out) == (2, "")
    assert "snapship" in err


def test_an_error_is_a_line_and_what_to_do(machine: Machine) -> None:
    code, out, err = machine.run("list", "--remote", "nowhere")
    assert (code, out) == (1, "")
    line, hint = err.splitlines()
    assert line == f"snapship: remote 'nowhere' isn't defined in {machine.config}/remotes (defined: none)."
    assert hint.startswith("  Define it")


def test_an_error_as_json(machine: Machine) -> None:
    result = machine.json("list", "--remote", "nowhere", code=1)
    assert (result["code"], result["changed"], result["backups"]) == ("unknown_remote", False, [])
    assert result["failures"][0]["msg"] == result["msg"]


def test_a_traceback_only_on_demand(machine: Machine) -> None:
    assert "Traceback" not in machine.run("list", "--remote", "nowhere")[2]
    assert "Traceback" in machine.run("list", "--remote", "nowhere", "--debug")[2]


def test_a_wrong_origin_is_told(machine: Machine) -> None:
    machine.run("backup", machine.image, "--path", machine.remote, "--max-age", "0s", "--origin", "san1")
    code, out, err = machine.run("list", "--path", machine.remote, "--origin", "san2")
    assert (code, out) == (0, "")
    assert "its origins: san1" in err
    assert len(machine.json("list", "--path", machine.remote, "--origin", "*")["backups"]) == 1


def test_every_command_explains_itself(machine: Machine) -> None:
    for words in (
        "",
        "remote add",
        "remote list",
        "snapshot",
        "snapshots",
        "backup",
        "delete",
        "list",
        "show",
        "restore",
        "verify",
    ):
        code, out, _err = machine.run(*words.split(), "--help")
        assert code == 0
        assert "exit codes:" in out


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single file."""
    target = tmp_path_factory.mktemp("program") / "snapship"
    subprocess.run([sys.executable, str(ROOT / "dev" / "zipapp.py"), str(target)], check=True, capture_output=True)
    return target


def test_the_single_file_needs_no_ansible(machine: Machine, program: Path) -> None:
    # -I and -S: the standard library alone, without site-packages.
    run = [sys.executable, "-I", "-S", str(program)]
    where = ["--config-dir", str(machine.config), "--path", str(machine.remote), "--compression", "none"]
    subprocess.run([*run, "backup", str(machine.image), "--max-age", "0s", *where], check=True, capture_output=True)
    target = machine.image.with_name("restored.img")
    subprocess.run([*run, "restore", str(machine.image), str(target), *where], check=True, capture_output=True)
    assert target.read_bytes() == machine.image.read_bytes()


def test_a_reader_that_goes_away(machine: Machine, program: Path) -> None:
    with subprocess.Popen(
        [sys.executable, str(program), "remote", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "SNAPSHIP_CONFIG_DIR": str(machine.config)},
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 128 + signal.SIGPIPE


def sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "S"


def test_an_interruption(machine: Machine, program: Path) -> None:
    ready = machine.image.with_name("ready")
    script = "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(f'{os.getpid()}.'); time.sleep(600)"
    waiting = shlex.join([sys.executable, "-c", script, str(ready)])
    with subprocess.Popen(
        [
            *(sys.executable, str(program), "backup", str(machine.image), "--path", str(machine.remote)),
            *("--max-age", "0s", "--pre-command", waiting),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # It may be ignored here, as in a shell's background job, and what is ignored is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "SNAPSHIP_CONFIG_DIR": str(machine.config)},
    ) as running:
        while not (ready.exists() and ready.read_text().endswith(".")):
            assert running.poll() is None
            time.sleep(0.05)
        for pid in (int(ready.read_text()[:-1]), running.pid):  # both have come to where they wait
            while not sleeps(pid):
                time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        out, err = running.communicate()
    assert running.returncode == 128 + signal.SIGINT
    assert out == b""
    assert (
        err == b"snapship: interrupted. Backups that were complete stay complete; run the command again to continue.\n"
    )
    assert machine.run("list", "--path", machine.remote)[1] == ""
