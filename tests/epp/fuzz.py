"""Feed the transport and the client nonsense, for so many seconds: `make fuzz FUZZ_SECONDS=600`.

Each example is one connection: a stream of greetings and replies, corrupted and cut, and a client
that greets and asks twice. Nothing may come of it but the right answer or an error of ours, at once
and for good. Plain sockets, so that hundreds go by in a second; TLS is in the tests, and so is a
short run of this.
"""

from __future__ import annotations

import ssl
import sys
import warnings
from time import monotonic
from typing import Any

import gevent.socket
from epp.streams import LIMIT, corrupted, documents, messages_in, pieces
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geventconnpool_gov.epp import (
    CommandError,
    EppClient,
    EppTransport,
    PollRequest,
    Response,
    TransportError,
)

SECONDS_AT_MOST = 2.0  # for one example; it takes a millisecond
CONTEXT = ssl.create_default_context()


class Wired(EppTransport):
    """A transport over a socket that is connected already."""

    def __init__(self, sock: Any) -> None:
        super().__init__("fuzz", ssl_context=CONTEXT, max_frame=LIMIT)
        self._sock = sock

    def connect(self) -> None:
        self.socket, self._unusable = self._sock, None


def converse(client: EppClient, answers: list[bytes]) -> None:
    """Greet and ask twice; `answers` are the messages that the stream really holds."""
    try:
        client.connect()
        for number in (1, 2):
            response = client.send(PollRequest(), tr_id="ours")
            assert isinstance(response, Response)
            assert response.cl_tr_id == "ours"
            assert Response.parse(answers[number]) == response
    except TransportError:
        assert not client.usable
    except CommandError:
        assert client.transport.socket is None


def one_connection(data: st.DataObject) -> None:
    stream = data.draw(corrupted(documents | st.binary(min_size=1, max_size=60)))
    parts = data.draw(pieces(stream))
    ours, theirs = gevent.socket.socketpair()
    began = monotonic()
    with ours, theirs:
        for part in parts:
            theirs.sendall(part)
        theirs.shutdown(gevent.socket.SHUT_WR)
        client = EppClient(Wired(ours), command_timeout=SECONDS_AT_MOST)
        converse(client, messages_in(stream))
        client.close()
    assert monotonic() - began < SECONDS_AT_MOST


def main(seconds: float) -> None:
    count, end = 0, monotonic() + seconds
    batch = settings(
        max_examples=500, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(given(st.data())(one_connection))
    while monotonic() < end:
        batch()
        count += 500
    print(f"some {count:,} connections, and nothing came of them but answers and errors")


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
