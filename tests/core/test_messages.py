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
    st.builds(msg.Ending, numbers),
    st.builds(msg.TreeGone, numbers, times, st.booleans()),
    st.sampled_from([msg.Leave(), msg.Suspended(), msg.Resumed(), msg.Ready(), msg.JobIs(3)]),
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
        b'["JobIs", {"pid": 1%s}]' % (b"0" * 400),
        b'["Launch", {}]',
        b'["JobIs", [1]]',
        b"[" * 3000,
    ],
)
def test_a_message_that_is_nearly_right_is_refused(packet: bytes) -> None:
    with pytest.raises(msg.MessageError):
        msg.decode(packet)


@pytest.mark.parametrize("number", [2**64, -(2**64)])
def test_numbers_are_heard_up_to_the_largest_that_a_kernel_has(number: int) -> None:
    assert msg.decode(msg.encode(msg.JobIs(number))) == msg.JobIs(number)
    with pytest.raises(msg.MessageError, match="far too large"):
        msg.decode(msg.encode(msg.JobIs(number + (1 if number > 0 else -1))))


def test_what_is_too_long_for_a_packet_is_never_sent() -> None:
    frame = len(msg.encode(msg.Lost(7, "")))
    longest = msg.Lost(7, "x" * (msg.MESSAGE_BYTES_MAX - frame))

    assert len(msg.encode(longest)) == msg.MESSAGE_BYTES_MAX
    with pytest.raises(AssertionError, match="cut to size"):
        msg.encode(msg.Lost(7, longest.reason + "x"))


def test_a_truth_is_no_number_and_a_number_no_truth() -> None:
    gone = b'["TreeGone", {"token": 7, "rest_s": 0.0, "leave": %s, "why": ""}]'

    assert msg.decode(gone % b"true") == msg.TreeGone(7, 0.0, leave=True)
    with pytest.raises(msg.MessageError, match="leave is not of type bool"):
        msg.decode(gone % b"1")


@pytest.mark.parametrize("kind", [*msg.FromElector.__args__, *msg.FromGuard.__args__])
def test_every_message_has_a_codec(kind: type) -> None:
    message = kind(*({"int": 1, "float": 1.5, "str": "x", "bool": True}[t] for t in _types(kind)))

    assert msg.decode(msg.encode(message)) == message


def _types(kind: type) -> list[str]:
    return list(kind.__annotations__.values())
