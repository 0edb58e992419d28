# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""Turns errors of botocore into one clear line: the cause, and what to do."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from ...common.errors import RemoteError
from .credentials import Hidden


class S3Place(NamedTuple):
    """The names in error messages; never a secret."""

    label: str
    bucket: str
    endpoint: str
    region: str
    ca_path: str | None
    hidden: Hidden  # what a server or a library may quote, and we don't


class ReplyError(RemoteError):
    """An error reported by the server. ``reason`` is its own code (``SlowDown``), empty if it gave none."""

    reason = ""


# The server's error code: our code, the cause, what to do.
_BY_CODE = {
    "InvalidAccessKeyId": ("access_key", "the server doesn't know this access key", "Check access_key."),
    "InvalidToken": ("access_key", "the session token isn't valid", "Get new temporary keys."),
    "ExpiredToken": ("access_key", "the session token has expired", "Get new temporary keys."),
    "TokenRefreshRequired": ("access_key", "the session token has expired", "Get new temporary keys."),
    "SignatureDoesNotMatch": (
        "secret_key",
        "the signature doesn't match",
        "Check secret_key: it doesn't belong to this access_key.",
    ),
    "AccountProblem": ("denied", "the account has a problem", "Ask whoever runs the server."),
    "InvalidObjectState": ("denied", "the object is archived", "Restore it from the archive tier first."),
    "PreconditionFailed": ("exists", "the object exists already", ""),
    "ConditionalRequestConflict": ("exists", "another client is writing the object", "Run it again."),
    "NoSuchKey": ("no_key", "the object doesn't exist", ""),
}
_DENIED = ("AccessDenied", "AllAccessDisabled", "Forbidden", "403", "UnauthorizedAccess")
_SKEW = ("RequestTimeTooSkewed", "RequestExpired")
_REGION = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException", "301", "307")
_NEVER = ("NotImplemented", "501")
_FULL = ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "EntityTooLargeQuota", "507")
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")
# Words of the libraries below, and ours. The first match counts.
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
    """The errors that botocore and the libraries below raise when the remote or the network fails."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    # ValueError: botocore's parsers, when a header is cut in the middle of a number. The others: theirs, too, for times
    # that no calendar has.
    theirs = (ResponseParserError, ValueError, OverflowError, RuntimeError)
    return BotoCoreError, ClientError, HTTPError, OSError, *theirs


def remote_error(error: Exception, action: str, place: S3Place) -> RemoteError:
    """One of the :func:`failures` in plain words.

    ``action`` is what was tried: ``list backups/``, ``put segment 1 of ...``. The code ``no_key`` comes besides those
    in :mod:`.store`: the object doesn't exist.
    """
    from botocore import exceptions as known

    if isinstance(error, known.ClientError):
        told = _from_reply(error.response, action, place)
        reply = ReplyError(told.msg, told.hint, told.code)
        reply.reason = _code(error.response.get("Error", {}))
        return reply
    if isinstance(error, (known.NoCredentialsError, known.PartialCredentialsError, known.CredentialRetrievalError)):
        why = place.hidden.cleaned(error)
        return RemoteError(f"no usable S3 credentials: {why}.", "Set access_key and secret_key.", code="access_key")
    if isinstance(error, known.SSLError) or "SSL" in type(error).__name__:
        return _from_tls(error, place)
    if isinstance(error, known.ParamValidationError):
        why = place.hidden.cleaned(error).split(": Bucket name must", maxsplit=1)[0]
        return RemoteError(f"{place.label}: {action}: {why}.", code="remote")
    return _from_network(error, action, place)


def _code(error: Mapping[str, Any]) -> str:
    """The server's code for an error; empty for what can't be one."""
    found = str(error.get("Code") or "")
    return found if re.fullmatch(r"[A-Za-z0-9.]{1,64}", found) else ""


def _from_reply(reply: Mapping[str, Any], action: str, place: S3Place) -> RemoteError:
    error = reply.get("Error", {})
    code = _code(error)
    message = place.hidden.cleaned(error.get("Message") or "")
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
        hint = "Free space or raise the quota there. Complete backups are unaffected."
        return RemoteError(f"{where}: the remote is full ({code or status}: {message}).", hint, code="full")
    if code in _DENIED or (status == 403 and code not in _BY_CODE):
        said = f" ({message})" if message else ""
        return RemoteError(f"{where}: access denied{said}.", "The access key needs this right here.", code="denied")
    if "HTTP request to an HTTPS server" in message or "sent to HTTPS port" in message:
        return RemoteError(f"{place.endpoint} speaks TLS.", "Write https:// in endpoint_url.", code="tls")
    if code in _BY_CODE:
        ours, words, hint = _BY_CODE[code]
        return RemoteError(f"{where}: {words}.", hint, code=ours)
    if status == 404 and code in ("", "404"):
        hint = "Check endpoint_url: is it an S3 server?"
        return RemoteError(f"{where}: not found. The server gave no reason that S3 gives.", hint, code="remote")
    if (status >= 500 and code not in _NEVER) or code in ("SlowDown", "RequestTimeout"):
        hint = "Try again later, or look at the server's log."
        return RemoteError(f"{where}: the server failed ({code or status}: {message}).", hint, code="unreachable")
    return RemoteError(f"{where}: the server refuses ({code or status}: {message}).", code="remote")


def _skew(meta: Mapping[str, Any], error: Mapping[str, Any], place: S3Place) -> RemoteError:
    ours = datetime.datetime.now(datetime.timezone.utc)
    header = meta.get("HTTPHeaders", {}).get("date")
    shown = place.hidden.cleaned(error.get("ServerTime") or header or "unknown")
    try:
        theirs = parsedate_to_datetime(header) if header else None
    except (TypeError, ValueError):
        theirs = None
    if theirs is not None:  # else its own words
        shown = theirs.strftime("%Y-%m-%dT%H:%M:%SZ")
    return RemoteError(
        f"{place.endpoint} refuses this host's clock: it is {ours.strftime('%Y-%m-%dT%H:%M:%SZ')} here, {shown} there.",
        "Correct the wrong clock (NTP).",
        code="clock_skew",
    )


def _region(meta: Mapping[str, Any], error: Mapping[str, Any], place: S3Place) -> RemoteError:
    right = error.get("Region") or meta.get("HTTPHeaders", {}).get("x-amz-bucket-region")
    if right and re.fullmatch(r"[a-z0-9-]{1,64}", str(right)):
        words, hint = f"it is in {right}, not in {place.region}", f"Set region: {right}."
    else:
        words, hint = (
            f"it isn't in {place.region} ({place.hidden.cleaned(error.get('Message') or '')})",
            "Set the right region.",
        )
    return RemoteError(f"wrong region for bucket {place.bucket!r}: {words}.", hint, code="region")


def _from_tls(error: Exception, place: S3Place) -> RemoteError:
    text = str(error)
    if any(sign in text for sign in _NO_TLS):
        hint = "Write http:// in endpoint_url, or name the port that speaks TLS."
        return RemoteError(f"{place.endpoint} doesn't speak TLS.", hint, code="tls")
    why = place.hidden.cleaned(_tls_reason(text))
    hint = "Set ca_path to the certificate of the authority that signed it."
    if "match" in why or "valid for" in why:
        hint = "Set endpoint_url to the name in the certificate."
    elif "expired" in why or "not yet valid" in why:
        hint = "Renew the certificate, or correct this host's clock."
    elif place.ca_path:
        hint = f"No authority in ca_path {place.ca_path} signed it."
    return RemoteError(f"the certificate of {place.endpoint} isn't trusted: {why}.", hint, code="tls")


def _tls_reason(text: str) -> str:
    """The reason, from OpenSSL's message."""
    for mark in ("certificate verify failed: ", "CertificateError("):
        if mark in text:
            return text.split(mark, 1)[1].split(" (_ssl")[0].strip("'\")( ")
    return text


def _from_network(error: Exception, action: str, place: S3Place) -> RemoteError:
    text = " ".join(f"{type(each).__name__} {each}" for each in _causes(error))
    words = next((ours for theirs, ours in _NETWORK if theirs in text), None)
    words = words or place.hidden.cleaned(error)
    hint = "Check endpoint_url, the network, and that the server runs."
    return RemoteError(f"{place.label} can't be reached to {action}: {words}.", hint, code="unreachable")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: botocore's own text often leaves out the reason."""
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = getattr(each, "kwargs", {}).get("error") or each.__cause__ or each.__context__
