"""The Consul store's URL and environment: where Consul is, and what makes no sense."""

from __future__ import annotations

import pytest

from coordsidecar_adapters.consul.settings import ConsulSettings


@pytest.mark.parametrize(
    ("url", "environ", "tls", "addresses"),
    [
        ("consul://", {}, False, ["127.0.0.1:8500"]),
        ("consul://h", {}, False, ["h:8500"]),
        ("consuls://h", {}, True, ["h:8501"]),
        ("consul://h1:1,h2:2", {}, False, ["h1:1", "h2:2"]),
        ("consul://[::1]:8500", {}, False, ["[::1]:8500"]),
        ("consul:", {"CONSUL_HTTP_ADDR": "h:1"}, False, ["h:1"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "http://h:1/"}, False, ["h:1"]),
        ("consul://", {"CONSUL_HTTP_ADDR": "https://h"}, True, ["h:8501"]),
        ("consuls://", {"CONSUL_HTTP_ADDR": "http://h:1"}, True, ["h:1"]),
        ("consul://h:1", {"CONSUL_HTTP_ADDR": "other:2"}, False, ["h:1"]),
        ("consul://h:1", {"CONSUL_HTTP_SSL": "true"}, True, ["h:1"]),
        ("consul://h:1", {"CONSUL_HTTP_SSL": "0"}, False, ["h:1"]),
    ],
)
def test_the_url_and_the_environment_say_where_consul_is(
    url: str, environ: dict[str, str], tls: bool, addresses: list[str]
) -> None:
    settings = ConsulSettings.read(url, environ)

    assert (settings.tls is not None, list(settings.addresses)) == (tls, addresses)


@pytest.mark.parametrize(
    ("url", "environ", "complaint"),
    [
        ("consul://user:hush@h", {}, "password"),
        ("consul://h/path", {}, "after the port"),
        ("consul://h:x", {}, "port"),
        ("consul://,", {}, "no host"),
        ("consul://", {"CONSUL_HTTP_ADDR": "unix:///run/consul.sock"}, "unix socket"),
        ("consul://", {"CONSUL_HTTP_ADDR": "ftp://h"}, "neither http"),
        ("consul://", {"CONSUL_HTTP_ADDR": "https://u:hush@h"}, "password"),
        ("consul://h", {"CONSUL_HTTP_SSL": "maybe"}, "CONSUL_HTTP_SSL"),
        ("consul://h", {"CONSUL_HTTP_TOKEN": "hush\r\nX: y"}, "CONSUL_HTTP_TOKEN"),
        ("consul://h", {"CONSUL_NAMESPACE": "ä"}, "CONSUL_NAMESPACE"),
        ("consul://h", {"CONSUL_HTTP_TOKEN_FILE": "/no/such"}, "CONSUL_HTTP_TOKEN_FILE"),
    ],
)
def test_what_makes_no_sense_is_said_without_secrets(
    url: str, environ: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as error:
        ConsulSettings.read(url, environ)

    assert "hush" not in str(error.value)


def test_secrets_are_not_in_the_settings_repr() -> None:
    settings = ConsulSettings.read(
        "consul://", {"CONSUL_HTTP_TOKEN": "hush", "CONSUL_HTTP_AUTH": "me:hush"}
    )

    assert settings.auth == ("me", "hush")
    assert "hush" not in repr(settings)
