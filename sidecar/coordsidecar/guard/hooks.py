"""The hooks: what they are told, and the guard's handle on the process that runs most of them.

`saw` is shown every effect that is carried out, and notes what of it is news. It decides nothing,
and nothing waits for it: `tell` comes last, when all else is done. The two hooks that run in the
job's place are the core's business (`core.guard.hooks`); here is only what stands in their
environment.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping

from coordsidecar.children.forking import Dispositions
from coordsidecar.children.hook_runner import LAST_S, NEWS_BYTES_MAX, HookRunner
from coordsidecar.core.guard.moves import Effect, Report, ShowRole, StartHook, StartJob
from coordsidecar.guard.helper import Helper
from coordsidecar.guard.job_env import environment_beside_job, token_variable
from coordsidecar.log import Log, one_line
from coordsidecar.refusals import refusal
from coordsidecar.settings.settings import Settings

__all__ = ["Hooks"]

_WHY_A_LEAD_ENDS = (
    "lost",
    "stopping",
    "stepping-down",
    "unhealthy",
    "job-ended",
    "pre-start-failed",
)
# Standard error may have been closed when we were started.
_IN_PLACE = 'command exec >&2 || command exec >/dev/null; exec /bin/sh -c "$0" </dev/null'
_LONGEST_REASON, _LONGEST_LEADER = 500, 200
# Its last hooks, and what it takes to kill them.
_RUNNER_ENDS_WITHIN_S = LAST_S + 1.0


class Hooks:
    """There is one only where any hook is configured."""

    def __init__(
        self, settings: Settings, log: Log, dispositions: Dispositions, *, guard_pidfd: int
    ) -> None:
        self._runner = Helper("hook-runner", guard_pidfd=guard_pidfd)
        self._settings, self._log, self._dispositions = settings, log, dispositions
        self._guard_pidfd = guard_pidfd
        self._news: list[tuple[str, dict[str, str]]] = []
        self._role = self._told = ""
        self._led: int | None = None
        self._gated: int | None = None
        self._leader = ""
        self._why = ""
        if settings.told:
            self._start_runner()

    # ── what happens ───────────────────────────────────────────────────────────────────────────

    def saw(self, effect: Effect) -> None:
        """Note what the hooks are to hear of ``effect``, which is about to be done."""
        match effect:
            case Report("lost", why, token) if token is not None and token == self._led:
                self._why, self._leader = why, ""  # Who leads by now is not known yet.
                self._note("on-lead-lost", "leader", "stopping")
            case Report("lost", why, token) if token is not None and token == self._gated:
                # Its job had not started yet; but the gate may have done half of its work.
                self._led, self._why, self._leader = token, why, ""
                self._note("on-lead-lost", "standby", "stopping")
            case Report(event, why) if event in _WHY_A_LEAD_ENDS:
                self._why = self._why or why
            case StartHook("pre-start", token):
                self._why, self._gated = "", token
            case StartJob():
                self._why = ""
            case ShowRole(role, token, _, leader):
                self._leader = leader or ""
                if role == "leader" and token != self._led:
                    self._leader, self._led = self._settings.id, token
                    self._note("on-lead", "standby", role, why="elected")
                elif role == "standby" and token is None and self._is_news(leader):
                    why = self._why or (f"{leader} leads" if leader else "")
                    role_old = self._role if self._told else ""
                    self._note("on-standby", role_old, role, why=why)
                self._role = role
            case _:
                pass

    def _is_news(self, leader: str | None) -> bool:
        """That we stand by: the first time once it is known who leads, then after each lead."""
        if self._told == "on-standby":
            return False
        return bool(leader) or self._told != ""

    def _note(self, hook: str, role_old: str, role: str, *, why: str = "") -> None:
        self._told = hook
        if hook in self._settings.told:
            self._news.append((hook, self._variables(hook, role_old, role, self._led, why)))

    def _variables(
        self, hook: str, role_old: str, role: str, token: int | None, why: str = ""
    ) -> dict[str, str]:
        variables = {
            "COORDSIDECAR_HOOK": hook,
            "COORDSIDECAR_ROLE_OLD": role_old,
            "COORDSIDECAR_ROLE": role,
            "COORDSIDECAR_REASON": one_line(why or self._why)[:_LONGEST_REASON],
            "COORDSIDECAR_LEADER": one_line(self._leader)[:_LONGEST_LEADER],
            **token_variable(token),
        }
        return {name: value for name, value in variables.items() if value}

    def in_the_jobs_place(self, hook: str, token: int) -> tuple[list[str], dict[str, str]]:
        """The command of the gate, or of ``post-stop``, and what it is told."""
        self._leader = self._settings.id
        if hook == "pre-start":
            variables = self._variables(hook, "standby", "leader", token, "elected")
        else:
            variables = self._variables(hook, "leader", "stopping", token)
        command = self._settings.pre_start if hook == "pre-start" else self._settings.post_stop
        assert command is not None
        # What the job reads and writes is none of its business: no input, and output to the log's.
        return ["/bin/sh", "-c", _IN_PLACE, command], variables

    # ── the process that runs those that are only told ─────────────────────────────────────────

    def tell(self) -> None:
        """Hand on what is new. What cannot be said at once is not said: the hook is not run."""
        news, self._news = self._news, []
        for hook, variables in news:
            if self.pid is None:
                self._start_runner()
            packet = json.dumps([hook, variables]).encode()
            assert len(packet) <= NEWS_BYTES_MAX, "texts are cut to size where they enter"
            if not self._send(packet):
                self._log.event(hook, "the hook was not run: the process that runs them is stuck")

    def _send(self, packet: bytes) -> bool:
        return self._runner.send(packet)

    def _start_runner(self) -> None:
        environ = environment_beside_job(os.environ, self._settings, guard=os.getpid())
        try:
            self._runner.start(lambda link: self._be_the_runner(link, environ), self._own_log)
        except OSError as error:
            self._log.once("hooks", f"no process to run hooks: {refusal(error)}")

    def _be_the_runner(self, link: socket.socket, environ: Mapping[str, str]) -> None:
        HookRunner(
            self._own_log(),
            self._dispositions,
            self._settings.told,
            environ,
            link=link,
            guard_pidfd=self._guard_pidfd,
            timeout_s=self._settings.hook_timeout_s,
        ).serve()

    def _own_log(self) -> Log:
        settings = self._settings
        prefix = settings.election.prefix
        return Log(fmt=settings.log_format, election=prefix, node_id=settings.id)

    @property
    def pid(self) -> int | None:
        return self._runner.pid

    @property
    def pids(self) -> tuple[int | None, ...]:
        return self._runner.pids

    def was_reaped(self, pid: int) -> None:
        """The next news get another process."""
        if self._runner.was_reaped(pid):
            self._log.event("hooks", "what runs hooks has ended; what it had still to run is lost")

    def tidy(self) -> None:
        """We end: hooks get a last moment, and then nothing is left of them."""
        self.tell()
        self._runner.end(within_s=_RUNNER_ENDS_WITHIN_S)
