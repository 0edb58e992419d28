# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actors that can be stopped before any call they make to their store, while another one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import snapship_catalog

STEPPED = ("list", "folders", "get", "put", "delete", "sync", "now")
Hook = Callable[[int, str, tuple[Any, ...]], None]
_WAIT = 600.0  # seconds; only ends what hangs


class Killed(BaseException):
    """The actor goes no further, as if killed: no error handling of the engine may catch it."""


class SteppedStore:
    """Hands every call on to the real store, after telling the hook its number."""

    def __init__(self, real: Any, actor: Actor) -> None:
        self._real = real
        self._actor = actor

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._real, name)
        if name not in STEPPED:
            return value

        def call(*args: Any, **options: Any) -> Any:
            if name == "now":
                return value() + self._actor.ahead
            self._actor.before(name, args)
            result = value(*args, **options)
            return iter(list(result)) if name == "list" else result  # a listing is of one moment

        return call


class Actor:
    """One run of the engine. ``hook`` is called before each store call with its number, name and arguments.

    ``ahead``: by how many seconds it sees the store's clock ahead, so that what others left looks old to it.
    """

    def __init__(self, work: Callable[[], Any], hook: Hook | None = None, ahead: float = 0.0) -> None:
        self.work = work
        self.hook = hook
        self.ahead = ahead
        self.calls = 0
        self.log: list[str] = []
        self.result: Any = None
        self.error: BaseException | None = None
        self.dead = False
        self._lock = threading.Lock()

    def before(self, name: str, args: tuple[Any, ...]) -> None:
        with self._lock:
            if self.dead:
                raise Killed
            number = self.calls
            self.calls += 1
            self.log.append(f"{number} {name} {_short(args[0]) if args else ''}")
        if self.hook is not None:
            self.hook(number, name, args)

    def run(self) -> Actor:
        """To its end; what it raises is kept."""
        with _acting(self):
            try:
                self.result = self.work()
            except (Exception, Killed) as error:  # noqa: BLE001  # the test judges it
                self.error = error
        return self

    def dies_at(self, kind: str, nth: int) -> Actor:
        """Let it die before its nth (0: first) put of a key of this kind (``data``, ``backups``, ...)."""
        return self._dies(kind, nth, False)

    def dies_after(self, kind: str) -> Actor:
        """Let it die right after its first put of a key of this kind."""
        return self._dies(kind, 0, True)

    def _dies(self, kind: str, nth: int, later: bool) -> Actor:
        seen = 0

        def hook(_number: int, name: str, args: tuple[Any, ...]) -> None:
            nonlocal seen
            ours = name == "put" and str(args[0]).startswith(kind + "/")
            if seen > nth or ours and seen == nth and not later:
                self.dead = True
                raise Killed
            seen += ours

        self.hook = hook
        return self


def _short(what: Any) -> str:
    """A key, or a list of them, without origin and volume."""
    if isinstance(what, list):
        return ", ".join(_short(each) for each in what)
    kind, *rest = str(what).split("/")
    return "/".join([kind, *rest[2:]])


_current = threading.local()


@contextmanager
def _acting(actor: Actor) -> Iterator[None]:
    before = getattr(_current, "actor", None)
    _current.actor = actor
    try:
        yield
    finally:
        _current.actor = before


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores that an actor opens from now on are stepped; others aren't."""
    real = snapship_catalog.open_store

    def open_stepped(spec: Any, as_of: float | None = None) -> Any:
        actor = getattr(_current, "actor", None)
        store = real(spec, as_of)
        return store if actor is None else SteppedStore(store, actor)

    monkeypatch.setattr(snapship_catalog, "open_store", open_stepped)


def within(outer: Actor, number: int, inner: Actor) -> bool:
    """Run ``outer``; before its call of this number the whole of ``inner``. False where it had no such call."""
    ran = False

    def hook(current: int, _name: str, _args: tuple[Any, ...]) -> None:
        nonlocal ran
        if current == number and not ran:
            ran = True
            inner.run()

    outer.hook = hook
    outer.run()
    return ran


def crossed(first: Actor, at: int, second: Actor, until: int) -> bool:
    """``first`` up to call ``at``, ``second`` up to call ``until``, then ``first`` to its end, then ``second``.

    False where one of them had no such call.
    """
    arrived, go_on = threading.Event(), threading.Event()
    reached: list[bool] = []

    def second_hook(current: int, _name: str, _args: tuple[Any, ...]) -> None:
        if current == until:
            reached.append(True)
            arrived.set()
            assert go_on.wait(_WAIT)

    def second_run() -> None:
        try:
            second.run()
        finally:
            arrived.set()

    second.hook = second_hook
    thread = threading.Thread(target=second_run)

    def first_hook(current: int, _name: str, _args: tuple[Any, ...]) -> None:
        if current == at:
            thread.start()
            assert arrived.wait(_WAIT)

    first.hook = first_hook
    first.run()
    go_on.set()
    if thread.ident is None:
        return False
    thread.join(_WAIT)
    assert not thread.is_alive()
    return bool(reached)
