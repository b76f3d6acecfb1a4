#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other clients of libvirt's than virsh, unmodified, on virtbus: each is left out where it is not installed.

Usage (below tests/with-bus): test-libvirt-clients.py qemu. Debian has them as libsys-virt-perl, ruby-libvirt, libvirt-ocaml-dev (with
ocaml-findlib and ocaml-nox; its package for PHP has no module in it), gir1.2-libvirt-gobject-1.0, virtinst,
virt-viewer (with xvfb), virt-manager (with xvfb, at-spi2-core and python3-pyatspi), libvirt-dbus, cockpit-machines (with cockpit-ws, chromium and
python3-websocket), resource-agents and virtnbdbackup.
"""

import json
import os
import re
import select
import shutil
import socket
import subprocess
import time
import urllib.request

from disk_rig import SIZE, WRITER, start
from libvirt_rig import ENVIRONMENT, SOCKET, URI, bus, hypervisor, virsh, write
from rig import DEADLINE, ROOT, Skip, contains, read_away, run

try:
    import websocket
except ImportError:
    websocket = None

AGENT = "/usr/lib/ocf/resource.d/heartbeat/VirtualDomain"


def ask(*words, timeout=3 * DEADLINE, **variables):
    environment = {**ENVIRONMENT, "XDG_CACHE_HOME": os.path.join(ROOT, "cache"), **variables}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, f"{words[:2]}: {done.returncode} {done.stdout} {done.stderr}"
    return done.stdout


def need(program, *words):
    """What ends well where a client is installed."""
    if not shutil.which(program) or subprocess.run([program, *words], capture_output=True, check=False).returncode != 0:
        raise Skip(f"{' '.join([program, *words])} cannot be run")


PERL = """
my $connection = Sys::Virt->new(uri => $ARGV[0]);
my $domain = $connection->define_domain($ARGV[1]);
$domain->create(Sys::Virt::Domain::START_PAUSED);
print $connection->get_type, " ", $domain->get_info->{state}, " ", scalar(my @all = $connection->list_all_domains), "\\n";
print join(",", map { $_->{dom}->get_name } $connection->get_all_domain_stats(Sys::Virt::Domain::STATS_STATE, undef, 0)), "\\n";
$domain->destroy;
$domain->undefine;
eval { $connection->get_domain_by_name("nobody") };
print $@->code, "\\n";
"""


def the_binding_for_perl_starts_and_ends_a_domain():
    need("perl", "-MSys::Virt", "-e", "1")
    said = ask("perl", "-MSys::Virt", "-e", PERL, URI, hypervisor.document("of-perl")).split("\n")
    assert said[:3] == ["QEMU 3 1", "of-perl", "42"], said


RUBY = """
require "libvirt"
connection = Libvirt::open(ARGV[0])
domain = connection.define_domain_xml(ARGV[1])
domain.create
puts [connection.type, domain.info.state, connection.list_all_domains.map(&:name).inspect].join(" ")
domain.destroy
domain.undefine
begin
  connection.lookup_domain_by_name("nobody")
rescue Libvirt::RetrieveError => error
  puts error.libvirt_code
end
"""


def the_binding_for_ruby_starts_and_ends_a_domain():
    need("ruby", "-e", "require 'libvirt'")
    assert ask("ruby", "-e", RUBY, URI, hypervisor.document("of-ruby")).split("\n")[:2] == ['QEMU 1 ["of-ruby"]', "42"]


OCAML = """
module Connection = Libvirt.Connect
module Domain = Libvirt.Domain
let () =
  let connection = Connection.connect ~name:Sys.argv.(1) () in
  let domain = Domain.define_xml connection Sys.argv.(2) in
  Domain.create domain;
  Printf.printf "%s %b %s\n" (Connection.get_type connection) ((Domain.get_info domain).Domain.state = Domain.InfoRunning) (Domain.get_name domain);
  Domain.destroy domain; (* and lets go of it *)
  Domain.undefine (Domain.lookup_by_name connection "of-ocaml");
  try ignore (Domain.lookup_by_name connection "nobody") with Libvirt.Virterror error -> print_endline (Libvirt.Virterror.to_string error)
"""


def the_binding_for_ocaml_starts_and_ends_a_domain():
    need("ocamlfind", "query", "libvirt")
    source, program = write("of_ocaml.ml", OCAML), os.path.join(ROOT, "of-ocaml")
    ask("ocamlfind", "ocamlopt", "-package", "libvirt", "-linkpkg", source, "-o", program)
    said = ask(program, URI, hypervisor.document("of-ocaml")).split("\n")
    assert said[0] == "QEMU true of-ocaml" and "VIR_ERR_NO_DOMAIN" in said[1], said


GLIB = """
import sys, gi
gi.require_version("LibvirtGObject", "1.0")
gi.require_version("LibvirtGConfig", "1.0")
from gi.repository import LibvirtGConfig, LibvirtGObject
connection = LibvirtGObject.Connection.new(sys.argv[1])
connection.open(None)
domain = connection.create_domain(LibvirtGConfig.Domain.new_from_xml(sys.argv[2]))
domain.start(0)
connection.fetch_domains(None)
print(connection.get_hypervisor_name(), domain.get_info().state == LibvirtGObject.DomainState.RUNNING, [one.get_name() for one in connection.get_domains()])
domain.stop(0)
domain.delete(0)
"""


def the_library_for_gobject_starts_and_ends_a_domain():
    need("/usr/bin/python3", "-c", "import gi; gi.require_version('LibvirtGObject', '1.0')")
    assert ask("/usr/bin/python3", "-c", GLIB, URI, hypervisor.document("of-glib")).strip() == "QEMU True ['of-glib']"


def virt_install_makes_a_machine_that_runs():
    need("virt-install", "--version")
    common = ["virt-install", "--connect", URI, "--memory", "64", "--disk", "none", "--osinfo", "detect=on,require=off", "--import", "--network",
              "none", "--noautoconsole", "--virt-type", "qemu"]
    ask(*common, "--name", "installed", "--graphics", "vnc")
    contains(virsh("domstate", "installed"), "running")
    contains(virsh("dumpxml", "installed"), "machine='pc-i440fx-")
    ask("virt-xml", "--connect", URI, "installed", "--edit", "--memory", "96", "--define")
    contains(virsh("dominfo", "installed"), "Max memory:     65536 KiB")
    virsh("destroy", "installed")
    contains(virsh("dominfo", "installed"), "Max memory:     98304 KiB")
    virsh("undefine", "installed")
    # Without pools an image is given as the document has it.
    image = os.path.join(ROOT, "installed.img")
    with open(image, "wb") as file:
        file.truncate(1 << 20)
    with_image = [f"source.file={image},target.dev=vda,target.bus=virtio" if word == "none" and common[i - 1] == "--disk" else word for i, word in enumerate(common)]
    ask(*with_image, "--name", "imaged", "--graphics", "none")
    contains(virsh("domblklist", "imaged"), image)
    ask("virt-xml", "--connect", URI, "imaged", "--add-device", "--rng", "/dev/urandom", "--update")
    contains(virsh("dumpxml", "imaged"), "/dev/urandom")
    virsh("destroy", "imaged")
    virsh("undefine", "imaged")
    if os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        ask(*common, "--name", "uefi", "--graphics", "none", "--boot", "uefi")
        contains(virsh("dumpxml", "uefi"), "<os firmware='efi'>")
        virsh("destroy", "uefi")
        virsh("undefine", "uefi", "--nvram")


def start_display():
    """A display that nobody sees, and what its programs need to know."""
    server = subprocess.Popen(["Xvfb", "-displayfd", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    number = server.stdout.readline().strip()  # of one that is free, when it is ready
    assert number, "there is no display"
    return server, {**ENVIRONMENT, "DISPLAY": f":{number}", "GSETTINGS_BACKEND": "memory", "XDG_CACHE_HOME": os.path.join(ROOT, "cache")}


def end(process):
    process.terminate()
    process.wait()


def start_session_bus():
    bus = subprocess.Popen(["dbus-daemon", "--session", "--nofork", "--print-address"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return bus, bus.stdout.readline().strip()


def virt_viewer_shows_a_display():
    need("virt-viewer", "--version")
    need("Xvfb", "-help")
    virsh("create", write("viewed.xml", hypervisor.document("viewed", "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>")))
    server, environment = start_display()
    environment["NO_AT_BRIDGE"] = "1"
    deadline = time.monotonic() + DEADLINE
    with subprocess.Popen(["virt-viewer", "--connect", URI, "--attach", "--debug", "viewed"], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True) as viewer:
        said = ""
        for line in viewer.stdout:  # ends when it does
            said += line
            if "desktop resize" in line:
                break
            assert time.monotonic() < deadline + DEADLINE, said
        viewer.terminate()
    contains(said, "desktop resize")
    virsh("destroy", "viewed")
    end(server)


HANDS = """
import gi.repository.GLib, pyatspi, select, sys, time

def every(node):
    # A window may go while it is looked through.
    try:
        yield node
        for child in node:
            if child:
                yield from every(child)
    except Exception:
        return

def has(node, *states):
    return all(node.getState().contains(state) for state in states)

def fits(node, role, name, shown, sensitive):
    try:
        named = node.name.startswith(name[:-1]) if name.endswith("*") else node.name == name
        return named and node.getRoleName() == role and (has(node, pyatspi.STATE_SENSITIVE) or not sensitive) and (has(node, pyatspi.STATE_SHOWING) or not shown)
    except Exception:
        return False

def find(role, name, wanted=True, shown=False, sensitive=True):
    # What can be used on the screen; menus are, though they are not shown.
    deadline = time.monotonic() + 30
    while True:
        found = next((node for node in every(pyatspi.Registry.getDesktop(0)) if fits(node, role, name, shown, sensitive)), None)
        if bool(found) == wanted:
            return found
        if time.monotonic() > deadline:
            alerts = [node.name for alert in every(pyatspi.Registry.getDesktop(0)) if fits(alert, "alert", "*", True, False) for node in every(alert)]
            sys.exit(f"there is {'no' if wanted else 'still a'} {role} {name!r}; dialogs: {alerts}")
        select.select([], [], [], 0.05)

def press(node):
    try:
        node.queryAction().doAction(0)
    except gi.repository.GLib.GError:
        pass  # it is gone before it has answered: what it opens or ends is looked at next

def choose(node):
    row = node
    while row.parent.getRoleName() not in ("table", "tree table", "page tab list"):
        row = row.parent
    row.parent.querySelection().selectChild(row.getIndexInParent())

def rest():
    # Until what has been done has been taken up: the program answers when it is idle.
    select.select([], [], [], 0.3)

verb, role, name, *value = sys.argv[1:]
name = name.replace("//", "\\n")  # a machine and its state
node = find(role, name, verb != "gone", verb in ("choose", "set", "write", "pick", "do"), verb not in ("look", "gone"))
if verb in ("press", "do"):
    press(node)
elif verb == "choose":
    choose(node)
elif verb == "set":
    node.queryValue().currentValue = float(value[0])
elif verb == "write":
    node.queryEditableText().setTextContents(value[0])
elif verb == "pick":
    press(node)
    press(next(item for item in every(node) if fits(item, "menu item", value[0], False, True)))
if verb not in ("see", "look", "gone"):
    rest()
"""


class Screen:
    """A display, the bus of a session, and virt-manager, which is looked at and used by its accessible face."""

    def __enter__(self):
        need("virt-manager", "--version")
        need("Xvfb", "-help")
        need("/usr/bin/python3", "-c", "import pyatspi")
        self.server, self.environment = start_display()
        self.session, address = start_session_bus()
        self.manager, self.log = None, os.path.join(ROOT, "virt-manager.log")
        self.environment |= {"DBUS_SESSION_BUS_ADDRESS": address, "GTK_MODULES": "gail:atk-bridge", "XDG_RUNTIME_DIR": os.path.join(ROOT, "runtime")}
        os.makedirs(self.environment["XDG_RUNTIME_DIR"], 0o700, exist_ok=True)
        return self

    def __exit__(self, *_):
        for process in filter(None, (self.manager, self.session, self.server)):
            end(process)

    def show(self, *options, uri=URI):
        if self.manager:
            end(self.manager)
        with open(self.log, "w", encoding="utf-8") as log:
            self.manager = subprocess.Popen(["virt-manager", "--connect", uri, "--no-fork", "--debug", *options], env=self.environment, stdout=log, stderr=log)

    def hands(self, *steps):
        """Each of VERB|ROLE|NAME[|VALUE], by a process of its own, which keeps nothing of what it has seen."""
        for step in steps:
            ask("/usr/bin/python3", "-c", HANDS, *step.split("|"), timeout=10 * DEADLINE, **self.environment)

    def wait_log(self, *words):
        """What its debugging says."""
        deadline = time.monotonic() + DEADLINE
        while not all(word in (said := open(self.log, encoding="utf-8").read()) for word in words):
            assert time.monotonic() < deadline, said[-3000:]
            select.select([], [], [], 0.05)


# virt-manager takes any transport in an URI for another host's, whose displays it does not open.
LOCAL = f"qemu:///system?socket={SOCKET}"


def virt_manager_lists_starts_and_ends_machines():
    with Screen() as screen:
        for name in ("managed", "other"):
            virsh("define", write("managed.xml", hypervisor.document(name, "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>")))
        screen.show()
        screen.hands("see|table cell|managed//Shutoff", "see|table cell|other//Shutoff")
        # What is changed elsewhere is shown, and what is pressed is done.
        virsh("start", "managed")
        screen.hands("see|table cell|managed//Running")
        virsh("suspend", "managed")
        screen.hands("see|table cell|managed//Paused")
        virsh("destroy", "managed")
        screen.hands("see|table cell|managed//Shutoff")
        screen.show("--show-domain-editor", "managed")
        screen.hands("see|table cell|Video VGA", "press|push button|Run", "press|toggle button|Pause")
        contains(virsh("domstate", "managed"), "paused")
        screen.hands("press|menu item|Resume", "press|menu item|Force Off", "press|push button|Yes", "see|push button|Run")
        contains(virsh("domstate", "managed"), "shut off")
    for name in ("managed", "other"):
        virsh("undefine", name)


PARTS = {"Tablet": "<input type='tablet' bus='usb'/>", "NIC :00:00:09": "<interface type='user'><mac address='52:54:00:00:00:09'/></interface>",
         "Display VNC": "<graphics type='vnc' port='-1'/>", "Sound ich6": "<sound model='ich6'/>", "Serial 1": "<serial type='pty'/>",
         "Channel (qemu-ga)": "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>",
         "Video VGA": "<video><model type='vga'/></video>", "Watchdog": "<watchdog model='i6300esb'/>"}


def virt_manager_shows_and_changes_the_hardware_of_a_machine():
    with Screen() as screen:
        virsh("define", write("parts.xml", hypervisor.document("parts", "".join(PARTS.values()))))
        screen.show("--show-domain-editor", "parts")
        screen.hands(*(f"choose|table cell|{page}" for page in ("Overview", "Performance", "CPUs", "Memory", "Boot Options", *PARTS)), "gone|alert|vmm dialog")
        # What is changed elsewhere is shown.
        virsh("setmem", "parts", "40M", "--config")
        screen.hands("choose|table cell|Memory", "set|spin button|Memory Select|48", "do|push button|config-apply",
                     "choose|table cell|CPUs", "set|spin button|Virtual CPU Select|2", "do|push button|config-apply",
                     "choose|table cell|Boot Options", "do|check box|Start virtual machine on host boot up", "do|push button|config-apply", "gone|alert|vmm dialog")
        contains(virsh("dominfo", "parts"), "Used memory:    49152 KiB", "CPU(s):         2", "Autostart:      enable")
        screen.hands("choose|table cell|Watchdog", "do|push button|config-remove", "press|push button|Yes", "gone|table cell|Watchdog")
        assert "<watchdog" not in virsh("dumpxml", "parts")
        # While it runs, what is added is plugged in, too, and what is removed is unplugged.
        virsh("start", "parts")
        rng = "RNG /dev/urandom"
        screen.hands("do|push button|add-hardware", "choose|table cell|RNG", "do|push button|Finish", "gone|frame|Add New Virtual Hardware", f"see|table cell|{rng}")
        screen.hands("choose|table cell|Tablet", "do|push button|config-remove", "press|push button|Yes", "gone|table cell|Tablet")
        for options in ((), ("--inactive",)):
            document = virsh("dumpxml", "parts", *options)
            assert "<rng" in document and "tablet" not in document, document
        assert "Traceback" not in open(screen.log, encoding="utf-8").read().split("Launching requested window")[1]
        virsh("destroy", "parts")
        screen.hands("press|menu item|Clone...", "do|push button|Clone", "gone|frame|Clone Virtual Machine")
        contains(virsh("dumpxml", "parts-clone"), "<rng")
        screen.show("--show-domain-delete", "parts")
        screen.hands("do|push button|Delete", "gone|frame|Delete Virtual Machine")
        assert virsh("list", "--all", "--name").split() == ["parts-clone"]
    virsh("undefine", "parts-clone")


def virt_manager_shows_the_consoles_and_snapshots_of_a_machine():
    with Screen() as screen:
        image = os.path.join(ROOT, "pictured.qcow2")
        ask("qemu-img", "create", "-q", "-f", "qcow2", image, "8M")
        virsh("create", write("pictured.xml", hypervisor.document("pictured", PARTS["Display VNC"] + PARTS["Video VGA"] + PARTS["Serial 1"] + "<disk type='file' device='disk'>"
              f"<driver name='qemu' type='qcow2'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>")))
        screen.show("--show-domain-console", "pictured", uri=LOCAL)
        screen.wait_log("Viewer connected")
        screen.hands("press|menu|View", "press|menu|Consoles", "press|radio menu item|Serial 1", "see|terminal|Serial Terminal")
        screen.wait_log("Opening console stream", "alias=serial0")
        screen.hands("press|radio button|Snapshots", "do|push button|snapshot-add", "do|push button|Finish", "gone|frame|Create snapshot", "choose|table cell|snapshot1*")
        contains(virsh("snapshot-dumpxml", "pictured", "snapshot1"), "<state>running</state>", "<memory snapshot='internal'/>")
        screen.hands("do|push button|snapshot-start", "press|push button|Yes", "gone|alert|vmm dialog", "see|push button|snapshot-delete", "do|push button|snapshot-delete",
                     "press|push button|Yes", "gone|table cell|snapshot1*", "gone|alert|vmm dialog")
        assert virsh("snapshot-list", "pictured", "--name").strip() == ""
        assert "Traceback" not in open(screen.log, encoding="utf-8").read().split("Launching requested window")[1]
    virsh("destroy", "pictured")


def virt_manager_makes_starts_and_ends_networks():
    if os.geteuid() != 0 or not shutil.which("dnsmasq") or not shutil.which("nft"):
        raise Skip("no network can be started")
    with Screen() as screen:
        virsh("net-define", write("seen.xml", "<network><name>seen</name><bridge name='vbtest9'/></network>"))
        screen.show("--show-host-summary", uri=LOCAL)
        screen.hands("choose|page tab|Virtual Networks", "choose|table cell|seen", "do|push button|net-start", "see|push button|net-stop")
        contains(virsh("net-list"), "seen")
        screen.hands("do|push button|net-add", "write|text|Net Name Field|made", "do|push button|Finish", "gone|frame|Create a new virtual network", "choose|table cell|made")
        contains(virsh("net-dumpxml", "made"), "<forward mode='nat'/>", "<dhcp>")
        for name in ("made", "seen"):
            screen.hands(f"choose|table cell|{name}", "do|push button|net-stop", "do|push button|net-delete", "press|push button|Yes", f"gone|table cell|{name}")
        assert virsh("net-list", "--all", "--name").split() == []
        assert "Traceback" not in open(screen.log, encoding="utf-8").read().split("Launching requested window")[1]


def take_libvirts_place():
    """libvirt-dbus knows no other socket of libvirt's than that of the machine, which this puts the test's own in the place of."""
    if not shutil.which("libvirt-dbus") or os.geteuid() != 0 or not os.path.isdir("/run/libvirt"):
        raise Skip("libvirt-dbus cannot be run")
    if not os.path.ismount("/run/libvirt"):
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run/libvirt"], check=True)  # in the mount namespace of this test
        os.symlink(SOCKET, "/run/libvirt/libvirt-sock")


def libvirts_own_service_on_the_bus_serves_its_clients():
    take_libvirts_place()
    session, address = start_session_bus()
    service = subprocess.Popen(["libvirt-dbus", "--session"], env={**ENVIRONMENT, "DBUS_SESSION_BUS_ADDRESS": address}, stderr=subprocess.DEVNULL)
    ask("gdbus", "wait", "--address", address, "--timeout", str(DEADLINE), "org.libvirt")
    virsh("define", write("bussed.xml", hypervisor.document("bussed")))
    connection = ("/org/libvirt/QEMU", "org.libvirt.Connect")

    def call(path, interface, member, *arguments):
        return ask("busctl", f"--address={address}", "call", "org.libvirt", path, interface, member, *arguments).strip()
    domain = call(*connection, "DomainLookupByName", "s", "bussed").split('"')[1]
    contains(call(*connection, "ListDomains", "u", "0"), domain)
    with subprocess.Popen(["gdbus", "monitor", "--address", address, "--dest", "org.libvirt"], stdout=subprocess.PIPE, text=True) as events:
        contains(events.stdout.readline(), "Monitoring")
        events.stdout.readline()
        call(domain, "org.libvirt.Domain", "Create", "u", "0")
        while "DomainEvent" not in (line := events.stdout.readline()) or domain not in line:
            assert line, "no event was told"
        events.terminate()
    assert call(domain, "org.libvirt.Domain", "GetState", "u", "0") == "(ii) 1 1"
    contains(call(domain, "org.freedesktop.DBus.Properties", "GetAll", "s", "org.libvirt.Domain"), '"Active" v b true', '"Persistent" v b true')
    contains(call(domain, "org.libvirt.Domain", "GetXMLDesc", "u", "0"), "<name>bussed</name>")
    contains(call(domain, "org.libvirt.Domain", "GetStats", "uu", "0", "0"), '"cpu.time"')
    contains(call(*connection, "GetAllDomainStats", "uu", "0", "0"), '"bussed"')
    contains(call(*connection, "GetDomainCapabilities", "ssssu", "", "", "", "", "0"), "<domainCapabilities>")
    call(domain, "org.libvirt.Domain", "Destroy", "u", "0")
    call(domain, "org.libvirt.Domain", "Undefine", "u", "0")
    assert domain not in call(*connection, "ListDomains", "u", "0")
    for process in (service, session):
        end(process)


class Page:
    """A page in Chromium, by its debugging protocol."""

    def __init__(self, environment):
        self.browser = subprocess.Popen(["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--remote-allow-origins=*",
                                         f"--user-data-dir={ROOT}/chromium", "--window-size=1300,900", "about:blank"], env=environment, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        place = next(line.split()[-1] for line in self.browser.stderr if line.startswith("DevTools listening on"))
        read_away(self.browser.stderr)
        with urllib.request.urlopen(f"http://{place.split('/')[2]}/json") as tabs:
            self.socket = websocket.create_connection(next(tab for tab in json.load(tabs) if tab["type"] == "page")["webSocketDebuggerUrl"])
        self.number = 0

    def do(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (said := json.loads(self.socket.recv())).get("id") != self.number:
            pass
        return said["result"]

    def wait(self, expression):
        """Until it is true of the page."""
        deadline = time.monotonic() + DEADLINE
        while not self.do("Runtime.evaluate", expression=f"Boolean({expression})")["result"].get("value"):
            text = self.do("Runtime.evaluate", expression="document.body.innerText")["result"].get("value")
            assert time.monotonic() < deadline, f"{expression} is not true of: {text}"
            select.select([], [], [], 0.05)

    def press_id(self, identity):
        self.wait(f"document.getElementById('{identity}')")
        self.do("Runtime.evaluate", expression=f"document.getElementById('{identity}').click()")

    def press(self, words, within=""):
        button = f"[...document.querySelectorAll('{within}button')].find(one => one.innerText == '{words}')"
        self.wait(button)
        self.do("Runtime.evaluate", expression=f"{button}.click()")

    def end(self):
        self.socket.close()
        end(self.browser)


def cockpits_page_lists_and_starts_machines_and_shows_their_display():
    take_libvirts_place()
    if not websocket or not all(map(os.path.exists, ("/usr/lib/cockpit/cockpit-ws", "/usr/share/cockpit/machines", "/usr/bin/chromium"))):
        raise Skip("Cockpit or Chromium is not installed")
    policy = os.path.join(ROOT, "bus.conf")
    text = open(policy, encoding="utf-8").read()
    with open(policy, "w", encoding="utf-8") as file:
        file.write(text.replace("</busconfig>", '<policy user="root"><allow own="org.libvirt"/><allow send_destination="org.libvirt"/></policy></busconfig>'))
    bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "ReloadConfig", destination="org.freedesktop.DBus")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    image = os.path.join(ROOT, "web.qcow2")
    ask("qemu-img", "create", "-q", "-f", "qcow2", image, "8M")
    disk = f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
    for name in ("web", "other"):
        virsh("define", write("page.xml", hypervisor.document(name, "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>" + disk * (name == "web"))))
    environment = {**ENVIRONMENT, "XDG_RUNTIME_DIR": os.path.join(ROOT, "cockpit")}
    os.makedirs(environment["XDG_RUNTIME_DIR"], 0o700)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    service = subprocess.Popen(["libvirt-dbus", "--system"], env=environment, stderr=subprocess.DEVNULL)
    web = subprocess.Popen(["/usr/lib/cockpit/cockpit-ws", "--no-tls", "--address=127.0.0.1", f"--port={port}", "--local-session=cockpit-bridge"], env=environment,
                           stderr=subprocess.DEVNULL)
    while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
        assert web.poll() is None, "cockpit-ws has ended"
        select.select([], [], [], 0.05)
    page = Page(environment)
    page.do("Page.navigate", url=f"http://127.0.0.1:{port}/cockpit/@localhost/machines/index.html")
    shown = "[...document.querySelectorAll('tr')].some(row => row.innerText.includes('{}') && row.innerText.includes('{}'))"
    if not os.path.exists("/dev/kvm") or not re.search("vmx|svm", open("/proc/cpuinfo", encoding="utf-8").read()):
        page.press("Ignore")  # that this machine's processors do no virtualization
    page.wait(shown.format("web", "Shut off"))
    page.do("Runtime.evaluate", expression="document.querySelector('#vm-web-system-run').click()")
    page.wait(shown.format("web", "Running"))
    contains(virsh("domstate", "web"), "running")
    virsh("start", "other")
    page.wait(shown.format("other", "Running"))
    page.do("Page.navigate", url=f"http://127.0.0.1:{port}/cockpit/@localhost/machines/index.html#vm?name=web&connection=system")
    page.wait("[...document.querySelectorAll('button')].some(one => one.innerText == 'Disconnect')")  # from the display
    # What its dialogs make is there, and is shown.
    page.press_id("vm-web-add-snapshot-button")
    page.press("Create", within="[role=dialog] ")
    page.wait("document.body.innerText.includes('Revert')")
    assert virsh("snapshot-list", "web", "--name")
    page.end()
    for process in (web, service):
        end(process)
    for name in ("web", "other"):
        virsh("destroy", name)
        virsh("undefine", name, "--snapshots-metadata")


def the_resource_agent_of_pacemaker_starts_and_stops_a_domain():
    if not os.path.exists(AGENT) or os.geteuid() != 0:
        raise Skip("there is no VirtualDomain agent")
    path = write("clustered.xml", hypervisor.document("clustered").replace("<name>", "\n<name>").replace("</name>", "</name>\n"))
    os.makedirs(os.path.join(ROOT, "rsctmp"), exist_ok=True)
    environment = {**ENVIRONMENT, "OCF_ROOT": "/usr/lib/ocf", "OCF_RESKEY_config": path, "OCF_RESKEY_hypervisor": URI, "OCF_RESOURCE_INSTANCE": "clustered",
                   "OCF_RESKEY_CRM_meta_timeout": "40000", "OCF_RESKEY_force_stop": "1", "HA_RSCTMP": os.path.join(ROOT, "rsctmp"),
                   "OCF_RESKEY_crm_feature_set": "3.0"}
    said = []
    for action, wanted in (("monitor", 7), ("start", 0), ("monitor", 0), ("stop", 0), ("monitor", 7)):
        done = subprocess.run([AGENT, action], env=environment, capture_output=True, text=True, timeout=3 * DEADLINE, check=False)
        said.append(done.stderr)
        assert done.returncode == wanted, (action, done.returncode, said)


def raw(path):
    """What an image has, also while it is open."""
    out = path + ".raw"
    subprocess.run(["qemu-img", "convert", "-U", "-O", "raw", path, out], check=True)
    with open(out, "rb") as file:
        data = file.read()
    os.unlink(out)
    return data


def virtnbdbackup_saves_a_guest_that_writes_and_restores_it():
    need("virtnbdbackup", "--version")
    domain, image = start(hypervisor, "saved", WRITER.ljust(SIZE // 2, b"\0") + b"t" * 65536)
    out, restored = os.path.join(ROOT, "saved"), os.path.join(ROOT, "restored")
    os.makedirs(restored)
    # It asks for a password wherever the URI is not a plain one; nobody asks it for that.
    where = ["-n", "--user", "nobody", "--password", "none", "-U", URI]

    def written():
        return hypervisor.wait_statistics(domain, "block.virtio-disk0")["block.virtio-disk0"]["write_operations"]
    for level, last in (("full", False), ("inc", False), ("inc", True)):
        before = written()
        bus.wait(lambda: written() > before, "the guest to write")  # pylint: disable=cell-var-from-loop
        if last:  # what it has is all that there is
            hypervisor.do(domain, "Suspend")
        ask("virtnbdbackup", *where, "-d", "saved", "-l", level, "-o", out, "-f", os.path.join(ROOT, "saved.sock"), "-S", ROOT)
    assert virsh("checkpoint-list", "saved", "--name").split() == [f"virtnbdbackup.{number}" for number in range(3)]
    ask("virtnbdrestore", *where, "-i", out, "-o", restored, "-f", os.path.join(ROOT, "restored.sock"))
    assert raw(os.path.join(restored, "saved.qcow2")) == raw(image)
    hypervisor.do(domain, "Destroy")
    ask("virtnbdbackup", *where, "-d", "saved", "-l", "copy", "-o", out + "-off", "-f", os.path.join(ROOT, "off.sock"), "-S", ROOT)


TESTS = [
    the_binding_for_perl_starts_and_ends_a_domain,
    the_binding_for_ruby_starts_and_ends_a_domain,
    the_binding_for_ocaml_starts_and_ends_a_domain,
    the_library_for_gobject_starts_and_ends_a_domain,
    virt_install_makes_a_machine_that_runs,
    virt_viewer_shows_a_display,
    virt_manager_lists_starts_and_ends_machines,
    virt_manager_shows_and_changes_the_hardware_of_a_machine,
    virt_manager_shows_the_consoles_and_snapshots_of_a_machine,
    virt_manager_makes_starts_and_ends_networks,
    libvirts_own_service_on_the_bus_serves_its_clients,
    cockpits_page_lists_and_starts_machines_and_shows_their_display,
    the_resource_agent_of_pacemaker_starts_and_stops_a_domain,
    virtnbdbackup_saves_a_guest_that_writes_and_restores_it,
]

run(TESTS)
