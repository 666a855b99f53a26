"""What an etcd URL and etcdctl's variables say about where etcd is and who we are."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordsidecar_adapters.etcd.url import ETCD, parse
from coordsidecar_adapters.link import Tls


def test_the_url_alone_is_enough() -> None:
    settings = parse("etcd://ann:pa%3Ass@h1:1111,h2,[::1]:3333", environ={})

    assert settings.endpoints == ("h1:1111", "h2:2379", "[::1]:3333")
    assert (settings.user, settings.password, settings.tls) == ("ann", "pa:ss", None)


def test_without_a_host_etcdctls_endpoints_are_meant() -> None:
    settings = parse("etcd://", environ={"ETCDCTL_ENDPOINTS": "http://h1:1111,h2:2222"})

    assert settings.endpoints == ("h1:1111", "h2:2222")


def test_without_any_endpoint_it_is_etcdctls_default() -> None:
    settings = parse("etcd://", environ={})

    assert settings.endpoints == ("127.0.0.1:2379",)


def test_an_https_endpoint_of_etcdctl_means_tls() -> None:
    settings = parse("etcd://", environ={"ETCDCTL_ENDPOINTS": "https://h1:1111/"})

    assert settings.endpoints == ("h1:1111",)
    assert settings.tls == Tls()


def test_the_url_wins_over_the_environment(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.pem", tmp_path / "theirs.pem"
    ours.touch()
    theirs.touch()
    environ = {
        "ETCDCTL_ENDPOINTS": "theirs:1",
        "ETCDCTL_USER": "them",
        "ETCDCTL_PASSWORD": "their-secret",
        "ETCDCTL_CACERT": str(theirs),
    }

    settings = parse(f"etcds://me:my-secret@ours:2?cacert={ours}", environ=environ)

    assert settings.endpoints == ("ours:2",)
    assert (settings.user, settings.password) == ("me", "my-secret")
    assert settings.tls == Tls(cacert=str(ours))


def test_a_user_variable_may_hold_the_password_too() -> None:
    alone = parse("etcd://h", environ={"ETCDCTL_USER": "ann:a:b"})
    apart = parse("etcd://h", environ={"ETCDCTL_USER": "ann:x", "ETCDCTL_PASSWORD": "secret"})

    assert (alone.user, alone.password) == ("ann", "a:b")
    assert (apart.user, apart.password) == ("ann:x", "secret")


def test_the_password_is_not_in_the_repr() -> None:
    settings = parse("etcd://ann:s3cret@h", environ={})

    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "environ", "complaint"),
    [
        ("etcd://h:http", {}, "port"),
        ("etcd://h:0", {}, "port"),
        ("etcd://::1", {}, "IPv6"),
        ("etcd://h/path", {}, "nothing after it"),
        ("etcd://,", {}, "names no host"),
        ("etcd://ann@h", {}, "ETCDCTL_PASSWORD"),
        ("etcd://h?cacert=/x", {}, "write etcds://"),
        ("etcds://h?cert=/dev/null", {}, "both cert and key"),
        ("etcds://h?cacert=/no/such/file", {}, "cannot read the cacert file"),
        ("etcds://h?ca=/x", {}, "unknown option 'ca'"),
        ("etcds://", {"ETCDCTL_ENDPOINTS": "http://h"}, "asks for TLS"),
        ("etcd://", {"ETCDCTL_ENDPOINTS": "http://h,https://g"}, "all http:// or all https://"),
        ("etcd://", {"ETCDCTL_ENDPOINTS": "http://h:1/v3"}, "after the port with '/v3'"),
        ("etcd://", {"ETCDCTL_ENDPOINTS": "http://g:1,h:1?x=1"}, "ETCDCTL_ENDPOINTS goes on"),
        ("etcd://", {"ETCDCTL_ENDPOINTS": "https://me:hush@h:1"}, "carries a password"),
        ("etcd://", {"ETCDCTL_ENDPOINTS": "me:hush@h:1/v3"}, "carries a password"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    url: str, environ: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as wrong:
        parse(url, environ=environ)

    assert "\n" not in str(wrong.value)
    assert "hush" not in str(wrong.value)


@pytest.mark.parametrize(
    "url", ["etcd://ann:s3cret@h:x", "etcd://ann:s3cret@h/p", "etcd://a:s3cret@"]
)
def test_no_complaint_shows_a_password(url: str) -> None:
    environ = {"ETCDCTL_ENDPOINTS": "bad:port"}

    with pytest.raises(ValueError, match=r"etcd|port") as wrong:
        parse(url, environ=environ)

    assert "s3cret" not in str(wrong.value)


def test_certificates_that_are_none_are_refused_before_anything_is_dialled(tmp_path: Path) -> None:
    from coordsidecar_adapters.tls import SslSide

    rubbish = tmp_path / "ca.pem"
    rubbish.write_text("rubbish")

    with pytest.raises(ValueError, match="cannot use the certificates"):
        SslSide(Tls(cacert=str(rubbish)), ETCD)
