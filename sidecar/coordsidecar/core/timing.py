"""How long everything may take, and the inequalities that make it safe (rules S1 and S2).

From the moment a renewal is *sent*, with a TTL of 15 s::

    0 s        3 s       6 s    8 s            12 s   13 s            15 s
    |- renew --|- renew --|-----|--- grace G ---|- K --|--- margin ----|
    sent                        D               kill   run_until       the store may give it away
                                step down: the  SIGKILL: the tree is
                                stop signal     gone before run_until

All of it is on the clock that counts suspend, and from the *sending* of the renewal: when the store
received it, and what it makes of its own clock, can only be later.
"""

from __future__ import annotations

import math

from coordsidecar.value import Value

__all__ = ["Timing", "UnsafeTimingError"]

_LEAST_MARGIN_S = 1.0
_LEAST_MARGIN_SHARE = 0.10
_LONGEST_LOOKUP_S = 30.0  # Of a host's name: no call's time-out bounds it.
_LOOK_SHARE = 0.4
_START_S = 30.0  # On a busy host, imports alone take seconds.


class UnsafeTimingError(ValueError):
    """A combination of settings under which two jobs could run at once."""


class Timing(Value, kw_only=True):
    """A safe set of times, all in seconds; one that is not safe cannot be built."""

    ttl_s: float
    renew_every_s: float
    rpc_timeout_s: float
    lost_grace_s: float
    kill_reserve_s: float
    margin_s: float
    takeover_delay_s: float

    @classmethod
    def for_ttl(
        cls,
        ttl_s: float,
        *,
        renew_every_s: float | None = None,
        rpc_timeout_s: float | None = None,
        lost_grace_s: float | None = None,
        kill_reserve_s: float | None = None,
        margin_s: float | None = None,
        takeover_delay_s: float | None = None,
    ) -> Timing:
        """Derive whatever is not given from the TTL.

        At 15 s: renew 3 s, call 2 s, grace 4 s, kill reserve 1 s, margin 2 s, takeover delay 15 s.
        """

        def given_or(given: float | None, derived: float) -> float:
            return derived if given is None else given

        margin_s = given_or(margin_s, max(_LEAST_MARGIN_S, ttl_s * 2 / 15))
        rest_s = max(ttl_s - margin_s, 0.0)
        return cls(
            ttl_s=ttl_s,
            renew_every_s=given_or(renew_every_s, rest_s * 3 / 13),
            rpc_timeout_s=given_or(rpc_timeout_s, rest_s * 2 / 13),
            lost_grace_s=given_or(lost_grace_s, rest_s * 4 / 13),
            kill_reserve_s=given_or(kill_reserve_s, rest_s * 1 / 13),
            margin_s=margin_s,
            # A revoked leader that is cut off as well may run until ttl - margin after its last
            # renewal, on a clock that runs 5 % slow; ours may run 5 % fast. A whole TTL covers it.
            takeover_delay_s=given_or(takeover_delay_s, ttl_s),
        )

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not math.isfinite(value) or value < 0:
                raise UnsafeTimingError(f"{_option(name)} must be a positive duration")
        for name in ("ttl_s", "renew_every_s", "rpc_timeout_s", "kill_reserve_s"):
            if getattr(self, name) <= 0:
                raise UnsafeTimingError(f"{_option(name)} must be more than 0s")
        least_margin_s = max(_LEAST_MARGIN_S, _LEAST_MARGIN_SHARE * self.ttl_s)
        if self.margin_s < least_margin_s - 1e-9:
            raise UnsafeTimingError(
                f"unsafe timing: --margin {self.margin_s:g}s is less than {least_margin_s:g}s "
                f"(1s or 10% of the TTL, for kill latency and clock drift); "
                f"use --margin {least_margin_s:g}s or leave it out"
            )
        if self.step_down_after_s < self.renew_every_s + 2 * self.rpc_timeout_s - 1e-9:
            safe_ttl_s = math.ceil(
                (self.renew_every_s + 2 * self.rpc_timeout_s)
                + (self.lost_grace_s + self.kill_reserve_s + self.margin_s)
            )
            raise UnsafeTimingError(
                f"unsafe timing: after --lost-grace {self.lost_grace_s:g}s, "
                f"--kill-reserve {self.kill_reserve_s:g}s and --margin {self.margin_s:g}s, "
                f"--ttl {self.ttl_s:g}s leaves {self.step_down_after_s:g}s for renewals, but "
                f"--renew-every {self.renew_every_s:g}s + 2 x --rpc-timeout "
                f"{self.rpc_timeout_s:g}s needs "
                f"{self.renew_every_s + 2 * self.rpc_timeout_s:g}s; "
                f"use --ttl {safe_ttl_s}s, or leave out all but --ttl"
            )

    @property
    def step_down_after_s(self) -> float:
        """D: without a successful renewal for so long, the stop signal goes out."""
        return self.ttl_s - self.margin_s - self.yield_s

    @property
    def yield_s(self) -> float:
        """G + K: what stopping a job takes at the most that has to stop for want of a lease."""
        return self.lost_grace_s + self.kill_reserve_s

    @property
    def elector_silence_s(self) -> float:
        """How long the guard waits for what the elector was to do before it replaces it.

        Short enough that a new elector can renew before the job has to be stopped.
        """
        return max(0.5, self.rpc_timeout_s)

    @property
    def guard_silence_s(self) -> float:
        """How long the guard may be stopped, at the most, before the elector ends its job.

        Longer than the other way round: the price of an error is the job, and as long as the
        elector renews, nothing is in danger.
        """
        return max(1.0, self.step_down_after_s / 2)

    @property
    def look_at_guard_s(self) -> float:
        """How often the elector looks whether the guard is stopped.

        When it wakes to renew, as a rule, and as often between.
        """
        longest_s = self.guard_silence_s * _LOOK_SHARE
        return self.renew_every_s / math.ceil(self.renew_every_s / longest_s)

    @property
    def guard_spared_s(self) -> float:
        """How long it may be stopped, at the least, and be none the worse for it."""
        return self.guard_silence_s - self.look_at_guard_s

    @property
    def guard_patience_s(self) -> float:
        """How long it waits for a guard that is not stopped, and may only get no processor: D."""
        return max(self.guard_silence_s, self.step_down_after_s)

    @property
    def start_patience_s(self) -> float:
        """How long guard and elector may take until their first sign of life."""
        return max(_START_S, self.guard_patience_s)

    @property
    def call_patience_s(self) -> float:
        """How long a call may be under way before it hangs: beyond every time-out that it has."""
        return _LONGEST_LOOKUP_S + 2 * self.rpc_timeout_s

    @property
    def elector_step_every_s(self) -> float:
        """How often the elector steps, at the least."""
        return self.renew_every_s

    @property
    def guard_step_every_s(self) -> float:
        """How often the guard steps, at the least, so as not to be given up."""
        return self.guard_patience_s / 2

    @property
    def healthy_age_s(self) -> float:
        """How long ago guard and elector may have stepped last, if they are well."""
        return self.renew_every_s + self.elector_silence_s

    @property
    def look_again_s(self) -> float:
        """How soon whoever suspects something looks again."""
        return self.elector_silence_s / 4


def _option(field_name: str) -> str:
    return "--" + field_name.removesuffix("_s").replace("_", "-")
