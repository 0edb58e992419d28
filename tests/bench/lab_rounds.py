# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part of the lab's benchmark, in a guest: ``lab_rounds.py PART``; see lab.py, which starts it.

The volume has data in two thirds of it, half random bytes, half random hex digits. Each round runs every contender
once, every other round in reverse. Figures are medians over the rounds, ratios with the least and the greatest of them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from sink import Sink

from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.tests.lab.guest.pools import Zpool

MIB, GIB = 1 << 20, 1 << 30
FOLDER = Path("/tmp/bench")
SMALL = 1 * MIB  # bytes of data in a volume that shows what it costs before and after the data
REPORT = "== report"  # the line of output before those of the report
Figures = dict[str, float]


class Ratio(NamedTuple):
    """How fast ``ours`` must at least be, as a part of ``reference``; without ``least`` it is only told.

    Both are contenders: a function of lab_contenders.py, then words that change its plan.
    """

    what: str
    ours: str
    reference: str
    least: float | None = None


LVM = (
    Ratio("LVM full, thrown away / dd into SHA-256", "our_full", "dd_hash", 0.70),
    Ratio("LVM full, thrown away / thin_send | sha256sum", "our_full", "thin_send_sha256sum", 3.0),
    Ratio("LVM full, thrown away / dd into SHA-256 of all and of each MiB", "our_full", "dd_hash_twice"),
    Ratio("LVM full, thrown away / dd | sha256sum", "our_full", "dd_sha256sum"),
    Ratio("LVM full, thrown away / thin_send into SHA-256", "our_full", "thin_send_hash"),
    Ratio("LVM full with zstd, thrown away / dd into SHA-256", "our_full zstd", "dd_hash"),
    Ratio("LVM full to a server that throws away / dd into SHA-256", "our_full_http", "dd_hash"),
)
RESTORE = (
    Ratio("restore onto an LV / read, SHA-256, dd with fsync", "our_restore", "write_hash", 0.60),
    Ratio("restore onto an LV / the same, dd past the cache", "our_restore", "write_hash_direct"),
    Ratio("restore with zstd onto an LV / read, SHA-256, dd with fsync", "our_restore zstd", "write_hash"),
)
ZFS = (
    Ratio("ZFS {part} full, thrown away / zfs send into SHA-256", "our_full", "zfs_hash", 0.85),
    Ratio("ZFS {part} full, thrown away / zfs send | sha256sum", "our_full", "zfs_sha256sum"),
    Ratio("ZFS {part} full with zstd, thrown away / zfs send into SHA-256", "our_full zstd", "zfs_hash"),
)
PARTS = {"lvm": LVM, "restore": RESTORE, "filesystem": ZFS, "zvol": ZFS}


def call(*words: object) -> str:
    """What a program wrote; only one that fails speaks up."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(done.args)}: {done.stderr}")
    return done.stdout


def fill(path: Path, size: int) -> None:
    """Data that zstd makes a quarter smaller: random bytes and random hex digits in turns of 512 KiB."""
    rng = random.Random(size)
    with path.open("wb") as target:
        for _piece in range(size // MIB):
            target.write(rng.randbytes(MIB // 2) + rng.randbytes(MIB // 4).hex().encode())
        target.flush()
        os.fsync(target.fileno())


class Bench:
    """A pool with two volumes, ``source`` and ``small``, each with a snapshot."""

    def __init__(self, part: str, size: int, parallel: int) -> None:
        self.part, self.size = part, size
        self.disks = os.environ["LAB_DISKS"].split()
        FOLDER.mkdir()
        make = self.thin if part in ("lvm", "restore") else self.zfs
        volumes = [make("source", size), make("small", SMALL)]
        host = Host(str(FOLDER / "config"))
        outcome = snapshot.apply(host, snapshot.plan(host, snapshot.Request(volumes=volumes, name="bench")))
        if outcome.failures:
            raise SystemExit(f"snapshot: {outcome.failures}")
        self.plan: dict[str, Any] = {
            "volume": volumes[0],
            "snapshot": outcome.items[0]["path"].removeprefix("/dev/"),
            "extent": size,
            "size": size * 3 // 2,
            "name": "bench",
            "target": "bench/target",
            "pool": "bench/pool",
            "parallel": parallel,
            "config_dir": str(FOLDER / "config"),
            "compression": "none",
            "store": str(FOLDER / "store-none"),
        }

    def thin(self, name: str, size: int) -> str:
        if not Path("/dev/bench").exists():
            call("vgcreate", "-q", "bench", *self.disks)
            room = f"{(self.size * 9 // 4 + GIB) // MIB}M"
            call("lvcreate", "-q", "-L", room, "-c", "64k", "--poolmetadatasize=64M", "-T", "bench/pool")
        call("lvcreate", "-q", "-V", f"{max(8 * MIB, size * 3 // 2) // MIB}M", "-T", "bench/pool", "-n", name)
        fill(Path("/dev/bench") / name, size)
        return f"bench/{name}"

    def zfs(self, name: str, size: int) -> str:
        mount = FOLDER / "bench"
        if not mount.exists():
            call("zpool", "create", "-O", f"mountpoint={mount}", "-O", "compression=off", "bench", *self.disks)
        if self.part == "filesystem":
            call("zfs", "create", f"bench/{name}")
            fill(mount / name / "file", size)
        else:
            call("zfs", "create", "-s", "-V", f"{max(8 * MIB, size * 3 // 2) // MIB}M", f"bench/{name}")
            fill(Zpool("bench").device(f"bench/{name}"), size)
        return f"bench/{name}"

    def run(self, contender: str) -> Figures:
        """Speed and CPU of one contender, with nothing cached that it reads."""
        name, *words = contender.split(" ")
        plan = dict(self.plan)
        if "zstd" in words:
            plan.update(compression="zstd", store=str(FOLDER / "store-zstd"))
        if "small" in words:
            plan.update(volume="bench/small")
        if name.startswith(("dd_", "thin_send_")):
            call("lvchange", "-q", "-ay", "-K", plan["snapshot"])  # a backup activates it itself
        with Sink() as sink:
            (FOLDER / "plan.json").write_text(json.dumps(dict(plan, endpoint=sink.endpoint)))
            os.sync()
            Path("/proc/sys/vm/drop_caches").write_text("3")
            script = Path(__file__).with_name("lab_contenders.py")
            command = [sys.executable, str(script), name, str(FOLDER / "plan.json")]
            found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        if name in ("our_restore", "write_hash", "write_hash_direct"):
            call("lvremove", "-q", "-f", plan["target"])
            shutil.rmtree(FOLDER / "config/state/restored", ignore_errors=True)
        gib = self.size / GIB
        done = {
            "seconds": found["seconds"],
            "speed": self.size / MIB / found["seconds"],
            "own": found["own"] / gib,
            "machine": found["machine"] / gib,
        }
        print(f"  {line(contender, done)}", flush=True)
        return done

    def store(self) -> None:
        """What restores read."""
        for words in ("", " small", " zstd"):
            self.run(f"our_store{words}")
        for folder in sorted(FOLDER.glob("store-*")):
            stored = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
            print(f"  {folder.name}: {stored / self.size:.2f} bytes stored for each of the data", flush=True)


def line(contender: str, done: Figures) -> str:
    text = f"{contender:20} {done['seconds']:7.2f} s"
    if contender.endswith("small"):
        return text
    return (
        f"{text}  {done['speed']:6.0f} MiB/s  "
        f"own CPU {done['own']:5.2f} s/GiB  whole machine {done['machine']:5.2f} s/GiB"
    )


def contenders(part: str) -> list[str]:
    """All of a round."""
    names = dict.fromkeys(name for ratio in PARTS[part] for name in (ratio.reference, ratio.ours))
    at_hand = shutil.which("thin_send") is not None
    found = [name for name in names if at_hand or not name.startswith("thin_send")]
    return [*found, _small(part)]


def _small(part: str) -> str:
    return "our_restore small" if part == "restore" else "our_full small"


def report(part: str, results: list[dict[str, Figures]]) -> list[str]:
    """Medians of each contender, then the ratios."""
    lines = []
    for name in results[0]:
        lines.append(line(name, {key: middle(each[name][key] for each in results) for key in results[0][name]}))
    for ratio in PARTS[part]:
        what = ratio.what.format(part=part)
        if ratio.reference not in results[0]:
            lines.append(f"{what}: thin_send isn't at hand")
            continue
        pairs = [
            (each[ratio.reference]["seconds"], each[ratio.ours]["seconds"], each[_small(part)]["seconds"])
            for each in results
        ]
        found = [theirs / ours for theirs, ours, _alone in pairs]
        data = middle(theirs / max(ours - alone, 1e-3) for theirs, ours, alone in pairs)
        least = f" (at least {ratio.least:.2f})" if ratio.least is not None else ""
        lines.append(
            f"{what}: {middle(found):.2f}, {min(found):.2f} to {max(found):.2f}{least}; its data alone {data:.2f}"
        )
    seconds = middle(each[_small(part)]["seconds"] for each in results)
    lines.append(f"the same of {SMALL // MIB} MiB, which is starting programs: {seconds:.1f} s")
    return lines


def middle(values: Iterable[float]) -> float:
    return float(statistics.median(values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--size", type=float, required=True, help="GiB of data")
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--parallel", type=int, default=2, help="as in a backup; a guest has one CPU")
    arguments = parser.parse_args()
    bench = Bench(arguments.part, int(arguments.size * 1024) * MIB, arguments.parallel)
    if arguments.part == "restore":
        bench.store()
    results: list[dict[str, Figures]] = []
    for number in range(arguments.rounds):
        print(f"{arguments.part}, round {number + 1} of {arguments.rounds}", flush=True)
        names = contenders(arguments.part)
        found = {name: bench.run(name) for name in (names[::-1] if number % 2 else names)}
        results.append({name: found[name] for name in names})
    print(REPORT, *report(arguments.part, results), sep="\n", flush=True)


if __name__ == "__main__":
    main()
