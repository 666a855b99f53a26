"""What a candidate finds behind the holder of a Lease, and how it deposes that one."""

from __future__ import annotations

from coordsidecar.store.protocol import Behind, Limits, Standing
from tests.contract.candidate import CALL_S, Candidate

__all__ = ["LIMITS", "behind", "deposes"]

LIMITS = Limits(61.0, 50.0)


def deposes(candidate: Candidate, beat: int | None) -> Standing:
    return candidate.store.campaign(
        candidate.session,
        record=candidate.record,
        run="run-of-the-second",
        limits=LIMITS,
        depose=beat,
        timeout_s=CALL_S,
    )


def behind(standing: Standing) -> Behind:
    assert isinstance(standing, Behind)
    return standing
