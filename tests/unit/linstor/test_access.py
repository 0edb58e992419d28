# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sources of connection options, and mistakes in them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import access as access_module
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.access import authorities, settle
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine's own configuration of LINSTOR's client doesn't count."""
    monkeypatch.delenv("LS_CONTROLLERS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("_SYSTEM_CONFIG", "_SYSTEM_PARTS", "_NODE_TOKEN"):
        monkeypatch.setattr(access_module, name, str(tmp_path / name))


def config(path: Path, **values: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{key.replace('_', '-')}={value}" for key, value in values.items()]
    path.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    return path


def test_where_the_controllers_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settle(Access()).controllers == ("linstor://localhost",)
    config(tmp_path / "_SYSTEM_CONFIG", controllers="system")
    assert settle(Access()).controllers == ("linstor://system",)
    config(tmp_path / ".config/linstor/linstor-client.conf", controllers="mine,https://mine2:1", auth_token="t0ken")
    settled = settle(Access())
    assert settled.controllers == ("linstor://mine", "https://mine2:1")
    assert settled.auth_token == "t0ken"
    own = config(tmp_path / "own.conf", controllers="own")
    assert settle(Access(config_file=str(own))).controllers == ("linstor://own",)
    monkeypatch.setenv("LS_CONTROLLERS", "env1, linstor+ssl://env2")
    assert settle(Access(config_file=str(own))).controllers == ("linstor://env1", "linstor+ssl://env2")
    assert settle(Access(controllers=("said",))).controllers == ("linstor://said",)


def test_a_satellites_own_token(tmp_path: Path) -> None:
    (tmp_path / "_NODE_TOKEN").write_text('{"token": "ofnode"}', encoding="utf-8")
    assert settle(Access()).auth_token == "ofnode"
    assert settle(Access(auth_token="said")).auth_token == "said"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"controllers": ("ftp://x",)}, "ftp://x"),
        ({"controllers": ("linstor://",)}, "valid controller address"),
        ({"controllers": ("host:notaport",)}, "host:notaport"),
        ({"controllers": ("linstor://me:pw@host",)}, "user name or password"),
        ({"username": "me"}, "set together"),
        ({"client_key": "/dev/null"}, "client_cert"),
    ],
)
def test_mistakes(options: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        settle(Access(**options))  # type: ignore[arg-type]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for option in ("ca_path", "client_cert", "config_file"):
        with pytest.raises(ConfigError, match=option):
            settle(Access(**{option: str(tmp_path / "none")}))  # type: ignore[arg-type]


def test_a_broken_configuration_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text("auth-token=t0ken-in-no-section\n", encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        settle(Access(config_file=str(tmp_path / "bad.conf")))
    assert "t0ken" not in str(told.value)


def test_certificates_are_checked_unless_switched_off() -> None:
    assert authorities(Access(validate_certs=False)) is None
    found = authorities(Access())
    assert found is not None
    assert Path(found).is_file()


def test_secrets_are_in_no_representation() -> None:
    shown = repr(Access(auth_token="t0ken", username="me", password="passw0rd"))
    assert "t0ken" not in shown
    assert "passw0rd" not in shown


def test_without_the_library(tmp_path: Path) -> None:
    """A module that is run where it isn't installed says so; nothing is imported before it is needed."""
    code = (
        "import sys; sys.modules['linstor'] = None\n"
        "from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster\n"
        "try: Cluster(Access()).version\n"
        "except Exception as error: print(type(error).__name__, error.code, error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("ConfigError library The Python library python-linstor isn't installed for")
