# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects of a cluster. Times are in milliseconds since the epoch, sizes in KiB, as in LINSTOR."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from ansible_collections.snapship.dr.tests.linstor_sim.contents import Content

Props = dict[str, str]

SOURCE, TARGET = "BackupShipping/Source", "BackupShipping/Target"
STATUS = "ShippingStatus"
PREPARE, SHIPPING, UPLOADING = "Prepare Shipping", "Shipping", "Uploading Metadata"
SUCCESS, FAILED = "Success", "Failed"
PREPARE_ABORT, ABORTING, ABORTED = "Prepare Abort", "Aborting", "Aborted"
UNDER_WAY = (PREPARE, SHIPPING, UPLOADING, PREPARE_ABORT, ABORTING)


def new_uuid() -> str:
    return str(uuid.uuid4())


@dataclass
class Node:
    name: str
    online: bool = True
    address: str = "127.0.0.1"
    props: Props = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    interfaces: dict[str, str] = field(default_factory=lambda: {"default": "127.0.0.1"})
    uuid: str = field(default_factory=new_uuid)


@dataclass
class Pool:
    """A storage pool of one node. ``reports_full``: its satellite writes an error report when writes are lost."""

    name: str
    node: str
    provider: str
    total_kib: int = 64 << 20
    reports_full: bool = False
    props: Props = field(default_factory=dict)
    uuid: str = field(default_factory=new_uuid)

    @property
    def ships(self) -> bool:
        return self.provider in ("LVM_THIN", "ZFS", "ZFS_THIN")

    @property
    def takes_snapshots(self) -> bool:
        return self.ships or self.provider in ("FILE", "FILE_THIN")


@dataclass
class Group:
    """A resource group."""

    name: str
    description: str = ""
    props: Props = field(default_factory=dict)
    select_filter: dict[str, object] = field(default_factory=dict)
    uuid: str = field(default_factory=new_uuid)


@dataclass
class Volume:
    """A volume definition with its content, which is the same on all nodes."""

    number: int
    size_kib: int
    content: Content
    props: Props = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    uuid: str = field(default_factory=new_uuid)


@dataclass
class Resource:
    """A definition's replica on a node."""

    node: str
    pool: str
    created: int
    flags: list[str] = field(default_factory=list)
    props: Props = field(default_factory=dict)
    in_use: bool = False
    uuid: str = field(default_factory=new_uuid)

    @property
    def diskful(self) -> bool:
        return "DISKLESS" not in self.flags


@dataclass
class SnapshotVolume:
    """``given``: the stream to ship instead of one made from the content."""

    number: int
    size_kib: int
    content: Content
    given: bytes | None = None


@dataclass
class SnapshotNode:
    """A snapshot's part on a node, and the pool it is in."""

    node: str
    pool: str
    provider: str
    created: int
    flags: list[str] = field(default_factory=list)
    props: Props = field(default_factory=dict)
    uuid: str = field(default_factory=new_uuid)


@dataclass
class Snapshot:
    """A snapshot definition."""

    name: str
    created: int
    layers: list[str]
    volumes: dict[int, SnapshotVolume]
    nodes: dict[str, SnapshotNode]
    definition_props: Props = field(default_factory=dict)
    props: Props = field(default_factory=dict)
    flags: list[str] = field(default_factory=lambda: ["SUCCESSFUL"])
    old_states: dict[str, str] = field(default_factory=dict)
    restoring: bool = False
    uuid: str = field(default_factory=new_uuid)

    def source(self, remote: str, key: str = STATUS) -> str | None:
        """A property about shipping from here to ``remote``."""
        return self.props.get(f"{SOURCE}/{remote}/{key}")

    def target(self, key: str = STATUS) -> str | None:
        """A property about what was received here."""
        return self.props.get(f"{TARGET}/{key}")


@dataclass
class Definition:
    """A resource definition with its replicas and snapshots."""

    name: str
    group: str
    layers: list[str] = field(default_factory=lambda: ["DRBD", "STORAGE"])
    props: Props = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    volumes: dict[int, Volume] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    sequence: int = 0
    uuid: str = field(default_factory=new_uuid)

    @property
    def diskful(self) -> list[Resource]:
        return [each for each in self.resources.values() if each.diskful]


@dataclass
class Remote:
    """``kind``: s3, linstor or ebs. ``fields`` are as the API names them; ``secrets`` never leave the controller.
    ``going``: deleted after its last shipment."""

    name: str
    kind: str
    fields: dict[str, object] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    cluster_id: str = ""
    going: bool = False


@dataclass
class Token:
    """A token with which a client signs in. ``id`` is its number, ``secret`` what the client sends."""

    id: int
    secret: str
    description: str
    created: int
    ip_filter: str = ""
    active: bool = True
    deleted: int | None = None


@dataclass
class Report:
    """An error report."""

    name: str
    node: str
    time: int
    text: str
    message: str
    kind: str = "StorageException"
