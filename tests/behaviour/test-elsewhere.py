#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Connections that are opened by URI: the test driver's hypervisors elsewhere, whose definitions are their own.

Usage (below tests/with-bus): test-elsewhere.py
"""

import fcntl
import glob
import os
import select
import signal
import subprocess

from gi.repository import Gio, GLib
from rig import DEADLINE, NAME, ROOT, Bus, BusError, FakeDriver, Hypervisor, Skip, User, contains, end_process, expect, polkit_rules, run, variants

ROOT_PATH = "/org/virtbus1"
CONNECTION, TEST = f"{NAME}.Connection", f"{NAME}.Test"
PER_USER = 16
bus = Bus()
local = Hypervisor(bus, "test")
UUIDS = {name: f"11111111-2222-4333-8444-{number:012}" for number, name in enumerate(("one", "two", "three", "own"), 1)}


def open_uri(uri, caller=bus, **options):
    return caller.call(ROOT_PATH, f"{NAME}.Manager", "OpenConnection", "sa{sv}", uri, variants(options))


def close(path):
    bus.call(path, CONNECTION, "Close")


def document(name, devices="", memory=64):
    return local.document(name, devices=devices, memory=memory, uuid=UUIDS[name])


def elsewhere(path, member, signature, *arguments):
    return bus.call(path, TEST, member, signature, *arguments)


def domains(path):
    return sorted(interfaces[f"{NAME}.Domain"]["Name"] for interfaces in bus.objects(path).values() if f"{NAME}.Domain" in interfaces)


def domain(path, name):
    return bus.call(path, CONNECTION, "GetDomainByName", "s", name)


def connections():
    return sorted(path for path, interfaces in bus.objects(ROOT_PATH).items() if CONNECTION in interfaces)


def wait_state(path, state):
    bus.wait(lambda: bus.get(path, "Connection", "State") == state, f"{path} to be {state}")


def wait_connection(path):
    bus.wait(lambda: path in connections(), f"{path} to come")


def a_uri_of_this_machine_is_only_looked_up():
    assert open_uri("test:///default") == "/org/virtbus1/test"
    assert bus.get("/org/virtbus1/test", "Connection", "State") == "connected"
    contains(expect("Unsupported", close, "/org/virtbus1/test"), "always there")


def a_uri_that_no_driver_knows_is_refused():
    contains(expect("Unsupported", open_uri, "nothing://x"), "'nothing'")
    contains(expect("Unsupported", open_uri, "qemu+ssh://x/system"), "another machine")
    contains(expect("InvalidArgument", open_uri, "x"), "not a URI")
    for uri in ("test://", "test://a b", "test://x/y", "test://" + "x" * 65, "test://" + "x" * 300, "test+ssh://x", "test://someone@x",
                "test://[x", "test://x:y", "test://%zz", "test://%2e%2e%2fx"):
        expect("InvalidArgument", open_uri, uri)
    expect("InvalidArgument", open_uri, "test://x", unknown=True)
    assert connections() == [path for path in connections() if "test_" not in path]


def nothing_of_a_uri_but_its_scheme_is_repeated():
    """A password may be anywhere in what somebody takes for a URI, and errors are shown and logged."""
    secret = "S3cretW0rd"
    for scheme in ("test", "test+ssh", "nothing", "nothing+ssh", "TEST", ""):
        for rest in (f":{secret}@x", f":/u:{secret}@x", f"://{secret}@x", f"://u:{secret}@x", f"://u%3a{secret}@x", f"://u%253a{secret}@x", f"://x?password={secret}",
                     f"://x#{secret}", f"://x/{secret}", f"://x:{secret}", f"://[{secret}]", f":\\\\u:{secret}@x", f"://u:{secret}\n@x", f"://\u00e9{secret}", secret,
                     f"//u:{secret}@x", f"://{secret * 20}"):
            try:
                path = open_uri(scheme + rest)
            except BusError as error:
                assert secret not in error.message and error.name.rsplit(".", 1)[1] in ("InvalidArgument", "Unsupported"), (scheme, rest, error)
            else:
                assert path == "/org/virtbus1/test" and secret not in str(bus.objects(ROOT_PATH)), (scheme, rest)
    assert secret not in open(f"{ROOT}/log", encoding="utf-8", errors="replace").read()


def a_connection_is_an_object_with_its_own_domains():
    path = open_uri("test://one.example")
    assert path == "/org/virtbus1/test_one_2eexample", path
    told = bus.get_all(path, "Connection")
    assert (told["Name"], told["URI"], told["State"], told["StateReason"]) == ("test_one_2eexample", "test://one.example", "connected", ""), told
    assert path in connections()
    made = bus.call(path, CONNECTION, "DefineDomain", "sa{sv}", document("own"), {})
    assert made.startswith(f"{path}/domain/") and domains(path) == ["own"] and "own" not in domains("/org/virtbus1/test")
    bus.call(made, f"{NAME}.Domain", "Start", "a{sv}", {})
    bus.wait_state(made, "running")
    bus.call(made, f"{NAME}.Domain", "Destroy", "a{sv}", {})
    # Nothing of it is kept where definitions of ours are.
    assert not glob.glob(f"{ROOT}/test/state/test/domains/{UUIDS['own']}.xml")
    close(path)
    expect("UnknownObject", bus.get, path, "Connection", "State")
    bus.settle()
    removed = [s[3][0] for s in bus.signals if s[2] == "InterfacesRemoved"]
    assert removed.index(made) < removed.index(path), removed


def what_it_has_is_there_again_when_it_is_opened_again():
    path = open_uri("test://one.example/")
    assert domains(path) == ["own"]
    bus.call(domain(path, "own"), f"{NAME}.Domain", "Undefine", "a{sv}", {})
    close(path)
    path = open_uri("test://one.example")
    assert domains(path) == []
    close(path)


def what_changes_behind_its_back_is_shown():
    path = open_uri("test://x")
    elsewhere(path, "DefineElsewhere", "s", document("one"))
    assert domains(path) == ["one"]
    one = domain(path, "one")
    assert bus.get(one, "Domain", "MaxMemory") == 64 << 20
    elsewhere(path, "DefineElsewhere", "s", document("one", memory=128))
    assert bus.get(one, "Domain", "MaxMemory") == 128 << 20
    elsewhere(path, "DefineElsewhere", "s", document("two"))
    elsewhere(path, "UndefineElsewhere", "s", UUIDS["one"])
    assert domains(path) == ["two"]
    bus.wait_signal(path, "InterfacesRemoved", lambda arguments: arguments[0] == one)
    expect("NoSuchDomain", elsewhere, path, "UndefineElsewhere", "s", UUIDS["one"])
    expect("NoSuchDomain", elsewhere, path, "UndefineElsewhere", "s", "../../domains/x")
    expect("InvalidXML", elsewhere, path, "DefineElsewhere", "s", "<domain/>")
    for member, signature, argument in (("DefineElsewhere", "s", document("one")), ("UndefineElsewhere", "s", "x"), ("SetReachable", "b", True)):
        contains(expect("Unsupported", elsewhere, "/org/virtbus1/test", member, signature, argument), member)


def what_its_hypervisor_lacks_is_unsupported_and_its_interface_is_not_there():
    path = open_uri("test://x")
    console = "<serial type='pty'/><graphics type='vnc'/>"
    elsewhere(path, "DefineElsewhere", "s", document("three", devices=console + "<interface type='bridge'><source bridge='br0'/></interface>"))
    three = domain(path, "three")
    addresses = (f"{three}/device/net0", f"{NAME}.Device.NetworkInterface", "GetAddresses", "sa{sv}")
    contains(expect("Unsupported", bus.call, *addresses, "lease", {}), "GetAddresses")  # this machine's leases are not its
    expect("OperationInvalid", bus.call, *addresses, "arp", {})
    interfaces = {name for object_ in bus.objects(three).values() for name in object_}
    assert f"{NAME}.Device" in interfaces and not interfaces & {f"{NAME}.Device.Console", f"{NAME}.Device.Graphics"}, interfaces
    for member, signature, arguments in (("Save", "sa{sv}", ("/tmp/x", {})), ("ManagedSave", "a{sv}", ({},)), ("OpenLog", "a{sv}", ({},))):
        contains(expect("Unsupported", bus.call, three, f"{NAME}.Domain", member, signature, *arguments), "domain 'three'", "test_x")
    contains(expect("Unsupported", bus.call, path, CONNECTION, "RestoreDomain", "sa{sv}", "/tmp/x", {}), "RestoreDomain")
    local_one = local.define(local.document("with-console", devices=console))
    assert {f"{NAME}.Device.Console", f"{NAME}.Device.Graphics"} <= {name for object_ in bus.objects(local_one).values() for name in object_}
    local.do(local_one, "Undefine")
    elsewhere(path, "UndefineElsewhere", "s", UUIDS["three"])


def two_clients_that_open_one_uri_share_one_connection():
    other = Bus()
    path = open_uri("test://x")
    assert open_uri("test://x", other) == path and connections().count(path) == 1
    other.call(path, CONNECTION, "Close")
    expect("UnknownObject", bus.get, path, "Connection", "State")
    first, second = (client.begin(ROOT_PATH, f"{NAME}.Manager", "OpenConnection", "sa{sv}", "test://x", {}) for client in (bus, other))
    bus.wait(lambda: first and second, "both answers")
    assert first == second == [(path,)], (first, second)


def one_that_is_cut_shows_that_and_connects_again_by_itself():
    path = open_uri("test://x")
    two = domain(path, "two")
    bus.settle()
    seen = len(bus.signals)
    bus.call(path, TEST, "SetDelay", "st", "start", 3600 * 10**6)
    waiting = bus.begin(two, f"{NAME}.Domain", "Start", "a{sv}", {})
    bus.wait_state(two, "starting")
    elsewhere(path, "SetReachable", "b", False)
    bus.wait(lambda: waiting, "the end of what waited")
    assert waiting[0].name.endswith("HypervisorFailed"), waiting
    contains(waiting[0].message, "cut off")
    told = bus.get_all(path, "Connection")
    assert told["State"] == "connecting", told
    contains(told["StateReason"], "test://x")
    assert domains(path) == ["two"]  # as it was known last
    for function, arguments in ((bus.call, (two, f"{NAME}.Domain", "Start", "a{sv}", {})),
                                (bus.call, (path, CONNECTION, "DefineDomain", "sa{sv}", document("three"), {}))):
        contains(expect("HypervisorFailed", function, *arguments), "test_x is connecting", "by itself")
    elsewhere(path, "DefineElsewhere", "s", document("one"))
    assert domains(path) == ["two"]
    elsewhere(path, "SetReachable", "b", True)
    wait_state(path, "connected")
    assert domains(path) == ["one", "two"] and bus.get(path, "Connection", "StateReason") == ""
    bus.settle()
    states = [s[3][1]["State"] for s in bus.signals[seen:] if s[0] == path and s[2] == "PropertiesChanged" and "State" in s[3][1]]
    assert states == ["connecting", "connected"], states
    bus.call(path, TEST, "SetDelay", "st", "start", 0)
    bus.call(two, f"{NAME}.Domain", "Start", "a{sv}", {})
    bus.call(two, f"{NAME}.Domain", "Destroy", "a{sv}", {})


def closing_answers_what_waits_and_costs_no_other_connection():
    path, other = open_uri("test://x"), open_uri("test://y")
    two = domain(path, "two")
    elsewhere(other, "DefineElsewhere", "s", document("three"))
    three = domain(other, "three")
    for connection in (path, other):
        bus.call(connection, TEST, "SetDelay", "st", "start", 3600 * 10**6)
    waiting, beside = (bus.begin(one, f"{NAME}.Domain", "Start", "a{sv}", {}) for one in (two, three))
    bus.wait_state(two, "starting")
    bus.wait_state(three, "starting")
    close(path)
    bus.wait(lambda: waiting, "the end of what waited")
    assert waiting[0].name.endswith("Cancelled"), waiting
    contains(waiting[0].message, "closed")
    assert not beside and path not in connections() and other in connections()
    bus.call(three, f"{NAME}.Domain", "Destroy", "a{sv}", {})
    bus.wait(lambda: beside, "the end of the other")
    close(other)


def one_that_hangs_is_closed_while_others_go_on():
    other = open_uri("test://beside")
    for name, answers_in_time in (("hangs", True), ("hangs-for-good", False)):
        uri = f"test://{name}"
        path = open_uri(uri)
        folder, = glob.glob(f"{ROOT}/test/**/{path.rsplit('/', 1)[1]}/elsewhere", recursive=True)
        os.mkfifo(f"{folder}/hold", 0o600)
        defining = bus.begin(path, CONNECTION, "DefineDomain", "sa{sv}", document("own"), {})
        held = os.open(f"{folder}/hold", os.O_WRONLY)  # which waits until the driver's thread reads: from now on it hangs
        closing = bus.begin(path, CONNECTION, "Close", "")
        # Others are answered, and it is said what becomes of this one, as long as it hangs.
        wait_state(path, "disconnected")
        assert domains(other) == [] and not closing
        contains(bus.get(path, "Connection", "StateReason"), "being closed")
        contains(expect("HypervisorFailed", bus.call, path, CONNECTION, "GetCapabilities"), "being closed")
        contains(expect("ResourceBusy", open_uri, uri), "being closed")
        contains(expect("ResourceBusy", close, path), "being closed")
        assert not closing
        if answers_in_time:
            os.close(held)
        bus.wait(lambda: closing, "its end")
        assert closing == [()], closing
        bus.wait(lambda: defining, "the end of what hung")
        assert path not in connections()
        if not answers_in_time:
            assert defining[0].name.endswith("Cancelled"), defining
            os.close(held)  # what it comes back to is not there any more
        os.unlink(f"{folder}/hold")
        assert open_uri(uri) == path
        close(path)
    close(other)


def one_that_never_answers_keeps_nobody_else():
    other = open_uri("test://beside")
    path = "/org/virtbus1/test_silent"
    opening = bus.begin(ROOT_PATH, f"{NAME}.Manager", "OpenConnection", "sa{sv}", "test://silent", {})
    wait_connection(path)
    assert bus.get(path, "Connection", "State") == "connecting"
    contains(expect("HypervisorFailed", bus.call, path, CONNECTION, "DefineDomain", "sa{sv}", document("own"), {}), "test_silent is connecting")
    assert domains(path) == [] and domains(other) == [] and open_uri("test://beside") == other
    assert not opening
    close(path)
    bus.wait(lambda: opening, "the end of the opening")
    assert opening[0].name.endswith("Cancelled"), opening
    contains(opening[0].message, "closed")
    assert path not in connections()
    # Nobody waits for it for ever, and it is not kept.
    contains(expect("Timeout", open_uri, "test://silent"), "test://silent has not answered")
    bus.wait(lambda: path not in connections(), "its end")
    close(other)


def shows_none_of(path, *words):
    """Neither objects, signals, nor whatever lies in files hold these words."""
    bus.settle()
    shown = repr(bus.objects(ROOT_PATH)) + repr(bus.get_all(path, "Connection")) + repr(bus.signals)
    for file in glob.glob(f"{ROOT}/test/**", recursive=True) + [f"{ROOT}/log"]:
        if os.path.isfile(file):
            shown += open(file, encoding="utf-8", errors="replace").read()
    for word in words:
        assert word not in shown.replace("org.virtbus1.Test", ""), word


def credentials_are_asked_for_and_shown_nowhere():
    secret = "open-sesame"
    for options in ({}, {"username": "admin", "password": "wrong-password"}, {"password": secret}):
        message = expect("AccessDenied", open_uri, "test://locked", **options)
        contains(message, "password")
        assert "wrong-password" not in message and secret not in message
    assert "/org/virtbus1/test_locked" not in connections()  # what was never connected to is not kept
    path = open_uri("test://locked", username="admin", password=secret)
    assert open_uri("test://locked") == path
    assert open_uri("test://locked", username="admin", password=secret) == path
    contains(expect("InvalidArgument", open_uri, "test://locked", username="admin", password="another-password"), "other credentials")
    for uri in ("test://admin:hidden-word@locked", "test://admin%3Ahidden-word@locked", "test://a@admin:hidden-word@locked", "test+x://admin:hidden-word@/"):
        message = expect("InvalidArgument", open_uri, uri)
        contains(message, "option password")
        assert "hidden-word" not in message
    shows_none_of(path, secret, "wrong-password", "another-password", "hidden-word")


def after_the_driver_is_killed_its_connections_are_there_again():
    path = open_uri("test://x")
    two = domain(path, "two")
    if bus.get(two, "Domain", "State") == "shutoff":
        bus.call(two, f"{NAME}.Domain", "Start", "a{sv}", {})
    before, runs = domains(path), bus.get(two, "Domain", "ID")
    assert "one" in before
    owner = bus.driver("Test")
    local.kill_driver()
    assert bus.driver("Test") != owner
    wait_state(path, "connected")
    assert domains(path) == before and (bus.get(two, "Domain", "State"), bus.get(two, "Domain", "ID")) == ("running", runs)
    # One with credentials, too: the service has kept them.
    locked = "/org/virtbus1/test_locked"
    wait_state(locked, "connected")
    assert open_uri("test://locked", username="admin", password="open-sesame") == locked
    contains(expect("InvalidArgument", open_uri, "test://locked", username="admin", password="another-password"), "other credentials")
    shows_none_of(locked, "open-sesame", "another-password")
    close(path)


def credentials_that_are_lost_are_waited_for():
    """Where driver and service have ended, nothing has them any more."""
    locked = "/org/virtbus1/test_locked"
    assert open_uri("test://locked", username="admin", password="open-sesame") == locked
    bus.kill_owner(NAME)  # the driver tells the next one, before it is attached
    bus.wait_driver("test", "attached")
    local.kill_driver()
    wait_state(locked, "connected")
    pid = bus.driver("Test")
    os.kill(pid, signal.SIGSTOP)  # so that it tells the next one nothing
    bus.kill_owner(NAME)
    end_process(pid)
    wait_state(locked, "disconnected")
    contains(bus.get(locked, "Connection", "StateReason"), "credentials were lost")
    contains(expect("HypervisorFailed", bus.call, locked, CONNECTION, "DefineDomain", "sa{sv}", document("one"), {}), "open it again")
    contains(expect("AccessDenied", open_uri, "test://locked", username="admin", password="wrong-password"), "refuses the username or the password")
    assert bus.get(locked, "Connection", "State") == "disconnected"
    assert open_uri("test://locked", username="admin", password="open-sesame") == locked
    assert bus.get(locked, "Connection", "State") == "connected"
    close(locked)
    # What is closed has none any more.
    local.kill_driver()
    contains(expect("AccessDenied", open_uri, "test://locked"), "refuses the username or the password")


def a_driver_that_is_told_to_end_answers_what_waits_and_opens_them_again():
    path = open_uri("test://ending")
    elsewhere(path, "DefineElsewhere", "s", document("three"))
    three = domain(path, "three")
    bus.call(path, TEST, "SetDelay", "st", "start", 3600 * 10**6)
    bus.settle()
    bus.signals.clear()
    waiting = bus.begin(three, f"{NAME}.Domain", "Start", "a{sv}", {})
    bus.wait_state(three, "starting")
    bus.kill_owner(f"{NAME}.Driver.Test", signal.SIGTERM)
    bus.wait(lambda: waiting, "the end of what waited")
    assert waiting[0].name.endswith("Cancelled"), waiting
    assert open_uri("test://ending") == path
    assert bus.get(three, "Domain", "State") == "shutoff"  # its start was never done
    bus.settle()
    assert not [s for s in bus.signals if s[2] == "InterfacesRemoved" and s[0].startswith(path)], bus.signals
    elsewhere(path, "UndefineElsewhere", "s", UUIDS["three"])
    close(path)


def who_opens_or_closes_when_service_or_driver_is_told_to_end_is_told_cancelled():
    silent = "/org/virtbus1/test_silent"
    for ends in (f"{NAME}.Driver.Test", NAME):
        opening = bus.begin(ROOT_PATH, f"{NAME}.Manager", "OpenConnection", "sa{sv}", "test://silent", {})
        wait_connection(silent)
        bus.kill_owner(ends, signal.SIGTERM)
        bus.wait(lambda: opening, "the end of the opening")
        assert opening[0].name.endswith("Cancelled"), (ends, opening)
        if silent in connections():  # kept by who has not ended, or by who opens again what it was to open
            close(silent)
        path = open_uri("test://closing")
        folder, = glob.glob(f"{ROOT}/test/**/{path.rsplit('/', 1)[1]}/elsewhere", recursive=True)
        os.mkfifo(f"{folder}/hold", 0o600)
        defining = bus.begin(path, CONNECTION, "DefineDomain", "sa{sv}", document("own"), {})
        held = os.open(f"{folder}/hold", os.O_WRONLY)
        closing = bus.begin(path, CONNECTION, "Close", "")
        wait_state(path, "disconnected")
        process = os.pidfd_open(bus.owner_pid(ends))
        signal.pidfd_send_signal(process, signal.SIGTERM)
        bus.wait(lambda: closing, "the end of the closing")
        assert closing[0].name.endswith("Cancelled"), (ends, closing)
        os.close(held)
        assert select.select([process], [], [], DEADLINE)[0], f"{ends} does not end"
        os.close(process)
        os.unlink(f"{folder}/hold")
        bus.wait(lambda: defining, "the end of what hung")
        # It is closed, or is not; either way it can be opened, and closed.
        assert open_uri("test://closing") == path
        if domains(path):
            elsewhere(path, "UndefineElsewhere", "s", UUIDS["own"])
        close(path)
    assert silent not in connections()


def what_runs_there_runs_on_when_the_connection_is_closed():
    path = open_uri("test://x")
    two = domain(path, "two")
    assert bus.get(two, "Domain", "State") == "running"
    close(path)
    assert open_uri("test://x") == path and bus.get(two, "Domain", "State") == "running"
    bus.call(two, f"{NAME}.Domain", "Destroy", "a{sv}", {})
    close(path)
    open_uri("test://x")
    assert bus.get(two, "Domain", "State") == "shutoff"


def the_service_may_die_and_finds_them_again():
    path = open_uri("test://x")
    bus.kill_owner(NAME)
    assert open_uri("test://x") == path and bus.get(path, "Connection", "State") == "connected"
    assert "two" in domains(path)
    close(path)


def what_is_closed_does_not_come_back():
    local.kill_driver()
    assert [path for path in connections() if "test_" in path] == []


def one_user_has_so_many_connections():
    opened = [open_uri(f"test://n{number}") for number in range(PER_USER)]
    assert len(set(opened)) == PER_USER
    contains(expect("LimitExceeded", open_uri, "test://more"), str(PER_USER), "close one")
    assert open_uri("test://n0") == opened[0]
    close(opened[0])
    assert open_uri("test://more") == "/org/virtbus1/test_more"
    for path in opened[1:] + ["/org/virtbus1/test_more"]:
        close(path)


def who_may_not_opens_and_closes_nothing():
    if os.geteuid() != 0:
        raise Skip("needs root, for a polkitd and other users")
    alice = User("vb-alice")
    arguments = (ROOT_PATH, f"{NAME}.Manager", "OpenConnection", "sa{sv}")
    polkit_rules(bus, "")
    assert alice.call(*arguments, "'test:///default'", "@a{sv} {}")
    path = open_uri("test://x")
    for call in ((*arguments, "'test://x'", "@a{sv} {}"), (*arguments, "'test://z'", "@a{sv} {}"), (path, CONNECTION, "Close")):
        try:
            alice.call(*call)
        except Exception as error:  # either of the names that a refusal has
            contains(str(error), "org.virtbus1.connection.open")
        else:
            raise AssertionError(f"{call} was allowed")
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.connection.open' && s.user == 'vb-alice') return polkit.Result.YES; });")
    alice.call(*arguments, "'test://x'", "@a{sv} {}")
    alice.call(path, CONNECTION, "Close")
    assert path not in connections()
    # The rules see what the URI names, and nothing that is to get in there.
    polkit_rules(bus, "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.connection.open' && s.user == 'vb-alice' &&"
                 " a.lookup('uri_scheme') == 'test' && a.lookup('uri_host') == 'this.one') return polkit.Result.YES;"
                 " if (a.id == 'org.virtbus1.connection.open') polkit.log('seen ' + a); });")
    for uri in ("test://this.one", "test://This.ONE/"):
        alice.call(*arguments, f"'{uri}'", "@a{sv} {}")
    for uri in ("test://that.one", "test://this.one.example", "test://xthis.one", "test://someone@that.one"):
        try:
            alice.call(*arguments, f"'{uri}'", "{'username': <'hidden-user'>, 'password': <'hidden-word'>}")
        except Exception as error:
            contains(str(error), "org.virtbus1.connection.open")
        else:
            raise AssertionError(f"{uri} was opened")
    for path in connections():
        if "test_" in path:
            close(path)
    polkit_rules(bus, "")
    alice.leave()


def a_uri_goes_to_the_driver_that_has_named_its_scheme():
    fake = FakeDriver("Fake")
    fake.objects = [("Schemes", GLib.Variant("(as)", (schemes,))) for schemes in
                    (["other"], ["test"], ["qemu"], ["Other"], [""], ["x" * 17], [f"s{number}" for number in range(17)])]  # all but the first are refused
    bus.wait_driver("fake", "attached")

    def answer_of_driver(path):
        fake.calls.clear()
        fake.methods["OpenConnection"] = lambda message: GLib.Variant("(o)", (path,))
        answers = bus.begin(ROOT_PATH, f"{NAME}.Manager", "OpenConnection", "sa{sv}", "other+tls://x/y?z", variants({"password": "p"}))
        bus.wait(lambda: answers, "the answer")
        return answers[0]
    # What it hands out is its own connection, and is there.
    for path in ("/org/virtbus1/test", "/org/virtbus1/host", "/org/virtbus1/fake_x", "/org/virtbus1/fake/domain/x", ROOT_PATH, "/"):
        refusal = answer_of_driver(path)
        assert isinstance(refusal, BusError) and refusal.name.endswith("HypervisorFailed"), (path, refusal)
        contains(refusal.message, "the fake driver", "not its own")
    fake.tell("/org/virtbus1/fake_x", {CONNECTION: variants(
        {"Name": "fake_x", "URI": "other://x", "DriverVersion": "0", "State": "connected", "StateReason": "", "Host": {}})})
    assert answer_of_driver("/org/virtbus1/fake_x") == ("/org/virtbus1/fake_x",)
    (member, sender, arguments), = fake.calls
    assert (member, arguments) == ("OpenConnection", ("other+tls://x/y?z", {"password": "p"})) and sender, fake.calls
    assert open_uri("test://x") == "/org/virtbus1/test_x"
    close("/org/virtbus1/test_x")
    expect("Unsupported", open_uri, "Other://x")
    fake.emit("ObjectsRemoved", GLib.Variant("(ao)", (["/org/virtbus1/fake_x"],)))
    bus.wait(lambda: "/org/virtbus1/fake_x" not in connections(), "the end of its connection")
    fake.connection.close_sync(None)
    bus.wait_driver("fake", "failed", "attaching")
    fake.go()


def sealed_memory(size):
    """A descriptor of memory that can no longer be changed."""
    memory = os.memfd_create("kept", os.MFD_ALLOW_SEALING)
    os.write(memory, b"x" * size)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return memory


def a_driver_that_was_restarted_gets_what_it_had_kept():
    """Sealed memory, and nothing else: no end of a pipe, no file that may grow, and so many of them."""
    fake, restored = FakeDriver("Fake"), {}
    fake.objects = [("Schemes", GLib.Variant("(as)", (["other"],)))]
    bus.wait_driver("fake", "attached")

    def keep(name, memory):
        message = Gio.DBusMessage.new_signal("/org/virtbus1/driver", f"{NAME}.Driver", "Keep")
        message.set_body(GLib.Variant("(sh)", (name, 0)))
        files = Gio.UnixFDList()
        files.append(memory)
        message.set_unix_fd_list(files)
        fake.connection.send_message(message, Gio.DBusSendMessageFlags.NONE)

    def on_restore(message):
        memory = message.get_unix_fd_list().get(0)
        restored[message.get_body().unpack()[0]] = os.pread(memory, 8192, 0)
        os.close(memory)
    small, full, large = sealed_memory(1), sealed_memory(4096), sealed_memory(4097)
    pipe, open_memory = os.pipe(), os.memfd_create("open", os.MFD_ALLOW_SEALING)
    for name, memory in (("large", large), ("pipe", pipe[0]), ("open", open_memory), ("x" * 256, small), ("one", full), ("one", small), ("two", small)):
        keep(name, memory)
    fake.emit("Drop", GLib.Variant("(s)", ("two",)))
    for number in range(300):
        keep(f"number{number}", small)
    fake.tell("/org/virtbus1/fake_x", {CONNECTION: variants(
        {"Name": "fake_x", "URI": "other://x", "DriverVersion": "0", "State": "connected", "StateReason": "", "Host": {}})})
    bus.wait(lambda: "/org/virtbus1/fake_x" in connections(), "what it has sent to be read")
    fake.methods["Restore"] = on_restore
    fake.connection.close_sync(None)
    bus.wait_driver("fake", "failed", "attaching")
    fake.go()
    fake.come()
    bus.wait_driver("fake", "attached")
    assert restored == {"one": b"x"} | {f"number{number}": b"x" for number in range(255)}, sorted(restored)
    for memory in (small, full, large, open_memory, *pipe):
        os.close(memory)
    fake.connection.close_sync(None)
    bus.wait_driver("fake", "failed", "attaching")
    fake.go()


def virtbusctl_opens_what_a_uri_names():
    def ctl(*arguments):
        return subprocess.run(["virtbusctl", *(["--user"] if os.geteuid() else []), *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False)
    path = open_uri("test://x")
    elsewhere(path, "DefineElsewhere", "s", document("two"))
    close(path)
    told = ctl("-c", "test://x", "list")
    assert told.returncode == 0 and "two" in told.stdout, (told.stdout, told.stderr)
    assert path in connections()
    shown = ctl("-c", "test://x", "show", "two")
    assert "two" in shown.stdout, (shown.stdout, shown.stderr)
    contains(ctl("-c", "test://locked", "list").stderr, "password")
    close(path)
    # What is completed opens nothing, and offers what is open.
    def completed():
        words = [*(["--user"] if os.geteuid() else []), "-c", "test://x", "start", ""]
        return subprocess.run(["virtbusctl", "complete", *words], capture_output=True, text=True, timeout=DEADLINE, check=True).stdout.split()
    assert "two" not in completed()
    assert path not in connections()
    assert open_uri("test://x") == path
    assert "two" in completed()
    close(path)


def virtbusctl_takes_a_password_from_a_file_a_descriptor_or_its_input():
    def ctl(*arguments, **more):
        return subprocess.run(["virtbusctl", *(["--user"] if os.geteuid() else []), *arguments], capture_output=True, text=True, timeout=DEADLINE, check=False, **more)
    locked, file = "/org/virtbus1/test_locked", f"{ROOT}/password"
    opens = ("-c", "test://locked", "--username=admin")
    with open(file, "w", encoding="utf-8") as out:
        out.write("open-sesame\n")
    reading = os.open(file, os.O_RDONLY)
    for words, more in (((f"--password-file={file}",), {}), (("--password-file=-",), {"input": "open-sesame"}),
                        ((f"--password-file=/dev/fd/{reading}",), {"pass_fds": (reading,)})):
        told = ctl(*opens, *words, "list", **more)
        assert told.returncode == 0, told
        close(locked)
    os.close(reading)
    for text in ("wrong-password\n", "x" * 1025, "\0"):
        with open(file, "w", encoding="utf-8") as out:
            out.write(text)
        told = ctl(*opens, f"--password-file={file}", "list")
        assert told.returncode != 0 and "password" in told.stderr and text.strip() not in told.stderr, told
    contains(ctl(*opens, "--password-file=/nowhere/x", "list").stderr, "/nowhere/x")
    contains(ctl(*opens, "list", stdin=subprocess.DEVNULL).stderr, "password")  # nobody is there to be asked
    contains(ctl("-c", "test", "--username=admin", "list").stderr, "--connection=URI")
    contains(ctl(*opens, "--password=x", "list").stderr, "--password")
    assert locked not in connections()


run([a_uri_of_this_machine_is_only_looked_up, a_uri_that_no_driver_knows_is_refused, nothing_of_a_uri_but_its_scheme_is_repeated, a_connection_is_an_object_with_its_own_domains,
     what_it_has_is_there_again_when_it_is_opened_again, what_changes_behind_its_back_is_shown,
     what_its_hypervisor_lacks_is_unsupported_and_its_interface_is_not_there, two_clients_that_open_one_uri_share_one_connection,
     one_that_is_cut_shows_that_and_connects_again_by_itself, closing_answers_what_waits_and_costs_no_other_connection,
     one_that_hangs_is_closed_while_others_go_on, one_that_never_answers_keeps_nobody_else,
     credentials_are_asked_for_and_shown_nowhere, after_the_driver_is_killed_its_connections_are_there_again,
     credentials_that_are_lost_are_waited_for, a_driver_that_is_told_to_end_answers_what_waits_and_opens_them_again, who_opens_or_closes_when_service_or_driver_is_told_to_end_is_told_cancelled,
     what_runs_there_runs_on_when_the_connection_is_closed, the_service_may_die_and_finds_them_again,
     what_is_closed_does_not_come_back, one_user_has_so_many_connections, who_may_not_opens_and_closes_nothing,
     a_uri_goes_to_the_driver_that_has_named_its_scheme, a_driver_that_was_restarted_gets_what_it_had_kept,
     virtbusctl_opens_what_a_uri_names,
     virtbusctl_takes_a_password_from_a_file_a_descriptor_or_its_input])
