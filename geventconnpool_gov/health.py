"""Is an idle connection still alive, and silent as it should be?

The cheap answer, asked before every lending: one poll(2) of the descriptor that never switches to
another greenlet. Under monkey-patching `select.poll` is gevent's, which does switch, so the
original is fetched. Not readable means alive. Readable means one of three things: the peer closed;
it said something nobody asked for, which the next caller would take for its own reply; or it is
TLS 1.3, whose session tickets arrive after the handshake (RFC 8446, section 4.6.1) and are not
data. Only a non-blocking read tells tickets from data.

The free answer, between borrows: a watcher on the descriptor while the connection is idle, so that
a peer's close is an event. It is level-triggered, so its callback stops it first; it is closed
before the socket, lest it fire for the descriptor's next owner; and `arming` says when it starts.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import weakref
from typing import Any, Protocol

import gevent
from gevent.monkey import get_original

from .arming import Arming
from .entries import Entry

__all__ = ["Guard", "Listener"]

_poll = get_original("select", "poll")
_socket = get_original("socket", "socket")
_READ = 1  # the event mask of gevent's `loop.io`
_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)
_ASKED = select.POLLIN | getattr(select, "POLLRDHUP", 0)


class Listener(Protocol):
    """Whom a guard tells that the peer of an idle connection closed or spoke."""

    arming: Arming
    speaks_first: bool  # this pool's peers send something before they are asked

    def peer_stirred(self, entry: Entry) -> None:
        """Look at this idle connection now."""


class Guard:
    """Watches the socket under one connection."""

    __slots__ = (
        "__weakref__",
        "_entry",
        "_identity",
        "_io",
        "_listener",
        "_poller",
        "_tls",
        "_wanted",
        "fd",
        "socket",
    )

    def __init__(self, socket: Any, fd: int, entry: Entry, listener: Listener) -> None:
        self.socket = socket
        self.fd = fd
        self._entry = weakref.ref(entry)
        self._listener = weakref.ref(listener)
        self._tls = hasattr(socket, "pending") and hasattr(socket, "settimeout")
        self._poller = _poll()
        self._poller.register(fd, _ASKED)
        self._io: Any = None
        self._wanted = False
        self._identity = _identity(fd)

    @classmethod
    def over(cls, socket: Any, entry: Entry, listener: Listener) -> Guard | None:
        """A guard for what `_socket` returned; None where that is no open socket."""
        if socket is None:
            return None
        try:
            fd = socket if isinstance(socket, int) else socket.fileno()
            if isinstance(fd, int) and fd >= 0 and stat.S_ISSOCK(os.fstat(fd).st_mode):
                return cls(socket, fd, entry, listener)
        except Exception:
            pass  # not a socket at all: its connection is checked by use alone
        return None

    def alive(self) -> bool:
        """Whether the connection can be lent: open, and silent. Never switches greenlets.

        One that nobody has used yet may hold the greeting of a peer that speaks first.
        """
        try:
            if not self._is_there():
                return False  # closed, or replaced, behind the pool's back
            entry = self._entry()
            fresh = entry is not None and not entry.lent
            if self._tls and not fresh and self.socket.pending():
                return False  # decrypted, and not read by whoever asked for it
            events = self._poller.poll(0)
            if not events:
                return True
            if events[0][1] & _HUNG_UP:
                return False
            return self._only_tickets(fresh) if self._tls else fresh
        except Exception:  # whatever such an object raises, a caller must not meet it
            return False

    def _only_tickets(self, fresh: bool) -> bool:
        listener = self._listener()
        if fresh and listener is not None and listener.speaks_first:
            return True
        timeout = self.socket.gettimeout()
        self.socket.settimeout(0.0)
        try:
            data = self.socket.recv(1)
        except Exception as error:
            # ssl's and pyOpenSSL's ways to say that there was no data in what arrived.
            return type(error).__name__ in ("SSLWantReadError", "WantReadError")
        finally:
            with contextlib.suppress(OSError):
                self.socket.settimeout(timeout)
        if data and fresh and listener is not None:
            # A greeting. A byte of it is gone, so this connection is lost; the next is not read.
            listener.speaks_first = True
        return False

    def quiet(self) -> bool:
        """Whether there is nothing to read, so that watching will not fire at once."""
        return not self._poller.poll(0)

    def arm(self) -> bool:
        """Watch from now on: the connection is idle. False: its socket is closed."""
        listener = self._listener()
        if listener is None or not self._is_there():
            return False
        if not self._wanted:
            self._wanted = True
            listener.arming.add(self)
        return True

    def start_watching(self) -> None:
        """Start the watcher, if it is still wanted; called at the end of a pass of the loop."""
        if not self._wanted or not self._is_there():
            return
        if self._io is None:
            self._io = gevent.get_hub().loop.io(self.fd, _READ, ref=False)
        self._io.start(_readable, weakref.ref(self))

    def _is_there(self) -> bool:
        try:
            if isinstance(self.socket, int):
                return _identity(self.fd) == self._identity
            return bool(self.socket.fileno() == self.fd)
        except Exception:
            return False

    def disarm(self) -> None:
        """Stop to watch: somebody is about to use the connection."""
        self._wanted = False
        if self._io is not None:
            self._io.stop()

    def cut_off(self) -> None:
        """In a forked child: put an unconnected socket in the descriptor's place. Sends nothing."""
        with contextlib.suppress(OSError):
            if _identity(self.fd) == self._identity:
                with _socket() as blank:
                    os.dup2(blank.fileno(), self.fd, inheritable=False)

    def close(self) -> None:
        """Give the watcher up for good; the socket stays as it is."""
        self._wanted = False
        if self._io is not None:
            self._io.stop()
            self._io.close()
            self._io = None


def _identity(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _readable(reference: weakref.ref[Guard]) -> None:
    guard = reference()
    if guard is None:
        return
    guard.disarm()
    entry, listener = guard._entry(), guard._listener()
    if entry is not None and listener is not None:
        listener.peer_stirred(entry)
