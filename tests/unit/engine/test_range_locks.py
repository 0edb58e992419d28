# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks on names: any number with one descriptor, between processes and between threads."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import BusyError, ConfigError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host

HOLDER = """
import sys
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
with Host(sys.argv[1]).locks([(name, (name,)) for name in sys.argv[2:]], 0.0):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(host: Host, *names: str) -> subprocess.Popen[str]:
    """Another process that holds these until its input ends."""
    command = [sys.executable, "-c", HOLDER, host.config_dir, *names]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(str(tmp_path / "cfg"))


def test_one_descriptor_holds_any_number(host: Host) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with host.locks([(f"{number}", (f"{number}",)) for number in range(2000)], 0.0):
        assert len(os.listdir("/proc/self/fd")) == before + 1
        with pytest.raises(BusyError, match="^volume x is busy: another run holds its lock, and lock_timeout"):
            host.lock("volume x", 0.0, "1999").__enter__()
        with host.lock("volume y", 0.0, "2000"):
            pass
    with host.lock("volume x", 0.0, "1999"):
        pass
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_thing_wanted_twice_is_locked_once(host: Host) -> None:
    with host.locks([("a", ("a",)), ("a", ("a",))], 0.0):
        pass


def test_another_process_keeps_only_what_it_holds(host: Host) -> None:
    with hold(host, "a", "b") as holder:
        for name in "ab":
            with pytest.raises(BusyError, match=f"^{name} is busy"):
                host.lock(name, 0.1, name).__enter__()
        with host.lock("c", 0.0, "c"):
            pass
        with pytest.raises(BusyError, match="^b is busy"):  # c was free; it is let go again
            host.locks([("b", ("b",)), ("c", ("c",))], 0.0).__enter__()
        with host.lock("c", 0.0, "c"):
            pass
        holder.kill()
    with host.locks([("a", ("a",)), ("b", ("b",))], 60.0):  # the locks ended with the process
        pass


def test_who_waits_gets_it_as_soon_as_it_is_free(host: Host) -> None:
    with hold(host, "a") as holder:
        assert holder.stdin is not None
        threading.Timer(0.3, holder.stdin.close).start()
        with host.lock("a", 600.0, "a"):
            pass


def test_threads_of_one_process_exclude_each_other(host: Host) -> None:
    """Each thread takes them in another order; only one is ever inside."""
    inside: list[int] = []
    worst: list[int] = []

    def work(number: int) -> None:
        names = [("a", ("a",)), ("b", ("b",)), (f"{number}", (f"{number}",))]
        for _turn in range(10):
            with host.locks(names if number % 2 else names[::-1], 600.0):
                inside.append(number)
                worst.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(worst), max(worst)) == (60, 1)


def test_a_lock_file_that_was_removed_meanwhile_locks_nothing(host: Host) -> None:
    """Who waited for it takes the new one, which the next run finds, too."""
    taken, done = threading.Event(), threading.Event()

    def wait() -> None:
        with host.lock("a", 600.0, "a"):
            taken.set()
            done.wait(600)

    with host.lock("a", 0.0, "a"):
        waiter = threading.Thread(target=wait)
        waiter.start()
        shutil.rmtree(host.config_dir)
    assert taken.wait(600)
    with pytest.raises(BusyError):
        host.lock("a", 0.0, "a").__enter__()
    done.set()
    waiter.join()


def test_a_filesystem_without_locks_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    with pytest.raises(ConfigError, match=r"cfg/state/lock can't be locked: No locks available\.") as caught:
        host.lock("a", 0.0, "a").__enter__()
    assert "a filesystem with file locks" in caught.value.hint
