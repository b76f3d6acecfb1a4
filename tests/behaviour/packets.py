# SPDX-License-Identifier: LGPL-2.1-or-later
"""Frames of Ethernet, and which of them the filters that libvirt ships let pass."""

import socket
import struct

MAC, PEER, GATEWAY, STRANGER, ALL = "525400000001", "525400000002", "5254000000fe", "525400000009", "ff" * 6
SENTINEL = 0x9999


def ethernet(payload, kind, target=PEER, source=MAC):
    return bytes.fromhex(target + source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def ipv4(source, target, protocol, payload=b"", dscp=0):
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = [0x45, dscp << 2, 20 + len(payload), 0, 0, 64, protocol, 0]
    total = sum(struct.unpack("!10H", struct.pack("!BBHHHBBH", *header) + addresses))
    header[-1] = ~(total % 0xffff) & 0xffff
    return struct.pack("!BBHHHBBH", *header) + addresses + payload


def udp(source, target):
    return struct.pack("!HHHH", source, target, 8, 0)


def tcp(source, target, flags=0x02):
    return struct.pack("!HHIIBBHHH", source, target, 0, 0, 0x50, flags, 0, 0, 0)


def arp(source_mac, source, operation=1, target_mac="00" * 6, target="10.0.0.9"):
    return (struct.pack("!HHBBH", 1, 0x800, 6, 4, operation) + bytes.fromhex(source_mac) + socket.inet_aton(source) + bytes.fromhex(target_mac) +
            socket.inet_aton(target))


IPV6 = bytes([0x60, 0, 0, 0, 0, 0, 59, 64]) + b"\xfe\x80" + b"\0" * 13 + b"\x01" + b"\xfe\x80" + b"\0" * 13 + b"\x02"


FILTERS = ["clean-traffic", "clean-traffic-gateway", "no-mac-spoofing", "no-ip-spoofing", "no-arp-spoofing", "no-ip-multicast", "no-mac-broadcast"]
OWN = ipv4("10.0.0.1", "10.0.0.9", 17, udp(1, 2))
DHCP = ipv4("0.0.0.0", "255.255.255.255", 17, udp(68, 67))
TABLE = [  # what a guest sends, and whether each lets it pass
    ("its own IPv4", ethernet(OWN, 0x800), "P.PPPPP"),
    ("the same to the gateway", ethernet(OWN, 0x800, GATEWAY), "PPPPPPP"),
    ("IPv4 of another", ethernet(ipv4("10.0.0.2", "10.0.0.9", 17, udp(1, 2)), 0x800), "..P.PPP"),
    ("the same to the gateway", ethernet(ipv4("10.0.0.2", "10.0.0.9", 17, udp(1, 2)), 0x800, GATEWAY), "..P.PPP"),
    ("IPv4 by another's card", ethernet(OWN, 0x800, source=STRANGER), "...PPPP"),
    ("what asks for an address", ethernet(DHCP, 0x800, ALL), "P.PPPP."),
    ("TCP without an address", ethernet(ipv4("0.0.0.0", "10.0.0.9", 6, tcp(1, 2)), 0x800), "..P.PPP"),
    ("its own ARP", ethernet(arp(MAC, "10.0.0.1"), 0x806, ALL), "PPPPPPP"),
    ("ARP of another card", ethernet(arp(STRANGER, "10.0.0.1"), 0x806, ALL), "..PP.PP"),
    ("ARP of another's address", ethernet(arp(MAC, "10.0.0.2"), 0x806, ALL), "..PP.PP"),
    ("IPv4 to a group", ethernet(ipv4("10.0.0.1", "224.0.0.1", 17, udp(1, 2)), 0x800, "01005e000001"), "P.PPP.P"),
    ("IPv6", ethernet(IPV6, 0x86dd), "..PPPPP"),
    ("IPv6 to the gateway", ethernet(IPV6, 0x86dd, GATEWAY), ".PPPPPP"),
    ("LLDP", ethernet(b"", 0x88cc), "..PPPPP"),
    ("a VLAN's", ethernet(struct.pack("!HH", 5, 0x800) + OWN, 0x8100), "..PPPPP"),
    ("RARP of a guest that has moved", ethernet(arp(MAC, "0.0.0.0", 3, MAC, "0.0.0.0"), 0x8035, ALL), "PPPPPPP"),
    ("RARP of another", ethernet(arp(STRANGER, "0.0.0.0", 3, STRANGER, "0.0.0.0"), 0x8035, ALL), "..PPPPP"),
]
