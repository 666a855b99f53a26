"""Everything that goes wrong, and when: drawn from the world's generator.

One thing is left out, since no two processes could survive it: the guard is not stopped while its
elector is dead or stopped, nor the elector stopped or killed while it does a dead guard's work. When
both are hit at once, it is the whole host that is frozen, or that crashes.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from tests.sim.node import Node
from tests.sim.store_model import ModelStore
from tests.sim.world import World

__all__ = ["Faults"]

Fault = Callable[[], bool]


class Faults:
    """Until ``end_s`` something goes wrong every ``every_s`` or so."""

    def __init__(
        self,
        world: World,
        nodes: Sequence[Node],
        store: ModelStore,
        *,
        ttl_s: float,
        every_s: float,
        end_s: float,
    ) -> None:
        self._world, self._nodes, self._store = world, nodes, store
        self._ttl_s, self._every_s, self._end_s = ttl_s, every_s, end_s
        self._over = False
        kinds: list[tuple[Fault, float]] = [
            (self.kill_guard, 2),
            (self.kill_elector, 2),
            (self.kill_job, 1),
            (self.pause_guard, 2),
            (self.stop_guard_at_work, 2),
            (self.pause_elector, 2),
            (self.stop_elector_at_work, 1),
            (self.pause_job, 0.5),
            (self.suspend_host, 2),
            (self.crash_host, 1),
            (self.job_in_state_d, 1),
            (self.signal_guard, 1.5),
            (self.miss_command, 0.2),
            (self.revoke, 1),
            (self.delete_key, 1),
            (self.restart_store, 1),
        ]
        if not store.local:
            kinds += [
                (self.cut, 3),
                (self.cut_and_revoke, 2),
                (self.lose_packets, 1.5),
                (self.slow_down, 1.5),
                (self.delay_and_double, 1.5),
                (self.refuse, 0.3),
            ]
        # Each seed has its favourites, so that faults which need each other meet.
        self._kinds = [fault for fault, _ in kinds]
        self._weights = [weight * world.rng.random() ** 2 for _, weight in kinds]
        self._later()

    def _later(self) -> None:
        delay_s = self._world.rng.expovariate(1 / self._every_s)
        if self._world.now_s + delay_s < self._end_s:
            self._world.after(delay_s, self._strike)
        else:
            self._world.at(self._end_s, self._heal)

    def _strike(self) -> None:
        if not all(node.sidecars for node in self._nodes):
            self._later()  # Not yet all there.
            return
        (fault,) = self._world.rng.choices(self._kinds, self._weights)
        if fault():
            name = fault.__name__.replace("_", " ")
            self._world.counts[f"fault: {name}"] += 1
        self._later()

    def _heal(self) -> None:
        """No more faults: everything is whole, and whoever is down starts again soon."""
        self._over = True
        self._world.say("faults", "are over")
        self._store.start() if not self._store.up else None
        for node in self._nodes:
            node.link.heal()
            node.command_missing = False
            node.wait_s = None
            node.restart_within_s = 1.0
            node.temper.settle()
            node.sidecar.guard.stop_after = None

    def _node(self) -> Node:
        """Any node; rather one that leads."""
        leading = [n for n in self._nodes if any(tree.able for tree in n.sidecar.living_trees())]
        if leading and self._world.chance(0.6):
            return leading[0]
        return self._world.rng.choice(self._nodes)

    def _a_while_s(self) -> float:
        """Long or short, as measured by the TTL; over when the faults are."""
        longest_s = self._ttl_s * self._world.rng.choice((0.1, 0.5, 1.0, 2.0))
        wanted_s = longest_s * self._world.rng.random()
        return min(wanted_s, max(self._end_s - self._world.now_s, 0.0))

    def _say(self, node: Node | None, what: str) -> bool:
        self._world.say("fault", f"{node.name + ': ' if node else ''}{what}")
        return True

    # ── processes ──────────────────────────────────────────────────────────────────────────────

    def _elector_is_well(self, node: Node) -> bool:
        elector = node.sidecar.elector
        return elector is not None and elector.running and elector.begun

    def kill_guard(self) -> bool:
        node = self._node()
        sidecar = node.sidecar
        if not sidecar.guard.alive or not self._elector_is_well(node):
            return False
        self._say(node, "the guard is killed")
        sidecar.guard.kill()
        return True

    def kill_elector(self) -> bool:
        node = self._node()
        sidecar = node.sidecar
        if not sidecar.guard.running or node.host.suspended or sidecar.elector is None:
            return False
        self._say(node, "the elector is killed")
        sidecar.elector.kill()
        return True

    def pause_guard(self) -> bool:
        node = self._node()
        guard = node.sidecar.guard
        if node.host.suspended or not guard.running or not self._elector_is_well(node):
            return False
        for_s = self._a_while_s()
        self._say(node, f"the guard is stopped for {for_s:.2f}s")
        guard.pause()
        self._world.after(for_s, guard.resume)
        return True

    def stop_guard_at_work(self) -> bool:
        """Between what it has decided and what it does."""
        node = self._node()
        guard = node.sidecar.guard
        if not guard.running:
            return False
        guard.stop_after = self._world.rng.randrange(12)
        guard.may_stop = lambda: (
            not self._over and not node.host.suspended and self._elector_is_well(node)
        )
        guard.stopped_for_s = self._a_while_s()
        return self._say(node, f"the guard will be stopped at work for {guard.stopped_for_s:.2f}s")

    def pause_elector(self) -> bool:
        node = self._node()
        elector = node.sidecar.elector
        if elector is None or not elector.running or not node.sidecar.guard.running:
            return False
        for_s = self._a_while_s()
        self._say(node, f"the elector is stopped for {for_s:.2f}s")
        elector.pause()
        self._world.after(for_s, elector.resume)
        return True

    def stop_elector_at_work(self) -> bool:
        node = self._node()
        elector, guard = node.sidecar.elector, node.sidecar.guard
        if elector is None or not elector.running:
            return False
        elector.stop_after = self._world.rng.randrange(12)
        elector.may_stop = lambda: not self._over and guard.running and not node.host.suspended
        elector.stopped_for_s = self._a_while_s()
        return self._say(node, "the elector will be stopped at work")

    def suspend_host(self) -> bool:
        """Every process, at the same time; the clock goes on."""
        host = self._node().host
        if host.suspended:
            return False
        for_s = self._a_while_s()
        for node in self._nodes:
            if node.host is host:
                self._say(node, f"the host is suspended for {for_s:.2f}s")
        host.suspended = True
        processes = [
            process
            for node in self._nodes
            if node.host is host
            for sidecar in node.sidecars
            for process in (sidecar.guard, *sidecar.electors)
            if process.running
        ]
        for process in processes:
            process.pause()

        def wake() -> None:
            host.suspended = False
            kill_s = self._nodes[0].plan.timing.kill_reserve_s
            host.excused_until_s = self._world.now_s + 0.06 + kill_s
            for process in processes:
                self._world.after(self._world.rng.random() * 0.005, process.resume)
            for node in self._nodes:
                if node.host is host:
                    for sidecar in node.sidecars:
                        for tree in sidecar.living_trees():
                            node.referee.tree_changed(tree)

        self._world.after(for_s, wake)
        return True

    def crash_host(self) -> bool:
        """Power is lost: all processes of the node, and its jobs, are gone at once."""
        node = self._node()
        if node.down or node.host.suspended:
            return False
        for_s = self._a_while_s()
        self._say(node, f"crashes, and is down for {for_s:.2f}s")
        node.down = True
        for sidecar in node.sidecars:
            for tree in sidecar.living_trees():
                tree.vanish()
            for process in (*sidecar.electors, sidecar.guard):
                process.kill()

        def boot() -> None:
            node.down = False
            node.start_later()

        self._world.after(for_s, boot)
        return True

    # ── jobs and their users ───────────────────────────────────────────────────────────────────

    def kill_job(self) -> bool:
        node = self._node()
        for tree in node.sidecar.living_trees():
            tree.kill_main()
        return self._say(node, "the job's main process is killed")

    def pause_job(self) -> bool:
        node = self._node()
        for tree in node.sidecar.living_trees():
            tree.pause(self._a_while_s())
        return self._say(node, "the job alone is stopped")

    def job_in_state_d(self) -> bool:
        node = self._node()
        for tree in node.sidecar.living_trees():
            tree.enter_state_d(self._a_while_s())
        return self._say(node, "the job is in state D")

    def signal_guard(self) -> bool:
        node = self._node()
        guard = node.sidecar.guard
        signum = self._world.rng.choice(
            (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
            + (signal.SIGTSTP,)
        )
        if not guard.alive or (signum == signal.SIGTSTP and not self._elector_is_well(node)):
            return False
        guard.signals.append(signum)
        guard.poke()
        if self._world.chance(0.2):
            again_s = self._world.rng.random() * 2
            self._world.after(again_s, lambda: (guard.signals.append(signum), guard.poke()))
        return self._say(node, signum.name)

    def miss_command(self) -> bool:
        node = self._node()
        node.command_missing = True

        def mend() -> None:
            node.command_missing = False

        self._world.after(self._a_while_s(), mend)
        return self._say(node, "the command is missing")

    # ── the store and the way to it ────────────────────────────────────────────────────────────

    def revoke(self) -> bool:
        self._store.revoke_holder()
        return self._say(None, "an operator revokes the leader's session")

    def delete_key(self) -> bool:
        self._store.delete_key()
        return self._say(None, "an operator deletes the leader's key")

    def restart_store(self) -> bool:
        if not self._store.up or self._store.local:
            return False
        self._store.stop()
        for_s = self._a_while_s()
        self._world.after(for_s, self._store.start)
        return self._say(None, f"the store is down for {for_s:.2f}s")

    def cut(self) -> bool:
        node = self._node()
        ways = self._world.rng.randrange(3)
        node.link.requests_pass = ways == 1
        node.link.answers_pass = ways == 2
        for_s = self._a_while_s()
        self._world.after(for_s, node.link.heal)
        way = ("both ways", "its answers", "its requests")[ways]
        return self._say(node, f"cut off from the store, {way}, for {for_s:.2f}s")

    def cut_and_revoke(self) -> bool:
        """The case the takeover delay is for."""
        self.cut()
        delay_s = self._world.rng.random() * self._ttl_s / 4
        act = self._store.revoke_holder if self._world.chance(0.5) else self._store.delete_key
        self._world.after(delay_s, act)
        return self._say(None, f"and the leader is deposed {delay_s:.2f}s later")

    def lose_packets(self) -> bool:
        link = self._node().link
        link.lost_share = self._world.rng.random() * 0.7
        self._world.after(self._a_while_s(), link.heal)
        return True

    def slow_down(self) -> bool:
        node = self._node()
        timeout_s = node.plan.timing.rpc_timeout_s
        node.link.slow_s = timeout_s * self._world.rng.choice((0.2, 0.6, 1.0))
        self._world.after(self._a_while_s(), node.link.heal)
        return self._say(node, f"up to {node.link.slow_s:.2f}s slow each way")

    def delay_and_double(self) -> bool:
        node = self._node()
        node.link.late_share = self._world.rng.random() * 0.5
        self._world.after(self._a_while_s(), node.link.heal)
        return self._say(node, "requests are late or doubled")

    def refuse(self) -> bool:
        node = self._node()
        node.link.refused = True
        self._world.after(self._a_while_s(), node.link.heal)
        return self._say(node, "the store refuses it")
