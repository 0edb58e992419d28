# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The failures of tasks, one line each, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: what_failed
short_description: List the failures of tasks, one line each
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Lists every failure in registered results of this collection's modules as one line with its cause and its cure.
  - A failure can concern one volume, a whole task, or the connection to the host.
options:
  _input:
    description:
      - The registered results, of tasks with or without a loop. Tasks that were skipped or did not run add no line.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Back up two images, at most once an hour
  snapship.dr.backup:
    remote_spec:
      path: /mnt/nas/backup
    volumes: [/srv/db.img, /srv/missing.img]
    max_age: 1h
  register: shipped
  failed_when: false

- name: Show what failed
  ansible.builtin.debug:
    msg: "{{ [shipped] | snapship.dr.what_failed }}"
"""

RETURN = r"""
_value:
  description: One line for each failure. Empty if nothing failed.
  type: list
  elements: str
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._module.failure_lines import about, lines, one_line


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
        yield f"The host can't be reached: {one_line(result.get('msg'))}"
        return
    failures = [each for each in result.get("failures") or () if isinstance(each, Mapping)]
    if failures:
        yield from lines(failures, _label(result))
    elif result.get("failed"):
        yield about(_label(result), one_line(result.get("msg")))


def _label(result: Mapping[str, Any]) -> str:
    """The label of the loop's item, or nothing outside of a loop."""
    item = result.get(str(result.get("ansible_loop_var", "item")))
    label = result.get("_ansible_item_label") or (item.get("label") if isinstance(item, Mapping) else item)
    return label if isinstance(label, str) else ""


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"what_failed": what_failed}
