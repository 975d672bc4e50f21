"""RFC 5734, section 4: a frame's length counts its own four octets."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geventconnpool_gov.epp.frames import HEADER_SIZE, FrameError, message_size, pack


def test_the_length_counts_itself_and_comes_first_in_network_byte_order() -> None:
    assert pack(b"<epp/>") == b"\0\0\0\x0a<epp/>"


@given(st.binary(min_size=1, max_size=70_000))
def test_a_header_tells_how_much_follows(message: bytes) -> None:
    frame = pack(message)
    assert message_size(frame[:HEADER_SIZE], len(frame)) == len(message)
    assert frame[HEADER_SIZE:] == message


@given(st.integers(0, 0xFFFF_FFFF), st.integers(5, 100_000))
@example(3, 100)
@example(4, 100)
@example(5, 5)
@example(6, 5)
def test_no_size_is_believed_but_one_from_5_to_the_limit(length: int, limit: int) -> None:
    header = length.to_bytes(4, "big")
    if 5 <= length <= limit:
        assert message_size(header, limit) == length - 4
    else:
        with pytest.raises(FrameError):
            message_size(header, limit)


def test_an_empty_message_is_not_sent() -> None:
    with pytest.raises(FrameError, match="empty"):
        pack(b"")


def test_a_message_beyond_what_the_header_can_tell_is_not_sent() -> None:
    class Huge(bytes):
        def __len__(self) -> int:
            return 2**32 - 4

    with pytest.raises(FrameError, match="at most"):
        pack(Huge())
