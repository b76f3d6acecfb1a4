#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that the API has, on every object, tried by a user without rights and by one who may read: on the bus and on both sockets. What is
allowed is what the API's description says, and nothing else.

Usage (below tests/with-bus, as root): test-rights.py
"""

import glob
import os
import re
import signal
import subprocess
import xml.etree.ElementTree as ET

import container_rig
from gi.repository import GLib
from rig import NAME, ROOT, SOURCE, Bus, BusError, Hypervisor, User, polkit_rules, read_away, run, slow_disk, socket_activate

if os.geteuid() != 0:
    print("1..0 # SKIP needs root, for other users")
    raise SystemExit(0)

bus = Bus()
hypervisor, qemu = Hypervisor(bus, "test"), Hypervisor(bus, "qemu")
DENIED = ("org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
PROPERTIES = "org.freedesktop.DBus.Properties"
READ = "read"
DEVICES = ("<serial type='pty'/><graphics type='vnc'/><rng model='virtio'/><disk type='file'><source file='/x'/><target dev='vda'/></disk>"
           "<interface type='user'/>")
AGENT = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
sockets = {name: f"{ROOT}/{name}.sock" for name in ("virtbus", "virtbus-ro")}
state = {}


# The description

def annotation(element, name):
    return next((a.get("value") for a in element.findall("annotation") if a.get("name") == name), None)


def interfaces():
    return {i.get("name"): i for path in glob.glob(os.path.join(SOURCE, "introspection", "*.xml")) for i in ET.parse(path).getroot().findall("interface")}


def example(signature):
    """Values of a signature, as text, of which nothing comes where they are allowed."""
    values = []
    while signature:
        kind = re.match(r"a*([^({a]|[({])", signature).group()
        if kind[-1] in "({":
            depth, end = 0, len(kind) - 1
            while True:
                depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(signature[end], 0)
                end += 1
                if depth == 0:
                    break
            kind = signature[:end]
        signature = signature[len(kind):]
        simple = {"s": "''", "o": "objectpath '/'", "g": "signature ''", "b": "false", "v": "<false>", "h": "handle 0", "y": "byte 0", "n": "int16 0", "q": "uint16 0",
                  "i": "int32 0", "u": "uint32 0", "x": "int64 0", "t": "uint64 0", "d": "0.0"}
        if kind[0] == "a":
            values.append(f"@{kind} []" if kind[1] != "{" else f"@{kind} {{}}")
        elif kind[0] == "(":
            inner = example(kind[1:-1])
            values.append(f"({', '.join(inner)}{',' if len(inner) == 1 else ''})")
        else:
            values.append(simple[kind])
    return values


def what_there_is(objects):
    """(what, action, call) of everything on every object; without an action it is everybody's."""
    described = interfaces()
    for path, names in sorted(objects.items()):
        for name in sorted(names):
            interface = described[name]
            reading = None if annotation(interface, "org.virtbus1.Public") else READ
            for member in interface.findall("method"):
                signature = "".join(a.get("type") for a in member.findall("arg") if a.get("direction") == "in")
                action = (annotation(member, "org.virtbus1.PolkitAction") or "").removeprefix("org.virtbus1.") or None
                values = example(signature)
                if member.get("name") == "OpenConnection":
                    values[0] = "'test://x'"  # what is not a URI, or one of this machine's connections, takes no right to be told so
                if member.get("name") == "GetColumns":
                    values[1] = f"'{NAME}.Device'"  # nor does what is no interface
                yield f"{path} {name}.{member.get('name')}", action, (path, name, member.get("name"), signature, *values)
            for member in interface.findall("property"):
                both = (f"'{name}'", f"'{member.get('name')}'")
                yield f"{path} Get {name}.{member.get('name')}", reading, (path, PROPERTIES, "Get", "ss", *both)
                write = (annotation(member, "org.virtbus1.PolkitAction") or "").removeprefix("org.virtbus1.")
                if write:
                    yield (f"{path} Set {name}.{member.get('name')}", write,
                           (path, PROPERTIES, "Set", "ssv", *both, f"<{example(member.get('type'))[0]}>"))
            yield f"{path} GetAll {name}", reading, (path, PROPERTIES, "GetAll", "s", f"'{name}'")


# Trying

def is_allowed(user, call):
    try:
        user.call(*call)
    except BusError as error:
        if error.name in DENIED:
            return False
        assert error.name.startswith(f"{NAME}.Error.") or error.name.endswith(("InvalidArgs", "UnknownObject", "NoReply")), f"{call}: {error}"
    return True


def rules(text):
    polkit_rules(bus, text)


def collect(path, found):
    for child, its in bus.objects(path).items():
        found[child] = {name for name in its if name.startswith(NAME)}
        if its.keys() & {f"{NAME}.Domain", f"{NAME}.Network"}:  # an ObjectManager has it, which no list says; of a connection's domains everybody may have a list, without those that are not theirs
            found[child].add(f"{NAME}.ManagedObjects")
        if its.keys() & {f"{NAME}.Connection", f"{NAME}.Domain", f"{NAME}.Network"}:
            collect(child, found)
    return found


def service_on_sockets():
    names = list(sockets)
    command = socket_activate() + [word for name in names for word in ("-l", sockets[name])]
    process = subprocess.Popen([*command, f"--fdname={':'.join(names)}", "setpriv", "--reuid=virtbus", "--regid=virtbus", "--clear-groups",
                                f"{ROOT}/build/service/virtbusd"], stderr=subprocess.PIPE, text=True)
    said = ""
    while said.count("Listening on") < len(names):
        said += process.stderr.readline()
    read_away(process.stderr)
    for path in sockets.values():
        os.chmod(path, 0o666)
    state["process"] = process


def users(name):
    """A user on the bus, and on the sockets."""
    return {"bus": User(name), **{socket: User(name, f"unix:path={path}") for socket, path in sockets.items()}}


def there_is_one_of_everything():
    service_on_sockets()
    first = User("vb-alice", f"unix:path={sockets['virtbus']}")  # which has the service started
    first.call("/org/virtbus1", PROPERTIES, "Get", "ss", f"'{NAME}.Manager'", "'Version'")
    first.leave()
    bus.wait_owner(NAME, state["process"].pid)
    state["alice"], state["root"] = users("vb-alice"), User("root", f"unix:path={sockets['virtbus-ro']}")
    domain = hypervisor.define(hypervisor.document("guarded", devices=DEVICES))
    hypervisor.do(domain, "Start")
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 3600 * 1000000)
    null = os.open("/dev/null", os.O_RDWR)
    bus.call(domain, f"{NAME}.Domain", "Dump", "ha{sv}", 0, {}, fds=[null])
    os.close(null)
    network = bus.call("/org/virtbus1/host", f"{NAME}.Networks", "DefineNetwork", "sa{sv}", "<network><name>guarded</name></network>", {})
    bus.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    has_taps = os.path.exists("/dev/net/tun")
    guest = qemu.define(qemu.document("asked", devices=AGENT + slow_disk("asked") + ("<interface type='network'><source network='guarded'/></interface><interface type='ethernet'/>" if has_taps else "")))
    qemu.do(guest, "Start", paused=True)
    bus.call(f"{guest}/device/virtio_2ddisk0", f"{NAME}.Device.Disk.Image", "Pull", "sa{sv}", "", {"bandwidth": GLib.Variant("t", 4096)})
    container_rig.do(container_rig.define(container_rig.document("entered")), "Start")
    kept = hypervisor.define(hypervisor.document("kept"))
    bus.call(kept, f"{NAME}.Domain", "CreateSnapshot", "sa{sv}", "<domainsnapshot/>", {})
    bus.call(kept, f"{NAME}.Domain", "RedefineCheckpoint", "sa{sv}", "<domaincheckpoint><name>one</name><creationTime>1</creationTime></domaincheckpoint>", {})
    backed = hypervisor.define(hypervisor.document("backed", devices="<disk type='file'><source file='/x'/><target dev='vda'/></disk>"))
    hypervisor.do(backed, "Start")
    bus.call(backed, f"{NAME}.Domain", "BeginBackup", "ssa{sv}", "<domainbackup mode='pull'/>", "", {})
    secret = bus.call("/org/virtbus1/host", f"{NAME}.Secrets", "DefineSecret", "sa{sv}", "<secret/>", {})
    bus.call(secret, f"{NAME}.Secret", "SetValue", "aya{sv}", b"a value", {})
    objects = collect("/org/virtbus1", {"/org/virtbus1": {f"{NAME}.Manager"}})
    missing = set(interfaces()) - set().union(*objects.values())
    assert missing <= {f"{NAME}.Driver"} | (set() if has_taps else {f"{NAME}.NetworkPort", f"{NAME}.HostPort"}), missing
    state["everything"] = list(what_there_is(objects))
    print(f"# {len(state['everything'])} calls on {len(objects)} objects")
    state["before"] = {path: bus.call(path, PROPERTIES, "GetAll", "s", "") for path in (domain, guest, kept, network, secret)}


def compare(rights):
    wrong = []
    for channel, user in state["alice"].items():
        mine = rights & {READ} if channel == "virtbus-ro" else rights
        for what, action, call in state["everything"]:
            if is_allowed(user, call) != (action is None or action in mine):
                wrong.append(f"{channel}: {what} ({action})")
    assert not wrong, f"{len(wrong)} of {3 * len(state['everything'])}: {wrong}"


def who_has_no_rights_may_read_what_is_public():
    rules("")
    compare(set())


def who_may_read_may_do_nothing_else():
    rules(f"polkit.addRule(function(a, s) {{ if (a.id == '{NAME}.{READ}' && s.user == 'vb-alice') return polkit.Result.YES; }});")
    compare({READ})


def nobody_has_changed_anything():
    for path, values in state["before"].items():
        now = bus.call(path, PROPERTIES, "GetAll", "s", "")
        assert now == values, {name: (value, now.get(name)) for name, value in values.items() if now.get(name) != value}


def on_the_socket_for_reading_nothing_more_is_allowed_whoever_asks():
    rules("polkit.addRule(function(a, s) { return polkit.Result.YES; });")
    for user in (state["alice"]["virtbus-ro"], state["root"]):
        wrong = [what for what, action, call in state["everything"] if is_allowed(user, call) != (action in (None, READ))]
        assert not wrong, (user.name, wrong)


def every_action_is_one_of_polkits_that_is_given_to_nobody_from_afar():
    actions = {a.get("id"): a for a in ET.parse(os.path.join(SOURCE, "polkit", "org.virtbus1.policy")).getroot().findall("action")}
    used = {f"{NAME}.{action}" for _, action, _ in state["everything"] if action}
    assert used <= set(actions), used - set(actions)
    for name, action in actions.items():
        assert action.find("defaults/allow_any").text in ("auth_admin", "auth_admin_keep", "no"), name
        assert action.find("defaults/allow_inactive").text in ("auth_admin", "auth_admin_keep", "no"), name
        assert name == f"{NAME}.{READ}" or action.find("defaults/allow_active").text != "yes", name


def it_ends_as_it_should():
    for user in [*state["alice"].values(), state["root"]]:
        user.leave()
    bus.call(hypervisor.path, f"{NAME}.Test", "SetDelay", "st", "dump", 0)
    state["process"].send_signal(signal.SIGTERM)
    assert state["process"].wait() == 0


run([there_is_one_of_everything, who_has_no_rights_may_read_what_is_public, who_may_read_may_do_nothing_else, nobody_has_changed_anything,
     on_the_socket_for_reading_nothing_more_is_allowed_whoever_asks, nobody_has_changed_anything,
     every_action_is_one_of_polkits_that_is_given_to_nobody_from_afar, it_ends_as_it_should])
