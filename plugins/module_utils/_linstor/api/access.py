# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The address and credentials of a cluster: from options, the environment, the client's configuration, or localhost."""

from __future__ import annotations

import configparser
import dataclasses
import os
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from ..._engine.common.bounded import read_object
from ..._engine.common.errors import ConfigError, UsageError

SCHEMES = ("linstor", "linstor+ssl", "http", "https")
#: configuration files of LINSTOR's client; the first one that exists counts
_USER_CONFIG = "~/.config/linstor/linstor-client.conf"
_SYSTEM_CONFIG = "/etc/linstor/linstor-client.conf"
_SYSTEM_PARTS = "/etc/linstor/linstor-client.d"
#: the file in which a satellite keeps its token
_NODE_TOKEN = "/var/lib/linstor.d/auth.json"
_TOKEN_LIMIT = 1 << 20  # bytes
#: files of trusted authorities on Debian and Ubuntu, RHEL and Fedora, SUSE, Alpine
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


@dataclasses.dataclass(frozen=True)
class Access:
    """The connection options as the task sets them; :func:`settle` fills in the rest. ``timeout`` is in seconds."""

    controllers: tuple[str, ...] = ()
    auth_token: str | None = dataclasses.field(default=None, repr=False)
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    client_cert: str | None = None
    client_key: str | None = None
    ca_path: str | None = None
    validate_certs: bool = True
    config_file: str | None = None
    timeout: float = 300

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values that no message may show."""
        return tuple(secret for secret in (self.auth_token, self.password) if secret)


def settle(access: Access) -> Access:
    """Fill in addresses, token and certificates from the environment and the client's configuration.

    Raises UsageError or ConfigError for options that don't fit together and files that can't be read.
    """
    config = _client_config(access.config_file)
    addresses = (
        list(access.controllers)
        or _split(os.environ.get("LS_CONTROLLERS"))
        or _split(config.get("controllers"))
        or ["localhost"]
    )
    settled = dataclasses.replace(
        access,
        controllers=tuple(dict.fromkeys(_address(each) for each in addresses)),
        auth_token=access.auth_token or config.get("auth-token") or _node_token(),
        client_cert=access.client_cert or config.get("certfile"),
        client_key=access.client_key or config.get("keyfile"),
        ca_path=access.ca_path or config.get("cafile"),
    )
    if (settled.username is None) != (settled.password is None):
        raise UsageError("username and password must be set together.")
    if settled.client_key and not settled.client_cert:
        raise UsageError("client_key needs client_cert.")
    for option, path in (
        ("client_cert", settled.client_cert),
        ("client_key", settled.client_key),
        ("ca_path", settled.ca_path),
    ):
        if path and not os.access(path, os.R_OK):
            raise ConfigError(f"{option}: {path} doesn't exist or can't be read.")
    return settled


def authorities(access: Access) -> str | None:
    """The file with the authorities to trust, or ``None`` if certificates aren't checked.

    python-linstor checks nothing without such a file, so this looks for the system's own.
    """
    if not access.validate_certs:
        return None
    candidates: Sequence[str | None] = (
        access.ca_path,
        os.environ.get("SSL_CERT_FILE"),
        ssl.get_default_verify_paths().cafile,
        *_BUNDLES,
    )
    for path in candidates:
        if path and os.path.isfile(path):
            return path
    raise ConfigError(
        "This host has no certificate authorities to check the controller's certificate with.",
        "Set ca_path to a file with the authority that signed the certificate, or install ca-certificates.",
    )


def _client_config(config_file: str | None) -> dict[str, str]:
    """The section [global] of LINSTOR's client configuration."""
    if config_file and not os.path.isfile(config_file):
        raise ConfigError(
            f"config_file: {config_file} doesn't exist.", "Leave config_file out to use the default files."
        )
    parts = []
    if os.path.isdir(_SYSTEM_PARTS):
        names = sorted(name for name in os.listdir(_SYSTEM_PARTS) if name.endswith(".conf"))
        parts = [os.path.join(_SYSTEM_PARTS, name) for name in names]
    usual = [path for path in (os.path.expanduser(_USER_CONFIG), _SYSTEM_CONFIG) if os.path.isfile(path)]
    files = parts + ([config_file] if config_file else usual[:1])
    parser = configparser.ConfigParser(interpolation=None)
    for path in files:
        try:
            with open(path, encoding="utf-8") as stream:
                parser.read_file(stream)
        except PermissionError:
            if path == config_file:
                raise ConfigError(f"config_file: this user can't read {path}.") from None
        except (configparser.Error, UnicodeDecodeError):
            # The parser's message is left out: it quotes the line, which may hold the token.
            raise ConfigError(f"{path} isn't a valid configuration file of LINSTOR's client.") from None
    return dict(parser["global"]) if parser.has_section("global") else {}


def _node_token() -> str | None:
    try:
        with open(_NODE_TOKEN, "rb") as stream:
            token = read_object(stream.read(_TOKEN_LIMIT + 1), _TOKEN_LIMIT, floats=True).get("token")
    except (OSError, ValueError):
        return None
    return str(token) if token else None


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _address(given: str) -> str:
    """A controller's address with its scheme, checked."""
    text = given.strip()
    uri = text if "://" in text else f"linstor://{text}"
    hint = "Write linstor://HOST, linstor+ssl://HOST or HOST:PORT (an IPv6 address in brackets)."
    try:
        parts = urlsplit(uri)
        fine = parts.scheme in SCHEMES and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        fine, parts = False, None
    if parts is not None and (parts.username or parts.password):
        raise UsageError(
            "controllers: an address contains a user name or password.", "Set username and password instead."
        )
    if not fine:
        raise UsageError(f"controllers: {given!r} isn't a valid controller address.", hint)
    return uri.rstrip("/")
