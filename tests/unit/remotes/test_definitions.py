# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mistakes in the definition of a remote are told in words that quote no secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.cli import main
from ansible_collections.snapship.dr.plugins.module_utils._engine.common import processes
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import open_store, parse_remote
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases.remote import Request, describe, plan

SECRET = "canary0123456789abcdef"
KEYS = {"access_key": "AKIACANARY", "secret_key": SECRET}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bucket": "s3://b/p/q"}, "is more than the name of a bucket. Set bucket: b and prefix: p/q."),
        ({"bucket": "s3://b"}, "Set bucket: b."),
        ({"bucket": "b/p"}, "Set bucket: b and prefix: p."),
        ({"bucket": f"https://me:{SECRET}@host/b"}, "isn't the name of a bucket"),
        ({"bucket": "b b"}, "bucket 'b b' isn't the name of a bucket"),
        ({"bucket": "b\n"}, "isn't the name of a bucket"),
        ({"endpoint_url": "https://s3.example.org/b"}, "Set endpoint_url: https://s3.example.org"),
        ({"endpoint_url": "https://b.s3.example.org"}, "contains the bucket, which is added to it"),
        ({"endpoint_url": "https://b.s3-eu.example.org:9000/"}, "Set endpoint_url: https://s3-eu.example.org:9000"),
        ({"endpoint_url": f"https://me:{SECRET}@host"}, "contains a user name or a password"),
        ({"endpoint_url": f"me:{SECRET}@host"}, "contains a user name or a password"),
        ({"endpoint_url": f"https://host/?token={SECRET}"}, "has parameters after its host"),
        ({"endpoint_url": "https://host:port"}, "isn't an http(s) address"),
        ({"endpoint_url": "https://[::1"}, "isn't an http(s) address"),
        ({"endpoint_url": "https://host:99999"}, "isn't an http(s) address"),
        ({"endpoint_url": "https://host\n"}, "isn't an http(s) address"),
        ({"endpoint_url": "ftp://host"}, "isn't an http(s) address"),
        ({**KEYS, "secret_key": SECRET + "\n"}, "secret_key contains a line break, a space or another character"),
        ({**KEYS, "access_key": "AKIACANARY\r\nx: y"}, "access_key contains a line break"),
        ({**KEYS, "session_token": SECRET + " "}, "session_token contains a line break"),
        ({"compression": SECRET}, "compression is unknown"),
        ({"type": SECRET}, "type is unknown"),
        ({"repository_id": SECRET}, "repository_id isn't 32 hex digits"),
        ({"name": {"bucket": "b", **KEYS}}, "a whole definition was given"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        Host(str(tmp_path)).remote(None, {"bucket": "b", **options})
    assert words in str(refused.value)
    assert "anary" not in str(refused.value), "no secret"
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("endpoint", ["https://b.example.org", "https://example.org/gateway", "http://[::1]:8333"])
def test_addresses_that_only_look_like_mistakes(endpoint: str) -> None:
    assert parse_remote("r", {"bucket": "b", "endpoint_url": endpoint}).options["endpoint_url"] == endpoint


@pytest.mark.parametrize("text", [str({"bucket": "b", **KEYS}), json.dumps({"path": "/x"}), f"secret_key={SECRET}"])
def test_a_definition_in_the_place_of_a_name(tmp_path: Path, text: str) -> None:
    host = Host(str(tmp_path))
    for call in (
        lambda: host.remote(text),
        lambda: describe(host, text),
        lambda: plan(host, Request(name=text, options={"path": "/x"})),
        lambda: plan(host, Request(name=text, state="absent")),
    ):
        with pytest.raises(UsageError) as refused:
            call()
        assert "Give the definition as remote_spec" in str(refused.value)
        assert SECRET not in str(refused.value)


def test_an_address_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"https://me:{SECRET}@host")
    with pytest.raises(SnapshipError) as refused:
        open_store(parse_remote("r", {"bucket": "b", **KEYS}))
    assert "contains a user name or a password" in refused.value.msg
    assert SECRET not in str(refused.value)


def test_keys_from_the_environment_that_no_request_can_carry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIACANARY\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with pytest.raises(SnapshipError) as refused:
        open_store(parse_remote("r", {"bucket": "b", "endpoint_url": "http://127.0.0.1:9"}))
    assert "access_key in this host's AWS configuration contains a line break" in refused.value.msg
    assert "CANARY" not in str(refused.value)


OURS = (
    "SNAPSHIP_SECRET_KEY", "SNAPSHIP_ACCESS_KEY", "SNAPSHIP_SESSION_TOKEN", "SNAPSHIP_ENCRYPTION_KEY",
    "SNAPSHIP_OLD_ENCRYPTION_KEYS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
)  # fmt: skip


def test_programs_inherit_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("SNAPSHIP_CONFIG_DIR", "/here")
    monkeypatch.setenv("AWS_PROFILE", "there")
    said = processes.run(["env"])
    assert SECRET not in said
    assert "SNAPSHIP_CONFIG_DIR=/here" in said
    assert "AWS_PROFILE=there" in said


def test_hooks_inherit_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.setenv(name, SECRET)
    image = tmp_path / "x.img"
    image.write_bytes(bytes(4096))
    told = tmp_path / "told"
    command = ["snapshot", str(image), "--name", "a", "--pre-command", f"sh -c 'env > {told}'"]
    assert main(["--config-dir", str(tmp_path / "cfg"), *command]) == 0
    said = told.read_text(encoding="utf-8")
    assert SECRET not in said
    assert f"SNAPSHIP_VOLUME={image}" in said


@pytest.mark.parametrize("mode", [0o666, 0o644, 0o604, 0o620])
@pytest.mark.parametrize("flag", ["--encryption-key-file", "--remote-spec"])
def test_key_files_that_others_can_read_or_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str, mode: int
) -> None:
    path = tmp_path / "key"
    key = "0f" * 32
    path.write_text(json.dumps({"encryption_key": key}) if flag == "--remote-spec" else key, encoding="utf-8")
    command = ["--config-dir", str(tmp_path / "cfg"), "list", "--path", str(tmp_path / "remote"), flag, str(path)]
    path.chmod(mode)
    assert main(command) == 1
    said = capsys.readouterr().err
    assert f"by other users (mode {mode:04o}), and isn't trusted. Restrict it (chmod 600)" in " ".join(said.split())
    assert key not in said
    os.chmod(path, 0o640)
    (tmp_path / "remote").mkdir()
    assert main(command) == 0
