"""Two ways to split words, the quick one and click's: where the quick one answers, click agrees."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordsidecar.cli.words import split_by_click, split_plain
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.sources import UsageError

flags = [option.flag for option in OPTIONS] + ["--config"]
words = st.lists(
    st.sampled_from(
        [*flags, *(f"{flag}=v" for flag in flags), "--ttl=", "--", "-", "-h", "--help", "--nope"]
    )
    | st.sampled_from(["15s", "job", "a=b", "--x=y", "", "-v", "run", "check", "--version"]),
    max_size=8,
)


@settings(deadline=None)  # A slow machine is no failure.
@given(words, st.booleans())
def test_where_the_quick_way_answers_click_says_the_same(
    given_words: list[str], interspersed: bool
) -> None:
    plain = split_plain(given_words, OPTIONS, interspersed=interspersed)

    if plain is not None:
        assert plain == split_by_click(given_words, OPTIONS, interspersed=interspersed)


def test_what_production_types_is_split_the_quick_way() -> None:
    typed = ["--store", "etcd://h:2379", "--ttl=10s", "--", "python", "job.py", "--ttl", "3s"]

    assert split_plain(typed, OPTIONS, interspersed=False) == (
        {"store": "etcd://h:2379", "ttl": "10s"},
        ("python", "job.py", "--ttl", "3s"),
    )


def test_what_needs_explaining_is_left_to_click() -> None:
    for typed in (["--help"], ["--nope", "x"], ["--ttl"], ["--ttl", "--name"], ["-q"]):
        assert split_plain(typed, OPTIONS, interspersed=False) is None
    with pytest.raises(UsageError, match="no such option"):
        split_by_click(["--nope", "x"], OPTIONS, interspersed=False)
