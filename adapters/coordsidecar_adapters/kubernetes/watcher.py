"""The watch on a Lease, which stays open from one question to the next."""

from __future__ import annotations

from collections.abc import Callable

from coordsidecar.store.protocol import UnreachableError
from coordsidecar_adapters.kubernetes.client import KubernetesClient, LeaseWatch
from coordsidecar_adapters.kubernetes.lease import NO_LEASE, Lease
from coordsidecar_adapters.link import LinkError

__all__ = ["Watcher"]

# Of itself the server ends a watch after half an hour to an hour.
_OPEN_FOR_S = 300


class Watcher:
    """Tells when a Lease is no longer as it was. For one thread, but for `last`."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._stream: LeaseWatch | None = None
        # As the watch told it last, and so the API server had it then. A guess.
        self.last: Lease | None = None

    def changed(self, differs: Callable[[Lease], bool], *, since: int, deadline_s: float) -> bool:
        """Wait until the Lease ``differs`` (True), or time is up (False).

        Misses nothing that came after version ``since``. True also stands for a watch that cannot
        tell: read again.
        """
        if self.last is not None and self.last.version > since and differs(self.last):
            # Or the API server has lost its data, and counts from the beginning.
            self.close()
            return True
        if self._stream is not None:
            try:
                return self._told(self._stream, differs, deadline_s)
            except LinkError:
                # The server has ended it, in its time or with itself: begin anew where it was.
                since = max(since, self.last.version) if self.last else since
        self.close()
        try:
            stream = self._client.watch(since, for_s=_OPEN_FOR_S, deadline_s=deadline_s)
            if stream is None:
                return True
            self._stream = stream
            return self._told(stream, differs, deadline_s)
        except LinkError as e:
            self.close()
            if e.timed_out:
                return False
            raise UnreachableError(f"Kubernetes: the watch ended: {e}") from e

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self.last = None, None

    def _told(
        self, stream: LeaseWatch, differs: Callable[[Lease], bool], deadline_s: float
    ) -> bool:
        while (event := stream.next(deadline_s)) is not None:
            match event.get("type"):
                case "ADDED" | "MODIFIED":
                    self.last = Lease.read(event.get("object"))
                case "DELETED":
                    self.last = NO_LEASE
                case _:  # An error, or what nobody asked for.
                    self.close()
                    return True
            if differs(self.last):
                return True
        return False
