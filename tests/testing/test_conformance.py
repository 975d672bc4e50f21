"""The suite of promises finds each pool that breaks one."""

from __future__ import annotations

from contextlib import contextmanager

import gevent
import pytest
from gevent.queue import LifoQueue

from geventconnpool_gov.testing import conformance as suite
from geventconnpool_gov.testing import virtual_time


class NoneInTime(Exception):
    pass


class Sound:
    """A pool that keeps every promise, in steps that the others get wrong one at a time."""

    timeout_error: type[Exception] = NoneInTime

    def __init__(self, connect, size: int) -> None:
        self.connect, self.closed = connect, False
        self.places = LifoQueue()  # an idle connection, or None where one may be opened
        self.unfit: list[object] = []
        for _ in range(size):
            self.places.put(None)

    @contextmanager
    def get(self, *, timeout: float = 10.0):
        with gevent.Timeout(timeout, self.timeout_error):
            connection = self.opened(self.take())
        keep = False
        try:
            yield connection
            keep = True
        except BaseException as error:
            keep = self.harmless(error)
            raise
        finally:
            self.give_back(connection, keep)

    def take(self):
        return self.places.get()

    def opened(self, connection):
        try:
            if self.closed:
                raise RuntimeError
            connection = connection or self.connect()
        except BaseException:
            self.places.put(connection)
            raise
        return connection

    def harmless(self, error: BaseException) -> bool:
        return isinstance(error, Exception) and not isinstance(error, OSError)

    def give_back(self, connection, keep: bool) -> None:
        keep = keep and connection not in self.unfit and not self.closed
        if connection is not None and not keep:
            connection.close()
        self.places.put(connection if keep else None)

    def discard(self, connection) -> None:
        self.unfit.append(connection)

    def close(self) -> None:
        self.closed = True
        for _ in range(self.places.qsize()):
            self.give_back(self.places.get(), keep=False)


class LendsToTwo(Sound):
    def opened(self, connection):
        connection = super().opened(connection)
        self.places.put(connection)
        return connection


class OpensBeforeItHasClosed(Sound):
    def give_back(self, connection, keep: bool) -> None:
        gevent.spawn_later(0.1, super().give_back, connection, keep)
        self.places.put(None)


class LendsWhatItClosed(Sound):
    def give_back(self, connection, keep: bool) -> None:
        super().give_back(connection, keep)
        if not keep and not self.closed:
            self.places.get()
            self.places.put(connection)


class OpensEachTimeAnew(Sound):
    def give_back(self, connection, keep: bool) -> None:
        super().give_back(connection, keep=False)


class TurnsAwayInsteadOfWaiting(Sound):
    def take(self):
        if self.places.empty():
            raise NoneInTime
        return super().take()


class NeverTimesOut(Sound):
    def get(self, *, timeout: float = 10.0):
        return super().get(timeout=10**9)


class TakesAFullPoolForABrokenPeer(Sound):
    timeout_error = TimeoutError


class ConnectsWithoutALimit(Sound):
    @contextmanager
    def get(self, *, timeout: float = 10.0):
        with gevent.Timeout(timeout, NoneInTime):
            place = self.take()
        connection = self.opened(place)
        yield connection
        self.give_back(connection, keep=True)


class LosesThePlaceOfAFailedConnect(Sound):
    def opened(self, connection):
        return connection or self.connect()


class LosesThePlaceOfAKilledWaiter(Sound):
    def take(self):
        return gevent.spawn(self.places.get).get()


class LendsWhatWasHalfRead(Sound):
    def harmless(self, error: BaseException) -> bool:
        return isinstance(error, gevent.Timeout) or super().harmless(error)


class LendsWhatAKilledCallerLeft(Sound):
    def harmless(self, error: BaseException) -> bool:
        return isinstance(error, gevent.GreenletExit) or super().harmless(error)


class LendsWhatBroke(Sound):
    def harmless(self, error: BaseException) -> bool:
        return True


class ForgetsToClose(Sound):
    def give_back(self, connection, keep: bool) -> None:
        self.places.put(connection if keep else None)


class LosesThePlaceAtAnError(Sound):
    def give_back(self, connection, keep: bool) -> None:
        if not isinstance(self.left_by, ValueError):
            super().give_back(connection, keep)

    left_by: BaseException | None = None

    def harmless(self, error: BaseException) -> bool:
        self.left_by = error
        return super().harmless(error)


class SwallowsErrors(Sound):
    @contextmanager
    def get(self, *, timeout: float = 10.0):
        with super().get(timeout=timeout) as connection:
            try:
                yield connection
            except ValueError:
                pass


class IgnoresDiscard(Sound):
    def discard(self, connection) -> None:
        pass


class LendsAfterItsClose(Sound):
    def close(self) -> None:
        super().close()
        self.closed = False


class LeavesOpenWhatIsLentAtItsClose(Sound):
    def give_back(self, connection, keep: bool) -> None:
        closed, self.closed = self.closed, False
        super().give_back(connection, keep)
        self.closed = closed


class CloseHangs(Sound):
    def close(self) -> None:
        while True:
            gevent.sleep(1)


BROKEN = {
    LendsToTwo: suite.lends_an_open_connection_to_one_caller_at_a_time,
    OpensBeforeItHasClosed: suite.lends_an_open_connection_to_one_caller_at_a_time,
    LendsWhatItClosed: suite.lends_an_open_connection_to_one_caller_at_a_time,
    OpensEachTimeAnew: suite.lends_again_what_came_back,
    TurnsAwayInsteadOfWaiting: suite.serves_who_waits_when_a_connection_comes_back,
    NeverTimesOut: suite.tells_in_time_that_there_is_none,
    TakesAFullPoolForABrokenPeer: suite.tells_in_time_that_there_is_none,
    ConnectsWithoutALimit: suite.a_connect_that_hangs_holds_nobody_longer_than_asked,
    LosesThePlaceOfAFailedConnect: suite.a_failed_connect_costs_no_capacity,
    LosesThePlaceOfAKilledWaiter: suite.an_interrupted_wait_costs_no_capacity,
    LendsWhatWasHalfRead: suite.an_interrupted_use_closes_its_connection,
    LendsWhatAKilledCallerLeft: suite.an_interrupted_use_closes_its_connection,
    LendsWhatBroke: suite.a_broken_connection_is_closed,
    ForgetsToClose: suite.a_broken_connection_is_closed,
    LosesThePlaceAtAnError: suite.an_error_of_the_application_costs_no_capacity,
    SwallowsErrors: suite.an_error_of_the_application_costs_no_capacity,
    IgnoresDiscard: suite.a_discarded_connection_is_closed,
    LendsAfterItsClose: suite.a_closed_pool_lends_nothing_and_leaves_nothing_open,
    LeavesOpenWhatIsLentAtItsClose: suite.a_closed_pool_lends_nothing_and_leaves_nothing_open,
    CloseHangs: suite.a_closed_pool_lends_nothing_and_leaves_nothing_open,
}

test_a_sound_pool_passes = suite.conformance(Sound, clock=virtual_time)


@pytest.mark.parametrize(("broken", "promise"), BROKEN.items(), ids=lambda it: it.__name__)
def test_a_pool_that_breaks_a_promise_fails(broken, promise):
    with pytest.raises(AssertionError) as failure, virtual_time(leftovers="kill"):
        promise(broken)
    assert str(failure.value)  # in words: pytest rewrites no assert of an installed package


def test_no_promise_is_one_that_no_pool_breaks():
    assert set(BROKEN.values()) == set(suite.PROMISES)
