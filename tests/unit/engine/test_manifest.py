# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests as they are written fit their schema; as they may be found, they are refused with their key's name."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import keys as names
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    ConfigError,
    CorruptError,
    VolumeError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import shown
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.envelope import seal
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Keyring
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place

DOCS = Path(__file__).resolve().parents[3] / "docs"
SCHEMA = json.loads((DOCS / "manifest.schema.json").read_text(encoding="utf-8"))
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()
ID, BASE = "20260309T143000.123456Z-0123456789abcdef", "20260308T143000.000000Z-00000000000000aa"
SHA = "sha256:" + "0" * 64
Fields = dict[str, Any]


def valid(value: Any, schema: Any = SCHEMA) -> bool:
    return bool(jsonschema.Draft202012Validator(schema).is_valid(value))


def fields(**other: Any) -> Fields:
    made = {
        "id": ID,
        "base": None,
        "base_state_id": None,
        "origin": "o",
        "machine_id": "m",
        "volume": "/a b",
        "provider": "file",
        "lineage": "l",
        "state_id": "s",
        "snapshot": "n",
        "created": "2026-03-09T14:30:00.123456Z",
        "group": None,
        "consistency": {"method": "none"},
        "reason": "r",
        "size": 4096,
        "properties": {},
        "bytes": {"changed": 0, "stored": 80},
        "stream": {"format": "thin-send-recv", "version": "1.1", "flags": [], "data": 0, "unmap": 0},
        "compression": "none",
        "encryption": None,
        "segments": {"count": 2, "digest": SHA},
        "index": {"digests": "sha256", "records": 2, "pages": 1, "digest": SHA, "size": 56, "objects": [[152, SHA]]},
        "sources": [],
        "tool": {"snapship": "0.1.0"},
    }
    return {**made, **other}


def key_of(made: Fields) -> names.BackupKey:
    return names.BackupKey(names.encode("o"), names.encode("/a b"), ID, made.get("base"))


def keyring(*texts: str) -> Keyring:
    return Keyring.parse(texts[0] if texts else None, list(texts[1:]))


def sealed(made: Fields, *keys: str) -> bytes:
    return manifest.write(made, keyring(*keys))


def body_of(data: bytes) -> Fields:
    value = json.loads(data.partition(b"\n")[2])
    assert isinstance(value, dict)
    return value


def resealed(made: Fields) -> bytes:
    """Sealed as a forger can: the digest is right."""
    text = json.dumps(made).encode()
    return f"snapship 1 sha256:{hashlib.sha256(text).hexdigest()}\n".encode() + text


def read(data: bytes, *keys: str, base: str | None = None, accept_unencrypted: bool = False) -> manifest.Manifest:
    return manifest.read(data, key_of({"base": base}), keyring(*keys), accept_unencrypted)


def test_digest_and_mac_are_over_the_raw_bytes_behind_the_first_line() -> None:
    written = sealed(fields(volume="/a b", note='ü🦊\udcff"\\/'), KEY)
    line, _newline, text = written.partition(b"\n")
    assert b'"note":"\\u00fc\\ud83e\\udd8a\\udcff\\"\\\\/"' in text
    secret = hmac.new(bytes.fromhex(KEY), b"snapship 1 manifest", hashlib.sha256).digest()
    key_id = hmac.new(bytes.fromhex(KEY), b"snapship 1 key id", hashlib.sha256).digest()[:8].hex()
    mac = hmac.new(secret, text, hashlib.sha256).hexdigest()
    assert line.decode() == f"snapship 1 sha256:{hashlib.sha256(text).hexdigest()} hmac-sha256:{key_id}:{mac}"
    assert valid(json.loads(text))


def test_what_is_written_is_read_and_unknown_fields_are_kept() -> None:
    made = fields(later={"more": [1, None, "x"]}, base=BASE, base_state_id="b")
    for keys in ((), (KEY,)):
        found = read(sealed(made, *keys), *keys, base=BASE)
        assert found.fields["later"] == {"more": [1, None, "x"]}
        assert (found.size, found.group, found.encryption, found.segments, found.stored) == (4096, None, None, 2, 80)
        assert [source.id for source in found.sources] == [ID]


def test_any_form_of_json_is_accepted_where_its_digest_is_right() -> None:
    text = json.dumps(dict(reversed(fields().items())), indent=4, ensure_ascii=False).encode()
    assert read(seal(text, keyring(KEY)), KEY).fields == fields()


def test_a_source_is_read_below_its_own_id() -> None:
    other = {"id": BASE, "compression": "zstd", "encryption": None, "segments": {"count": 1, "digest": SHA}}
    found = read(sealed(fields(sources=[other]))).sources
    assert [source.prefix for source in found] == [f"data/o/%2Fa%20b/{each}/" for each in (ID, BASE)]
    assert found[1].fields["segments"]["count"] == 1


def test_it_is_checked_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large manifest costs its bytes, not its objects, before its MAC is looked at."""
    parsed: list[int] = []
    monkeypatch.setattr(manifest, "read_object", lambda data, limit: parsed.append(len(data)))
    for broken in (sealed(fields()), sealed(fields(), OTHER_KEY), sealed(fields(), KEY)[:-1] + b" "):
        with pytest.raises((CorruptError, ConfigError)):
            read(broken, KEY)
    assert parsed == []


def test_one_that_readers_would_refuse_is_not_written() -> None:
    with pytest.raises(VolumeError, match="the manifest would have") as caught:
        sealed(fields(group={"id": ID, "members": ["m" * 1000] * 1100}))
    assert caught.value.code == "too_large"


def test_any_flipped_bit_of_the_text_is_refused_or_harmless() -> None:
    written = sealed(fields())
    original = fields()
    for at in range(len(written)):
        for bit in (0, 5):
            broken = bytearray(written)
            broken[at] ^= 1 << bit
            try:
                found = read(bytes(broken))
            except CorruptError as error:
                assert shown(key_of({}).manifest) in error.msg
            else:
                assert found.fields == original


def test_cut_anywhere_it_is_refused() -> None:
    written = sealed(fields(), KEY)
    for cut in range(len(written)):
        with pytest.raises(CorruptError, match="^the manifest of /a b from 2026"):
            read(written[:cut], KEY)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"null", b"[]", b"{}", b'"snapship"', b"[" * 200_000, b'{"a":' * 200_000, b"1" * 5000, b"NaN"],
    ids=range(10),
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptError, match="^the manifest of /a b from 2026"):
        read(data)


@pytest.mark.parametrize("version", [2, 99, 0, 999_999_999])
def test_other_versions_are_refused_before_anything_else_is_looked_at(version: int) -> None:
    for rest in (b"", b" some other digest"):
        with pytest.raises(CorruptError, match=f"format version is {version};") as caught:
            read(b"snapship %d" % version + rest + b"\nwhatever it is")
        assert caught.value.code == "version"


def test_a_manifest_under_another_key_is_refused() -> None:
    for other in ({"origin": "p"}, {"volume": "/b"}, {"id": BASE}, {"base": BASE, "base_state_id": "b"}):
        with pytest.raises(CorruptError, match="written for another backup"):
            read(sealed(fields(**other)))
    with pytest.raises(CorruptError, match="time"):
        read(sealed(fields(created="2027-03-09T14:30:00.123456Z")))


MALFORMED: dict[str, Callable[[Fields], Any]] = {
    **{
        f"no {name}": lambda made, name=name: made.pop(name)
        for name in fields()
        if name
        not in (
            "machine_id",
            "provider",
            "lineage",
            "snapshot",
            "consistency",
            "reason",
            "properties",
            "tool",
        )
    },
    "size text": lambda made: made.update(size="4096"),
    "size negative": lambda made: made.update(size=-1),
    "size true": lambda made: made.update(size=True),
    "size fraction": lambda made: made.update(size=4096.0),
    "origin number": lambda made: made.update(origin=5),
    "origin empty": lambda made: made.update(origin=""),
    "origin no name": lambda made: made.update(origin="\ud800"),
    "volume list": lambda made: made.update(volume=["/a b"]),
    "segments list": lambda made: made.update(segments=[]),
    "segments empty": lambda made: made.update(segments={}),
    "segments counted by text": lambda made: made["segments"].update(count="2"),
    "too many segments": lambda made: made["segments"].update(count=100_000_001),
    "segments digest": lambda made: made["segments"].update(digest="00"),
    "index list": lambda made: made.update(index=[]),
    "no objects": lambda made: made["index"].pop("objects"),
    "objects text": lambda made: made["index"].update(objects="x"),
    "object null": lambda made: made["index"].update(objects=[None]),
    "object too large": lambda made: made["index"].update(objects=[[(64 << 20) + 1, SHA]]),
    "object without digest": lambda made: made["index"].update(objects=[[1]]),
    "index without records": lambda made: made["index"].pop("records"),
    "more records than sectors": lambda made: made["index"].update(records=10),
    "pages that don't fit": lambda made: made["index"].update(pages=2),
    "table too large": lambda made: made["index"].update(size=1 << 40),
    "sources text": lambda made: made.update(sources="x"),
    "source null": lambda made: made.update(sources=[None]),
    "source of another place": lambda made: made.update(
        sources=[{"id": "../x", "compression": "none", "encryption": None, "segments": made["segments"]}]
    ),
    "stream text": lambda made: made.update(stream="thin-send-recv"),
    "stream without counts": lambda made: made["stream"].pop("data"),
    "encryption list": lambda made: made.update(encryption=["x"]),
    "group text": lambda made: made.update(group="x"),
    "group without members": lambda made: made.update(group={"id": ID}),
    "group of another id": lambda made: made.update(group={"id": "../x", "members": ["/a b"]}),
    "group with a member twice": lambda made: made.update(group={"id": ID, "members": ["/a b", "/a b"]}),
    "group of others": lambda made: made.update(group={"id": ID, "members": ["/c"]}),
    "group with a member without name": lambda made: made.update(group={"id": ID, "members": ["/a b", ""]}),
    "provider list": lambda made: made.update(provider=["file"]),
    "snapshot number": lambda made: made.update(snapshot=1),
    "group of numbers": lambda made: made.update(group={"id": ID, "members": [1]}),
    "base without state": lambda made: made.update(base=BASE),
    "state without base": lambda made: made.update(base_state_id="b"),
    "bytes text": lambda made: made.update(bytes="x"),
}


@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_forged_manifest_of_the_wrong_shape_is_refused_and_breaks_the_schema(change: Callable[[Fields], Any]) -> None:
    made = fields()
    change(made)
    with pytest.raises(CorruptError, match="^the manifest of /a b from 2026"):
        read(resealed(made), base=made.get("base"))
    assert not valid(made) or _beyond_schema(made)


def _beyond_schema(made: Fields) -> bool:
    """What a schema can't say: Unicode, that 4096.0 isn't whole, and what follows from the volume's size or name."""
    index = made["index"]
    if made["group"] == {"id": ID, "members": ["/c"]}:
        return True
    return made["origin"] == "\ud800" or made["size"] == 4096.0 or index["records"] == 10 or index["pages"] == 2


def test_without_a_mac_it_is_refused_where_there_is_a_key() -> None:
    data = sealed(fields())
    with pytest.raises(CorruptError, match="no MAC"):
        read(data, KEY)
    assert read(data, KEY, accept_unencrypted=True).id == ID


def test_without_a_mac_an_encrypted_one_is_forged_whatever_is_accepted() -> None:
    made = fields(encryption={"algorithm": "AES-256-GCM", "key_id": "0" * 16, "wrapped_key": "A" * 80})
    for keys in ((), (KEY,)):
        with pytest.raises(CorruptError, match="forged"):
            read(resealed(made), *keys, accept_unencrypted=True)


def test_a_changed_manifest_with_the_digest_made_anew_is_forged() -> None:
    written = sealed(fields(), KEY)
    line, _newline, text = written.partition(b"\n")
    changed = text.replace(b'"size":4096', b'"size":8192')
    digest, mac = hashlib.sha256(changed).hexdigest().encode(), line.split()[3]
    with pytest.raises(CorruptError, match="its MAC doesn't match"):
        read(b"snapship 1 sha256:" + digest + b" " + mac + b"\n" + changed, KEY)
    digest = hashlib.sha256(text).hexdigest().encode()
    for other in (b"", b"x", mac[:-1], mac + b"0", mac.upper(), mac + b" " + mac):
        with pytest.raises(CorruptError, match="its first line was changed|cut short"):
            read(b"snapship 1 sha256:" + digest + b" " + other + b"\n" + text, KEY)


def test_any_key_of_the_remote_reads() -> None:
    data = sealed(fields(), KEY)
    assert read(data, OTHER_KEY, KEY).id == ID
    with pytest.raises(ConfigError, match="this remote has other keys") as caught:
        read(data, OTHER_KEY)
    assert caught.value.code == "key"


def test_backups_as_they_are_made_fit_the_schemas(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Encrypted or not, in a group, with commands around; all numbers whole."""
    from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.shipment import Shipment

    records = []
    renew = Shipment.renew

    def noted(self: Shipment, now: bool = False) -> None:
        renew(self, now)
        records.extend(json.loads((place.remote / each).read_bytes()) for each in place.stored("inflight"))

    monkeypatch.setattr(Shipment, "renew", noted)
    volumes = [place.image(name, 3 * MIB, b"x" * MIB) for name in ("a.img", "b \udce4;.img")]
    python = [sys.executable, "-c", "pass"]
    for options in ({}, {"encryption_key": KEY, "accept_unencrypted": True}):
        place.options.update(options)
        for _round in range(2):
            made = place.ship(*volumes, consistent=True, pre_command=python, post_command=python)
            assert not made.failures
    found = [body_of((place.remote / each).read_bytes()) for each in place.stored("backups")]
    assert len(found) == 8
    for each in found:
        jsonschema.Draft202012Validator(SCHEMA).validate(each)
        _only_whole_numbers(each)
    inflight = json.loads((DOCS / "inflight.schema.json").read_text(encoding="utf-8"))
    assert records
    for each in records:
        jsonschema.Draft202012Validator(inflight).validate(each)


def _only_whole_numbers(value: Any) -> None:
    assert not isinstance(value, float)
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _only_whole_numbers(each)


def test_the_schemas_are_schemas() -> None:
    for path in DOCS.glob("*.schema.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))
