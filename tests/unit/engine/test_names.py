# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any string becomes one safe key component, and no two become the same."""

from __future__ import annotations

import hashlib
import random
import re

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import keys, units
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError, VolumeError

SAFE = re.compile(r"[A-Za-z0-9_.%~-]+")
ALPHABETS = [
    "abcXYZ019",
    "./~%-_ ",
    "'\"`$();|&<>*?[]{}!#\\\n\r\t\0\x7f",
    "äöüßéñ漢字🦊ﬃ\u202e\u0301",
    "".join(chr(0xDC00 + byte) for byte in (0x80, 0xA9, 0xC3, 0xFE, 0xFF)),
]
HOSTILE = [
    ".",
    "..",
    "...",
    ".hidden",
    "../../etc/passwd",
    "/",
    "//",
    "~",
    "%",
    "%2E",
    "%7E",
    "a~b",
    "-rf",
    "--",
    " ",
    "\n",
    "\0",
    "$(reboot)",
    "a;b",
    "full",
    "CON",
    "é",
    "e\u0301",
    "\udcff",
    "a" * 200,
    "a" * 201,
    "a" * 300,
    "/" * 300,
    "ä" * 300,
    "🦊" * 100,
    "." * 300,
    "~" * 300,
    "a" * 134 + "ä" + "b" * 100,
    "a" * 133 + "ä" + "b" * 100,
    "a" * 132 + "ä" + "b" * 100,
    "a" * 135 + "~" + "0" * 64,
]


def raw(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def random_names(count: int) -> list[str]:
    source = random.Random(20260309)
    made = []
    for _round in range(count):
        alphabet = "".join(source.sample(ALPHABETS, source.randint(1, len(ALPHABETS))))
        made.append(
            "".join(source.choice(alphabet) for _round in range(source.choice((1, 2, 3, 10, 60, 199, 200, 201, 500))))
        )
    return made


def check_component(name: str) -> None:
    component = keys.encode(name)
    assert SAFE.fullmatch(component), component
    assert 0 < len(component) <= keys.COMPONENT_BYTES
    assert not component.startswith(".")
    decoded = keys.decode(component)
    if decoded is None:
        assert component[-65:] == "~" + hashlib.sha256(raw(name)).hexdigest()
        assert not re.search(r"%.?$", component[:-65]), "an escape is never cut in two"
    else:
        assert "~" not in component
        assert raw(decoded) == raw(name)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_become_safe_components(name: str) -> None:
    check_component(name)


def test_random_names_become_safe_components_without_collisions() -> None:
    seen: dict[str, bytes] = {}
    for name in [*random_names(20_000), *HOSTILE]:
        check_component(name)
        component = keys.encode(name)
        assert seen.setdefault(component, raw(name)) == raw(name)
    # A component is never the encoding of another component's own text.
    for name in HOSTILE:
        component = keys.encode(name)
        if component != name:
            assert keys.encode(component) != component


def test_known_components() -> None:
    assert keys.encode("tank/db") == "tank%2Fdb"
    assert keys.encode("/srv/db 1.img") == "%2Fsrv%2Fdb%201.img"
    assert keys.encode("..") == "%2E."
    assert keys.encode("a~b") == "a%7Eb"
    assert keys.encode("ä") == "%C3%A4"
    assert keys.encode("\udce4") == "%E4"
    assert keys.encode("a" * 201) == "a" * 135 + "~" + hashlib.sha256(b"a" * 201).hexdigest()


@pytest.mark.parametrize("name", ["", "\ud800", "a\udfff"])
def test_names_that_stand_for_no_bytes_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        keys.encode(name)


def test_ids_carry_their_time_to_the_microsecond_and_are_unique() -> None:
    source = random.Random(1)
    for _round in range(5000):
        created = source.randrange(0, 4_000_000_000_000_000) / 1e6
        backup_id = keys.mint_id(created)
        assert keys.is_id(backup_id)
        assert keys.id_time(backup_id) == created
    assert len({keys.mint_id(0.0) for _round in range(1000)}) == 1000
    assert re.fullmatch(r"20260309T143000\.123456Z-[0-9a-f]{16}", keys.mint_id(1773066600.123456))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "full",
        "20260309T143000.123456Z",
        "20260309T143000.123456Z-0123456789abcde",
        "20260309T143000.123456Z-0123456789abcdeF",
        "20260309T143000.123456Z-0123456789abcdef\n",
        "20261309T143000.123456Z-0123456789abcdef",
        "20260230T143000.123456Z-0123456789abcdef",
        "20260309T243000.123456Z-0123456789abcdef",
        "00000101T000000.000000Z-0123456789abcdef",
        "00010101T000000.000000Z-0123456789abcdef",
        "19691231T235959.999999Z-0123456789abcdef",
        "99990101T000000.000000Z-0123456789abcdef",
        "99991231T235959.999999Z-0123456789abcdef",
        "２０２６0309T143000.123456Z-0123456789abcdef",
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not keys.is_id(text)


@pytest.mark.parametrize("created", [-1.0, -1e12, 253370764800.0, 1e18])
def test_no_id_is_minted_that_would_be_none(created: float) -> None:
    with pytest.raises(VolumeError, match="from 1970 to 9998"):
        keys.mint_id(created)


@pytest.mark.parametrize("year", [1970, 9998])
def test_the_first_and_the_last_id_can_be_shown(year: int) -> None:
    for moment in ("0101T000000.000000Z", "1231T235959.999999Z"):
        backup_id = f"{year}{moment}-0123456789abcdef"
        assert keys.is_id(backup_id)
        assert units.iso_time(keys.id_time(backup_id)).startswith(str(year) if "0101" in moment else str(year)[:3])
        assert keys.shown(f"backups/o/v/{backup_id}~full").startswith("the manifest of v from ")


@pytest.mark.parametrize("name", HOSTILE)
def test_what_names_become_is_a_component(name: str) -> None:
    assert keys.is_component(keys.encode(name))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        ".a",
        "%2f",
        "%2",
        "%",
        "%41",
        "a b",
        "a~b",
        "~",
        "ä",
        "a\n",
        f"x~{'0' * 63}",
        f"{'a' * 136}~{'0' * 64}",
    ],
)
def test_what_no_name_becomes_is_none(text: str) -> None:
    assert not keys.is_component(text)


def test_keys_are_parsed_back() -> None:
    one, two = keys.mint_id(1e9), keys.mint_id(1.1e9)
    for base in (None, one):
        key = keys.BackupKey("o", keys.encode("/a b"), two, base)
        assert keys.parse_backup_key(key.manifest) == key
        assert keys.parse_backup_key(key.deleted) == key
        assert key.data == f"data/o/%2Fa%20b/{two}/"
        assert key.created == 1.1e9


def test_strangers_keys_are_passed_over() -> None:
    one, two = keys.mint_id(1e9), keys.mint_id(1.1e9)
    for key in (
        "backups",
        "backups/o/v",
        f"backups/o/v/{one}",
        f"backups/o/v/{one}~",
        f"backups/o/v/{one}~{one}",
        f"backups/o/v/{one}~FULL",
        f"backups/o/v/{one}~full~",
        f"backups/o/v/{one}~{two}.bak",
        f"backups/o/v/{one}~full/",
        f"backups/o/{one}~full",
        f"data/o/v/{one}~full",
        f"other/backups/o/v/{one}~full",
        "backups/o/v/README.txt",
        f"backups/../v/{one}~full",
        f"backups/o//{one}~full",
        f"backups/o/%2f/{one}~full",
        f"backups/o/v/{one}~99991231T235959.999999Z-0123456789abcdef",
    ):
        assert keys.parse_backup_key(key) is None, key
