"""The inequalities under which two jobs cannot run at once (rules S1, S2)."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.core.timing import Timing, UnsafeTimingError


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
