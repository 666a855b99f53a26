"""What a connection to any of the stores' servers may end in, and how that is told to people."""

from __future__ import annotations

from coordsidecar.store.protocol import RefusedError
from coordsidecar.value import Value

__all__ = ["EndpointRefusedError", "LinkError", "Server", "Tls"]


class EndpointRefusedError(RefusedError):
    """One endpoint refuses us for a reason of its own; another may serve us."""


class LinkError(Exception):
    """The connection failed, or time ran out.

    ``sent`` False: the request did not reach the server, so nothing happened. True: no answer
    came, so it may have been carried out. ``timed_out``: there is no time for another attempt.
    """

    def __init__(self, message: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.timed_out = timed_out

    def __str__(self) -> str:
        kind = "no answer, it may have been carried out" if self.sent else "not sent"
        return f"{self.args[0]} ({kind})"


class Tls(Value):
    """Paths of PEM files, and of a folder of them. Without a CA the system's are trusted.

    ``cadata``: such certificates themselves, as PEM. ``server_name``: the name that the server's
    certificate is for, if it is not that of its host.
    """

    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    capath: str | None = None
    verify: bool = True
    server_name: str | None = None
    cadata: str | None = None


class Server(Value):
    """A kind of server, in the words of its users: for what they are told to do.

    ``name_setting``: where to say which name its certificate is for, if there is such a setting.
    ``early_close``: what it means that it closes a connection before its first word; "": that it
    takes TLS for plain text, or the other way round.
    """

    name: str
    scheme: str
    ca_setting: str
    client_settings: str
    name_setting: str = ""
    early_close: str = ""

    def certificate_refusal(self, address: str, why: str) -> str:
        """Say that the server's certificate does not verify, and the remedy."""
        name = f", or say that name in {self.name_setting}" if self.name_setting else ""
        return (
            f"{self.name} at {address}: its certificate does not verify: {why}; name its CA with "
            f"{self.ca_setting}, and use a host name that the certificate is valid for{name}"
        )

    def early_close_hint(self, *, tls: bool) -> str:
        """What to do about a connection that the server closed before its first word."""
        if self.early_close:
            return self.early_close
        if tls:
            return f"if it serves no TLS, write {self.scheme}://"
        return f"if it serves TLS, write {self.scheme}s://"

    def client_certificate_refusal(self, address: str, why: str) -> str | None:
        """Read the TLS alert of a server that wants another client certificate; None: no such."""
        if "ALERT" not in why or not any(sign in why for sign in ("CERTIFICATE", "UNKNOWN_CA")):
            return None
        return (
            f"{self.name} at {address} does not accept our client certificate, or misses it "
            f"({why}); set {self.client_settings} to a pair that its CA has signed"
        )
