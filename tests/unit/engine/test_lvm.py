# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What needs no LVM: names, tags, and reading what thin-provisioning-tools write."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UnknownError, VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.block_target import Touched
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.device_reader import Ranges
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm import names, tags, thin_metadata
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm.names import LvName
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm.thin_pool import usable

DUMP = """<superblock uuid="" time="2" transaction="3" flags="0" version="2" data_block_size="128" nr_data_blocks="0">
  <device dev_id="7" mapped_blocks="18" transaction="0" creation_time="5" snap_time="2">
    <range_mapping origin_begin="2" data_begin="2" length="8" time="0"/>
    <range_mapping origin_begin="10" data_begin="20" length="3" time="4"/>
    <single_mapping origin_block="14" data_block="99" time="1"/>
  </device>
</superblock>
"""
DELTA = """<superblock uuid="" time="2" transaction="3" data_block_size="128" nr_data_blocks="0">
  <diff left="2" right="3">
    <left_only begin="0" length="2"/>
    <same begin="2" length="8"/>
    <different begin="10" length="3"/>
    <right_only begin="13" length="7"/>
  </diff>
</superblock>"""
CHUNK = 64 << 10


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Programs that write what they are given, in front in PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(thin_metadata, "_releases", {})

    def say(tool: str, text: str, code: int = 0, version: str = "0.9.0") -> None:
        (tmp_path / "text").write_text(text)
        script = f'case "$*" in *-V) echo {version}; exit;; esac\ncat {tmp_path}/text\necho said >&2\nexit {code}\n'
        (tmp_path / tool).write_text("#!/bin/sh\n" + script)
        (tmp_path / tool).chmod(0o755)

    return say


def test_a_device_and_its_regions(says: object) -> None:
    says("thin_dump", DUMP)
    ranges = Ranges()
    found = thin_metadata.dump("meta", 7, 14 * CHUNK + 512, ranges)
    assert found == (18, 5, 4)
    assert list(ranges) == [(2 * CHUNK, 13 * CHUNK, True), (14 * CHUNK, 14 * CHUNK + 512, True)]


def test_several_devices_at_once(says: object) -> None:
    head, *device, end = DUMP.splitlines()
    later = "\n".join(device).replace('dev_id="7"', 'dev_id="9"').replace('creation_time="5"', 'creation_time="6"')
    says("thin_dump", "\n".join([head, *device, later, end, ""]))
    ranges = Ranges()
    wanted = [thin_metadata.DeviceQuery(9, 1 << 60, ranges), thin_metadata.DeviceQuery(7), thin_metadata.DeviceQuery(8)]
    assert thin_metadata.dump_all("meta", wanted) == [(18, 6, 4), (18, 5, 4), None]
    assert len(list(ranges)) == 2 and list(ranges)[0] == (2 * CHUNK, 13 * CHUNK, True)


def test_differences(says: object) -> None:
    says("thin_delta", DELTA)
    ranges = Ranges()
    thin_metadata.delta("meta", 2, 3, 15 * CHUNK, ranges)
    assert list(ranges) == [(0, 2 * CHUNK, False), (10 * CHUNK, 15 * CHUNK, True)]
    with pytest.raises(VolumeError, match="didn.t compare devices"):
        thin_metadata.delta("meta", 3, 2, 15 * CHUNK, Ranges())


@pytest.mark.parametrize("cut", range(0, len(DUMP) - 2, 37))
def test_what_ends_early_is_no_answer(says: object, cut: int) -> None:
    says("thin_dump", DUMP[:cut])
    with pytest.raises(VolumeError):
        thin_metadata.dump("meta", 7, 1 << 30, Ranges())


def test_tools_that_fail(says: object) -> None:
    says("thin_dump", DUMP, code=1)
    with pytest.raises(VolumeError, match="thin_dump failed with 1: said"):
        thin_metadata.dump("meta", 7)
    says("thin_dump", DUMP.replace("<range", '<ref name="1"/><range', 1))
    with pytest.raises(VolumeError, match="ref"):
        thin_metadata.dump("meta", 7)
    says("thin_dump", DUMP)
    with pytest.raises(VolumeError, match="device 7"):
        thin_metadata.dump("meta", 8)
    says("thin_dump", DUMP.splitlines()[0] + "\n</superblock>\n")
    assert thin_metadata.dump("meta", 7) is None


def test_large_answers_come_in_pieces(says: object) -> None:
    chance = random.Random(1)
    lines, wanted, at = [], [], 0
    for _number in range(40_000):
        at += chance.randrange(1, 4)
        length = chance.randrange(1, 9)
        lines.append(f'<range_mapping origin_begin="{at}" data_begin="{at * 3}" length="{length}" time="0"/>')
        wanted.append((at * CHUNK, (at + length) * CHUNK))
        at += length
    head, device = DUMP.splitlines()[:2]
    says("thin_dump", "\n".join([head, device, *lines, "</device></superblock>"]))
    ranges = Ranges()
    thin_metadata.dump("meta", 7, 1 << 60, ranges)
    assert [(start, end) for start, end, _kind in ranges] == wanted


def test_releases() -> None:
    said = ("0.9.0\n", "thin_delta 1.0.1", "x")
    assert [thin_metadata.release(text) for text in said] == [(0, 9, 0), (1, 0, 1), ()]


def test_a_broken_release_is_not_used(says: object) -> None:
    says("thin_dump", DUMP, version="1.0.1")
    with pytest.raises(VolumeError, match=r"1\.0\.1 misread"):
        thin_metadata.dump("meta", 7)


def test_one_program_for_all_tools(says: object, tmp_path: Path) -> None:
    says("pdata_tools", DUMP)
    if not any(os.path.exists(f"{place}/thin_dump") for place in ("/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin")):
        assert thin_metadata.dump("meta", 7) == (18, 5, 4)
    with pytest.raises(UnknownError, match="thin_dump isn't installed"):
        thin_metadata._command("thin_dump", "/nowhere")


# --- names


def test_names_of_snapshots() -> None:
    volume = LvName("vg", "db")
    assert names.snapshot_lv(volume, "u", "daily", set()) == "db_snapship_daily"
    chance = random.Random(3)
    seen = set()
    for _number in range(300):
        name = "".join(chance.choice("ab-.+_ ;$\n\0é/") for _letter in range(chance.randrange(1, 200)))
        lv = names.snapshot_lv(LvName("v-g", "l-v" * chance.randrange(1, 30)), "u", name, set())
        assert names.is_valid("v-g", lv)
        seen.add(lv)
    assert names.snapshot_lv(volume, "u", "daily", {"db_snapship_daily"}) != "db_snapship_daily"
    assert names.snapshot_lv(volume, "u", "x_tdata", set()).startswith("db_snapship_")


@pytest.mark.parametrize("wanted", ["db.before-1", "-x", "..", "", "a b", "x_tmeta", "é" * 90, "x" * 300, "snapshot1"])
def test_names_of_what_is_kept(wanted: str) -> None:
    taken: set[str] = set()
    for _number in range(12):
        name = names.kept_name("vg", wanted, taken)
        assert names.is_valid("vg", name) and name not in taken
        taken.add(name)


# --- tags


def test_long_texts_are_cut_into_tags_and_joined_again() -> None:
    fields = {"text": random.Random(1).randbytes(9000).hex()}
    packed = tags.packed("record", fields)
    assert len(packed) > 10 and all(len(tag) <= 1024 for tag in packed)
    assert tags.unpacked(reversed(packed), "record") == fields
    assert tags.unpacked(packed[:-1], "record") is None
    assert tags.unpacked(packed, "recor") is None and tags.unpacked([], "record") is None


def test_tags_that_are_no_record() -> None:
    for fields in ({}, {"format": 2}, {"format": 1, "name": "x"}, {"format": 1, "created": "soon"}):
        assert tags.record_in(tags.packed("record", fields)) is None
    assert tags.record_in(["snapship.record.0=AAAA", "x"]) is None
    for text in ("", "a:b:c:d", "u:1:p", "u:1:p:x"):
        assert tags.witness_in([f"snapship.witness={text}"]) is None
    assert tags.holds_in(["snapship.hold.abc.0=zzzz", "snapship.hold"]) == {}


# --- small parts


def test_touched_pieces() -> None:
    touched = Touched(1000, 64)
    assert list(touched.regions()) == []
    threads = [threading.Thread(target=touched.add, args=(start, 1)) for start in (0, 63, 64, 640, 999)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(touched.regions()) == [(0, 128), (640, 704), (960, 1000)]
    touched.add(0, 1000)
    assert list(touched.regions()) == [(0, 1000)]


def test_the_kernel_keeps_some_metadata() -> None:
    assert usable(512) == 461 and usable(1 << 22) == (1 << 22) - 4096
