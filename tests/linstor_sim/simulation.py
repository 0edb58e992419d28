# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster with its controllers, to be used from a test or a program."""

from __future__ import annotations

import ssl
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import (
    backup_restore,
    capacity,
    interruptions,
    receiving,
    schedules,
    shipments,
    youth,
)
from ansible_collections.snapship.dr.tests.linstor_sim.clock import Clock
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.faults import RequestFault, ShipmentFault, SnapshotFault
from ansible_collections.snapship.dr.tests.linstor_sim.options import Options
from ansible_collections.snapship.dr.tests.linstor_sim.serving import Server
from ansible_collections.snapship.dr.tests.linstor_sim.state import Definition, Remote, Snapshot
from ansible_collections.snapship.dr.tests.linstor_sim.validation import Document


class Simulation:
    """A context manager: controllers listen within it. ``cluster`` is the state, to look into and to set up.

    ``violations`` of the API's document are kept, and raise at the end unless ``forgive`` was called.
    """

    def __init__(
        self,
        options: Options | None = None,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        **changes: Any,
    ) -> None:
        self.cluster = Cluster(options or Options(**changes), clock)
        self.cluster.steps += [youth.step, receiving.step, backup_restore.step, receiving.restore_step, schedules.step]
        self.cluster.steps += [shipments.forget_remotes]
        self.cluster.followers += [schedules.ended]
        self.tls = tls
        self.servers: list[Server] = []
        self._port = port
        self._forgiven = False

    def __enter__(self) -> Simulation:
        self.add_controller(self._port)
        return self

    def __exit__(self, *exc: object) -> None:
        for server in self.servers:
            server.stop()
        violations = self.cluster.journal.violations
        if violations and not self._forgiven and exc[0] is None:
            raise AssertionError("The API's document was violated:\n" + "\n".join(violations))

    def add_controller(self, port: int = 0) -> Server:
        """One more that serves this cluster."""
        server = Server(self.cluster, port, self.tls, Document.from_environment())
        self.servers.append(server)
        return server

    def add_redirect(self) -> Server:
        """A plain port that redirects to the first controller's https port."""
        server = Server(self.cluster, redirect_to=self.servers[0].port)
        self.servers.append(server)
        return server

    @property
    def uri(self) -> str:
        """The first controller's, as python-linstor spells it."""
        return self.servers[0].uri

    @property
    def url(self) -> str:
        return self.servers[0].url

    def forgive(self) -> None:
        """This test violates the document on purpose."""
        self._forgiven = True

    def advance(self, seconds: float) -> None:
        """Let time pass. Everything that becomes due has happened when this returns."""
        self.cluster.clock.advance(seconds)
        shipments.progress(self.cluster, wait=True)

    def freeze(self) -> None:
        """From now on time passes only by ``advance``. So shipments stay under way on a slow machine, too."""
        self.cluster.clock.freeze()

    def restart(self, how: str = interruptions.ABORT) -> None:
        """Restart the controller: the passphrase must be entered again.

        ``how``: what becomes of the shipments under way, see interruptions.
        """
        for server in self.servers:
            server.stop()
        with self.cluster.lock:
            interruptions.restart_controller(self.cluster, how)
        for server in self.servers:
            server.start()

    def request_fault(self, how: str, **described: Any) -> None:
        """See faults.RequestFault."""
        self.cluster.faults.requests.append(RequestFault(how, **described))

    def shipment_fault(self, how: str, **described: Any) -> None:
        """See faults.ShipmentFault."""
        self.cluster.faults.shipments.append(ShipmentFault(how, **described))

    def snapshot_fault(self, **described: Any) -> None:
        """See faults.SnapshotFault."""
        self.cluster.faults.snapshots.append(SnapshotFault(**described))

    def peer_with(self, other: Simulation, here: str = "away", there: str = "home") -> None:
        """Each gets a remote for the other: ``here`` in this cluster, ``there`` in the other."""
        for cluster, name, peer in ((self.cluster, here, other), (other.cluster, there, self)):
            with cluster.lock:
                cluster.remotes[name] = Remote(name, "linstor", {"url": peer.url}, {}, peer.cluster.id)

    def add_resource(self, name: str, **described: Any) -> Definition:
        """See Cluster.add_resource."""
        with self.cluster.lock:
            return self.cluster.add_resource(name, **described)

    def set_online(self, node: str, online: bool, how: str = interruptions.ABORT) -> None:
        """Take a satellite offline, or bring it back. ``how``: what becomes of its shipments, see interruptions."""
        with self.cluster.lock:
            interruptions.set_online(self.cluster, node, online, how)

    def leave_free(self, node: str, free_kib: int, pool: str = "thinpool") -> None:
        """Make a storage pool so small, or so big, that this much of it is free."""
        with self.cluster.lock:
            found = self.cluster.pools[node, pool]
            found.total_kib = capacity.used_kib(self.cluster, found) + free_kib

    def read(self, resource: str, number: int = 0) -> bytes:
        """What is on a volume."""
        with self.cluster.lock:
            return self.cluster.definition(resource).volumes[number].content.read()

    def write(self, resource: str, offset: int, data: bytes, number: int = 0) -> None:
        """An application changes a volume."""
        with self.cluster.lock:
            self.cluster.definition(resource).volumes[number].content.write(offset, data)

    def snapshot(self, resource: str, name: str) -> Snapshot:
        with self.cluster.lock:
            return self.cluster.snapshot(resource, name)

    def unlock(self, passphrase: str = "the master passphrase") -> None:
        """Sets an encryption passphrase, as S3 remotes need it."""
        with self.cluster.lock:
            self.cluster.passphrase, self.cluster.unlocked_by_passphrase = passphrase, True

    def counts(self) -> dict[str, int]:
        """Requests by route, as ``GET /v1/nodes``."""
        return self.cluster.journal.counts()
