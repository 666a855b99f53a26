"""``coordsidecar check TOKEN``: is this still the token of whoever leads?

For jobs and scripts, before a step that must not be done twice. The answer is a linearizable read:
true at the moment at which the store gave it, and not for long after. Only whoever receives the
write, and compares tokens, can be entirely sure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from coordsidecar.cli.asked import Asked, naming_the_store
from coordsidecar.settings.options import CHECK_OPTIONS
from coordsidecar.settings.sources import UsageError
from coordsidecar.store.protocol import Election
from coordsidecar.store.registry import connect

__all__ = ["why_not_current"]


def why_not_current(
    token_text: str, *, flags: Mapping[str, str], environ: Mapping[str, str]
) -> str | None:
    """Return None if the token is the leader's now, else a sentence that says who leads instead.

    ``flags`` are the texts from the command line by option name. Raises `UsageError`, or
    `StoreError` if the store cannot be asked.
    """
    if not re.fullmatch(r"[0-9]{1,20}", token_text):
        hint = "; is COORDSIDECAR_TOKEN set?" if not token_text else ""
        shown = repr(token_text[:40]) + ("…" if len(token_text) > 40 else "")
        raise UsageError(f"TOKEN must be a whole number of 20 digits at most, not {shown}{hint}")
    asked = Asked.gather(flags, environ, CHECK_OPTIONS)
    if "name" not in asked.values:
        raise UsageError("which election? give --name, or set COORDSIDECAR_NAME")
    election = Election(namespace=asked.namespace, name=asked.values["name"])
    with naming_the_store():
        store = connect(asked.url, election=election, environ=environ)
    leader = store.leader(timeout_s=asked.timeout_s)
    if leader is None:
        return f"token {token_text} is no longer current: nobody leads {election.prefix}"
    if leader.token != int(token_text):
        return (
            f"token {token_text} is not current: {election.prefix} is led with token {leader.token}"
        )
    return None
