# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What tests of power loss and of several machines build on: guests that lose their power, and two at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.machine import GIB, Guest, GuestLost


def test_a_power_loss_keeps_what_was_written_and_loses_what_was_not(tmp_path: Path) -> None:
    with Guest(tmp_path, disks=(GIB, GIB)) as guest:
        guest.script(
            "vgcreate -q vg /dev/ubdb && lvcreate -q -L 512M -T vg/pool && lvcreate -q -V 64M -T vg/pool -n lv"
        )
        guest.script("printf kept | dd of=/dev/vg/lv conv=fsync")
        guest.script("zpool create tank /dev/ubdc; echo kept > /tank/file; zpool sync; echo lost > /tank/late")
        # The last to close a device would write everything.
        work = guest.start("sh", "-c", "exec 3<>/dev/vg/lv; head -c 4 <&3; printf lost >&3; echo written; sleep 600")
        work.wait_for("written")
        guest.power_off()
        with pytest.raises(GuestLost):
            work.wait(10)

        guest.boot()
        guest.script("vgchange -q -ay vg && zpool import -d /dev tank")
        assert guest.run("head", "-c", "8", "/dev/vg/lv").out == b"kept" + bytes(4)
        assert guest.run("ls", "/tank").text.split() == ["file"]
        guest.halt()


def test_two_guests_at_once_have_nothing_in_common(tmp_path: Path) -> None:
    with Guest(tmp_path / "a", disks=(GIB,)) as a, Guest(tmp_path / "b", disks=(GIB,)) as b:
        for each in (a, b):
            each.run("zpool", "create", "tank", "/dev/ubdb")
        a.script("echo a > /tank/whose; echo a > /etc/whose")
        assert b.run("ls", "/tank/whose", "/etc/whose", check=False).code != 0
        a.power_off()
        assert b.run("zpool", "list", "-H", "-o", "health", "tank").text == "ONLINE\n"


def test_a_command_brings_its_input_output_and_code(tmp_path: Path) -> None:
    with Guest(tmp_path, disks=()) as guest:
        done = guest.run("sh", "-c", "cat; echo wrong >&2; exit 7", stdin="given", check=False)
        assert (done.code, bytes(done.out), bytes(done.err)) == (7, b"given", b"wrong\n")
        large = guest.run("head", "-c", "3000000", "/dev/zero")
        assert large.out == bytes(3000000)
        assert guest.run("no-such-program", check=False).code == 127
