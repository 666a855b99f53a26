"""How elections stand, in words and as JSON: what ``list``, ``status`` and ``wait`` show."""

from __future__ import annotations

import json

from coordsidecar.cli.table import table
from coordsidecar.duration import format_duration
from coordsidecar.hints import Any
from coordsidecar.log import json_safe, one_line
from coordsidecar.store.curbs import Curbs
from coordsidecar.store.directory import Board
from coordsidecar.store.history import Term, state_of
from coordsidecar.store.history import as_fields as as_terms
from coordsidecar.store.history import id_of as name_of

__all__ = ["as_fields", "id_of", "in_words", "leader_id", "leads", "ordered", "rows", "sentences"]


def as_fields(prefix: str, board: Board) -> dict[str, Any]:
    """What ``--json`` prints of an election; new fields may come, none of these changes."""
    leader = board.leader
    waiting, curbs = board.waiting, json_safe(board.curbs.as_fields())
    assert isinstance(curbs, dict)
    terms = json_safe(as_terms(board.history, board.led_now))
    assert isinstance(terms, list)
    return {
        "election": prefix,
        "leader": None
        if leader is None
        else _who(leader.record) | {"token": leader.token, "in_office": leader.token == board.led},
        "since": terms[-1]["began"] if terms and terms[-1]["state"] == "lasts" else None,
        "last_ended": next((term for term in terms[::-1] if term["state"] != "lasts"), None),
        "last_token": max(board.led, leader.token if leader else 0),
        "waiting": None if waiting is None else [_who(record) for record in waiting],
        "in_order": board.in_order,
        "others": [_who(record) for record in board.others],
        "paused": curbs.get("pause"),
        "cordoned": curbs.get("cordons", []),
        "transfer": curbs.get("transfer"),
    }


def leads(board: Board) -> bool:
    """Whether anybody does: who holds the election may only wait for the end of a pause, or for the
    takeover delay. Another program's leader takes no office; and the record of ours may have been
    overwritten since."""
    leader = board.leader
    if leader is None:
        return False
    if leader.token == board.led:
        return True
    goes_on = not _is_ours(leader.record) or _who(leader.record)["role"] == _LEADS
    return goes_on and board.curbs.pause is None


def leader_id(board: Board) -> str | None:
    """The display name of whoever leads."""
    return id_of(board.leader.record) if board.leader is not None and leads(board) else None


def id_of(record: str) -> str:
    """The display name of whoever wrote that."""
    return str(_who(record)["id"])


def sentences(prefix: str, board: Board) -> str:
    """For people: who leads, and who stands by."""
    leader, waiting, prefix = board.leader, board.waiting, one_line(prefix)
    if leader is None:
        last = f"; the last token was {board.led}" if board.led else ""
        lines = [f"{prefix}: nobody leads{last}"]
    elif not leads(board):
        lines = [f"{prefix}: nobody leads; {_shown(leader.record)} is elected, and waits"]
    else:
        lines = [f"{prefix}: led by {_shown(leader.record)}, token {leader.token}"]
    lines += _last_change(board)
    lines += [f"       {_shown(record)}" for record in board.others]
    if waiting is None:
        others = "else " if board.others else ""
        lines.append(f"  who {others}stands by, this store does not tell")
    for place, record in enumerate(waiting or ()):
        next_in_line = board.in_order and place == 0 and leader is not None
        lines.append(f"  {'next' if next_in_line else '    '} {_shown(record)}")
    if waiting == ():
        lines.append("  nobody stands by")
    return "\n".join([*lines, *ordered(board.curbs)]) + "\n"


def ordered(curbs: Curbs) -> list[str]:
    """What operators have ordered to hold; not to be overlooked."""
    lines = []
    if (pause := curbs.pause) is not None:
        ends = "until it is resumed"
        if pause.for_s is not None:
            ends = f"for {format_duration(pause.for_s)}"
        lines.append(f"  PAUSED {ends}: nobody new takes over; {pause.why}")
    lines += [f"  CORDONED {cordon.id}: {cordon.why}" for cordon in curbs.cordons]
    if curbs.transfer is not None:
        lines.append(f"  TRANSFER to {curbs.transfer.to}: {curbs.transfer.why}")
    return [one_line(line) for line in lines]


def _last_change(board: Board) -> list[str]:
    """Since when it is led, and how the term before ended."""
    *before, last = board.history or (None,)
    if last is None:
        return []
    if state_of(last, board.led_now) == "lasts":
        told = [f"since {last.began}"]
        if before and before[-1] is not None:
            told.append(f"before it {in_words(before[-1])}")
    else:
        told = [f"last led: {in_words(last)}"]
    return [one_line(f"  {'; '.join(told)}")]


def in_words(term: Term) -> str:
    """Of one that is over."""
    end = f"until {term.ended}: {term.why}" if term.ended else "which ended without a word"
    return f"{term.id}, token {term.token}, {end}"


def rows(boards: dict[str, Board]) -> str:
    """A table of many."""
    told = [("NAME", "LEADER", "TOKEN", "STANDING BY", "ORDERED")]
    for name, board in boards.items():
        leader = board.leader
        told.append(
            (
                name,
                leader_id(board) or "-",
                str(leader.token) if leader and leads(board) else "-",
                _count(board),
                _in_short(board.curbs),
            )
        )
    return table(told)


def _count(board: Board) -> str:
    if board.waiting is not None:
        return str(len(board.waiting))
    others = sum(_who(record)["role"] != _RESTING for record in board.others)
    return f"{others}?" if others else "?"


def _in_short(curbs: Curbs) -> str:
    told = ["PAUSED"] if curbs.pause else []
    told += [f"{len(curbs.cordons)} cordoned"] if curbs.cordons else []
    told += ["transfer"] if curbs.transfer else []
    return ", ".join(told)


def _who(record: str) -> dict[str, Any]:
    """What a candidate says of itself; it may be another program's, which says anything.

    Its name is the one that the log of whoever stands behind it shows.
    """
    try:
        fields = json.loads(record)
    except (ValueError, RecursionError):
        fields = None
    said = fields if isinstance(fields, dict) else {}
    known = {name: _plain(said.get(name)) for name in _PLAIN}
    safe = json_safe(
        {"id": name_of(record), **known, "job": _job(said), "labels": _labels(said.get("labels"))}
    )
    assert isinstance(safe, dict)
    return safe


_PLAIN = (
    *("host", "pid", "since", "version", "http", "priority"),
    *("role", "role_since", "reason", "health", "said_at"),
)
_RESTING, _LEADS = "resting", "leader"
_LONGEST = 200
_MOST_LABELS = 16


def _plain(value: object) -> str | int | None:
    if isinstance(value, str):
        return value[:_LONGEST]
    # A bool is an int to Python, but no number. Few programs read one that has more bits.
    return value if type(value) is int and -(2**63) <= value < 2**63 else None


def _job(said: dict[str, Any]) -> dict[str, Any] | None:
    job = said.get("job")
    if not isinstance(job, dict):
        return None
    return {"state": _plain(job.get("state")), "pid": _plain(job.get("pid"))}


def _labels(labels: object) -> dict[str, str]:
    if not isinstance(labels, dict):
        return {}
    return {
        key[:_LONGEST]: value[:_LONGEST]
        for key, value in list(labels.items())[:_MOST_LABELS]
        if isinstance(value, str)
    }


def _is_ours(record: str) -> bool:
    """Whether a sidecar wrote that."""
    who = _who(record)
    return None not in (who["host"], who["pid"], who["version"])


def _shown(record: str) -> str:
    who = _who(record)
    told = [f"host {_word(who['host'])}"] if who["host"] else []
    told += [f"pid {_word(who['pid'])}"] if who["pid"] else []
    told += [f"priority {_word(who['priority'])}"] if who["priority"] else []
    told += [f"a candidate since {_word(who['since'])}"] if who["since"] else []
    told += [_RESTING] if who["role"] == _RESTING else []
    if (job := who["job"]) is not None and job["state"] not in (None, "none"):
        told.append(
            f"job {_word(job['state'])}" + (f" (pid {_word(job['pid'])})" if job["pid"] else "")
        )
    told += [f"health {_word(who['health'])}"] if who["health"] else []
    told += [f"{_word(key)}={_word(value)}" for key, value in who["labels"].items()]
    return one_line(f"{who['id']} ({', '.join(told)})" if told else str(who["id"]))


def _word(said: object) -> str:
    """Quoted where a reader could take a part of it for words of ours."""
    text = str(said)
    return json.dumps(text, ensure_ascii=False) if any(char in ',;()"' for char in text) else text
