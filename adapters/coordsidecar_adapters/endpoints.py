"""Several endpoints of one store, tried in turn within one budget, the last to answer first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from coordsidecar.hints import TypeVar
from coordsidecar.store.protocol import RefusedError, UnreachableError
from coordsidecar_adapters.link import EndpointRefusedError

__all__ = ["Endpoints", "host_port", "split_hosts"]

_T = TypeVar("_T")


class Endpoints:
    """An order in which to try endpoints. It remembers which of them answered last."""

    def __init__(self, addresses: Sequence[str]) -> None:
        assert addresses
        self._addresses = list(addresses)

    def first_answer(self, ask: Callable[[str, float], _T], *, timeout_s: float) -> _T:
        """Put a question to one endpoint after the other; ``ask`` gets its address and a time-out.

        An `UnreachableError` or `EndpointRefusedError` is taken for that endpoint's alone. Where
        none answers the former is raised, or a `RefusedError` if they all refuse.
        """
        failures: list[UnreachableError | EndpointRefusedError] = []
        for address, share_s in self.attempts(timeout_s=timeout_s):
            try:
                answer = ask(address, share_s)
            except (UnreachableError, EndpointRefusedError) as e:
                failures.append(e)
                continue
            self.answered(address)
            return answer
        story = "; ".join(str(failure) for failure in failures) or "there was no time left to ask"
        if failures and all(isinstance(failure, RefusedError) for failure in failures):
            raise RefusedError(story)
        raise UnreachableError(story)

    def attempts(self, *, timeout_s: float) -> Iterator[tuple[str, float]]:
        """Yield (endpoint, seconds it may take): the time that is left, divided by those left.

        What a dead endpoint does not use up, the next one may. Ends early when time is up.
        """
        deadline_s = time.monotonic() + timeout_s
        order = list(self._addresses)
        for tried, address in enumerate(order):
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return
            yield address, left_s / (len(order) - tried)

    def answered(self, address: str) -> None:
        """Try this endpoint first from now on."""
        if self._addresses[0] != address:
            self._addresses.remove(address)
            self._addresses.insert(0, address)


def split_hosts(hosts: str, *, default_port: int) -> list[str]:
    """Read ``h1:2379,h2,[::1]:2379`` as a list of ``host:port``; `ValueError` if one is wrong."""
    return [
        "{}:{}".format(*host_port(part.strip(), default_port=default_port))
        for part in hosts.split(",")
        if part.strip()
    ]


def host_port(address: str, *, default_port: int) -> tuple[str, int]:
    """Split ``host:port``; an IPv6 host keeps its brackets. `ValueError` if it is not that."""
    closing = address.rfind("]")
    host, colon, port = address.rpartition(":")
    if not colon or address.rfind(":") < closing:
        host, port = address, str(default_port)
    bracketed = host.startswith("[") and host.endswith("]")
    odd = not host.isprintable() or any(c in host for c in "/@?# ")
    if not host or (":" in host and not bracketed) or odd:
        raise ValueError(f"{address!r} is not host:port; write an IPv6 address as [::1]:2379")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} has a port that is not a number from 1 to 65535")
    if not host.isascii():
        try:
            host.encode("idna")
        except UnicodeError as e:
            raise ValueError(f"{address!r} names a host as no DNS can: {e}") from e
    return host, int(port)
