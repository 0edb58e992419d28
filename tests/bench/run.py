# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``make bench``: how fast backups and restores are, as ratios to what the machine can do, within one run.

Each round runs every contender once, on a fresh server; the figure is the median of the rounds' ratios. A ratio of
0.90 means nine tenths of the reference's speed. Options: --size GIB, --rounds N, --dir FOLDER, --only WORD,
--lab-size GIB, --no-lab. What needs the lab (``--only lab``, or a part of it) is left out where that can't run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import encode, mint_id
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import parse_remote
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.snapship_catalog import SnapshipCatalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases.backup_info import Request, listing

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
import lab
from certificates import Authority
from seaweed import S3Server
from sink import Sink

MIB = 1 << 20
THREADS = 4


class Bench:
    """A source image with a snapshot, and a fresh place for each contender."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        self.source = folder / "source.img"
        self.host = Host(str(folder / "config"))
        self.peaks: list[float] = []
        with self.source.open("wb") as target:
            for _piece in range(size // (32 * MIB)):
                target.write(os.urandom(32 * MIB))
        request = snapshot.Request(volumes=[str(self.source)], name="bench")
        snapshot.apply(self.host, snapshot.plan(self.host, request))
        os.sync()

    def run(self, name: str, plan: dict[str, Any]) -> float:
        """MiB a second of one contender. Writeback of what came before it is over when it begins."""
        os.sync()
        (self.folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        command = [sys.executable, str(Path(__file__).with_name("contenders.py")), name, str(self.folder / "plan.json")]
        done = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        if name.startswith("our_"):
            self.peaks.append(done["peak_mib"])
        cpu = done["cpu_seconds"] / (self.size / MIB / 1024)
        speed = self.size / MIB / done["seconds"]
        print(f"  {name:16} {done['seconds']:7.2f} s  {speed:8.0f} MiB/s  {cpu:5.2f} CPU s/GiB", flush=True)
        return float(self.size / MIB / done["seconds"])

    def plan(self, remote: dict[str, Any], **more: Any) -> dict[str, Any]:
        """What contenders need to know."""
        common = {"source": str(self.source), "target": str(self.folder / "target.img"), "threads": THREADS}
        return {**common, "name": "bench", "remote": remote, "config_dir": str(self.folder / "config"), **more}

    def forget(self) -> None:
        """Remove what the last contender wrote."""
        for name in ("target.img", "remote", "config/state/restored"):
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def s3_remote(endpoint: str, access_key: str, secret_key: str) -> dict[str, Any]:
    """The definition of a bucket as a remote; uncompressed, as the data is random."""
    return {
        "type": "s3",
        "bucket": "bench",
        "endpoint_url": endpoint,
        "access_key": access_key,
        "secret_key": secret_key,
        "compression": "none",
    }


def s3_round(bench: Bench) -> dict[str, float]:
    """To and from a real server, which needs more CPU than any contender: their differences show only in part."""
    speeds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=bench.folder) as data, S3Server(Path(data)) as server:
        server.client().create_bucket(Bucket="bench")
        plan = bench.plan(s3_remote(server.endpoint, server.rw.access_key, server.rw.secret_key))
        for name in ("put_reference", "our_backup", "get_reference", "our_restore"):
            speeds[name] = bench.run(name, plan)
            if name in ("get_reference", "our_restore"):
                bench.forget()
    with tempfile.TemporaryDirectory(dir=bench.folder) as data, S3Server(Path(data)) as server:
        server.client().create_bucket(Bucket="bench")
        plan = bench.plan(s3_remote(server.endpoint, server.rw.access_key, server.rw.secret_key))
        speeds["upload_fileobj"] = bench.run("upload_fileobj", plan)
    return speeds


def sink_round(bench: Bench) -> dict[str, float]:
    """To a server that throws everything away: what the contenders themselves cost."""
    with Sink() as sink:
        plan = bench.plan(s3_remote(sink.endpoint, "access", "secret"))
        return {name: bench.run(name, plan) for name in ("put_reference", "our_backup", "upload_fileobj")}


def tls_round(bench: Bench) -> dict[str, float]:
    """As :func:`sink_round`, by https."""
    authority = Authority(bench.folder / "authority")
    with Sink(str(authority.issue("server"))) as sink:
        plan = bench.plan({**s3_remote(sink.endpoint, "access", "secret"), "ca_path": str(authority.ca_path)})
        return {name: bench.run(name, plan) for name in ("put_reference", "our_backup")}


def directory_round(bench: Bench) -> dict[str, float]:
    """A directory on the same disk."""
    plan = bench.plan({"type": "directory", "path": str(bench.folder / "remote"), "compression": "none"})
    speeds = {}
    for name in ("copy_reference", "our_backup"):
        bench.forget()
        speeds[name] = bench.run(name, plan)
    bench.forget()
    return speeds


def median_ratio(rounds: list[dict[str, float]], ours: str, reference: str) -> float:
    """The median over the rounds of our speed by the reference's."""
    return statistics.median(each[ours] / each[reference] for each in rounds)


ROUNDS: dict[str, Callable[[Bench], dict[str, float]]] = {
    "s3": s3_round,
    "sink": sink_round,
    "tls": tls_round,
    "directory": directory_round,
}
FIGURES = (
    ("s3", "S3 full / parallel hash and PUT", "our_backup", "put_reference", 0.85),
    ("s3", "S3 full / upload_fileobj of a pipe", "our_backup", "upload_fileobj", 1.0),
    ("s3", "S3 restore / parallel GET and hash", "our_restore", "get_reference", 0.85),
    ("sink", "full to a discarding server / parallel hash and PUT", "our_backup", "put_reference", 0.85),
    ("sink", "full to a discarding server / upload_fileobj of a pipe", "our_backup", "upload_fileobj", 1.5),
    ("tls", "full to a discarding server by https / parallel hash and PUT", "our_backup", "put_reference", 0.85),
    ("directory", "directory full / cp with sha256sum", "our_backup", "copy_reference", 0.70),
)


def list_requests(folder: Path, count: int) -> int:
    """How many list requests a listing of so many backups costs, on S3."""
    with tempfile.TemporaryDirectory(dir=folder) as data, S3Server(Path(data)) as server:
        server.client().create_bucket(Bucket="bench")
        spec = {
            "type": "s3",
            "bucket": "bench",
            "endpoint_url": server.endpoint,
            "access_key": server.rw.access_key,
            "secret_key": server.rw.secret_key,
        }
        catalog = SnapshipCatalog.open(parse_remote("bench", spec), Host(str(folder / "config")))
        for number in range(count):
            catalog.store.put(f"backups/bench/{encode('/srv/db.img')}/{mint_id(1.7e9 + 3600 * number)}~full", b"{}")
        counted: list[dict[str, int]] = []
        close = type(catalog.store).close

        def counting_close(store: Any) -> None:
            counted.append(dict(store.requests))
            close(store)

        type(catalog.store).close = counting_close  # type: ignore[method-assign]  # to see the counts
        try:
            found = listing(Host(str(folder / "config")), Request(remote_spec=spec, origin="bench"))
        finally:
            type(catalog.store).close = close  # type: ignore[method-assign]  # as it was
        if len(found) != count or sum(counted[0].values()) != counted[0]["list"]:
            raise SystemExit(f"listing: {len(found)} backups, requests {counted[0]}")
        return counted[0]["list"]


def main() -> None:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=6.0, help="GiB of random data; fulls should take 10 s or more")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None, help="where images and servers are put (default: build/)")
    parser.add_argument("--only", choices=(*ROUNDS, "list", "lab", *lab.PARTS), default=None)
    parser.add_argument("--lab-size", type=float, default=4.0, help="GiB of data in each volume of the lab")
    parser.add_argument("--no-lab", action="store_true", help="files only")
    arguments = parser.parse_args()
    parent = arguments.dir or Path(__file__).resolve().parents[2] / "build"
    parent.mkdir(exist_ok=True)
    lines = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        folder = Path(name)
        if arguments.only in (None, "list"):
            lines.append(f"listing 10,000 backups: {list_requests(folder, 10_000)} list requests (at most 11)")
        if arguments.only in (None, *ROUNDS):
            bench = Bench(folder, int(arguments.size * 1024) * MIB)
            rounds: dict[str, list[dict[str, float]]] = {name: [] for name in ROUNDS}
            for number in range(arguments.rounds):
                for name, work in ROUNDS.items():
                    if arguments.only in (None, name):
                        print(f"{name}, round {number + 1} of {arguments.rounds}", flush=True)
                        rounds[name].append(work(bench))
            lines += [
                f"{what}: {median_ratio(rounds[name], ours, reference):.2f} (at least {least})"
                for name, what, ours, reference, least in FIGURES
                if rounds[name]
            ]
            lines.append(f"peak memory: {max(bench.peaks):.0f} MiB (less than 600)")
    if arguments.only in (None, "lab", *lab.PARTS) and not arguments.no_lab:
        parts = (arguments.only,) if arguments.only in lab.PARTS else lab.PARTS
        lines += lab.run(parent, arguments.lab_size, arguments.rounds, parts)
    print("\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
