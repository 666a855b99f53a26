"""The configuration of a Consul server on loopback ports, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.pki import Pki

__all__ = ["server_config"]


def server_config(
    data_dir: Path,
    *,
    node_name: str,
    ports: tuple[int, int, int],
    peers: Sequence[int],
    pki: Pki | None,
    master_token: str | None,
) -> dict[str, Any]:
    """A server alone, or one that finds its ``peers``; for the rest see `ConsulServer`."""
    http_port, rpc_port, serf_port = ports
    config: dict[str, Any] = {
        "server": True,
        "bootstrap_expect": len(peers) or 1,
        "data_dir": str(data_dir),
        "node_name": node_name,
        "bind_addr": "127.0.0.1",
        "client_addr": "127.0.0.1",
        "log_level": "warn",
        "disable_update_check": True,
        "leave_on_terminate": False,
        # The least: Consul's defaults for slow clouds make its own election take seconds.
        "performance": {"raft_multiplier": 1},
        "ports": {
            "http": http_port if pki is None else -1,
            "https": -1 if pki is None else http_port,
            "dns": -1,
            "grpc": -1,
            "server": rpc_port,
            "serf_lan": serf_port,
            "serf_wan": -1,
        },
    }
    if peers:
        config["retry_join"] = [f"127.0.0.1:{port}" for port in peers]
        config["retry_interval"] = "1s"
        # A server that was killed comes back: do not vote it out meanwhile.
        config["autopilot"] = {"cleanup_dead_servers": False}
    if pki is not None:
        config["ca_file"] = str(pki.ca_cert)
        config["cert_file"] = str(pki.server_cert)
        config["key_file"] = str(pki.server_key)
    if master_token is not None:
        tokens = {"master": master_token, "agent": master_token}
        config["acl"] = {"enabled": True, "default_policy": "deny", "tokens": tokens}
    return config
