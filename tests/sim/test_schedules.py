"""Hypothesis draws schedules of faults, and shrinks one that fails until a person can read it."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from tests.sim.mutants import MUTANTS
from tests.sim.scenario import run
from tests.sim.schedule import WHOM, Schedule, Strike
from tests.sim.tell import command

# They wait for nothing, but compute: on a busy host that takes as long as it takes.
pytestmark = pytest.mark.timeout(1200)

_FAULTS = (
    *("kill_guard", "kill_elector", "pause_guard", "pause_elector", "suspend_host", "crash_host"),
    *("stop_guard_at_work", "starve_guard", "starve_elector", "run_out_of_processes"),
    *("kill_job", "job_in_state_d", "signal_guard", "oversleep"),
    *("cut", "revoke", "delete_key", "restart_store", "delay_and_double"),
    *("lose_data", "trouble_an_operation"),
)
_STRIKES = st.builds(
    Strike,
    after_ttls=st.integers(0, 10).map(lambda tenths: tenths / 10),
    fault=st.sampled_from(_FAULTS),
    whom=st.sampled_from(WHOM),
    for_ttls=st.sampled_from((0.0, 0.3, 1.0, 1.5)),
)
_SCHEDULES = st.builds(Schedule, st.lists(_STRIKES, max_size=8).map(tuple), mixed=st.booleans())
_SEEDS = st.integers(0, 30)  # Each sets up another kind of store, other nodes, other clocks.


def _settings(max_examples: int) -> settings:
    """The same examples each time, kept nowhere."""
    return settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@_settings(150)
@given(_SEEDS, _SCHEDULES)
def test_every_property_holds_under_any_schedule(seed: int, schedule: Schedule) -> None:
    report = run(seed, schedule=schedule)

    assert not report.failure, command(report)


@pytest.mark.parametrize(
    ("name", "strikes_at_most"),
    [("no_takeover_delay", 2), ("a_dead_guards_job_is_not_buried", 2)],
)
def test_a_failing_schedule_shrinks_to_what_matters(name: str, strikes_at_most: int) -> None:
    with MUTANTS[name]():
        seed, schedule = find(
            st.tuples(_SEEDS, _SCHEDULES),
            lambda drawn: bool(run(drawn[0], schedule=drawn[1]).failure),
            settings=_settings(400),
        )
        report = run(seed, schedule=schedule)

    print(command(report, mutant=name))
    assert 0 < len(schedule.strikes) <= strikes_at_most
    assert Schedule.parse(str(schedule)) == schedule
