"""What the guard makes of signals: they work in every phase (rule S12)."""

from __future__ import annotations

import signal

from coordsidecar.core import messages as msg
from coordsidecar.core.guard import hooks, rules
from coordsidecar.core.guard.company import because
from coordsidecar.core.guard.deadlines import kill_at_latest_s, must_not_run
from coordsidecar.core.guard.leaving import finish, leave
from coordsidecar.core.guard.moves import (
    Effect,
    FreezeTree,
    KillTree,
    Plan,
    Report,
    SignalJob,
    StopTree,
    SuspendSelf,
    Tell,
    ThawTree,
)
from coordsidecar.core.guard.phases import (
    Backoff,
    Done,
    Guard,
    Hook,
    Idle,
    Leaving,
    Quit,
    Running,
    Stopping,
    Yielding,
    lease_of,
)
from coordsidecar.core.guard.rules import stop
from coordsidecar.value import replace

Step = tuple[Guard, list[Effect]]

_ASKING_TO_STOP = frozenset({signal.SIGTERM, signal.SIGINT})
_ENDING_WITHOUT_JOB = _ASKING_TO_STOP | {signal.SIGHUP, signal.SIGQUIT, signal.SIGABRT}


def signalled(guard: Guard, signum: int, now_s: float, plan: Plan) -> Step:
    quit_code = 128 + signum
    match guard.phase:
        case Idle("none") if signum in _ENDING_WITHOUT_JOB:
            return leave(guard, quit_code, None, now_s, plan)
        case Backoff(lease) if signum in _ENDING_WITHOUT_JOB:
            guard = because(guard, signal.Signals(signum).name)
            return rules.over(guard, lease, Quit(quit_code), None, now_s, plan, asked=True)
        case Hook(name="post-stop") as hook if signum in _ENDING_WITHOUT_JOB:
            return hooks.stopped(guard, hook, quit_code, now_s)
        case Hook(lease) if signum in _ENDING_WITHOUT_JOB:
            kill_at_s = kill_at_latest_s(guard.phase, now_s, plan.stop_timeout_s)
            quit_ = Quit(quit_code)
            stopping = Stopping(lease, kill_at_s, quit_, asked=True, of_hook=True)
            why = f"{signal.Signals(signum).name}: stopping the gate of the job"
            return stop(guard, lease, stopping, plan.stop_signal, "stopping", why, now_s, plan)
        case phase if signum in _ENDING_WITHOUT_JOB and must_not_run(phase, plan):
            lease = lease_of(phase)
            phase = Stopping(lease, now_s, Quit(quit_code), killing=True, asked=True)
            return because(guard, signal.Signals(signum).name).to(phase), [KillTree()]
        case Idle(tree) if signum in _ASKING_TO_STOP and tree != "none":
            phase = Stopping(None, now_s + plan.stop_timeout_s, Quit(quit_code), asked=True)
            return guard.to(phase), [StopTree(plan.stop_signal)]
        case Running(lease) | Yielding(lease) if signum in _ASKING_TO_STOP:
            stop_signal = plan.stop_signal if signum == signal.SIGTERM else signum
            kill_at_s = kill_at_latest_s(guard.phase, now_s, plan.stop_timeout_s)
            stopping = Stopping(lease, kill_at_s, Quit(), asked=True)
            why = f"{signal.Signals(signum).name}: stopping the job"
            return stop(guard, lease, stopping, stop_signal, "stopping", why, now_s, plan)
        case Stopping() as phase if signum in _ASKING_TO_STOP:
            if phase.asked:
                return guard.to(replace(phase, killing=True)), [KillTree()]
            after = phase.after if isinstance(phase.after, Quit) else Quit(quit_code)
            guard = because(guard, signal.Signals(signum).name)
            return guard.to(replace(phase, asked=True, after=after)), []
        case Leaving(exit_code) if signum in _ASKING_TO_STOP:
            return finish(guard, exit_code)
        case Hook() | Stopping(of_hook=True):
            return guard, []  # What is meant for the job is none of a hook's business.
        case Idle("none") | Backoff() | Idle("frozen") | Leaving() | Done():
            return guard, []
        case _:
            return guard, [SignalJob(signum)]


def suspend(guard: Guard) -> Step:
    """Ctrl-Z: never stopped ourselves while the job runs on, for then nobody would guard it."""
    report = Report("suspended", "suspended; the job is paused with us")
    freeze: list[Effect] = [FreezeTree()] if isinstance(guard.phase, Running | Hook) else []
    return guard, [*freeze, report, Tell(msg.Suspended()), SuspendSelf()]


def resume(guard: Guard) -> Step:
    """Continued; a deadline that passed meanwhile has been seen to before."""
    thaw: list[Effect] = [ThawTree()] if isinstance(guard.phase, Running | Hook) else []
    return guard, [Tell(msg.Resumed()), *thaw]
