"""How is a message laid out on the wire? RFC 5734, section 4. No I/O.

A frame is four octets, the length of the whole frame in network byte order, and the message. The
length counts itself, so 4 is a frame that carries nothing and less than 4 is not a frame at all.
"""

from __future__ import annotations

__all__ = ["HEADER_SIZE", "FrameError", "message_size", "pack"]

HEADER_SIZE = 4
_LARGEST_FRAME = 0xFFFF_FFFF


class FrameError(ValueError):
    """These octets, or this message, make no frame."""


def pack(message: bytes) -> bytes:
    """Return the frame that carries `message`.

    Raises:
        FrameError: the message is empty, or its length does not fit into four octets.
    """
    length = HEADER_SIZE + len(message)
    if not message:
        raise FrameError("an EPP message cannot be empty")
    if length > _LARGEST_FRAME:
        raise FrameError(f"an EPP frame holds {_LARGEST_FRAME:,} bytes at most, not {length:,}")
    return length.to_bytes(HEADER_SIZE, "big") + message


def message_size(header: bytes | bytearray, max_frame: int) -> int:
    """Return how many octets follow `header`, which the peer chose: it is not yet to be believed.

    Raises:
        FrameError: the length is impossible (below 4), carries nothing (4), or above `max_frame`.
    """
    length = int.from_bytes(header, "big")
    if length < HEADER_SIZE:
        raise FrameError(f"impossible frame length {length}: the length counts its own 4 bytes")
    if length == HEADER_SIZE:
        raise FrameError("empty frame: length 4 leaves no room for a message")
    if length > max_frame:
        raise FrameError(f"frame length {length:,} is above the limit of {max_frame:,}")
    return length - HEADER_SIZE
