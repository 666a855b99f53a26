"""Processes and hosts that die, stop, sleep and crash."""

from __future__ import annotations

import math

from tests.sim.faulty import Fault, Faulty

__all__ = ["ProcessFaults"]


class ProcessFaults:
    """One thing is left to the last three: the guard is not stopped or starved while its elector is
    dead, stopped or starved, nor the elector while the guard is, or while it does a dead guard's
    work. Where both are out of action, the fuse is left, which nothing happens to.
    """

    def __init__(self, faulty: Faulty) -> None:
        self._faulty = faulty
        self.kinds: list[tuple[Fault, float]] = [
            (self.kill_guard, 2),
            (self.kill_elector, 2),
            (self.pause_guard, 2),
            (self.stop_guard_at_work, 2),
            (self.pause_elector, 2),
            (self.stop_elector_at_work, 1),
            (self.hold_elector, 1),
            (self.starve_guard, 1),
            (self.starve_elector, 1),
            (self.oversleep, 1.5),
            (self.suspend_host, 2),
            (self.crash_host, 1),
            (self.stop_both, 1),
            (self.stop_guard_and_kill_elector, 1),
            (self.kill_both, 1),
        ]

    def kill_guard(self) -> bool:
        node = self._faulty.node()
        sidecar = node.sidecar
        if not sidecar.guard.alive or not self._faulty.elector_is_well(node):
            return False
        self._faulty.say(node, "the guard is killed")
        sidecar.guard.kill()
        return True

    def kill_elector(self) -> bool:
        node = self._faulty.node()
        sidecar = node.sidecar
        if not self._faulty.guard_is_well(node) or sidecar.elector is None:
            return False
        self._faulty.say(node, "the elector is killed")
        sidecar.elector.kill()
        return True

    def starve_guard(self) -> bool:
        """Not stopped: it gets a processor now and then."""
        node = self._faulty.node()
        guard = node.sidecar.guard
        if node.host.suspended or not guard.running or not self._faulty.elector_is_well(node):
            return False
        for_s = self._faulty.a_while_s()
        guard.late_s = self._faulty.ttl_s * self._faulty.world.rng.choice((0.02, 0.1, 0.3))
        self._faulty.world.after(for_s, guard.recover)
        return self._faulty.say(node, f"the guard is up to {guard.late_s:.2f}s late, {for_s:.2f}s")

    def starve_elector(self) -> bool:
        node = self._faulty.node()
        elector = node.sidecar.elector
        if elector is None or not elector.running or not self._faulty.guard_is_well(node):
            return False
        for_s = self._faulty.a_while_s()
        elector.late_s = self._faulty.ttl_s * self._faulty.world.rng.choice((0.02, 0.1, 0.3))
        self._faulty.world.after(for_s, elector.recover)
        return self._faulty.say(node, f"the elector is up to {elector.late_s:.2f}s late")

    def pause_guard(self) -> bool:
        node = self._faulty.node()
        guard = node.sidecar.guard
        if node.host.suspended or not guard.running or not self._faulty.elector_is_well(node):
            return False
        for_s = self._faulty.a_while_s()
        self._faulty.say(node, f"the guard is stopped for {for_s:.2f}s")
        guard.pause()
        self._faulty.world.after(for_s, guard.resume)
        return True

    def stop_guard_at_work(self) -> bool:
        """Between what it has decided and what it does."""
        node = self._faulty.node()
        guard = node.sidecar.guard
        if not guard.running:
            return False
        guard.stop_after = self._faulty.world.rng.randrange(12)
        guard.may_stop = lambda: (
            not self._faulty.over and not node.host.suspended and self._faulty.elector_is_well(node)
        )
        guard.stopped_for_s = self._faulty.a_while_s()
        return self._faulty.say(
            node, f"the guard will be stopped at work for {guard.stopped_for_s:.2f}s"
        )

    def pause_elector(self) -> bool:
        node = self._faulty.node()
        elector = node.sidecar.elector
        if elector is None or not elector.running or not self._faulty.guard_is_well(node):
            return False
        for_s = self._faulty.a_while_s()
        self._faulty.say(node, f"the elector is stopped for {for_s:.2f}s")
        elector.pause()
        self._faulty.world.after(for_s, elector.resume)
        return True

    def hold_elector(self) -> bool:
        """It hangs, unseen by its guard, and outlives SIGKILL for a while."""
        node = self._faulty.node()
        elector = node.sidecar.elector
        if elector is None or not elector.running or not self._faulty.guard_is_well(node):
            return False
        for_s = self._faulty.a_while_s()
        elector.hold()
        self._faulty.world.after(for_s, elector.let_go)
        return self._faulty.say(node, f"the elector is held by a debugger for {for_s:.2f}s")

    def stop_elector_at_work(self) -> bool:
        node = self._faulty.node()
        elector = node.sidecar.elector
        if elector is None or not elector.running:
            return False
        elector.stop_after = self._faulty.world.rng.randrange(12)
        elector.may_stop = lambda: not self._faulty.over and self._faulty.guard_is_well(node)
        elector.stopped_for_s = self._faulty.a_while_s()
        return self._faulty.say(node, "the elector will be stopped at work")

    def oversleep(self) -> bool:
        """Renewals fail for a while; one succeeds while the guard sleeps through its deadline."""
        node = self._faulty.node()
        sidecar, host = node.sidecar, node.host
        lease, guard = sidecar.lease, sidecar.guard
        if lease is None or lease.step_down_at_s == math.inf or not node.link.whole:
            return False
        world = self._faulty.world
        left_s = host.true_s(lease.step_down_at_s) - world.now_s
        if left_s <= 0 or world.now_s + left_s > self._faulty.end_s:
            return False
        cut_s = left_s * world.between(0.4, 0.9)
        node.link.requests_pass = False

        def sleep() -> None:
            node.link.heal()
            if guard.running and not host.suspended and self._faulty.elector_is_well(node):
                guard.pause()
                world.after(left_s - cut_s + 0.1 * world.rng.random(), guard.resume)

        world.after(cut_s, sleep)
        return self._faulty.say(node, f"cut off for {cut_s:.2f}s; the guard sleeps past its lease")

    def suspend_host(self) -> bool:
        """Every process, at the same time; the clock goes on."""
        host = self._faulty.node().host
        if host.suspended:
            return False
        for_s = self._faulty.a_while_s()
        for node in self._faulty.nodes:
            if node.host is host:
                self._faulty.say(node, f"the host is suspended for {for_s:.2f}s")
        host.suspended = True
        processes = [
            process
            for node in self._faulty.nodes
            if node.host is host
            for sidecar in node.sidecars
            for process in (sidecar.guard, *sidecar.electors)
            if process.running
        ]
        for process in processes:
            process.pause()

        def wake() -> None:
            host.suspended = False
            here = [node for node in self._faulty.nodes if node.host is host]
            kill_s = max(node.plan.timing.kill_reserve_s for node in here)
            # Where the guard alone was stopped before, elector and fuse first give it K to react.
            host.excused_until_s = self._faulty.world.now_s + 0.06 + 2 * kill_s
            for process in processes:
                self._faulty.world.after(self._faulty.world.rng.random() * 0.005, process.resume)
            for node in self._faulty.nodes:
                if node.host is host:
                    for sidecar in node.sidecars:
                        for tree in sidecar.living_trees():
                            node.referee.tree_changed(tree)

        self._faulty.world.after(for_s, wake)
        return True

    def crash_host(self) -> bool:
        """Power is lost: all processes of the node, and its jobs, are gone at once."""
        node = self._faulty.node()
        if node.down or node.host.suspended:
            return False
        for_s = self._faulty.a_while_s()
        self._faulty.say(node, f"crashes, and is down for {for_s:.2f}s")
        node.down = True
        for sidecar in node.sidecars:
            for tree in sidecar.living_trees():
                tree.vanish()
            for process in (*sidecar.electors, sidecar.guard):
                process.crash()

        def boot() -> None:
            node.down = False
            node.start_later()

        self._faulty.world.after(for_s, boot)
        return True

    def stop_both(self) -> bool:
        """`pkill -STOP coordsidecar`: the job runs on."""
        return self._hit_both("guard and elector are stopped", stop_guard=True, stop_elector=True)

    def stop_guard_and_kill_elector(self) -> bool:
        return self._hit_both("the guard is stopped, its elector is killed", stop_guard=True)

    def kill_both(self) -> bool:
        return self._hit_both("guard and elector are killed")

    def _hit_both(self, what: str, *, stop_guard: bool = False, stop_elector: bool = False) -> bool:
        faulty = self._faulty
        node = faulty.node()
        guard, elector = node.sidecar.guard, node.sidecar.elector
        if elector is None or not node.has_fuses:
            return False
        if not faulty.guard_is_well(node) or not faulty.elector_is_well(node):
            return False
        for_s = faulty.a_while_s()
        faulty.say(node, f"{what}; for {for_s:.2f}s, where they are stopped")
        for process, is_stopped in ((guard, stop_guard), (elector, stop_elector)):
            if is_stopped:
                process.pause()
                faulty.world.after(for_s, process.resume)
            else:
                process.kill()
        return True
