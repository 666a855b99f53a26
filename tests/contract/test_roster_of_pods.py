"""What instances say of themselves as annotations of pods, to whatever keeps pods as Kubernetes.

`tests.kubernetes.test_roster` shows it of a real API server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from coordsidecar.store import registry
from coordsidecar.store.protocol import Election, Session
from coordsidecar.store.roster import Roster
from tests.contract.rosters import connected_to

_PODS = "/api/v1/namespaces/default/pods"
_ELECTION = Election(namespace="default", name="e")
_CALL_S = 30.0


class Api(ThreadingHTTPServer):
    """Keeps pods, and a Lease that nobody holds; it hangs up on nobody, and selects by nothing."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods: dict[str, dict[str, Any]] = {}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Api

    def do_GET(self) -> None:
        if self.path.startswith(f"{_PODS}?"):
            self._answer({"items": list(self.server.pods.values())})
        else:
            self._answer({"metadata": {"resourceVersion": "7"}, "spec": {}})

    def do_PATCH(self) -> None:
        length = int(self.headers["Content-Length"])
        meta = json.loads(self.rfile.read(length))["metadata"]
        pod = self.server.pods[self.path.removeprefix(f"{_PODS}/")]
        for part in ("labels", "annotations"):
            pod["metadata"].setdefault(part, {}).update(meta[part])
        self._answer(pod)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as api:
        for name in ("a", "b"):
            api.pods[name] = {"metadata": {"name": name}, "status": {"phase": "Running"}}
        threading.Thread(target=api.serve_forever, daemon=True).start()
        yield api
        api.shutdown()


@pytest.fixture
def url(api: Api, tmp_path: Path) -> str:
    path = tmp_path / "config.json"
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{api.server_port}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    path.write_text(json.dumps(config))
    return f"kubernetes:?kubeconfig={path}&label-pods=yes"


def roster(url: str, pod: str, *, election: Election = _ELECTION) -> Roster:
    made = registry.roster(url, election=election, node_id=pod, environ={})
    assert made is not None
    return made


def tell(roster: Roster, entry: str) -> None:
    roster.tell(Session(handle="a", ttl_s=15.0), entry, timeout_s=_CALL_S)


def others(url: str) -> list[dict[str, Any]]:
    directory = registry.directory(url, namespace="default", environ={})
    board = directory.board("e", in_full=True, timeout_s=_CALL_S)
    return [json.loads(entry) for entry in board.others]


def test_no_connection_is_kept_for_the_next_time(api: Api, url: str) -> None:
    told = roster(url, "a")

    tell(told, '{"id": "a"}')

    assert "coordsidecar/instance" in api.pods["a"]["metadata"]["annotations"]
    assert connected_to(f"127.0.0.1:{api.server_port}") == 0


def test_who_rests_says_no_longer_that_it_leads(url: str) -> None:
    told = roster(url, "a")
    tell(told, '{"id": "a", "role": "leader", "token": 7}')

    told.tell(None, '{"id": "a", "role": "resting", "token": null}', timeout_s=_CALL_S)

    (shown,) = others(url)
    assert (shown["role"], shown["token"]) == ("resting", None)


def test_an_instance_is_shown_by_the_name_of_its_pod(url: str) -> None:
    tell(roster(url, "a"), '{"id": "somebody else", "job": {"state": "running"}}')

    (shown,) = others(url)

    assert (shown["id"], shown["job"]) == ("a", {"state": "running"})


def test_what_a_pod_says_of_another_election_is_not_shown(url: str) -> None:
    tell(roster(url, "a"), '{"id": "a"}')
    tell(roster(url, "b", election=Election(namespace="default", name="another")), '{"id": "b"}')

    assert [one["id"] for one in others(url)] == ["a"]
