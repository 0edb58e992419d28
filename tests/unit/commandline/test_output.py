# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import io

from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.columns import moment, place, plain
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.progress import ProgressLine, on_terminal


def test_what_a_terminal_would_act_on_is_shown_as_text() -> None:
    assert plain("a\x1b[31mb\nc\rü") == "a\\x1b[31mb\\nc\\rü"
    assert plain("\udcff") == "\\udcff"


def test_values_are_plain() -> None:
    assert [plain(value) for value in (None, [], True, False, ["a", 1], {"rc": 0})] == [
        "-",
        "-",
        "yes",
        "no",
        "a, 1",
        "rc: 0",
    ]


def test_times_are_to_the_second() -> None:
    assert moment("2026-03-09T14:30:00.123456Z") == "2026-03-09 14:30:00Z"
    assert moment(None) == "-"


def test_places() -> None:
    assert place("directory|/srv/a|b") == "/srv/a|b"
    assert place("s3|https://s3.example.com|dr|prod") == "s3://dr/prod at https://s3.example.com"
    assert place("s3|https://s3.example.com|dr|") == "s3://dr at https://s3.example.com"


def test_progress_is_one_line_that_goes_away() -> None:
    stream = io.StringIO()
    line = ProgressLine(stream)
    line("/srv/db\x1b.img", 1 << 20, 4 << 20)
    line("/srv/db\x1b.img", 2 << 20, 4 << 20)  # too soon to be shown
    assert stream.getvalue() == "\r/srv/db?.img  1.0 MiB of 4.0 MiB (25 %)\x1b[K"
    line.clear()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_no_progress_where_nobody_watches() -> None:
    stream = io.StringIO()
    line = on_terminal(stream)
    line("/srv/db.img", 1, 2)
    line.clear()
    assert stream.getvalue() == ""
