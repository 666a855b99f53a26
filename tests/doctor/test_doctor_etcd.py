"""etcd, examined: what is wrong with an endpoint, a log-in, a right or a clock is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.clock import WallClock, can_be_stepped
from tests.docs.test_rights import ETCD_INSTANCE, ETCD_INSTANCE_LESS, ETCD_ROSTER, etcd_login
from tests.doctor.examined import doctor
from tests.servers import EtcdServer, Pki
from tests.servers.process import free_ports

Servers = Callable[..., EtcdServer]

_QUICK_PASSWORDS = ["--bcrypt-cost=4"]
_ROSTER = "--prefix readwrite default/.instances/nightly/"
_QUEUE, _OFFICE = "--prefix readwrite default/nightly/", "readwrite default/nightly.office"
# In the order of `ETCD_INSTANCE_LESS`: each line left out, then with half of what it grants.
_MISSING = [
    (_QUEUE, "read and to write"),
    (_QUEUE, "write"),
    (_QUEUE, "read"),
    (_OFFICE, "read and to write"),
    (_OFFICE, "write"),
    (_OFFICE, "read"),
]


def revision(server: EtcdServer) -> str:
    """Which each write moves on."""
    status = server.etcdctl("endpoint", "status", "-w", "json")
    return status.partition('"revision":')[2].partition(",")[0]


@pytest.mark.parametrize("scheme", ["etcd", "etcd+grpc"])
def test_the_least_rights_are_enough_and_nothing_is_written(
    scheme: str, etcd_server: Servers
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    environ = etcd_login(server, [*ETCD_INSTANCE, *ETCD_ROSTER], 0)
    before = revision(server)

    report = doctor(
        "--store", f"{scheme}://{server.endpoint}", "--name", "nightly", environ=environ
    )

    assert report.not_ok() == set()
    assert report.status == 0
    assert report.of("log-in").said == "as user 'elector0'"
    assert "median of 5" in report.of("round-trip").said
    assert report.of("session").said == "granted, renewed and closed again (15s)"
    assert [c.subject for c in report.checks if c.check == "rights"] == [_QUEUE, _OFFICE, _ROSTER]
    assert revision(server) == before
    assert server.etcdctl("get", "", "--prefix", "--keys-only") == ""
    assert server.etcdctl("lease", "list").split() == ["found", "0", "leases"]


def test_each_right_that_is_missing_is_named_with_the_command_that_grants_it(
    etcd_server: Servers,
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    rights = dict(enumerate(zip(ETCD_INSTANCE_LESS, _MISSING, strict=True), start=1))
    store = ("--store", f"etcd://{server.endpoint}", "--name", "nightly")

    for number, (less, (right, missing)) in rights.items():
        report = doctor(*store, environ=etcd_login(server, less, number))

        lacking = [c for c in report.checks if c.check == "rights" and c.state == "fail"]
        assert [c.subject for c in lacking] == [right]
        assert lacking[0].said == f"the right to {missing} is missing"
        assert f"etcdctl role grant-permission ROLE {right} " in lacking[0].remedy
        assert report.of("session").state == "ok"
        assert report.status == 1


def test_whoever_cannot_say_what_it_does_is_told_so_and_may_lead(etcd_server: Servers) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    environ = etcd_login(server, ETCD_INSTANCE, 0)

    report = doctor("--store", f"etcd://{server.endpoint}", "--name", "nightly", environ=environ)

    assert report.not_ok() == {("warn", "rights")}
    assert report.status == 0
    (lacking,) = (c for c in report.checks if c.check == "rights" and c.state != "ok")
    assert (lacking.subject, lacking.state) == (_ROSTER, "warn")
    assert lacking.said == "the right to read and to write is missing"
    assert f"etcdctl role grant-permission ROLE {_ROSTER} " in lacking.remedy


def test_a_candidate_with_rights_to_a_neighbour_alone_lacks_all(etcd_server: Servers) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)
    environ = etcd_login(server, ETCD_INSTANCE, 0)

    report = doctor("--store", f"etcd://{server.endpoint}", "--name", "nightly2", environ=environ)

    assert [c.state for c in report.checks if c.check == "rights"] == ["fail", "fail", "warn"]
    assert report.of("round-trip").state == "warn"
    assert report.of("election").state == "fail"


@pytest.mark.parametrize(
    ("environ", "remedy"),
    [
        ({"ETCDCTL_USER": "root", "ETCDCTL_PASSWORD": "not-this-one"}, "ETCDCTL_PASSWORD"),
        ({}, "set ETCDCTL_USER"),
    ],
)
def test_a_log_in_that_is_refused_is_told_from_a_right_that_is_missing(
    environ: dict[str, str], remedy: str, etcd_server: Servers
) -> None:
    server = etcd_server(auth=True, extra_args=_QUICK_PASSWORDS)

    report = doctor("--store", f"etcd://{server.endpoint}", "--name", "x", environ=environ)

    assert report.of("reachable").state == "ok"
    assert report.of("log-in").state == "fail"
    assert remedy in report.of("log-in").remedy
    assert "rights" not in {check.check for check in report.checks}
    assert "not-this-one" not in str(report)


def test_one_endpoint_of_several_that_is_down_is_a_warning_and_the_only_one_a_failure(
    etcd: EtcdServer,
) -> None:
    (nobody,) = free_ports(1)
    down = f"127.0.0.1:{nobody}"

    some = doctor("--store", f"etcd://{down},{etcd.endpoint}", "--name", "x")
    none = doctor("--store", f"etcd://{down}", "--name", "x")

    assert (some.status, some.of("reachable", down).state) == (0, "warn")
    assert some.of("reachable", etcd.endpoint).state == "ok"
    assert (none.status, none.of("reachable").state) == (1, "fail")
    assert "Connection refused" in none.of("reachable").said


@pytest.mark.parametrize("scheme", ["etcds", "etcds+grpc"])
def test_a_certificate_is_verified_and_its_end_is_told(
    scheme: str, etcd_server: Servers, pki: Pki, tmp_path: Path
) -> None:
    server = etcd_server(tls=True)
    other = Pki(tmp_path / "other")
    store = ("--store", f"{scheme}://{server.endpoint}", "--name", "x")

    known = doctor(*store, environ={"ETCDCTL_CACERT": str(pki.ca_cert)})
    strange = doctor(*store, environ={"ETCDCTL_CACERT": str(other.ca_cert)})

    assert (known.status, known.of("tls").state) == (0, "warn")  # It ends in two days.
    assert "the certificate verifies, until 20" in known.of("tls").said
    assert "renewed" in known.of("tls").remedy
    assert (strange.status, strange.of("tls").state) == (1, "fail")
    assert "does not verify" in strange.of("tls").said
    assert "ETCDCTL_CACERT" in strange.of("tls").remedy


def test_the_wrong_scheme_is_told_from_a_server_that_is_down(
    etcd: EtcdServer, etcd_server: Servers
) -> None:
    with_tls = etcd_server(tls=True)

    too_much = doctor("--store", f"etcds://{etcd.endpoint}", "--name", "x")
    too_little = doctor("--store", f"etcd://{with_tls.endpoint}", "--name", "x")

    assert too_much.of("reachable").state == "ok"
    assert "write etcd://" in too_much.of("tls").remedy
    assert too_little.of("log-in").state == "fail"
    assert too_little.status == too_much.status == 1


def test_a_round_trip_that_is_long_for_the_time_out_is_a_warning(etcd: EtcdServer) -> None:
    store = ("--store", f"etcd://{etcd.endpoint}", "--name", "x")

    report = doctor(*store, "--rpc-timeout", "1ms")

    assert (report.status, report.of("round-trip").state) == (0, "warn")
    assert "more than a tenth of a call's time-out of 1ms" in report.of("round-trip").said
    assert "--ttl" in report.of("round-trip").remedy


def test_a_ttl_that_the_servers_do_not_grant_is_a_warning(etcd_server: Servers) -> None:
    slow = etcd_server(extra_args=["--heartbeat-interval=1000", "--election-timeout=8000"])
    store = ("--store", f"etcd://{slow.endpoint}", "--name", "x")

    report = doctor(*store, "--ttl", "5s")

    assert (report.status, report.of("session").state) == (0, "warn")
    assert report.of("session").said == "the store grants no less than 12s"
    assert "--ttl 12s" in report.of("session").remedy


@pytest.mark.skipif(not can_be_stepped(), reason="no C compiler")
@pytest.mark.parametrize(
    ("ahead_s", "state", "said"),
    [
        (0, "ok", "agree"),
        (60, "warn", "behind ours"),
        (-60, "warn", "ahead of ours"),
    ],
)
def test_a_clock_that_is_off_is_a_warning(
    ahead_s: int, state: str, said: str, etcd: EtcdServer, tmp_path: Path
) -> None:
    ours = WallClock(tmp_path)
    ours.step(ahead_s)

    report = doctor("--store", f"etcd://{etcd.endpoint}", "--name", "x", environ=ours.environ)

    assert (report.status, report.of("clock").state) == (0, state)
    assert said in report.of("clock").said
