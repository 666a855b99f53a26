"""What a watch waits for, and for how long at a time."""

from __future__ import annotations

from coordsidecar.store.protocol import Behind, Held, Vacant
from coordsidecar_adapters.consul.state import State

__all__ = ["differs", "split_wait"]

_LONGEST_WAIT_S = 300.0


def differs(state: State, standing: Held | Behind | Vacant) -> bool:
    """Whether one who stands so has to hear of it; a leader need not hear of its own beats."""
    if state.lock_index != standing.cursor:
        return True
    return isinstance(standing, Behind) and state.beat != standing.beat


def split_wait(left_s: float) -> tuple[float, float]:
    """How long Consul may hold a query, and how much time its answer has, within ``left_s``.

    Consul adds up to a sixteenth of the wait, so that waiting clients do not all ask at once.
    """
    slack_s = min(1.0, left_s / 4)
    wait_s = min((left_s - slack_s) * 16 / 17, _LONGEST_WAIT_S)
    return (wait_s, slack_s) if wait_s >= 0.005 else (0.0, 0.0)
