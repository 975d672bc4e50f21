"""Virtual time: waits cost nothing, come in order, and leave the process as it was."""

import gc
import os
import subprocess
import sys
import time
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.event import Event
from gevent.exceptions import LoopExit
from gevent.lock import BoundedSemaphore
from gevent.queue import Empty, Queue
from gevent.server import StreamServer

from geventconnpool_gov import clock as package_clock
from geventconnpool_gov.testing.virtual_time import (
    LeftoverError,
    TimeLimitError,
    VirtualClock,
    virtual_time,
)

DESCRIPTORS = Path("/proc/self/fd")


def echo_once(connection: socket.socket, address: object) -> None:
    connection.sendall(connection.recv(10))


def new_timer(after: float, repeat: float = 0.0, ref: bool = True) -> Any:
    return gevent.get_hub().loop.timer(after, repeat, ref=ref)


def exchange_with_a_loopback_server() -> bytes:
    server = StreamServer(("127.0.0.1", 0), echo_once)
    server.start()
    with socket.create_connection(("127.0.0.1", server.server_port)) as client:
        client.settimeout(5)
        client.sendall(b"ping")
        reply = client.recv(10)
    server.stop()
    return reply


def test_a_day_of_ticks_takes_less_than_a_second() -> None:
    began = time.monotonic()
    ticks = []
    with virtual_time() as clock:

        def tick() -> None:
            while True:
                gevent.sleep(60)
                ticks.append(clock.now)

        ticking = gevent.spawn(tick)
        gevent.sleep(86400)
        ticking.kill()
    assert len(ticks) in (1439, 1440)
    assert time.monotonic() - began < 1


def test_sleepers_wake_in_the_order_of_their_deadlines(virtual_clock: VirtualClock) -> None:
    woken = []

    def sleeper(seconds: float) -> None:
        gevent.sleep(seconds)
        woken.append((seconds, virtual_clock.now))

    gevent.joinall([gevent.spawn(sleeper, seconds) for seconds in (30, 10, 20, 10)])
    assert woken == [(10, 10.0), (10, 10.0), (20, 20.0), (30, 30.0)]


def test_timeout_interrupts_at_its_time(virtual_clock: VirtualClock) -> None:
    with pytest.raises(gevent.Timeout), gevent.Timeout(7):
        gevent.sleep(100)
    assert virtual_clock.now == 7.0


def test_every_wait_with_a_timeout_ends_at_its_time(virtual_clock: VirtualClock) -> None:
    lock = BoundedSemaphore(1)
    lock.acquire()
    assert lock.acquire(timeout=1) is False
    assert Event().wait(timeout=2) is False
    queue: Queue[object] = Queue()
    with pytest.raises(Empty):
        queue.get(timeout=3)
    with pytest.raises(gevent.Timeout):
        gevent.spawn_later(5, int).get(timeout=4)
    gevent.sleep(1)
    assert virtual_clock.now == 11.0


def test_an_event_set_later_ends_the_wait(virtual_clock: VirtualClock) -> None:
    event = Event()
    gevent.spawn_later(50, event.set)
    assert event.wait(timeout=60)
    assert virtual_clock.now == 50.0


def test_the_clock_stands_still_while_anything_is_ready(virtual_clock: VirtualClock) -> None:
    later = gevent.spawn_later(1, int)
    for _ in range(1000):
        gevent.sleep(0)
    assert virtual_clock.now == 0.0
    later.join()
    assert virtual_clock.now == 1.0


def test_the_package_clock_is_virtual_inside_and_real_outside() -> None:
    with virtual_time() as clock:
        gevent.sleep(5)
        assert package_clock.monotonic() == clock.monotonic() == clock.now == 5.0
        assert gevent.get_hub().loop.now() == 5.0
    assert package_clock.monotonic is time.monotonic


def test_the_former_hub_comes_back_with_real_time() -> None:
    former = gevent.get_hub()
    with virtual_time():
        assert gevent.get_hub() is not former
        gevent.sleep(3600)
    assert gevent.get_hub() is former
    began = time.monotonic()
    gevent.sleep(0.01)
    assert time.monotonic() - began > 0.009


def test_sockets_work_inside_and_after_virtual_time() -> None:
    with virtual_time() as clock:
        assert exchange_with_a_loopback_server() == b"ping"
        assert clock.now == 0.0
    assert exchange_with_a_loopback_server() == b"ping"


def test_blocks_nest(virtual_clock: VirtualClock) -> None:
    gevent.sleep(1)
    with virtual_time() as inner:
        gevent.sleep(100)
        assert inner.now == package_clock.monotonic() == 100.0
    gevent.sleep(1)
    assert virtual_clock.now == package_clock.monotonic() == 2.0


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="counts descriptors in /proc")
def test_two_hundred_hubs_leak_no_descriptor() -> None:
    with virtual_time():
        gevent.sleep(1)
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(200):
        with virtual_time():
            gevent.sleep(1000)
    gc.collect()
    assert len(list(DESCRIPTORS.iterdir())) == before


@pytest.mark.parametrize("used", [True, False])
def test_a_hub_that_served_is_collected(used: bool) -> None:
    with virtual_time():
        hub = weakref.ref(gevent.get_hub())
        if used:
            gevent.sleep(1)
    gc.collect()
    assert hub() is None


@pytest.mark.usefixtures("virtual_clock")
def test_a_deadlock_raises_loop_exit() -> None:
    with pytest.raises(LoopExit):
        Event().wait()


def test_a_timer_without_ref_does_not_keep_the_loop_alive(virtual_clock: VirtualClock) -> None:
    fired: list[float] = []
    timer = new_timer(5, repeat=5, ref=False)
    timer.start(lambda: fired.append(virtual_clock.now))
    gevent.sleep(12)
    assert fired == [5.0, 10.0]
    with pytest.raises(LoopExit):
        Event().wait()


def test_a_wait_past_the_limit_fails_instead_of_hanging() -> None:
    with virtual_time(leftovers="kill", limit=3600):
        new_timer(60, repeat=60).start(int)
        with pytest.raises(TimeLimitError):
            Event().wait()


def test_errors_in_callbacks_and_timers_go_to_the_hub(
    virtual_clock: VirtualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    gevent.get_hub().loop.run_callback(fail)
    new_timer(1).start(fail)
    gevent.spawn_later(2, fail)
    gevent.sleep(3)
    assert [type(error) for error in virtual_clock.errors] == [ZeroDivisionError] * 3
    assert capsys.readouterr().err.count("failed with ZeroDivisionError") == 3


@pytest.mark.usefixtures("capsys")
def test_an_interrupt_in_a_callback_reaches_the_block(virtual_clock: VirtualClock) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    new_timer(1).start(interrupt)
    with pytest.raises(KeyboardInterrupt):
        gevent.sleep(3)
    gevent.sleep(1)
    assert virtual_clock.now == 2.0


def test_timers_are_counted(virtual_clock: VirtualClock) -> None:
    gevent.sleep(0)
    assert (virtual_clock.timers_started, virtual_clock.timers_fired) == (0, 0)
    with gevent.Timeout(10):
        gevent.sleep(1)
    assert (virtual_clock.timers_started, virtual_clock.timers_fired) == (2, 1)


class TestTimer:
    """A raw ``loop.timer``, as libev has it."""

    def test_a_single_shot_fires_once_and_forgets_its_callback(
        self, virtual_clock: VirtualClock
    ) -> None:
        fired: list[tuple[float, object]] = []
        timer = new_timer(3)
        timer.start(lambda *args: fired.append((virtual_clock.now, args)), 1, 2)
        assert timer.active
        gevent.sleep(10)
        assert fired == [(3.0, (1, 2))]
        assert not timer.active
        assert timer.callback is None

    def test_repeat_goes_on_until_stop(self, virtual_clock: VirtualClock) -> None:
        fired: list[float] = []
        timer = new_timer(1, repeat=2)
        timer.start(lambda: fired.append(virtual_clock.now))
        gevent.sleep(6)
        timer.stop()
        gevent.sleep(6)
        assert fired == [1.0, 3.0, 5.0]

    def test_again_puts_the_next_firing_off(self, virtual_clock: VirtualClock) -> None:
        fired: list[float] = []
        with new_timer(5, repeat=5) as timer:
            for _ in range(3):
                timer.again(lambda: fired.append(virtual_clock.now))
                gevent.sleep(4)
            gevent.sleep(2)
        assert fired == [13.0]

    @pytest.mark.usefixtures("virtual_clock")
    def test_again_without_repeat_stops(self) -> None:
        timer = new_timer(5)
        timer.start(int)
        timer.again(int)
        assert not timer.active

    @pytest.mark.usefixtures("virtual_clock")
    def test_stopped_while_due_it_does_not_fire(self) -> None:
        fired: list[str] = []
        first, second = (new_timer(1) for _ in range(2))

        def fire_and_stop_the_second() -> None:
            fired.append("first")
            second.stop()

        first.start(fire_and_stop_the_second)
        second.start(lambda: fired.append("second"))
        gevent.sleep(2)
        assert fired == ["first"]

    @pytest.mark.usefixtures("virtual_clock")
    def test_a_due_timer_is_pending_until_its_turn(self) -> None:
        seen: list[tuple[bool, bool]] = []
        first, second = (new_timer(1) for _ in range(2))
        first.start(lambda: seen.append((second.pending, second.active)))
        second.start(lambda: seen.append((second.pending, second.active)))
        gevent.sleep(2)
        assert seen == [(True, False), (False, False)]

    @pytest.mark.usefixtures("virtual_clock")
    def test_ref_may_change_while_active(self) -> None:
        timer = new_timer(5)
        timer.start(int)
        timer.ref = False
        with pytest.raises(LoopExit):
            Event().wait()

    def test_a_stopped_timer_keeps_the_time_that_remained(
        self, virtual_clock: VirtualClock
    ) -> None:
        fired: list[float] = []
        timer = new_timer(5)
        timer.start(int)
        gevent.sleep(2)
        timer.stop()
        gevent.sleep(100)
        timer.start(lambda: fired.append(virtual_clock.now))
        gevent.sleep(10)
        assert fired == [105.0]


class TestLeftovers:
    """What the block leaves is ended, and reported unless the block itself failed."""

    def test_a_greenlet_left_waiting_is_killed_and_reported(self) -> None:
        where = r"test_virtual_time.py:\d+: gevent.sleep\(10\)"
        with pytest.raises(LeftoverError, match=where), virtual_time():
            gevent.spawn(wait_ten_seconds).join(timeout=1)

    def test_a_timer_left_running_is_reported(self) -> None:
        with pytest.raises(LeftoverError, match="due at 30 s: <class 'int'>"), virtual_time():
            new_timer(30).start(int)

    def test_a_timer_without_ref_may_stay(self) -> None:
        with virtual_time():
            new_timer(30, ref=False).start(int)

    def test_a_greenlet_about_to_end_is_none(self) -> None:
        with virtual_time():
            gevent.spawn(gevent.sleep, 0)

    def test_kill_says_nothing(self) -> None:
        with virtual_time(leftovers="kill"):
            left = gevent.spawn(wait_ten_seconds)
        assert left.dead

    def test_a_killed_greenlet_cleans_up_in_virtual_time(self) -> None:
        times: list[float] = []

        def clean_up_slowly() -> None:
            try:
                gevent.sleep(1000)
            finally:
                gevent.sleep(20)
                times.append(package_clock.monotonic())

        with virtual_time(leftovers="kill"):
            gevent.spawn(clean_up_slowly)
            gevent.sleep(1)
        assert times == [21.0]

    def test_the_error_of_the_block_is_what_is_raised(self) -> None:
        with pytest.raises(ZeroDivisionError), virtual_time():
            gevent.spawn(wait_ten_seconds).join(timeout=1 // 0)
        assert package_clock.monotonic is time.monotonic


def wait_ten_seconds() -> None:
    gevent.sleep(10)


LEAVE_A_SERVER_LISTENING = """
import gevent
from gevent.server import StreamServer
from geventconnpool_gov.testing.virtual_time import virtual_time

with virtual_time():
    StreamServer(("127.0.0.1", 0), print).start()
    gevent.sleep(1)
"""


@pytest.mark.skipif(find_spec("_cffi_backend") is None, reason="these loops need cffi")
@pytest.mark.skipif("INNER_RUN" in os.environ, reason="runs this file again")
@pytest.mark.parametrize(
    "setting", ["GEVENT_LOOP=libuv-cffi", "GEVENT_LOOP=libev-cffi", "PURE_PYTHON=1"]
)
class TestOtherLoops:
    """What holds on libev's compiled loop holds on the others."""

    def test_they_keep_the_same_promises(self, setting: str) -> None:
        run_python(setting, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__)

    def test_a_server_left_listening_does_not_hold_up_the_end(self, setting: str) -> None:
        run_python(setting, "-c", LEAVE_A_SERVER_LISTENING)


def run_python(setting: str, *arguments: str) -> None:
    name, value = setting.split("=")
    environment = os.environ | {name: value, "INNER_RUN": "1"}
    subprocess.run([sys.executable, *arguments], env=environment, check=True, timeout=30)
