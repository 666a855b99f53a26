"""``coordsidecar doctor``: is all well here, before a sidecar is started?

It puts the checks together: this host's first, while the process has one thread and may fork, then
the store's, then the times that follow from the TTL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coordsidecar.cli.asked import naming_the_store, store_of
from coordsidecar.core.timing import Timing
from coordsidecar.doctor.finding import Finding, ok, worst
from coordsidecar.doctor.kernel import kernel
from coordsidecar.doctor.limits import limits
from coordsidecar.doctor.of_store import StoreFindings
from coordsidecar.doctor.report import as_json, as_text
from coordsidecar.duration import format_duration
from coordsidecar.hints import Any
from coordsidecar.log import wants_colour
from coordsidecar.settings.options import OPTIONS
from coordsidecar.settings.settings import timing_of
from coordsidecar.settings.sources import Sources
from coordsidecar.store.protocol import Election
from coordsidecar.store.registry import connect, examiner

__all__ = ["DOCTOR_OPTIONS", "examined"]

# All that a run makes of a store and of times: what is set for it counts here, too.
_NAMES = {"store", "namespace", "name", "ttl", "renew-every", "rpc-timeout", "lost-grace"}
_NAMES |= {"kill-reserve", "margin", "takeover-delay"}
DOCTOR_OPTIONS = tuple(option for option in OPTIONS if option.name in _NAMES)

_NOBODY = "doctor"


def examined(
    *, flags: Mapping[str, str], json: bool, environ: Mapping[str, str]
) -> tuple[str, bool]:
    """What is to be written to standard output, and whether nothing failed.

    ``flags`` are the texts from the command line by option name. Raises `UsageError`.
    """
    values = Sources.gather(flags, environ).values(DOCTOR_OPTIONS)
    timing = timing_of(values)
    url = store_of(values, environ)
    findings = list(_findings(url, values, timing, environ))
    text = as_json(findings) if json else as_text(findings, colour=wants_colour(1, environ))
    return text, worst(findings) != "fail"


def _findings(
    url: str, values: Mapping[str, Any], timing: Timing, environ: Mapping[str, str]
) -> Iterator[Finding]:
    host = [*kernel(), *limits()]
    election = Election(
        namespace=values.get("namespace", "default"), name=values.get("name", _NOBODY)
    )
    with naming_the_store():
        store = connect(url, election=election, environ=environ)
        examines = examiner(url, election=election, environ=environ)
    yield from StoreFindings(examines, store, named="name" in values, timing=timing).all()
    yield from host
    yield _times(timing)


def _times(timing: Timing) -> Finding:
    run_until_s = timing.ttl_s - timing.margin_s
    shown = {
        "renew every": timing.renew_every_s,
        "a call may take": timing.rpc_timeout_s,
        "without an answer: stop signal after": timing.step_down_after_s,
        "SIGKILL after": run_until_s - timing.kill_reserve_s,
        "dead by": run_until_s,
    }
    said = ", ".join(f"{what} {format_duration(at_s)}" for what, at_s in shown.items())
    return ok("timings", f"TTL of {format_duration(timing.ttl_s)}", said)
