#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: a real polkitd, two users without rights, and every action of the API allowed and refused.

Usage (below tests/with-bus, as root): test-access.py
"""

import glob
import os
import pwd
import xml.etree.ElementTree as ET

from gi.repository import GLib
from rig import NAME, ROOT, SOURCE, Bus, BusError, Hypervisor, User, contains, expect, run

if os.geteuid() != 0:
    raise SystemExit("test-access.py: needs root, for a polkitd and other users")

bus = Bus()
hypervisor = Hypervisor(bus, "test")
alice, bob = User("vb-alice"), User("vb-bob")
DENIED = ("org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
ARGUMENTS = {"s": "'x'", "o": "'/'", "u": "uint32 1", "t": "uint64 1", "b": "true", "h": "handle 0", "a{sv}": "@a{sv} {}",
             "i": "int32 1", "x": "int64 1", "as": "['x']", "ay": "[byte 1]", "a(xb)": "[(int64 1, true)]", "a{st}": "@a{st} {}", "ao": "@ao []"}
CONSOLE = ("<serial type='pty'/><graphics type='vnc'/><rng model='virtio'/><disk type='file'><source file='/x'/><target dev='vda'/></disk>"
           "<interface type='user'/>")


def rules(text):
    """Gives polkit these rules, and waits until it has read them."""
    path = os.path.join(ROOT, "polkit-rules", "50-test.rules")
    changes = []
    bus.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Peer", "Ping", destination="org.freedesktop.PolicyKit1")
    subscription = bus.connection.signal_subscribe("org.freedesktop.PolicyKit1", "org.freedesktop.PolicyKit1.Authority", "Changed", None,
                                                   None, 0, lambda *_: changes.append(1))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", destination="org.freedesktop.DBus")  # the match is in force
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(path + ".new", path)
    bus.wait(lambda: changes, "polkit's signal Changed")
    bus.connection.signal_unsubscribe(subscription)
    bus.settle()


def allow(user, *actions):
    names = ", ".join(f"'org.virtbus1.{a}'" for a in actions)
    rules(f"polkit.addRule(function(a, s) {{ if ([{names}].indexOf(a.id) >= 0 && s.user == '{user}') return polkit.Result.YES; }});")


def outcome(function, *arguments, **options):
    """'allowed', or the name of the authorization's error."""
    try:
        function(*arguments, **options)
    except BusError as error:
        return error.name if error.name in DENIED else "allowed"
    return "allowed"


def methods():
    """(interface, method, signatures of its arguments, action) of all methods and writable properties of the API."""
    for path in sorted(glob.glob(os.path.join(SOURCE, "introspection", "*.xml"))):
        for interface in ET.parse(path).getroot().findall("interface"):
            for member in interface:
                action = [a.get("value") for a in member.findall("annotation") if a.get("name") == "org.virtbus1.PolkitAction"]
                if not action:
                    continue
                signatures = [a.get("type") for a in member.findall("arg") if a.get("direction") == "in"]
                yield interface.get("name"), member.tag, member.get("name"), signatures, action[0].removeprefix("org.virtbus1.")


def every_action_is_refused_to_who_may_not_and_allowed_to_who_may():
    domain = hypervisor.define(hypervisor.document("guarded", devices=CONSOLE))
    hypervisor.do(domain, "Start")
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 3600 * 1000000)
    null = os.open("/dev/null", os.O_RDWR)
    job = bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[null])
    qemu = Hypervisor(bus, "qemu")  # a machine that waits, with a channel and no agent
    asked = qemu.define(qemu.document("asked", devices="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"))
    qemu.do(asked, "Start", paused=True)
    objects = {"Domain.Guest": f"{asked}/guest", "Manager": "/org/virtbus1", "Connection": hypervisor.path, "Test": hypervisor.path, "Domain": domain, "Job": job,
               "Device": f"{domain}/device/rng0", "Device.Disk": f"{domain}/device/virtio_2ddisk0",
               "Device.NetworkInterface": f"{domain}/device/net0", "Device.Console": f"{domain}/device/serial0", "Device.Graphics": f"{domain}/device/graphics0"}

    def attempt(interface, tag, member, signatures):
        path = objects[interface.removeprefix(f"{NAME}.")]
        if tag == "property":
            return outcome(alice.call, path, "org.freedesktop.DBus.Properties", "Set", "ssv", f"'{interface}'", f"'{member}'", "<true>")
        return outcome(alice.call, path, interface, member, "".join(signatures), *[ARGUMENTS[s] for s in signatures])

    table = list(methods())
    assert len(table) > 25, table
    rules("")
    for interface, tag, member, signatures, action in table:
        assert attempt(interface, tag, member, signatures) in DENIED, f"{interface}.{member} was allowed to anyone"
    allow("vb-alice", "job.cancel")
    assert attempt(f"{NAME}.Job", "method", "Cancel", []) == "allowed"
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 0)
    hypervisor.do(domain, "Destroy")  # which ends the dump that others would wait for
    hypervisor.do(domain, "Start")
    # The most harmful last: each must find the domain there.
    order = ["read", "read-secure", "domain.console", "domain.graphics", "domain.dump", "domain.guest", "domain.guest-control", "domain.tune", "test", "domain.suspend", "domain.start",
             "domain.shutdown", "domain.save", "domain.destroy", "domain.define"]
    assert {*order, "job.cancel"} == {action for *_, action in table}
    for action in order:
        allow("vb-alice", action)
        for interface, tag, member, signatures, needed in table:
            if needed == action:
                assert attempt(interface, tag, member, signatures) == "allowed", f"{interface}.{member} was refused with {action}"
    for path, name in ((hypervisor.path, f"{NAME}.Connection"), ("/org/virtbus1", f"{NAME}.Manager")):
        assert outcome(bob.call, path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"'{name}'") in DENIED
    os.close(null)
    qemu.do(asked, "Destroy")


def reading_needs_leave_and_introspection_does_not():
    domain = hypervisor.define(hypervisor.document("readable"))
    rules("")
    properties = ("org.freedesktop.DBus.Properties", "Get", "ss", f"'{NAME}.Domain'", "'Name'")
    contains(expect("InteractiveAuthorizationRequired", alice.call, domain, *properties), "org.virtbus1.read", "readable", "administrator")
    for path in ("/org/virtbus1", hypervisor.path, domain):
        assert outcome(alice.call, path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects") in DENIED
    contains(alice.call(domain, "org.freedesktop.DBus.Introspectable", "Introspect"), "org.virtbus1.Domain")
    allow("vb-alice", "read")
    contains(alice.call(domain, *properties), "readable")
    contains(alice.call(hypervisor.path, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"), "readable")
    # The decision was kept; it is forgotten when polkit's rules change.
    rules("")
    expect("InteractiveAuthorizationRequired", alice.call, domain, *properties)
    hypervisor.do(domain, "Undefine")


def owners_have_their_own_domains_and_no_others():
    allow("vb-alice", "domain.define", "read")
    path = alice.call(hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", repr(hypervisor.document("hers")), "@a{sv} {}")
    domain = path[2:-3]
    assert bus.get(domain, "Domain", "Owner") == pwd.getpwnam("vb-alice").pw_uid
    other = hypervisor.define(hypervisor.document("roots"))
    rules("")  # from here on there is only the shipped rule for owners
    alice.call(domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    contains(alice.call(domain, "org.freedesktop.DBus.Properties", "Get", "ss", f"'{NAME}.Domain'", "'State'"), "running")
    assert outcome(bob.call, domain, f"{NAME}.Domain", "Destroy", "a{sv}", "@a{sv} {}") in DENIED
    assert outcome(alice.call, other, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}") in DENIED
    assert outcome(bob.call, domain, "org.freedesktop.DBus.Properties", "Get", "ss", f"'{NAME}.Domain'", "'State'") in DENIED
    hypervisor.kill_driver()  # who owns what outlives a driver
    alice.call(domain, f"{NAME}.Domain", "Destroy", "a{sv}", "@a{sv} {}")
    alice.call(domain, f"{NAME}.Domain", "Undefine", "a{sv}", "@a{sv} {}")
    hypervisor.do(other, "Undefine")


def the_example_rule_lets_a_group_start_and_stop_but_not_define():
    domain = hypervisor.define(hypervisor.document("operated"))
    with open(os.path.join(SOURCE, "polkit", "examples", "60-virtbus-operators.rules"), encoding="utf-8") as file:
        rules(file.read())
    none = "@a{sv} {}"
    bob.call(domain, f"{NAME}.Domain", "Start", "a{sv}", none)
    bob.call(domain, f"{NAME}.Domain", "Shutdown", "a{sv}", none)
    bus.wait_state(domain, "shutoff")
    assert outcome(bob.call, domain, f"{NAME}.Domain", "Undefine", "a{sv}", none) in DENIED
    assert outcome(bob.call, hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", repr(hypervisor.document("no")), none) in DENIED
    assert outcome(alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", none) in DENIED
    hypervisor.do(domain, "Undefine")


def a_rule_can_name_the_domain():
    one, two = (hypervisor.define(hypervisor.document(name)) for name in ("first", "second"))
    rules("polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.domain.start' && a.lookup('domain_name') == 'first' &&"
          f" a.lookup('connection') == 'test' && a.lookup('domain_uuid') == '{bus.get(one, 'Domain', 'UUID')}' &&"
          " a.lookup('domain_owner') == '0' && a.lookup('caller_is_owner') == 'false') return polkit.Result.YES; });")
    alice.call(one, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    assert outcome(alice.call, two, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}") in DENIED
    hypervisor.do(one, "Destroy")
    for domain in (one, two):
        hypervisor.do(domain, "Undefine")


def the_interactive_flag_is_honoured():
    """polkit is asked to let a person answer only where the caller said so; nobody is there to answer, so it is refused."""
    domain = hypervisor.define(hypervisor.document("asked"))
    rules("polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.domain.start') return polkit.Result.AUTH_ADMIN; });")
    seen = []
    watcher = Bus()
    watcher.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                 ["type='method_call',member='CheckAuthorization'"], 0, destination="org.freedesktop.DBus")

    def on_message(_connection, message, _incoming):  # in a thread of GDBus
        if message.get_member() == "CheckAuthorization":
            seen.append(message.get_body().unpack())
            GLib.idle_add(lambda: False)
        return None
    watcher.connection.add_filter(on_message)
    expect("InteractiveAuthorizationRequired", alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    assert outcome(alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}", interactive=True) in DENIED
    bus.wait(lambda: len(seen) >= 2, "both questions to polkit")
    assert [question[3] for question in seen[:2]] == [0, 1], seen
    assert seen[0][0][0] == "system-bus-name" and seen[0][1] == "org.virtbus1.domain.start", seen[0]
    hypervisor.do(domain, "Undefine")


def polkit_gone_means_denied_with_an_error_that_says_so():
    domain = hypervisor.define(hypervisor.document("alone"))
    allow("vb-alice", "read", "domain.start")
    get = ("org.freedesktop.DBus.Properties", "Get", "ss", f"'{NAME}.Domain'", "'State'")
    alice.call(domain, *get)
    service = os.path.join(ROOT, "services", "org.freedesktop.PolicyKit1.service")
    os.rename(service, service + ".away")
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
    bus.kill_owner("org.freedesktop.PolicyKit1")
    try:
        contains(expect("AccessDenied", alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}"), "polkit", "see that its service runs")
        contains(expect("AccessDenied", alice.call, domain, *get), "polkit")  # what was decided before does not count now
        assert hypervisor.state(domain) == "shutoff"  # user 0 needs no polkit
    finally:
        os.rename(service + ".away", service)
        bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
    alice.call(domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def only_the_service_may_call_a_driver():
    for user in (alice, bob):
        contains(expect("AccessDenied", user.call, "/org/virtbus1/driver", f"{NAME}.Driver", "Attach", destination=f"{NAME}.Driver.Test"), "Rejected")
        expect("AccessDenied", user.call, "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su", f"'{NAME}.Driver.Fake'", "uint32 0",
               destination="org.freedesktop.DBus")


run([every_action_is_refused_to_who_may_not_and_allowed_to_who_may, reading_needs_leave_and_introspection_does_not,
     owners_have_their_own_domains_and_no_others, the_example_rule_lets_a_group_start_and_stop_but_not_define, a_rule_can_name_the_domain,
     the_interactive_flag_is_honoured, polkit_gone_means_denied_with_an_error_that_says_so, only_the_service_may_call_a_driver])
