"""The inequalities under which two jobs cannot run at once (rules S1, S2)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.core.timing import Timing, UnsafeTimingError
from coordsidecar.value import replace


def test_the_defaults_at_15_seconds_are_the_documented_ones() -> None:
    timing = Timing.for_ttl(15)

    assert (timing.renew_every_s, timing.rpc_timeout_s) == (3, 2)
    assert (timing.step_down_after_s, timing.lost_grace_s, timing.kill_reserve_s) == (8, 4, 1)
    assert (timing.margin_s, timing.takeover_delay_s) == (2, 15)


@given(st.floats(min_value=2, max_value=3600))
def test_whatever_is_derived_from_a_ttl_is_safe(ttl_s: float) -> None:
    timing = Timing.for_ttl(ttl_s)

    budget_s = timing.step_down_after_s + timing.lost_grace_s + timing.kill_reserve_s
    assert budget_s + timing.margin_s <= ttl_s + 1e-6
    assert timing.step_down_after_s >= timing.renew_every_s + 2 * timing.rpc_timeout_s - 1e-6
    assert timing.margin_s >= max(1.0, 0.1 * ttl_s) - 1e-6


def test_an_unsafe_combination_is_refused_with_one_that_works() -> None:
    with pytest.raises(UnsafeTimingError) as refused:
        Timing.for_ttl(15, renew_every_s=6, rpc_timeout_s=3)

    message = str(refused.value)
    assert "--renew-every 6s + 2 x --rpc-timeout 3s needs 12s" in message
    advice_s = float(message.partition("use --ttl ")[2].partition("s")[0])
    safe = {"lost_grace_s": 4.0, "kill_reserve_s": 1.0, "margin_s": 2.0}
    assert Timing.for_ttl(advice_s, renew_every_s=6, rpc_timeout_s=3, **safe).ttl_s == advice_s


@pytest.mark.parametrize("margin_s", [0.0, 0.9, 1.4])
def test_a_margin_too_small_for_kill_latency_and_drift_is_refused(margin_s: float) -> None:
    with pytest.raises(UnsafeTimingError, match="--margin"):
        Timing.for_ttl(15, margin_s=margin_s)


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_what_is_no_length_of_time_is_refused(value: float) -> None:
    with pytest.raises(UnsafeTimingError):
        Timing.for_ttl(15, lost_grace_s=value)


@pytest.mark.parametrize("name", ["ttl_s", "renew_every_s", "rpc_timeout_s", "kill_reserve_s"])
def test_what_must_last_some_time_is_refused_at_none(name: str) -> None:
    with pytest.raises(UnsafeTimingError, match=f"--{name[:-2].replace('_', '-')} must be more"):
        replace(Timing.for_ttl(15), **{name: 0.0})


@pytest.mark.parametrize("name", ["lost_grace_s", "takeover_delay_s"])
def test_a_grace_and_a_delay_may_be_none(name: str) -> None:
    assert getattr(replace(Timing.for_ttl(15), **{name: 0.0}), name) == 0.0


def test_a_ttl_that_the_least_margin_eats_up_is_refused_in_words_not_by_a_crash() -> None:
    with pytest.raises(UnsafeTimingError, match="--renew-every must be more than 0s"):
        Timing.for_ttl(0.5)


@pytest.mark.parametrize(("ttl_s", "margin_s"), [(5.0, 1.0), (10.0, 1.0), (40.0, 4.0)])
def test_the_least_margin_is_safe(ttl_s: float, margin_s: float) -> None:
    """A second for the latency of a kill, or a tenth for clocks that drift."""
    assert Timing.for_ttl(ttl_s, margin_s=margin_s).margin_s == margin_s
    with pytest.raises(UnsafeTimingError, match=f"less than {margin_s:g}s"):
        Timing.for_ttl(ttl_s, margin_s=margin_s - 0.01)


def test_renewals_that_just_fit_are_safe() -> None:
    """Three seconds, and two calls of two and a half: D is 8 s."""
    fits = {"renew_every_s": 3.0, "rpc_timeout_s": 2.5, "lost_grace_s": 4.0, "kill_reserve_s": 1.0}

    assert Timing.for_ttl(15, margin_s=2.0, **fits).step_down_after_s == 8.0
    with pytest.raises(UnsafeTimingError, match="use --ttl 16s"):
        Timing.for_ttl(15, margin_s=2.01, **fits)


@pytest.mark.parametrize(
    ("ttl_s", "elector_s", "guard_s", "patience_s"),
    [(15.0, 2.0, 4.0, 8.0), (30.0, 4.0, 8.0, 16.0), (3.0, 0.5, 1.0, 80 / 65)],
)
def test_guard_and_elector_are_patient_with_each_other_in_proportion(
    ttl_s: float, elector_s: float, guard_s: float, patience_s: float
) -> None:
    timing = Timing.for_ttl(ttl_s)

    assert timing.elector_silence_s == pytest.approx(elector_s)
    assert timing.elector_step_every_s == timing.renew_every_s
    assert timing.guard_step_every_s == pytest.approx(patience_s / 2)
    times = timing.renew_every_s / timing.look_at_guard_s
    assert times == pytest.approx(round(times)), "so many times between two renewals"
    assert timing.look_at_guard_s <= guard_s * 0.4
    assert timing.guard_spared_s == pytest.approx(guard_s - timing.look_at_guard_s)
    assert timing.look_again_s == pytest.approx(elector_s / 4)
    assert timing.healthy_age_s == pytest.approx(timing.renew_every_s + elector_s)
    assert timing.guard_silence_s == pytest.approx(guard_s)
    assert timing.guard_patience_s == pytest.approx(patience_s)


def test_a_guard_has_no_less_patience_than_it_takes_to_look_at_it() -> None:
    short = Timing.for_ttl(2.0)

    assert short.step_down_after_s < short.guard_silence_s == short.guard_patience_s == 1.0
