# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an inventory says, read by the filters that the roles are made of."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.snapship.dr.plugins.filter.protection_plan import protection_plan
from ansible_collections.snapship.dr.plugins.filter.remote_options import remote_options
from ansible_collections.snapship.dr.plugins.filter.restore_plan import restore_plan

NAS = {"name": "nas", "path": "/mnt/nas"}
OFFSITE = {"name": "offsite", "type": "s3", "bucket": "b", "region": "eu", "access_key": "A", "secret_key": "hidden"}
DR_SITE = {"name": "dr-site", "type": "linstor", "peer": "cluster-b"}
PEER = {"name": "peer", "type": "ssh", "peer": "san2", "host": "192.0.2.7", "base": "tank/replicas"}
REMOTES = [NAS, OFFSITE, DR_SITE, PEER]
HOURLY = {"name": "nas", "every": "1h"}


def entry(**options: Any) -> dict[str, Any]:
    return {"name": "db", "volumes": ["/srv/db.img"], "remotes": [HOURLY], **options}


def mistakes(protected: list[Any], remotes: list[Any] | None = None, use: str = "backup") -> list[str]:
    found: list[str] = protection_plan(protected, REMOTES if remotes is None else remotes, use)["mistakes"]
    return found


def test_each_remote_of_an_entry_is_a_job() -> None:
    both = [{"name": "nas", "every": "1h", "rpo": "2h"}, {"name": "offsite", "every": "1d", "full_every": "30d"}]
    plan = protection_plan([entry(remotes=both, consistent=True, pre_command=["/bin/true"])], REMOTES)
    assert plan["mistakes"] == []
    assert plan["native"]["remotes"] == ["nas", "offsite"]
    first, second = plan["native"]["jobs"]
    assert (first["label"], first["max_age"], first["consistent"]) == ("db -> nas", "1h", True)
    assert (second["remote"], second["full_every"], second["pre_command"]) == ("offsite", "30d", ["/bin/true"])
    assert "full_every" not in first
    assert plan["linstor"] == {"remotes": [], "jobs": []}
    assert "hidden" not in json.dumps(plan)


def test_the_examples_of_a_site_with_a_peer_can_be_backed_up() -> None:
    protected = [entry(remotes=[{"name": "peer", "every": "15m", "rpo": "45m"}, {"name": "offsite", "every": "1d"}])]
    plan = protection_plan(protected, REMOTES)
    assert plan["mistakes"] == []
    assert plan["native"]["remotes"] == ["offsite"]
    (said,) = mistakes(protected, use="sync")
    assert said.startswith(
        "snapship_protected, db: remote peer: nothing can ship yet to type ssh. Use a remote of type"
    )


def test_use_makes_a_directory_something_to_keep_in_sync() -> None:
    there = {**NAS, "use": "sync"}
    assert protection_plan([entry()], [there])["native"]["jobs"] == []
    assert protection_plan([entry()], [there], "sync")["native"]["remotes"] == ["nas"]


def test_resources_of_a_cluster_are_jobs_of_its_own() -> None:
    remotes = [
        {"name": "dr-site", "every": "15m", "target": {"resource": "{resource}-dr"}},
        {"name": "offsite", "every": "1d", "max_chain": 7},
    ]
    protected = [entry(provider="linstor", volumes=["db", "web"], remotes=remotes, retention={"daily": 7})]
    sync, backup = protection_plan(protected, REMOTES, "sync"), protection_plan(protected, REMOTES)
    assert sync["mistakes"] == backup["mistakes"] == []
    (job,) = sync["linstor"]["jobs"]
    assert (job["remote"], job["volumes"], job["target"]) == (
        "dr-site",
        ["db", "web"],
        {"resource": "{resource}-dr", "download_only": True},
    )
    assert (job["peer"], job["refresh"], sync["peers"]) == ("cluster-b", True, ["cluster-b"])
    (job,) = backup["linstor"]["jobs"]
    assert (job["remote"], job["max_chain"], job["retention"]) == ("offsite", 7, {"daily": 7})
    assert sync["native"]["jobs"] == []


def test_max_age_stands_in_for_every() -> None:
    plan = protection_plan([entry()], REMOTES, max_age="0s")
    assert [job["max_age"] for job in plan["native"]["jobs"]] == ["0s"]
    assert protection_plan([entry()], REMOTES, max_age="soon")["mistakes"] != []


@pytest.mark.parametrize(
    ("protected", "said"),
    [
        ("db", "entry 1: 'db' is a string, not a mapping"),
        ({"volumes": "/srv/a", "remotes": [HOURLY]}, "entry 1: name is missing"),
        (entry(name=12), "entry 1: name: 12 is a number, not a string. Put quotes around it"),
        (entry(volume="/srv/db.img"), "db: unknown option volume. Did you mean volumes?"),
        (entry(volumes=[]), "db: volumes is empty"),
        (entry(volumes=None), "db: volumes is missing"),
        (entry(volumes=["/srv/a", 7]), "db: volumes: 7 is a number"),
        (entry(volumes=["/srv/a", "/srv/a"]), "db: volumes: /srv/a is listed twice"),
        (entry(provider="zfz"), "db: provider: 'zfz' is unknown. Choose one of file, lvm_thin, zfs, linstor"),
        (entry(remotes=None), "db: remotes is missing"),
        (entry(remotes="nas"), "db: remotes: 'nas' is a string, not a list"),
        (entry(remotes=["nas"]), "db: remotes: 'nas' is a string, not a mapping"),
        (entry(remotes=[{"name": "nass", "every": "1h"}]), "remote nass: snapship_remotes has no remote of this name"),
        (entry(remotes=[HOURLY, HOURLY]), "remote nas: the entry lists this remote twice"),
        (entry(remotes=[{"name": "nas"}]), "remote nas: every is missing"),
        (entry(remotes=[{"name": "nas", "every": 750}]), "every: 750 is a number, not a duration"),
        (entry(remotes=[{"name": "nas", "every": "hourly"}]), "every: 'hourly' isn't a duration"),
        (entry(remotes=[{"name": "nas", "every": "0s"}]), "every: 0s must be more than 0s"),
        (entry(remotes=[{"name": "nas", "every": "1h", "rpo": "30m"}]), "rpo: 30m is shorter than every: 1h"),
        (entry(remotes=[{"name": "nas", "every": "1h", "max_chain": 3}]), "unknown option max_chain"),
        (entry(remotes=[{"name": "dr-site", "every": "1h"}]), "the host itself can't ship to type linstor"),
        (
            entry(provider="linstor", volumes="db"),
            "LINSTOR can't ship to type directory. Use a remote of type s3 or linstor or ebs.",
        ),
        (entry(retention={"dayly": 7}), "retention: unknown option dayly. Did you mean daily?"),
        (entry(retention={"daily": "seven"}), "retention: daily: 'seven' isn't a whole number"),
        (entry(retention={}), "retention: the rules keep nothing"),
        (entry(consistent="perhaps"), "consistent: 'perhaps' must be true or false"),
        (entry(hook_timeout="60"), "hook_timeout: '60' isn't a duration"),
        (entry(pool_high="high"), "pool_high: 'high' isn't a whole number"),
    ],
)
def test_what_is_wrong_with_an_entry(protected: Any, said: str) -> None:
    found = mistakes([protected])
    assert [line for line in found if said in line], found
    assert all(line.startswith("snapship_protected, ") for line in found)


def test_two_entries_of_one_name_or_volume() -> None:
    found = mistakes([entry(), entry()])
    assert any("two entries have this name" in line for line in found)
    found = mistakes([entry(), entry(name="again")])
    assert found == ["snapship_protected, again: remote nas: the entry db already ships /srv/db.img to this remote."]


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ("nas", "entry 1: 'nas' is a string, not a mapping"),
        ({"path": "/mnt"}, "entry 1: name is missing"),
        ({"name": "nas", "type": "tape"}, "nas: type 'tape' is unknown. Set one of s3, directory"),
        ({"name": "nas"}, "nas: type is missing"),
        ({**NAS, "use": "fun"}, "nas: use: 'fun' is unknown. Choose one of backup, sync"),
        ({**DR_SITE, "use": "backup"}, "dr-site: use: backup isn't possible for another cluster"),
        ({**NAS, "compresion": "none"}, "nas: unknown option compresion. Did you mean compression?"),
        ({**NAS, "path": "relative"}, "remote 'nas': path 'relative' isn't absolute"),
        ({**NAS, "encryption_key": ""}, "remote 'nas': encryption_key is empty"),
        ({"name": "nas", "type": "s3"}, "remote 'nas': bucket is missing"),
        ({"name": "nas", "bucket": "b", "grace_period": 5}, "remote 'nas': grace_period"),
    ],
)
def test_what_is_wrong_with_a_remote(remote: Any, said: str) -> None:
    found = mistakes([entry()], [remote])
    assert [line for line in found if said in line], found


def test_a_host_itself_never_ships_to_where_linstor_does() -> None:
    (said,) = mistakes([entry()], [{**NAS, "layout": "linstor"}])
    assert "can't ship to it" in said


def test_two_remotes_of_one_name() -> None:
    assert mistakes([entry()], [NAS, NAS]) == ["snapship_remotes, nas: two remotes have this name."]


def test_remotes_that_are_not_used_here_need_not_be_complete() -> None:
    assert mistakes([entry()], [NAS, {"name": "other", "type": "s3", "bucket": "b", "secret_key": ""}]) == []


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("there", "target: 'there' is a string, not a mapping"),
        ({"resurce": "x"}, "target: unknown option resurce. Did you mean resource?"),
        ({"download_only": "perhaps"}, "target: download_only: 'perhaps' must be true or false"),
    ],
)
def test_what_is_wrong_with_a_target(target: Any, said: str) -> None:
    remotes = [{"name": "dr-site", "every": "1h", "target": target}]
    found = mistakes([entry(provider="linstor", volumes="db", remotes=remotes)], use="sync")
    assert [line for line in found if said in line], found


@pytest.mark.parametrize(
    ("remote", "said"),
    [
        ({**OFFSITE, "prefix": "prod"}, "LINSTOR has no prefix"),
        ({**OFFSITE, "encryption_key": "k"}, "LINSTOR has no encryption_key"),
        ({**OFFSITE, "endpoint": "http://s3"}, "endpoint is called endpoint_url here"),
        ({**OFFSITE, "use_path_style": True}, "use_path_style is called addressing_style"),
        ({**OFFSITE, "secret_key": None}, "secret_key is missing, and SNAPSHIP_SECRET_KEY isn't set here"),
        ({**OFFSITE, "region": None}, "LINSTOR needs region"),
    ],
)
def test_what_linstor_cannot_have(remote: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNAPSHIP_SECRET_KEY", raising=False)
    protected = entry(provider="linstor", volumes="db", remotes=[{"name": "offsite", "every": "1d"}])
    found = mistakes([protected], [remote])
    assert [line for line in found if said in line], found
    assert "hidden" not in str(found)


def test_keys_come_from_the_environment_of_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_ACCESS_KEY", "from-env")
    monkeypatch.setenv("SNAPSHIP_SECRET_KEY", "secret-from-env")
    monkeypatch.setenv("SNAPSHIP_ENCRYPTION_KEY", "never")
    bare = {"name": "offsite", "type": "s3", "bucket": "b", "region": "eu"}
    options = remote_options([bare], "offsite")
    assert (options["access_key"], options["secret_key"]) == ("from-env", "secret-from-env")
    assert "encryption_key" not in options
    assert remote_options([OFFSITE], "offsite")["secret_key"] == "hidden"
    assert "secret_key" not in remote_options([{**bare, "profile": "p"}], "offsite")
    assert "secret_key" not in remote_options([NAS], "nas")
    for_linstor = remote_options([bare], "offsite", "linstor")
    assert for_linstor["secret_key"] == "secret-from-env"
    assert for_linstor["endpoint"] == "https://s3.eu.amazonaws.com"
    with pytest.raises(AnsibleFilterError, match="no remote 'nowhere'"):
        remote_options([bare], "nowhere")


def test_what_is_to_be_restored() -> None:
    plan = restore_plan(
        [
            {
                "remote": "nas",
                "source": "/srv/a",
                "target": "/srv/b",
                "at": "2026-03-09T12:00:00Z",
                "overwrite": "true",
            },
            {"remote": "offsite", "provider": "linstor", "source": "db", "target": "db-restored"},
        ],
        REMOTES,
    )
    assert plan["mistakes"] == []
    (native,), (linstor,) = plan["native"]["jobs"], plan["linstor"]["jobs"]
    assert native["volumes"] == [{"source": "/srv/a", "target": "/srv/b"}]
    assert native["overwrite"] == "true"
    assert (linstor["remote"], linstor["volumes"]) == ("offsite", [{"source": "db", "target": "db-restored"}])
    assert "hidden" not in json.dumps(plan)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"source": "/srv/a", "target": "/srv/b"}, "remote is missing"),
        ({"remote": "nass", "source": "/srv/a", "target": "/srv/b"}, "has no remote nass. Its remotes: dr-site, nas"),
        ({"remote": "nas", "source": "/srv/a"}, "target is missing"),
        (
            {"remote": "nas", "source": "/srv/a", "target": "/srv/b", "taget": 1},
            "unknown option taget. Did you mean target?",
        ),
        ({"remote": "nas", "source": "/srv/a", "volumes": [{"source": "a", "target": "b"}]}, "are both set"),
        ({"remote": "nas", "source": "/srv/a", "target": "/b", "at": 5}, "at: YAML read 5"),
        ({"remote": "nas", "source": "/srv/a", "target": "/b", "as_of": 5}, "as_of: YAML read 5"),
        ({"remote": "nas", "source": "/srv/a", "target": "/b", "at": "noon"}, "'noon' isn't a point in time"),
        (
            {"remote": "nas", "source": "/srv/a", "target": "/b", "at": "2026-01-01", "group": "g"},
            "at and group are both set",
        ),
        ({"remote": "nas", "source": "/srv/a", "target": "/b", "overwrite": "maybe"}, "must be true or false"),
        ({"remote": "peer", "source": "/srv/a", "target": "/b"}, "remote peer is of type ssh"),
        ({"remote": "nas", "provider": "linstor", "source": "a", "target": "b"}, "remote nas is of type directory"),
    ],
)
def test_what_is_wrong_with_a_restore(wanted: Any, said: str) -> None:
    plan = restore_plan([wanted], REMOTES)
    assert [line for line in plan["mistakes"] if said in line], plan["mistakes"]
    assert plan["native"]["jobs"] == plan["linstor"]["jobs"] == []


def test_two_volumes_for_one_target() -> None:
    twice = [{"remote": "nas", "source": name, "target": "/srv/new.img"} for name in ("/srv/a.img", "/srv/b.img")]
    assert restore_plan(twice, REMOTES)["mistakes"] == ["snapship_restore: two volumes have the target /srv/new.img."]
