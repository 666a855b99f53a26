"""What is imported with py-consul, and what is not."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_is_imported_that_guesses_encodings() -> None:
    program = (
        "import sys\n"
        "import coordsidecar_adapters.consul\n"
        "guessers = ('chardet', 'charset_normalizer')\n"
        "print([name for name in guessers if name in sys.modules])\n"
        "import charset_normalizer\n"  # For the process as a whole, it is there as before.
    )

    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True)

    assert (done.stdout.strip(), done.stderr) == (b"[]", b"")
