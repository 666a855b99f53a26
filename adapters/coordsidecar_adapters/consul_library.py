"""py-consul, without what it never needs.

py-consul asks by way of requests, which imports a library to guess how a text is encoded. Consul
answers in JSON, so nothing is ever guessed; that is 2.3 MB less in each sidecar. requests is made
to do without such a library, too, but warns.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["CB", "consul", "parse_duration", "requests", "urllib3"]

_GUESSERS = ("chardet", "charset_normalizer")


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """What is not imported yet cannot be, for a while."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: no such module.
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _hidden(_GUESSERS):
    import consul
    import consul.std
    import requests
    import urllib3
    from consul.callback import CB
    from consul.std import parse_duration
