"""Promise 2: nobody gets another's reply; and what else a lease means."""

from __future__ import annotations

import gevent
import pytest
from peers import echo, scripted
from pools import Pool, assert_whole, hold

from geventconnpool_gov import ConnectionPool


@pytest.mark.parametrize("error", [gevent.Timeout, gevent.GreenletExit, KeyboardInterrupt])
def test_a_lease_left_by_an_interrupt_ends_in_a_close(virtual_clock, error):
    with Pool(1) as pool:
        with pytest.raises(error), pool.get() as used:
            raise error
        assert hold(pool, 0) is not used
        assert used.closed == 1
        assert pool.stats().closed["interrupted"] == 1


def test_a_lease_left_by_one_of_exc_classes_ends_in_a_close(virtual_clock):
    with Pool(1, exc_classes=(LookupError,)) as pool:
        with pytest.raises(KeyError), pool.get() as used:
            raise KeyError("a LookupError")
        assert hold(pool, 0) is not used
        assert pool.stats().closed["broken"] == 1


@pytest.mark.parametrize("error", [ValueError, StopIteration, AssertionError])
def test_any_other_exception_returns_the_connection(virtual_clock, error):
    with Pool(1) as pool:
        with pytest.raises(error), pool.get() as used:
            raise error
        assert hold(pool, 0) is used


def test_exc_classes_that_a_subclass_spoiled_cost_a_connection_and_no_capacity(virtual_clock):
    with Pool(1) as pool:
        pool.exc_classes = None
        with pytest.raises(LookupError), pool.get() as used:
            raise LookupError
        assert used is not hold(pool, 0)
        assert_whole(pool)


def test_an_error_that_cannot_be_printed_is_an_error_like_any_other(virtual_clock):
    class Mute(OSError):
        def __str__(self):
            raise RuntimeError("no words")

    with Pool(1, connects=[Mute(), Mute()]) as pool:
        assert_whole(pool)
        assert pool.stats().last_connect_error == "Mute: (its text cannot be had)"


def test_a_discarded_connection_is_closed_when_its_lease_ends_and_not_before(virtual_clock):
    with Pool(1) as pool:
        with pool.get() as used:
            pool.discard(used)
            gevent.sleep(1)
            assert not used.closed
        gevent.sleep(1)
        assert used.closed == 1
        assert_whole(pool)


TAKEN_AWAY = {
    "discarded": lambda pool, c: pool.discard(c),
    "the pool closed": lambda pool, c: pool.close(),
    "the pool closed at once": lambda pool, c: pool.close(timeout=0),
    "the pool drained": lambda pool, c: pool.drain(),
    "a new lock": lambda pool, c: setattr(pool, "lock", None),
}


@pytest.mark.parametrize("how", TAKEN_AWAY)
def test_a_connection_taken_away_is_closed_however_quickly_it_was_borrowed_again(
    virtual_clock, how
):
    with Pool(1) as pool:
        pool.wait_until_ready()
        with pool.get():
            pass
        with pool.get() as used:  # in the same pass of the loop
            TAKEN_AWAY[how](pool, used)
        gevent.sleep(1)
        assert used.closed == 1


def test_an_idle_connection_can_be_discarded_and_a_stranger_cannot(virtual_clock):
    with Pool(2) as pool:
        used = hold(pool, 0)
        pool.discard(used)
        assert_whole(pool)
        assert used.closed == 1
        with pytest.raises(ValueError, match="not a connection of Pool"):
            pool.discard(used)


def test_a_connection_discarded_after_it_was_handed_over_is_closed_and_not_lent(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        with pool.get() as used:
            waiter = gevent.spawn(hold, pool, 0)
            gevent.sleep(0)
        pool.discard(used)  # the waiter has not run yet
        assert waiter.get() is not used
        assert_whole(pool)
        assert used.closed == 1


class Resetting(Pool):
    def _reset(self, c):
        gevent.sleep(getattr(c, "reset_takes", 0))
        if hasattr(c, "reset_fails"):
            raise c.reset_fails


def test_a_connection_whose_reset_fails_is_closed_and_its_user_is_not_told(virtual_clock):
    with Resetting(1) as pool:
        with pool.get() as used:
            used.reset_fails = OSError("gone")
        assert hold(pool, 0) is not used
        assert pool.stats().closed["reset_failed"] == 1


def test_a_reset_that_hangs_costs_one_connection_and_check_timeout(virtual_clock):
    with Resetting(1, check_timeout=2) as pool:
        with pool.get() as used:
            used.reset_takes = 10**6
        assert virtual_clock.now == 2
        assert hold(pool, 0) is not used


def test_an_interrupted_reset_ends_in_a_close(virtual_clock):
    with Resetting(1) as pool:
        with pytest.raises(gevent.Timeout), gevent.Timeout(1):  # noqa: SIM117
            with pool.get() as used:
                used.reset_takes = 4
        assert used.closed == 0
        assert_whole(pool)
        assert used.closed == 1


class TcpPool(ConnectionPool):
    """Connections to a real peer."""

    def __init__(self, size, address, **options):
        self.address = address
        super().__init__(size, **options)

    def _new_connection(self) -> object:
        return gevent.socket.create_connection(self.address)


def ask(connection, question: bytes) -> bytes:
    connection.sendall(question)
    return connection.recv(100)


def test_a_reply_that_came_too_late_for_its_asker_reaches_nobody_else():
    def slow_echo(sock):
        while question := sock.recv(100):
            if question == b"slow":
                gevent.sleep(0.1)
            sock.sendall(b"reply to " + question)

    with scripted(slow_echo) as peer, TcpPool(1, peer.address) as pool:
        with gevent.Timeout(0.05, False), pool.get() as connection:
            ask(connection, b"slow")
        gevent.sleep(0.1)
        with pool.get() as connection:
            assert ask(connection, b"quick") == b"reply to quick"


def test_a_connection_returned_with_a_reply_unread_is_closed_not_lent():
    with echo() as peer, TcpPool(1, peer.address) as pool:
        with pool.get() as first:
            first.sendall(b"nobody reads this")
        gevent.sleep(0.05)
        with pool.get() as second:
            assert second is not first
            assert ask(second, b"mine") == b"mine"
        assert pool.stats().closed["peer_closed"] == 1


def test_a_caller_that_swallows_its_own_timeout_leaves_nothing_for_the_next():
    def late(sock):
        while question := sock.recv(100):
            gevent.sleep(0.05)
            sock.sendall(b"re: " + question)

    with scripted(late) as peer, TcpPool(1, peer.address) as pool:
        with pool.get() as connection:
            connection.sendall(b"one")
            with gevent.Timeout(0.01, False):
                connection.recv(100)
        gevent.sleep(0.1)
        with pool.get() as connection:
            assert ask(connection, b"two") == b"re: two"
