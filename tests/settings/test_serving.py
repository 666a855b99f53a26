"""Where a sidecar answers: a port, or a unix socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.serving import UnixSocket, read_http, shown
from coordsidecar.settings.settings import Settings, build_settings
from coordsidecar.settings.sources import UsageError

pytestmark = pytest.mark.usefixtures("outside_of_containers")


def settings(**flags: str) -> Settings:
    texts = {name.replace("_", "-"): text for name, text in flags.items()}
    assert texts.keys() <= {option.name for option in OPTIONS}
    return build_settings(flags=texts, command=("job",), environ={})


def test_a_unix_socket_is_its_owners_unless_its_mode_is_given() -> None:
    assert read_http("unix:/run/x.sock") == UnixSocket("/run/x.sock", 0o600)
    assert read_http("unix:/run/x.sock?mode=660") == UnixSocket("/run/x.sock", 0o660)
    assert read_http(" unix:/run/x.sock?mode=0666 ") == UnixSocket("/run/x.sock", 0o666)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("unix:", "absolute path"),
        ("unix:run/x.sock", "absolute path"),
        ("unix:/run/", "absolute path"),
        ("unix:/run/x?mode=9", "mode=NNN"),
        ("unix:/run/x?mode=u+x", "mode=NNN"),
        ("unix:/run/x?more=660", "mode=NNN"),
    ],
)
def test_what_is_no_unix_socket_is_refused_with_an_example(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_http(text)


def test_a_path_may_have_107_bytes_as_the_kernel_has_it() -> None:
    longest = "/" + "x" * 106

    assert read_http("unix:" + longest) == UnixSocket(longest)
    with pytest.raises(
        ValueError, match="has 108 bytes, and the path of a unix socket at most 107"
    ):
        read_http("unix:" + longest + "x")
    with pytest.raises(ValueError, match="has 108 bytes"):
        read_http("unix:" + longest[:-1] + "é")


@pytest.mark.parametrize("text", ["8080", "0.0.0.0:1", "[::1]:8080", "unix:/run/x.sock"])
def test_it_is_shown_as_it_was_given(text: str) -> None:
    assert shown(read_http(text)).removeprefix("127.0.0.1:") == text


def test_a_file_with_a_token_need_not_be_there_yet(tmp_path: Path) -> None:
    path = str(tmp_path / "later")

    assert settings(http="8080", http_token_file=path).http_token_file == path
    with pytest.raises(UsageError, match="not the path of a file"):
        settings(http="8080", http_token_file=str(tmp_path))


@pytest.mark.parametrize(
    ("flags", "why"), [({}, "there is none"), ({"http": "unix:/run/x.sock"}, "mode says who may")]
)
def test_a_token_that_nobody_would_be_asked_for_is_refused(flags: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        settings(http_token_file="/run/token", **flags)
