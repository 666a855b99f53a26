"""What is news to a hook, of all that the guard's core decides."""

from __future__ import annotations

import os
import signal

import pytest

from coordsidecar.children.forking import Dispositions
from coordsidecar.children.hook_runner import NEWS_BYTES_MAX
from coordsidecar.core.guard.moves import Effect, Report, ShowRole, StartJob, StopTree
from coordsidecar.guard.hooks import Hooks
from coordsidecar.log import Log
from coordsidecar.settings.settings import Settings
from coordsidecar.store.protocol import Election

_SETTINGS = Settings(
    command=("job",),
    election=Election(namespace="default", name="db"),
    id="one",
    on_lead="true",
    on_standby="true",
    on_lead_lost="true",
)
_LEADS: list[Effect] = [ShowRole("leader", 7, 113.0, None), StartJob("leader", 7)]
_STOPS: list[Effect] = [ShowRole("stopping", 7, 113.0, None), StopTree(signal.SIGTERM)]
_STANDS_BY = ShowRole("standby", None, None, None)
_FOLLOWS = ShowRole("standby", None, None, "two")


class NoRunner(Hooks):
    """Keeps what it would tell."""

    def _start_runner(self) -> None:
        self.told: list[tuple[str, dict[str, str]]] = []

    def _send(self, packet: bytes) -> bool:
        assert len(packet) < NEWS_BYTES_MAX
        return True


@pytest.fixture
def hooks() -> Hooks:
    log = Log(fmt="text", election="e", node_id="one")
    untouched = Dispositions(ignored=frozenset(), blocked=frozenset())
    return NoRunner(_SETTINGS, log, untouched, guard_pidfd=-1)


def seen(hooks: Hooks, *effects: Effect) -> list[tuple[str, str, str]]:
    """Which hooks are to run, and from which role to which."""
    for effect in effects:
        hooks.saw(effect)
    news, hooks._news = hooks._news, []
    return [
        (hook, told.get("COORDSIDECAR_ROLE_OLD", ""), told["COORDSIDECAR_ROLE"])
        for hook, told in news
    ]


def test_that_somebody_leads_is_news_once(hooks: Hooks) -> None:
    other = ShowRole("standby", None, None, "three")

    assert seen(hooks, _STANDS_BY) == []
    assert seen(hooks, _FOLLOWS) == [("on-standby", "", "standby")]
    assert seen(hooks, _FOLLOWS, other) == []


def test_a_renewal_and_a_restart_are_no_news(hooks: Hooks) -> None:
    renewed = ShowRole("leader", 7, 116.0, None)

    assert seen(hooks, _STANDS_BY, *_LEADS) == [("on-lead", "standby", "leader")]
    assert seen(hooks, renewed, *_STOPS, *_LEADS) == []


def test_a_lead_that_never_began_is_neither_news_nor_lost(hooks: Hooks) -> None:
    gate = ShowRole("standby", 7, 113.0, None)

    assert seen(hooks, _STANDS_BY, gate, Report("lost", "gone", 7), *_STOPS, _STANDS_BY) == []


def test_a_loss_is_told_before_the_rest(hooks: Hooks) -> None:
    seen(hooks, *_LEADS)

    assert seen(hooks, *_STOPS, Report("lost", "gone", 7), _STANDS_BY) == [
        ("on-lead-lost", "leader", "stopping"),
        ("on-standby", "stopping", "standby"),
    ]


def test_the_reason_is_the_first_that_was_given(hooks: Hooks) -> None:
    seen(hooks, *_LEADS)
    for effect in (*_STOPS, Report("stepping-down", "ann"), Report("job-ended", "143"), _STANDS_BY):
        hooks.saw(effect)

    ((_, told),) = hooks._news

    assert told["COORDSIDECAR_REASON"] == "ann"
    assert told["COORDSIDECAR_TOKEN"] == "7"


@pytest.mark.parametrize("starts_again", [False, True], ids=["moves", "starts-again"])
def test_that_a_job_is_sick_is_why_it_moves_but_not_if_it_starts_again(
    starts_again: bool, hooks: Hooks
) -> None:
    again = (*_LEADS, *_STOPS) if starts_again else ()
    seen(hooks, *_LEADS)
    sick, ordered = Report("unhealthy", "no answer", 7), Report("stepping-down", "ann", 7)
    for effect in (*_STOPS, sick, *again, ordered, _STANDS_BY):
        hooks.saw(effect)

    ((_, told),) = hooks._news

    assert told["COORDSIDECAR_REASON"] == ("ann" if starts_again else "no answer")


def test_whatever_others_say_fits_into_a_packet_and_an_environment(hooks: Hooks) -> None:
    seen(hooks, *_LEADS)
    wordy = "\U0001f600\n\0\udcff" * 5000

    hooks.saw(Report("lost", wordy, 7))
    hooks.saw(ShowRole("standby", None, None, wordy))
    told = [variables for _, variables in hooks._news]
    hooks.tell()

    assert len(told) == 2
    for variables in told:
        assert all(
            os.fsencode(value).isascii() or value.isprintable() for value in variables.values()
        )
        assert not any("\0" in value for value in variables.values())
