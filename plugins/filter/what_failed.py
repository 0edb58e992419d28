# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What went wrong in tasks of modules, in lines for a person."""

from __future__ import annotations

DOCUMENTATION = r"""
name: what_failed
short_description: What went wrong in tasks of this collection's modules
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes a line of each failure in the results that tasks have registered, be it of a volume, of a whole task, or of
    the connection.
options:
  _input:
    description:
      - What tasks have registered, with or without a loop. What was skipped or never run counts for nothing.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: There are backups that are at most one hour old
  snapship.dr.backup:
    remote_spec:
      path: /mnt/nas/backup
    volumes: [/srv/db.img, /srv/missing.img]
    max_age: 1h
  register: shipped
  failed_when: false

- name: Say what failed
  ansible.builtin.debug:
    msg: "{{ [shipped] | snapship.dr.what_failed }}"
"""

RETURN = r"""
_value:
  description: A line for each failure. Empty where there was none.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


def what_failed(registered: Iterable[Any]) -> list[str]:
    """The filter."""
    return list(dict.fromkeys(line for each in registered for line in _of_task(each)))


def _of_task(result: Any) -> Iterator[str]:
    if not isinstance(result, Mapping):
        return
    for each in result.get("results") or [result]:
        if isinstance(each, Mapping):
            yield from _of_call(each)


def _of_call(result: Mapping[str, Any]) -> Iterator[str]:
    if result.get("unreachable"):
        yield f"The host can't be reached: {_one_line(result.get('msg'))}"
        return
    failures = [each for each in result.get("failures") or () if isinstance(each, Mapping)]
    if failures:
        yield from (_of_volume(failure, _label(result)) for failure in failures)
    elif result.get("failed"):
        yield _about(_label(result), _one_line(result.get("msg")))


def _of_volume(failure: Mapping[str, Any], label: str) -> str:
    said = _one_line(f"{failure.get('msg') or ''} {failure.get('hint') or ''}")
    volume, remote = failure.get("volume"), failure.get("remote")
    if remote == "inline" and label:  # a remote that the host doesn't keep; the label has its name
        return _about(f"{volume} ({label})" if volume else label, said)
    return _about(f"{volume} on {remote}" if volume and remote else volume or label or remote, said)


def _label(result: Mapping[str, Any]) -> str:
    """Which turn of a loop it was."""
    item = result.get(str(result.get("ansible_loop_var", "item")))
    label = result.get("_ansible_item_label") or (item.get("label") if isinstance(item, Mapping) else item)
    return label if isinstance(label, str) else ""


def _about(what: str, said: str) -> str:
    return f"{what}: {said}" if what and not said.startswith(f"{what}: ") else said


def _one_line(text: Any) -> str:
    return " ".join(str(text or "no reason was given").split())


class FilterModule:
    """For Ansible to find it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By its name."""
        return {"what_failed": what_failed}
