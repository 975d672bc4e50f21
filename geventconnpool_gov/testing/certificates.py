"""Whom do the loopback servers and their clients trust? A certificate authority made at start.

Needs `trustme` (extras `demo` and `dev`). Nothing here is fit for anything but loopback.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import gevent.ssl
import trustme

__all__ = ["Authority"]


class Authority:
    """A certificate authority of its own, and the contexts of those who trust it."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="geventconnpool_gov loopback tests")

    def server_context(self, *, require_client: bool = False) -> ssl.SSLContext:
        """Return a gevent TLS 1.3 context for a server on loopback."""
        context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._authority.issue_cert("localhost", "127.0.0.1", "::1").configure_cert(context)
        if require_client:
            self._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a gevent context for clients that trust this authority alone."""
        context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._authority.configure_trust(context)
        return context

    def write_to(self, folder: Path) -> tuple[Path, Path]:
        """Write two files and return where: its certificate; a client's certificate and key."""
        ca_file, client_file = folder / "authority.pem", folder / "client.pem"
        self._authority.cert_pem.write_to_path(str(ca_file))
        client = self._authority.issue_cert("client@loopback.test")
        client_file.touch(mode=0o600)
        client.private_key_and_cert_chain_pem.write_to_path(str(client_file))
        return ca_file, client_file
