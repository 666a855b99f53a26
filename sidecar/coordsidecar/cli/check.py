"""``coordsidecar check TOKEN``: is this still the token of whoever leads?

For jobs and scripts, before a step that must not be done twice. The answer is a linearizable read:
true at the moment at which the store gave it, and not for long after. Only whoever receives the
write, and compares tokens, can be entirely sure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from coordsidecar.settings.container import NO_STORE, in_container
from coordsidecar.settings.options import CHECK_OPTIONS
from coordsidecar.settings.sources import Sources, UsageError
from coordsidecar.store.protocol import Election
from coordsidecar.store.registry import connect

__all__ = ["why_not_current"]

_RPC_TIMEOUT_S = 2.0


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
    values = Sources.gather(flags, environ).values(CHECK_OPTIONS)
    if "name" not in values:
        raise UsageError("which election? give --name, or set COORDSIDECAR_NAME")
    election = Election(namespace=values.get("namespace", "default"), name=values["name"])
    timeout_s = values.get("rpc-timeout", _RPC_TIMEOUT_S)
    if timeout_s <= 0:
        raise UsageError("--rpc-timeout must be more than 0s")
    if "store" not in values and in_container(environ):
        raise UsageError(NO_STORE)
    try:
        store = connect(values.get("store", "local:"), election=election, environ=environ)
    except ValueError as error:
        raise UsageError(f"--store: {error}") from error
    leader = store.leader(timeout_s=timeout_s)
    if leader is None:
        return f"token {token_text} is no longer current: nobody leads {election.prefix}"
    if leader.token != int(token_text):
        return (
            f"token {token_text} is not current: {election.prefix} is led with token {leader.token}"
        )
    return None
