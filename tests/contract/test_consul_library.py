"""What is imported with py-consul, and what is not."""

from __future__ import annotations

import subprocess
import sys


def test_py_consul_is_imported_without_what_it_never_needs() -> None:
    program = (
        "import sys\n"
        "import coordsidecar_adapters.consul.store\n"
        "heavy = ('requests', 'urllib3', 'ssl', 'http.client', 'importlib.metadata')\n"
        "print([name for name in heavy if name in sys.modules])\n"
        # For the process as a whole, it is there as before.
        "import consul\n"
        "from coordsidecar_adapters.consul.library import KV, exceptions\n"
        "print(consul.base.KV is KV, consul.ConsulException is exceptions.ConsulException)\n"
    )

    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True)

    assert (done.stdout, done.stderr) == (b"[]\nTrue True\n", b"")
