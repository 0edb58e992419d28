# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remotes of a LINSTOR cluster."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.remotes import find_remote, remote_url
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import remote
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.runs import Runs, access, only

SECRETS = {"access_key": "AKIDEXAMPLE", "secret_key": "the s3cret key"}
S3 = {"endpoint": "http://127.0.0.1:9", "bucket": "backups", "region": "us-east-1", **SECRETS}
EBS = {"availability_zone": "us-east-1a", "endpoint": "https://ec2.example.com", "region": "us-east-1", **SECRETS}
OTHER_ID = "5b8f2f53-0000-4000-8000-000000000001"
NEW_KEY = "another s3cret key"


@pytest.fixture
def runs(cluster: Simulation) -> Runs:
    cluster.unlock()
    return Runs(remote, cluster, [*SECRETS.values(), NEW_KEY, "luks s3cret"])


def secrets_of(cluster: Simulation, name: str = "offsite") -> dict[str, str]:
    return cluster.cluster.remotes[name].secrets


def changes(cluster: Simulation) -> list[str]:
    return [f"{each.method} {each.route}" for each in cluster.cluster.journal.requests if each.method != "GET"]


# --- S3 ------------------------------------------------------------------------------------------------------------


def test_a_bucket(runs: Runs, cluster: Simulation) -> None:
    done = runs.settle(name="offsite", options={**S3, "use_path_style": True})
    item = only(done)
    assert item == {
        "name": "offsite",
        "type": "s3",
        "endpoint": "http://127.0.0.1:9",
        "bucket": "backups",
        "region": "us-east-1",
        "use_path_style": True,
        "access_key": True,
        "secret_key": True,
        "reverse": None,
        "actions": ["create s3 remote offsite"],
    }
    assert done.after["secret_key"] == "(to be set)"
    made = cluster.cluster.remotes["offsite"]
    assert (made.kind, made.secrets, made.fields["use_path_style"]) == ("s3", SECRETS, True)


def test_nothing_to_do_takes_three_requests(runs: Runs) -> None:
    runs(name="offsite", options=S3)
    assert not runs(name="offsite", options=S3).changed
    assert runs.requests == 3  # the version, the remotes, what is kept about them


@pytest.mark.parametrize("option", ["secret_key", "access_key"])
def test_a_new_secret(runs: Runs, cluster: Simulation, option: str) -> None:
    runs(name="offsite", options=S3)
    done = runs.settle(name="offsite", options={**S3, option: NEW_KEY})
    assert only(done)["actions"] == ["modify s3 remote offsite"]
    assert (done.before[option], done.after[option]) == ("(not told)", "(to be set)")
    assert secrets_of(cluster) == {**SECRETS, option: NEW_KEY}


def test_secrets_that_are_never_or_always_sent(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options=S3, update_secret="never")
    assert secrets_of(cluster) == SECRETS
    changed = {**S3, "secret_key": NEW_KEY}
    assert not runs(name="offsite", options=changed, update_secret="never").changed
    assert secrets_of(cluster) == SECRETS
    for _each in range(2):
        assert runs(name="offsite", options=changed, update_secret="always").changed
        assert secrets_of(cluster)["secret_key"] == NEW_KEY


def test_what_something_else_has_made(runs: Runs, cluster: Simulation) -> None:
    with Cluster(access(cluster)) as linstor:
        linstor.change("remote_create_s3", "offsite", what="creating", use_path_style=True, **S3)
    first = runs(name="offsite", options=S3)
    assert first.changed  # the secrets are sent once, as nobody knows whether they are the same
    assert only(first)["use_path_style"] is None
    assert not runs(name="offsite", options=S3).changed
    told = runs(name="offsite", options={**S3, "use_path_style": True})
    assert not told.changed
    assert "recreate" in told.warnings[0]
    settled = {"name": "offsite", "options": {**S3, "use_path_style": True}, "recreate": True}
    assert only(runs.settle(**settled))["use_path_style"] is True


def test_a_new_place(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options=S3)
    done = runs.settle(name="offsite", options={"region": "eu-west-1"})
    assert (done.before["region"], done.after["region"]) == ("us-east-1", "eu-west-1")
    assert only(done)["bucket"] == "backups"
    assert cluster.cluster.remotes["offsite"].fields["region"] == "eu-west-1"
    assert secrets_of(cluster) == SECRETS


def test_the_path_style_of_what_is_there(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options=S3)
    with pytest.raises(SnapshipError) as told:
        runs(name="offsite", options={**S3, "use_path_style": True}, check=True)
    assert told.value.code == "recreate"
    done = runs.settle(name="offsite", options={**S3, "use_path_style": True}, recreate=True)
    assert only(done)["actions"] == ["recreate s3 remote offsite"]
    assert cluster.cluster.remotes["offsite"].fields["use_path_style"] is True


def test_another_type(runs: Runs, cluster: Simulation) -> None:
    runs(name="place", options=S3)
    wanted: dict[str, Any] = {"name": "place", "options": EBS, "type": "ebs"}
    with pytest.raises(SnapshipError) as told:
        runs(**wanted)
    assert told.value.code == "recreate"
    assert only(runs.settle(**wanted, recreate=True))["type"] == "ebs"
    assert cluster.cluster.remotes["place"].kind == "ebs"


def test_a_bucket_that_is_not_there(runs: Runs, cluster: Simulation) -> None:
    with pytest.raises(SnapshipError) as told:
        runs(name="offsite", options={**S3, "bucket": "none"})
    assert "could not be reached" in told.value.msg
    assert not any(secret in str(told.value) for secret in runs.secrets)
    assert cluster.cluster.remotes == {}
    assert cluster.cluster.stores == {}


def test_no_passphrase(cluster: Simulation) -> None:
    runs = Runs(remote, cluster, SECRETS.values())
    told = runs(name="offsite", options=S3, check=True)
    assert told.changed  # with --check, the task before it hasn't set the passphrase either
    assert "master passphrase isn't set" in told.warnings[0]
    with pytest.raises(SnapshipError) as refused:
        runs(name="offsite", options=S3)
    assert refused.value.code == "locked"
    assert "linstor_encryption" in refused.value.hint
    assert changes(cluster) == []


@pytest.mark.parametrize("lacking", ["endpoint", "bucket", "region", "access_key", "secret_key"])
def test_what_is_needed(runs: Runs, lacking: str) -> None:
    options = {name: value for name, value in S3.items() if name != lacking}
    with pytest.raises(UsageError, match=lacking):
        runs(name="offsite", options=options, type="s3", check=True)


def test_options_of_another_type(runs: Runs) -> None:
    with pytest.raises(UsageError, match="bucket"):
        runs(name="dr", type="linstor", options={"url": "http://dr", "bucket": "b"})
    with pytest.raises(UsageError, match="type"):
        runs(name="dr", options={"region": "r"})


def test_absent(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options=S3)
    done = runs.settle(name="OffSite", state="absent")
    assert done.items == []
    assert done.after == {}
    assert cluster.cluster.remotes == {}
    assert cluster.cluster.stores == {}


def test_names_differ_by_more_than_case(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options=S3)
    assert not runs(name="OFFSITE", options=S3).changed
    runs(name="OFFSITE", options={**S3, "secret_key": NEW_KEY})
    assert secrets_of(cluster)["secret_key"] == NEW_KEY


def test_fingerprints_tell_nothing(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options=S3)
    runs(name="another", options=S3)
    kept = cluster.cluster.stores["snapship-dr"]
    assert not any(secret in str(kept) for secret in SECRETS.values())
    assert kept["remotes/offsite/secret_key"] != kept["remotes/another/secret_key"]


@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_answers_that_get_lost(runs: Runs, cluster: Simulation, how: str) -> None:
    cluster.request_fault(how, method="POST", path="/v1/remotes/s3")
    cluster.request_fault(how, method="PUT", path="/v1/remotes/s3/.*")
    cluster.request_fault(how, method="DELETE", path="/v1/remotes.*")
    assert runs(name="offsite", options=S3).changed
    assert runs(name="offsite", options={**S3, "secret_key": NEW_KEY}).changed
    assert secrets_of(cluster)["secret_key"] == NEW_KEY
    assert runs(name="offsite", state="absent").changed
    made = changes(cluster)
    assert made.count("POST /v1/remotes/s3") == 1  # those that were cut off before anything was done don't count
    assert cluster.cluster.remotes == {}


# --- EBS -----------------------------------------------------------------------------------------------------------


def test_ebs(runs: Runs, cluster: Simulation) -> None:
    item = only(runs.settle(name="aws", options=EBS))
    assert (item["type"], item["availability_zone"], item["secret_key"]) == ("ebs", "us-east-1a", True)
    runs.settle(name="aws", options={**EBS, "availability_zone": "us-east-1b", "secret_key": NEW_KEY})
    assert secrets_of(cluster, "aws")["secret_key"] == NEW_KEY
    runs.settle(name="aws", state="absent")


# --- LINSTOR -------------------------------------------------------------------------------------------------------


def test_another_cluster_by_hand(runs: Runs, cluster: Simulation) -> None:
    options = {"url": "linstor://dr.example.com", "cluster_id": OTHER_ID}
    item = only(runs.settle(name="dr-site", options=options))
    assert (item["type"], item["url"], item["cluster_id"]) == ("linstor", "http://dr.example.com:3370", OTHER_ID)
    made = cluster.cluster.remotes["dr-site"]
    assert (made.fields["url"], made.cluster_id) == ("http://dr.example.com:3370", OTHER_ID)
    runs.settle(name="dr-site", options={**options, "url": "https://dr2.example.com"})
    assert cluster.cluster.remotes["dr-site"].fields["url"] == "https://dr2.example.com:3371"
    runs.settle(name="dr-site", options={"cluster_id": OTHER_ID.replace("1", "2")})
    runs.settle(name="dr-site", options={"passphrase": "luks s3cret"})
    assert secrets_of(cluster, "dr-site") == {"passphrase": "luks s3cret"}
    assert cluster.cluster.remotes["dr-site"].cluster_id == OTHER_ID.replace("1", "2")


def test_it_needs_no_passphrase_without_a_secret(cluster: Simulation) -> None:
    runs = Runs(remote, cluster)
    assert runs(name="dr-site", options={"url": "http://dr"}).warnings == []
    with pytest.raises(SnapshipError) as told:
        runs(name="dr-site", options={"url": "http://dr", "passphrase": "luks s3cret"})
    assert told.value.code == "locked"


@pytest.fixture
def pair(two_clusters: tuple[Simulation, Simulation]) -> tuple[Runs, Simulation, Simulation]:
    home, away = two_clusters
    home.unlock()
    away.unlock()
    return Runs(remote, home, ["luks s3cret"]), home, away


def both(home: Simulation, away: Simulation, **more: Any) -> dict[str, Any]:
    return {
        "name": "dr-site",
        "options": {"url": away.url},
        "target": access(away),
        "reverse_url": home.url,
        **more,
    }


def test_both_directions(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    done = runs.settle(**both(home, away))
    item = only(done)
    back = f"from-{home.cluster.id[:8]}"
    assert item["cluster_id"] == away.cluster.id
    assert item["reverse"]["name"] == back
    assert item["actions"] == ["create linstor remote dr-site", f"target: create linstor remote {back}"]
    assert done.after["reverse"]["url"] == home.url
    assert (home.cluster.remotes["dr-site"].cluster_id, away.cluster.remotes[back].cluster_id) == (
        away.cluster.id,
        home.cluster.id,
    )


def test_the_one_that_points_back_is_found_by_what_it_points_at(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    runs(**both(home, away, reverse_name="main-site"))
    assert not runs(**both(home, away)).changed
    assert list(away.cluster.remotes) == ["main-site"]
    away.cluster.remotes.clear()
    assert runs(**both(home, away, reverse_name="main-site")).changed  # it was removed by somebody
    assert list(away.cluster.remotes) == ["main-site"]
    done = runs.settle(**both(home, away, reverse_passphrase="luks s3cret"))
    assert only(done)["actions"] == ["target: modify linstor remote main-site"]
    assert away.cluster.remotes["main-site"].secrets == {"passphrase": "luks s3cret"}


def test_a_cluster_that_ships_to_itself(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, _away = pair
    item = only(runs.settle(**both(home, home)))
    assert item["cluster_id"] == home.cluster.id
    assert item["reverse"] is None
    assert list(home.cluster.remotes) == ["dr-site"]


def test_the_remote_that_linstor_has_made_for_itself(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, _away = pair
    generated = home.cluster.generate_remote()
    item = only(runs.settle(**both(home, home)))
    assert item["actions"] == ["create linstor remote dr-site"]  # which comes before the one that LINSTOR has made
    item = only(runs.settle(**both(home, home, name="self")))
    change = f"target: modify linstor remote {generated.name}"
    assert item["actions"] == ["create linstor remote self", change]
    made = home.cluster.remotes[generated.name]
    assert (made.fields["url"], made.cluster_id) == (home.url, home.cluster.id)
    made.fields["url"] = "http://localhost:3370"
    assert only(runs.settle(name="self", options={"url": home.url}))["actions"] == [change]


def test_one_in_use_is_told_to_be_still_there(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    runs(**both(home, away))
    home.add_resource("db")
    home.shipment_fault("hang")
    with Cluster(access(home)) as linstor:
        linstor.change("backup_ship", "dr-site", "db", "db", what="shipping")
    done = runs(name="dr-site", state="absent")
    assert done.changed
    assert "still exists" in done.warnings[0]
    assert list(home.cluster.remotes) == ["dr-site"]
    with pytest.raises(SnapshipError, match="still exists") as told:
        runs(name="dr-site", type="s3", options=S3, recreate=True)
    assert told.value.code == "in_use"


def test_the_wrong_cluster(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    with pytest.raises(UsageError, match=away.cluster.id):
        runs(**both(home, away, options={"url": away.url, "cluster_id": OTHER_ID}))


def test_an_address_that_means_nothing_elsewhere(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    with pytest.raises(UsageError, match="reverse_url"):
        runs(**both(home, away, reverse_url=None))
    with pytest.raises(UsageError, match="url"):
        runs(**both(home, away, options={}))


def test_different_versions(two_clusters: tuple[Simulation, Simulation]) -> None:
    home = two_clusters[0]
    with Simulation(name="old", version="1.32.0") as old:
        done = Runs(remote, home)(**both(home, old), check=True)
    assert "1.33.3" in done.warnings[0]
    assert "1.32.0" in done.warnings[0]


def test_a_target_that_refuses_leaves_nothing_half_made(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    away.request_fault("reply", method="POST", path="/v1/remotes/linstor", status=403, body="[]")
    with pytest.raises(SnapshipError) as told:
        runs(**both(home, away))
    assert told.value.msg.startswith("On the target: ")
    assert home.cluster.remotes == {}


def test_half_of_it_is_a_change_that_failed(pair: tuple[Runs, Simulation, Simulation]) -> None:
    runs, home, away = pair
    home.request_fault("reply", method="POST", path="/v1/remotes/linstor", status=403, body="[]")
    done = runs(**both(home, away))
    assert done.changed
    assert done.items == []
    assert [(each["remote"], each["code"]) for each in done.failures] == [("dr-site", "denied")]
    assert len(away.cluster.remotes) == 1
    assert len(only(runs(**both(home, away)))["actions"]) == 1


# --- looking ---------------------------------------------------------------------------------------------------------


def test_describe(runs: Runs, cluster: Simulation) -> None:
    runs(name="offsite", options={**S3, "use_path_style": True})
    runs(name="dr-site", options={"url": "http://dr", "cluster_id": OTHER_ID})
    with Cluster(access(cluster)) as linstor:
        cluster_remote, bucket = remote.describe(linstor)
        assert cluster_remote["cluster_id"] == OTHER_ID
        assert bucket["use_path_style"] is True
        assert bucket["fingerprints"] == {"access_key": True, "secret_key": True}
        assert remote.describe(linstor, "OFFSITE") == [bucket]
        assert remote.describe(linstor, "none") == []
        assert remote.about(linstor)["cluster"] == {
            "id": cluster.cluster.id,
            "version": "1.33.3",
            "rest_version": "1.27.0",
            "encryption": "unlocked",
        }
        assert find_remote(linstor, "Offsite").name == "offsite"
        with pytest.raises(SnapshipError, match="dr-site, offsite"):
            find_remote(linstor, "nowhere")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("dr", "http://dr:3370"),
        ("dr:1234", "http://dr:1234"),
        ("linstor://dr", "http://dr:3370"),
        ("linstor+ssl://dr", "https://dr:3371"),
        ("https://dr/", "https://dr:3371"),
        ("http://[2001:db8::1]", "http://[2001:db8::1]:3370"),
    ],
)
def test_addresses(given: str, kept: str) -> None:
    assert remote_url(given) == kept


@pytest.mark.parametrize("given", ["", "ftp://dr", "http://", "http://dr:x"])
def test_no_addresses(given: str) -> None:
    with pytest.raises(UsageError):
        remote_url(given)


def test_no_name(runs: Runs, cluster: Simulation) -> None:
    with pytest.raises(UsageError, match="name is empty"):
        runs(name="", options=S3)
