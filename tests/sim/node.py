"""A node: one host, its way to the store, and the sidecars that run there one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coordsidecar.core import messages as msg
from coordsidecar.core.election.moves import Aims, Campaign, Op, Open, TakeOffice, Watch
from coordsidecar.core.election.phases import Adopting, Killing, Leading
from coordsidecar.core.guard import moves as guard_moves
from coordsidecar.core.guard.moves import Effect, Plan
from coordsidecar.core.guard.phases import Guard, Running, lease_of
from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import Session
from tests.sim.around import Signs
from tests.sim.elector_process import ElectorProcess
from tests.sim.fuse import Fuse
from tests.sim.guard_process import GuardProcess
from tests.sim.network import Link, Network
from tests.sim.referee import Referee
from tests.sim.tree import Temper, Tree
from tests.sim.world import Host, World

__all__ = ["Node", "Sidecar"]


class Node:
    """``wait_s``: `--wait`. Whatever ends is started again, as by a supervisor."""

    has_fuses = True
    """False where a rule is taken out that the fuse would cover for."""

    def __init__(
        self,
        world: World,
        host: Host,
        name: str,
        *,
        plan: Plan,
        temper: Temper,
        network: Network,
        referee: Referee,
        wait_s: float | None,
    ) -> None:
        self.world, self.host, self.name = world, host, name
        self.plan, self.temper = plan, temper
        self.network, self.referee = network, referee
        self.wait_s = wait_s
        self.link = Link()
        self.down = False
        self.command_missing = self.no_processes = False
        # Then the guard is PID 1: it cannot be killed from inside, and if it ends, all of it does.
        self.in_container = False
        self.restart_within_s = plan.timing.ttl_s / 3
        self.sidecars: list[Sidecar] = []
        self.neighbours: Sequence[Node] = (self,)
        self.descriptors_closed: Callable[[], None] = lambda: None

    @property
    def sidecar(self) -> Sidecar:
        return self.sidecars[-1]

    def start(self) -> None:
        if self.down or (self.sidecars and self.sidecar.guard.alive):
            return
        if self.host.suspended:
            self.start_later()
            return
        self.sidecars = [*(s for s in self.sidecars if not s.over), Sidecar(self)]
        self.sidecar.guard.begin()

    def start_later(self) -> None:
        self.world.after(0.02 + self.world.rng.random() * self.restart_within_s, self.start)

    def trees_of_run(self, run: str) -> list[Tree]:
        """On this host."""
        return [
            tree
            for node in self.neighbours
            for sidecar in node.sidecars
            if sidecar.run == run
            for tree in sidecar.living_trees()
        ]


class Sidecar:
    """One guard, its electors and its trees: everything from one start of `coordsidecar`."""

    def __init__(self, node: Node) -> None:
        world = node.world
        self.node, self.host, self.plan = node, node.host, node.plan
        number = world.number()
        self.name = f"{node.name}.{number}"
        self.run = f"sim-{self.name}"
        self.signs = Signs()
        self.elector: ElectorProcess | None = None
        self.electors: list[ElectorProcess] = []
        self.trees: list[Tree] = []
        self.until_s: dict[str, float] = {}
        self.seen_token = 0
        self.lease: msg.Leased | None = None
        self.fuse = Fuse(self, there=node.has_fuses, starved=number % 2 == 1)
        self.guard = GuardProcess(node.host, f"{self.name} guard", self)
        wait_s = node.wait_s
        self.aims = Aims(
            timing=node.plan.timing,
            run=self.run,
            node_id=node.name,
            only_well_stand=node.plan.only_well_stand,
            wait_until_s=node.host.clock_s() + wait_s if wait_s else None,
            try_once=wait_s == 0,
        )

    @property
    def timing(self) -> Timing:
        return self.plan.timing

    @property
    def over(self) -> bool:
        """Nothing of it is left."""
        electors = any(elector.alive for elector in self.electors)
        return not (self.guard.alive or electors or self.living_trees())

    @property
    def has_elector(self) -> bool:
        return self.elector is not None and self.elector.alive

    def living_trees(self) -> list[Tree]:
        return [tree for tree in self.trees if tree.alive]

    def holds_descriptors(self, handle: str) -> bool:
        """Whether any process of ours has the descriptors of this session (a kernel lock)."""
        kept = self.guard.session
        return (
            (self.guard.alive and kept is not None and kept.handle == handle)
            or any(e.alive and handle in e.holding for e in self.electors)
            or any(tree.session == handle for tree in self.living_trees())
        )

    # ── for the guard ──────────────────────────────────────────────────────────────────────────

    def start_tree(self, token: int | None, hook: str = "") -> Tree | None:
        """What the guard starts: a job, or a ``hook`` in its place."""
        if self.node.command_missing or self.node.no_processes:
            return None
        kept = self.guard.session
        if hook:
            self.node.world.counts[f"hook: {hook}"] += 1
        name = f"{hook or 'job'} {self.node.world.number()} of {self.name}"
        tree = Tree(
            self.host,
            name,
            self.node.temper,
            token=token,
            tell=lambda: self._tree_changed(tree),
            is_hook=bool(hook),
        )
        tree.session = kept.handle if kept else ""
        self.trees = [*self.living_trees(), tree]
        self.node.referee.tree_started(tree, self)
        return tree

    def _tree_changed(self, tree: Tree) -> None:
        self.node.world.say(tree.name, f"alive {tree.alive}, able {tree.able}")
        self.node.referee.tree_changed(tree)
        self.guard.poke()
        if not tree.alive:
            self.node.descriptors_closed()

    def start_elector(
        self,
        adopt: Session | None,
        token: int | None,
        run_until_s: float,
        floor: int,
        floor_ttl_s: float,
    ) -> bool:
        if self.node.no_processes and self.electors:
            return False
        elector = ElectorProcess(
            self.host,
            f"{self.name} elector",
            self,
            self.aims,
            adopt=adopt,
            token=token,
            run_until_s=run_until_s,
            floor=floor,
            floor_ttl_s=floor_ttl_s,
        )
        self.elector = elector
        self.electors = [*(e for e in self.electors if e.alive), elector]
        elector.begin()
        return True

    def kill_guard(self) -> None:
        if not self.node.in_container:
            self.guard.kill()

    def guard_ended(self) -> None:
        self.node.world.say(self.name, f"the guard ends, exit code {self.guard.exit_code}")
        for tree in self.living_trees():
            if self.node.in_container:
                tree.vanish()  # The kernel kills all of a PID namespace with its first process.
            else:
                tree.kill_main()  # PDEATHSIG
        self.fuse.guard_died()
        for elector in self.electors:
            if self.node.in_container:
                elector.kill()
            else:
                elector.poke()
        self.node.descriptors_closed()
        self.node.start_later()

    def decided(self, effects: list[Effect]) -> None:
        """Tell the referee what deadline the guard keeps, and when a job is about to lead."""
        phase = self.guard.state.phase
        lease = lease_of(phase)
        if lease is not None and lease is not self.lease:
            self.node.referee.lease_changed(self, self.lease, lease)
        self.lease = lease
        for effect in effects:
            match effect:
                case guard_moves.StartJob("leader", token) | guard_moves.StartHook(_, token):
                    assert token is not None
                    self.node.referee.nothing_runs(self, self.living_trees())
                    begins = self.node.referee.begins(self, token)
                    if begins and not self.guard.state.condition.stands:
                        self.node.referee.stands_sick(self, "begins a term")
                    self.node.referee.decided_to_lead(self, token)
                case guard_moves.ThawTree() | guard_moves.SignalJob() if isinstance(phase, Running):
                    assert lease is not None
                    job = self.guard.job
                    if job is not None and job.token != lease.token:
                        self.node.referee.decided_to_lead(self, lease.token)
                case _:
                    pass

    def revived(self, lease: msg.Leased) -> None:
        self.node.referee.revived(self, lease)

    def judged(self, verdict: guard_moves.Health, before: Guard, now_s: float) -> None:
        if verdict.run != before.runs:
            self.node.referee.judged_late(self, before.phase, self.guard.state.phase, now_s)

    # ── for the elector ────────────────────────────────────────────────────────────────────────

    def tell_guard(self, elector: ElectorProcess, message: msg.FromElector) -> None:
        if isinstance(message, msg.Leased):
            self.node.referee.told(self, message)
        if elector is self.elector and self.guard.alive:
            if isinstance(message, msg.Following):
                self.seen_token = max(self.seen_token, message.floor)
            self.guard.inbox.append(message)
            self.guard.poke()

    def call(self, elector: ElectorProcess, op: Op) -> None:
        stands = elector.state.condition.stands or isinstance(elector.state.phase, Leading)
        if not stands and isinstance(op, Open | Campaign | TakeOffice):
            self.node.referee.stands_sick(self, f"asks for {op}")
        self.node.network.call(elector, self.node.link, op)

    def watch(self, elector: ElectorProcess, watch: Watch) -> None:
        self.node.network.watch(elector, self.node.link, watch)

    def renewed(self, handle: str, sent_at_s: float, ttl_s: float) -> None:
        self.until_s[handle] = max(self.until_s.get(handle, 0.0), sent_at_s + ttl_s)

    def trees_of_run(self, run: str) -> list[Tree]:
        return self.node.trees_of_run(run)

    def descriptors_closed(self) -> None:
        self.node.descriptors_closed()

    def elector_ended(self, elector: ElectorProcess) -> None:
        self.node.world.say(elector.name, "ends")
        self.guard.poke()
        self.descriptors_closed()

    def changed(self, elector: ElectorProcess, was: object) -> None:
        phase = elector.state.phase
        leading, over_its_head = isinstance(was, Leading | Adopting), not elector.guard_was_stopped
        match phase:
            case Killing(int(token)) if leading and over_its_head and self.guard.running:
                silent_s = self.host.clock_s() - elector.guard_heard_s
                self.node.referee.gave_up_guard(self, token, silent_s=silent_s)
            case _:
                pass
        name = type(phase).__name__
        if name != type(was).__name__:
            self.node.world.counts[f"elector {name}"] += 1
