# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.parser import build
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.remote_options import choice, definition
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import (
    all_options,
    parse_remote,
    secret_options,
)

SECRET = "not-for-the-command-line"


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("type", *(option.name for option in all_options())):
        monkeypatch.delenv(f"SNAPSHIP_{name.upper()}", raising=False)


def parsed(*flags: str) -> argparse.Namespace:
    return build().parse_args(["list", *flags])


def secret_file(directory: Path, text: str = SECRET + "\n") -> str:
    path = directory / "secret"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return str(path)


def test_the_flags_are_the_options_of_the_engine() -> None:
    known = {name.removeprefix("definition_") for name in vars(parsed()) if name.startswith("definition_")}
    assert known == {"type", *(option.name for option in all_options())}


def test_flags_make_a_definition() -> None:
    spec = definition(
        parsed("--bucket", "b", "--no-validate-certs", "--object-lock-days", "3", "--compression", "none")
    )
    assert spec == {"type": "s3", "bucket": "b", "validate_certs": False, "object_lock_days": 3, "compression": "none"}
    parse_remote("inline", spec)


def test_no_secret_is_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    for name in secret_options():
        with pytest.raises(SystemExit) as ended:
            parsed("--bucket", "b", f"--{name.replace('_', '-')}", SECRET)
        assert ended.value.code == 2
    said = capsys.readouterr().err
    assert SECRET not in said
    assert "use --secret-key-file" in said


def test_secrets_come_from_files(tmp_path: Path) -> None:
    spec = definition(parsed("--bucket", "b", "--secret-key-file", secret_file(tmp_path)))
    assert spec["secret_key"] == SECRET


def test_older_keys_come_one_a_line(tmp_path: Path) -> None:
    spec = definition(parsed("--path", "/srv/b", "--old-encryption-keys-file", secret_file(tmp_path, "one\n\ntwo\n")))
    assert spec["old_encryption_keys"] == ["one", "two"]


@pytest.mark.parametrize("text", ["", "\n", f"{SECRET}\nmore\n"])
def test_a_file_with_no_one_line_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        definition(parsed("--bucket", "b", "--secret-key-file", secret_file(tmp_path, text)))
    assert "must be its only line" in refused.value.msg
    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't be read: No such file"):
        definition(parsed("--bucket", "b", "--secret-key-file", str(tmp_path / "none")))


def test_standard_input_holds_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET))
    assert definition(parsed("--path", "/srv/b", "--encryption-key-file", "-"))["encryption_key"] == SECRET


def test_flags_go_before_the_file_and_the_file_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "environment")
    monkeypatch.setenv("SNAPSHIP_PREFIX", "environment")
    monkeypatch.setenv("SNAPSHIP_REGION", "environment")
    spec = secret_file(tmp_path, json.dumps({"bucket": "file", "prefix": "file"}))
    assert definition(parsed("--remote-spec", spec, "--bucket", "flag")) == {
        "type": "s3",
        "bucket": "flag",
        "prefix": "file",
        "region": "environment",
    }


@pytest.mark.parametrize(("text", "expected"), [("yes", True), ("1", True), ("FALSE", False), ("off", False)])
def test_flags_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    monkeypatch.setenv("SNAPSHIP_VALIDATE_CERTS", text)
    assert definition(parsed("--bucket", "b"))["validate_certs"] is expected


@pytest.mark.parametrize(("name", "text"), [("SNAPSHIP_APPEND_ONLY", "maybe"), ("SNAPSHIP_OBJECT_LOCK_DAYS", "a week")])
def test_the_environment_can_be_wrong(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(UsageError, match=name):
        definition(parsed("--bucket", "b"))


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_ENCRYPTION_KEY", "")
    assert definition(parsed("--path", "/srv/b")) == {"type": "directory", "path": "/srv/b"}


def test_the_environment_of_another_type_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "b")
    monkeypatch.setenv("SNAPSHIP_SECRET_KEY", SECRET)
    monkeypatch.setenv("SNAPSHIP_COMPRESSION", "none")
    assert definition(parsed("--path", "/srv/b")) == {
        "type": "directory",
        "path": "/srv/b",
        "compression": "none",
    }


@pytest.mark.parametrize("text", [f'{{"secret_key": "{SECRET}"', "[]", '"bucket"'])
def test_a_spec_that_is_none_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="isn't (a )?JSON") as refused:
        definition(parsed("--remote-spec", secret_file(tmp_path, text)))
    assert SECRET not in str(refused.value)


def test_a_remote_has_a_name_or_a_definition() -> None:
    assert choice(parsed("--remote", "nas")) == ("nas", None)
    assert choice(parsed("--path", "/srv/b")) == (None, {"type": "directory", "path": "/srv/b"})
    with pytest.raises(UsageError, match="no remote is given"):
        choice(parsed())
    with pytest.raises(UsageError, match="but bucket is set, too"):
        choice(parsed("--remote", "nas", "--bucket", "b"))


def test_a_defined_remote_is_not_mixed_with_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "b")
    assert choice(parsed("--remote", "nas")) == ("nas", None)
