"""`retry` in every form that upstream's documentation shows, and in those that it lacked."""

from __future__ import annotations

import logging
from functools import partial

import gevent
import pytest

from geventconnpool_gov import retry


class Flaky:
    """A function that fails a number of times."""

    def __init__(self, failures, error=OSError):
        self.failures, self.error, self.calls = failures, error, 0
        self.__name__ = "flaky"

    def __call__(self, value="done"):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error(f"failure {self.calls}") if self.error else gevent.Timeout(1)
        return value


def test_bare(virtual_clock):
    calls = []

    @retry
    def send(data):
        """Send it."""
        calls.append(data)
        if len(calls) < 3:
            raise OSError("broken")
        return data

    assert send("x") == "x"
    assert calls == ["x"] * 3
    assert (send.__name__, send.__doc__) == ("send", "Send it.")


def test_with_arguments(virtual_clock):
    flaky = Flaky(2, KeyError)
    assert retry(exc_classes=(OSError, LookupError), max_failures=5, interval=2)(flaky)() == "done"
    assert virtual_clock.now == 4


def test_called_with_a_function_and_positional_arguments_as_upstreams_signature_has_them(
    virtual_clock,
):
    flaky = Flaky(1, KeyError)
    assert retry(flaky, (KeyError,), logging.getLogger("x"), logging.DEBUG)("y") == "y"


def test_through_partial_with_and_without_further_arguments(virtual_clock):
    patient = partial(retry, max_failures=3, interval=1)
    assert patient(Flaky(3))() == "done"
    assert patient(interval=5)(Flaky(1))() == "done"
    with pytest.raises(OSError, match="failure 4"):
        patient(Flaky(4))()


def test_with_a_logger(virtual_clock, caplog):
    log = logging.getLogger("app")
    with pytest.raises(OSError, match="failure 2"):
        retry(logger=log, max_failures=1, retry_log_level=logging.WARNING)(Flaky(2))()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "flaky lost its connection (failure 1); trying another one"),
        ("ERROR", "flaky failed too often (failure 2); giving up"),
    ]


def test_log_messages_can_be_ones_own(virtual_clock, caplog):
    caplog.set_level(logging.INFO)
    retry(logger=logging.getLogger("app"), retry_log_message="{f}!{e}!")(Flaky(1))()
    assert caplog.messages == ["flaky!failure 1!"]


def test_giving_up_does_not_wait_once_more(virtual_clock):
    with pytest.raises(OSError, match="failure 3"):
        retry(max_failures=2, interval=10)(Flaky(9))()
    assert virtual_clock.now == 20


def test_no_failure_is_repeated_with_max_failures_zero(virtual_clock):
    flaky = Flaky(1)
    with pytest.raises(OSError, match="failure 1"):
        retry(max_failures=0)(flaky)()


def test_the_interval_may_be_a_function_of_the_attempt(virtual_clock):
    attempts = []
    retry(interval=lambda n: attempts.append(n) or 2.0**n)(Flaky(3))()
    assert attempts == [1, 2, 3]
    assert virtual_clock.now == 2 + 4 + 8


def test_full_jitter_is_one_keyword_away(virtual_clock, monkeypatch):
    asked = []
    monkeypatch.setattr("random.uniform", lambda low, high: asked.append((low, high)) or 1.0)
    retry(interval=4, jitter=True)(Flaky(2))()
    assert asked == [(0.0, 4.0)] * 2
    assert virtual_clock.now == 2


def test_others_run_between_two_attempts_though_the_interval_is_zero(virtual_clock):
    ran = []
    gevent.spawn(ran.append, 1)
    retry(Flaky(1))()
    assert ran == [1]


@pytest.mark.parametrize("error", [ValueError, gevent.GreenletExit, None])
def test_what_is_not_among_exc_classes_passes_through(virtual_clock, error):
    flaky = Flaky(1, error)
    with pytest.raises(error or gevent.Timeout):
        retry(flaky)()
    assert flaky.calls == 1


def test_methods_and_callables_without_a_name_are_repeated_too(virtual_clock, caplog):
    caplog.set_level(logging.INFO)

    class Service:
        calls = 0

        @retry(logger=logging.getLogger("app"))
        def send(self):
            self.calls += 1
            if self.calls == 1:
                raise OSError
            return self.calls

    assert Service().send() == 2
    assert retry(partial(Flaky(1), "value"), logger=logging.getLogger("app"))() == "value"


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"exc_classes": int}, TypeError, "exc_classes must hold exception classes"),
        ({"max_failures": -1}, ValueError, "max_failures must be at least 0, got -1"),
        ({"interval": -1}, ValueError, "interval must be zero or more seconds, got -1"),
        ({"interval": "1"}, TypeError, "interval must be a number of seconds, got '1'"),
        ({"logger": "app"}, TypeError, "logger must have a method log"),
    ],
)
def test_bad_arguments_are_named_when_decorating(arguments, error, text):
    with pytest.raises(error, match=text):
        retry(**arguments)
    with pytest.raises(TypeError, match="retry decorates a function, got 5"):
        retry(5)
    with pytest.raises(TypeError, match="retry decorates a function, got <class 'OSError'>"):
        retry(OSError)
    with pytest.raises(ValueError, match="a log message has the fields f and e"):
        retry(retry_log_message="{error}")
