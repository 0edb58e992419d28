# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import (
    all_options,
    parse_remote,
    secret_options,
)
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_options, remote_spec


def options_of(given: dict[str, object]) -> dict[str, object]:
    """As Ansible would hand them to a module."""
    checked = ArgumentSpecValidator(arguments.definition()).validate(given)
    assert checked.error_messages == []
    return remote_options(checked.validated_parameters)


def test_the_options_are_those_of_the_engine() -> None:
    assert set(arguments.definition()) == {"type", *(option.name for option in all_options())}


def test_every_secret_is_hidden() -> None:
    hidden = {option for option, rules in arguments.definition().items() if rules.get("no_log")}
    assert hidden == set(secret_options())


def test_the_environment_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "backups")
    monkeypatch.setenv("SNAPSHIP_SECRET_KEY", "from-the-environment")
    monkeypatch.setenv("SNAPSHIP_VALIDATE_CERTS", "no")
    monkeypatch.setenv("SNAPSHIP_OLD_ENCRYPTION_KEYS", "a,b")
    found = options_of({"secret_key": "given"})
    assert found["bucket"] == "backups"
    assert found["secret_key"] == "given"
    assert found["validate_certs"] is False
    assert found["old_encryption_keys"] == ["a", "b"]


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "")
    monkeypatch.setenv("SNAPSHIP_ENCRYPTION_KEY", "")
    assert not {"bucket", "encryption_key"} & set(options_of({"path": "/srv/backup"}))


@pytest.mark.parametrize("given", [{"path": "/srv/backup"}, {"path": "/srv/backup", "type": "directory"}])
def test_the_environment_of_another_type_is_left_out(monkeypatch: pytest.MonkeyPatch, given: dict[str, object]) -> None:
    monkeypatch.setenv("SNAPSHIP_TYPE", "s3")
    monkeypatch.setenv("SNAPSHIP_BUCKET", "backups")
    monkeypatch.setenv("SNAPSHIP_ENDPOINT_URL", "https://s3.example.com")
    found = options_of(given)
    assert not {"bucket", "endpoint_url"} & set(found)
    assert found["type"] == "directory"
    parse_remote("nas", found)


def test_what_the_task_says_of_another_type_stays_for_the_engine_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "backups")
    found = options_of({"type": "directory", "path": "/srv/backup", "bucket": "mine"})
    assert found["bucket"] == "mine"
    with pytest.raises(UsageError, match="bucket is for type s3"):
        parse_remote("nas", found)


def test_the_environment_alone_defines_a_remote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_PATH", "/srv/backup")
    monkeypatch.setenv("SNAPSHIP_SECRET_KEY", "for-other-tasks")
    found = options_of({})
    assert (found["type"], found["path"]) == ("directory", "/srv/backup")
    assert "secret_key" not in found


def test_a_spec_is_none_where_the_remote_has_a_name() -> None:
    assert remote_spec({"remote": "nas", "remote_spec": None}) is None


def test_merging_the_same_option_twice_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="parallel"):
        arguments.merge(arguments.parallel(), arguments.parallel())
