"""The guard and the hooks that decide: commands that run in the job's place, before and after it.

::

    Stopping ──tree empty──▶ Hook(pre-start) ──exit 0──▶ Stopping ──tree empty──▶ Running
    (what stood by)              │ fails, or takes too long
                                 ▼
                              Stopping ──tree empty──▶ Idle: released, and resting

    Stopping ──tree empty──▶ Hook(post-stop) ──whatever comes of it──▶ Stopping ──▶ released
    (the job)

While one runs it is the job, to the fuse, to whoever buries us, and to rule S4: it has the job's
deadlines, its tree is killed as the job's is, and nothing is started or released while any of it
lives. So two gates, or a gate and another's job, never run at once, for the same reasons for which
two jobs do not.
"""

from __future__ import annotations

from coordsidecar.core import messages as msg
from coordsidecar.core.guard.company import because
from coordsidecar.core.guard.moves import Effect, KillTree, Plan, Report, ShowRole, StartHook, Tell
from coordsidecar.core.guard.phases import After, Guard, Hook, Lead, Quit, Rejoin, Stopping
from coordsidecar.value import replace

__all__ = ["begin_term", "clear", "ended", "gate", "is_to_be_cleared", "lost", "overdue", "stopped"]

Step = tuple[Guard, list[Effect]]


def begin_term(guard: Guard, lease: msg.Leased, plan: Plan) -> Guard:
    """Something of ours is about to run under ``lease``: that is to be cleared up after."""
    return replace(guard, to_clear=lease.token if plan.has_post_stop else None)


def is_to_be_cleared(guard: Guard, lease: msg.Leased | None, after: After) -> bool:
    """Whether `clear` is due before ``lease`` is given up."""
    if lease is None or guard.to_clear != lease.token:
        return False
    return isinstance(after, Rejoin | Quit)


def gate(guard: Guard, lease: msg.Leased, now_s: float, plan: Plan) -> Step:
    """Once a term, before its job is started for the first time."""
    hook = Hook(lease, "pre-start", now_s + plan.hook_timeout_s, Lead(gated=True))
    guard = begin_term(guard, lease, plan).to(hook)
    # Not yet the leader: what only a leader may do is the job's, and that does not run.
    show = ShowRole("standby", lease.token, lease.run_until_s, None)
    return guard, [show, StartHook("pre-start", lease.token)]


def clear(
    guard: Guard,
    lease: msg.Leased,
    after: After,
    now_s: float,
    plan: Plan,
    *,
    asked: bool,
) -> Step:
    """The job's tree is gone, and the lead is still ours: the last chance to clean up under it."""
    kill_at_s = now_s + plan.hook_timeout_s
    hook = Hook(lease, "post-stop", kill_at_s, after, asked=asked)
    guard = replace(guard, to_clear=None).to(hook)
    show = ShowRole("stopping", lease.token, lease.run_until_s, None)
    return guard, [show, StartHook("post-stop", lease.token)]


def ended(guard: Guard, exit_code: int, why: str, now_s: float, plan: Plan) -> Step:
    """Its main process is gone. It had its time: what is left of its tree goes at once."""
    hook = guard.phase
    assert isinstance(hook, Hook)
    if exit_code == 0:
        return _kill_rest(guard, hook, now_s)
    return _failed(guard, hook, f"{why}; exit code {exit_code}", now_s, plan)


def overdue(guard: Guard, hook: Hook, now_s: float, plan: Plan) -> Step:
    """`--hook-timeout` is over, or the lease leaves no more (rule S2)."""
    return _failed(guard, hook, "it did not end in time; killing it", now_s, plan)


def stopped(guard: Guard, hook: Hook, quit_code: int, now_s: float) -> Step:
    """Somebody asks us to end, while we clean up after the job: asked again, we do no more."""
    if hook.asked:
        return _kill_rest(guard, hook, now_s)
    after = hook.after if isinstance(hook.after, Quit) else Quit(quit_code)
    return guard.to(replace(hook, asked=True, after=after)), []


def lost(guard: Guard, hook: Hook, after: After, kill_at_s: float) -> Guard:
    """The lead went while we clean up after the job: that has what grace the lease leaves."""
    after = hook.after if isinstance(hook.after, Quit) else after
    return guard.to(replace(hook, kill_at_s=min(hook.kill_at_s, kill_at_s), after=after))


def _failed(guard: Guard, hook: Hook, what: str, now_s: float, plan: Plan) -> Step:
    effects: list[Effect] = []
    guard = because(guard, f"{hook.name}: {what}")
    if hook.name == "pre-start":
        what += "; the job is not started, another instance may lead"
        # Or the same one would be elected, again and again, while another stands by.
        hook = replace(hook, after=Rejoin(plan.gate_rest_s))
        effects = [Tell(msg.Ending(hook.lease.token))]
    report = Report(f"{hook.name}-failed", what, hook.lease.token)
    guard, more = _kill_rest(guard, hook, now_s)
    return guard, [*effects, *more, report]


def _kill_rest(guard: Guard, hook: Hook, now_s: float) -> Step:
    phase = Stopping(hook.lease, now_s, hook.after, killing=True, asked=hook.asked, of_hook=True)
    return guard.to(phase), [KillTree()]
