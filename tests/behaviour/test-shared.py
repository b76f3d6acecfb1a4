#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection "host", which several drivers share: each owns kinds of it, by annotations. The drivers are the test's own.

Usage (below tests/with-bus, with VIRTBUSD_OPTIONS=--call-timeout=4): test-shared.py
"""

from gi.repository import GLib
from rig import NAME, Bus, FakeDriver, contains, expect, run, variants

bus = Bus()
HOST = "/org/virtbus1/host"
state = {}


def drivers():
    return {row[1].rsplit(".", 1)[1]: (row[0], row[2]) for row in bus.get("/org/virtbus1", "Manager", "Drivers")}


def text(value):
    return GLib.Variant("(s)", (value,))


def make(kind):
    """A driver of the kind "left" or "right", with one object."""
    fake = FakeDriver(kind.capitalize())
    fake.methods["Release"] = lambda message: GLib.Variant("(b)", (True,))
    fake.methods["Ask"] = lambda message: text(f"{kind} was asked: {message.get_body().unpack()[0]}")
    fake.methods["Open"] = lambda message: text(f"of {message.get_path()}")
    fake.tell(HOST, {f"{NAME}.Test.{kind.capitalize()}s": variants({"Count": GLib.Variant("u", 1)})})
    fake.tell(f"{HOST}/{kind}/one", {f"{NAME}.Test.{kind.capitalize()}": variants({"Name": "one"})})
    bus.wait(lambda: drivers().get(kind.capitalize()) == ("host", "attached"), f"the driver {kind}")
    return fake


def ask(kind, question="?"):
    return bus.call(HOST, f"{NAME}.Test.{kind.capitalize()}s", "Ask", "s", question)


def shown():
    """The interfaces of the connection's object."""
    return set(bus.objects("/org/virtbus1")[HOST])


def without_a_driver_there_is_no_such_connection():
    assert HOST not in bus.objects("/org/virtbus1")
    expect("UnknownObject", bus.get, HOST, "Connection", "Name")
    expect("Unsupported", bus.call, "/org/virtbus1", f"{NAME}.Manager", "OpenConnection", "sa{sv}", "host:///", {})


def each_driver_has_its_part_of_one_object():
    state["left"] = make("left")
    assert shown() == {f"{NAME}.Connection", f"{NAME}.Test.Lefts"}
    state["right"] = make("right")
    assert shown() == {f"{NAME}.Connection", f"{NAME}.Test.Lefts", f"{NAME}.Test.Rights"}
    assert bus.get_all(HOST, "Connection")["Name"] == "host" and bus.get_all(HOST, "Connection")["URI"] == "host:///"
    assert bus.get(HOST, "Test.Lefts", "Count") == 1 and bus.get(HOST, "Test.Rights", "Count") == 1
    assert set(bus.objects(HOST)) == {f"{HOST}/left/one", f"{HOST}/right/one"}
    xml = bus.call(HOST, "org.freedesktop.DBus.Introspectable", "Introspect")
    contains(xml, "Test.Lefts", "Test.Rights", '<node name="left"/>', '<node name="right"/>')
    assert bus.call("/org/virtbus1", f"{NAME}.Manager", "OpenConnection", "sa{sv}", "host:///", {}) == HOST


def a_call_goes_to_the_driver_that_owns_the_kind():
    assert ask("left") == "left was asked: ?" and ask("right") == "right was asked: ?"
    assert bus.call(f"{HOST}/right/one", f"{NAME}.Test.Right", "Open") == f"of {HOST}/right/one"
    contains(expect("Unsupported", bus.call, HOST, f"{NAME}.Connection", "GetDomainByName", "s", "x"), "no driver of this connection")
    expect("UnknownObject", bus.get, f"{HOST}/left/two", "Test.Left", "Name")


def a_driver_tells_of_its_own_kinds_only():
    left = state["left"]
    left.emit("PropertiesChanged", GLib.Variant("(sa{sv}as)", (f"{NAME}.Test.Lefts", variants({"Count": GLib.Variant("u", 7)}), [])), HOST,
              "org.freedesktop.DBus.Properties")
    bus.wait_signal(HOST, "PropertiesChanged", lambda arguments: arguments[1] == {"Count": 7})
    for interface, values in (("Test.Rights", {"Count": GLib.Variant("u", 66)}), ("Connection", {"Name": "hostile"})):
        left.emit("PropertiesChanged", GLib.Variant("(sa{sv}as)", (f"{NAME}.{interface}", variants(values), [])), HOST, "org.freedesktop.DBus.Properties")
    left.emit("Told", text("of another"), HOST, f"{NAME}.Test.Rights")
    for path, interface in ((f"{HOST}/right/mine", "Test.Right"), (HOST, "Test.Rights"), (f"{HOST}/nothing/x", "Test.Left"), ("/org/virtbus1/left", "Test.Left")):
        values = {"Count": GLib.Variant("u", 66)} if path == HOST else {"Name": "mine"}
        left.emit("ObjectsAdded", GLib.Variant("(a(oa{sa{sv}}))", ([(path, {f"{NAME}.{interface}": variants(values)})],)))
    left.emit("ObjectsRemoved", GLib.Variant("(ao)", ([f"{HOST}/right/one", "/org/virtbus1"],)))
    left.emit("Told", text("the last"), HOST, f"{NAME}.Test.Lefts")
    bus.wait_signal(HOST, "Told", lambda arguments: arguments == ("the last",))
    assert not [s for s in bus.signals if s[2] == "Told" and s[3] == ("of another",)]
    assert bus.get(HOST, "Test.Rights", "Count") == 1 and bus.get(HOST, "Connection", "Name") == "host"
    assert set(bus.objects(HOST)) == {f"{HOST}/left/one", f"{HOST}/right/one"}


def a_driver_that_has_nothing_to_do_is_started_again_for_its_kind_alone():
    right = state["right"]
    right.emit("Idle", None)
    bus.wait(lambda: drivers()["Right"][1] == "dormant", "the driver's release")
    right.go()
    assert set(bus.objects(HOST)) == {f"{HOST}/left/one", f"{HOST}/right/one"} and ask("left") == "left was asked: ?"
    assert drivers()["Right"][1] == "dormant"  # nothing of its kind was wanted
    right.come()
    answer = bus.begin(HOST, f"{NAME}.Test.Rights", "Ask", "s", "?")  # which lets the fake, in this process, be attached
    bus.wait(lambda: answer, "the answer")
    assert answer == [("right was asked: ?",)], answer


def a_driver_that_ends_costs_its_own_calls_only():
    state["right"].methods["Ask"] = lambda message: None
    answer = bus.begin(HOST, f"{NAME}.Test.Rights", "Ask", "s", "?")
    bus.wait(lambda: [call for call in state["right"].calls if call[0] == "Ask"][1:], "the call")
    state["right"].end()
    bus.wait(lambda: answer, "the answer")
    assert answer[0].name == f"{NAME}.Error.HypervisorFailed", answer
    bus.wait(lambda: drivers()["Right"][1] == "failed", "the driver's end")
    assert ask("left") == "left was asked: ?"
    contains(expect("HypervisorFailed", ask, "right"), "right driver")
    assert set(bus.objects(HOST)) >= {f"{HOST}/left/one"}


def what_a_successor_does_not_tell_is_gone_and_nothing_else():
    fake = FakeDriver("Right")
    fake.tell(f"{HOST}/right/two", {f"{NAME}.Test.Right": variants({"Name": "two"})})
    bus.wait(lambda: drivers()["Right"][1] == "attached", "the successor")
    assert shown() == {f"{NAME}.Connection", f"{NAME}.Test.Lefts"}
    assert set(bus.objects(HOST)) == {f"{HOST}/left/one", f"{HOST}/right/two"}
    expect("UnknownInterface", ask, "right")
    fake.tell(HOST, {f"{NAME}.Test.Rights": variants({"Count": GLib.Variant("u", 3)})})
    bus.wait_signal("/org/virtbus1", "InterfacesAdded", lambda arguments: arguments[0] == HOST and f"{NAME}.Test.Rights" in arguments[1])
    state["right"] = fake


run([without_a_driver_there_is_no_such_connection, each_driver_has_its_part_of_one_object, a_call_goes_to_the_driver_that_owns_the_kind,
     a_driver_tells_of_its_own_kinds_only, a_driver_that_has_nothing_to_do_is_started_again_for_its_kind_alone,
     a_driver_that_ends_costs_its_own_calls_only, what_a_successor_does_not_tell_is_gone_and_nothing_else])
