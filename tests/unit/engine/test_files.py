# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import files


def test_what_a_killed_run_left_unfinished_goes(tmp_path: Path) -> None:
    (tmp_path / ".new-dead").write_bytes(b"half")
    with open(tmp_path / ".new-alive", "wb") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        files.write_private(str(tmp_path / "kept"), b"whole")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".new-alive", "kept"]
    files.write_private(str(tmp_path / "kept"), b"anew")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"anew"
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o600


def test_writers_of_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(30):
                files.write_private(str(tmp_path / f"{number}"), b"%d" % turn)
        except BaseException as error:  # noqa: BLE001  # shown by the thread that waits
            failed.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(number) for number in range(8)]
