"""The guard's moves between its phases; `guard.step` says which one is due."""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import deadlines, hooks, leaving, restarting
from coordsidecar.core.guard.company import because, given_back, release_effects, unfit
from coordsidecar.core.guard.deadlines import kill_at_latest_s, must_not_run
from coordsidecar.core.guard.moves import (
    AwaitObedience,
    Effect,
    FreezeTree,
    KillTree,
    Plan,
    Report,
    Role,
    ShowRole,
    SignalJob,
    StartJob,
    StopTree,
    Tell,
    ThawTree,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Guard,
    Hook,
    Idle,
    Lead,
    Quit,
    Rejoin,
    Rerun,
    Running,
    Stopping,
    Yielding,
    lease_of,
)
from coordsidecar.duration import format_duration
from coordsidecar.hints import assert_never
from coordsidecar.value import replace

Step = tuple[Guard, list[Effect]]

LOST_EXIT_CODE = 123


def show(role: Role, lease: msg.Leased | None, guard: Guard) -> ShowRole:
    if lease is None:
        return ShowRole(role, None, None, guard.leader)
    return ShowRole(role, lease.token, lease.run_until_s, None)


def enter_idle(guard: Guard, plan: Plan, *, tree: str = "none") -> Step:
    """Stand by; with the standby command, or with the job that is signalled, running."""
    effects: list[Effect] = []
    if tree == "none" and (plan.has_standby_command or plan.while_standby == "signal"):
        tree = "standby" if plan.has_standby_command else "held"
        effects = [StartJob("standby", None)]
    assert tree in ("none", "standby", "held", "frozen")
    guard = guard.to(Idle(tree))  # type: ignore[arg-type]  # asserted above
    return guard, [show("standby", None, guard), *effects]


def begin_leading(guard: Guard, idle: Idle, lease: msg.Leased, now_s: float, plan: Plan) -> Step:
    """Leadership is ours: wake the job that was kept, or clear what stood by and start the job."""
    is_late = now_s >= lease.step_down_at_s  # Rule S5: the yes came too late to be safe.
    if is_late or not guard.condition.stands:
        why = "the lead came too late to be safe" if is_late else unfit(guard)
        guard = because(replace(guard, why=""), why)
        release = release_effects(guard, lease.token, 0.0, leave=False)
        return given_back(guard, lease, plan), release
    guard = replace(guard, leader=None, why="")
    if idle.tree in ("frozen", "held"):
        guard = replace(guard, token_floor=lease.token).to(Running(lease))
        wake: Effect = ThawTree() if idle.tree == "frozen" else SignalJob(plan.lead_signal)
        report = transition("leading", "the job goes on", lease, now_s)
        return guard, [show("leader", lease, guard), wake, report]
    phase = Stopping(lease, kill_at_s=now_s + plan.stop_timeout_s, after=Lead())
    return guard.to(phase), [StopTree(plan.stop_signal)]


def lose(
    guard: Guard,
    lease: msg.Leased,
    why: str,
    now_s: float,
    plan: Plan,
    *,
    job_ended: bool = False,
) -> Step:
    """Leadership is over, or about to be: the job goes, with what grace the lease leaves.

    ``job_ended``: its main process, as we are just told; the rest cannot be made to stand by.
    """
    kill_at_s = now_s + plan.timing.lost_grace_s
    is_hook = isinstance(guard.phase, Hook)
    report = transition("lost", why, lease, now_s)
    guard = because(guard, why)
    after = Quit(LOST_EXIT_CODE) if plan.exit_on_lost else Rejoin()
    guard = replace(guard, to_clear=None)  # No time for it, and another may lead any moment now.
    match guard.phase:
        case Hook(name="post-stop") as hook:
            return hooks.lost(guard, hook, after, kill_at_s), [report]
        case Running() | Hook() if now_s >= deadlines.kill_due_s(kill_at_s, lease, plan):
            # We were frozen past all grace: a stop signal would only let the job act once more.
            guard = guard.to(Stopping(lease, kill_at_s, after, killing=True, of_hook=is_hook))
            return guard, [KillTree(), show("stopping", lease, guard), report]
        case Running() if plan.while_standby != "stop" and not (plan.exit_on_lost or job_ended):
            return give_way(guard, lease, kill_at_s, report, now_s, plan)
        case Running() | Hook():
            kill_at_s = kill_at_latest_s(guard.phase, now_s, plan.timing.lost_grace_s)
            guard = guard.to(Stopping(lease, kill_at_s, after, of_hook=is_hook))
            return guard, [show("stopping", lease, guard), StopTree(plan.stop_signal), report]
        case Stopping(after=was) as phase:
            after = was if isinstance(was, Quit) else after
            kill_at_s = min(phase.kill_at_s, kill_at_s)
            return guard.to(replace(phase, kill_at_s=kill_at_s, after=after)), [report]
        case Backoff():
            guard, effects = over(guard, lease, after, None, now_s, plan)
            return guard, [report, *effects]
        case _:
            return guard, []  # Yielding already, at the same pace.


def stop(
    guard: Guard,
    lease: msg.Leased,
    stopping: Stopping,
    signum: int,
    event: str,
    why: str,
    now_s: float,
    plan: Plan,
) -> Step:
    """The job of a leader is asked to stop, and the lead kept until its tree is gone (rule S13)."""
    patience = f"SIGKILL follows in {format_duration(max(stopping.kill_at_s - now_s, 0.0))}"
    if deadlines.kill_due_s(stopping.kill_at_s, lease, plan) < stopping.kill_at_s:
        patience += ", or sooner if the lead is not renewed meanwhile"
    report = transition(event, f"{why}; {patience}", lease, now_s)
    guard, ending = because(guard, why).to(stopping), Tell(msg.Ending(lease.token))
    return guard, [show("stopping", lease, guard), StopTree(signum), ending, report]


def give_way(
    guard: Guard,
    lease: msg.Leased,
    kill_at_s: float,
    report: Report,
    now_s: float,
    plan: Plan,
    *,
    rest_s: float = 0.0,
) -> Step:
    """Hand over, but keep the job for the next time: frozen, or told to stand by."""
    guard = because(guard, report.message)
    if plan.while_standby == "freeze":
        guard = guard.to(Yielding(lease, kill_at_s, rest_s))
        return guard, [show("stopping", lease, guard), FreezeTree(), report]
    tell = SignalJob(plan.standby_signal)
    if plan.standby_timeout_s is None:
        # The job is trusted to obey at once; the user chose so.
        guard, effects = _hand_back(guard, lease, plan, rest_s)
        return guard, [tell, report, *effects]
    guard = guard.to(Yielding(lease, min(kill_at_s, now_s + plan.standby_timeout_s), rest_s))
    return guard, [AwaitObedience(), tell, show("stopping", lease, guard), report]


def _hand_back(guard: Guard, lease: msg.Leased, plan: Plan, rest_s: float) -> Step:
    """Release, keeping the job for the next time."""
    effects = release_effects(guard, lease.token, rest_s, leave=False)
    kept = "frozen" if plan.while_standby == "freeze" else "held"
    guard, more = enter_idle(given_back(guard, lease, plan, rest_s), plan, tree=kept)
    return guard, effects + more


def tree_held(guard: Guard, plan: Plan) -> Step:
    """Everything is frozen, or the job has said that it stands by."""
    if not isinstance(guard.phase, Yielding):
        return guard, []
    return _hand_back(guard, guard.phase.lease, plan, guard.phase.rest_s)


def kill_instead_of_yielding(guard: Guard, yielding: Yielding, plan: Plan) -> Step:
    lease = yielding.lease
    report = Report("killing", "the job could not be made to stand by in time", lease.token)
    after = Quit(LOST_EXIT_CODE) if plan.exit_on_lost else Rejoin(yielding.rest_s)
    phase = Stopping(lease, kill_at_s=-math.inf, after=after, killing=True)
    return guard.to(phase), [KillTree(), report]


def job_ended(
    guard: Guard, exit_code: int, now_s: float, plan: Plan, *, why: str = "the job ended"
) -> Step:
    """The main process is gone; whatever is left of its tree must go too, with the usual grace."""
    if isinstance(guard.phase, Stopping) and guard.phase.of_hook:
        return guard, []
    lease = lease_of(guard.phase)
    report = transition("job-ended", f"{why}; exit code {exit_code}", lease, now_s)
    match guard.phase:
        case phase if must_not_run(phase, plan):
            guard, after = restarting.after_end(guard, exit_code, lease, now_s, plan)
            phase = Stopping(lease, now_s, after, killing=True, job_code=exit_code)
            return guard.to(phase), [report, KillTree()]
        case Running() | Yielding() | Idle("held"):
            guard, after = restarting.after_end(guard, exit_code, lease, now_s, plan)
        case Idle("standby"):
            return guard.to(Idle()), [report, KillTree()]
        case Stopping() as phase:
            return guard.to(replace(phase, job_code=exit_code)), [report]
        case _:
            return guard, []
    kill_at_s = kill_at_latest_s(guard.phase, now_s, plan.stop_timeout_s)
    guard = guard.to(Stopping(lease, kill_at_s, after, job_code=exit_code))
    ending = [Tell(msg.Ending(lease.token))] if lease and not isinstance(after, Rerun) else []
    return guard, [*ending, report, show("stopping", lease, guard), StopTree(plan.stop_signal)]


def tree_empty(guard: Guard, now_s: float, plan: Plan) -> Step:
    """Nothing is left of the tree: only now may anything be started or released (rule S4)."""
    if not isinstance(guard.phase, Stopping):
        return guard, []
    phase = guard.phase
    lease, after, code = phase.lease, phase.after, phase.job_code
    return over(guard, lease, after, code, now_s, plan, asked=phase.asked)


def over(
    guard: Guard,
    lease: msg.Leased | None,
    after: Lead | Rejoin | Rerun | Quit,
    job_code: int | None,
    now_s: float,
    plan: Plan,
    *,
    asked: bool = False,
) -> Step:
    in_time = lease is None or now_s < lease.step_down_at_s
    if isinstance(after, Lead) and not guard.condition.stands:
        guard, after = because(guard, unfit(guard)), Rejoin()
    if lease is not None and in_time and hooks.is_to_be_cleared(guard, lease, after):
        if after == Quit():
            after = Quit(job_code or 0)
        return hooks.clear(guard, lease, after, now_s, plan, asked=asked)
    match after:
        case Lead(gated) if in_time and lease is not None and plan.has_pre_start and not gated:
            return hooks.gate(guard, lease, now_s, plan)
        case Lead() if in_time:
            return run_again(guard, lease, plan)
        case Rerun(delay_s) if in_time:
            report = Report("restarting", f"the job starts again in {delay_s:.1f}s")
            return guard.to(Backoff(lease, now_s + delay_s)), [report]
        case Quit(exit_code):
            code = exit_code if exit_code is not None else (job_code or 0)
            return leaving.leave(guard, code, lease, now_s, plan)
        case Lead() | Rerun() | Rejoin():
            assert lease is not None, "only a leader has something to release"
            rest_s = after.rest_s if isinstance(after, Rejoin) else 0.0
            guard, effects = enter_idle(given_back(guard, lease, plan, rest_s), plan)
            return guard, release_effects(guard, lease.token, rest_s, leave=False) + effects
        case _:
            assert_never(after)


def run_again(guard: Guard, lease: msg.Leased | None, plan: Plan) -> Step:
    """Start the job: as the leader under ``lease``, or to stand by."""
    if lease is None:
        return enter_idle(guard, plan)
    guard = hooks.begin_term(guard, lease, plan)
    guard = replace(guard, token_floor=max(guard.token_floor, lease.token)).to(Running(lease))
    return guard, [show("leader", lease, guard), StartJob("leader", lease.token)]


def transition(event: str, message: str, lease: msg.Leased | None, now_s: float) -> Report:
    if lease is None:
        return Report(event, message)
    left_s = lease.run_until_s - now_s
    return Report(event, message, lease.token, left_s if math.isfinite(left_s) else None)
