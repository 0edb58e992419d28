# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remotes: S3, LINSTOR, EBS. No reply ever has a secret, nor the id of the peer's cluster."""

from __future__ import annotations

import copy
import re
import uuid
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.buckets import Unreachable, bucket_of
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry, within
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import uses
from ansible_collections.snapship.dr.tests.linstor_sim.state import Remote

_SHOWN = {
    "s3": ("endpoint", "bucket", "region"),
    "linstor": ("url",),
    "ebs": ("endpoint", "region", "availability_zone"),
}
_SECRET = {"s3": ("access_key", "secret_key"), "linstor": ("passphrase",), "ebs": ("access_key", "secret_key")}
_OPTIONAL = {"s3": (), "linstor": ("passphrase",), "ebs": ("endpoint", "region")}
_MASK = codes.MASK_REMOTE | codes.MASK_MOD
_URL = re.compile(r"^(https?://)?([^:/]+)(:\d+)?")


@route("GET", "/v1/remotes")
def all_remotes(cluster: Cluster, _call: Call) -> Any:
    return {f"{kind}_remotes": _of_kind(cluster, kind) for kind in _SHOWN}


@route("GET", "/v1/remotes/s3")
def s3_remotes(cluster: Cluster, _call: Call) -> Any:
    return _of_kind(cluster, "s3")


@route("GET", "/v1/remotes/linstor")
def linstor_remotes(cluster: Cluster, _call: Call) -> Any:
    return _of_kind(cluster, "linstor")


@route("GET", "/v1/remotes/ebs")
def ebs_remotes(cluster: Cluster, _call: Call) -> Any:
    return _of_kind(cluster, "ebs")


@route("POST", "/v1/remotes/s3")
def create_s3(cluster: Cluster, call: Call) -> Entries:
    return _create(cluster, call, "s3", "Remote created")


@route("PUT", "/v1/remotes/s3/{remote}")
def modify_s3(cluster: Cluster, call: Call) -> Entries:
    _modify(cluster, call, "s3")
    return []


@route("POST", "/v1/remotes/linstor")
def create_linstor(cluster: Cluster, call: Call) -> Entries:
    return _create(cluster, call, "linstor", "Linstor remote successfully created")


@route("PUT", "/v1/remotes/linstor/{remote}")
def modify_linstor(cluster: Cluster, call: Call) -> Entries:
    return _modify(cluster, call, "linstor", "Linstor remote successfully updated")


@route("POST", "/v1/remotes/ebs")
def create_ebs(cluster: Cluster, call: Call) -> Entries:
    return _create(cluster, call, "ebs", "Remote created")


@route("PUT", "/v1/remotes/ebs/{remote}")
def modify_ebs(cluster: Cluster, call: Call) -> Entries:
    return _modify(cluster, call, "ebs", "EBS remote successfully updated")


@route("DELETE", "/v1/remotes")
def delete(cluster: Cluster, call: Call) -> Entries:
    """A remote in use is deleted after its last shipment."""
    asked = call.one("remote_name")
    if not asked:
        with within(_MASK, "Remote: null", {}):
            raise Refused(codes.FAIL_INVLD_REMOTE_NAME, "The given remote name 'null' is invalid.", report=True)
    references = {"Remote": asked}
    found = next((each for each in cluster.remotes.values() if each.name.lower() == asked.lower()), None)
    if found is None:
        return [entry(codes.WARN_NOT_FOUND | _MASK, f"Remote: {asked} not found.", references=references)]
    if uses(cluster, found.name):
        found.going = True
        message = f"Remote: {found.name} prepared for deletion. Waiting for ongoing shipments to complete or abort."
        return [entry(codes.MODIFIED | _MASK, message, references=references)]
    del cluster.remotes[found.name]
    for props in cluster.all_props():
        for name in [each for each in props if each.startswith(f"Schedule/{found.name}/")]:
            del props[name]
    messages = (f"Remote: {found.name} marked for deletion.", f"Remote: {found.name} deleted.")
    return [entry(codes.DELETED | _MASK, each, references=references) for each in messages]


def _create(cluster: Cluster, call: Call, kind: str, message: str) -> Entries:
    name = call.field("remote_name", "")
    with within(_MASK, f"Remote: {name}", {"Remote": name}):
        made = _created(cluster, call, kind)
        if kind == "s3":
            made.fields["use_path_style"] = bool(call.field("use_path_style", False))
            _need_bucket(cluster, made)
        cluster.remotes[made.name] = made
    said = [entry(codes.CREATED | _MASK, message, references={"Remote": name})]
    if kind != "linstor":
        applied = [f"({each.name}) Node changes applied." for each in cluster.nodes.values() if each.online]
        said += [entry(codes.MODIFIED | _MASK, each, references={"Remote": name}) for each in applied]
    return said


def _modify(cluster: Cluster, call: Call, kind: str, message: str = "") -> Entries:
    name = call.names["remote"]
    with within(_MASK, f"Remote: {name}", {"Remote": name}):
        found = cluster.remote(name)
        if found.kind != kind:
            text = f"The remote with the name '{name}' is not a {kind} remote."
            raise Refused(codes.FAIL_EXISTS_REMOTE, text, report=True)
        changed = copy.deepcopy(found)
        _take(cluster, changed, call)
        if kind == "s3":
            _need_bucket(cluster, changed)
        cluster.remotes[found.name] = changed
    return [entry(codes.MODIFIED | _MASK, message, references={"Remote": found.name})]


def _of_kind(cluster: Cluster, kind: str) -> list[dict[str, Any]]:
    """LINSTOR never tells the path style: it always returns false."""
    more = {"use_path_style": False} if kind == "s3" else {}
    return [
        {"remote_name": each.name, **{name: each.fields.get(name) for name in _SHOWN[kind]}, **more}
        for each in sorted(cluster.remotes.values(), key=lambda remote: remote.name)
        if each.kind == kind
    ]


def _created(cluster: Cluster, call: Call, kind: str) -> Remote:
    wanted = [name for name in ("remote_name", *_SHOWN[kind], *_SECRET[kind]) if name not in _OPTIONAL[kind]]
    missing = [name for name in wanted if not call.field(name)]
    if missing:
        form = "parameter is" if len(missing) == 1 else "parameters are"
        message = f"The remote could not be created because the following required {form} missing: "
        raise Refused(codes.FAIL_INVLD_BACKUP_CONFIG | codes.MASK_BACKUP, message + f"[{', '.join(missing)}]")
    name = call.field("remote_name")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{1,254}", name):
        raise Refused(codes.FAIL_INVLD_REMOTE_NAME, f"The given remote name '{name}' is invalid.", report=True)
    if name.lower() in [each.lower() for each in cluster.remotes]:
        raise Refused(
            codes.FAIL_EXISTS_REMOTE,
            f"A remote with the name '{name}' already exists. Please use a different name or try to modify the remote "
            "instead.",
            report=True,
        )
    made = Remote(name, kind)
    _take(cluster, made, call)
    return made


def _take(cluster: Cluster, remote: Remote, call: Call) -> None:
    secrets = {name: call.field(name) for name in _SECRET[remote.kind] if call.field(name)}
    if secrets and cluster.passphrase_status != "unlocked":
        raise Refused(
            codes.FAIL_NOT_FOUND_CRYPT_KEY,
            "Unable to create encrypt key without having a master key",
            report=True,
            cause="The masterkey was not initialized yet",
            correction="Create or enter the master passphrase",
        )
    remote.secrets.update(secrets)
    remote.fields.update({name: call.field(name) for name in _SHOWN[remote.kind] if call.field(name)})
    if remote.kind == "ebs":
        _check_endpoint(remote)
    if remote.kind == "linstor":
        remote.fields["url"] = _whole_url(str(remote.fields["url"]))
        remote.cluster_id = _cluster_id(call.field("cluster_id")) or remote.cluster_id


def _check_endpoint(remote: Remote) -> None:
    region = remote.fields.setdefault("region", str(remote.fields["availability_zone"])[:-1])
    endpoint = str(remote.fields.setdefault("endpoint", f"https://ec2.{region}.amazonaws.com"))
    if "://" not in endpoint:
        raise Refused(codes.FAIL_INVLD_CONF, f"End point '{endpoint}' is invalid.", cause=f"no protocol: {endpoint}")


def _whole_url(url: str) -> str:
    found = _URL.match(url)
    if not found:
        raise Refused(codes.FAIL_UNKNOWN_ERROR, f"Given URL '{url}' did not match expected pattern of {_URL.pattern}")
    scheme, host, port = found.group(1) or "http://", found.group(2), found.group(3)
    return f"{scheme}{host}{port or (':3371' if scheme == 'https://' else ':3370')}"


def _cluster_id(given: str | None) -> str:
    if not given:
        return ""
    try:
        return str(uuid.UUID(given))
    except ValueError:
        raise Refused(codes.FAIL_INVLD_CONF, "The given cluster id is not a valid UUID", report=True) from None


def _need_bucket(cluster: Cluster, remote: Remote) -> None:
    if cluster.passphrase_status != "unlocked":
        message = (
            f"Modification of remote '{remote.name}' failed due to an unhandled exception of type "
            'NullPointerException. Cannot read the array length because "<parameter1>" is null'
        )
        raise Refused(codes.FAIL_UNKNOWN_ERROR, message, report=True)
    try:
        bucket_of(cluster, remote).keys("")
    except Unreachable as error:
        message = (
            "The remote could not be reached with the given parameters and therefore wasn't created.\n"
            "Please check for spelling errors and that you have the correct access-key and secret-key.\n"
            "For more information on the error, please check the error-report."
        )
        code = codes.FAIL_UNKNOWN_ERROR | codes.MASK_BACKUP
        raise Refused(code, message, report=True, cause=str(error)) from error
