"""From a store URL to a store, and to the part of the URL that may be shown.

Stores are plug-ins: any installed package may add one by the entry-point group
``coordsidecar.stores``. Reading the entry points takes as long as starting the interpreter three
times over, and start-up is part of every failover, so the stores that ship with coordsidecar are
known here by name. They are loaded like any other, and only the one that is used is imported.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping

from coordsidecar.hints import TYPE_CHECKING, TypeVar, cast
from coordsidecar.store.protocol import (
    Election,
    Store,
    StoreFactory,
)

if TYPE_CHECKING:
    from coordsidecar.store.announcer import Announcer, AnnouncerFactory
    from coordsidecar.store.directory import Directory, DirectoryFactory
    from coordsidecar.store.examiner import Examiner, ExaminerFactory
    from coordsidecar.store.roster import Roster, RosterFactory

__all__ = [
    "announcer",
    "check_scheme",
    "connect",
    "directory",
    "examiner",
    "public_url",
    "redact",
    "roster",
]

_GROUP = "coordsidecar.stores"

_T = TypeVar("_T")

# A copy of the entry points in pyproject.toml; a test keeps the two the same.
_BUILT_IN = {
    "local": "coordsidecar_adapters.local.store:connect",
    "etcd": "coordsidecar_adapters.etcd.gateway:connect",
    "etcds": "coordsidecar_adapters.etcd.gateway:connect",
    "etcd+grpc": "coordsidecar_adapters.etcd.grpc:connect",
    "etcds+grpc": "coordsidecar_adapters.etcd.grpc:connect",
    "consul": "coordsidecar_adapters.consul.store:connect",
    "consuls": "coordsidecar_adapters.consul.store:connect",
    "kubernetes": "coordsidecar_adapters.kubernetes.store:connect",
}

# Those whose stores know which elections there are, or who stands by.
_DIRECTORIES = {
    "local": "coordsidecar_adapters.local.directory:directory",
    "etcd": "coordsidecar_adapters.etcd.directory:by_gateway",
    "etcds": "coordsidecar_adapters.etcd.directory:by_gateway",
    "etcd+grpc": "coordsidecar_adapters.etcd.directory:by_grpc",
    "etcds+grpc": "coordsidecar_adapters.etcd.directory:by_grpc",
    "consul": "coordsidecar_adapters.consul.directory:directory",
    "consuls": "coordsidecar_adapters.consul.directory:directory",
    "kubernetes": "coordsidecar_adapters.kubernetes.directory:directory",
}

# Those whose stores can tell others who leads by other means than the lock.
_ANNOUNCERS = {"kubernetes": "coordsidecar_adapters.kubernetes.pods:announcer"}

# Those in which each instance can say what it does.
_ROSTERS = {
    "local": "coordsidecar_adapters.local.roster:roster",
    "etcd": "coordsidecar_adapters.etcd.roster:by_gateway",
    "etcds": "coordsidecar_adapters.etcd.roster:by_gateway",
    "etcd+grpc": "coordsidecar_adapters.etcd.roster:by_grpc",
    "etcds+grpc": "coordsidecar_adapters.etcd.roster:by_grpc",
    "consul": "coordsidecar_adapters.consul.roster:roster",
    "consuls": "coordsidecar_adapters.consul.roster:roster",
    "kubernetes": "coordsidecar_adapters.kubernetes.roster:roster",
}

# Those that can be examined before a sidecar is started.
_EXAMINERS = {
    "local": "coordsidecar_adapters.local.doctor:examine",
    "etcd": "coordsidecar_adapters.etcd.doctor:examine",
    "etcds": "coordsidecar_adapters.etcd.doctor:examine",
    "etcd+grpc": "coordsidecar_adapters.etcd.doctor:examine",
    "etcds+grpc": "coordsidecar_adapters.etcd.doctor:examine",
    "consul": "coordsidecar_adapters.consul.doctor:examine",
    "consuls": "coordsidecar_adapters.consul.doctor:examine",
    "kubernetes": "coordsidecar_adapters.kubernetes.doctor:examine",
}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
_EXAMPLES = "local:, etcd://host:2379, consul://host:8500 or kubernetes:"


def connect(url: str, *, election: Election, environ: Mapping[str, str]) -> Store:
    """Build the store that ``url`` names; talks to nobody yet.

    ``environ`` is where the store finds what its own tools read, such as ``ETCDCTL_CACERT``.
    `ValueError` says in one sentence what is wrong with ``url`` or what is not installed.
    """
    scheme = check_scheme(url)
    return _made(
        lambda: _load(scheme)(url, election=election, environ=environ), scheme, environ=environ
    )


def announcer(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Announcer | None:
    """Whoever tells others that we lead, if ``url`` asks for one. Raises `ValueError`, as
    `connect`."""
    scheme = check_scheme(url)
    if scheme not in _ANNOUNCERS:
        return None
    make = cast("AnnouncerFactory", _attribute(_ANNOUNCERS[scheme]))
    return make(url, election=election, node_id=node_id, environ=environ)


def roster(
    url: str, *, election: Election, node_id: str, environ: Mapping[str, str]
) -> Roster | None:
    """Where each instance says what it does, or None. Raises as `connect`."""
    scheme = check_scheme(url)
    if scheme not in _ROSTERS:
        return None

    def make() -> Roster | None:
        build = cast("RosterFactory", _attribute(_ROSTERS[scheme]))
        return build(url, election=election, node_id=node_id, environ=environ)

    return _made(make, scheme, environ=environ)


def examiner(url: str, *, election: Election, environ: Mapping[str, str]) -> Examiner | None:
    """Whoever examines the store that ``url`` names, or None. Raises as `connect`."""
    scheme = check_scheme(url)
    if scheme not in _EXAMINERS:
        return None

    def make() -> Examiner:
        examine = cast("ExaminerFactory", _attribute(_EXAMINERS[scheme]))
        return examine(url, election=election, environ=environ)

    return _made(make, scheme, environ=environ)


def directory(url: str, *, namespace: str, environ: Mapping[str, str]) -> Directory:
    """Build the directory of a namespace; as `connect`."""
    scheme = check_scheme(url)
    if scheme not in _DIRECTORIES:
        from coordsidecar.store.directory import LeaderOnly  # Late: few ask for it.

        return LeaderOnly(
            lambda election: connect(url, election=election, environ=environ), namespace=namespace
        )

    def make() -> Directory:
        look_up = cast("DirectoryFactory", _attribute(_DIRECTORIES[scheme]))
        return look_up(url, namespace=namespace, environ=environ)

    return _made(make, scheme, environ=environ)


def check_scheme(url: str) -> str:
    """Return the scheme of ``url`` if there is a store for it; imports no store.

    `ValueError` names the schemes there are, and the nearest.
    """
    match = _SCHEME.match(url)
    if match is None:
        raise ValueError(f"the store is not a URL; write it as {_EXAMPLES}")
    scheme, rest = match[1].lower(), match[2]
    if scheme in _BUILT_IN:
        return scheme
    known = [*_BUILT_IN, *_entry_points()]
    if scheme in known:
        return scheme
    if re.fullmatch(r"[0-9]+(?:[,/].*)?", rest):
        raise ValueError(f"the store has no scheme; write it as {_EXAMPLES}")
    if scheme in ("http", "https"):
        hint = f"did you mean {_meant(url, secure=scheme == 'https')}? "
    else:
        import difflib

        nearest = difflib.get_close_matches(scheme, known, n=1)
        hint = f"did you mean {nearest[0]}? " if nearest else ""
    raise ValueError(f"unknown store {scheme!r}; {hint}There are: {', '.join(sorted(known))}")


def _meant(url: str, *, secure: bool) -> str:
    """The store whose HTTP API is at this URL; both where the port does not tell."""
    (hosts,) = re.findall(r"^[^:]*:/*([^/?#]*)", public_url(url))
    if re.search(r":850[01]\b", hosts):
        schemes = ["consul"]
    elif ":2379" in hosts:
        schemes = ["etcd"]
    else:
        schemes = ["etcd", "consul"]
    return " or ".join(f"{scheme}{'s' if secure else ''}://{hosts}" for scheme in schemes)


def public_url(url: str) -> str:
    """Return ``url`` without credentials: fit for a log, and for the job to ask the store itself.

    Whatever stands between ``//`` and the last ``@`` counts as credentials, so that a password
    with odd characters in it cannot show through; so do query parameters with a telling name.
    """
    bare = re.sub(r"^([^:/]*:(?://(?!/))?)(?!/).*@", r"\1", url, flags=re.DOTALL)
    head, mark, query = bare.partition("?")
    if not mark:
        return bare
    telling = re.compile(r"pass|pwd|token|secret|auth|cred", re.IGNORECASE)
    kept = [part for part in query.split("&") if not telling.search(part.partition("=")[0])]
    return head + ("?" + "&".join(kept) if kept else "")


def redact(message: str) -> str:
    """Return ``message`` with the credentials of a URL in it blotted out.

    For messages of others, who may quote what the user typed. Rather too much than too little.
    """
    blotted = re.sub(r"//(?!/).*@", "//***@", message, flags=re.DOTALL)
    return re.sub(
        r"((?:pass|pwd|token|secret|auth|cred)[a-z_]*=)[^&\s'\"]+", r"\1***", blotted, flags=re.I
    )


def _entry_points() -> list[str]:
    from importlib import metadata

    return sorted({point.name for point in metadata.entry_points(group=_GROUP)} - _BUILT_IN.keys())


def _made(make: Callable[[], _T], scheme: str, *, environ: Mapping[str, str]) -> _T:
    """What ``make`` makes of an adapter's module, which it imports, or some of what that needs."""
    try:
        return make()
    except (ImportError, AttributeError) as error:
        from coordsidecar.refusals import import_remedy

        package = "coordsidecar" if scheme in _BUILT_IN else "its package again"
        package = "'coordsidecar[grpc]'" if scheme.endswith("+grpc") else package
        remedy = import_remedy(error, environ, package=package)
        raise ValueError(f"the {scheme} store cannot be loaded ({error}); {remedy}") from error


def _load(scheme: str) -> StoreFactory:
    if scheme in _BUILT_IN:
        return cast(StoreFactory, _attribute(_BUILT_IN[scheme]))
    from importlib import metadata

    (point, *_) = metadata.entry_points(group=_GROUP, name=scheme)
    return cast(StoreFactory, point.load())


def _attribute(path: str) -> object:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
