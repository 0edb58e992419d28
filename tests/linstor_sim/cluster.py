# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster: its state, its lock, and the lookups by name."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.clock import Clock
from ansible_collections.snapship.dr.tests.linstor_sim.contents import Content
from ansible_collections.snapship.dr.tests.linstor_sim.faults import Faults
from ansible_collections.snapship.dr.tests.linstor_sim.journal import Journal
from ansible_collections.snapship.dr.tests.linstor_sim.options import Options
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Refused
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    Definition,
    Group,
    Node,
    Pool,
    Props,
    Remote,
    Report,
    Resource,
    Snapshot,
    Token,
    Volume,
    new_uuid,
)

if TYPE_CHECKING:
    from ansible_collections.snapship.dr.tests.linstor_sim.receiving import Reception, Restoring
    from ansible_collections.snapship.dr.tests.linstor_sim.schedules import Schedule, Task
    from ansible_collections.snapship.dr.tests.linstor_sim.shipments import Queued, Shipment
    from ansible_collections.snapship.dr.tests.linstor_sim.youth import Young

DEFAULT_GROUP = "DfltRscGrp"
GENERATED = "local-remote-generated-by-linstor"
GENERATED_URL = "http://localhost:3370"  # nobody listens there
CONTROLLER = "Controller"
_T = TypeVar("_T")


class Cluster:
    """Every handler runs under ``lock``; a call to another controller goes out inside ``unlocked()``."""

    def __init__(self, options: Options | None = None, clock: Clock | None = None) -> None:
        self.options = options or Options()
        self.clock = clock or Clock()
        self.lock = threading.Lock()
        self.progressing = threading.Lock()
        self.faults = Faults()
        self.journal = Journal()
        self.id = new_uuid()
        self.url = ""
        self.props: Props = {"Cluster/LocalID": self.id}
        self.passphrase: str | None = None
        self.unlocked_by_passphrase = False
        self.tokens: list[Token] = []
        self.exports: list[str] = []
        if self.options.token:
            self.add_token("init-client", self.options.token)
        self.nodes = {name: Node(name) for name in self.options.nodes}
        self.pools = {
            (node, pool): Pool(pool, node, provider)
            for node in self.options.nodes
            for pool, provider in self.options.pools.items()
        }
        self.groups = {DEFAULT_GROUP: Group(DEFAULT_GROUP, select_filter={"place_count": 2})}
        self.definitions: dict[str, Definition] = {}
        self.remotes: dict[str, Remote] = {}
        self.stores: dict[str, Props] = {}
        self.schedules: dict[str, Schedule] = {}
        self.tasks: dict[tuple[str, str, str], Task] = {}
        self.reports: list[Report] = []
        self.shipments: list[Shipment] = []
        # Nobody carries these any more, and the controller doesn't know.
        self.dead: list[Shipment] = []
        self.queue: list[Queued] = []
        self.young: list[Young] = []
        self.ended_one = False
        # Remotes of refused shipments. The controller counts these as under way until it is restarted.
        self.haunted: dict[str, list[tuple[Definition, Snapshot]]] = {}
        self.receptions: list[Reception] = []
        self.restorings: list[Restoring] = []
        self.steps: list[Callable[[Cluster], None]] = []
        self.followers: list[Callable[[Cluster, Shipment, str], None]] = []
        #: when the controller and the satellites were started, in milliseconds
        self.begun = dict.fromkeys((CONTROLLER, *self.options.nodes), self.clock.now)
        #: why no bucket can be reached, if so
        self.buckets_away = ""
        self._report_number = 0

    @contextlib.contextmanager
    def unlocked(self) -> Iterator[None]:
        """Other threads may change things meanwhile: look them up again afterwards."""
        self.lock.release()
        try:
            yield
        finally:
            self.lock.acquire()

    @property
    def is_busy(self) -> bool:
        """Whether time alone can change anything."""
        return bool(self.shipments or self.queue or self.young or self.receptions or self.restorings or self.schedules)

    @property
    def passphrase_status(self) -> str:
        if self.passphrase is None:
            return "unset"
        return "unlocked" if self.unlocked_by_passphrase else "locked"

    def add_resource(
        self,
        name: str,
        sizes_kib: tuple[int, ...] | None = None,
        nodes: tuple[str, ...] | None = None,
        pool: str | None = None,
        group: str = DEFAULT_GROUP,
        layers: tuple[str, ...] = ("DRBD", "STORAGE"),
    ) -> Definition:
        """A deployed resource with data on its volumes; by default one volume, on the first two nodes."""
        made = Definition(name, group, list(layers))
        for number, size in enumerate(sizes_kib or (self.options.volume_kib,)):
            made.volumes[number] = self.new_volume(name, number, size, self.options.filled_chunks)
        for node in nodes or self.options.nodes[:2]:
            made.resources[node] = Resource(node, pool or next(iter(self.options.pools)), self.clock.now)
        self.definitions[name] = made
        return made

    def generate_remote(self) -> Remote:
        """The remote for the cluster itself, which LINSTOR creates with the first resource."""
        for each in self.remotes.values():
            if each.name == GENERATED or each.cluster_id == self.id:
                return each
        self.remotes[GENERATED] = Remote(GENERATED, "linstor", {"url": GENERATED_URL}, {}, self.id)
        return self.remotes[GENERATED]

    def new_volume(self, resource: str, number: int, size_kib: int, filled: int = 0) -> Volume:
        return Volume(number, size_kib, Content(size_kib << 10, f"{self.id}/{resource}/{number}", filled))

    def add_token(self, description: str, secret: str = "", ip_filter: str = "") -> Token:
        """A token, which from now on is asked for."""
        made = Token(len(self.tokens) + 1, secret or secrets.token_hex(16), description, self.clock.now, ip_filter)
        self.tokens.append(made)
        self.props["Auth/TokenAuthenticationEnabled"] = "true"
        return made

    def report(self, node: str, message: str, kind: str = "StorageException", root: str = "") -> str:
        """Records an error report and gives its number, which begins with the time at which its program was started.

        ``kind``: the exception's class; ``root``: the message of its cause.
        """
        self._report_number += 1
        begun = self.begun.get(node, self.clock.now) // 1000
        number = f"{begun:08X}-{0 if node == CONTROLLER else 1:05d}-{self._report_number:06d}"
        text = f"ERROR REPORT {number}\n\nReported error:\n===============\n\n"
        text += f"Class name:         {kind}\nError message:      {message}\n"
        if root:
            text += f"\nCaused by:\n==========\n\nClass name:         Exception\nError message:      {root}\n"
        self.reports.append(Report(f"ErrorReport-{number}.log", node, self.clock.now, text, message, kind))
        return number

    def node(self, name: str) -> Node:
        return _found(self.nodes, name) or _missing("node", name, codes.FAIL_NOT_FOUND_NODE)

    def group(self, name: str) -> Group:
        return _found(self.groups, name) or _missing("resource group", name, codes.FAIL_NOT_FOUND_RSC_GRP)

    def definition(self, name: str) -> Definition:
        return _found(self.definitions, name) or _missing("resource definition", name, codes.FAIL_NOT_FOUND_RSC_DFN)

    def find_definition(self, name: str) -> Definition | None:
        return _found(self.definitions, name)

    def snapshot(self, resource: str, name: str) -> Snapshot:
        found = _found(self.definition(resource).snapshots, name)
        if found is None:
            code = codes.FAIL_NOT_FOUND_SNAPSHOT_DFN
            raise Refused(code, f"Snapshot '{name}' of resource '{resource}' not found.")
        return found

    def remote(self, name: str) -> Remote:
        return _found(self.remotes, name) or _missing("remote", name, codes.FAIL_NOT_FOUND_REMOTE, "registered")

    def s3_remote(self, name: str) -> Remote:
        """The lookup for calls about backups in a bucket, with their own error texts."""
        found = _found(self.remotes, name)
        if found is None:
            message = f"The remote {name} does not exist. Please provide a valid remote or create a new one."
            raise Refused(codes.FAIL_NOT_FOUND_REMOTE | codes.MASK_BACKUP, message)
        if found.kind != "s3":
            raise Refused(codes.FAIL_INVLD_REMOTE_NAME | codes.MASK_BACKUP, f"The remote {name} is not an s3 remote.")
        return found

    def linstor_remote(self, name: str) -> Remote:
        found = self.remote(name)
        if found.kind != "linstor":
            raise Refused(codes.FAIL_INVLD_REMOTE_NAME, "The given remote is not a linstor-remote")
        return found

    def need_passphrase(self) -> None:
        if self.passphrase_status != "unlocked":
            raise Refused(
                codes.FAIL_INVLD_CRYPT_PASSPHRASE,
                "Backup shipping requires a set up encryption. Please use 'linstor encryption create-passphrase' or "
                "'... enter-passphrase'",
            )

    def all_props(self) -> list[Props]:
        """Those of the controller, the groups and the definitions."""
        groups, definitions = self.groups.values(), self.definitions.values()
        return [self.props, *(each.props for each in groups), *(each.props for each in definitions)]

    def short_id(self, cluster: str) -> str:
        """The short name of another cluster, which names of snapshots received from it end in."""
        key = f"Cluster/Remote/{cluster}"
        if key not in self.props:
            self.props[key] = _base36(int.from_bytes(secrets.token_bytes(5), "big") >> 1)
        return self.props[key]


def _base36(number: int) -> str:
    digits = ""
    while number or not digits:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits


def _found(where: dict[str, _T], name: str) -> _T | None:
    """LINSTOR ignores case in names."""
    exact = where.get(name)
    if exact is not None:
        return exact
    return next((value for each, value in where.items() if each.lower() == str(name).lower()), None)


def _missing(kind: str, name: str, code: int, how: str = "found") -> NoReturn:
    raise Refused(
        code,
        f"{kind.capitalize()} '{name}' not {how}.",
        cause=f"The specified {kind} '{name}' could not be found in the database",
        correction=f"Create a {kind} with the name '{name}' first.",
    )
