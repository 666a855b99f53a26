"""/metrics, as Prometheus' own parser reads it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from coordsidecar.core.election.moves import Renew, Renewed
from coordsidecar.core.timing import Timing
from coordsidecar.elector.counts import BOUNDS_S, Counts
from coordsidecar.elector.metrics import metrics
from coordsidecar.linux import boottime_s
from coordsidecar.signs import Signs
from coordsidecar.store.protocol import Session
from tests.elector.shown import healthy

LEADING: dict[str, Any] = {
    "role": "leader",
    "token": 2**62 + 1,
    "deadline_left_s": 3.25,
    "paused": None,
    "cordoned": False,
    "health": None,
    "id": "host1",
    "election": "default/nightly",
}


def new_counts() -> Counts:
    return Counts(Signs(), Timing.for_ttl(15.0))


def text(counts: Counts | None = None, *, store: str = "local:", **changes: Any) -> str:
    return metrics(LEADING | changes, healthy(), counts or new_counts(), store=store)


def value(text: str, name: str, **labels: str) -> float | None:
    """Of the sample with this name and these labels, which there is at most once."""
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if (sample.name, sample.labels) == (f"coordsidecar_{name}", labels)
    ]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    "id",
    [
        'a"b\\c',
        "two\nlines",
        "\\n",
        '"} 1\ncoordsidecar_leader 1\n#',
        "\\",
        "n\u00e4me \U0001f600",
        "{a=b},c",
    ],
)
def test_whatever_the_name_is_it_is_read_as_it_was_given(id: str) -> None:
    shows = text(id=id, role="standby")

    families = {family.name: family for family in text_string_to_metric_families(shows)}
    (info,) = families["coordsidecar_info"].samples
    assert info.labels["id"] == id
    assert value(shows, "leader") == 0


@pytest.mark.parametrize(("id", "shown"), [("a\x1b[2Jb", "a\\x1b[2Jb"), ("\udc80", "\\udc80")])
def test_what_would_move_a_cursor_or_is_no_unicode_is_shown_as_in_the_log(
    id: str, shown: str
) -> None:
    families = text_string_to_metric_families(text(id=id).encode().decode())

    (info,) = (family.samples[0] for family in families if family.name == "coordsidecar_info")
    assert info.labels["id"] == shown


def test_every_family_has_help_and_a_type_and_stands_there_once() -> None:
    lines = text().splitlines()

    helped = [line.split()[2] for line in lines if line.startswith("# HELP ")]
    typed = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert helped == typed
    assert len(set(helped)) == len(helped)
    for family in text_string_to_metric_families(text()):
        assert family.documentation
        assert family.type in {"gauge", "counter", "histogram"}


def test_a_token_keeps_all_its_digits() -> None:
    assert f"coordsidecar_token {2**62 + 1}\n" in text()
    assert "coordsidecar_token 0\n" in text(token=None)


def test_who_does_not_lead_has_no_deadline() -> None:
    assert value(text(), "deadline_left_seconds") == 3.25
    assert value(text(deadline_left_s=None), "deadline_left_seconds") is None


def test_the_buckets_count_all_that_took_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = new_counts()
    for took_s in (0.002, 0.002, 0.2, 77.0):
        monkeypatch.setattr("coordsidecar.elector.counts.boottime_s", lambda took_s=took_s: took_s)
        counts.heard(Renew(Session("s", 15.0)), 0.0, Renewed(15.0))

    shows = text(counts)

    up_to = {bound: value(shows, "renewal_seconds_bucket", le=str(bound)) for bound in BOUNDS_S}
    assert (up_to[0.001], up_to[0.0025], up_to[0.1], up_to[0.25], up_to[5.0]) == (0, 2, 2, 3, 3)
    assert value(shows, "renewal_seconds_bucket", le="+Inf") == 4
    assert value(shows, "renewal_seconds_count") == 4
    assert value(shows, "renewal_seconds_sum") == pytest.approx(77.204)


def test_what_only_the_guard_knows_is_read_from_the_memory_of_both() -> None:
    counts = new_counts()
    for told in (
        counts.signs.job_starts_again,
        counts.signs.job_starts_again,
        counts.signs.elector_starts_again,
    ):
        told()

    shows = text(counts)

    assert value(shows, "job_starts_total") == 2
    assert value(shows, "elector_restarts_total") == 1


def test_how_long_the_store_has_been_silent_is_known_once_it_has_answered() -> None:
    counts = new_counts()
    before = text(counts)

    counts.heard(Renew(Session("s", 15.0)), boottime_s(), Renewed(15.0))

    assert value(before, "store_heard_seconds") is None
    silent_s = value(text(counts), "store_heard_seconds")
    assert silent_s is not None
    assert silent_s >= 0


@pytest.mark.parametrize(
    ("health", "shown"), [("well", 1), ("sick", 0), ("unknown", None), (None, None)]
)
def test_the_health_of_which_nobody_knows_is_absent(
    health: str | None, shown: float | None
) -> None:
    assert value(text(health=health), "healthy") == shown
