"""What may come over the wire: streams of frames, cut, merged and corrupted; and what is in them.

`messages_in` reads a stream as RFC 5734, section 4, has it, in another way than the transport does.
"""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import strategies as st

from geventconnpool_gov.testing import epp_protocol as registry

LIMIT = 2_000

REQUEST = registry.Request("info", "ours", ("a.test",))
GREETING = registry.greeting("2030-01-01T00:00:00Z")
DOCTYPE = b'<!DOCTYPE epp [<!ENTITY a "aaaa">]>'


def reply(code: int | None = None, transaction: str | None = "ours", reason: str = "") -> bytes:
    request = registry.Request("info", transaction, ("a.test",))
    return registry.reply(request, code, server_transaction="1", reason=reason)


at_the_limit = [b"x" * (LIMIT - 4), b"x" * (LIMIT - 3)]  # what just fits, and what does not
documents = st.sampled_from(
    [
        GREETING,
        *(reply(code) for code in (None, 1000, 1300, 1500, 2002, 2303, 2500, 2502)),
        reply(2002, reason="not logged in"),
        reply(transaction="theirs"),
        reply(transaction=None),
        reply().decode().encode("utf-16"),
        reply().replace(b"<epp ", DOCTYPE + b"<epp "),
        *(
            reply(1000).replace(b"1000", code)
            for code in (b"", b"1e3", b"-1000", b"\xd9\xa1\xd9\xa0\xd9\xa0\xd9\xa0")
        ),
        b"<a>" * 300,
        *at_the_limit,
        b"<epp/>",
    ]
)


def frame(message: bytes) -> bytes:
    return struct.pack("!I", len(message) + 4) + message


def messages_in(stream: bytes, limit: int = LIMIT) -> list[bytes]:
    """The whole messages before the first thing that is no frame."""
    messages = []
    while len(stream) >= 4:
        (length,) = struct.unpack_from("!I", stream)
        if not 4 < length <= limit or length > len(stream):
            break
        messages.append(stream[4:length])
        stream = stream[length:]
    return messages


@st.composite
def corrupted(draw: st.DrawFn, messages: st.SearchStrategy[bytes]) -> bytes:
    """The frames of some messages, with octets changed, lost, put in, said twice or swapped."""
    stream = b"".join(map(frame, draw(st.lists(messages, min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(stream))] * 2)))
        part = stream[start:end]
        part = draw(
            st.sampled_from([b"", part + part, part[::-1]])
            | st.binary(max_size=8)
            | st.sampled_from([b"\0\0\0\4", b"\xff\xff\xff\xff", struct.pack("!I", LIMIT + 1)])
        )
        stream = stream[:start] + part + stream[end:]
    return stream[: 40 * LIMIT]


@st.composite
def pieces(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The same octets, cut anywhere and merged over any border."""
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    edges = [0, *cuts, len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]
