# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Workers: as many jobs at once as was said and no more, stopped by the first error wherever it comes from."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.workers import Workers


def test_each_job_is_done_once() -> None:
    done: list[int] = []
    with Workers(4) as workers:
        workers.each(range(1000), done.append)
        workers.each([], done.append)
    assert sorted(done) == list(range(1000))


def test_no_more_jobs_at_once_and_no_more_taken_than_was_said() -> None:
    taken, done, most, running = 0, 0, 0, 0
    ahead = 0
    lock = threading.Lock()
    together = threading.Barrier(3)

    def jobs() -> Iterator[int]:
        nonlocal taken, ahead
        for number in range(200):
            with lock:
                taken += 1
                ahead = max(ahead, taken - done)
            yield number

    def work(job: int) -> None:
        nonlocal done, most, running
        with lock:
            running += 1
            most = max(most, running)
        if job < 3:
            together.wait()
        with lock:
            running -= 1
            done += 1

    with Workers(3) as workers:
        workers.each(jobs(), work)
    assert most == 3
    assert ahead <= 3 * 2 + 1


def test_the_first_error_of_a_job_stops_all_and_is_raised() -> None:
    started: list[int] = []

    def work(job: int) -> None:
        started.append(job)
        if job == 10:
            raise ValueError("ten")

    with Workers(4) as workers:
        with pytest.raises(ValueError, match="ten"):
            workers.each(itertools.count(), work)  # nothing else ends it
        before = len(started)
        workers.each([1, 2, 3], lambda _job: None)  # still of use, and nothing of the first is left
        assert len(started) == before


def test_an_error_of_the_source_waits_for_what_runs() -> None:
    begun, done = threading.Barrier(5), []

    def jobs() -> Iterator[int]:
        yield from range(4)
        begun.wait()
        raise OSError("the disk is gone")

    def work(job: int) -> None:
        begun.wait()
        time.sleep(0.02)
        done.append(job)

    with Workers(4) as workers:
        with pytest.raises(OSError, match="the disk is gone"):
            workers.each(jobs(), work)
        assert sorted(done) == [0, 1, 2, 3]


def test_an_interrupt_in_a_worker_is_not_swallowed() -> None:
    def work(_job: int) -> None:
        raise KeyboardInterrupt

    with Workers(2) as workers, pytest.raises(KeyboardInterrupt):
        workers.each(range(100), work)


def test_several_threads_share_one_pool() -> None:
    done: list[tuple[int, int]] = []
    failed: list[BaseException] = []

    def one(name: int) -> None:
        def work(job: int) -> None:
            if name == 2 and job == 50:
                raise ValueError("two")
            done.append((name, job))

        try:
            workers.each(range(100), work)
        except ValueError as error:
            failed.append(error)

    with Workers(2) as workers:
        threads = [threading.Thread(target=one, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(600)
            assert not thread.is_alive()
    assert len(failed) == 1
    for name in (0, 1, 3):
        assert sorted(job for whose, job in done if whose == name) == list(range(100))
