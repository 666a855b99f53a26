"""What shows each bug that is put back: a seed sets the scene, a schedule says what goes wrong.

So other faults, or other chances of them, tell the same story.
``python -m tests.sim --mutant NAME --seeds 0:9999`` finds a seed. One bug is without a story:
nobody has found one of `an_earlier_vacancy_was_counted` that is not one of
`an_unwatched_vacancy_was_counted` as well, whose rule covers for it.
"""

from __future__ import annotations

__all__ = ["SHOWN_BY"]

SHOWN_BY: dict[str, tuple[int, str]] = {
    # Not put back but taken out: a rule that few seeds ask for by themselves.
    "a_starved_guard_is_taken_for_a_stopped_one": (
        120,
        "0.3 starve_guard leader 4; 0.5 starve_guard leader 4",
    ),
    "the_rest_of_a_frozen_tree_was_woken": (
        57,
        "0.8 revoke standby 1.5; 0.4 kill_job standby 0.3",
    ),
    "the_takeover_delay_ignored_the_ttl_granted": (
        20,
        "0.4 cut_and_revoke leader 2",
    ),
    "the_takeover_delay_ignored_the_leaders_own_ttl": (
        28,
        "mixed; 0.4 cut_and_revoke leader 2",
    ),
    "an_unwatched_vacancy_was_counted": (
        80,
        "0.5 revoke leader 0; 0.04 cut standby 0.62; 0.1 restart_store leader 0; "
        "0.2 cut leader 1.5; 0.1 delete_key leader 0",
    ),
    "a_term_that_was_given_back_was_begun": (
        489,
        "0.77 stop_guard_at_work leader 0.5; 0.08 revoke leader 1.6; 0.02 pause_guard leader 1",
    ),
    "a_session_was_left_without_a_word": (
        244,
        "0.862 suspend_host leader 1.25",
    ),
    "a_new_elector_trusted_a_hanging_guard": (
        13,
        "0.4 cut leader 2; 0.5 kill_elector leader 0; 0.03 pause_guard leader 1",
    ),
    "a_session_being_given_up_was_adopted": (
        4,
        "0.393 delay_and_double standby 2.23; 0.017 pause_guard standby 0.6; "
        "0.619 kill_guard leader 0",
    ),
    "a_new_session_vouched_for_a_store_that_had_lost_its_data": (
        489,
        "0.3 cut leader 2; 0.02 kill_guard standby 0.1; 0.05 pause_elector standby 0.15; "
        "0.02 lose_data standby 0.05; 0.25 kill_job leader 0.05",
    ),
    "a_kernel_lock_was_trusted_for_ever": (
        40,
        "0.5 trouble_an_operation leader 2; 0 delete_key leader 0",
    ),
    "a_guard_that_was_suspended_stopped_its_burial": (
        102,
        "0.5 job_in_state_d leader 2; 0.04 pause_guard leader 0.58; 0.26 signal_guard leader 0",
    ),
    "an_offer_below_the_floor_was_dropped_without_a_word": (
        371,
        "0.7 revoke leader 0; 0.5 lose_data leader 0",
    ),
    "a_term_was_resigned_by_its_token_alone": (
        40,
        "0.05 lose_data leader 2",
    ),
    "a_job_began_however_late_its_order_was_carried_out": (
        409,
        "0.76 stop_guard_at_work leader 4",
    ),
    "the_rest_of_an_ended_job_was_trusted_to_stand_by": (
        542,
        "0.44 stop_guard_at_work leader 0.25; 0.04 signal_guard leader 0.05; "
        "0.1 kill_job leader 0.05; 0 suspend_host leader 0.48",
    ),
    "a_decision_was_made_before_the_last_was_carried_out": (
        953,
        "0.3 starve_guard standby 16; 0.48 kill_guard leader 0.2",
    ),
    "a_tree_that_was_empty_before_a_start_was_taken_for_the_job": (
        207,
        "0.24 starve_guard standby 1; 0.43 revoke leader 0.05",
    ),
    "a_clean_end_after_a_loss_vouched_for_those_before": (
        42,
        "0.52 cut_and_revoke leader 2; 0.07 signal_guard standby 0.05; "
        "0.31 lose_data leader 0.05; 0.05 kill_job leader 0.05",
    ),
}
