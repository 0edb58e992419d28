# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""No secret gets out: not into output, results, diffs and logs, not into process lists, not into any file but one.

Playbooks run with everything that makes Ansible talk, the command line with --debug; both succeed and fail. Then what
they said, what was in the process list meanwhile, and every file they left is searched for the secrets.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from ansible_collections.snapship.dr.tests.faults.program import build
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
VOLUME = "it's $(odd), ümläut.img"
KEYS = ("first_key", "second_key", "wrong_key", "environment_key")


class Scene:
    """A remote of one kind, secrets that exist nowhere else, and all that was said and seen."""

    def __init__(self, root: Path, bucket: Bucket | None) -> None:
        self.root = root
        self.bucket = bucket
        self.config = root / "config"
        self.inputs = root / "inputs"  # where a user keeps secrets: of these files we aren't the masters
        for folder in (self.inputs, root / "remote", root / "tmp", root / "volumes"):
            folder.mkdir()
        self.inputs.chmod(0o700)
        self.image = root / "volumes" / VOLUME
        self.image.write_bytes(os.urandom(3 << 20) + bytes(1 << 20))
        self.secrets = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in KEYS}
        for name in ("bad_key", "wrong_secret", "wrong_token", "misplaced"):
            self.secrets[name] = f"canary{secrets.token_hex(12)}"
        if bucket is not None:
            self.secrets.update(access_key=bucket.rw.access_key, secret_key=bucket.rw.secret_key)
        self.forms = self._forms()
        self.said: list[str] = []
        self.commands: set[bytes] = set()
        self.exposed: set[str] = set()

    @property
    def options(self) -> dict[str, Any]:
        """A remote's definition without its encryption key, in the words of a playbook."""
        if self.bucket is None:
            return {"path": str(self.root / "remote")}
        return {**self.place, "access_key": "{{ access_key }}", "secret_key": "{{ secret_key }}"}

    @property
    def place(self) -> dict[str, Any]:
        """The same without any secret."""
        if self.bucket is None:
            return {"path": str(self.root / "remote")}
        return {"bucket": self.bucket.name, "endpoint_url": self.bucket.endpoint, "region": self.bucket.region}

    def secret_file(self, name: str, content: str) -> str:
        """The path of a file of the user's that only they can read."""
        path = self.inputs / name
        path.write_text(content, encoding="utf-8")
        path.chmod(0o600)
        return str(path)

    def run(self, words: list[str], environment: dict[str, str]) -> int:
        """Exit code of a command; what it says is kept."""
        done = subprocess.run(
            words,
            env={**os.environ, "LC_ALL": "C.UTF-8", "TMPDIR": str(self.root / "tmp"), **environment},
            cwd=self.root,
            capture_output=True,
            check=False,
        )
        self.said += [done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")]
        return done.returncode

    # --- looking for secrets

    def _forms(self) -> dict[bytes, str]:
        """All that would give a secret away, and whose it is."""
        found = {}
        for name, value in self.secrets.items():
            found[value.encode()] = name
            found[quote(value, safe="").encode()] = name
            found[base64.b64encode(value.encode()).rstrip(b"=")] = name
            if name in KEYS:
                raw = base64.b64decode(value)
                found.update(dict.fromkeys([raw, raw.hex().encode(), repr(raw)[2:-1].encode()], name))
        return found

    def given_away(self, content: bytes) -> list[str]:
        """The names of the secrets in it."""
        return sorted({name for form, name in self.forms.items() if form in content})

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Process list and configuration are looked at all the time meanwhile."""
        stop = threading.Event()

        def watch() -> None:
            while not stop.wait(0.02):
                for path in Path("/proc").glob("[0-9]*/cmdline"):
                    self.commands.add(_content(path))
                self._look_at_configuration()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()

    def _look_at_configuration(self) -> None:
        for path in self.config.rglob("*"):
            try:
                mode = path.stat().st_mode & 0o7777
            except OSError:
                continue
            own = path.parent == self.config / "remotes" and mode == 0o600
            if not own and path.is_file() and self.given_away(_content(path)):
                self.exposed.add(f"{path} ({mode:o})")

    def check(self) -> None:
        """Nothing has got out."""
        for text in self.said:
            assert self.given_away(text.encode()) == [], text
        told = [command for command in self.commands if self.given_away(command)]
        assert told == []
        assert self.exposed == set()
        files = [path for path in self.root.rglob("*") if path.is_file() and self.inputs not in path.parents]
        with_secrets = {path for path in files if self.given_away(_content(path) + bytes(path))}
        assert with_secrets <= set((self.config / "remotes").iterdir())
        assert {path.stat().st_mode & 0o7777 for path in with_secrets} <= {0o600}
        if self.bucket is not None:
            for key, content in self.bucket.objects().items():
                assert self.given_away(key.encode() + content) == [], key


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has just gone
        return b""


@pytest.fixture(params=["directory", "s3"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(tmp_path, request.getfixturevalue("bucket") if request.param == "s3" else None)


@pytest.mark.parametrize("leak", ["output", "hex", "process", "world-readable", "journal"])
def test_what_gets_out_is_found(tmp_path: Path, leak: str) -> None:
    """The search itself, so that the tests below prove something."""
    scene = Scene(tmp_path, None)
    remotes = scene.config / "remotes"
    remotes.mkdir(parents=True)
    key = scene.secrets["first_key"]
    kept = remotes / "r.json"
    kept.write_text(key, encoding="utf-8")
    kept.chmod(0o600)
    scene.check()
    with scene.watched():
        if leak == "process":
            with subprocess.Popen([sys.executable, "-c", "input()", key], stdin=subprocess.PIPE) as told:
                while not any(scene.given_away(command) for command in scene.commands.copy()):
                    time.sleep(0.02)
                told.communicate(b"\n")
        elif leak == "world-readable":
            kept.chmod(0o644)
        elif leak == "journal":
            (scene.config / "journal").write_text(f"x{key}y", encoding="utf-8")
        else:
            scene.said.append(key if leak == "output" else f"x{base64.b64decode(key).hex()}y")
    with pytest.raises(AssertionError):
        scene.check()


# --- Ansible


def tasks(scene: Scene) -> list[dict[str, Any]]:
    """What works, in check mode and for real."""
    first = {**scene.options, "encryption_key": "{{ first_key }}"}
    second = {**scene.options, "encryption_key": "{{ second_key }}", "old_encryption_keys": ["{{ first_key }}"]}
    volume = {"volumes": [str(scene.image)], "max_age": "0s"}
    target = {"source": str(scene.image), "target": str(scene.root / "volumes" / "restored.img")}
    return [
        {"remote": {"name": "r", **first}, "check_mode": True},
        {"remote": {"name": "r", **first}},
        {"backup": {"remote": "r", **volume}},
        {"remote": {"name": "r", **second}, "check_mode": True},
        {"remote": {"name": "r", **second}},
        {"backup": {"remote_spec": second, **volume}, "check_mode": True},
        {"backup": {"remote_spec": second, **volume}},
        {"backup": {"remote_spec": scene.place, "origin": "other", **volume}},  # the rest is in the environment
        {"backup_info": {"remote_spec": second, "details": True}},
        {"restore": {"remote_spec": second, **target}},
        {"remote_info": {"name": "r", "probe": True}},
    ]


def failures(scene: Scene) -> list[dict[str, Any]]:
    """What doesn't work; each fails."""
    wrong = {**scene.options, "encryption_key": "{{ wrong_key }}"}
    bad = {**scene.options, "encryption_key": "{{ bad_key }}"}
    volume = {"volumes": [str(scene.image)], "max_age": "0s"}
    target = {"source": str(scene.image), "target": str(scene.root / "volumes" / "never.img")}
    listed: list[dict[str, Any]] = [
        {"restore": {"remote_spec": wrong, **target}},
        {"backup": {"remote_spec": {**wrong, "old_encryption_keys": ["{{ bad_key }}"]}, **volume}},
        {"remote": {"name": "bad", **bad}},
        {"remote": {"name": "bad", **bad}, "check_mode": True},
        {"backup": {"remote_spec": {**wrong, "compression": "{{ 'nonsense' }}"}, **volume}},
        {"backup": {"remote": wrong, **volume}},
        {"remote": {"name": wrong, **scene.place}},
        {"backup": {"remote_spec": "type=nonsense encryption_key={{ wrong_key }}", **volume}},
    ]
    if scene.bucket is not None:
        refused = {**scene.options, "secret_key": "{{ wrong_secret }}"}
        foreign = {**scene.options, "access_key": "{{ misplaced }}", "session_token": "{{ wrong_token }}"}
        closed = {**scene.options, "endpoint_url": "http://127.0.0.1:9", "session_token": "{{ wrong_token }}"}
        listed += [
            {"remote": {"name": "refused", **refused}},
            {"remote": {"name": "foreign", **foreign}},
            {"backup": {"remote_spec": refused, **volume}},
            {"backup_info": {"remote_spec": closed}},
        ]
    return listed


def test_playbooks_keep_secrets(scene: Scene) -> None:
    """With -vvv, --diff and check mode; one run with all that works and all that fails, and the end of the remote."""
    failing = [{**task, "ignore_errors": True} for task in failures(scene)]
    last = [{"remote": {"name": "r", "state": "absent"}, "check_mode": True}]
    listed = [
        {f"snapship.dr.{key}" if isinstance(value, dict) else key: value for key, value in task.items()}
        for task in [*tasks(scene), *failing, *last]
    ]
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [scene.secret_file("secrets.yml", yaml.safe_dump(scene.secrets))],
        "tasks": [{"name": f"Task {number}", **task} for number, task in enumerate(listed)],
    }
    playbook = scene.root / "playbook.yml"
    playbook.write_text(yaml.safe_dump([play], allow_unicode=True), encoding="utf-8")
    environment = {
        "ANSIBLE_COLLECTIONS_PATH": "",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LOCAL_TEMP": str(scene.root / "tmp" / "local"),
        "ANSIBLE_LOG_PATH": str(scene.root / "ansible.log"),
        "SNAPSHIP_CONFIG_DIR": str(scene.config),
        "SNAPSHIP_ENCRYPTION_KEY": scene.secrets["environment_key"],
    }
    if scene.bucket is not None:
        environment["SNAPSHIP_ACCESS_KEY"] = scene.secrets["access_key"]
        environment["SNAPSHIP_SECRET_KEY"] = scene.secrets["secret_key"]
    variables = [f"ansible_python_interpreter={sys.executable}", f"ansible_remote_tmp={scene.root}/tmp/remote"]
    words = [str(ANSIBLE_PLAYBOOK), "-i", "here,", "-c", "local", "-vvv", "--diff", str(playbook)]
    with scene.watched():
        code = scene.run([*words, *(word for each in variables for word in ("-e", each))], environment)
    said = scene.said[0]
    assert code == 0, said
    assert f"ignored={len(failing)} " in said, said
    assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in said  # it did say all there was to say
    assert "fingerprint" in said
    assert any(b"playbook.yml" in command for command in scene.commands)
    assert list((scene.config / "remotes").iterdir()) == [scene.config / "remotes" / "r.json"]
    scene.check()


# --- the command line


def test_the_command_line_keeps_secrets(scene: Scene) -> None:
    """Secrets from the environment and from files; everything with --debug."""
    place = [word for key, value in scene.place.items() for word in (f"--{key.replace('_', '-')}", value)]
    first = ["--encryption-key-file", scene.secret_file("first", scene.secrets["first_key"] + "\n")]
    second = [
        *["--encryption-key-file", scene.secret_file("second", scene.secrets["second_key"])],
        *["--old-encryption-keys-file", scene.secret_file("old", scene.secrets["first_key"])],
    ]
    wrong = ["--encryption-key-file", scene.secret_file("wrong", scene.secrets["wrong_key"])]
    two_lines = scene.secret_file("two", f"{scene.secrets['bad_key']}\n{scene.secrets['wrong_key']}\n")
    image, target = str(scene.image), str(scene.root / "volumes" / "restored.img")
    keys = {f"SNAPSHIP_{key.upper()}": scene.secrets.get(key, "") for key in ("access_key", "secret_key")}
    with_bad_key = {**keys, "SNAPSHIP_ENCRYPTION_KEY": scene.secrets["bad_key"]}
    backup = ["backup", "--max-age", "0s", image]
    spec = {"encryption_key": scene.secrets["wrong_key"], "secret_keyy": scene.secrets["misplaced"], **scene.place}
    with scene.watched():
        for code, words, environment in (
            (0, ["remote", "add", "r", *place, *first, "--check"], keys),
            (0, ["remote", "add", "r", *place, *first], keys),
            (0, [*backup, "--remote", "r", "--json"], {}),
            (0, ["remote", "add", "r", *place, *second, "--json"], keys),
            (0, [*backup, *place, *second, "--check"], keys),
            (0, [*backup, *place, *second], keys),
            (0, ["remote", "show", "r", "--probe", "--json"], {}),
            (0, ["list", *place, *second, "--details", "--json"], keys),
            (0, ["restore", *place, *second, image, target], keys),
            (1, ["restore", *place, *wrong, image, target, "--overwrite"], keys),
            (2, ["remote", "add", "bad", *place], with_bad_key),
            (2, [*backup, *place, "--encryption-key-file", two_lines], keys),
            (2, ["list", "--remote-spec", scene.secret_file("unknown", json.dumps(spec))], keys),
            (2, ["list", "--remote-spec", scene.secret_file("cut", json.dumps(spec)[:-2])], keys),
            (2, ["list", "--remote-spec", scene.secret_file("list", json.dumps(list(spec.values())))], keys),
            (2, ["list", "--remote-spec", scene.secret_file("text", json.dumps(scene.secrets["bad_key"]))], keys),
        ):
            expect(scene, code, words, environment)
        if scene.bucket is not None:
            for name, value in (("SNAPSHIP_SECRET_KEY", "wrong_secret"), ("SNAPSHIP_ACCESS_KEY", "misplaced")):
                expect(scene, 1, ["list", *place], {**keys, name: scene.secrets[value]})
            token = {**keys, "SNAPSHIP_SESSION_TOKEN": scene.secrets["wrong_token"]}
            expect(scene, 1, ["list", *place, "--endpoint-url", "http://127.0.0.1:9"], token)
    # Who does it nevertheless is told so without the secret being repeated. In the process list it is now.
    expect(scene, 2, ["remote", "add", "r", *place, "--secret-key", scene.secrets["misplaced"]], {})
    expect(scene, 2, ["list", *place, f"--encryption-key={scene.secrets['bad_key']}"], {})
    assert (scene.config / "remotes" / "r.json").stat().st_mode & 0o7777 == 0o600
    scene.check()


def expect(scene: Scene, code: int, words: list[str], environment: dict[str, str]) -> None:
    """Runs ``snapship --debug`` with these words."""
    command = [*build(scene.inputs), "--debug", "--config-dir", str(scene.config), *words]
    ended = scene.run(command, environment)
    assert ended == code, f"{words}: {ended}\n{scene.said[-2]}{scene.said[-1]}"
