"""The shipped FlowSchema puts the pods' requests among those of Kubernetes' own leaders.

On an API server of 1.20, which knows it as v1beta1; none of the fields in use has changed since.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.e2e.sidecars import wait_for
from tests.kubernetes.manifests import one, render
from tests.servers import KubernetesServer

_API = "/apis/flowcontrol.apiserver.k8s.io/v1beta1"


def level_of(server: KubernetesServer, *words: str, token: str) -> str:
    """The priority level by which the request of this kubectl command was served."""
    done = subprocess.run(
        server.kubectl_argv(f"--token={token}", "-v8", *words),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    levels: Any = server.http("GET", f"{_API}/prioritylevelconfigurations").body["items"]
    names = {level["metadata"]["uid"]: level["metadata"]["name"] for level in levels}
    # Of the last request: kubectl finds out first what the server knows.
    *_, uid = re.findall(r"X-Kubernetes-Pf-Prioritylevel-Uid: (\S+)", done.stderr)
    return str(names[uid])


def test_requests_about_the_lease_are_served_before_those_of_other_service_accounts(
    kubernetes: KubernetesServer, tmp_path: Path
) -> None:
    objects = render("overlays/production")
    schema, role = one(objects, "FlowSchema"), one(objects, "Role")
    account = one(objects, "ServiceAccount")["metadata"]
    (subject,) = schema["spec"]["rules"][0]["subjects"]
    namespace = kubernetes.namespace()
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    token = kubernetes.service_account(account["name"], namespace, rules=[everything])
    kubernetes.create(
        f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases",
        {"metadata": {"name": role["rules"][0]["resourceNames"][0]}},
    )
    asks = ("-n", namespace, "get", "lease", account["name"], "--output=name")
    before = level_of(kubernetes, *asks, token=token)
    subject["serviceAccount"]["namespace"] = namespace
    schema["spec"]["rules"][0]["resourceRules"][0]["namespaces"] = [namespace]
    manifest = tmp_path / "schema.json"
    manifest.write_text(json.dumps(schema | {"apiVersion": _API.removeprefix("/apis/")}))

    kubernetes.kubectl("apply", "-f", str(manifest))

    try:
        wait_for(
            lambda: level_of(kubernetes, *asks, token=token) == "leader-election",
            "the schema to be in force",
        )
        assert before == "workload-low"
        others = ("-n", namespace, "get", "serviceaccount", account["name"], "--output=name")
        assert level_of(kubernetes, *others, token=token) == "workload-low"
    finally:
        kubernetes.kubectl("delete", "-f", str(manifest))
