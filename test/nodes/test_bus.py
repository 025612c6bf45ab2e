"""Handing over inside a process."""

from __future__ import annotations

from emotional_dan_ros.nodes.bus import LocalBus


def test_every_listener_gets_the_object_itself():
    bus, first, second = LocalBus(), [], []
    bus.listen("/faces", first.append)
    bus.listen("/faces", second.append)
    value = object()
    bus.publish("/faces", value)
    bus.publish("/other", object())
    assert first == second == [value]
    assert bus.num_listeners("/faces") == 2


def test_a_listener_that_left_hears_nothing():
    bus, heard = LocalBus(), []
    bus.listen("/faces", heard.append)
    bus.forget("/faces", heard.append)
    bus.publish("/faces", object())
    assert heard == []


def test_a_listener_may_leave_while_it_is_called():
    bus, heard = LocalBus(), []

    def leave(value: object) -> None:
        heard.append(value)
        bus.forget("/faces", leave)

    bus.listen("/faces", leave)
    bus.listen("/faces", heard.append)
    bus.publish("/faces", 1)
    bus.publish("/faces", 2)
    assert heard == [1, 1, 2]


def test_writers_are_counted():
    bus = LocalBus()
    assert not bus.has_writer("/faces")
    bus.add_writer("/faces")
    bus.add_writer("/faces")
    bus.remove_writer("/faces")
    assert bus.has_writer("/faces")
    bus.remove_writer("/faces")
    assert not bus.has_writer("/faces")
