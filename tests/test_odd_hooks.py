"""Whatever a hook, a handler or a connection does that it should not, no capacity is lost."""

from __future__ import annotations

import copy
import gc
import logging
import socket
import subprocess
import sys
import weakref
from contextlib import nullcontext, suppress

import gevent
import gevent.socket
import pytest
from peers import echo
from pools import Pool, assert_adds_up, assert_whole, hold

from geventconnpool_gov import ConnectionPool, PoolError, WrongThread


class Closing(Pool):
    """Closes by the connection's own close, whatever that does."""

    def _close_connection(self, c) -> None:
        c.close()


@pytest.mark.parametrize("error", [OSError, gevent.GreenletExit, SystemExit, gevent.Timeout])
def test_a_close_that_raises_anything_at_all_frees_its_place(virtual_clock, error):
    def fail():
        raise error

    with Closing(2) as pool:
        for _ in range(5):
            with pool.get(timeout=10) as used:
                used.close = fail
                pool.discard(used)
        assert_adds_up(pool)
        gevent.sleep(1)
        assert pool.stats().open == 2
        for connection in pool.made:
            connection.close = lambda: None
    virtual_clock.errors.clear()


def test_a_log_handler_that_switches_costs_nothing(virtual_clock):
    class Switching(logging.Handler):
        def createLock(self):  # noqa: N802  logging's name
            self.lock = nullcontext()  # a lock would be held across the switch

        def acquire(self):
            pass

        release = acquire

        def emit(self, record):
            if gevent.getcurrent() is not gevent.get_hub():
                gevent.sleep(0.05)

    log = logging.getLogger("geventconnpool_gov")
    handler, level = Switching(), log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    try:
        with Pool(2, connects=[OSError("down")]) as pool:
            pool.wait_until_ready()
            for number in range(20):
                with gevent.Timeout(0.02 * (number % 4) or None, False):
                    try:
                        with pool.get(timeout=2):
                            raise OSError("broken")
                    except OSError:
                        pass
                assert_adds_up(pool)
            assert_whole(pool)
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def test_a_reset_that_swallows_its_interruption_has_failed_all_the_same(virtual_clock):
    class Swallowing(Pool):
        def _reset(self, c) -> None:
            try:
                gevent.sleep(60)
            except BaseException:
                pass

    with Swallowing(1, check_timeout=2) as pool:
        with pool.get() as used:
            pass
        assert hold(pool, 0) is not used


def test_a_connect_that_swallows_its_interruption_brings_nothing_and_is_closed(virtual_clock):
    class Swallowing(Pool):
        def _new_connection(self) -> object:
            try:
                gevent.sleep(60 if not self.made else 0)
            except BaseException:
                pass
            return super()._new_connection()

    with Swallowing(1, connect_timeout=2) as pool:
        assert hold(pool, 0).number == 2
        gevent.sleep(1)
        assert [connection.closed for connection in pool.made] == [1, 0]


class Deaf:
    """Waits on, whatever interrupts it, until it is told to stop."""

    deaf = True

    def wait(self):
        while self.deaf:
            try:
                gevent.sleep(1)
            except BaseException:  # noqa: PERF203  such hooks exist
                pass


def test_a_close_that_never_gives_up_frees_its_place_at_the_second_limit(virtual_clock):
    deaf = Deaf()

    class Hanging(Pool):
        def _close_connection(self, c) -> None:
            if c.number == 1:
                deaf.wait()

    with Hanging(1, check_timeout=2) as pool:
        with pool.get() as used:
            pool.discard(used)
        assert hold(pool, 0, timeout=5).number == 2
        assert virtual_clock.now == pytest.approx(4)
    deaf.deaf = False
    gevent.sleep(5)


def test_a_connect_that_never_gives_up_frees_its_place_and_what_it_brings_late_is_closed(
    virtual_clock,
):
    deaf = Deaf()

    class Hanging(Pool):
        calls = 0

        def _new_connection(self) -> object:
            self.calls += 1
            if self.calls == 1:
                deaf.wait()
            return super()._new_connection()

    with Hanging(1, connect_timeout=2) as pool:
        assert hold(pool, 0, timeout=10).number == 1
        deaf.deaf = False
        gevent.sleep(10)
        assert [connection.closed for connection in pool.made] == [0, 1]
        assert_whole(pool)


def test_a_lease_entered_by_two_greenlets_lends_one_connection(virtual_clock):
    with Pool(2) as pool:
        pool.wait_until_ready()
        lease, errors = pool.get(), []

        def use():
            try:
                with lease:
                    gevent.sleep(1)
            except PoolError as error:
                errors.append(str(error))

        with pool.get(), pool.get():
            users = [gevent.spawn(use) for _ in range(2)]
            gevent.sleep(0)
        gevent.joinall(users)
        assert errors == ["this lease is entered already; call get() for each borrow"]
        assert_whole(pool)


def test_a_socket_hook_that_hangs_is_bounded_like_the_connect(virtual_clock):
    class Slow(Pool):
        def _socket(self, c):
            if c.number == 1:
                gevent.sleep(10**6)

    with Slow(1, connect_timeout=3) as pool:
        assert hold(pool, 0).number == 2
        assert pool.made[0].closed


def test_a_socket_hook_that_goes_on_after_its_time_has_its_connection_closed_once(virtual_clock):
    class Slow(Pool):
        def _socket(self, c):
            if len(self.made) == 1:
                with suppress(gevent.Timeout):
                    gevent.sleep(60)

        def _close_connection(self, c) -> None:
            closed.append(c)

    closed = []
    with Slow(1, connect_timeout=2) as pool:
        gevent.sleep(10)
        assert closed == pool.made[:1]
        assert_whole(pool)


def test_one_object_for_all_is_found_even_where_the_socket_hook_switches(virtual_clock):
    shared = object()

    class Sharing(Pool):
        def _new_connection(self) -> object:
            return shared

        def _socket(self, c):
            gevent.sleep(0.1)

        def _close_connection(self, c) -> None:
            pass

    with Sharing(3) as pool:
        gevent.sleep(5)
        stats = pool.stats()
        assert (stats.open, stats.opening) == (1, 0)


def test_exc_classes_that_cannot_be_asked_cost_a_connection_and_no_capacity(virtual_clock):
    class Odd(type):
        def __subclasscheck__(cls, other):
            raise RuntimeError("odd")

    class OddError(Exception, metaclass=Odd):
        pass

    with Pool(1, (OddError,)) as pool:
        with pytest.raises(ValueError, match="any"), pool.get():
            raise ValueError("any")
        assert_whole(pool)


def test_a_discard_from_another_thread_is_refused():
    with Pool(1) as pool:
        connection = hold(pool, 0)

        def discard():
            try:
                pool.discard(connection)
            except WrongThread:
                return "refused"

        assert gevent.get_hub().threadpool.apply(discard) == "refused"
        assert hold(pool, 0) is connection


def test_a_pool_cannot_be_copied(virtual_clock):
    with Pool(1) as pool, pytest.raises(TypeError, match="Pool cannot be copied or pickled"):
        copy.copy(pool)


def test_closing_a_socket_behind_the_pools_back_does_not_abort_the_process():
    script = """
import gevent, socket
from geventconnpool_gov import ConnectionPool
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
class Plain(ConnectionPool):
    def _new_connection(self) -> object:
        return socket.create_connection(listener.getsockname())
with Plain(1) as pool:
    with pool.get() as connection:
        pass
    connection.close()
    gevent.sleep(0.05)
    with pool.get() as other:
        assert other is not connection
listener.close()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, timeout=60)


def test_a_descriptor_given_as_a_number_and_reused_by_another_is_not_lent():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    class Numbered(Pool):
        def _new_connection(self) -> object:
            return socket.create_connection(listener.getsockname())

        def _socket(self, c):
            return c.fileno()

        def _close_connection(self, c) -> None:
            c.close()

    with Numbered(1) as pool:
        with pool.get() as used:
            number = used.fileno()
            used.close()
            other = socket.create_connection(listener.getsockname())
            assert other.fileno() == number
        with pool.get() as again:
            assert again is not used
    other.close()
    listener.close()


def test_a_keepalive_that_never_gives_up_costs_one_connection_and_no_more(virtual_clock):
    deaf, asked = Deaf(), []

    class Hanging(Pool):
        def _keepalive(self, c) -> None:
            asked.append(c.number)
            if c.number == 1:
                deaf.wait()

    with Hanging(2, keepalive=10, check_timeout=2) as pool:
        pool.wait_until_ready()
        gevent.sleep(15)
        assert pool.stats().closed["check_failed"] == 1
        assert pool.made[0].closed
        gevent.sleep(30)
        assert {2, 3} <= set(asked)  # the others are probed as ever
        deaf.deaf = False
        assert_whole(pool)


def test_a_connection_that_cannot_be_asked_for_a_fileno_has_no_socket_to_look_at(virtual_clock):
    class Odd:
        number = 1

        def __getattr__(self, name):
            raise RuntimeError(f"no {name}")

    class Pooled(Pool):
        def _new_connection(self) -> object:
            return Odd()

        def _close_connection(self, c) -> None:
            pass

    with Pooled(1) as pool:
        assert hold(pool, 0, timeout=1).number == 1


def test_a_connect_error_keeps_nothing_of_the_failed_connect_alive(virtual_clock):
    class Half:
        pass

    halves = []

    class Failing(Pool):
        def _new_connection(self) -> object:
            half = Half()
            halves.append(weakref.ref(half))
            try:
                raise OSError("half read")
            except OSError:
                raise RuntimeError("no login") from ValueError("another cause")

    with Failing(1) as pool:
        gevent.sleep(0.05)
        gc.collect()
        assert halves
        assert not any(half() for half in halves)
        assert pool.stats().last_connect_error == "RuntimeError: no login"


def test_a_close_that_fails_over_a_descriptor_number_closes_the_connection_itself():
    class Numbered(ConnectionPool):
        def _new_connection(self) -> object:
            return gevent.socket.create_connection(peer.address)

        def _socket(self, c):
            return c.fileno()

        def _close_connection(self, c) -> None:
            raise OSError("no goodbye")

    with echo() as peer, Numbered(1) as pool:
        with pool.get() as connection:
            pass
        pool.close()
        assert connection.fileno() == -1
