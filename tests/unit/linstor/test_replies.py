# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a controller's entries mean."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.replies import (
    ControllerError,
    Kind,
    Replies,
    kind_of,
    parse_all,
    scrub,
)

ERROR, WARN, INFO = 0xC000000000000000, 0x8000000000000000, 0x4000000000000000
OBJECT = 0x01000000 | 0x00080000  # a backup is created


def signed(code: int) -> int:
    return code - (1 << 64) if code >> 63 else code


@pytest.mark.parametrize(
    ("mask", "kind"), [(ERROR, Kind.ERROR), (WARN, Kind.WARN), (INFO, Kind.INFO), (0, Kind.SUCCESS)]
)
@pytest.mark.parametrize("rest", [0, OBJECT, OBJECT | 976, 0x7FFF])
def test_kinds_signed_and_unsigned(mask: int, kind: Kind, rest: int) -> None:
    assert kind_of(mask | rest) is kind
    assert kind_of(signed(mask | rest)) is kind


def entry(mask: int, code: int, message: str = "said", **more: Any) -> dict[str, Any]:
    return {"ret_code": signed(mask | OBJECT | code), "message": message, **more}


def test_entries() -> None:
    replies = parse_all(
        [
            entry(0, 1, "created", obj_refs={"Snapshot": "back_1", "RscDfn": "db"}),
            entry(WARN, 1019, "download\nonly"),
            entry(WARN, 1019, "download\nonly"),
            entry(INFO, 10007, "nothing to do"),
        ]
    )
    assert replies.ref("Snapshot") == "back_1"
    assert replies.ref("Node") is None
    assert replies.warnings == ["download only"]
    assert replies.has(1019)
    assert not replies.has(976)
    assert replies.errors == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (301, "not_found"),
        (321, "not_found"),
        (312, "locked"),
        (216, "locked"),
        (423, "denied"),
        (527, "exists"),
        (976, "unknown_cluster"),
        (978, "version"),
        (997, "in_use"),
        (998, "controller"),
    ],
)
def test_numbers_become_codes(number: int, code: str) -> None:
    error = ControllerError("shipping db", parse_all([entry(WARN, 1019), entry(ERROR, number, "no")]))
    assert (error.code, error.numbers) == (code, (number,))
    assert error.msg == "shipping db: no."


def test_an_error_says_what_and_why() -> None:
    error = ControllerError(
        "shipping db",
        parse_all([entry(ERROR, 998, "It broke", cause="A pipe", correction="Mend it.", error_report_ids=["5F-1"])]),
    )
    assert str(error) == "shipping db: It broke A pipe. Mend it. LINSTOR's error report: 5F-1."


def test_an_error_without_a_word() -> None:
    error = ControllerError("shipping db", Replies(), 403)
    assert (error.code, error.msg) == ("denied", "shipping db: the controller gave no reason (HTTP 403).")


def test_secrets_are_scrubbed() -> None:
    assert scrub("key s3cret and s3cret", ["s3cret", None, ""]) == "key ******** and ********"
