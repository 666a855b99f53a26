"""``python -m coordsidecar``: the same as the command ``coordsidecar``."""

from coordsidecar.cli.main import main

main()
