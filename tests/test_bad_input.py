"""Bad input is an error at construction that names the argument and what it got."""

from __future__ import annotations

import math

import gevent
import pytest
from pools import Pool, assert_whole, hold

BAD = [
    ({"size": 0}, ValueError, "size must be at least 1, got 0"),
    ({"size": -3}, ValueError, "size must be at least 1, got -3"),
    ({"size": 2.5}, TypeError, "size must be a whole number, got 2.5"),
    ({"size": True}, TypeError, "size must be a whole number, got True"),
    ({"size": "5"}, TypeError, "size must be a whole number, got '5'"),
    ({"size": None}, TypeError, "size must be a whole number, got None"),
    ({"size": 2, "min_size": 3}, ValueError, "min_size must not be above size (2), got 3"),
    ({"min_size": -1}, ValueError, "min_size must be at least 0, got -1"),
    ({"timeout": -1}, ValueError, "timeout must be zero or more seconds, got -1"),
    ({"timeout": "1"}, TypeError, "timeout must be a number of seconds or None, got '1'"),
    ({"timeout": math.nan}, ValueError, "timeout must be a finite number of seconds"),
    ({"timeout": math.inf}, ValueError, "timeout must be a finite number of seconds or None"),
    ({"timeout": 10**400}, ValueError, "timeout must be a finite number of seconds or None"),
    ({"timeout": 1e17}, ValueError, "timeout must be at most 3.2e+09 seconds, got 1e+17"),
    ({"timeout": True}, TypeError, "timeout must be a number of seconds or None, got True"),
    ({"check_timeout": True}, TypeError, "check_timeout must be a number of seconds, got True"),
    ({"keepalive": -30}, ValueError, "keepalive must be zero or more seconds, got -30"),
    ({"connect_timeout": 0}, ValueError, "connect_timeout must be above zero seconds, got 0"),
    ({"check_timeout": None}, TypeError, "check_timeout must be a number of seconds, got None"),
    ({"check_timeout": -5}, ValueError, "check_timeout must be above zero seconds, got -5"),
    ({"max_waiting": -1}, ValueError, "max_waiting must be at least 0, got -1"),
    ({"max_connecting": 0}, ValueError, "max_connecting must be at least 1, got 0"),
    ({"exc_classes": int}, TypeError, "exc_classes must hold exception classes, got <class 'int'>"),
    ({"exc_classes": (int,)}, TypeError, "exc_classes must hold exception classes, got <class"),
    ({"exc_classes": (OSError(),)}, TypeError, "exc_classes must hold exception classes, got OSE"),
    ({"exc_classes": "OSError"}, TypeError, "exc_classes must hold exception classes, got 'OSErr"),
    ({"fatal_exc_classes": 3}, TypeError, "fatal_exc_classes must hold exception classes, got 3"),
    ({"name": 7}, TypeError, "name must be a string or None, got 7"),
    ({"burst_limit": 0}, ValueError, "burst_limit must not be below size (1), got 0"),
    ({"idle_timeout": 0}, ValueError, "idle_timeout must be above zero seconds, got 0"),
    ({"max_lifetime": -1}, ValueError, "max_lifetime must be above zero seconds, got -1"),
    ({"check_after": "1"}, TypeError, "check_after must be a number of seconds or None, got '1'"),
    ({"lifo": 1}, TypeError, "lifo must be True, False or None, got 1"),
    ({"idle_timeuot": 3}, TypeError, "unexpected keyword argument 'idle_timeuot'"),
]


@pytest.mark.parametrize(("arguments", "error", "text"), BAD)
def test_a_bad_argument_is_named_with_its_value(arguments, error, text):
    with pytest.raises(error) as caught:
        Pool(**arguments)
    assert text in str(caught.value)


@pytest.mark.parametrize("timeout", [-1, "1", math.nan])
def test_a_bad_timeout_of_one_call_loses_nothing(virtual_clock, timeout):
    with Pool(1) as pool:
        with pool.get(), pytest.raises((ValueError, TypeError), match="timeout must"):
            hold(pool, 0, timeout=timeout)
        assert_whole(pool)


@pytest.mark.parametrize("classes", [OSError, [OSError], (OSError, LookupError), {OSError}, ()])
def test_exc_classes_may_be_one_class_or_any_collection_of_them(virtual_clock, classes):
    with Pool(1, classes) as pool:
        gevent.sleep(1)
        assert isinstance(pool.exc_classes, tuple)


def test_size_cannot_be_changed_behind_the_pools_back(virtual_clock):
    with Pool(2) as pool:
        with pytest.raises(AttributeError, match="size is 2 and cannot be set any more, to 3"):
            pool.size = 3
        assert pool.size == 2
