"""Jobs and their users, operators, the store and the way to it."""

from __future__ import annotations

import signal
from functools import partial

from tests.sim.faulty import Fault, Faulty
from tests.sim.network import OPERATIONS, TROUBLES
from tests.sim.store_etcd import EtcdLike
from tests.sim.store_servers import Expiring

__all__ = ["JobFaults", "StoreFaults"]


class JobFaults:
    """What happens to jobs, and what users do to their sidecars."""

    def __init__(self, faulty: Faulty) -> None:
        self._faulty = faulty
        self.kinds: list[tuple[Fault, float]] = [
            (self.kill_job, 1),
            (self.pause_job, 0.5),
            (self.job_in_state_d, 1),
            (self.signal_guard, 1.5),
            (self.miss_command, 0.2),
            (self.run_out_of_processes, 0.5),
        ]

    def kill_job(self) -> bool:
        node = self._faulty.node()
        for tree in node.sidecar.living_trees():
            tree.kill_main()
        return self._faulty.say(node, "the job's main process is killed")

    def pause_job(self) -> bool:
        node = self._faulty.node()
        for tree in node.sidecar.living_trees():
            tree.pause(self._faulty.a_while_s())
        return self._faulty.say(node, "the job alone is stopped")

    def job_in_state_d(self) -> bool:
        node = self._faulty.node()
        for tree in node.sidecar.living_trees():
            tree.enter_state_d(self._faulty.a_while_s())
        return self._faulty.say(node, "the job is in state D")

    def signal_guard(self) -> bool:
        node = self._faulty.node()
        guard = node.sidecar.guard
        signum = self._faulty.world.rng.choice(
            [
                *(signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
                *(signal.SIGUSR1, signal.SIGTSTP),
            ]
        )
        if not guard.alive or (signum == signal.SIGTSTP and not self._faulty.elector_is_well(node)):
            return False
        guard.send(signum)
        if self._faulty.world.chance(0.2):
            again_s = self._faulty.world.rng.random() * 2
            self._faulty.world.after(again_s, lambda: guard.send(signum))
        return self._faulty.say(node, signum.name)

    def miss_command(self) -> bool:
        node = self._faulty.node()
        node.command_missing = True

        def mend() -> None:
            node.command_missing = False

        self._faulty.world.after(self._faulty.a_while_s(), mend)
        return self._faulty.say(node, "the command is missing")

    def run_out_of_processes(self) -> bool:
        """Whatever is to be forked for a while is not: an elector, a job."""
        node = self._faulty.node()
        node.no_processes = True
        for_s = self._faulty.a_while_s()
        self._faulty.world.after(for_s, lambda: setattr(node, "no_processes", False))
        return self._faulty.say(node, f"no process is to be had for {for_s:.2f}s")


class StoreFaults:
    """What operators do, and what becomes of the store and of the way to it."""

    def __init__(self, faulty: Faulty) -> None:
        self._faulty = faulty
        self.kinds: list[tuple[Fault, float]] = [
            (self.revoke, 1),
            (self.delete_key, 1),
            (self.lose_data, 0.3),
            (self.trouble_an_operation, 3),
        ]
        if not faulty.store.local:
            self.kinds += [
                (self.restart_store, 1),
                (self.cut, 3),
                (self.cut_and_revoke, 2),
                (self.lose_packets, 1.5),
                (self.slow_down, 1.5),
                (self.delay_and_double, 1.5),
                (self.refuse, 0.3),
            ]
        if isinstance(faulty.store, EtcdLike):
            self.kinds += [(self.depose_member, 2)]
        if isinstance(faulty.store, Expiring):
            self.kinds += [(self.delay_watches, 1)]

    def revoke(self) -> bool:
        self._faulty.store.revoke_holder()
        return self._faulty.say(None, "an operator revokes the leader's session")

    def delete_key(self) -> bool:
        self._faulty.store.delete_key()
        return self._faulty.say(None, "an operator deletes the leader's key")

    def lose_data(self) -> bool:
        """All is forgotten, and numbers begin anew."""
        self._faulty.store.lose_data()
        sidecars = [sidecar for node in self._faulty.nodes for sidecar in node.sidecars]
        knowing = {sidecar.name for sidecar in sidecars if sidecar.seen_token}
        self._faulty.nodes[0].referee.data_lost(knowing)
        return self._faulty.say(None, "the store loses its data")

    def trouble_an_operation(self) -> bool:
        """One kind of question fails, once or from now on, for one node or for all."""
        faulty, rng = self._faulty, self._faulty.world.rng
        op, trouble = rng.choice(OPERATIONS), rng.choice(TROUBLES)
        once = rng.random() < 0.3
        nodes = faulty.nodes if rng.random() < 0.3 else [faulty.node()]
        for node in nodes:
            node.link.troubles[op] = (trouble, once)
            faulty.world.after(faulty.a_while_s(), partial(node.link.troubles.pop, op, None))
        who = ", ".join(node.name for node in nodes)
        return faulty.say(None, f"{op.__name__} of {who} is {trouble}{', once' * once}")

    def restart_store(self) -> bool:
        if not self._faulty.store.up:
            return False
        self._faulty.store.stop()
        for_s = self._faulty.a_while_s()
        self._faulty.world.after(for_s, self._faulty.store.start)
        return self._faulty.say(None, f"the store is down for {for_s:.2f}s")

    def cut(self) -> bool:
        node = self._faulty.node()
        ways = self._faulty.world.rng.randrange(3)
        node.link.requests_pass = ways == 1
        node.link.answers_pass = ways == 2
        for_s = self._faulty.a_while_s()
        self._faulty.world.after(for_s, node.link.heal)
        way = ("both ways", "its answers", "its requests")[ways]
        return self._faulty.say(node, f"cut off from the store, {way}, for {for_s:.2f}s")

    def cut_and_revoke(self) -> bool:
        """The case the takeover delay is for."""
        self.cut()
        delay_s = self._faulty.world.rng.random() * self._faulty.ttl_s / 4
        act = (
            self._faulty.store.revoke_holder
            if self._faulty.world.chance(0.5)
            else self._faulty.store.delete_key
        )
        self._faulty.world.after(delay_s, act)
        return self._faulty.say(None, f"and the leader is deposed {delay_s:.2f}s later")

    def lose_packets(self) -> bool:
        link = self._faulty.node().link
        link.lost_share = self._faulty.world.rng.random() * 0.7
        self._faulty.world.after(self._faulty.a_while_s(), link.heal)
        return True

    def slow_down(self) -> bool:
        node = self._faulty.node()
        timeout_s = node.plan.timing.rpc_timeout_s
        node.link.slow_s = timeout_s * self._faulty.world.rng.choice((0.2, 0.6, 1.0))
        self._faulty.world.after(self._faulty.a_while_s(), node.link.heal)
        return self._faulty.say(node, f"up to {node.link.slow_s:.2f}s slow each way")

    def delay_and_double(self) -> bool:
        node = self._faulty.node()
        node.link.late_share = self._faulty.world.rng.random() * 0.5
        self._faulty.world.after(self._faulty.a_while_s(), node.link.heal)
        return self._faulty.say(node, "requests are late or doubled")

    def depose_member(self) -> bool:
        """The store has another leader, and the one before does not know."""
        store, for_s = self._faulty.store, self._faulty.a_while_s()
        assert isinstance(store, EtcdLike)
        store.depose_member(for_s)
        return self._faulty.say(None, f"a member that was deposed does not know for {for_s:.2f}s")

    def delay_watches(self) -> bool:
        """What a watch tells may be of long ago, while all else is answered at once."""
        node = self._faulty.node()
        node.link.watches_late_s = self._faulty.a_while_s()
        self._faulty.world.after(2 * node.link.watches_late_s, node.link.heal)
        return self._faulty.say(node, f"watches are up to {node.link.watches_late_s:.2f}s late")

    def refuse(self) -> bool:
        node = self._faulty.node()
        node.link.refused = True
        self._faulty.world.after(self._faulty.a_while_s(), node.link.heal)
        return self._faulty.say(node, "the store refuses it")
