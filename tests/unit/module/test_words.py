# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._module.words import command, names


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/srv/db.img", ["/srv/db.img"]),
        ("/srv/a,b.img", ["/srv/a,b.img"]),
        (["/srv/a.img", "/srv/b c.img"], ["/srv/a.img", "/srv/b c.img"]),
        (["-rf", "$(reboot)", "a\nb"], ["-rf", "$(reboot)", "a\nb"]),
        (None, []),
    ],
)
def test_names_are_taken_as_written(given: object, expected: list[str]) -> None:
    assert names(given, "volumes") == expected


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (750, "750 is a number"),
        ([12], "12 is a number"),
        ([True], "True is a boolean"),
        ([["a"]], "is a list"),
        ({"source": "a"}, "is a mapping"),
        ([None], "is a NoneType"),
        ("", "empty"),
        ([], "the list is empty"),
    ],
)
def test_what_is_no_name_is_refused(given: object, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        names(given, "volumes")
    assert words in refused.value.msg
    assert refused.value.msg.startswith("volumes: ")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        (["psql", "-c", "CHECKPOINT; SELECT 1"], ["psql", "-c", "CHECKPOINT; SELECT 1"]),
        ("psql -c 'CHECKPOINT; SELECT 1, 2'", ["psql", "-c", "CHECKPOINT; SELECT 1, 2"]),
        ("echo $HOME; reboot", ["echo", "$HOME;", "reboot"]),
    ],
)
def test_commands_are_words_and_no_shell(given: object, expected: list[str] | None) -> None:
    assert command(given, "pre_command") == expected


@pytest.mark.parametrize("given", ["", "  ", [], [""], ["ls", 1], ["mode", True], 5, {"cmd": "ls"}, "a 'b"])
def test_what_is_no_command_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match="^pre_command: "):
        command(given, "pre_command")
