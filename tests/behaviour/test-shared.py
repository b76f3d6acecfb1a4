#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The connection "host", which several drivers share: each owns kinds of it, by annotations. And what drivers ask of each other. The drivers
but for the one that is called "test" are the test's own.

Usage (below tests/with-bus, with VIRTBUSD_OPTIONS=--call-timeout=20): test-shared.py
"""

import os

from gi.repository import GLib
from rig import NAME, Bus, BusError, FakeDriver, Skip, User, contains, expect, polkit_rules, run, variants

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


# What drivers ask of each other

LEFTS, RIGHTS, LEFT = f"{NAME}.Test.Lefts", f"{NAME}.Test.Rights", f"{NAME}.Test.Left"


def ask_driver(path, interface, member, argument="", caller=bus, **options):
    return caller.call("/org/virtbus1/test", f"{NAME}.Test", "AskDriver", "osssa{sv}", path, interface, member, argument, variants(options))


def asked(answers, what="the answer"):
    """The answer to what a fake has asked; an error is raised."""
    bus.wait(lambda: answers, what)
    if isinstance(answers[0], BusError):
        raise answers[0]
    return answers[0][0]


def a_driver_asks_another_for_its_caller_and_for_itself():
    left, user = state["left"], os.geteuid()
    assert ask_driver(HOST, LEFTS, "Ask", "what?") == "left was asked: what?"
    assert left.calls[-1][1] == f":u{user}{bus.connection.get_unique_name().replace(':', '.')}.via-test", left.calls[-1]
    assert ask_driver(HOST, LEFTS, "Ask", "what?", own=True) == "left was asked: what?"
    assert left.calls[-1][1] == f":u{user}.driver.via-test", left.calls[-1]
    assert ask_driver(f"{HOST}/left/one", LEFT, "Open") == f"of {HOST}/left/one"


def only_what_the_annotation_opens_is_asked():
    contains(expect("AccessDenied", ask_driver, HOST, RIGHTS, "Ask", "what?"), "test driver", "DriverMay")
    contains(expect("AccessDenied", ask_driver, "/org/virtbus1/qemu", f"{NAME}.Connection", "GetDomainByName", "x", own=True), "DriverMay")
    expect("LimitExceeded", ask_driver, HOST, LEFTS, "Ask", "x" * 70000)
    for error, path in {"NoSuchDevice": f"{HOST}/left/two", "NoSuchDomain": "/org/virtbus1/test/domain/two", "UnknownObject": "/org/virtbus1/test/two"}.items():
        expect(error, ask_driver, path, LEFT, "Open")
    right = state["right"]
    right.methods["Ask"] = lambda message: text("right")
    for error, arguments in {"NoSuchDevice": (f"{HOST}/left/two", LEFT, "Open"), "UnknownObject": ("/org/virtbus1/nothing", LEFT, "Open"),
                             "UnknownInterface": (f"{HOST}/left/one", LEFTS, "Ask", "x"), "UnknownMethod": (HOST, LEFTS, "Tell"),
                             "InvalidArgs": (f"{HOST}/left/one", LEFT, "Open", "x"), "AccessDenied": (HOST, RIGHTS, "Ask", "x")}.items():
        expect(error, asked, right.ask(*arguments))
    for sender in ("com.example.Nobody", ":1.1", ":ux.1", ":u0x.1", f":u{os.geteuid() + 1}.driver", f":u{os.geteuid() + 1}.driver.via-left", ":u0.driver.via-nobody"):
        expect("InvalidArgument", asked, right.ask(HOST, LEFTS, "Ask", "x", sender=sender))
    assert asked(right.ask(HOST, LEFTS, "Ask", "x")) == "left was asked: x"


def polkit_decides_about_the_caller():
    if os.geteuid() != 0:
        raise Skip("needs root, for other users")
    alice = User("vb-alice")
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.test' && s.user == 'vb-alice') return polkit.Result.YES; });")

    def ask_as_alice(own):
        return alice.call("/org/virtbus1/test", f"{NAME}.Test", "AskDriver", "osssa{sv}", f"objectpath '{HOST}/left/one'", f"'{LEFT}'", "'Open'", "''",
                          f"{{'own': <{own}>}}")
    before = len(state["left"].calls)
    contains(expect("AccessDenied", ask_as_alice, "false"), "org.virtbus1.read-secure")
    assert len(state["left"].calls) == before
    contains(ask_as_alice("true"), f"of {HOST}/left/one")
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (s.user == 'vb-alice' && a.id.indexOf('org.virtbus1.') == 0) return polkit.Result.YES; });")
    contains(ask_as_alice("false"), f"of {HOST}/left/one")
    uid = state["left"].calls[-1][1]
    assert uid.endswith(".via-test") and not uid.startswith(":u0."), uid
    polkit_rules(bus, "")
    alice.leave()


def a_caller_who_has_left_is_asked_for_no_more():
    left, right = state["left"], state["right"]
    right.methods["Ask"] = lambda message: None
    leaving = Bus(listen=False)
    name = leaving.connection.get_unique_name()
    leaving.begin(HOST, RIGHTS, "Ask", "s", "?")
    bus.wait(lambda: right.calls and right.calls[-1][0] == "Ask" and right.calls[-1][1].endswith(name.replace(":", ".")), "the call")
    sender = right.calls[-1][1]
    assert asked(right.ask(HOST, LEFTS, "Ask", "x", sender=sender)) == "left was asked: x"
    forged = sender.replace(f":u{os.geteuid()}.", f":u{os.geteuid() + 1}.")
    expect("Cancelled", asked, right.ask(HOST, LEFTS, "Ask", "x", sender=forged))
    leaving.connection.close_sync(None)
    bus.wait(lambda: not bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", name, destination="org.freedesktop.DBus"), "the end")
    bus.settle()
    contains(expect("Cancelled", asked, right.ask(HOST, LEFTS, "Ask", "x", sender=sender)), "has left")
    assert left.calls[-1][1] == sender + ".via-right"


def an_answer_that_never_comes_or_is_too_large_is_an_error_by_name():
    left = state["left"]
    left.methods["Ask"] = lambda message: text("x" * (2 * 1024 * 1024))
    contains(expect("LimitExceeded", ask_driver, HOST, LEFTS, "Ask", "what?"), "left driver", "larger")
    left.methods["Ask"] = lambda message: GLib.Variant("(u)", (1,))
    expect("HypervisorFailed", ask_driver, HOST, LEFTS, "Ask", "what?")
    left.methods["Ask"] = lambda message: (f"{NAME}.Error.ResourceBusy", "left has its own words")
    contains(expect("ResourceBusy", ask_driver, HOST, LEFTS, "Ask", "what?"), "left has its own words")
    left.methods["Ask"] = lambda message: None
    contains(expect("Timeout", ask_driver, HOST, LEFTS, "Ask", "what?"), "left driver", "10 seconds")


def a_driver_asks_a_bounded_number_at_once():
    left, right = state["left"], state["right"]
    left.methods["Ask"] = lambda message: None
    answers = [right.ask(HOST, LEFTS, "Ask", "x") for _ in range(300)]
    bus.wait(lambda: len([a for a in answers if a]) >= 44, "refusals")
    refused = [a[0] for a in answers if a]
    assert all(error.name == f"{NAME}.Error.LimitExceeded" for error in refused[:44]), refused[:44]
    assert bus.get(HOST, "Test.Lefts", "Count") == 7  # others are not touched
    bus.wait(lambda: all(answers), "their ends")
    assert {a[0].name for a in answers} == {f"{NAME}.Error.LimitExceeded", f"{NAME}.Error.Timeout"}
    left.methods["Ask"] = lambda message: text("again")
    assert asked(right.ask(HOST, LEFTS, "Ask", "x")) == "again"


def drivers_that_ask_one_another_in_a_circle_are_stopped():
    left, right = state["left"], state["right"]
    said = []

    def pass_on(fake, interface):
        def handler(message):
            def begin():
                answers = fake.ask(HOST, interface, "Ask", "and you?", sender=message.get_sender())
                GLib.timeout_add(1, lambda: not answers or finish(answers))
                return False

            def finish(answers):
                said.append(answers[0])
                fake.reply(message, (answers[0].name, answers[0].message) if isinstance(answers[0], BusError) else text(answers[0][0]))
                return False
            GLib.idle_add(begin)
        return handler
    left.methods["Ask"], right.methods["Ask"] = pass_on(left, RIGHTS), pass_on(right, LEFTS)
    answer = bus.begin(HOST, LEFTS, "Ask", "s", "begin")
    bus.wait(lambda: answer, "the end of the circle")
    assert answer[0].name == f"{NAME}.Error.LimitExceeded", answer
    contains(answer[0].message, "circle", "left, right, left")
    assert len(said) == 2, said


def a_driver_that_ends_on_either_side_ends_what_it_asked_and_was_asked():
    left, right = state["left"], state["right"]
    left.methods["Ask"] = lambda message: None
    n = len(left.calls)
    right.ask(HOST, LEFTS, "Ask", "x")
    bus.wait(lambda: len(left.calls) > n, "the call")
    right.end()
    bus.wait(lambda: drivers()["Right"][1] != "attached", "its end")
    answer = bus.begin("/org/virtbus1/test", f"{NAME}.Test", "AskDriver", "osssa{sv}", HOST, LEFTS, "Ask", "x", {})
    bus.wait(lambda: len(left.calls) > n + 1, "the call")
    left.end()
    bus.wait(lambda: answer, "the answer")
    assert answer[0].name == f"{NAME}.Error.HypervisorFailed", answer
    contains(expect("HypervisorFailed", ask_driver, HOST, LEFTS, "Ask", "x"), "left driver")


def a_driver_that_is_needed_is_started():
    left = make("left")
    left.emit("Idle", None)
    bus.wait(lambda: drivers()["Left"][1] == "dormant", "its release")
    left.go()
    left.come()
    answer = bus.begin("/org/virtbus1/test", f"{NAME}.Test", "AskDriver", "osssa{sv}", HOST, LEFTS, "Ask", "x", {})
    bus.wait(lambda: answer, "the answer")
    assert answer == [("left was asked: x",)], answer


run([without_a_driver_there_is_no_such_connection, each_driver_has_its_part_of_one_object, a_call_goes_to_the_driver_that_owns_the_kind,
     a_driver_tells_of_its_own_kinds_only, a_driver_that_has_nothing_to_do_is_started_again_for_its_kind_alone,
     a_driver_that_ends_costs_its_own_calls_only, what_a_successor_does_not_tell_is_gone_and_nothing_else,
     a_driver_asks_another_for_its_caller_and_for_itself, only_what_the_annotation_opens_is_asked, polkit_decides_about_the_caller,
     a_caller_who_has_left_is_asked_for_no_more, an_answer_that_never_comes_or_is_too_large_is_an_error_by_name,
     a_driver_asks_a_bounded_number_at_once, drivers_that_ask_one_another_in_a_circle_are_stopped,
     a_driver_that_ends_on_either_side_ends_what_it_asked_and_was_asked, a_driver_that_is_needed_is_started])
