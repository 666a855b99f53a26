"""Cores with one safety rule taken out: the simulator must notice each of them."""

from __future__ import annotations

from tests.sim import mutants_of_curbs as curbs
from tests.sim import mutants_of_deadlines as deadlines
from tests.sim import mutants_of_health as health
from tests.sim import mutants_of_hooks as hooks
from tests.sim import mutants_of_terms as terms
from tests.sim.breaking import Mutant

__all__ = ["MUTANTS", "OF_THE_FUSE"]

MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        deadlines.deadline_from_the_answers_time,
        deadlines.ttl_asked_for,
        deadlines.messages_before_the_clock,
        terms.released_before_the_tree_is_empty,
        deadlines.a_late_yes_is_used,
        terms.an_order_is_carried_out_at_once,
        terms.the_key_is_not_watched,
        terms.no_takeover_delay,
        deadlines.silence_is_a_yes,
        deadlines.deadlines_move_backwards,
        deadlines.the_guard_does_not_kill,
        terms.a_dead_guards_job_is_not_buried,
        deadlines.a_session_that_lives_is_proof,
        terms.a_starved_guard_is_taken_for_a_stopped_one,
        terms.a_guard_that_cannot_be_killed_is_waited_for,
        terms.an_orderly_end_is_believed_after_a_loss_of_data,
        terms.tokens_begin_anew_after_a_loss_of_data,
        curbs.a_pause_is_overlooked,
        curbs.a_cordon_is_overlooked,
        curbs.a_transfer_is_for_anybody,
        curbs.a_pause_ends_when_somebody_comes_anew,
        hooks.a_hook_is_not_waited_for,
        hooks.a_job_starts_beside_what_its_gate_left,
        health.a_sick_job_is_not_waited_for,
        health.a_late_verdict_is_believed,
        health.the_sick_stand,
        health.a_lead_that_comes_late_is_taken_by_the_sick,
    )
}

OF_THE_FUSE: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (deadlines.the_fuse_does_not_burn, deadlines.the_fuse_gives_the_guard_time_first)
}
