# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The botocore client for a remote: credentials, time-outs, retries, TLS. botocore is imported when it is needed."""

from __future__ import annotations

import os
import types
from typing import Any, NamedTuple

from ...common.errors import RemoteError
from .credentials import Hidden, unusable
from .limits import limit_replies
from .payload import sign_known_digests
from .settings import S3Settings, endpoint_flaw

_CONNECTIONS = 32
_ATTEMPTS = 4
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_DEFAULT_REGION = "us-east-1"


class Opened(NamedTuple):
    """A client with what is needed to talk about it."""

    client: Any
    endpoint: str  # as resolved, the environment's included
    region: str
    aws: bool  # whether this is Amazon's own service
    hidden: Hidden  # what no message may quote


def open_client(settings: S3Settings) -> Opened:
    """A client for these settings. It makes no request yet, except to fetch the keys of an instance role.

    Raises RemoteError: ``library`` without boto3, ``access_key`` without credentials, ``tls`` for a bad ca_path.
    """
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError as error:
        raise RemoteError(
            f"type s3 needs the Python library boto3, which can't be imported on this host ({error}).",
            "Install it for the Python that runs this task: the package python3-boto3, or pip install boto3.",
            code="library",
        ) from None
    session = botocore.session.Session(profile=settings.profile)
    try:
        if settings.access_key and settings.secret_key:
            session.set_credentials(settings.access_key, settings.secret_key, settings.session_token)
        credentials = session.get_credentials()
        region = settings.region or session.get_config_variable("region") or _DEFAULT_REGION
        client = session.create_client(
            "s3",
            region_name=region,
            endpoint_url=settings.endpoint_url or _endpoint_of_environment(),
            verify=_verify(settings),
            config=_config(settings),
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        hidden = Hidden((settings.access_key, settings.secret_key, settings.session_token))
        raise RemoteError(
            f"the AWS configuration of this host is unusable: {hidden.cleaned(error)}.",
            "Check profile and region of the remote, and the AWS configuration files of this user.",
            code="config",
        ) from None
    if credentials is None:
        raise RemoteError(
            _no_credentials(settings), "Set access_key and secret_key, or provide one of these.", code="access_key"
        )
    unusable(credentials)
    endpoint = client.meta.endpoint_url
    flaw = endpoint_flaw(endpoint)
    if flaw is not None:  # only the environment's: a definition's was checked
        raise RemoteError(
            f"the endpoint in this host's AWS configuration {flaw[0]}.",
            f"Correct AWS_ENDPOINT_URL or the profile. {flaw[1]}",
            code="config",
        )
    sign_known_digests(client, credentials)
    limit_replies(client)
    aws = ".amazonaws.com" in endpoint
    if not aws:
        client.meta.events.register("before-call.s3.HeadBucket", _no_reply)
    return Opened(client, endpoint, region, aws, Hidden.of(credentials))


def _no_reply(**_kwargs: Any) -> Any:
    """Replaces HEAD for the bucket, which botocore only sends when it is redirected, to ask for the bucket's region.

    If that is redirected, too (by a front that wants https), botocore asks again without end. Only Amazon has several
    regions.
    """
    return types.SimpleNamespace(status_code=404), {"Error": {}, "ResponseMetadata": {"HTTPHeaders": {}}}


def _endpoint_of_environment() -> str | None:
    """The endpoint that botocore before 1.31 doesn't read from the environment itself: it would go to Amazon."""
    from botocore.config import Config

    if "ignore_configured_endpoint_urls" in Config.OPTION_DEFAULTS:
        return None
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None


def _config(settings: S3Settings) -> Any:
    from botocore.config import Config

    options: dict[str, Any] = {
        "max_pool_connections": _CONNECTIONS,
        "connect_timeout": _CONNECT_SECONDS,
        "read_timeout": _READ_SECONDS,
        "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
    }
    # Several servers refuse checksum trailers, the default since botocore 1.36. Older ones don't know these options.
    newer = {
        "tcp_keepalive": True,
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    options.update({name: value for name, value in newer.items() if name in Config.OPTION_DEFAULTS})
    if settings.addressing_style != "auto":
        options["s3"] = {"addressing_style": settings.addressing_style}
    return Config(**options)


def _verify(settings: S3Settings) -> None | bool | str:
    if not settings.validate_certs:
        import warnings

        import urllib3.exceptions

        # The user asked for it; a warning with each request would only hide others.
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        return False
    if settings.ca_path and not os.path.exists(settings.ca_path):
        raise RemoteError(
            f"ca_path {settings.ca_path} doesn't exist.", "Set it to a PEM file or a folder of them.", code="tls"
        )
    return settings.ca_path or None


def _no_credentials(settings: S3Settings) -> str:
    profile: str | None = settings.profile or os.environ.get("AWS_PROFILE") or "default"
    return (
        "no S3 credentials were found: access_key isn't set, AWS_ACCESS_KEY_ID isn't in the environment, "
        f"profile {profile} of ~/.aws has none, and no container or instance role answers."
    )
