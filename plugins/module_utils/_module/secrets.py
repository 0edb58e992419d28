# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The end of a module, with secrets masked and this collection's own words left readable.

Ansible masks each value of a ``no_log`` option wherever it occurs in a result. If a passphrase is a word that is also a
code or a state ("locked"), that word is masked, so that a condition on it fails, and whoever knows the documentation
can tell the passphrase from the gap. A code or a state never contains a secret, so it is returned as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values

#: the keys of values that this collection chooses from its own words, never from an option or an answer
_OWN = ("code", "state", "status", "type", "last_type", "next_type")
_WORD = re.compile(r"[a-z_]+")


def end(leave: Callable[..., NoReturn], module: AnsibleModule, **result: Any) -> NoReturn:
    """Exit the module by ``leave`` (its ``exit_json`` or ``fail_json``)."""
    words = set(_own_words(result))
    weak = {secret for secret in module.no_log_values if any(secret in word for word in words)}
    if weak:
        result["invocation"] = {"module_args": module.params}
        shown = remove_values(result, weak)
        _put_back(result, shown)
        result = shown
        # These are masked now, where they have to be. Ansible still looks for all the others.
        module.no_log_values = set(module.no_log_values) - weak
    leave(**result)
    raise RuntimeError("leave doesn't return")


def warn(module: AnsibleModule, text: str) -> None:
    """Warn, with the secrets masked at once."""
    module.warn(remove_values(text, module.no_log_values))


def _own_words(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if _is_own(key, inner):
                yield inner
            else:
                yield from _own_words(inner)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _own_words(each)


def _put_back(value: Any, shown: Any) -> None:
    """Copy the own words in ``value`` to their places in ``shown``, which has the same shape."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "invocation":
                continue
            if _is_own(key, inner):
                shown[key] = inner
            else:
                _put_back(inner, shown[key])
    elif isinstance(value, (list, tuple)):
        for each, its in zip(value, shown):
            _put_back(each, its)


def _is_own(key: Any, value: Any) -> bool:
    return key in _OWN and isinstance(value, str) and _WORD.fullmatch(value) is not None
