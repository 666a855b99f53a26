"""The codec between guard and elector: what one says the other hears, and nothing else is heard."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordsidecar.core import messages as msg

numbers = st.integers(min_value=0, max_value=2**63)
times = st.floats(allow_nan=False)
texts = st.text(max_size=300)
any_message = st.one_of(
    st.builds(msg.Leased, numbers, times, times),
    st.builds(msg.Lost, numbers, texts),
    st.builds(msg.Holding, texts, times),
    st.builds(msg.Following, texts, numbers, numbers),
    st.builds(msg.Failed, numbers, texts),
    st.builds(msg.TreeGone, numbers, times, st.booleans()),
    st.sampled_from([msg.Leave(), msg.Suspended(), msg.Resumed(), msg.Ping(3), msg.Pong(3)]),
)


@given(any_message)
def test_what_is_said_is_what_is_heard(message: msg.Message) -> None:
    assert msg.decode(msg.encode(message)) == message


def test_a_lock_that_never_expires_survives_the_wire() -> None:
    leased = msg.Leased(7, math.inf, math.inf)

    assert msg.decode(msg.encode(leased)) == leased


@given(st.binary(max_size=400))
def test_noise_is_refused_and_never_crashes(packet: bytes) -> None:
    with pytest.raises(msg.MessageError):
        msg.decode(packet)


@pytest.mark.parametrize(
    "packet",
    [
        b'["Leased", {"token": true, "step_down_at_s": 1.0, "run_until_s": 2.0}]',
        b'["Leased", {"token": 1, "step_down_at_s": NaN, "run_until_s": 2.0}]',
        b'["Leased", {"token": 1, "step_down_at_s": 1.0}]',
        b'["Leased", {"token": 1, "step_down_at_s": 1.0, "run_until_s": 2.0, "more": 1}]',
        b'["Leased", {"token": 1, "step_down_at_s": 1.0, "run_until_s": 1%s}]' % (b"0" * 400),
        b'["Ping", {"number": 1%s}]' % (b"0" * 400),
        b'["Launch", {}]',
        b'["Ping", [1]]',
        b"[" * 3000,
    ],
)
def test_a_message_that_is_nearly_right_is_refused(packet: bytes) -> None:
    with pytest.raises(msg.MessageError):
        msg.decode(packet)
