#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What libvirt's own clients, unmodified, are told of the machine and of what belongs to it, and the numbers of what they are refused.

Usage (below tests/with-bus): test-libvirt-host.py test|qemu.
"""

import os
import socket
import xml.etree.ElementTree as ET

from libvirt_rig import REAL, UUID, document, hypervisor, libvirt, open_libvirt, refused, virsh, write
from rig import DEADLINE, NAME, Skip, contains, run


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def value_in(text, name):
    return int(next(line for line in text.splitlines() if name in line).split(name)[1].split()[0])


def the_memory_of_the_machine_is_told():
    node = "/sys/devices/system/node/node0/meminfo"
    if not os.path.exists(node):
        raise Skip("this machine has no NUMA nodes")
    of_node = [line.split() for line in virsh("nodememstats", "--cell", "0").splitlines()]
    assert [words[0] for words in of_node] == ["total", "free"] and int(of_node[0][2]) == value_in(read(node), "MemTotal:"), of_node
    contains(virsh("nodememstats"), "total  :", "free   :", "buffers:", "cached :")
    contains(virsh("nodememstats", "--cell", "4096", fails=True), "less than or equal to")
    contains(virsh("freecell", "--cellno", "0"), "0: ", "KiB")
    contains(virsh("freecell", "--cellno", "4096", fails=True), "start cell 4096 out of range")
    kib = os.sysconf("SC_PAGESIZE") // 1024
    contains(virsh("freepages", "0", str(kib)), f"{kib}KiB: ")
    contains(virsh("freepages", "0", "5", fails=True), "page size 5 is not available on node 0")
    if os.path.exists("/sys/kernel/mm/ksm"):
        contains(virsh("node-memory-tune"), f"shm_pages_to_scan {read('/sys/kernel/mm/ksm/pages_to_scan').strip()}", "shm_full_scans")
    contains(virsh("node-memory-tune", "--shm-pages-to-scan", "100", fails=True), "NODE_SET_MEMORY_PARAMETERS")


def the_processors_and_nodes_of_the_machine_are_in_its_capabilities():
    if not REAL:
        raise Skip("test machines have a host of their own")
    root = ET.fromstring(virsh("capabilities"))
    cpus = root.findall("host/topology/cells/cell/cpus/cpu")
    assert len(cpus) == os.sysconf("SC_NPROCESSORS_ONLN"), cpus
    for cpu in cpus:
        folder = f"/sys/devices/system/cpu/cpu{cpu.get('id')}/topology"
        assert (cpu.get("core_id"), cpu.get("siblings")) == (read(f"{folder}/core_id").strip(), read(f"{folder}/thread_siblings_list").strip())
    topology = root.find("host/cpu/topology")
    assert int(topology.get("sockets")) * int(topology.get("dies")) * int(topology.get("cores")) * int(topology.get("threads")) == len(cpus)
    assert root.find("host/cpu/pages").get("size") == str(os.sysconf("SC_PAGESIZE") // 1024)
    assert root.find("host/topology/cells/cell/memory").get("unit") == "KiB"
    machines = [machine.text for machine in root.findall("guest/arch[@name='x86_64']/machine")]
    assert machines[0].startswith("pc-i440fx-") and machines[1] == "pc", machines  # virt-install takes the first one
    contains(virsh("freecell", "--all"), "KiB")
    contains(virsh("freepages", "--all"), "Node 0:")
    domain = ET.fromstring(virsh("domcapabilities"))
    loaders = [value.text for value in domain.findall("os/loader/value")]
    assert all(os.path.exists(loader) for loader in loaders), loaders
    assert [value.text for value in domain.findall("os/enum[@name='firmware']/value")] == (["efi"] if loaders else []), loaders
    assert loaders or not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"), "firmware is installed and not told"
    assert [value.text for value in domain.findall("memoryBacking/enum[@name='sourceType']/value")] == ["file", "anonymous", "memfd"]


def what_the_firmware_says_of_the_machine_is_told():
    vendor = "/sys/class/dmi/id/sys_vendor"
    if os.path.exists(vendor) and read(vendor).strip():
        contains(virsh("sysinfo"), "<sysinfo type='smbios'>", f"<entry name='manufacturer'>{read(vendor).strip()}</entry>")
    elif not os.path.exists("/sys/class/dmi/id"):
        contains(virsh("sysinfo", fails=True), "Host SMBIOS information is not available")


def documents_are_in_the_style_of_libvirt():
    virsh("define", write("web.xml", document().replace("<devices>", "<description>It's \"one\" &amp; 'two'</description><devices>", 1)))
    text = virsh("dumpxml", "web")
    assert text.startswith("<domain type='") and '="' not in text, text
    ET.fromstring(text)
    assert ET.fromstring(text).findtext("description") == "It's \"one\" & 'two'"
    for words in (("capabilities",), ("domcapabilities",)):
        assert virsh(*words).startswith("<") and not virsh(*words).startswith("<?"), words
    contains(virsh("dumpxml", "web", "--migratable"), UUID)
    contains(virsh("dumpxml", "web", "--update-cpu"), UUID)
    virsh("metadata", "web", "http://example.org/x", "--config", "--key", "x", "--set", "<note kind='a'><in>kept</in></note>")
    assert virsh("metadata", "web", "http://example.org/x", "--config").split() == ["<note", "kind='a'>", "<in>kept</in>", "</note>"]


def network_filters_are_managed_by_clients_of_libvirt():
    if os.environ.get("VIRTBUS_LEAVE_OUT", "").find("network") >= 0:
        raise Skip("there is no driver of networks")
    uuid = "0a0b0c0d-3333-4222-8333-444455556666"
    contains(virsh("nwfilter-list"), "clean-traffic", "no-mac-spoofing")
    contains(virsh("nwfilter-dumpxml", "clean-traffic"), "<filter name='clean-traffic'", "<filterref filter='no-mac-spoofing'/>")
    xml = f"<filter name='mine' chain='root'><uuid>{uuid}</uuid><rule action='accept' direction='in' priority='500'><ip/></rule></filter>"
    contains(virsh("nwfilter-define", write("filter.xml", xml)), "Network filter mine defined")
    contains(virsh("nwfilter-list"), uuid, "mine")
    contains(virsh("nwfilter-dumpxml", uuid), "<rule action='accept' direction='in' priority='500'>")
    connection = open_libvirt()
    names = connection.listNWFilters()
    assert "mine" in names and len(names) == connection.numOfNWFilters() == len(connection.listAllNWFilters())
    gone = connection.nwfilterLookupByName("mine")
    assert connection.nwfilterLookupByUUIDString(uuid).name() == "mine"
    refused(libvirt.VIR_ERR_NO_NWFILTER, connection.nwfilterLookupByName, "nobody")
    refused(libvirt.VIR_ERR_NO_NWFILTER, connection.nwfilterLookupByUUIDString, "00112233-4455-6677-8899-aabbccddeeff")
    refused(libvirt.VIR_ERR_XML_ERROR, connection.nwfilterDefineXML, "<foo/>")
    refused(libvirt.VIR_ERR_XML_DETAIL, connection.nwfilterDefineXML, "<filter")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, connection.nwfilterLookupByName("clean-traffic").undefine)
    virsh("nwfilter-undefine", "mine")
    refused(libvirt.VIR_ERR_NO_NWFILTER, gone.undefine)
    refused(libvirt.VIR_ERR_NO_NWFILTER, gone.XMLDesc)
    assert libvirt.virGetLastError()[1] == libvirt.VIR_FROM_NWFILTER
    connection.close()


def ports_with_a_filter_are_its_bindings():
    if not os.path.exists("/dev/net/tun") or os.environ.get("VIRTBUS_LEAVE_OUT", "").find("network") >= 0:
        raise Skip("there are no tap interfaces here")
    from spaces import shell
    from ports_rig import HostPort, Port, end_network, make_network  # its bus is for this one alone
    network = make_network("bound")
    port = Port(network, 1, "<filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.1'/></filterref>")
    plain = Port(network, 2)
    listed = virsh("nwfilter-binding-list")
    contains(listed, port.interface, "clean-traffic")
    assert plain.interface not in listed.split(), listed
    root = ET.fromstring(virsh("nwfilter-binding-dumpxml", port.interface))
    assert root.tag == "filterbinding" and root.find("owner/name").text == "guest" and root.find("portdev").get("name") == port.interface
    assert root.find("mac").get("address") == port.get("MAC") and root.find("filterref").get("filter") == "clean-traffic"
    assert root.find("filterref/parameter").attrib == {"name": "IP", "value": "10.0.0.1"}
    connection = open_libvirt()
    assert connection.nwfilterBindingLookupByPortDev(port.interface).filterName() == "clean-traffic"
    refused(libvirt.VIR_ERR_NO_NWFILTER_BINDING, connection.nwfilterBindingLookupByPortDev, plain.interface)
    refused(libvirt.VIR_ERR_NO_SUPPORT, connection.nwfilterBindingCreateXML, "<filterbinding/>")
    shell("ip link add br0 type bridge")
    hosts = HostPort("bridge", "br0", 3, filter="<filterref filter='no-mac-spoofing'/>")
    contains(virsh("nwfilter-binding-list"), hosts.interface, "no-mac-spoofing", port.interface)
    assert ET.fromstring(virsh("nwfilter-binding-dumpxml", hosts.interface)).find("mac").get("address") == hosts.get("MAC")
    virsh("nwfilter-binding-delete", hosts.interface)
    assert hosts.get("Filter") == "" and hosts.interface not in virsh("nwfilter-binding-list")
    hosts.close()
    shell("ip link delete br0")
    virsh("nwfilter-binding-delete", port.interface)
    assert port.get("Filter") == "" and port.interface not in virsh("nwfilter-binding-list")
    connection.close()
    plain.close()
    port.close()
    end_network(network)


def a_macvtap_is_told_of_as_libvirt_does():
    from ports_rig import CARDS, DOMAIN, add, bus as own, see_own_sys
    from spaces import shell
    if " macvtap\n" not in shell("cat /proc/devices"):
        return
    see_own_sys()
    shell("ip link add low type veth peer name lowp; ip link set low up")
    network = own.call("/org/virtbus1/host", f"{NAME}.Networks", "DefineNetwork", "sa{sv}", "<network><name>pool</name><forward mode='private'><interface dev='low'/></forward></network>", {})
    own.call(network, f"{NAME}.Network", "Start", "a{sv}", {})
    (_, uuid, *_), files = add(network, "Network", "guest", DOMAIN, CARDS.format(1), {})
    assert ET.fromstring(virsh("net-port-dumpxml", "pool", uuid)).find("plug").attrib == {"type": "direct", "dev": "low", "mode": "private"}
    for file in files:
        os.close(file)
    for member in ("Stop", "Undefine"):
        own.call(network, f"{NAME}.Network", member, "a{sv}", {})
    shell("ip link delete low")


def ports_of_networks_are_told_of():
    if not os.path.exists("/dev/net/tun") or os.environ.get("VIRTBUS_LEAVE_OUT", "").find("network") >= 0:
        raise Skip("there are no tap interfaces here")
    from ports_rig import Port, end_network, make_network
    network = make_network("plugs")
    ports = [Port(network, number) for number in (1, 2)]
    listed = virsh("net-port-list", "plugs")
    contains(listed, *(port.uuid for port in ports))
    root = ET.fromstring(virsh("net-port-dumpxml", "plugs", ports[0].uuid))
    assert root.tag == "networkport" and root.findtext("uuid") == ports[0].uuid and root.findtext("owner/name") == "guest", ET.tostring(root)
    assert root.find("mac").get("address") == ports[0].get("MAC") and root.find("plug").attrib == {"type": "network", "bridge": "b-plugs"} and root.find("port") is None
    connection = open_libvirt()
    of = connection.networkLookupByName("plugs")
    assert {port.UUIDString() for port in of.listAllPorts()} == {port.uuid for port in ports}
    found = of.portLookupByUUIDString(ports[1].uuid)
    assert found.network().name() == "plugs"
    refused(libvirt.VIR_ERR_NO_NETWORK_PORT, of.portLookupByUUIDString, "00112233-4455-6677-8899-aabbccddeeff")
    refused(libvirt.VIR_ERR_NO_SUPPORT, of.portCreateXML, "<networkport/>")
    refused(libvirt.VIR_ERR_NO_SUPPORT, found.delete)
    for port in ports:
        port.close()
    a_macvtap_is_told_of_as_libvirt_does()
    refused(libvirt.VIR_ERR_NO_NETWORK_PORT, found.XMLDesc)
    end_network(network)
    refused(libvirt.VIR_ERR_NO_NETWORK, of.listAllPorts)
    refused(libvirt.VIR_ERR_NO_NETWORK_PORT, found.XMLDesc)
    connection.close()


def interfaces_of_the_machine_are_told_to_clients_of_libvirt():
    if os.environ.get("VIRTBUS_LEAVE_OUT", "").find("network") >= 0:
        raise Skip("there is no driver of networks")
    contains(virsh("iface-list", "--all"), "lo ", "00:00:00:00:00:00")
    contains(virsh("iface-dumpxml", "lo"), "<interface type='ethernet' name='lo'>", "<mtu size='65536'/>")
    assert virsh("iface-mac", "lo").strip() == "00:00:00:00:00:00" and virsh("iface-name", "00:00:00:00:00:00").strip() == "lo"
    contains(virsh("iface-dumpxml", "nobodys0", fails=True), "Interface not found", "nobodys0")
    connection = open_libvirt()
    names = connection.listInterfaces() + connection.listDefinedInterfaces()
    assert "lo" in names and len(names) == connection.numOfInterfaces() + connection.numOfDefinedInterfaces() == len(connection.listAllInterfaces())
    loopback = connection.interfaceLookupByName("lo")
    assert loopback.isActive() == ("lo" in connection.listInterfaces())
    assert len(connection.listAllInterfaces(libvirt.VIR_CONNECT_LIST_INTERFACES_ACTIVE)) == connection.numOfInterfaces()
    refused(libvirt.VIR_ERR_NO_INTERFACE, connection.interfaceLookupByName, "nobodys0")
    assert libvirt.virGetLastError()[1] == libvirt.VIR_FROM_INTERFACE
    refused(libvirt.VIR_ERR_NO_INTERFACE, connection.interfaceLookupByMACString, "52:54:00:00:00:77")
    # What would change one is not the business of this.
    refused(libvirt.VIR_ERR_NO_SUPPORT, loopback.destroy)
    refused(libvirt.VIR_ERR_NO_SUPPORT, connection.interfaceDefineXML, "<interface type='ethernet' name='x'/>")
    connection.close()


def a_display_is_opened_as_a_descriptor():
    connection = open_libvirt()
    domain = connection.createXML(hypervisor.document("shown", "<graphics type='vnc' port='-1'/><video><model type='vga'/></video>"), 0)
    with socket.socket(fileno=domain.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH)) as display:
        display.settimeout(DEADLINE)
        if REAL:
            assert display.recv(4) == b"RFB "
    assert domain.info()[0] == libvirt.VIR_DOMAIN_RUNNING  # the conversation goes on
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, domain.openGraphicsFD, 7)
    domain.destroy()
    refused(libvirt.VIR_ERR_NO_DOMAIN, domain.openGraphicsFD, 0)
    connection.close()


def refusals_have_the_numbers_of_libvirt():
    connection = open_libvirt()
    domain = connection.lookupByName("web")
    invalid = libvirt.VIR_ERR_OPERATION_INVALID
    refused(libvirt.VIR_ERR_XML_DETAIL, connection.defineXML, "<domain")
    refused(libvirt.VIR_ERR_XML_ERROR, connection.defineXML, "<domain/>")
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, domain.detachDeviceAlias, "ua-nobody", 0)
    refused(libvirt.VIR_ERR_INVALID_ARG, connection.getCPUModelNames, "foo")
    refused(libvirt.VIR_ERR_INVALID_ARG, connection.getDomainCapabilities, None, "foo")
    refused(invalid, domain.controlInfo)
    refused(invalid, domain.memoryPeek, 0, 4, libvirt.VIR_MEMORY_PHYSICAL)
    refused(invalid, domain.setMemoryFlags, 70000, libvirt.VIR_DOMAIN_MEM_MAXIMUM | libvirt.VIR_DOMAIN_AFFECT_LIVE)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    refused(invalid, domain.setMaxMemory, 70000)
    refused(libvirt.VIR_ERR_INVALID_ARG, domain.memoryPeek, 0, 4, 0)
    refused(libvirt.VIR_ERR_NO_SUPPORT, domain.getCPUStats, False)
    assert set(domain.getCPUStats(True)[0]) == {"cpu_time", "user_time", "system_time"}
    peeked = domain.memoryPeek(0xF0000 - 100000, 165536, libvirt.VIR_MEMORY_PHYSICAL)
    assert len(peeked) == 165536 and (not REAL or b"BIOS" in peeked), len(peeked)  # its firmware is in there
    assert domain.isUpdated() == 0 and domain.controlInfo()[0] == libvirt.VIR_DOMAIN_CONTROL_OK
    domain.setMemoryFlags(98304, libvirt.VIR_DOMAIN_MEM_MAXIMUM | libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    domain.destroy()
    domain.undefine()
    connection.close()


TESTS = [
    the_memory_of_the_machine_is_told,
    the_processors_and_nodes_of_the_machine_are_in_its_capabilities,
    what_the_firmware_says_of_the_machine_is_told,
    documents_are_in_the_style_of_libvirt,
    network_filters_are_managed_by_clients_of_libvirt,
    ports_with_a_filter_are_its_bindings, ports_of_networks_are_told_of,
    interfaces_of_the_machine_are_told_to_clients_of_libvirt,
    a_display_is_opened_as_a_descriptor,
    refusals_have_the_numbers_of_libvirt,
]

run(TESTS)
