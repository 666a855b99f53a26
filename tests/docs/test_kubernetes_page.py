"""The page on Kubernetes says what the program says, ships and keeps to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coordsidecar.core.timing import Timing
from coordsidecar.store.protocol import Election
from coordsidecar_adapters.kubernetes.errors import Answer, translate
from coordsidecar_adapters.kubernetes.lease import Lease, acquisition
from coordsidecar_adapters.kubernetes.settings import Access, KubernetesSettings
from tests.docs.test_pages import blocks
from tests.docs.yaml_subset import Node, read_yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/kubernetes.md").read_text()
EXAMPLES = ROOT / "examples/kubernetes"
IN_A_POD = KubernetesSettings(Access(address="10.96.0.1:443", tls=None), "default", "ticker")


def refusal(verb: str, status: int) -> str:
    body = {"kind": "Status", "message": "leases is forbidden: User cannot do that"}
    return str(translate(Answer(status, body), verb=verb, settings=IN_A_POD))


def cells(first: str) -> list[str]:
    """Those of the table row that begins with this."""
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize("verb", ["get", "create", "patch", "watch"])
def test_each_missing_verb_gives_the_sentence_on_the_page(verb: str) -> None:
    *_, shown = cells(f"`{verb}`")

    said = refusal(verb, 403)

    assert said.endswith(shown.removeprefix("… "))
    assert shown.startswith("… ") or shown == said


def test_a_refused_token_gives_the_log_on_the_page() -> None:
    assert f" refused: {refusal('patch', 401)} token=" in PAGE


def test_the_rights_on_the_page_are_those_of_the_examples() -> None:
    (shown,) = blocks(PAGE, "yaml")

    role: Node = read_yaml((EXAMPLES / "base/rights.yaml").read_text().split("---\n")[1])

    assert isinstance(role, dict)
    assert read_yaml(shown) == {"rules": role["rules"]}


def test_every_annotation_is_explained() -> None:
    lease = Lease(1)

    written = acquisition(lease, "a", "{}", 15.0, run="r", limits=None)["metadata"]["annotations"]

    assert set(re.findall(r"^\| `(coordsidecar/\w+)` \|", PAGE, re.MULTILINE)) == set(written)


def test_the_times_on_the_page_are_those_of_the_defaults() -> None:
    timing = Timing.for_ttl(15.0)
    to_resign_s = 2 * timing.rpc_timeout_s + 1
    run_until_s = timing.ttl_s - timing.margin_s

    assert 25 + timing.kill_reserve_s + to_resign_s == pytest.approx(31)
    assert timing.step_down_after_s == pytest.approx(8)
    assert timing.step_down_after_s - timing.renew_every_s - timing.rpc_timeout_s == pytest.approx(
        3
    )
    assert run_until_s - timing.kill_reserve_s == pytest.approx(12)
    assert run_until_s == pytest.approx(13)
    assert timing.lost_grace_s + timing.kill_reserve_s == pytest.approx(5)
    assert timing.takeover_delay_s == pytest.approx(15)
    for shown in (
        "31 s",
        "8 s after the last renewal, SIGKILL at 12 s, dead by 13 s",
        "within 5 s",
    ):
        assert shown in PAGE


def test_a_lease_by_its_url_is_where_the_page_says(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        '{"current-context": "a", "users": [{"name": "u", "user": {"token": "t"}}],'
        '"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],'
        '"contexts": [{"name": "a", "context": {"cluster": "c", "user": "u", "namespace": "own"}}]}'
    )
    for url, asked, expected in (
        ("kubernetes:production", "staging", "production"),
        ("kubernetes:", "staging", "staging"),
        ("kubernetes:", "default", "own"),
    ):
        election = Election(namespace=asked, name="ticker")

        read = KubernetesSettings.read(url, election, {"KUBECONFIG": str(config)})

        assert (read.namespace, read.name) == (expected, "ticker")
