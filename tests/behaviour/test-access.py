#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: a real polkitd, two users without rights, and every action of the API allowed and refused.

Usage (below tests/with-bus, as root): test-access.py
"""

import ast
import glob
import json
import os
import pwd
import re
import subprocess
import threading
import xml.etree.ElementTree as ET

import container_rig
from gi.repository import GLib
from rig import NAME, ROOT, SOURCE, Bus, BusError, Hypervisor, Skip, User, contains, expect, polkit_rules, read_until, run, slow_disk

if os.geteuid() != 0:
    raise SystemExit("test-access.py: needs root, for a polkitd and other users")

bus = Bus()
hypervisor = Hypervisor(bus, "test")
alice, bob = User("vb-alice"), User("vb-bob")
DENIED = ("org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
ARGUMENTS = {"s": "'x'", "o": "'/'", "u": "uint32 1", "t": "uint64 1", "b": "true", "h": "handle 0", "a{sv}": "@a{sv} {}",
             "i": "int32 1", "x": "int64 1", "as": "['x']", "ay": "[byte 1]", "a(xb)": "[(int64 1, true)]", "a{st}": "@a{st} {}", "ao": "@ao []", "a{sas}": "@a{sas} {}"}
CONSOLE = ("<serial type='pty'/><graphics type='vnc'/><rng model='virtio'/><disk type='file'><source file='/x'/><target dev='vda'/></disk>"
           "<interface type='user'/>")


def rules(text):
    polkit_rules(bus, text)


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


def add_port(network):
    """The path of a port of a user's own, and who holds it."""
    holder = User("vb-alice")
    allow("vb-alice", "network.attach")
    holder.call(network, f"{NAME}.Network", "AddPort", "sssa{sv}", "'guest'", "'44444444-4444-4444-4444-444444444444'", "'52:54:00:00:00:01'", "@a{sv} {}")
    return next(path for path, interfaces in bus.objects(network).items() if f"{NAME}.NetworkPort" in interfaces), holder


def add_host_port():
    holder = User("vb-alice")
    allow("vb-alice", "interface.attach")
    holder.call("/org/virtbus1/host", f"{NAME}.HostPorts", "AddPort", "sssssa{sv}", "'ethernet'", "''", "'guest'", "'44444444-4444-4444-4444-444444444444'", "'52:54:00:00:00:02'", "@a{sv} {}")
    return next(path for path, interfaces in bus.objects("/org/virtbus1/host").items() if f"{NAME}.HostPort" in interfaces), holder


def every_action_is_refused_to_who_may_not_and_allowed_to_who_may():
    domain = hypervisor.define(hypervisor.document("guarded", devices=CONSOLE))
    hypervisor.do(domain, "Start")
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 3600 * 1000000)
    null = os.open("/dev/null", os.O_RDWR)
    job = bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[null])
    qemu = Hypervisor(bus, "qemu")  # a machine that waits, with a channel and no agent
    asked = qemu.define(qemu.document("asked", devices="<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
                                      + slow_disk("asked")))
    qemu.do(asked, "Start", paused=True)
    pull = bus.call(f"{asked}/device/virtio_2ddisk0", f"{NAME}.Device.Disk.Image", "Pull", "sa{sv}", "", {"bandwidth": GLib.Variant("t", 4096)})
    kept = hypervisor.define(hypervisor.document("kept"))
    snapshot = bus.call(kept, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", "<domainsnapshot/>", {})
    checkpoint = bus.call(kept, f"{NAME}.Domain", "RedefineCheckpoint", "sa{sv}", "<domaincheckpoint><name>one</name><creationTime>1</creationTime></domaincheckpoint>", {})
    backed = hypervisor.define(hypervisor.document("backed", devices="<disk type='file'><source file='/x'/><target dev='vda'/></disk>"))
    hypervisor.do(backed, "Start")
    backup = bus.call(backed, f"{NAME}.Domain", "BeginBackup", "ssa{sv}", "<domainbackup mode='pull'/>", "", {})
    secret = bus.call("/org/virtbus1/host", f"{NAME}.Secrets", "DefineSecret", "sa{sv}", "<secret/>", {})
    network = bus.call("/org/virtbus1/host", f"{NAME}.Networks", "DefineNetwork", "sa{sv}", "<network><name>guarded</name></network>", {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    entered = container_rig.define(container_rig.document("entered"))
    container_rig.do(entered, "Start")
    has_taps = os.path.exists("/dev/net/tun")
    port, holder = add_port(network) if has_taps else (None, None)
    host_port, other_holder = add_host_port() if has_taps else (None, None)
    network_filter = bus.call("/org/virtbus1/host", f"{NAME}.NetworkFilters", "DefineFilter", "sa{sv}", "<filter name='guarded'/>", {})
    objects = {"Interfaces": "/org/virtbus1/host", "Interface": "/org/virtbus1/host/interface/lo", "NetworkFilters": "/org/virtbus1/host", "NetworkFilter": network_filter, "Networks": "/org/virtbus1/host", "Network": network, "NetworkPort": port, "HostPorts": "/org/virtbus1/host", "HostPort": host_port, "Secrets": "/org/virtbus1/host", "Secret": secret, "Domain.Container": entered, "Domain.Guest": f"{asked}/guest", "Manager": "/org/virtbus1", "Connection": hypervisor.path, "Test": hypervisor.path, "Domain": domain, "Job": job, "ManagedObjects": domain, "Job.Disk": pull, "Job.Backup": backup, "Snapshot": snapshot, "Checkpoint": checkpoint, "Device.Disk.Image": f"{asked}/device/virtio_2ddisk0",
               "Device": f"{domain}/device/rng0", "Device.Disk": f"{domain}/device/virtio_2ddisk0",
               "Device.NetworkInterface": f"{domain}/device/net0", "Device.Console": f"{domain}/device/serial0", "Device.Graphics": f"{domain}/device/graphics0"}

    def attempt(interface, tag, member, signatures):
        path = objects[interface.removeprefix(f"{NAME}.")]
        if tag == "property":
            return outcome(alice.call, path, "org.freedesktop.DBus.Properties", "Set", "ssv", f"'{interface}'", f"'{member}'", "<true>")
        arguments = [ARGUMENTS[s] for s in signatures]
        if member == "OpenConnection":
            arguments[0] = "'test://x'"  # what is of this machine is only looked up
        if member in ("GetPart", "GetColumns"):
            arguments[0] = "''"
        if member == "GetColumns":
            arguments[1:] = [f"'{NAME}.Device'", "['Alias']"]
        if member == "Manage":  # which stands for others from then on
            other = User("vb-alice")
            found = outcome(other.call, path, interface, member)
            other.leave()
            return found
        return outcome(alice.call, path, interface, member, "".join(signatures), *arguments)

    table = [row for row in methods() if has_taps or row[0] not in (f"{NAME}.NetworkPort", f"{NAME}.HostPort")]
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
    order = ["manage", "connection.open", "read", "read-secure", "domain.console", "domain.graphics", "domain.log", "domain.dump", "domain.guest", "domain.guest-control", "domain.open-namespaces", "domain.tune", "domain.block-job", "domain.snapshot", "domain.backup", "domain.monitor", "domain.monitor-events", "test", "domain.suspend", "domain.start",
             "domain.shutdown", "domain.save", "domain.destroy", "domain.share", "domain.define", "secret.set-value", "secret.get-value", "secret.define", "filter.define", "device.attach", "memory.reserve", "real-time.use", "interface.attach", "network.attach", "network.define", "network.start", "network.stop"]
    assert {*order, "job.cancel"} == {action for *_, action in table}
    for action in order:
        allow("vb-alice", action)
        for interface, tag, member, signatures, needed in table:
            if needed == action:
                assert attempt(interface, tag, member, signatures) == "allowed", f"{interface}.{member} was refused with {action}"
    assert outcome(bob.call, f"{asked}/guest", "org.freedesktop.DBus.Properties", "GetAll", "s", f"'{NAME}.Domain.Guest'") in DENIED
    container_rig.do(entered, "Destroy")
    # What the service and its connections are is no secret.
    for path, name in ((hypervisor.path, f"{NAME}.Connection"), ("/org/virtbus1", f"{NAME}.Manager")):
        assert outcome(bob.call, path, "org.freedesktop.DBus.Properties", "GetAll", "s", f"'{name}'") == "allowed"
    os.close(null)
    if holder:
        holder.leave()
        other_holder.leave()
    qemu.do(asked, "Destroy")
    hypervisor.do(kept, "Undefine", checkpoints=True)
    hypervisor.do(backed, "Destroy")
    hypervisor.do(backed, "Undefine")
    for path in bus.objects(hypervisor.path):  # what some methods have made
        hypervisor.do(path, "Destroy")


OBJECTS = ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
INTROSPECT = ("org.freedesktop.DBus.Introspectable", "Introspect")
NONE = "@a{sv} {}"


def get(name):
    return ("org.freedesktop.DBus.Properties", "Get", "ss", f"'{NAME}.Domain'", f"'{name}'")


def listed(user, path):
    return set(ast.literal_eval(user.call(path, *OBJECTS))[0])


def introspected(user):
    """The nodes of domains that introspection shows to a user."""
    try:
        return set(re.findall(r'node name="(\w+)"', user.call(f"{hypervisor.path}/domain", *INTROSPECT)))
    except BusError as error:
        assert error.name.endswith("UnknownObject"), error  # where there is no node below it
        return set()


def node(domain):
    return domain.rsplit("/", 1)[1]


def reading_needs_leave_and_introspection_does_not():
    domain = hypervisor.define(hypervisor.document("readable"))
    rules("")
    contains(expect("InteractiveAuthorizationRequired", alice.call, domain, *get("Name")), "org.virtbus1.read", "readable", "administrator")
    assert outcome(alice.call, domain, *OBJECTS) in DENIED
    assert listed(alice, hypervisor.path) == set() and hypervisor.path in listed(alice, "/org/virtbus1")
    contains(alice.call(domain, *INTROSPECT), "org.virtbus1.Domain")
    assert introspected(alice) == set()
    allow("vb-alice", "read")
    contains(alice.call(domain, *get("Name")), "readable")
    assert domain in listed(alice, hypervisor.path)
    assert node(domain) in introspected(alice)
    # The decision was kept; it is forgotten when polkit's rules change.
    rules("")
    expect("InteractiveAuthorizationRequired", alice.call, domain, *get("Name"))
    assert listed(alice, hypervisor.path) == set()
    hypervisor.do(domain, "Undefine")


def define_as(user, document):
    return ast.literal_eval(user.call(hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", repr(document), NONE))[0]


def owners_have_their_own_domains_and_no_others():
    allow("vb-alice", "domain.define")
    domain = define_as(alice, hypervisor.document("hers", devices=CONSOLE))
    assert bus.get(domain, "Domain", "Owner") == pwd.getpwnam("vb-alice").pw_uid
    other = hypervisor.define(hypervisor.document("roots"))
    rules("")  # from here on there is only the shipped rule for owners
    alice.call(domain, f"{NAME}.Domain", "Start", "a{sv}", NONE)
    contains(alice.call(domain, *get("State")), "running")
    assert outcome(bob.call, domain, f"{NAME}.Domain", "Destroy", "a{sv}", NONE) in DENIED
    assert outcome(alice.call, other, f"{NAME}.Domain", "Start", "a{sv}", NONE) in DENIED
    assert outcome(bob.call, domain, *get("State")) in DENIED
    # Every list has what is hers, and nothing else.
    assert listed(alice, hypervisor.path) == {domain} and listed(bob, hypervisor.path) == set()
    assert f"{domain}/device/serial0" in listed(alice, domain)
    # So have the methods that find domains, and their statistics.
    connection = f"{NAME}.Connection"
    contains(alice.call(hypervisor.path, connection, "GetDomainByName", "s", "'hers'"), domain)
    contains(alice.call(hypervisor.path, connection, "GetDomainByUUID", "s", f"'{bus.get(domain, 'Domain', 'UUID')}'"), domain)
    contains(alice.call(hypervisor.path, connection, "GetDomainStats", "aoasa{sv}", f"[objectpath '{domain}']", "@as []", NONE), domain)
    for user, member, signature, arguments in (
            (alice, "GetDomainByName", "s", ["'roots'"]), (alice, "GetDomainByName", "s", ["'nobody'"]), (bob, "GetDomainByName", "s", ["'hers'"]),
            (alice, "GetDomainStats", "aoasa{sv}", [f"[objectpath '{domain}', '{other}']", "@as []", NONE]),
            (bob, "GetDomainStats", "aoasa{sv}", ["@ao []", "@as []", NONE])):
        assert outcome(user.call, hypervisor.path, connection, member, signature, *arguments) in DENIED, (member, arguments)
    stats = ast.literal_eval(alice.call(hypervisor.path, connection, "GetDomainStats", "aoasa{sv}", "@ao []", "@as []", NONE))
    assert set(stats[0]) == {domain}, stats
    # What a machine can do is not a secret: who defines needs it.
    for member, signature, arguments in (("GetCapabilities", "", []), ("GetDomainCapabilities", "ssss", ["''"] * 4), ("GetCPUModels", "s", ["''"])):
        assert outcome(bob.call, hypervisor.path, connection, member, signature, *arguments) == "allowed", member
    hypervisor.kill_driver()  # who owns what outlives a driver
    alice.call(domain, f"{NAME}.Domain", "Destroy", "a{sv}", NONE)
    alice.call(domain, f"{NAME}.Domain", "Undefine", "a{sv}", NONE)
    hypervisor.do(other, "Undefine")


def who_may_define_can_begin_with_an_empty_list():
    allow("vb-alice", "domain.define")
    other = hypervisor.define(hypervisor.document("there before"))
    user = User("vb-alice")
    assert listed(user, hypervisor.path) == set()
    domain = define_as(user, hypervisor.document("first"))
    user.signals(hypervisor.path, "InterfacesAdded", domain, "'Name': 'first'")  # what is new and hers is told
    user.call(domain, f"{NAME}.Domain", "Start", "a{sv}", NONE)
    heard = user.signals(domain, "StateChanged", "running")
    assert [s for s in heard if s[0] == domain and s[2] == "PropertiesChanged" and s[3][1].get("State") == "running"], heard
    user.call(domain, f"{NAME}.Domain", "Destroy", "a{sv}", NONE)
    user.call(domain, f"{NAME}.Domain", "Undefine", "a{sv}", NONE)
    heard = user.signals(hypervisor.path, "InterfacesRemoved", domain)
    assert other not in repr(heard) and "there before" not in repr(heard)
    hypervisor.do(other, "Undefine")
    user.leave()


def a_rule_can_open_just_one_domain():
    one, two = (hypervisor.define(hypervisor.document(name)) for name in ("opened", "closed"))
    rules("polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.read' && a.lookup('domain_name') == 'opened' && s.user == 'vb-alice')"
          " return polkit.Result.YES; });")
    user = User("vb-alice")
    assert listed(user, hypervisor.path) == {one}
    contains(user.call(one, *get("Name")), "opened")
    assert outcome(user.call, two, *get("Name")) in DENIED
    assert introspected(user) == {node(one)}
    for domain in (one, two):
        hypervisor.do(domain, "Start")
        hypervisor.do(domain, "Destroy")
    heard = user.signals(one, "StateChanged", "shutoff")
    assert two not in repr(heard), heard
    # One of that name that comes later is found too, since there is a rule of that kind.
    hypervisor.do(one, "Undefine")
    again = hypervisor.define(hypervisor.document("opened"))
    assert again != one
    assert listed(user, hypervisor.path) == {again}
    for domain in (again, two):
        hypervisor.do(domain, "Undefine")
    user.leave()


def removed(user, *paths):
    """Waits until a user has heard that these objects are gone for them; returns all that it has heard."""
    for path in paths:
        parent = path.rsplit("/", 2)[0]
        heard = user.signals(parent, "InterfacesRemoved", path)
    return heard


def who_may_not_read_any_more_is_told_that_it_is_gone():
    """By a rule for all, for one domain, or as its owner; and what may still be read stays."""
    allow("vb-alice", "read")
    everything, one = User("vb-alice"), User("vb-bob")
    domain, other = (hypervisor.define(hypervisor.document(name, devices=CONSOLE)) for name in ("opened", "other"))
    listed(everything, hypervisor.path)
    listed(everything, domain)
    rules("polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.read' && a.lookup('domain_name') == 'opened') return polkit.Result.YES; });")
    heard = removed(everything, other)
    assert f"'InterfacesRemoved', ('{domain}'" not in repr(heard), heard
    assert listed(one, hypervisor.path) == {domain}
    # Another name is another question.
    bus.call(domain, f"{NAME}.Domain", "Rename", "sa{sv}", "closed", {})
    removed(one, domain)
    assert "closed" not in repr(one.heard())
    bus.call(domain, f"{NAME}.Domain", "Rename", "sa{sv}", "opened", {})
    again = User("vb-bob")
    assert listed(again, hypervisor.path) == {domain}
    rules("")
    removed(everything, domain)
    assert other not in repr(removed(again, domain))
    for path in (domain, other):
        hypervisor.do(path, "Undefine")
    for user in (one, again, everything):
        user.leave()


def signals_say_no_more_than_reading_would():
    secret = "the password of root is hunter2"
    rules("")
    nobody, reader = User("vb-bob"), User("vb-alice")
    assert outcome(nobody.call, hypervisor.path, *OBJECTS) == "allowed"
    allow("vb-alice", "read")
    listed(reader, hypervisor.path)
    domain = hypervisor.define(hypervisor.document("told", devices=CONSOLE, more=f"<description>{secret}</description>"))
    hypervisor.do(domain, "Start")
    null = os.open("/dev/null", os.O_RDWR)
    job = bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[null])
    os.close(null)
    bus.wait_signal(job, "Completed")
    hypervisor.do(domain, "Destroy")
    heard = reader.signals(domain, "StateChanged", "shutoff")
    contains(repr(heard), secret, "'State': 'running'", job)
    for word in (secret, domain, node(domain), "told", job):
        assert word not in repr(nobody.heard()), word
    # Who may not read any more does not hear any more.
    rules("")
    assert outcome(reader.call, domain, *get("State")) in DENIED  # polkit has said so: it was asked about this after what is heard
    reader.heard()
    bus.settle()
    hypervisor.define(hypervisor.document("told", uuid=bus.get(domain, "Domain", "UUID"), more="<title>after</title>"))
    assert "after" not in repr(reader.heard())
    hypervisor.do(domain, "Undefine")
    nobody.leave()
    reader.leave()


def what_nobody_may_hear_is_shown_to_the_monitors_of_root_alone():
    bus.kill_owner(NAME)  # root's programs hear everything once they have called: none calls the next service
    allow("vb-alice", "domain.define")
    users = [User("vb-alice"), User("vb-bob")]
    for user in users:
        user.call("/org/virtbus1", "org.freedesktop.DBus.Peer", "Ping")
        assert outcome(user.call, hypervisor.path, "org.freedesktop.DBus.Introspectable", "Introspect") == "allowed"
    monitor = subprocess.Popen(["busctl", "monitor", "--json=short", "--match=type='signal',member='InterfacesAdded'"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    contains(monitor.stderr.readline(), "Monitoring")
    domain = define_as(users[0], hypervisor.document("unheard"))
    shown = json.loads(monitor.stdout.readline())
    monitor.kill()
    monitor.communicate()
    assert shown["destination"] == "org.freedesktop.DBus" and shown["payload"]["data"][0] == domain, shown
    for user in users:
        assert "unheard" not in repr(user.heard())
        user.leave()
    hypervisor.do(domain, "Undefine")


def the_end_of_rules_leaves_owners_their_signals():
    allow("vb-alice", "domain.define", "read")
    user = User("vb-alice")
    domain = define_as(user, hypervisor.document("kept"))
    assert domain in listed(user, hypervisor.path)
    rules("")
    assert listed(user, hypervisor.path) == {domain}
    user.call(domain, f"{NAME}.Domain", "Start", "a{sv}", NONE)
    user.signals(domain, "StateChanged", "running")
    user.call(domain, f"{NAME}.Domain", "Destroy", "a{sv}", NONE)
    user.call(domain, f"{NAME}.Domain", "Undefine", "a{sv}", NONE)
    user.leave()


def a_decision_ends_with_what_it_was_about():
    """Another domain of the same UUID is another object, whoever could read the one before."""
    uuid = "6d1f0a4e-7f0b-4b2c-9a54-3f6f0c7d8e9f"
    allow("vb-alice", "domain.define")
    domain = define_as(alice, hypervisor.document("hers", uuid=uuid))
    rules("")
    contains(alice.call(domain, *get("Name")), "hers")
    assert listed(alice, hypervisor.path) == {domain}
    hypervisor.do(domain, "Undefine")
    assert hypervisor.define(hypervisor.document("roots", uuid=uuid)) == domain
    assert outcome(alice.call, domain, *get("Name")) in DENIED
    assert listed(alice, hypervisor.path) == set()
    assert "'roots'" not in repr(alice.heard())
    hypervisor.do(domain, "Undefine")


def what_polkit_has_allowed_of_an_object_does_not_count_for_its_successor():
    gate, answers = os.path.join(ROOT, "gate-of-define"), []
    os.mkfifo(gate)
    os.chmod(gate, 0o666)
    alice = User("vb-alice")
    document = hypervisor.document("first", uuid="c7d5a6a8-3a0f-4a52-9f0e-000000000001")
    domain = hypervisor.define(document)
    rules(f"polkit.addRule(function(a, s) {{ if (a.id == 'org.virtbus1.domain.define' && s.user == 'vb-alice') {{"
          f" try {{ polkit.spawn(['/bin/cat', '{gate}']); }} catch (e) {{}} return polkit.Result.YES; }} }});")

    def undefine():
        try:
            answers.append(alice.call(domain, f"{NAME}.Domain", "Undefine", "a{sv}", NONE))
        except BusError as error:
            answers.append(error)
    calling = threading.Thread(target=undefine)
    calling.start()
    gatekeeper = os.open(gate, os.O_WRONLY)  # which waits until it is asked
    hypervisor.do(domain, "Undefine")
    assert hypervisor.define(document) == domain
    os.unlink(gate)
    os.close(gatekeeper)
    calling.join()
    assert isinstance(answers[0], BusError) and answers[0].name.endswith(".ResourceBusy"), answers
    contains(answers[0].message, "another object")
    assert hypervisor.state(domain) == "shutoff"
    rules("")
    hypervisor.do(domain, "Undefine")
    alice.leave()


def what_happens_while_polkit_is_asked_anew_is_told_to_who_may_still_hear_it():
    """polkit says that something has changed, and is held up by its rule when it is asked, until the gate is opened."""
    gate, path = os.path.join(ROOT, "gate"), os.path.join(ROOT, "polkit-rules", "50-test.rules")
    os.mkfifo(gate)
    os.chmod(gate, 0o666)
    readers = "a.id == 'org.virtbus1.read' && (s.user == 'vb-alice' || s.user == 'vb-bob')"
    rules(f"polkit.addRule(function(a, s) {{ if ({readers}) return polkit.Result.YES; }});")
    was, still = User("vb-alice"), User("vb-bob")
    domain = hypervisor.define(hypervisor.document("watched"))
    for user in (was, still):
        assert domain in listed(user, hypervisor.path)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(f"polkit.addRule(function(a, s) {{ if ({readers}) {{ try {{ polkit.spawn(['/bin/cat', '{gate}']); }} catch (e) {{}}"
                   " return s.user == 'vb-bob' ? polkit.Result.YES : polkit.Result.NO; } });")
    os.rename(path + ".new", path)
    gatekeeper = os.open(gate, os.O_WRONLY)  # which waits until it is asked
    hypervisor.do(domain, "Start")
    os.unlink(gate)
    os.close(gatekeeper)
    still.signals(domain, "StateChanged", "running")
    contains(still.call(domain, *get("State")), "running")
    removed(was, domain)
    assert "StateChanged" not in repr(was.heard()), was.heard()
    hypervisor.do(domain, "Destroy")
    still.signals(domain, "StateChanged", "shutoff")
    hypervisor.do(domain, "Undefine")
    for user in (was, still):
        user.leave()
    rules("")


def a_list_that_waits_for_polkit_follows_its_changes():
    domains = {hypervisor.define(hypervisor.document(f"slow{number}")) for number in range(20)}
    slow = "polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.read' && a.lookup('domain_name')) { polkit.spawn(['/bin/sleep', '0.1']); RESULT } });"
    user = User("vb-alice")
    rules(slow.replace("RESULT", "return polkit.Result.YES;"))
    user.process.stdin.write(json.dumps([NAME, hypervisor.path, *OBJECTS, "", [], False]) + "\n")
    user.process.stdin.flush()
    rules("")
    assert json.loads(user.process.stdout.readline()) in ({"result": "({},)"}, {"result": repr(({},))})
    assert listed(user, hypervisor.path) == set()
    for domain in domains:
        hypervisor.do(domain, "Undefine")
    user.leave()


def ten_thousand_domains_are_not_ten_thousand_questions():
    """Here a few hundred: one question for all, one for what is the caller's own, and a bounded number for each call beyond."""
    allow("vb-alice", "domain.define")
    domains = [define_as(alice, hypervisor.document(f"many{number}")) for number in range(100)]
    user = User("vb-alice")
    questions = Questions()
    rules("")
    assert listed(user, hypervisor.path) >= set(domains)
    questions.settle()
    assert questions.most("org.virtbus1.read") <= 4, questions.seen
    for domain in domains:
        hypervisor.do(domain, "Undefine")
    user.leave()


class Questions:
    """What polkit is asked."""

    def __init__(self):
        self.seen = []
        self.watcher = Bus(listen=False)
        self.watcher.call("/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu",
                          ["type='method_call',member='CheckAuthorization'", "type='method_call',member='GetNameOwner'"], 0,
                          destination="org.freedesktop.DBus")
        self.watcher.connection.add_filter(self._on_message)

    def _on_message(self, _connection, message, _incoming):  # in a thread of GDBus
        self.seen.append((message.get_member(), message.get_body().unpack()))
        GLib.idle_add(lambda: False)

    def settle(self):
        """Waits until everything that was asked before now has been seen."""
        mark = f"com.example.mark{len(self.seen)}"
        outcome(bus.call, "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetNameOwner", "s", mark, destination="org.freedesktop.DBus")
        bus.wait(lambda: ("GetNameOwner", (mark,)) in self.seen, "the monitor's mark")

    def most(self, action):
        """How many there were about an action of the caller with the most of them."""
        callers = [body[0][1]["name"] for member, body in self.seen
                   if member == "CheckAuthorization" and body[1] == action and body[0][0] == "system-bus-name"]
        return max(callers.count(caller) for caller in callers)


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


def page_details():
    """What the manual page says that rules can look up."""
    path = os.path.join(os.environ["VIRTBUS_BUILD"], "man", "virtbus-polkit.7")
    if not os.path.exists(path):
        raise Skip("rst2man is not installed: there is no manual page")
    with open(path, encoding="utf-8") as file:
        section = file.read().split(".SH DETAILS")[1].split(".SH ")[0]
    return set(re.findall(r"^\.TP\n(?:\.B )?(\w+)$", section, re.M))


def rules_can_look_up_what_the_manual_page_says():
    domain = hypervisor.define(hypervisor.document("looked up"))
    hypervisor.do(domain, "Start")
    bus.call(domain, f"{NAME}.Domain", "Share", "sasa{sv}", "user:x", ["read"], {})
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 3600 * 1000000)
    null = os.open("/dev/null", os.O_RDWR)
    job = bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[null])
    os.close(null)
    values = {"connection": "test", "domain_name": "looked up", "domain_uuid": bus.get(domain, "Domain", "UUID"), "domain_owner": "0", "domain_owners_rights": "false", "domain_shares": "user:x:read",
              "job_operation": "dump", "caller_is_owner": "false"}
    of_secrets = {f"secret_{name}" for name in ("uuid", "usage_type", "usage_id", "owner")}  # see test-secrets.py
    of_connections = {"uri_scheme", "uri_host"}  # see test-elsewhere.py
    of_networks = {f"network_{name}" for name in ("uuid", "name", "mode", "owner")}  # see test-networks.py
    of_interfaces = {"interface_name"}  # see test-interfaces.py
    of_ports = {"plug", "port_uuid"}  # see test-host-ports.py
    of_filters = {f"filter_{name}" for name in ("uuid", "name", "owner")}  # see test-filters.py
    assert page_details() == set(values) | of_networks | of_ports | of_filters | of_interfaces | of_secrets | of_connections, page_details()

    def rule(action, conditions):
        rules(f"polkit.addRule(function(a, s) {{ if (a.id == 'org.virtbus1.{action}' && {conditions}) return polkit.Result.YES; }});")
    for name, value in values.items():
        rule("read-secure", f"a.lookup('{name}') == '{value}'")  # which does not wait for the dump
        allowed = outcome(alice.call, domain, f"{NAME}.Domain", "GetXMLWithSecrets", "a{sv}", NONE) == "allowed"
        assert allowed == (name != "job_operation"), name  # only a job has that
        rule("job.cancel", f"a.lookup('{name}') == '{value}x'")
        assert outcome(alice.call, job, f"{NAME}.Job", "Cancel") in DENIED, name
    rule("job.cancel", " && ".join(f"a.lookup('{name}') == '{value}'" for name, value in values.items()))
    assert outcome(alice.call, job, f"{NAME}.Job", "Cancel") == "allowed"
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 0)
    hypervisor.do(domain, "Destroy")
    hypervisor.do(domain, "Undefine")


def members_of_virtbus_admins_may_do_everything_but_define():
    carol = User("vb-carol")
    text = open(f"{SOURCE}/polkit/51-virtbus-admins.rules", encoding="utf-8").read()
    table = {action: (interface, tag, member, signatures) for interface, tag, member, signatures, action in methods()}
    assert {f"org.virtbus1.{action}" for action in table} - set(re.findall(r'"(org.virtbus1[\w.-]+)"', text)) == {
        "org.virtbus1.manage", "org.virtbus1.connection.open", "org.virtbus1.domain.define", "org.virtbus1.domain.monitor", "org.virtbus1.domain.open-namespaces", "org.virtbus1.domain.share", "org.virtbus1.device.attach", "org.virtbus1.memory.reserve", "org.virtbus1.real-time.use", "org.virtbus1.filter.define", "org.virtbus1.interface.attach", "org.virtbus1.network.attach", "org.virtbus1.network.define", "org.virtbus1.network.start", "org.virtbus1.network.stop", "org.virtbus1.secret.define", "org.virtbus1.secret.set-value", "org.virtbus1.secret.get-value",
        "org.virtbus1.test"}, "an action is neither allowed nor left out on purpose"
    rules("")
    domain = hypervisor.define(hypervisor.document("of-admins", devices=CONSOLE))
    for member, arguments in (("Start", ("a{sv}", NONE)), ("Suspend", ()), ("Resume", ()), ("SetMemory", ("ta{sv}", "uint64 33554432", NONE)),
                              ("GetXMLWithSecrets", ("a{sv}", NONE)), ("ManagedSave", ("a{sv}", NONE)), ("RemoveManagedSave", ()),
                              ("Start", ("a{sv}", NONE)), ("Shutdown", ("a{sv}", NONE)), ("Destroy", ("a{sv}", NONE))):
        assert outcome(carol.call, domain, f"{NAME}.Domain", member, *arguments) == "allowed", member
        assert outcome(alice.call, domain, f"{NAME}.Domain", member, *arguments) in DENIED, member
    assert domain in listed(carol, hypervisor.path)
    assert outcome(carol.call, domain, f"{NAME}.Domain", "Undefine", "a{sv}", NONE) in DENIED
    assert outcome(carol.call, domain, f"{NAME}.Domain", "AttachDevice", "sa{sv}", "'<rng/>'", NONE) in DENIED
    assert outcome(carol.call, hypervisor.path, f"{NAME}.Connection", "DefineDomain", "sa{sv}", "'<domain/>'", NONE) in DENIED
    assert outcome(carol.call, hypervisor.path, f"{NAME}.Test", "Populate", "ua{sv}", "uint32 1", NONE) in DENIED
    hypervisor.do(domain, "Undefine", managed_save=True)
    carol.leave()


def a_log_is_shown_and_followed_for_who_may_not_open_the_file():
    qemu = Hypervisor(bus, "qemu")
    domain = qemu.define(qemu.document("logged"))
    qemu.do(domain, "Start", paused=True)
    path = f"{ROOT}/qemu/log/qemu/{bus.get(domain, 'Domain', 'UUID')}.log"
    as_alice = ["setpriv", "--reuid=vb-alice", "--regid=vb-alice", "--init-groups", f"{ROOT}/build/client/virtbusctl/virtbusctl", "log", "logged"]
    allow("vb-alice", "read")
    refused = subprocess.run(as_alice, capture_output=True, encoding="utf-8", check=False)
    assert refused.returncode == 5 and "org.virtbus1.domain.log" in refused.stderr, refused
    allow("vb-alice", "read", "domain.log")
    with open(path, "a", encoding="utf-8") as file:
        file.write("QEMU has said this\n")
    contains(subprocess.run(as_alice, stdout=subprocess.PIPE, encoding="utf-8", check=True).stdout, "QEMU has said this\n")
    follower = subprocess.Popen([*as_alice, "--follow"], stdout=subprocess.PIPE)
    read_until(follower.stdout.fileno(), b"QEMU has said this\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write("and that\n")
    read_until(follower.stdout.fileno(), b"and that\n")
    follower.terminate()
    follower.wait()
    follower.stdout.close()
    qemu.do(domain, "Destroy")
    qemu.do(domain, "Undefine")


def asked_of_polkit(monitor):
    """The next question that is not about reading, as busctl has seen it."""
    while True:
        question = json.loads(monitor.stdout.readline())["payload"]["data"]
        if question[1] != "org.virtbus1.read":
            return question


def the_interactive_flag_is_honoured():
    """polkit is asked to let a person answer only where the caller said so; nobody is there to answer, so it is refused."""
    domain = hypervisor.define(hypervisor.document("asked"))
    rules("polkit.addRule(function(a, s) { if (a.id == 'org.virtbus1.domain.start') return polkit.Result.AUTH_ADMIN; });")
    # A monitor may answer nothing, which GDBus would do to questions that come before it has a filter: busctl is made for it.
    monitor = subprocess.Popen(["busctl", "monitor", "--json=short", "--match=type='method_call',member='CheckAuthorization'"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    contains(monitor.stderr.readline(), "Monitoring")
    expect("InteractiveAuthorizationRequired", alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}")
    first = asked_of_polkit(monitor)
    assert outcome(alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}", interactive=True) in DENIED
    second = asked_of_polkit(monitor)
    monitor.kill()
    monitor.communicate()
    assert [question[3] for question in (first, second)] == [0, 1], (first, second)
    assert first[0][0] == "system-bus-name" and first[1] == "org.virtbus1.domain.start", first
    hypervisor.do(domain, "Undefine")


def polkit_gone_means_denied_with_an_error_that_says_so():
    domain = hypervisor.define(hypervisor.document("alone"))
    allow("vb-alice", "read", "domain.start")
    state = get("State")
    alice.call(domain, *state)
    service = os.path.join(ROOT, "services", "org.freedesktop.PolicyKit1.service")
    os.rename(service, service + ".away")
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
    bus.kill_owner("org.freedesktop.PolicyKit1")
    try:
        contains(expect("AccessDenied", alice.call, domain, f"{NAME}.Domain", "Start", "a{sv}", "@a{sv} {}"), "polkit", "see that its service runs")
        contains(expect("AccessDenied", alice.call, hypervisor.path, *OBJECTS), "polkit gave no answer")
        contains(expect("AccessDenied", alice.call, domain, *state), "polkit")  # what was decided before does not count now
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
     owners_have_their_own_domains_and_no_others, who_may_define_can_begin_with_an_empty_list, a_rule_can_open_just_one_domain,
     who_may_not_read_any_more_is_told_that_it_is_gone, signals_say_no_more_than_reading_would,
     what_nobody_may_hear_is_shown_to_the_monitors_of_root_alone, the_end_of_rules_leaves_owners_their_signals, a_decision_ends_with_what_it_was_about,
     what_polkit_has_allowed_of_an_object_does_not_count_for_its_successor,
     what_happens_while_polkit_is_asked_anew_is_told_to_who_may_still_hear_it, a_list_that_waits_for_polkit_follows_its_changes, ten_thousand_domains_are_not_ten_thousand_questions,
     the_example_rule_lets_a_group_start_and_stop_but_not_define, a_rule_can_name_the_domain, rules_can_look_up_what_the_manual_page_says,
     members_of_virtbus_admins_may_do_everything_but_define,
     a_log_is_shown_and_followed_for_who_may_not_open_the_file, the_interactive_flag_is_honoured,
     polkit_gone_means_denied_with_an_error_that_says_so, only_the_service_may_call_a_driver])
