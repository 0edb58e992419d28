# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories: permissions, durability, orphans, strangers, full disks."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, RemoteError
from ansible_collections.snapship.dr.tests.support.needs import need_root

DATA = "data/web1/db/1/00000000"
ENGINE = Path(__file__).parents[3] / "plugins" / "module_utils"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the store of the fixture ``directory`` is."""
    return tmp_path / "remote"


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


def test_only_the_owner_may_look(directory: Any, root: Path) -> None:
    old = os.umask(0)
    try:
        directory().put(DATA, b"x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((root / DATA).stat().st_mode) == 0o600
    for parent in (root / DATA).relative_to(root).parents:
        if parent != Path():
            assert stat.S_IMODE((root / parent).stat().st_mode) == 0o700


def test_a_directory_that_is_made_is_the_owners(opener: Any, tmp_path: Path) -> None:
    store = opener(path=str(tmp_path / "a" / "b"))
    assert not store.exists()
    assert store.create()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "action",
    [
        lambda store: list(store.list("backups/")),
        lambda store: store.folders("backups/"),
        lambda store: store.get(DATA, 1),
        lambda store: store.put(DATA, b"x"),
        lambda store: store.put(DATA, b"x", exclusive=True),
        lambda store: store.delete([DATA]),
        lambda store: store.probe(write=False, delete=False),
    ],
)
def test_a_directory_that_is_not_there(opener: Any, tmp_path: Path, action: Any) -> None:
    store = opener(path=str(tmp_path / "unmounted"))
    with pytest.raises(RemoteError, match="doesn't exist") as caught:
        action(store)
    assert caught.value.code == "missing"
    assert not store.exists()
    assert not (tmp_path / "unmounted").exists()


def test_reading_leaves_no_trace(directory: Any, root: Path) -> None:
    store = directory()
    assert list(store.list("")) == []
    assert store.get(DATA, 1) is None
    assert store.folders("backups/") == []
    store.probe(write=False, delete=False)
    assert list(root.iterdir()) == []


def test_listing_is_in_the_order_of_s3(directory: Any) -> None:
    store = directory()
    names = ["a-b", "a/b", "a.b", "a/c/d", "a/c-d", "a0", "é", "z", "a b/c", "A", "😀", "\uffff"]
    for name in names:
        store.put(name, b"")
    assert [entry.key for entry in store.list("")] == sorted(names, key=str.encode)


def test_deleting_removes_the_folders_it_empties(directory: Any, root: Path) -> None:
    store = directory()
    store.put(DATA, b"x")
    store.put("data/web1/other/1/0", b"x")
    store.delete([DATA])
    assert not (root / "data/web1/db").exists()
    assert (root / "data/web1/other").exists()
    store.delete(["data/web1/other/1/0"])
    assert not (root / "data").exists()
    assert root.exists()


def test_putting_and_deleting_at_once(directory: Any) -> None:
    """A folder may vanish, being empty, at any moment before something is put in it."""
    store, stop, failures = directory(), threading.Event(), []

    def churn(number: int) -> None:
        try:
            while not stop.is_set():
                store.put(f"data/web1/db/{number}", b"x", exclusive=True)
                store.delete([f"data/web1/db/{number}"])
        except RemoteError as error:
            failures.append(error)

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _round in range(200):
        list(store.list("data/"))
        store.folders("data/web1/")
        store.sync()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert list(store.list("")) == []


def test_an_orphan_of_a_killed_writer_is_removed_and_a_live_one_is_not(directory: Any, root: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(ENGINE), str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    root.mkdir(exist_ok=True)
    assert writer.stdin is not None and writer.stdout is not None
    writer.stdin.write(b"go\n")
    writer.stdin.flush()
    assert writer.stdout.readline() == b"written\n"
    (name,) = os.listdir(root / "tmp")
    directory().put("data/a", b"x")
    assert os.listdir(root / "tmp") == [name]
    writer.kill()
    writer.wait()
    directory().put("data/b", b"x")
    assert os.listdir(root / "tmp") == []


WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from _engine.remotes.directory.temporary import Incoming
sys.stdin.readline()
incoming = Incoming(os.open(sys.argv[2], os.O_RDONLY))
incoming.write(memoryview(b"half"), None)
print("written", flush=True)
sys.stdin.readline()
"""


def test_a_killed_put_leaves_no_half_object(directory: Any, root: Path) -> None:
    """Whenever it is killed, what is listed is whole."""
    store = directory()
    for round_ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", PUTTER, str(ENGINE), str(root)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.003 * round_)
        writer.kill()
        writer.wait()
        for entry in store.list("data/"):
            assert entry.size == 4 << 20
    store.sync()
    assert os.listdir(root / "tmp") == []


PUTTER = """
import sys
sys.path.insert(0, sys.argv[1])
from _engine.remotes.registry import open_store, parse_remote
store = open_store(parse_remote("x", {"path": sys.argv[2]}))
print("ready", flush=True)
for number in range(1000):
    store.put(f"data/{number % 7}", bytes(4 << 20))
"""


@pytest.mark.parametrize("exclusive", [False, True])
def test_the_file_is_durable_before_it_has_its_name(
    directory: Any, root: Path, monkeypatch: pytest.MonkeyPatch, exclusive: bool
) -> None:
    events = watch(monkeypatch, root)
    store = directory()
    store.put(DATA, b"x", exclusive=exclusive)
    names = [event for event in events if event != "unlink"]
    assert names[:2] == ["fsync tmp file", "link" if exclusive else "rename"]
    folders = ["data/web1/db/1", "data/web1/db", "data/web1", "data", "."]
    after = [f"fsync {folder}" for folder in folders]
    assert names[2:] == (after if exclusive else [])
    store.sync()
    assert [event for event in events if event != "unlink"][-5:] == after


def test_a_failed_sync_is_told_and_done_again(directory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = directory()
    store.put(DATA, b"x")
    real = os.fsync

    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(RemoteError, match="[Ii]nput/output error"):
        store.sync()
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(1) or real(descriptor))
    store.sync()
    assert len(synced) == 5


def watch(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[str]:
    """What is made durable and named, in order."""
    events: list[str] = []

    def recorded(name: str, tell: Any) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **more: Any) -> Any:
            events.append(tell(*arguments))
            return real(*arguments, **more)

        monkeypatch.setattr(os, name, call)

    def tell_sync(descriptor: int) -> str:
        path = os.path.relpath(os.readlink(f"/proc/self/fd/{descriptor}"), root.resolve())
        return "fsync tmp file" if path.startswith("tmp/") else f"fsync {path}"

    recorded("fsync", tell_sync)
    recorded("link", lambda *_arguments: "link")
    recorded("rename", lambda *_arguments: "rename")
    recorded("unlink", lambda *_arguments: "unlink")
    return events


def test_a_full_disk(opener: Any, small_tmpfs: Path) -> None:
    store = opener(path=str(small_tmpfs))
    store.put("backups/a", b"kept", exclusive=True)
    for exclusive in (False, True):
        with pytest.raises(RemoteError, match="no space") as caught:
            store.put(DATA, bytes(64 << 20), exclusive=exclusive)
        assert caught.value.code == "full"
        assert "Free some space" in caught.value.hint
    assert files(small_tmpfs) == ["backups/a"]
    store.put(DATA, bytes(1 << 20))
    store.close()


def test_a_failed_put_leaves_nothing(directory: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = directory()

    def failing(_descriptor: int) -> None:  # some filesystems only find out when they write it back
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(RemoteError, match="quota") as caught:
        store.put(DATA, b"x")
    assert caught.value.code == "full"
    assert files(root) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EROFS, "denied"), (errno.EACCES, "denied"), (errno.EPERM, "denied"), (errno.EIO, "remote")],
)
def test_other_failures(directory: Any, monkeypatch: pytest.MonkeyPatch, number: int, code: str) -> None:
    store = directory()
    store.put("data/a", b"x")
    real = os.open

    def failing(path: Any, flags: int, *arguments: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return real(path, flags, *arguments, **more)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(RemoteError) as caught:
        store.put(DATA, b"x")
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key", ["../escape", "data/../../escape", "/etc/passwd", "data//a", "", ".", "data/.", "data/", "tmp/a", "a\0b"]
)
def test_hostile_keys_are_refused(directory: Any, root: Path, key: str) -> None:
    store = directory()
    for action in (
        lambda: store.put(key, b"x"),
        lambda: store.put(key, b"x", exclusive=True),
        lambda: store.get(key, 1),
        lambda: store.delete([key]),
    ):
        with pytest.raises(RemoteError, match="isn't a valid key"):
            action()
    assert files(root) == []


@pytest.mark.parametrize("prefix", ["../", "/", "data/../../", "data//"])
def test_hostile_prefixes_are_refused(directory: Any, prefix: str) -> None:
    store = directory()
    for action in (lambda: list(store.list(prefix)), lambda: store.folders(prefix)):
        with pytest.raises(RemoteError, match="isn't a valid prefix"):
            action()


def test_symbolic_links_are_not_followed(directory: Any, root: Path, tmp_path: Path) -> None:
    store = directory()
    outside = tmp_path / "outside"
    (outside / "web1").mkdir(parents=True)
    (outside / "web1" / "secret").write_bytes(b"not ours")
    (root / "data").symlink_to(outside)
    (root / "link").symlink_to(outside / "web1" / "secret")
    assert list(store.list("")) == []
    assert store.folders("") == []
    for action in (
        lambda: store.get("data/web1/secret", 100),
        lambda: store.get("link", 100),
        lambda: store.put("data/web1/new", b"x"),
        lambda: store.delete(["data/web1/secret"]),
        lambda: list(store.list("data/")),
    ):
        with pytest.raises(RemoteError, match="symbolic link"):
            action()
    with pytest.raises(RemoteError) as caught:
        store.put("link", b"x", exclusive=True)
    assert caught.value.code in ("exists", "remote")
    store.put("link", b"ours")  # replaces the link, not what it points to
    store.delete(["link"])
    assert files(outside) == ["web1/secret"]
    assert (outside / "web1" / "secret").read_bytes() == b"not ours"


def test_the_directory_itself_may_be_a_link(opener: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    one, other = opener(path=str(tmp_path / "link")), opener(path=str(tmp_path / "real") + "/")
    one.put("data/a", b"x")
    assert other.get("data/a", 1) == b"x"
    assert one.location == other.location


def test_strangers_are_passed_over(directory: Any, root: Path) -> None:
    store = directory()
    store.put("backups/a", b"x")
    (root / "README").write_text("by the administrator", encoding="utf-8")
    (root / "lost+found").mkdir()
    os.mkfifo(root / "backups" / "fifo")
    (root / "backups" / "dangling").symlink_to("nowhere")
    with open(os.fsencode(root / "backups") + b"/\xff\xfe", "wb"):
        pass
    assert [entry.key for entry in store.list("")] == ["README", "backups/a"]
    assert sorted(store.folders("")) == ["backups", "lost+found"]
    with pytest.raises(CorruptError, match="isn't a regular file"):
        store.get("backups/fifo", 1)
    store.delete(["backups/a"])
    assert (root / "backups").exists()


def test_a_folder_that_cannot_be_read(directory: Any, root: Path) -> None:
    need_root("becoming a user for whom something is unreadable")
    store = directory()
    store.put("backups/theirs/a", b"x")
    store.put("backups/ours/a", b"x")
    for path in (root, root / "backups", root / "backups/ours"):
        path.chmod(0o755)
    (root / "backups/ours/a").chmod(0o644)
    for parent in root.parents:
        if parent.stat().st_uid == 0 and "pytest" in str(parent):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        assert [entry.key for entry in store.list("backups/")] == ["backups/ours/a"]
        for action in (
            lambda: list(store.list("backups/theirs/")),
            lambda: store.get("backups/theirs/a", 1),
            lambda: store.put("backups/ours/b", b"x"),
            lambda: store.delete(["backups/ours/a"]),
        ):
            with pytest.raises(RemoteError, match="permission denied") as caught:
                action()
            assert caught.value.code == "denied"
    finally:
        os.seteuid(0)


def test_a_filesystem_without_hard_links(directory: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_arguments: Any, **_more: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", failing)
    store = directory()
    store.put("backups/a", b"one", exclusive=True)
    store.put("backups/a", b"one", exclusive=True)
    with pytest.raises(RemoteError, match="exists already with another content"):
        store.put("backups/a", b"two", exclusive=True)
    assert files(root) == ["backups/a"]


def test_a_key_that_is_a_folder(directory: Any) -> None:
    store = directory()
    store.put("data/a/b", b"x")
    with pytest.raises(RemoteError):
        store.put("data/a", b"x")
    with pytest.raises(CorruptError):
        store.get("data/a", 1)


def test_a_name_that_is_too_long(directory: Any) -> None:
    with pytest.raises(RemoteError, match="[Tt]oo long"):
        directory().put("data/" + "x" * 300, b"x")


def test_ten_thousand_files(directory: Any, root: Path) -> None:
    store = directory()
    (root / "backups/web1/db").mkdir(parents=True)
    for number in range(10_000):
        (root / f"backups/web1/db/{number:05d}~full").touch()
    assert len(list(store.list("backups/"))) == 10_000
    assert store.requests["list"] == 1


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> float:
    """This host's clock is so many seconds ahead of that of the directory's files."""
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 86400.0)
    return 86400.0


def test_the_clock_is_that_of_its_files(directory: Any, root: Path, ahead: float) -> None:
    store = directory()
    store.put(DATA, b"x")
    stamp = (root / DATA).stat().st_mtime
    before = sorted(path for path in root.rglob("*"))
    assert stamp + ahead <= store.now() < stamp + ahead + 600  # nothing may be written: this host's clock
    assert stamp <= store.now(write=True) < stamp + 600
    assert stamp <= store.now() < stamp + 600  # known by now
    assert sorted(path for path in root.rglob("*")) == before


def test_no_object_is_younger_than_now(directory: Any, root: Path) -> None:
    store = directory()
    for number in range(200):
        key = f"data/{number}"
        store.put(key, b"x")
        assert store.now(write=True) >= (root / key).stat().st_mtime


def test_a_reader_has_only_its_own_clock(directory: Any, root: Path, ahead: float) -> None:
    store = directory()
    store.put(DATA, b"x")
    os.rename(root / "tmp", root / "elsewhere")
    (root / "tmp").write_bytes(b"in the way")
    assert store.now(write=True) >= (root / DATA).stat().st_mtime + ahead
    os.rename(root, root.with_name("gone"))
    assert store.now(write=True) >= time.time() - 600
    assert not root.exists()
