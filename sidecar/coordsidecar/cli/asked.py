"""What a question on the command line is about: which store, which namespace, which election."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from coordsidecar.hints import Any
from coordsidecar.settings.container import NO_STORE, in_container
from coordsidecar.settings.options import Option
from coordsidecar.settings.sources import Sources, UsageError
from coordsidecar.value import Value

__all__ = ["Asked", "naming_the_store", "store_of"]

_RPC_TIMEOUT_S = 2.0


class Asked(Value):
    """``url`` and ``namespace`` of the store that is asked, each call within ``timeout_s``.

    ``values``: all options that were given, by name.
    """

    url: str
    namespace: str
    timeout_s: float
    values: Mapping[str, Any]

    @classmethod
    def gather(
        cls, flags: Mapping[str, str], environ: Mapping[str, str], options: tuple[Option, ...]
    ) -> Asked:
        """From the texts of the command line, the environment and the file. Raises `UsageError`."""
        values = Sources.gather(flags, environ).values(options)
        timeout_s = values.get("rpc-timeout", _RPC_TIMEOUT_S)
        if timeout_s <= 0:
            raise UsageError("--rpc-timeout must be more than 0s")
        url, namespace = store_of(values, environ), values.get("namespace", "default")
        return cls(url, namespace, timeout_s, values)


def store_of(values: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The store's URL. Raises `UsageError` where there is no default."""
    if "store" not in values and in_container(environ):
        raise UsageError(NO_STORE)
    return str(values.get("store", "local:"))


@contextmanager
def naming_the_store() -> Iterator[None]:
    """What is wrong with a store's URL is a `UsageError`."""
    try:
        yield
    except ValueError as error:
        raise UsageError(f"--store: {error}") from error
