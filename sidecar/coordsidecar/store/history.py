"""Who led an election last, from when to when, and why each term ended.

It stands in the office record, which whoever takes or leaves office writes in any case: so it says
what was, needs no right and no request of its own, and is as safe as that. It is for people: no
deadline, token or release follows from it. Each time is by the clock of whoever wrote it.
"""

from __future__ import annotations

import json

from coordsidecar.hints import Any
from coordsidecar.value import Value, replace

__all__ = [
    "LONGEST_WHY",
    "MOST_TERMS",
    "History",
    "Term",
    "as_fields",
    "as_list",
    "begun",
    "ended",
    "id_of",
    "read",
    "state_of",
]

MOST_TERMS = 16
LONGEST_WHY = 160
_LONGEST_ID = 80
_LONGEST_NAME = 200
_LONGEST_TIME = 32
_MOST_TOKEN = 2**62


class Term(Value):
    """``id`` led under ``token``. ``ended``, ``why``: empty while it lasts, and for ever where its
    leader could not say it any more: it died, or was cut off."""

    token: int
    id: str
    began: str
    ended: str = ""
    why: str = ""


History = tuple[Term, ...]
"""The oldest first."""


def begun(history: History, token: int, record: str, at: str) -> History:
    """With the term of whoever says ``record`` of itself. The oldest goes, and whatever ended more
    than a year before ``at``; but not the last one. Safe to repeat."""
    if history and history[-1].token == token:
        return history
    term = Term(token, id_of(record)[:_LONGEST_ID], at)
    # Texts of one form sort as their times do, even of a 29 February that there was not.
    oldest = f"{int(at[:4]) - 1:04}{at[4:]}"
    kept = [one for one in history[:-1] if (one.ended or one.began) >= oldest]
    return (*kept, *history[-1:], term)[-MOST_TERMS:]


def ended(history: History, token: int, why: str, at: str) -> History:
    """With the end of the term of ``token``, if it is the last."""
    if not history or history[-1].token != token or history[-1].ended:
        return history
    return (*history[:-1], replace(history[-1], ended=at, why=why[:LONGEST_WHY]))


def as_list(history: History) -> list[list[object]]:
    """For a record, which is read and written often; `read` reads it."""
    return [[term.token, term.id, term.began, term.ended, term.why] for term in history]


def state_of(term: Term, led_now: int) -> str:
    """``lasts``, ``over``, or ``unknown``: it is over, but nobody could say so. ``led_now``: the
    token under which somebody is in office; 0: nobody is."""
    return "over" if term.ended else "lasts" if term.token == led_now else "unknown"


def as_fields(history: History, led_now: int) -> list[dict[str, Any]]:
    """For ``--json`` and ``/v1/history``; new fields may come, none of these changes."""
    return [
        {
            "token": term.token,
            "id": term.id,
            "began": term.began,
            "ended": term.ended or None,
            "why": term.why or None,
            "state": state_of(term, led_now),
        }
        for term in history
    ]


def read(listed: object) -> History:
    """Read what anybody may have written; what cannot be read is left out."""
    rows = listed[-MOST_TERMS:] if isinstance(listed, list) else ()
    return tuple(term for row in rows if (term := _term(row)) is not None)


def _term(row: object) -> Term | None:
    if not isinstance(row, list) or len(row) != len(Term.__annotations__):
        return None
    token, *texts = row
    # A bool is an int to Python, but no number.
    if type(token) is not int or not 0 <= token < _MOST_TOKEN:
        return None
    if not all(isinstance(text, str) for text in texts):
        return None
    node_id, began, end, why = texts
    return Term(
        token, node_id[:_LONGEST_ID], began[:_LONGEST_TIME], end[:_LONGEST_TIME], why[:LONGEST_WHY]
    )


def id_of(record: str) -> str:
    """A short name for whoever wrote ``record``, which may be anybody."""
    try:
        fields: Any = json.loads(record)
        name = fields["id"] if isinstance(fields, dict) else record
    except (ValueError, KeyError, RecursionError):
        name = record
    return str(name)[:_LONGEST_NAME] or "somebody"
