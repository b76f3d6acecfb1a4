#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other clients of libvirt's than virsh, unmodified, on virtbus: each is left out where it is not installed.

Usage (below tests/with-bus): test-libvirt-clients.py qemu. Debian has them as libsys-virt-perl, gir1.2-libvirt-gobject-1.0, virtinst,
virt-viewer (with xvfb) and resource-agents.
"""

import os
import select
import shutil
import subprocess
import time

from libvirt_rig import ENVIRONMENT, URI, hypervisor, virsh, write
from rig import DEADLINE, ROOT, Skip, contains, run

AGENT = "/usr/lib/ocf/resource.d/heartbeat/VirtualDomain"
DISPLAY = ":77"


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
    if os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        ask(*common, "--name", "uefi", "--graphics", "none", "--boot", "uefi")
        contains(virsh("dumpxml", "uefi"), "<os firmware='efi'>")
        virsh("destroy", "uefi")
        virsh("undefine", "uefi", "--nvram")


def virt_viewer_shows_a_display():
    need("virt-viewer", "--version")
    need("Xvfb", "-help")
    virsh("create", write("viewed.xml", hypervisor.document("viewed", "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>")))
    server = subprocess.Popen(["Xvfb", DISPLAY], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + DEADLINE
    while not os.path.exists(f"/tmp/.X11-unix/X{DISPLAY[1:]}"):
        assert time.monotonic() < deadline and server.poll() is None, "there is no display"
        select.select([], [], [], 0.05)
    environment = {**ENVIRONMENT, "DISPLAY": DISPLAY, "NO_AT_BRIDGE": "1", "GSETTINGS_BACKEND": "memory", "XDG_CACHE_HOME": os.path.join(ROOT, "cache")}
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
    server.terminate()
    server.wait()


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


TESTS = [
    the_binding_for_perl_starts_and_ends_a_domain,
    the_library_for_gobject_starts_and_ends_a_domain,
    virt_install_makes_a_machine_that_runs,
    virt_viewer_shows_a_display,
    the_resource_agent_of_pacemaker_starts_and_stops_a_domain,
]

run(TESTS)
