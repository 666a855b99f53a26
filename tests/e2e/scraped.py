"""The pages of a real sidecar, and its metrics as Prometheus' own parser reads them."""

from __future__ import annotations

import json
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.elector.shown import get
from tests.servers.process import free_ports

__all__ = ["Scraped"]


class Scraped:
    """A port for ``--http``, and what is served there."""

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.option = ("--http", str(self.port))

    def status(self, path: str) -> int:
        return get(self.port, path)[0]

    def json(self, path: str) -> dict[str, Any]:
        found = json.loads(get(self.port, path)[2])
        assert isinstance(found, dict)
        return found

    def samples(self) -> dict[str, float]:
        """Values by name and labels: ``transitions_total elected``. Nothing where nobody answers:
        an elector may just be replaced, or a crowd stand before the door."""
        try:
            status, _, body = get(self.port, "/metrics")
        except OSError:
            return {}
        assert status == 200
        return {
            " ".join([sample.name.removeprefix("coordsidecar_"), *sample.labels.values()]): (
                sample.value
            )
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    def value(self, name: str) -> float | None:
        return self.samples().get(name)
