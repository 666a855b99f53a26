"""Hooks where it matters which store there is: each runs in its place, and is told its term."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.e2e.arena import Arena
from tests.e2e.sidecars import Sidecar, wait_for
from tests.guard.test_hooks import note, notes

HOOKS = ("pre-start", "post-stop", "on-lead", "on-standby", "on-lead-lost")


def start(arena: Arena, ledger: Path, node_id: str) -> Sidecar:
    """An instance whose hooks note what they are told."""
    told = note(ledger, "$COORDSIDECAR_HOOK", "$COORDSIDECAR_ID", "$COORDSIDECAR_TOKEN")
    hooks = [word for hook in HOOKS for word in (f"--{hook}", told)]
    return arena.start("--id", node_id, *hooks)


def place(ledger: Path, told: str) -> int:
    """Where in the ledger a line begins so; waits for it."""
    wait_for(lambda: any(line.startswith(told) for line in notes(ledger)), told)
    return next(at for at, line in enumerate(notes(ledger)) if line.startswith(told))


def test_a_lead_passes_on_by_way_of_the_hooks_of_both(arena: Arena, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    first = start(arena, ledger, "one")
    (stint,) = arena.stamps.wait_for_stints(1)
    start(arena, ledger, "two")
    stood_by = place(ledger, "on-standby two")

    first.signal(signal.SIGTERM)

    _, later = arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    led = place(ledger, f"on-lead two {later.token}")
    cleared = place(ledger, f"post-stop one {stint.token}")
    gated = place(ledger, f"pre-start two {later.token}")
    assert place(ledger, f"pre-start one {stint.token}") < stood_by < cleared < gated < led
    assert not any(line.startswith("on-lead-lost") for line in notes(ledger))


def test_a_lead_that_is_lost_is_told_and_nothing_is_cleaned_up(
    arena: Arena, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    start(arena, ledger, "one")
    (stint,) = arena.stamps.wait_for_stints(1)
    place(ledger, f"on-lead one {stint.token}")

    arena.revoke()

    place(ledger, f"on-lead-lost one {stint.token}")
    arena.stamps.wait_for_stints(2)
    arena.stamps.assert_never_two()
    assert not any(line.startswith(f"post-stop one {stint.token}") for line in notes(ledger))
