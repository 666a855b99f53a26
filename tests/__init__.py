"""The tests of coordsidecar; a package so that tests share what is in `tests.servers`."""
