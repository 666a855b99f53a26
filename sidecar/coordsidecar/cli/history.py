"""``coordsidecar history``: who led an election last, and why each term ended."""

from __future__ import annotations

import time
from collections.abc import Mapping

from coordsidecar.cli.operate import Said, about, as_json_text, directory_of
from coordsidecar.cli.table import table
from coordsidecar.log import json_safe, one_line
from coordsidecar.settings.questions import HISTORY_OPTIONS
from coordsidecar.store.history import MOST_TERMS, History, Term, as_fields, state_of
from coordsidecar.utc import utc

__all__ = ["history"]


def history(
    name: str, *, flags: Mapping[str, str], environ: Mapping[str, str], as_json: bool
) -> Said:
    """The last terms, the oldest first. Raises `UsageError`, or `StoreError`."""
    asked, prefix = about(name, flags, environ, HISTORY_OPTIONS)
    board = directory_of(asked, environ).board(name, timeout_s=asked.timeout_s)
    since = utc(time.time() - asked.values["since"]) if "since" in asked.values else ""
    led_now = board.led_now
    terms = _since(since, board.history, led_now)[-asked.values.get("limit", MOST_TERMS) :]
    if as_json:
        told = json_safe(as_fields(terms, led_now))
        return Said(as_json_text({"election": prefix, "terms": told}), 0)
    if not terms:
        never = "nobody has led yet, or none that kept a history"
        return Said(f"{one_line(prefix)}: {'none since then' if board.history else never}\n", 0)
    return Said(_table(terms, led_now), 0)


def _since(since: str, terms: History, led_now: int) -> History:
    """Those that lasted until then or longer; of whose end nobody could tell, the next tells."""
    # Texts of one form, so they sort as their times do.
    ends = [*(term.began for term in terms[1:]), ""]
    return tuple(
        term
        for term, next_began in zip(terms, ends, strict=False)  # One more, if there is none.
        if state_of(term, led_now) == "lasts"
        or (term.ended or max(next_began, term.began)) >= since
    )


def _table(terms: tuple[Term, ...], led_now: int) -> str:
    rows = [("TOKEN", "LEADER", "FROM", "TO", "WHY IT ENDED")]
    for term in terms:
        lasts = state_of(term, led_now) == "lasts"
        to = term.ended or ("-" if lasts else "?")
        why = term.why or ("it leads" if lasts else "not told: it died, hung, or was cut off")
        rows.append((str(term.token), term.id, term.began, to, why))
    return table(rows)
