"""``coordsidecar health``: do the guard and the elector of this host or container both work?

For a HEALTHCHECK and for scripts, where no HTTP client is at hand: it asks the status page of a
sidecar that runs with ``--http``.
"""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Mapping

from coordsidecar.settings.options import HEALTH_OPTIONS
from coordsidecar.settings.serving import Where, shown
from coordsidecar.settings.sources import Sources, UsageError

__all__ = ["NoAnswerError", "why_not_healthy"]

_TIMEOUT_S = 5.0  # Far longer than a page takes that is made in memory, and no probe's patience.
_MAX_BODY_BYTES = 4096
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class NoAnswerError(Exception):
    """Nobody answers there, or nobody who speaks HTTP; the message is one sentence."""


def why_not_healthy(*, flags: Mapping[str, str], environ: Mapping[str, str]) -> str | None:
    """Return None if the sidecar is healthy, else a sentence that says what is wrong with it.

    ``flags`` are the texts from the command line by option name. Raises `UsageError`, or
    `NoAnswerError` if the sidecar cannot be asked.
    """
    values = Sources.gather(flags, environ).values(HEALTH_OPTIONS)
    if "http" not in values:
        raise UsageError("whose health? give --http as the sidecar has it, or COORDSIDECAR_HTTP")
    where = values["http"]
    if isinstance(where, tuple):
        address, port = where
        if port == 0:
            raise UsageError("--http: port 0 is any free port; give the one that the log names")
        where = _EVERY_ADDRESS.get(address, address), port
    status, body = _ask(where)
    return None if status == 200 else f"not healthy: {_what_is_wrong(status, body)}"


def _ask(where: Where) -> tuple[int, bytes]:
    from http.client import HTTPConnection, HTTPException  # Late: all others do without.

    if isinstance(where, tuple):
        connection = HTTPConnection(*where, timeout=_TIMEOUT_S)
    else:
        connection = HTTPConnection("localhost", timeout=_TIMEOUT_S)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(_TIMEOUT_S)
    # The connection's own time-out is for each byte, and an answer may come in drops.
    signal.signal(signal.SIGALRM, _too_late)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, _TIMEOUT_S)
    try:
        if not isinstance(where, tuple):
            connection.sock.connect(where.path)
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        return response.status, response.read(_MAX_BODY_BYTES)
    except TimeoutError as error:
        why = f"no answer from {shown(where)} within {_TIMEOUT_S:g} s"
        raise NoAnswerError(why) from error
    except OSError as error:
        why = f"cannot ask {shown(where)}: {error.strerror or error}"
        raise NoAnswerError(f"{why}; does a sidecar run there, with this --http?") from error
    except (HTTPException, ValueError) as error:
        why = f"what answers at {shown(where)} is no sidecar: it does not speak HTTP"
        raise NoAnswerError(why) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        connection.close()


def _too_late(_signum: int, _frame: object) -> None:
    raise TimeoutError


def _what_is_wrong(status: int, body: bytes) -> str:
    try:
        told = json.loads(body)
        most_s = float(told["most_age_s"])
        ages = {who: float(told[f"{who}_age_s"]) for who in ("guard", "elector")}
    except (ValueError, TypeError, KeyError, RecursionError):
        return f"/healthz answers {status}, and no sidecar of this version does"
    late = [
        f"the {who} has not stepped for {age:.1f} s" for who, age in ages.items() if age > most_s
    ]
    if told.get("guard_is_stopped"):
        late.append("the guard is stopped (SIGCONT lets it go on)")
    return " and ".join(late) or f"/healthz answers {status}"
