"""Whom does a client trust, and with what does it prove itself? The TLS settings for EPP.

RFC 5734, section 9, asks for mutual authentication over TLS. Building a context costs more than a
handshake on it: build one, and share it among all connections.
"""

from __future__ import annotations

import os
import ssl
from typing import TypeAlias

import gevent.ssl

__all__ = ["client_context"]

_Path: TypeAlias = "str | os.PathLike[str]"


def client_context(
    *,
    ca_file: _Path | None = None,
    cert_file: _Path | None = None,
    key_file: _Path | None = None,
    password: str | None = None,
) -> ssl.SSLContext:
    """Return a context for clients: TLS 1.2 or later, certificate and host name verified.

    `ca_file` names the authorities to trust instead of the system's. `cert_file` and `key_file`
    are the client's own; `password` opens the key and is not kept. A key that needs a password
    and gets none is an error: nothing ever asks for it on a terminal.

    Raises:
        OSError: a file cannot be read or used (`ssl.SSLError` is one).
        ValueError: a key or a password without a certificate.
    """
    if cert_file is None and (key_file is not None or password is not None):
        raise ValueError("key_file and password need a cert_file")
    context = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is None:
        context.load_default_certs()
    else:
        context.load_verify_locations(ca_file)
    if cert_file is not None:
        context.load_cert_chain(cert_file, key_file, password or "")
    return context
