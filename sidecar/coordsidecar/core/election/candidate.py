"""Where a candidate stands, by the store's answer, and what it looks at from then on."""

from __future__ import annotations

import math

from coordsidecar.core import messages as msg
from coordsidecar.core.election import curbing, making_way, rules, sight
from coordsidecar.core.election.moves import Aims, Effect, TellGuard
from coordsidecar.core.election.phases import Elector, Joining, Leading, Rival, Waiting
from coordsidecar.hints import assert_never
from coordsidecar.store.history import id_of
from coordsidecar.store.protocol import Absent, Behind, Held, Standing, Vacant
from coordsidecar.value import replace

__all__ = ["RETRY_FIRST_S", "stand", "watching"]

Step = tuple[Elector, list[Effect]]

RETRY_FIRST_S = 0.1


def stand(elector: Elector, standing: Standing, sent_at_s: float, now_s: float, aims: Aims) -> Step:
    """Where does a candidate stand, by the answer to what was asked at ``sent_at_s``?"""
    if isinstance(standing, Behind | Held):
        elector = curbing.note(elector, standing.curbs, now_s)
        elector = replace(elector, sight=sight.seen(elector.sight, standing, sent_at_s, now_s))
    see_at_s = math.inf
    match standing:
        case Held():
            elector, effects = rules.claim(elector, standing, now_s, aims)
            if aims.try_once and not isinstance(elector.phase, Leading):
                _, barred = curbing.bar(elector, standing.last_led, now_s, aims)
                if barred is not None:
                    elector, more = making_way.give_up_waiting(elector, now_s, aims)
                    effects += more
            return elector, effects
        case Absent():
            # Who is no candidate does not know whether somebody else leads meanwhile.
            elector = replace(elector.to(Joining()), vacant_since_s=None)
            return replace(elector, retry_at_s=now_s + RETRY_FIRST_S), []
        case Vacant(retry_after_s, last_led=last_led):
            elector, _ = rules.vacant_since(elector, last_led, now_s)
            look_at_s = now_s + max(retry_after_s, RETRY_FIRST_S / 2)
            effects = []
        case Behind(leader=record, leader_token=token, in_office=in_office):
            floor = max(elector.floor, token) if in_office else elector.floor
            was, from_s = elector, min(elector.renewed_at_s, sent_at_s)
            elector = replace(
                elector, vacant_since_s=None, floor=floor, behind_from_s=from_s, barred=""
            )
            if in_office:
                elector = _knows(elector, Rival(token, record, standing.limits), now_s)
            # The watch says when; a TTL is its safety net.
            look_at_s = min(now_s + aims.timing.ttl_s, sight.depose_at_s(elector.sight, now_s))
            see_at_s = sight.see_again_s(elector.sight, standing, now_s)
            if not in_office:
                # Whoever is about to lead may die before we hear of it: our watch is on one key.
                see_at_s = min(see_at_s, now_s + aims.timing.renew_every_s)
            name = id_of(record)
            effects = []
            if name != elector.following or floor != was.floor:
                rival = elector.rival and elector.rival.limits
                ttl_s = rival.ttl_s if rival else 0.0
                effects = [TellGuard(msg.Following(name, token, floor, ttl_s))]
            elector = replace(elector, following=name)
        case _:
            assert_never(standing)
    elector = watching(elector, Waiting(standing), now_s, aims)
    elector = replace(elector, look_at_s=look_at_s, see_at_s=see_at_s, elected_at_s=math.inf)
    if aims.try_once:
        elector, more = making_way.give_up_waiting(elector, now_s, aims)
        effects += more
    return elector, effects


def _knows(elector: Elector, leader: Rival, now_s: float) -> Elector:
    """Somebody is in office. If we knew that one under an earlier session, nothing is forgotten."""
    was = elector.rival
    if was is not None and (was.token, was.record) == (leader.token, leader.record):
        return replace(elector, rival=leader, forgotten_until_s=-math.inf)
    if now_s < elector.forgotten_until_s:
        return elector  # It is the one before whose job may live on.
    return replace(elector, rival=leader)


def watching(elector: Elector, found: Waiting | Leading, now_s: float, aims: Aims) -> Elector:
    watch_at_s = now_s
    if found == elector.phase and math.isinf(elector.watch_at_s):
        # The watch said that something had changed, and would say so again and again.
        watch_at_s += aims.timing.renew_every_s / 4
    return replace(elector.to(found), watch_at_s=watch_at_s)
