# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""What botocore raises, as one clear line: what is wrong, and what to do."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from ...common.errors import RemoteError


class S3Place(NamedTuple):
    """What messages name; no secret is in it."""

    label: str
    bucket: str
    endpoint: str
    region: str
    ca_path: str | None


class ReplyError(RemoteError):
    """What the server itself says, with its own code for it (``SlowDown``), empty where it gave none."""

    reason = ""


# The server's code of an error: ours, and what to do.
_BY_CODE = {
    "InvalidAccessKeyId": ("access_key", "the server doesn't know this access key", "Check access_key."),
    "InvalidToken": ("access_key", "the session token isn't valid", "Get new temporary keys."),
    "ExpiredToken": ("access_key", "the session token has expired", "Get new temporary keys."),
    "TokenRefreshRequired": ("access_key", "the session token has expired", "Get new temporary keys."),
    "SignatureDoesNotMatch": (
        "secret_key",
        "the signature doesn't match",
        "Check secret_key; it is another key's.",
    ),
    "AccountProblem": ("denied", "there is a problem with the account", "Ask whoever runs the server."),
    "InvalidObjectState": ("denied", "the object is archived", "Restore it from the archive tier first."),
    "PreconditionFailed": ("exists", "there is an object of this key already", ""),
    "ConditionalRequestConflict": ("exists", "somebody else is writing this key", "Run it again."),
    "NoSuchKey": ("no_key", "there is no such object", ""),
}
_DENIED = ("AccessDenied", "AllAccessDisabled", "Forbidden", "403", "UnauthorizedAccess")
_SKEW = ("RequestTimeTooSkewed", "RequestExpired")
_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301", "307")
_NEVER = ("NotImplemented", "501")
_FULL = ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLargeQuota", "507")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
# Words of the libraries below, and ours. The first that is found counts.
_NETWORK = (
    ("Name or service not known", "the name can't be resolved"),
    ("name resolution", "the name can't be resolved"),
    ("NameResolution", "the name can't be resolved"),
    ("getaddrinfo", "the name can't be resolved"),
    ("refused", "connection refused"),
    ("onnectTimeout", "no answer within the time-out (connecting)"),
    ("onnect timeout", "no answer within the time-out (connecting)"),
    ("ReadTimeout", "no answer within the time-out"),
    ("Read timeout", "no answer within the time-out"),
    ("timed out", "no answer within the time-out"),
    ("Proxy", "the proxy doesn't let it through"),
    ("unreachable", "network unreachable"),
    ("No route", "network unreachable"),
    ("IncompleteRead", "the connection broke"),
    ("Connection broken", "the connection broke"),
    ("ConnectionClosed", "the connection broke"),
    ("reset", "the connection broke"),
)
_FULL_WORDS = ("quota", "no space left", "disk full", "storage full", "no free volumes", "no writable volumes")


def failures() -> tuple[type[Exception], ...]:
    """What botocore and what lies below it raise when the remote, or the way to it, fails."""
    from botocore.exceptions import BotoCoreError, ClientError
    from urllib3.exceptions import HTTPError

    # ValueError: botocore's parsers, when a header is cut in the middle of a number.
    return BotoCoreError, ClientError, HTTPError, OSError, ValueError


def remote_error(error: Exception, action: str, place: S3Place) -> RemoteError:
    """One of the :func:`failures` in a user's words.

    ``action`` says what was tried: ``list backups/``, ``put data/...``.
    Beside the codes in :mod:`.store` there is ``no_key``: the object asked for isn't there.
    """
    from botocore import exceptions as known

    if isinstance(error, known.ClientError):
        told = _from_reply(error.response, action, place)
        reply = ReplyError(told.msg, told.hint, told.code)
        reply.reason = str(error.response.get("Error", {}).get("Code", ""))
        return reply
    if isinstance(error, (known.NoCredentialsError, known.PartialCredentialsError, known.CredentialRetrievalError)):
        return RemoteError(f"no usable S3 credentials: {error}", "Set access_key and secret_key.", code="access_key")
    if isinstance(error, known.SSLError) or "SSL" in type(error).__name__:
        return _from_tls(error, place)
    if isinstance(error, known.ParamValidationError):
        why = _one_line(error).split(": Bucket name must", maxsplit=1)[0]
        return RemoteError(f"{place.label}: {action}: {why}.", code="remote")
    return _from_network(error, action, place)


def _from_reply(reply: Mapping[str, Any], action: str, place: S3Place) -> RemoteError:
    error = reply.get("Error", {})
    code = str(error.get("Code", ""))
    message = _one_line(error.get("Message", ""))
    meta = reply.get("ResponseMetadata", {})
    status = meta.get("HTTPStatusCode", 0)
    where = f"{place.label}: {action}"
    if code == "NoSuchBucket":
        hint = "Check bucket and endpoint_url, or set create_bucket: true."
        return RemoteError(f"there is no bucket {place.bucket!r} at {place.endpoint}.", hint, code="bucket_missing")
    if code in _SKEW:
        return _skew(meta, error, place)
    location = str(meta.get("HTTPHeaders", {}).get("location", ""))
    if 300 <= status < 400 and location.startswith("https:") and place.endpoint.startswith("http:"):
        return RemoteError(f"{place.endpoint} wants TLS.", "Write https:// in endpoint_url.", code="tls")
    if code in _REGION or "Region" in error:
        return _region(meta, error, place)
    if code in _FULL or status == 507 or any(word in message.lower() for word in _FULL_WORDS):
        hint = "Free space or raise the quota there; what was complete before is untouched."
        return RemoteError(f"{where}: the remote is full ({code or status}: {message}).", hint, code="full")
    if code in _DENIED or (status == 403 and code not in _BY_CODE):
        said = f" ({message})" if message else ""
        return RemoteError(f"{where}: access denied{said}.", "The key needs the right to do this here.", code="denied")
    if "HTTP request to an HTTPS server" in message or "sent to HTTPS port" in message:
        return RemoteError(f"{place.endpoint} speaks TLS.", "Write https:// in endpoint_url.", code="tls")
    if code in _BY_CODE:
        ours, words, hint = _BY_CODE[code]
        return RemoteError(f"{where}: {words}.", hint, code=ours)
    if status == 404 and code in ("", "404"):
        hint = "Check endpoint_url: is that an S3 server?"
        return RemoteError(f"{where}: not found, without a reason that S3 would give.", hint, code="remote")
    if (status >= 500 and code not in _NEVER) or code in ("SlowDown", "RequestTimeout"):
        hint = "Try again later, or look at the server's log."
        return RemoteError(f"{where}: the server failed ({code or status}: {message}).", hint, code="unreachable")
    return RemoteError(f"{where}: the server refuses ({code or status}: {message}).", code="remote")


def _skew(meta: Mapping[str, Any], error: Mapping[str, Any], place: S3Place) -> RemoteError:
    ours = datetime.datetime.now(datetime.timezone.utc)
    header = meta.get("HTTPHeaders", {}).get("date")
    shown = str(error.get("ServerTime") or header or "unknown")
    try:
        theirs = parsedate_to_datetime(header) if header else None
    except (TypeError, ValueError):
        theirs = None
    if theirs is not None:
        shown = theirs.strftime("%Y-%m-%dT%H:%M:%SZ")
    return RemoteError(
        f"{place.endpoint} refuses this host's clock: here it is {ours.strftime('%Y-%m-%dT%H:%M:%SZ')}, there {shown}.",
        "Set the clock that is wrong (NTP).",
        code="clock_skew",
    )


def _region(meta: Mapping[str, Any], error: Mapping[str, Any], place: S3Place) -> RemoteError:
    right = error.get("Region") or meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if right:
        words, hint = f"it is in {right}, not in {place.region}", f"Set region: {right}."
    else:
        words, hint = f"it isn't in {place.region} ({_one_line(error.get('Message', ''))})", "Set the right region."
    return RemoteError(f"wrong region for bucket {place.bucket!r}: {words}.", hint, code="region")


def _from_tls(error: Exception, place: S3Place) -> RemoteError:
    text = str(error)
    if any(sign in text for sign in _NO_TLS):
        hint = "Write http:// in endpoint_url, or name the port that speaks TLS."
        return RemoteError(f"{place.endpoint} doesn't speak TLS.", hint, code="tls")
    why = _tls_reason(text)
    hint = "Set ca_path to the certificate of the authority that signed it."
    if "match" in why or "valid for" in why:
        hint = "Use the name that is in the certificate in endpoint_url."
    elif "expired" in why or "not yet valid" in why:
        hint = "Renew the certificate there, or set this host's clock."
    elif place.ca_path:
        hint = f"It isn't signed by what is in ca_path {place.ca_path}."
    return RemoteError(f"the certificate of {place.endpoint} isn't trusted: {why}.", hint, code="tls")


def _tls_reason(text: str) -> str:
    """The part of OpenSSL's message that says what is wrong."""
    for mark in ("certificate verify failed: ", "CertificateError("):
        if mark in text:
            return text.split(mark, 1)[1].split(" (_ssl")[0].strip("'\")( ")
    return _one_line(text)


def _from_network(error: Exception, action: str, place: S3Place) -> RemoteError:
    text = " ".join(f"{type(each).__name__} {each}" for each in _causes(error))
    words = next((ours for theirs, ours in _NETWORK if theirs in text), _one_line(error))
    hint = "Check endpoint_url, the network, and that the server runs."
    return RemoteError(f"{place.label} can't be reached to {action}: {words}.", hint, code="unreachable")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from: botocore's own words often leave out the reason."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = getattr(each, "kwargs", {}).get("error") or each.__cause__ or each.__context__


def _one_line(words: object) -> str:
    return " ".join(str(words).split())[:300].rstrip(".")
