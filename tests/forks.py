"""Pools with real peers, and what runs in a forked child of the test."""

from __future__ import annotations

import json
import os
import traceback

import gevent
import gevent.socket

from geventconnpool_gov import ConnectionPool


class TcpPool(ConnectionPool):
    SPAWN_FREQUENCY = 0.0

    def __init__(self, size, peer, **options):
        self.peer = peer
        self.said_goodbye = []
        super().__init__(size, timeout=5, **options)

    def _new_connection(self) -> object:
        return gevent.socket.create_connection(self.peer.address)

    def _keepalive(self, c) -> None:
        c.sendall(b"alive?")
        assert c.recv(6) == b"alive?"

    def _close_connection(self, c):
        self.said_goodbye.append(c)
        c.close()


class TlsPool(TcpPool):
    def _new_connection(self) -> object:
        return self.peer.client_context().wrap_socket(
            super()._new_connection(), server_hostname="localhost"
        )


class PlainPool(ConnectionPool):
    """Its connections have no socket that the pool could know of."""

    def _new_connection(self) -> object:
        return object()


def ask(pool, question):
    with pool.get() as connection:
        connection.sendall(question)
        return connection.recv(100)


def in_child(function, peer):
    """Run a function in a forked child; what it returns. Fails where it raises."""
    reading, writing = os.pipe()
    pid = gevent.os.fork()
    if pid == 0:
        try:
            os.close(reading)
            peer.leave_to_parent()
            answer = {"result": function()}
        except BaseException:
            answer = {"error": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    text = b""
    while part := gevent.os.tp_read(reading, 65536):
        text += part
    os.close(reading)
    # On libuv, gevent's waitpid that blocks waits for ever for a child whose end the loop has just
    # taken note of.
    while gevent.os.waitpid(pid, os.WNOHANG) == (0, 0):
        gevent.sleep(0.001)
    answer = json.loads(text)
    assert "error" not in answer, answer.get("error")
    return answer["result"]
