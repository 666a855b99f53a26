"""Fixtures for every test: real servers, certificates, and a fresh election each.

A server that is not there fails the tests that need it. To leave it out on purpose, say
``--without consul`` (or ``etcd``): its tests are skipped and the summary says what was not tested.
So it does of the newer versions that ``./check`` plays besides.

What hypothesis draws is the same in each run, so that a failure is one for everybody; to dig
deeper, and elsewhere each time: ``--hypothesis-profile=long``.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from coordsidecar.settings import container
from coordsidecar.store.protocol import Election
from tests.servers import (
    ConsulServer,
    EtcdServer,
    KubernetesServer,
    MissingServerError,
    Pki,
    Proxy,
)
from tests.servers.consul import require_consul
from tests.servers.etcd import require_etcd
from tests.servers.kubernetes import require_kubernetes

_REQUIRE = {"etcd": require_etcd, "consul": require_consul}
# What ./check plays besides; to pytest they are only names, for its last lines.
_BESIDES = ("newer-python", "newer-etcd")
# Files that take minutes: first, so that ./check does not end with one worker at work.
_LONGEST = (
    *("sim/test_sim", "chaos/test_matrix", "chaos/test_operations", "chaos/test_standstills"),
    "sim/test_schedules",
)
# What is played only if it is asked for, and by which option.
_ON_DEMAND = {
    "--containers": ("containers", "bundle"),
    "--kubernetes": ("kubernetes", "servers/test_kubernetes.py"),
}
# More than pytest's own time-out: an API server takes its time to start, and some tests restart it.
_KUBERNETES_TIMEOUT_S = 900

# No deadline: a busy machine is no error. Nothing is kept from one run to the next.
_DRAWING: dict[str, Any] = {
    "database": None,
    "deadline": None,
    # Fixtures are meant to serve all examples of a test.
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("check", max_examples=100, derandomize=True, **_DRAWING)
settings.register_profile("long", max_examples=1000, print_blob=True, **_DRAWING)
settings.load_profile("check")  # --hypothesis-profile comes later, and wins.


# Under nohup, or in the background of a script, these are ignored, by whatever we start as well;
# and tests are about what they do.
for _ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_ignored) == signal.SIG_IGN:
        signal.signal(_ignored, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--without",
        action="append",
        default=[],
        choices=sorted((*_REQUIRE, *_BESIDES)),
        help="skip the tests that need this server, or what ./check plays besides; and say so",
    )
    parser.addoption(
        "--containers",
        action="store_true",
        help="play tests/containers and tests/bundle as well: see ./check --containers",
    )
    parser.addoption(
        "--kubernetes",
        action="store_true",
        help="play tests/kubernetes, and the claims on all stores there, too: see ./check",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is not asked for: real containers and the bundle take root, and packages from
    the network; Kubernetes takes a server that is built first; all take minutes."""
    for option, names in _ON_DEMAND.items():
        theirs = {Path(__file__).parent / name for name in names}
        if theirs & {collection_path, *collection_path.parents} and not config.getoption(option):
            return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # In its file's name, or in its parameter's.
        if "kubernetes" in item.nodeid and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_KUBERNETES_TIMEOUT_S))

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(Path(__file__).parent).with_suffix("").as_posix()
        return _LONGEST.index(name) if name in _LONGEST else len(_LONGEST)

    items.sort(key=rank)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """End with what was left out or has failed before, where nobody can overlook it."""
    without: list[str] = terminalreporter.config.getoption("--without")
    if without:
        names = ", ".join(sorted(set(without)))
        terminalreporter.write_line(f"NOT TESTED, by --without: {names}", red=True, bold=True)
    # Set by ./check, whose last line has to be pytest's.
    if failed_before := os.environ.get("CHECK_FAILED_BEFORE"):
        terminalreporter.write_line(f"FAILED, see above: {failed_before}", red=True, bold=True)


@pytest.fixture(scope="session")
def need_server(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Skip the test if the server was left out with --without; fail it if it cannot be run."""

    def need(name: str) -> None:
        if name in request.config.getoption("--without"):
            pytest.skip(f"--without {name}")
        try:
            (_REQUIRE | {"kubernetes": require_kubernetes})[name]()
        except MissingServerError as missing:
            pytest.fail(f"{missing}; or leave it out: --without {name}", pytrace=False)

    return need


@pytest.fixture(scope="session")
def need_kubernetes(request: pytest.FixtureRequest) -> None:
    """Skip the test unless Kubernetes is asked for; fail it if it cannot be run."""
    if not request.config.getoption("--kubernetes"):
        pytest.skip("without --kubernetes")
    try:
        require_kubernetes()
    except MissingServerError as missing:
        pytest.fail(f"{missing}; or leave --kubernetes out", pytrace=False)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """Certificates for the whole run."""
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def etcd(
    need_server: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EtcdServer]:
    """A plain etcd that all tests share: do not kill or pause it."""
    need_server("etcd")
    server = EtcdServer(tmp_path_factory.mktemp("etcd"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def consul(
    need_server: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ConsulServer]:
    """A plain Consul that all tests share, with its least session TTL (10 s)."""
    need_server("consul")
    server = ConsulServer(tmp_path_factory.mktemp("consul"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def kubernetes(
    need_kubernetes: None, pki: Pki, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KubernetesServer]:
    """A Kubernetes API server that all tests share: do not kill or pause it."""
    server = KubernetesServer(tmp_path_factory.mktemp("kubernetes"), pki=pki)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def etcd_server(
    need_server: Callable[[str], None], pki: Pki, tmp_path: Path
) -> Iterator[Callable[..., EtcdServer]]:
    """Start an etcd of the test's own: ``etcd_server(auth=True)``; see `EtcdServer`."""
    need_server("etcd")
    with ExitStack() as stack:

        def start(**options: Any) -> EtcdServer:
            server = EtcdServer(tmp_path / f"etcd-{uuid.uuid4().hex[:6]}", **{"pki": pki} | options)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture
def consul_server(
    need_server: Callable[[str], None], pki: Pki, tmp_path: Path
) -> Iterator[Callable[..., ConsulServer]]:
    """Start a Consul of the test's own: ``consul_server(acl=True)``; see `ConsulServer`."""
    need_server("consul")
    with ExitStack() as stack:

        def start(**options: Any) -> ConsulServer:
            directory = tmp_path / f"consul-{uuid.uuid4().hex[:6]}"
            server = ConsulServer(directory, **{"pki": pki} | options)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture
def kubernetes_server(
    need_kubernetes: None, pki: Pki, tmp_path: Path
) -> Iterator[Callable[..., KubernetesServer]]:
    """Start an API server of the test's own: ``kubernetes_server()``; see `KubernetesServer`."""
    with ExitStack() as stack:

        def start(**options: Any) -> KubernetesServer:
            directory = tmp_path / f"kubernetes-{uuid.uuid4().hex[:6]}"
            server = KubernetesServer(directory, **{"pki": pki} | options)
            stack.callback(server.stop)
            server.start()
            return server

        yield start


@pytest.fixture
def proxy() -> Iterator[Callable[[str], Proxy]]:
    """Put a proxy in front of ``host:port``: ``proxy(etcd.endpoint)``; see `Proxy`."""
    with ExitStack() as stack:

        def start(target: str) -> Proxy:
            made = Proxy(target)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture
def election() -> Election:
    """An election that no other test knows."""
    return Election(namespace="test", name=f"job-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def outside_of_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults of a host, though these tests may run in a container."""
    monkeypatch.setattr(container, "_MARKS", ())
    monkeypatch.setattr(container, "_is_the_hosts_own", lambda _: True)
