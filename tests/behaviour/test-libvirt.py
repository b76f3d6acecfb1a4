#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""libvirt's own clients, unmodified, on virtbus: virsh and libvirt's Python module.

Usage (below tests/with-bus): test-libvirt.py test|qemu.
"""

import ctypes
import fcntl
import os
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import termios
import time

import disk_rig
from libvirt_rig import (ENVIRONMENT, FACE, REAL, SOCKET, URI, UUID, bus, document, hypervisor, libvirt, lines_of, open_libvirt, refused, virsh,
                         wait_listening, write)
from rig import BUILD, DEADLINE, NAME, ROOT, Skip, contains, end_process, read_until, run


class Raw:
    """A client that says what it likes, byte by byte."""

    PROGRAM, KEEPALIVE = 0x20008086, 0x6B656570
    LIST, OPEN, CLOSE, CAPABILITIES, HOSTNAME, LOOKUP, STATE = 273, 1, 2, 7, 59, 23, 212

    def __init__(self, name=None, path=SOCKET):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.socket.connect(path)
        if name:
            # The optional name is there: any word but 0 says so.
            self.call(self.OPEN, struct.pack(">I", 0x01000000) + self.text(name) + struct.pack(">I", 0))
            assert self.hear()[5] == 0

    @staticmethod
    def text(value):
        data = value.encode()
        return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)

    @classmethod
    def packet(cls, procedure, body=b"", serial=0, program=PROGRAM, kind=0, status=0):
        return struct.pack(">7I", 28 + len(body), program, 1, procedure, kind, serial, status) + body

    def call(self, procedure, body=b"", serial=0):
        self.socket.sendall(self.packet(procedure, body, serial))

    def read(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:  # it was closed with something left that it had not read
                piece = b""
            if not piece:
                return b""
            data += piece
        return data

    def hear(self):
        """(program, version, procedure, kind, serial, status, body), or None where the other end has closed."""
        length = self.read(4)
        if not length:
            return None
        data = self.read(struct.unpack(">I", length)[0] - 4)
        return (*struct.unpack(">6I", data[:24]), data[24:])


def name_of():
    return "qemu:///session" if REAL else "test:///default"


def a_client_finds_out_whom_it_speaks_to():
    contains(virsh("uri"), URI)
    assert virsh("hostname") == socket.gethostname()
    contains(virsh("capabilities"), "<capabilities>", "x86_64")
    contains(virsh("domcapabilities"), "<domainCapabilities>")
    assert virsh("list", "--all") == ""


def a_domain_is_defined_and_looked_at():
    contains(virsh("define", write("web.xml", document())), "Domain 'web' defined")
    contains(virsh("list", "--all"), "web", "shut off")
    assert virsh("list") == ""
    assert virsh("domuuid", "web") == UUID
    assert virsh("domname", UUID) == "web"
    assert virsh("domid", "web") == "-"
    contains(virsh("dominfo", "web"), "OS Type:        hvm", "State:          shut off", "Max memory:     65536 KiB", "Persistent:     yes",
             "Autostart:      disable", "Managed save:   no")
    contains(virsh("dumpxml", "web", "--inactive"), "<name>web</name>", UUID)
    contains(virsh("dumpxml", "web", "--security-info"), "<name>web</name>")
    virsh("autostart", "web")
    assert bus.get(f"{hypervisor.path}/domain/{UUID.replace('-', '_')}", "Domain", "Autostart")
    contains(virsh("list", "--all", "--autostart"), "web")
    virsh("autostart", "web", "--disable")
    assert virsh("list", "--all", "--autostart") == ""


def a_domain_lives_and_ends():
    contains(virsh("start", "web", "--paused"), "started")
    assert virsh("domstate", "--reason", "web") == "paused (user)"
    assert int(virsh("domid", "web")) > 0
    assert virsh("domname", virsh("domid", "web")) == "web"
    virsh("resume", "web")
    contains(virsh("domstate", "web"), "running")
    virsh("suspend", "web")
    assert virsh("domstate", "web") == "paused"
    virsh("resume", "web")
    virsh("reset", "web")
    contains(virsh("start", "web", fails=True), "active")
    virsh("destroy", "web")
    assert virsh("domstate", "--reason", "web") == "shut off (destroyed)"


def a_transient_domain_goes_when_it_ends():
    contains(virsh("create", write("brief.xml", document("brief")), "--paused"), "Domain 'brief' created")
    contains(virsh("list", "--transient"), "brief", "paused")
    virsh("destroy", "brief")
    contains(virsh("dominfo", "brief", fails=True), "failed to get domain 'brief'")


def errors_have_the_numbers_of_libvirt():
    connection = open_libvirt()
    refused(libvirt.VIR_ERR_NO_DOMAIN, connection.lookupByName, "nobody")
    refused(libvirt.VIR_ERR_NO_DOMAIN, connection.lookupByUUIDString, "00112233-4455-6677-8899-aabbccddeeff")
    refused(libvirt.VIR_ERR_NO_DOMAIN, connection.lookupByID, 123456)
    refused(libvirt.VIR_ERR_XML_DETAIL, connection.defineXML, "<domain")
    refused(libvirt.VIR_ERR_OPERATION_FAILED, connection.defineXML, hypervisor.document("other", uuid=UUID))
    refused(libvirt.VIR_ERR_OPERATION_INVALID, connection.lookupByName("web").destroy)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, connection.lookupByName("web").suspend)
    refused(libvirt.VIR_ERR_INVALID_ARG, connection.lookupByName("web").destroyFlags, 0x80000000)
    refused(libvirt.VIR_ERR_NO_SUPPORT, connection.listAllStoragePools)
    domain = connection.lookupByName("web")
    refused(libvirt.VIR_ERR_NO_SUPPORT, domain.migrateMaxSpeed if hasattr(domain, "migrateMaxSpeed") else domain.migrateGetMaxSpeed)
    error = libvirt.virGetLastError()
    assert error[1] == (libvirt.VIR_FROM_QEMU if REAL else libvirt.VIR_FROM_TEST), error
    connection.close()


def what_is_wrong_first_is_told_as_by_libvirt():
    """What libvirt's daemon says of a domain that is off, and of what it does not have, whatever else is wrong."""
    connection, live = open_libvirt(), libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain = connection.lookupByName("web")
    for function, *arguments in ((domain.attachDevice, "<x"), (domain.detachDevice, "<x"), (domain.detachDevice, "<x/>"), (domain.updateDeviceFlags, "<x", live),
                                 (domain.detachDeviceFlags, "<rng/>", live), (domain.detachDeviceAlias, "ua-none", live)):
        refused(libvirt.VIR_ERR_OPERATION_INVALID, function, *arguments)
    refused(libvirt.VIR_ERR_INVALID_ARG, domain.metadata, 7, "http://x/", 0)
    refused(libvirt.VIR_ERR_INVALID_ARG, domain.setMetadata, 7, "x", "k", "http://x/", 0)
    refused(libvirt.VIR_ERR_SYSTEM_ERROR, connection.saveImageGetXMLDesc, "/nowhere/saved", 0)
    refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, connection.getSEVInfo, 0)
    assert domain.launchSecurityInfo(0) == {}
    selected = {flag: {each[0].name() for each in connection.getAllDomainStats(0, flag)} for flag in (
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF,
        libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING)}
    assert list(selected.values()) == [{"web"}, set(), {"web"}, set()], selected
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    refused(libvirt.VIR_ERR_NO_DOMAIN_BACKUP, domain.backupGetXMLDesc)
    disk = hypervisor.document("asked", disk_rig.disk(disk_rig.image("asked.img") if REAL else "/asked.img") +
                               "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>", memory=16)
    asked = connection.createXML(disk, libvirt.VIR_DOMAIN_START_PAUSED)
    if REAL:  # the laboratory has no work on images, and its agent is there at once
        refused(libvirt.VIR_ERR_INVALID_ARG, asked.blockJobSetSpeed, "vda", 1, 0)
        refused(libvirt.VIR_ERR_INVALID_ARG, asked.blockJobAbort, "vda", 0)
        refused(libvirt.VIR_ERR_OPERATION_INVALID, asked.fsInfo)
        asked.resume()
        refused(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, asked.fsInfo)
        refused(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, asked.setTime, None, libvirt.VIR_DOMAIN_TIME_SYNC)
        refused(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, asked.shutdownFlags, libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
        asked.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT | libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    asked.destroy()
    domain.destroy()


def a_connection_that_was_opened_to_read_changes_nothing():
    if not libvirt:
        raise Skip("libvirt's Python module is not installed")
    open_libvirt().close()
    connection = libvirt.openReadOnly(URI)
    domain = connection.lookupByName("web")
    assert domain.state()[0] == libvirt.VIR_DOMAIN_SHUTOFF
    refused(libvirt.VIR_ERR_OPERATION_DENIED, domain.create)
    connection.close()
    raw = Raw()
    raw.call(Raw.OPEN, struct.pack(">I", 1) + Raw.text(name_of()) + struct.pack(">I", 1))
    assert raw.hear()[5] == 0
    raw.call(9, Raw.text("web") + bytes.fromhex(UUID.replace("-", "")) + struct.pack(">i", -1))  # DOMAIN_CREATE
    answer = raw.hear()
    assert answer[5] == 1 and struct.unpack(">i", answer[6][:4])[0] == 29, answer
    assert hypervisor.state(f"{hypervisor.path}/domain/{UUID.replace('-', '_')}") == "shutoff"


def what_a_domain_is_given_can_be_changed():
    virsh("setmaxmem", "web", "96M", "--config")
    virsh("setmem", "web", "80M", "--config")
    contains(virsh("dominfo", "web"), "Max memory:     98304 KiB", "Used memory:    81920 KiB")
    virsh("setvcpus", "web", "3", "--config", "--maximum")
    virsh("setvcpus", "web", "2", "--config")
    assert virsh("vcpucount", "web", "--config", "--maximum") == "3"
    assert virsh("vcpucount", "web", "--config") == "2"
    contains(virsh("vcpucount", "web", "--live", fails=True), "not running")
    virsh("vcpupin", "web", "1", "0", "--config")
    contains(virsh("vcpupin", "web", "--config"), " 1      0\n")
    virsh("desc", "web", "--config", "--new-desc", "what it is for")
    assert virsh("desc", "web") == "what it is for"
    virsh("desc", "web", "--config", "--title", "--new-desc", "The web")
    contains(virsh("list", "--all", "--title"), "The web")
    virsh("metadata", "web", "http://example.org/x", "--config", "--key", "x", "--set", "<note>kept</note>")
    contains(virsh("metadata", "web", "http://example.org/x", "--config"), "kept")
    contains(virsh("metadata", "web", "http://example.org/other", "--config", fails=True), "not found")
    virsh("domrename", "web", "web2")
    assert virsh("domname", UUID) == "web2"
    virsh("domrename", "web2", "web")


def what_a_domain_may_use_is_told_and_limited():
    contains(virsh("schedinfo", "web", "--config", "--set", "cpu_shares=500", "vcpu_quota=-1", "global_period=50000"), "500")
    told = lines_of(virsh("schedinfo", "web"))
    assert (told["Scheduler"], told["cpu_shares"], told["vcpu_quota"], told["global_period"], told["iothread_quota"]) == ("posix", "500", "0", "50000", "0")
    contains(virsh("schedinfo", "web", "--config", "--set", "vcpu_quota=5", fails=True), "'vcpu_quota' is out of range [1000, 17592186044415]")
    contains(virsh("schedinfo", "web", "--live", fails=True), "domain is not running")
    virsh("memtune", "web", "--config", "--hard-limit", "200M", "--soft-limit", "150M")
    assert lines_of(virsh("memtune", "web", "--config")) == {"hard_limit": "204800", "soft_limit": "153600", "swap_hard_limit": "unlimited"}
    virsh("memtune", "web", "--config", "--hard-limit", "-1")
    assert lines_of(virsh("memtune", "web"))["hard_limit"] == "unlimited"
    virsh("blkiotune", "web", "--config", "--weight", "300")
    assert lines_of(virsh("blkiotune", "web"))["weight"] == "300"
    contains(virsh("blkiotune", "web", "--config", "--device-weights", "/dev/zero,300", fails=True), "device_weight")
    virsh("numatune", "web", "--config", "--nodeset", "0")
    assert lines_of(virsh("numatune", "web"))["numa_nodeset"] == "0"
    contains(virsh("numatune", "web", "--config", "--mode", "interleave", "--nodeset", "0", fails=True), "numatune mode")
    contains(virsh("iothreadinfo", "web"), "No IOThreads")
    virsh("iothreadadd", "web", "4", "--config")
    contains(virsh("iothreadinfo", "web", "--config"), " 4 ")
    virsh("iothreaddel", "web", "4", "--config")


def what_a_disk_and_a_card_may_use_is_told_and_limited():
    image = write("disk.raw", "x" * 1048576)
    virsh("attach-disk", "web", image, "vdb", "--subdriver", "raw", "--config")
    virsh("blkdeviotune", "web", "vdb", "--config", "--total-bytes-sec", "1000000", "--read-iops-sec", "3")
    virsh("blkdeviotune", "web", "vdb", "--config", "--total-bytes-sec", "2000000")
    told = lines_of(virsh("blkdeviotune", "web", image))
    assert (told["total_bytes_sec"], told["read_iops_sec"], told["write_bytes_sec"], told["group_name"]) == ("2000000", "3", "0", ""), told
    contains(virsh("blkdeviotune", "web", "vdz", fails=True), "disk 'vdz' was not found in the domain config")
    if REAL:
        contains(virsh("blkdeviotune", "web", "vdb", "--config", "--total-bytes-sec", "1", "--read-bytes-sec", "1", fails=True), "bytes_sec")
    mac = "52:54:00:00:00:07"
    virsh("attach-interface", "web", "bridge", "none0", "--mac", mac, "--config")
    virsh("domiftune", "web", mac, "--config", "--inbound", "100,200,300", "--outbound", "50")
    virsh("domiftune", "web", mac, "--config", "--outbound", "60")
    told = lines_of(virsh("domiftune", "web", mac))
    assert [told[f"inbound.{name}"] for name in ("average", "peak", "burst")] == ["100", "200", "300"] and told["outbound.average"] == "60", told
    virsh("domiftune", "web", mac, "--config", "--inbound", "0")
    assert lines_of(virsh("domiftune", "web", mac))["inbound.average"] == "0"
    contains(virsh("domiftune", "web", "nobody0", fails=True), "Can't find device nobody0")
    virsh("detach-interface", "web", "bridge", "--mac", mac, "--config")
    virsh("detach-disk", "web", "vdb", "--config")


def limits_are_refused_by_the_numbers_of_libvirt():
    connection = open_libvirt()
    domain = connection.lookupByName("web")
    config, live, invalid = libvirt.VIR_DOMAIN_AFFECT_CONFIG, libvirt.VIR_DOMAIN_AFFECT_LIVE, libvirt.VIR_ERR_INVALID_ARG
    for read in (domain.schedulerParametersFlags, domain.memoryParameters, domain.blkioParameters, domain.numaParameters):
        refused(libvirt.VIR_ERR_OPERATION_INVALID, read, live)
        refused(invalid, read, 1 << 12)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.setSchedulerParametersFlags, {"cpu_shares": 5}, live)
    refused(invalid, domain.setSchedulerParametersFlags, {"cpu_shares": 5}, 1 << 12)
    refused(invalid, domain.blockIoTune, "vdz", config)
    refused(invalid, domain.setBlockIoTune, "vdz", {"total_bytes_sec": 5}, config)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.blockStats, "vda")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.interfaceStats, "vnet0")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.fsInfo)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.guestInfo)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.hostname, libvirt.VIR_DOMAIN_GET_HOSTNAME_AGENT)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.getTime)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.blockResize, "vda", 2048)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.coreDump, os.path.join(ROOT, "core"), 0)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.jobInfo)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.diskErrors)
    refused(invalid, domain.setVcpusFlags, 99, config)
    assert not os.path.exists(os.path.join(ROOT, "core"))
    connection.close()


def a_device_is_found_by_its_element():
    card = "<interface type='user'><mac address='{}'/><model type='virtio'/></interface>"
    one = write("one.xml", card.format("52:54:00:00:00:01"))
    virsh("attach-device", "web", one, "--config")
    virsh("attach-device", "web", write("two.xml", card.format("52:54:00:00:00:02")), "--config")
    contains(virsh("domiflist", "web", "--inactive"), "52:54:00:00:00:01", "52:54:00:00:00:02")
    virsh("detach-device", "web", one, "--config")
    left = virsh("domiflist", "web", "--inactive")
    assert "52:54:00:00:00:01" not in left and "52:54:00:00:00:02" in left, left
    contains(virsh("detach-device", "web", one, "--config", fails=True), "device not found")
    virsh("attach-device", "web", write("rng.xml", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"), "--config")
    virsh("detach-device", "web", os.path.join(ROOT, "rng.xml"), "--config")
    assert "<rng" not in virsh("dumpxml", "web", "--inactive")
    virsh("detach-interface", "web", "user", "--mac", "52:54:00:00:00:02", "--config")
    assert "52:54" not in virsh("domiflist", "web", "--inactive")


def what_a_domain_uses_is_told_by_the_names_of_libvirt():
    contains(virsh("domstats", "web"), "Domain: 'web'", "state.state=5", "balloon.maximum=98304", "vcpu.maximum=3", "block.count=0")
    virsh("start", "web")
    contains(virsh("domstats", "web", "--state", "--cpu-total"), "state.state=1", "cpu.time=")
    contains(virsh("domstats", "--list-active"), "Domain: 'web'")
    contains(virsh("dommemstat", "web"), "actual ")
    contains(virsh("domblkstat", "web", "vdz", fails=True), "invalid path vdz")
    contains(virsh("vcpuinfo", "web"), "VCPU:           1", "State:          running")
    contains(virsh("domjobinfo", "web"), "None")
    contains(virsh("domjobabort", "web", fails=True), "no job is active")
    virsh("send-key", "web", "KEY_LEFTCTRL", "KEY_ENTER")
    for codes, keys in (("xt", ("29", "0xe053")), ("atset1", ("0x3b",)), ("atset2", ("0xe05a",)), ("atset3", ("0x79",)), ("os_x", ("0", "0x7e")), ("usb", ("4", "0xe7")), ("win32", ("0x41",)),
                        ("rfb", ("0x9c",)), ("qnum", ("0x1c",))):
        virsh("send-key", "web", "--codeset", codes, *keys)
    contains(virsh("send-key", "web", "--codeset", "xt_kbd", "29", fails=True), "code set")
    contains(virsh("send-key", "web", "--codeset", "usb", "0xffff", fails=True), "no such key")


def the_period_of_a_balloons_statistics_changes_in_guest_and_definition():
    def periods():
        return [re.findall("<stats period='(.*?)'/>", virsh("dumpxml", "balloon", *which)) for which in ([], ["--inactive"])]
    virsh("define", write("balloon.xml", document("balloon", "<memballoon model='virtio'/>")))
    contains(virsh("dommemstat", "balloon", "--period", "5", "--live", fails=True), "not running")
    virsh("start", "balloon")
    virsh("dommemstat", "balloon", "--period", "7")
    assert periods() == [["7"], []], periods()
    virsh("dommemstat", "balloon", "--period", "5", "--config")
    assert periods() == [["7"], ["5"]], periods()
    virsh("define", write("balloon.xml", virsh("dumpxml", "balloon", "--inactive").replace("model='virtio'", "model='virtio' autodeflate='on'")))
    virsh("dommemstat", "balloon", "--period", "0", "--live", "--config")
    assert periods() == [[], []], periods()
    assert "autodeflate" in virsh("dumpxml", "balloon", "--inactive"), "what else was defined is lost"
    refused(libvirt.VIR_ERR_INVALID_ARG, open_libvirt().lookupByName("balloon").setMemoryStatsPeriod, -1)
    virsh("destroy", "balloon")
    virsh("define", write("balloon.xml", document("balloon", "<memballoon model='none'/>").replace("<name>", f"<uuid>{virsh('domuuid', 'balloon')}</uuid><name>")))
    contains(virsh("dommemstat", "balloon", "--period", "5", "--config", fails=True), "balloon model must be virtio")
    virsh("undefine", "balloon")


def a_domain_is_saved_and_goes_on():
    contains(virsh("managedsave", "web"), "saved")
    assert virsh("domstate", "--reason", "web") == "shut off (saved)"
    contains(virsh("list", "--all", "--with-managed-save"), "web")
    contains(virsh("dominfo", "web"), "Managed save:   yes")
    virsh("managedsave-remove", "web")
    virsh("start", "web")
    state = os.path.join(ROOT, "web.save")
    virsh("save", "web", state)
    assert virsh("domstate", "web") == "shut off"
    virsh("restore", state, "--paused")
    assert virsh("domstate", "web") == "paused"
    contains(virsh("restore", state, fails=True), "paused")


def a_screen_is_a_stream():
    virsh("screenshot", "web", os.path.join(ROOT, "screen.png"), "--screen", "0")
    with open(os.path.join(ROOT, "screen.png"), "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    virsh("destroy", "web")


def what_runs_is_dumped_resized_and_displayed():
    """A guest of its own, with an image and a display."""
    image = write("resized.raw", "x" * 1048576)
    devices = (f"<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>"
               "<graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video>")
    virsh("create", write("shown.xml", hypervisor.document("shown", devices)), "--paused")
    core = os.path.join(ROOT, "core")
    contains(virsh("dump", "shown", core, "--memory-only"), "dumped")
    assert os.stat(core).st_size > 0 and os.stat(core).st_mode & 0o777 == 0o600
    contains(virsh("dump", "shown", core, "--memory-only", "--format", "kdump-zlib", fails=True), "ELF")
    contains(virsh("dump", "shown", f"{ROOT}/nowhere/core", fails=True), "failed to create")
    contains(virsh("dump", "shown", core, "--bypass-cache", fails=True), "unsupported flags")
    contains(virsh("domblkerror", "shown"), "No errors found")
    contains(virsh("blockresize", "shown", "vdz", "2M", fails=True), "disk 'vdz' was not found in the domain config")
    contains(virsh("blockresize", "shown", "vda", "2M"), "is resized")
    contains(virsh("domblkstat", "shown", "vda"), "vda rd_req")
    contains(virsh("domblkinfo", "shown", "vdz", fails=True), "invalid path vdz not assigned to domain")
    contains(virsh("domifstat", "shown", "vnet9", fails=True), "'vnet9' is not a known interface")
    contains(virsh("domifaddr", "shown"), "Name")
    contains(virsh("domfsinfo", "shown", fails=True), "QEMU guest agent is not configured")
    if REAL:
        assert os.stat(image).st_size == 2097152
        port = 5900 + int(virsh("domdisplay", "shown").removeprefix("vnc://127.0.0.1:"))
        with open("/proc/net/tcp", encoding="utf-8") as sockets:
            contains(sockets.read(), f" 0100007F:{port:04X} 00000000:0000 0A")  # somebody listens there
    contains(virsh("dump", "shown", core, "--crash"), "dumped")
    contains(virsh("dominfo", "shown", fails=True), "failed to get domain")


CHANNEL = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"


def what_is_inside_a_guest_is_told_by_its_agent():
    virsh("create", write("spoken.xml", hypervisor.document("spoken", CHANNEL)))
    if REAL:  # nobody in there answers
        contains(virsh("guestvcpus", "spoken", fails=True), "agent")
        connection = open_libvirt()
        domain = connection.lookupByName("spoken")
        for ask in (domain.fsInfo, domain.guestInfo, domain.getTime):
            refused(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, ask)
        refused(libvirt.VIR_ERR_AGENT_UNRESPONSIVE, domain.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
        connection.close()
    else:
        path = bus.call(hypervisor.path, f"{NAME}.Connection", "GetDomainByName", "s", "spoken")
        hypervisor.wait_agent(path)
        contains(virsh("guestinfo", "spoken"), "user.count          : 1", "user.0.name         : test", "user.0.login-time   : 1000",
                 "timezone.name       : UTC", "timezone.offset     : 0", "hostname            : ", "fs.count            : 1",
                 "fs.0.mountpoint     : /", "disk.0.name         : /dev/vda")
        contains(virsh("guestinfo", "spoken", "--os"), "os.id ")
        contains(virsh("domfsinfo", "spoken"), " /  ")
        contains(virsh("domifaddr", "spoken", "--source", "agent"), "ipv4")
        assert lines_of(virsh("guestvcpus", "spoken")) == {"vcpus": "0", "online": "0", "offlinable": ""}
        assert virsh("vcpucount", "spoken", "--guest") == "1"
        contains(virsh("setvcpus", "spoken", "2", "--guest", fails=True), "requested vcpu count is greater")
    virsh("destroy", "spoken")


def a_console_is_a_stream_both_ways():
    connection = open_libvirt()
    devices, speaks = "<serial type='pty'/><console type='pty'/>", "<bios useserial='yes'/>" if REAL else ""
    domain = connection.createXML(hypervisor.document("talker", devices, kernel=speaks), libvirt.VIR_DOMAIN_START_PAUSED)
    stream = connection.newStream()
    domain.openConsole(None, stream)
    heard = b""
    domain.resume()
    stream.send(b"hello\n")
    while (b"SeaBIOS" if REAL else b"hello") not in heard:
        heard += stream.recv(4096)
    refused(libvirt.VIR_ERR_RESOURCE_BUSY, domain.openConsole, None, connection.newStream())
    stream.abort()
    again = connection.newStream()
    domain.openConsole(None, again, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    again.finish()
    domain.destroy()
    connection.close()


def children():
    with open(f"/proc/{FACE.pid}/task/{FACE.pid}/children", encoding="utf-8") as file:
        return {int(pid) for pid in file.read().split()}


def a_client_whose_process_has_no_descriptors_left_is_refused_what_needs_them():
    before = children()
    connection = open_libvirt()
    domain = connection.createXML(hypervisor.document("short", "<serial type='pty'/><console type='pty'/>"), libvirt.VIR_DOMAIN_START_PAUSED)
    process, = children() - before
    limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
    refusals = []
    for more in range(4):  # each way to where it needs one
        most = max(int(fd) for fd in os.listdir(f"/proc/{process}/fd")) + 1
        resource.prlimit(process, resource.RLIMIT_NOFILE, (most + more, limits[1]))
        stream = connection.newStream()
        try:
            domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
            stream.abort()
        except libvirt.libvirtError as error:
            refusals.append(error.get_error_message())
        assert domain.info()[0] == libvirt.VIR_DOMAIN_PAUSED
        resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
    assert refusals, "it needs no descriptor"
    stream = connection.newStream()
    domain.openConsole(None, stream, libvirt.VIR_DOMAIN_CONSOLE_FORCE)
    stream.abort()
    domain.destroy()
    connection.close()


def images_are_merged_and_copied():
    """By virsh; and by libvirt's module where that hears of it."""
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    base, middle, top, copy = (f"{folder}/merged-{i}.qcow2" for i in ("base", "middle", "top", "copy"))
    for path, below in ((base, None), (middle, base), (top, middle)):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *(["-b", os.path.basename(below), "-F", "qcow2", path] if below else [path, "4M"])], check=True)
    disk = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{top}'/><target dev='vda' bus='virtio'/></disk>"
    virsh("define", write("merged.xml", hypervisor.document("merged", disk)))
    virsh("start", "merged", "--paused")
    if not REAL:
        contains(virsh("blockpull", "merged", "vda", fails=True), "not supported")
        virsh("destroy", "merged")
        virsh("undefine", "merged")
        return
    heard = []
    if libvirt:
        libvirt.virEventRegisterDefaultImpl()
        connection = open_libvirt()
        domain = connection.lookupByName("merged")
        for kind in (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB, libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2):
            connection.domainEventRegisterAny(domain, kind, lambda _c, _d, name, job, status, kind: heard.append((kind, name, job, status)), kind)
        libvirt.virEventAddTimeout(1000, lambda *_: None, None)
    contains(virsh("blockjob", "merged", "vda"), "No current block job")
    contains(virsh("blockcommit", "merged", "vda", fails=True), "active flag")
    contains(virsh("blockcommit", "merged", "vdz", "--active", fails=True), "'vdz' was not found")
    contains(virsh("blockcommit", "merged", "vda", "--top", middle, "--base", base, "--wait"), "complete")
    assert middle not in virsh("dumpxml", "merged")
    virsh("blockcopy", "merged", "vda", copy, "--format", "qcow2", "--wait")
    info = dict(line.strip().split("=") for line in virsh("blockjob", "merged", "vda", "--raw").splitlines() if "=" in line)
    assert info["type"] == "Block Copy" and info["cur"] == info["end"] != "0", info
    contains(virsh("blockpull", "merged", "vda", fails=True), "a job works on disk 'vda'")
    virsh("blockjob", "merged", "vda", "--abort")
    contains(virsh("blockjob", "merged", "vda"), "No current block job")
    contains(virsh("blockcopy", "merged", "vda", copy, "--reuse-external", "--format", "qcow2", "--wait", "--pivot"), "Successfully pivoted")
    contains(virsh("domblklist", "merged"), copy)
    contains(virsh("domblkthreshold", "merged", "vda", "1048576"), "")
    contains(virsh("domblkthreshold", "merged", "vda[9]", "1048576", fails=True), "vda[9]")
    virsh("destroy", "merged")
    contains(virsh("domblklist", "merged"), copy)
    if libvirt:
        deadline = time.monotonic() + DEADLINE
        while (libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, "vda", libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COPY, libvirt.VIR_DOMAIN_BLOCK_JOB_READY) not in heard or \
                not any(event[0] == libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB and event[2:] == (libvirt.VIR_DOMAIN_BLOCK_JOB_TYPE_COMMIT, libvirt.VIR_DOMAIN_BLOCK_JOB_COMPLETED)
                        for event in heard):
            assert time.monotonic() < deadline, heard
            libvirt.virEventRunDefaultImpl()
        connection.close()
    virsh("undefine", "merged")


def checkpoints_are_as_with_libvirt():
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    path = f"{folder}/virsh-marked.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "4M"], check=True)
    xml = os.path.join(ROOT, "marked.xml")
    with open(xml, "w", encoding="utf-8") as file:
        file.write(hypervisor.document("marked", f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"))
    virsh("define", xml)
    contains(virsh("checkpoint-create-as", "marked", "off", fails=True), "run")
    virsh("start", "marked", "--paused")
    contains(virsh("checkpoint-create-as", "marked", "first", "before", "--diskspec", "vda"), "Domain checkpoint first created")
    contains(virsh("checkpoint-create-as", "marked", "second"), "second created")
    assert "marked" in virsh("list", "--all", "--with-checkpoint") and "marked" not in virsh("list", "--all", "--without-checkpoint")
    assert virsh("checkpoint-list", "marked", "--name", "--topological").split() == ["first", "second"]
    assert virsh("checkpoint-list", "marked", "--name", "--leaves").split() == ["second"] and virsh("checkpoint-list", "marked", "--name", "--roots").split() == ["first"]
    assert virsh("checkpoint-list", "marked", "--name", "--from", "first").split() == ["second"]
    assert virsh("checkpoint-parent", "marked", "second").strip() == "first"
    contains(virsh("checkpoint-info", "marked", "first"), "Children:", "1")
    text = virsh("checkpoint-dumpxml", "marked", "second", "--no-domain")
    contains(text, "<name>second</name>", "<parent>", "<disk name='vda' checkpoint='bitmap' bitmap='second'/>")
    assert "<domain" not in text.replace("<domaincheckpoint", "")
    kept = os.path.join(ROOT, "second.xml")
    with open(kept, "w", encoding="utf-8") as file:
        file.write(virsh("checkpoint-dumpxml", "marked", "second"))
    virsh("checkpoint-delete", "marked", "second", "--metadata")
    contains(virsh("checkpoint-create", "marked", kept, "--redefine"), "second created")
    contains(virsh("checkpoint-dumpxml", "marked", "other", fails=True), "Domain checkpoint not found", "other")
    contains(virsh("snapshot-create-as", "marked", "x", fails=True), "checkpoints")
    backup = os.path.join(ROOT, "backup.xml")
    with open(backup, "w", encoding="utf-8") as file:
        file.write(f"<domainbackup mode='pull'><incremental>first</incremental><server transport='unix' socket='{folder}/nbd'/></domainbackup>")
    mark = os.path.join(ROOT, "mark.xml")
    with open(mark, "w", encoding="utf-8") as file:
        file.write("<domaincheckpoint><name>third</name></domaincheckpoint>")
    contains(virsh("backup-begin", "marked", backup, mark), "Backup started")
    contains(virsh("backup-dumpxml", "marked"), "exportbitmap=", f"{folder}/nbd", "backupmode='incremental'")
    contains(virsh("domjobinfo", "marked"), "Backup", "File total")
    contains(virsh("backup-begin", "marked", backup, fails=True), "backup", "vda")
    assert os.path.exists(f"{folder}/nbd") == REAL
    virsh("domjobabort", "marked")
    bus.wait(lambda: "None" in virsh("domjobinfo", "marked"), "the backup to end")
    assert not os.path.exists(f"{folder}/nbd")
    contains(virsh("backup-begin", "marked"), "Backup started")  # pushed beside the image
    bus.wait(lambda: "None" in virsh("domjobinfo", "marked"), "the backup to end")
    assert any(name.startswith("virsh-marked.qcow2.") for name in os.listdir(folder)) == REAL
    virsh("checkpoint-delete", "marked", "first", "--children-only")
    assert virsh("checkpoint-list", "marked", "--name").split() == ["first"]
    virsh("destroy", "marked")
    contains(virsh("undefine", "marked", fails=True), "checkpoints")
    virsh("undefine", "marked", "--checkpoints-metadata")


def snapshots_have_overlays(folder):
    over, more = f"{folder}/virsh-kept-over", f"{folder}/virsh-kept-over.more"
    contains(virsh("snapshot-create-as", "kept", "over", "--disk-only", "--atomic", "--diskspec", f"vda,snapshot=external,file={over}"), "over created")
    assert virsh("snapshot-list", "kept", "--name", "--external").split() == ["over"] and over in virsh("domblklist", "kept")
    contains(virsh("snapshot-create-as", "kept", "more", "--disk-only", "--diskspec", f"vda,file={over}", fails=True), over)
    contains(virsh("snapshot-create-as", "kept", "more", "--disk-only", "--no-metadata"), "more created")
    assert more in virsh("domblklist", "kept") and virsh("snapshot-list", "kept", "--name", "--external").split() == ["over"]
    virsh("snapshot-delete", "kept", "over")
    assert virsh("snapshot-list", "kept", "--name", "--external").strip() == "" and more in virsh("domblklist", "kept")
    bus.wait(lambda: not os.path.exists(over), "what is merged to go")


def snapshots_are_as_with_libvirt():
    folder = os.path.join(ROOT, "images")
    os.makedirs(folder, mode=0o711, exist_ok=True)
    path = f"{folder}/virsh-kept.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "4M"], check=True)
    xml = os.path.join(ROOT, "kept.xml")
    with open(xml, "w", encoding="utf-8") as file:
        file.write(hypervisor.document("kept", f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='vda' bus='virtio'/></disk>"))
    virsh("define", xml)
    contains(virsh("snapshot-current", "kept", fails=True), "has no current snapshot")
    contains(virsh("snapshot-create-as", "kept", "clean", "before", "--atomic"), "Domain snapshot clean created")
    assert "kept" in virsh("list", "--all", "--with-snapshot") and "kept" not in virsh("list", "--all", "--without-snapshot")
    virsh("start", "kept", "--paused")
    contains(virsh("snapshot-create-as", "kept", "second"), "second created")
    contains(virsh("snapshot-create", "kept"), "created")
    names = virsh("snapshot-list", "kept", "--name", "--topological").split()
    assert names[:2] == ["clean", "second"] and len(names) == 3, names
    contains(virsh("snapshot-list", "kept", "--tree"), "clean\n  |\n  +- second\n      |\n      +- " + names[2])
    assert virsh("snapshot-list", "kept", "--name", "--roots").split() == ["clean"]
    assert virsh("snapshot-list", "kept", "--name", "--leaves").split() == [names[2]]
    assert virsh("snapshot-list", "kept", "--name", "--from", "clean").split() == ["second"]
    assert set(virsh("snapshot-list", "kept", "--name", "--from", "clean", "--descendants").split()) == {"second", names[2]}
    assert virsh("snapshot-list", "kept", "--name", "--inactive").split() == ["clean"]
    assert virsh("snapshot-list", "kept", "--name", "--external").split() == []
    assert virsh("snapshot-current", "kept", "--name").strip() == names[2]
    assert virsh("snapshot-parent", "kept", names[2]).strip() == "second"
    contains(virsh("snapshot-parent", "kept", "clean", fails=True), "has no parent")
    info = dict(line.split(":", 1) for line in virsh("snapshot-info", "kept", "second").splitlines() if ":" in line)
    assert {name: value.strip() for name, value in info.items()} == {"Name": "second", "Domain": "kept", "Current": "no", "State": "paused", "Location": "internal", "Parent": "clean",
                                                                     "Children": "1", "Descendants": "1", "Metadata": "yes"}, info
    text = virsh("snapshot-dumpxml", "kept", "second", "--security-info")
    contains(text, "<name>second</name>", "<state>paused</state>", "<memory snapshot='internal'/>", "<disk name='vda' snapshot='internal'/>", "<domain type=")
    virsh("snapshot-revert", "kept", "second")
    assert virsh("domstate", "kept").strip() == "paused"
    virsh("snapshot-revert", "kept", "clean", "--running")
    assert virsh("domstate", "kept").strip() == "running"
    virsh("snapshot-revert", "kept", "clean")
    assert virsh("domstate", "kept").strip() == "shut off"
    virsh("snapshot-delete", "kept", "second", "--metadata")
    assert set(virsh("snapshot-list", "kept", "--name").split()) == {"clean", names[2]}
    kept = os.path.join(ROOT, "second.xml")
    with open(kept, "w", encoding="utf-8") as file:
        file.write(text)
    contains(virsh("snapshot-create", "kept", kept, "--redefine", "--current"), "second created")
    assert virsh("snapshot-current", "kept", "--name").strip() == "second"
    contains(virsh("snapshot-dumpxml", "kept", "other", fails=True), "Domain snapshot not found", "other")
    contains(virsh("snapshot-create-as", "kept", "clean", fails=True), "already")
    if hypervisor.name == "qemu":  # images of the test driver's machines are not looked at
        snapshots_have_overlays(folder)
    contains(virsh("undefine", "kept", fails=True), "snapshots")
    virsh("snapshot-delete", "kept", "clean", "--children-only")
    assert virsh("snapshot-list", "kept", "--name").split() == ["clean"]
    virsh("undefine", "kept", "--snapshots-metadata")


def what_happens_is_told_by_events():
    if not libvirt:
        raise Skip("libvirt's Python module is not installed")
    libvirt.virEventRegisterDefaultImpl()
    connection, heard = open_libvirt(), []

    def on_lifecycle(_connection, domain, event, detail, _data):
        if domain.name() == "told":
            heard.append((domain.name(), event, detail))

    def on_device(_connection, _domain, alias, came):
        heard.append(("told", came, alias))

    def wait(*events):
        deadline = time.monotonic() + DEADLINE
        while [event[1:] for event in heard] != list(events):
            assert time.monotonic() < deadline, heard
            libvirt.virEventRunDefaultImpl()
        heard.clear()

    numbers = [connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, on_lifecycle, None),
               connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, on_device, "came"),
               connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, on_device, "went")]
    libvirt.virEventAddTimeout(1000, lambda *_: None, None)  # the loop looks at the deadline
    bus_domain = hypervisor.define(hypervisor.document("told"))
    wait((libvirt.VIR_DOMAIN_EVENT_DEFINED, 0))  # and not of its devices: events tell what is plugged in while it runs
    domain, defined_again = connection.lookupByName("told"), (libvirt.VIR_DOMAIN_EVENT_DEFINED, libvirt.VIR_DOMAIN_EVENT_DEFINED_UPDATED)
    connection.defineXML(domain.XMLDesc())
    wait(defined_again)
    tablet = "<input type='tablet' bus='usb'><alias name='ua-{}'/></input>"
    domain.attachDeviceFlags(tablet.format("kept-one"), libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    wait(defined_again)
    hypervisor.do(bus_domain, "Start", paused=True)
    wait((libvirt.VIR_DOMAIN_EVENT_STARTED, 0), (libvirt.VIR_DOMAIN_EVENT_SUSPENDED, 0))
    hypervisor.do(bus_domain, "Resume")
    wait((libvirt.VIR_DOMAIN_EVENT_RESUMED, 0))
    assert connection.lookupByName("told").state()[0] == libvirt.VIR_DOMAIN_RUNNING
    domain.attachDeviceFlags(tablet.format("of-the-hand"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait(("came", "ua-of-the-hand"))
    domain.detachDeviceFlags(tablet.format("of-the-hand"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait(("went", "ua-of-the-hand"))
    domain.attachDeviceFlags(tablet.format("of-the-hand"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
    wait(("came", "ua-of-the-hand"))
    hypervisor.do(bus_domain, "Destroy")
    wait((libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED))
    connection.lookupByName("told").undefine()
    wait((libvirt.VIR_DOMAIN_EVENT_UNDEFINED, 0))
    for number in numbers:
        connection.domainEventDeregisterAny(number)
    connection.close()


def what_a_guest_does_is_told_by_events():
    if not libvirt:
        raise Skip("libvirt's Python module is not installed")
    libvirt.virEventRegisterDefaultImpl()
    connection, heard = open_libvirt(), []
    kinds = {libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE: "lifecycle", libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: "reboot", libvirt.VIR_DOMAIN_EVENT_ID_RTC_CHANGE: "clock",
             libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: "watchdog", libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR: "io", libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: "io-reason",
             libvirt.VIR_DOMAIN_EVENT_ID_GRAPHICS: "graphics", libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR: "control", libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE: "missing",
             libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE: "tray", libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK: "suspend-disk",
             libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: "kept", libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: "metadata",
             libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE: "memory-failure", libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE: "size"}
    numbers = [connection.domainEventRegisterAny(None, kind, lambda _c, _d, *told: heard.append((told[-1], *told[:-1])), name) for kind, name in kinds.items()]
    timer = libvirt.virEventAddTimeout(1000, lambda *_: None, None)

    def wait(*wanted):
        """Waits for an event that begins so; forgets it, and what came before."""
        deadline = time.monotonic() + DEADLINE
        while not any(event[:len(wanted)] == wanted for event in heard):
            assert time.monotonic() < deadline, (wanted, heard)
            libvirt.virEventRunDefaultImpl()
        place = next(i for i, event in enumerate(heard) if event[:len(wanted)] == wanted)
        event = heard[place]
        del heard[:place + 1]
        return event
    first = disk_rig.image("obey.qcow2", disk_rig.OBEDIENT + b"x" * (2 << 16)) if REAL else "/obey.qcow2"
    medium = disk_rig.image("medium.img") if REAL else "/medium.img"
    if REAL:
        disk_rig.spoil(first)
    drive = ("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{}' startupPolicy='optional'/><target dev='{}' bus='ide'/><readonly/></disk>")
    text = hypervisor.document("doing", f"{disk_rig.disk(first)}{drive.format(medium, 'hdc')}{drive.format('/is-not-there.iso', 'hdd')}"
                               "<serial type='pty'/><graphics type='vnc'><listen type='socket'/></graphics><video><model type='vga'/></video>"
                               "<watchdog model='ib700' action='pause'/>", memory=16)
    path = hypervisor.define(text)
    domain = connection.lookupByName("doing")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<a>1</a>", "x", "http://example.org/x", libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    wait("metadata", libvirt.VIR_DOMAIN_METADATA_ELEMENT, "http://example.org/x")
    hypervisor.do(path, "Start")
    if REAL:
        wait("missing", "/is-not-there.iso", None, "ide0-1-1", libvirt.VIR_DOMAIN_EVENT_DISK_CHANGE_MISSING_ON_START)
        console = bus.call(f"{path}/device/serial0", f"{NAME}.Device.Console", "Open", "a{sv}", {})
        read_until(console, b"U")

        def tell(letter, _event):
            os.write(console, letter)
            if letter == b"R":
                read_until(console, b"U")  # its firmware resets more than once
    else:
        def tell(_letter, event):
            bus.call("/org/virtbus1/test", f"{NAME}.Test", "GuestEvent", "ss", "doing", event)
    tell(b"R", "reboot")
    wait("reboot")
    tell(b"C", "clock")
    offset = wait("clock")[1]
    assert offset == 3600 if not REAL else offset > 365 * 24 * 3600, offset
    if REAL:
        cdrom = f"{path}/device/ide0_2d1_2d0"
        assert not bus.get(cdrom, "Device.Disk", "TrayOpen")
        virsh("change-media", "doing", "hdc", "--eject", "--live")
        wait("tray", "ide0-1-0", libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN)
        assert bus.get(cdrom, "Device.Disk", "TrayOpen")
        os.close(console)
        hypervisor.kill_driver()
        console = bus.call(f"{path}/device/serial0", f"{NAME}.Device.Console", "Open", "a{sv}", {})
        bus.wait(lambda: bus.get(cdrom, "Device.Disk", "TrayOpen"), "what the tray is, of the driver's successor")
        virsh("change-media", "doing", "hdc", medium, "--insert", "--live")
        wait("tray", "ide0-1-0", libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE)
        display = bus.get(f"{path}/device/graphics0", "Device.Graphics", "Socket")
        with socket.socket(socket.AF_UNIX) as viewer:
            viewer.connect(display)
            told = wait("graphics", libvirt.VIR_DOMAIN_EVENT_GRAPHICS_CONNECT)
            assert (told[2]["family"], told[2]["service"]) == (libvirt.VIR_DOMAIN_EVENT_GRAPHICS_ADDRESS_UNIX, display), told
        wait("graphics", libvirt.VIR_DOMAIN_EVENT_GRAPHICS_DISCONNECT)
    else:
        for event, *wanted in (("tray", "tray", "virtio-disk0", libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN), ("tray", "tray", "virtio-disk0", libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE),
                               ("control-lost", "control"), ("suspend-to-disk", "suspend-disk"), ("detach-failed", "kept", "virtio-disk0"), ("size", "size", "virtio-disk0", 1 << 20),
                               ("memory-failure", "memory-failure", libvirt.VIR_DOMAIN_EVENT_MEMORY_FAILURE_RECIPIENT_GUEST,
                                libvirt.VIR_DOMAIN_EVENT_MEMORY_FAILURE_ACTION_INJECT, libvirt.VIR_DOMAIN_MEMORY_FAILURE_ACTION_REQUIRED)):
            tell(None, event)
            wait(*wanted)
        tell(None, "client")
        told = wait("graphics", libvirt.VIR_DOMAIN_EVENT_GRAPHICS_CONNECT)
        assert told[2]["node"] == "127.0.0.1" and told[3]["service"] == "40000" and told[4] == "none", told
    tell(b"D", "io-error")
    wait("io", first, "virtio-disk0", libvirt.VIR_DOMAIN_EVENT_IO_ERROR_REPORT)
    wait("io-reason", first, "virtio-disk0", libvirt.VIR_DOMAIN_EVENT_IO_ERROR_REPORT, "" if REAL else "enospc")
    tell(b"W", "watchdog")
    wait("watchdog", libvirt.VIR_DOMAIN_EVENT_WATCHDOG_PAUSE)
    wait("lifecycle", libvirt.VIR_DOMAIN_EVENT_SUSPENDED, libvirt.VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG)
    assert domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_WATCHDOG]
    contains(virsh("domstate", "--reason", "doing"), "paused (watchdog)")
    domain.resume()
    if REAL:
        os.close(console)
    hypervisor.do(path, "Destroy")
    wait("lifecycle", libvirt.VIR_DOMAIN_EVENT_STOPPED)
    hypervisor.do(path, "Undefine")
    for number in numbers:
        connection.domainEventDeregisterAny(number)
    libvirt.virEventRemoveTimeout(timer)


def secrets_are_kept_for_clients_of_libvirt():
    uuid = "0a0b0c0d-1111-4222-8333-444455556666"
    xml = f"<secret ephemeral='yes' private='no'><uuid>{uuid}</uuid><usage type='ceph'><name>client.test</name></usage></secret>"
    virsh("secret-define", write("secret.xml", xml))
    contains(virsh("secret-list"), uuid, "ceph client.test")
    virsh("secret-set-value", uuid, "--file", write("value", "opened"), "--plain")
    assert virsh("secret-get-value", uuid, "--plain") == "opened"
    contains(virsh("secret-dumpxml", uuid), "client.test")
    virsh("secret-undefine", uuid)
    contains(virsh("secret-dumpxml", uuid, fails=True), "no secret")


def need_networks():
    missing = not os.path.exists(f"{BUILD}/drivers/virtbus-network") or not shutil.which("dnsmasq") or not shutil.which("nft")
    if missing or os.geteuid() != 0 or "network" in os.environ.get("VIRTBUS_LEAVE_OUT", "").split():
        raise Skip("no network can be started")


def networks_are_managed_by_clients_of_libvirt():
    need_networks()
    uuid = "0a0b0c0d-2222-4222-8333-444455556666"
    xml = f"<network><name>lan</name><uuid>{uuid}</uuid><bridge name='vbtest9'/><ip address='198.51.100.1' netmask='255.255.255.0'/></network>"
    contains(virsh("net-define", write("lan.xml", xml)), "Network lan defined")
    contains(virsh("net-list", "--all"), "lan", "inactive", "no", "yes")
    assert "lan" not in virsh("net-list")
    assert (virsh("net-uuid", "lan"), virsh("net-name", uuid)) == (uuid, "lan")
    contains(virsh("net-dumpxml", "lan"), uuid, "vbtest9")
    virsh("net-autostart", "lan")
    contains(virsh("net-list", "--all", "--autostart"), "lan")
    assert "lan" not in virsh("net-list", "--all", "--no-autostart")
    virsh("net-autostart", "lan", "--disable")
    contains(virsh("net-start", "lan"), "started")
    contains(virsh("net-list", "--persistent"), "lan", "active")
    contains(virsh("net-info", "lan"), "Active:         yes", "Persistent:     yes", "Autostart:      no", "Bridge:         vbtest9")
    contains(virsh("net-start", "lan", fails=True), "active")
    virsh("net-destroy", "lan")
    contains(virsh("net-create", write("brief.xml", "<network><name>brief</name><bridge name='vbtest8'/></network>")), "created")
    contains(virsh("net-list", "--transient"), "brief")
    virsh("net-destroy", "brief")
    assert "brief" not in virsh("net-list", "--all")
    connection = open_libvirt()
    assert connection.listDefinedNetworks() == ["lan"] and connection.listNetworks() == []
    assert (connection.numOfDefinedNetworks(), connection.numOfNetworks()) == (1, 0)
    refused(libvirt.VIR_ERR_NO_NETWORK, connection.networkLookupByName, "nobody")
    refused(libvirt.VIR_ERR_NO_NETWORK, connection.networkLookupByUUIDString, "00112233-4455-6677-8899-aabbccddeeff")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, connection.networkLookupByName("lan").destroy)
    refused(libvirt.VIR_ERR_XML_DETAIL, connection.networkDefineXML, "<network")
    gone = connection.networkLookupByName("lan")
    virsh("net-undefine", "lan")
    refused(libvirt.VIR_ERR_NO_NETWORK, gone.create)
    refused(libvirt.VIR_ERR_NO_NETWORK, gone.XMLDesc)


def networks_that_run_are_changed_and_their_leases_told_to_clients_of_libvirt():
    need_networks()
    dhcp = "<dhcp><range start='198.51.100.10' end='198.51.100.20'/></dhcp>"
    virsh("net-define", write("lan.xml", f"<network><name>lan</name><bridge name='vbtest9' stp='off'/><ip address='198.51.100.1' netmask='255.255.255.0'>{dhcp}</ip></network>"))
    virsh("net-start", "lan")
    host = "<host mac='52:54:00:00:00:09' name='nine' ip='198.51.100.9'/>"
    contains(virsh("net-update", "lan", "add", "ip-dhcp-host", host, "--live", "--config"), "Updated")
    contains(virsh("net-update", "lan", "add-last", "ip-dhcp-host", host, "--live", fails=True), "already")
    contains(virsh("net-update", "lan", "modify", "ip-dhcp-host", host.replace("100.9'", "100.8'")), "Updated")
    contains(virsh("net-dumpxml", "lan"), "198.51.100.8")
    contains(virsh("net-dumpxml", "lan", "--inactive"), "198.51.100.9")
    contains(virsh("net-update", "lan", "delete", "ip-dhcp-host", "<host mac='52:54:00:00:00:09'/>", "--config"), "persistent config")
    for section, xml in (("dns-txt", "<txt name='a' value='b'/>"), ("dns-host", "<host ip='198.51.100.7'><hostname>seven</hostname></host>"),
                         ("dns-srv", "<srv service='s' protocol='tcp'/>"), ("portgroup", "<portgroup name='fast'/>"), ("ip-dhcp-range", "<range start='198.51.100.30' end='198.51.100.40'/>")):
        for command in ("add-first", "delete"):
            contains(virsh("net-update", "lan", command, section, xml, "--live"), "Updated")
    contains(virsh("net-update", "lan", "modify", "ip", "<ip address='198.51.100.2'/>", fails=True), "'ip'", "define")
    contains(virsh("net-update", "lan", "add", "ip-dhcp-host", host, "--parent-index", "4", fails=True), "parent")
    assert "vbtest9" not in virsh("net-dhcp-leases", "lan")
    refused(libvirt.VIR_ERR_INVALID_ARG, open_libvirt().networkLookupByName("lan").DHCPLeases, "card")
    assert open_libvirt().networkLookupByName("lan").DHCPLeases() == []
    virsh("net-destroy", "lan")
    virsh("net-undefine", "lan")


def what_happens_to_networks_is_told_by_events():
    need_networks()
    if not libvirt:
        raise Skip("libvirt's Python module is not installed")
    libvirt.virEventRegisterDefaultImpl()
    connection, heard = open_libvirt(), []
    timer = libvirt.virEventAddTimeout(1000, lambda *_: None, None)  # the loop looks at the deadline
    number = connection.networkEventRegisterAny(None, libvirt.VIR_NETWORK_EVENT_ID_LIFECYCLE,
                                                lambda _c, network, event, _detail, _data: heard.append((network.name(), event)), None)
    network = connection.networkDefineXML("<network><name>told</name><bridge name='vbtest7'/></network>")
    network.create()
    network.destroy()
    network.undefine()
    connection.networkCreateXML("<network><name>brief</name><bridge name='vbtest7'/></network>").destroy()
    wanted = [("told", libvirt.VIR_NETWORK_EVENT_DEFINED), ("told", libvirt.VIR_NETWORK_EVENT_STARTED), ("told", libvirt.VIR_NETWORK_EVENT_STOPPED),
              ("told", libvirt.VIR_NETWORK_EVENT_UNDEFINED), ("brief", libvirt.VIR_NETWORK_EVENT_STARTED), ("brief", libvirt.VIR_NETWORK_EVENT_STOPPED)]
    deadline = time.monotonic() + DEADLINE
    while heard != wanted:
        assert time.monotonic() < deadline, heard
        libvirt.virEventRunDefaultImpl()
    connection.networkEventDeregisterAny(number)
    libvirt.virEventRemoveTimeout(timer)
    connection.close()


def what_happens_to_secrets_and_agents_is_told_by_events():
    if not libvirt:
        raise Skip("libvirt's Python module is not installed")
    libvirt.virEventRegisterDefaultImpl()
    connection, heard = open_libvirt(), []

    def wait(*events):
        deadline = time.monotonic() + DEADLINE
        while heard != list(events):
            assert time.monotonic() < deadline, heard
            libvirt.virEventRunDefaultImpl()
        heard.clear()

    timer = libvirt.virEventAddTimeout(1000, lambda *_: None, None)  # the loop looks at the deadline
    uuid = "0a0b0c0d-1111-4222-8333-444455556677"
    numbers = [connection.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE,
                                                 lambda _c, secret, event, _detail, _data: heard.append((secret.UUIDString(), event)), None),
               connection.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED,
                                                 lambda _c, secret, _data: heard.append((secret.usageID(), "value")), None)]
    secret = connection.secretDefineXML(f"<secret ephemeral='yes' private='no'><uuid>{uuid}</uuid><usage type='ceph'><name>told</name></usage></secret>")
    wait((uuid, libvirt.VIR_SECRET_EVENT_DEFINED))
    secret.setValue(b"opened")
    wait(("told", "value"))
    secret.undefine()
    wait((uuid, libvirt.VIR_SECRET_EVENT_UNDEFINED))
    for number in numbers:
        connection.secretEventDeregisterAny(number)
    if not REAL:
        agent = connection.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
                                                  lambda _c, domain, state, reason, _data: heard.append((domain.name(), state, reason)), None)
        domain = connection.createXML(hypervisor.document("joined", CHANNEL))
        wait(("joined", libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED, libvirt.VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL))
        connection.domainEventDeregisterAny(agent)
        domain.destroy()
    libvirt.virEventRemoveTimeout(timer)
    connection.close()


def the_machine_is_told():
    contains(virsh("version"), f"Running hypervisor: {'QEMU' if REAL else 'TEST'} ")
    contains(virsh("nodeinfo"), "CPU(s):", f"CPU model:           {os.uname().machine}")
    contains(virsh("nodecpumap"), "CPUs online:")
    contains(virsh("nodememstats"), "total  :")
    contains(virsh("nodecpustats"), "user:")
    assert int(virsh("maxvcpus")) > 0


def a_client_that_speaks_in_pieces_is_understood():
    raw = Raw(name_of())
    two = Raw.packet(Raw.HOSTNAME, serial=7) + Raw.packet(Raw.HOSTNAME, serial=8)
    for byte in two:
        raw.socket.sendall(bytes([byte]))
    assert [raw.hear()[4], raw.hear()[4]] == [7, 8]
    raw.socket.sendall(two + Raw.packet(1, program=Raw.KEEPALIVE, kind=2))
    heard = [raw.hear() for _ in range(3)]
    assert {answer[4] for answer in heard if answer[0] == Raw.PROGRAM} == {7, 8}
    assert (Raw.KEEPALIVE, 2) in [(answer[0], answer[2]) for answer in heard]


def what_a_client_says_harms_nobody_else():
    other = Raw(name_of())
    bad = [b"\0\0\0\1", b"\xff\xff\xff\xff", b"\0\0\0\x1b" + bytes(30), Raw.packet(Raw.LIST, kind=4), Raw.packet(Raw.LIST, kind=77),
           struct.pack(">I", 33554433 + 4)]
    for said in bad:
        raw = Raw()
        raw.socket.sendall(said)
        assert raw.hear() is None, said
    for body in (b"", struct.pack(">I", 0x3FFFFFFF), Raw.text("x")[:6], struct.pack(">I", 4194305) + bytes(8)):
        raw = Raw(name_of())
        raw.call(Raw.LOOKUP, body, serial=3)
        answer = raw.hear()
        assert answer[4:6] == (3, 1) and struct.unpack(">i", answer[6][:4])[0] == 39, answer
        raw.call(Raw.HOSTNAME, serial=4)
        assert raw.hear()[4:6] == (4, 0)
    before_open = Raw()
    before_open.call(Raw.HOSTNAME)
    assert before_open.hear()[5] == 1
    other.call(Raw.HOSTNAME, serial=9)
    assert other.hear()[4:6] == (9, 0)


def descriptors_that_nobody_wants_are_let_go_of():
    raw = Raw(name_of())
    mine, other = socket.socketpair()
    with mine, other:
        body = struct.pack(">I", 2) + Raw.text("web") + bytes(20) + struct.pack(">2I", 0, 0)
        said = Raw.packet(249, body, serial=5, kind=4)  # DOMAIN_OPEN_GRAPHICS
        raw.socket.sendall(said[:7])
        raw.socket.sendall(said[7:])
        for _ in range(2):
            socket.send_fds(raw.socket, [b"\0"], [other.fileno()])
        answer = raw.hear()
        assert answer[4:6] == (5, 1) and struct.unpack(">i", answer[6][:4])[0] == 3, answer
        raw.call(Raw.HOSTNAME, serial=6)
        assert raw.hear()[4:6] == (6, 0)
        other.close()
        mine.settimeout(DEADLINE)
        assert mine.recv(1) == b"", "the other end is still held"
    many = Raw(name_of())
    many.socket.sendall(Raw.packet(249, struct.pack(">I", 33), kind=4))
    assert many.hear() is None


def images_that_a_client_has_open_are_handed_over():
    """By libvirt's own library: nothing is opened by the path, and what was associated is that client's alone."""
    connection, other = open_libvirt(), open_libvirt()
    if not hasattr(libvirt.virDomain, "FDAssociate"):
        raise Skip("libvirt's Python module is of before 9.0")
    paths = [write(f"{name}.raw", "\0" * 65536) for name in ("handed", "plugged", "medium")]
    device = ("<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/nowhere/{0}' fdgroup='{0}'/><target dev='{1}' bus='virtio'/></disk>")
    domain = connection.defineXML(hypervisor.document("handed", device.format("handed", "vda") + "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"))
    files = [os.open(path, os.O_RDWR) for path in paths]
    try:
        contains(refused(libvirt.VIR_ERR_INVALID_ARG, domain.create), "'handed'")
        refused(libvirt.VIR_ERR_INVALID_ARG, domain.FDAssociate, "handed", files[:1], 4)
        refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.FDAssociate, "many", files[:1] * 17)
        domain.FDAssociate("handed", files[:1])
        refused(libvirt.VIR_ERR_INVALID_ARG, other.lookupByName("handed").create)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        pid = hypervisor.pid_of(f"{hypervisor.path}/domain/{domain.UUIDString().replace('-', '_')}")
        domain.FDAssociate("plugged", files[1:2], libvirt.VIR_DOMAIN_FD_ASSOCIATE_SECLABEL_RESTORE)
        domain.attachDevice(device.format("plugged", "vdb"))
        domain.FDAssociate("medium", files[2:])
        domain.updateDeviceFlags(device.format("medium", "sda").replace("'disk'", "'cdrom'").replace("virtio", "sata"), libvirt.VIR_DOMAIN_AFFECT_LIVE)
        opened = {os.path.realpath(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
        assert set(paths) <= opened, opened
        domain.destroy()
        # As long as the client is there it starts it again so.
        domain.create()
        domain.destroy()
        connection.close()
        refused(libvirt.VIR_ERR_INVALID_ARG, other.lookupByName("handed").create)
    finally:
        for fd in files:
            os.close(fd)
        other.lookupByName("handed").undefine()


def many_clients_are_served_at_once():
    clients = [Raw(name_of()) for _ in range(10)]
    for client in clients:
        for serial in range(80):
            client.call(Raw.LOOKUP, Raw.text("web"), serial)
    for client in clients:
        answers = [client.hear() for _ in range(80)]
        assert sorted(answer[4] for answer in answers) == list(range(80))
        assert all(answer[5] == 0 for answer in answers), [answer for answer in answers if answer[5]][0]


def a_client_hears_when_the_service_goes():
    raw = Raw(name_of())
    raw.call(360, serial=2)  # CONNECT_REGISTER_CLOSE_CALLBACK
    assert raw.hear()[4:6] == (2, 0)
    end_process(bus.owner_pid(NAME), signal.SIGTERM)
    answer = raw.hear()
    assert answer[2:4] == (362, 2) and raw.hear() is None, answer
    bus.get("/org/virtbus1", "Manager", "Version")  # the bus starts it again
    Raw(name_of())


def a_domain_is_undefined():
    contains(virsh("undefine", "web"), "undefined")
    assert virsh("list", "--all") == ""


def systemd_can_pass_the_socket():
    path = os.path.join(ROOT, "activated")
    with subprocess.Popen(["systemd-socket-activate", "-E", "DBUS_SESSION_BUS_ADDRESS", "-l", path, f"{BUILD}/client/libvirt/virtbus-libvirt"], env=ENVIRONMENT) as activated:
        wait_listening(path, activated)
        raw = Raw(name_of(), path)
        raw.call(Raw.HOSTNAME, serial=3)
        assert raw.hear()[4:6] == (3, 0)
        raw.socket.close()
        activated.send_signal(signal.SIGTERM)


def wait_read(client):
    """All that it has said was read."""
    deadline = time.monotonic() + DEADLINE
    while struct.unpack("i", fcntl.ioctl(client.socket, termios.TIOCOUTQ, b"\0" * 4))[0]:
        assert time.monotonic() < deadline, "it is not read"
        select.select([], [], [], 0.01)


def told_to_end_it_answers_what_waits_and_ends_well():
    """Each process of a client: before it has opened a connection, within that and with calls at work and waiting; and where the client reads
    nothing, or has asked to close. By systemd, which tells all of them, and where only the one that accepts is told, or is killed."""
    path, service = os.path.join(ROOT, "ending-sock"), bus.owner_pid(NAME)
    assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER: how they end is told to this one
    for way in ("all", "first", "killed"):
        process = subprocess.Popen([f"{BUILD}/client/libvirt/virtbus-libvirt", f"--socket={path}"], env=ENVIRONMENT)
        wait_listening(path, process)
        silent, opening, many, closing, deaf = Raw(None, path), Raw(None, path), *(Raw(name_of(), path) for _ in range(3))
        os.kill(service, signal.SIGSTOP)
        try:
            opening.call(Raw.OPEN, struct.pack(">I", 0x01000000) + Raw.text(name_of()) + struct.pack(">I", 0), 7)
            for serial in range(80):  # more than are at work at once
                many.call(Raw.CAPABILITIES, serial=serial)
            closing.call(Raw.CAPABILITIES, serial=1)
            closing.call(Raw.CLOSE, serial=2)
            for serial in range(20000):  # whose answers find no place in the socket
                deaf.call(Raw.HOSTNAME, serial=serial)
            for client in (opening, many, closing, deaf):
                wait_read(client)
            assert closing.hear()[4:6] == (2, 0)
            with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as file:
                children = [int(pid) for pid in file.read().split()]
            for pid in [process.pid, *(children if way == "all" else [])]:
                os.kill(pid, signal.SIGKILL if way == "killed" else signal.SIGTERM)
            assert process.wait(DEADLINE) == (-signal.SIGKILL if way == "killed" else 0)
            for client, serials in ((silent, []), (opening, [7]), (many, range(80)), (closing, [1])):
                answers = sorted(client.hear()[4:] for _ in serials)
                assert [(serial, status, body[:4]) for serial, status, body in answers] == [(n, 1, struct.pack(">I", 78)) for n in serials], answers
                assert client.hear() is None
            for pid in children:
                try:
                    assert os.waitpid(pid, 0)[1] == 0, way
                except ChildProcessError:  # the one that accepted has heard it first
                    assert way == "all"
        finally:
            os.kill(service, signal.SIGCONT)
    virsh("list", "--all")


def the_process_of_a_client_ends_with_it():
    children = f"/proc/{FACE.pid}/task/{FACE.pid}/children"
    deadline = time.monotonic() + DEADLINE
    while open(children, encoding="utf-8").read().strip():
        assert time.monotonic() < deadline, "processes of clients that have gone are left"
        select.select([], [], [], 0.05)
    FACE.send_signal(signal.SIGTERM)
    assert FACE.wait(DEADLINE) == 0


TESTS = [
    a_client_finds_out_whom_it_speaks_to,
    a_domain_is_defined_and_looked_at,
    a_domain_lives_and_ends,
    a_transient_domain_goes_when_it_ends,
    errors_have_the_numbers_of_libvirt,
    what_is_wrong_first_is_told_as_by_libvirt,
    a_connection_that_was_opened_to_read_changes_nothing,
    what_a_domain_is_given_can_be_changed,
    what_a_domain_may_use_is_told_and_limited,
    what_a_disk_and_a_card_may_use_is_told_and_limited,
    limits_are_refused_by_the_numbers_of_libvirt,
    a_device_is_found_by_its_element,
    what_a_domain_uses_is_told_by_the_names_of_libvirt,
    the_period_of_a_balloons_statistics_changes_in_guest_and_definition,
    a_domain_is_saved_and_goes_on,
    a_screen_is_a_stream,
    what_runs_is_dumped_resized_and_displayed,
    what_is_inside_a_guest_is_told_by_its_agent,
    a_console_is_a_stream_both_ways,
    a_client_whose_process_has_no_descriptors_left_is_refused_what_needs_them,
    images_are_merged_and_copied,
    checkpoints_are_as_with_libvirt,
    snapshots_are_as_with_libvirt,
    what_happens_is_told_by_events,
    what_a_guest_does_is_told_by_events,
    secrets_are_kept_for_clients_of_libvirt,
    networks_are_managed_by_clients_of_libvirt,
    networks_that_run_are_changed_and_their_leases_told_to_clients_of_libvirt,
    what_happens_to_networks_is_told_by_events,
    what_happens_to_secrets_and_agents_is_told_by_events,
    the_machine_is_told,
    a_client_that_speaks_in_pieces_is_understood,
    what_a_client_says_harms_nobody_else,
    descriptors_that_nobody_wants_are_let_go_of,
    *([images_that_a_client_has_open_are_handed_over] if REAL else []),
    many_clients_are_served_at_once,
    a_client_hears_when_the_service_goes,
    a_domain_is_undefined,
    systemd_can_pass_the_socket,
    told_to_end_it_answers_what_waits_and_ends_well,
    the_process_of_a_client_ends_with_it,
]

run(TESTS)
