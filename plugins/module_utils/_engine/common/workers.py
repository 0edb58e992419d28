# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Workers: jobs done by several threads at once, bounded in number and so in memory, stopped by the first error."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Iterable, Sequence
from typing import Callable, TypeVar

from .errors import SnapshipError

Job = TypeVar("Job")
Result = TypeVar("Result")


class Workers:
    """A pool shared by all volumes of one run. Never more than ``count`` jobs are worked on at once."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = concurrent.futures.ThreadPoolExecutor(count, thread_name_prefix="snapship")
        self._stopped = threading.Event()

    def together(self, items: Sequence[Job], work: Callable[[Job], Result]) -> list[Result]:
        """Look after several volumes at once, each from a thread of its own; the results, in order.

        An exception, as from Ctrl-C, lets no further job of :meth:`each` begin.
        """
        crew = max(1, min(len(items), self.count))
        with concurrent.futures.ThreadPoolExecutor(crew, thread_name_prefix="volume") as pool:
            try:
                return list(pool.map(work, items))
            except BaseException:
                self._stopped.set()
                raise

    def each(self, jobs: Iterable[Job], work: Callable[[Job], None]) -> None:
        """Do ``work`` for each job, taking jobs only as workers get free; the first error stops it and is raised."""
        slots = threading.Semaphore(self.count * 2)
        failed = threading.Event()
        first: list[BaseException] = []

        def run(job: Job) -> None:
            try:
                if not failed.is_set() and not self._stopped.is_set():
                    work(job)
            except BaseException as error:  # noqa: BLE001  # raised again by the thread that waits
                first.append(error)
                failed.set()
            finally:
                slots.release()

        running: list[concurrent.futures.Future[None]] | None = []
        try:
            for job in jobs:
                slots.acquire()
                if failed.is_set() or self._stopped.is_set():
                    slots.release()
                    break
                running = [future for future in running or [] if not future.done()]
                running.append(self._pool.submit(run, job))
        except BaseException:
            failed.set()
            raise
        finally:
            concurrent.futures.wait(running or [])
        if first:
            raise first[0]
        if self._stopped.is_set():
            raise SnapshipError("interrupted; the next run goes on from here.", code="interrupted")

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._pool.shutdown(wait=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
