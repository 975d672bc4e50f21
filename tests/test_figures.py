"""Promise 9: the pool says what it does, in figures that add up and in lines without secrets."""

from __future__ import annotations

import json
import logging

import gevent
import pytest
from pools import Pool, assert_adds_up, hold

from geventconnpool_gov import PoolError, PoolTimeout, TooManyRequests


def test_the_counts_say_what_happened(virtual_clock):
    with Pool(2, connects=[OSError("down")], timeout=5, max_waiting=1, name="imap") as pool:
        pool.wait_until_ready()
        with pool.get(), pool.get() as second:
            waiting = gevent.spawn(hold, pool, 0)
            gevent.sleep(0)
            with pytest.raises(TooManyRequests):
                hold(pool, 0)
            waiting.kill()
            with pytest.raises(PoolTimeout):
                hold(pool, 0)
            pool.discard(second)
        stats = pool.stats()
    assert (stats.name, stats.size, stats.min_size) == ("imap", 2, 2)
    assert (stats.requests, stats.requests_waited, stats.requests_timed_out) == (5, 2, 1)
    assert (stats.requests_rejected, stats.requests_cancelled) == (1, 1)
    assert (stats.opened, stats.connect_errors) == (2, 1)
    assert stats.last_connect_error == "OSError: down"
    assert stats.closed["discarded"] == 1
    assert_adds_up(pool)


def test_the_figures_are_a_snapshot_that_can_be_written_as_json(virtual_clock):
    with Pool(1) as pool:
        pool.wait_until_ready()
        before = pool.stats()
        with pool.get() as connection:
            pool.discard(connection)
    assert before.closed["discarded"] == 0
    assert json.loads(json.dumps(before.as_dict()))["idle"] == 1


def test_repr_tells_the_state_in_one_line(virtual_clock):
    with Pool(2, name="registry") as pool:
        pool.wait_until_ready()
        with pool.get():
            assert repr(pool) == (
                "<pool 'registry': size 2, open 2, in use 1, idle 1, opening 0, waiting 0>"
            )


def test_each_event_that_matters_is_one_log_line(virtual_clock, caplog, steady_jitter):
    caplog.set_level(logging.INFO)
    with Pool(1, connects=[OSError("down"), OSError("down")], name="registry") as pool:
        pool.wait_until_ready()
    assert [record.getMessage() for record in caplog.records] == [
        "pool 'registry': connecting failed (1 in a row), next attempt in 0.10 s: OSError: down",
        "pool 'registry': connecting failed (2 in a row), next attempt in 0.20 s: OSError: down",
        "pool 'registry': connecting works again after 2 failures",
        "pool 'registry': closing: size 1, open 1, in use 0, idle 1, opening 0, waiting 0",
        "pool 'registry': closed",
    ]


def test_nothing_of_a_connection_is_in_a_log_line_or_an_error(virtual_clock, caplog):
    class Secret:
        def __repr__(self):
            return "password=hunter2"

    class Secretive(Pool):
        def _new_connection(self) -> object:
            return Secret()

        def _close_connection(self, c):
            raise OSError("no goodbye")

    caplog.set_level(logging.DEBUG)
    with Secretive(1, timeout=1) as pool:
        with pool.get() as connection, pytest.raises(PoolTimeout) as caught:
            hold(pool, 0)
        pool.discard(connection)
        gevent.sleep(1)
        with pytest.raises(ValueError, match=r"a Secret$"):
            pool.discard(connection)
    text = caplog.text + str(caught.value) + repr(pool) + repr(pool.stats())
    assert "hunter2" not in text


def test_a_long_error_is_shortened(virtual_clock):
    with Pool(1, connects=[OSError("x" * 9999)]) as pool:
        pool.wait_until_ready()
        assert len(pool.stats().last_connect_error or "") < 250


def test_an_error_of_several_lines_is_one_line_in_the_figures_and_the_log(virtual_clock, caplog):
    with Pool(1, connects=[OSError("refused\n  by the peer")]) as pool:
        pool.wait_until_ready()
        assert pool.stats().last_connect_error == "OSError: refused by the peer"
    assert not any("\n" in message for message in caplog.messages)


def test_no_error_of_the_pool_is_one_that_retry_repeats():
    import geventconnpool_gov.errors as errors

    for name in errors.__all__:
        kind = getattr(errors, name)
        assert issubclass(kind, PoolError)
        assert not issubclass(kind, OSError)
