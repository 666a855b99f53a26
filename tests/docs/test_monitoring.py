"""What the page, the alerts and the dashboard speak of is what /metrics really serves."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from coordsidecar.elector.counts import REASONS
from tests.docs.yaml_subset import Node, read_yaml
from tests.e2e.scraped import Scraped
from tests.e2e.sidecars import sidecars, wait_for
from tests.elector.shown import get

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
ALERTS = (ROOT / "examples/monitoring/alerts.yml").read_text()
DASHBOARD = json.loads((ROOT / "examples/monitoring/dashboard.json").read_text())
_OF_THE_SCRAPE = {"job", "instance"}

pytestmark = pytest.mark.usefixtures("outside_of_containers")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Metric]]:
    """All of a leader: no family is absent."""
    folder, page = tmp_path_factory.mktemp("served"), Scraped()
    with sidecars(folder) as start:
        check = ("--health-cmd", "true", "--health-interval", "100ms")
        start("--store", f"local:{folder}", *page.option, *check, "--", "sleep", "60")
        wait_for(lambda: page.value("job_starts_total") == 1, "the job to start")
        wait_for(lambda: page.value("healthy") == 1, "it to be found well")
        text = get(page.port, "/metrics")[2].decode()
        yield list(text_string_to_metric_families(text))


def rules() -> list[dict[str, Node]]:
    document: Any = read_yaml(ALERTS)
    (group,) = document["groups"]
    return list(group["rules"])


def expressions() -> dict[str, str]:
    """All of PromQL in the examples, by where it stands."""
    found = {f"alert {rule['alert']}": str(rule["expr"]) for rule in rules()}
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    return found


def sample_names(served: list[Metric]) -> set[str]:
    return {sample.name for family in served for sample in family.samples}


def test_the_examples_ask_only_for_what_is_served(served: list[Metric]) -> None:
    names = sample_names(served)
    labels = {label for family in served for sample in family.samples for label in sample.labels}
    keyword = r"\b(?:by|on|group_left) \(([^)]*)\)"

    for where, expression in expressions().items():
        asked = set(re.findall(r"\bcoordsidecar_\w+", expression))
        assert asked, where
        assert asked <= names, where
        used = {
            label.strip() for found in re.findall(keyword, expression) for label in found.split(",")
        }
        used |= set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", expression))
        assert used <= labels | _OF_THE_SCRAPE, where
        reasons = re.findall(r'reason="([^"]*)"', expression)
        assert set(reasons) <= set(REASONS), where


def test_whatever_is_served_can_be_seen_in_the_dashboard(served: list[Metric]) -> None:
    shown = "".join(text for where, text in expressions().items() if where.startswith("panel"))

    for family in served:
        assert family.name in shown


def test_the_page_lists_every_metric_with_its_kind_and_its_labels(served: list[Metric]) -> None:
    rows = re.findall(r"^\| `(coordsidecar_\w+)(?:\{([\w,]+)\})?` \| (\w+) \|", PAGE, re.MULTILINE)

    listed = {name: (kind, set(labels.split(",")) - {""}) for name, labels, kind in rows}
    found = {
        # The parser takes a counter's name without its end.
        family.name + "_total" * (family.type == "counter"): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in served
    }
    assert listed == found


def test_the_page_lists_every_reason() -> None:
    table = PAGE.split("| reason |")[1].split("\n\n")[0]

    assert tuple(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)) == REASONS


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names) >= 5
    for rule in rules():
        labels, annotations = rule["labels"], rule["annotations"]
        assert isinstance(labels, dict)
        assert isinstance(annotations, dict)
        assert labels["severity"] in {"warning", "critical"}
        assert annotations.keys() == {"summary", "action"}


def test_no_two_panels_lie_on_each_other() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
