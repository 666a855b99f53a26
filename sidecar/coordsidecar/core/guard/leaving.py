"""The guard's ways out: withdraw from the election, and exit."""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.company import given_back, release_effects
from coordsidecar.core.guard.moves import Effect, Finish, KillTree, Plan, Report, StopTree, Tell
from coordsidecar.core.guard.phases import Done, Guard, Idle, Leaving, Quit, Stopping
from coordsidecar.value import replace

__all__ = ["finish", "give_up", "leave"]

Step = tuple[Guard, list[Effect]]


def leave(guard: Guard, code: int, lease: msg.Leased | None, now_s: float, plan: Plan) -> Step:
    """Nothing runs any more: withdraw from the election, then exit."""
    give_up_at_s = now_s + 2 * plan.timing.rpc_timeout_s + 1.0
    tell: list[Effect] = [Tell(msg.Leave())]
    if lease is not None:
        guard = given_back(guard, lease, plan)
        tell = release_effects(guard, lease.token, 0.0, leave=True)
    guard = guard.to(Leaving(code, give_up_at_s))
    if guard.elector_start_at_s is None:
        return guard, tell
    if guard.unreleased is None:
        return finish(guard, code)  # There is no elector, and nothing to wait for.
    return replace(guard, elector_start_at_s=now_s), []  # Another one, to resign.


def finish(guard: Guard, exit_code: int) -> Step:
    return guard.to(Done(exit_code)), [Finish(exit_code)]


def give_up(guard: Guard, exit_code: int, reason: str, now_s: float, plan: Plan) -> Step:
    """The elector found something that only people can mend."""
    report = Report("failed", reason)
    if not isinstance(guard.phase, Idle):
        return guard, [report]  # A job is under way: its deadline decides, not this.
    tree = guard.phase.tree
    if tree == "none":
        # Else our elector, which resigns, would take our end for a death.
        guard, effects = leave(guard, exit_code, None, now_s, plan)
        return guard, [report, *effects]
    killing = tree == "frozen"
    phase = Stopping(None, now_s + plan.stop_timeout_s, Quit(exit_code), killing=killing)
    return guard.to(phase), [report, KillTree() if killing else StopTree(plan.stop_signal)]
