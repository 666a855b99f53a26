"""Real servers, and real trouble on the way to them, for tests: nothing here is a fake store."""

from tests.servers.consul import ConsulCluster, ConsulServer
from tests.servers.etcd import EtcdCluster, EtcdServer
from tests.servers.gate import Gate, Trouble
from tests.servers.kubernetes import KubernetesServer
from tests.servers.operations import Operation
from tests.servers.pki import Pki
from tests.servers.process import MissingServerError, ServerError
from tests.servers.proxy import Proxy

__all__ = [
    "ConsulCluster",
    "ConsulServer",
    "EtcdCluster",
    "EtcdServer",
    "Gate",
    "KubernetesServer",
    "MissingServerError",
    "Operation",
    "Pki",
    "Proxy",
    "ServerError",
    "Trouble",
]
