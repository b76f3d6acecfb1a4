# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other machines on a network: network namespaces, each with a program in it that does what it is told.

Usage: spaces.Space("g1") and the methods of Agent, which run in there.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading

PORT = 7
PATIENCE = 60  # what is answered is answered at once: this only ends a test that fails
AGAIN = 0.5  # UDP may lose a packet: the first one of IPv6 does, while the kernel looks for the neighbour
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
KINDS = {"udp": socket.SOCK_DGRAM, "tcp": socket.SOCK_STREAM}


def shell(command):
    return subprocess.run(command, shell=True, check=True, capture_output=True, encoding="utf-8").stdout


class Space:
    """A network namespace, or with OWN=False the test's."""

    def __init__(self, name, own=True):
        self.name = name
        command = ([] if not own else ["unshare", "--net", "--"]) + [sys.executable, __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")
        self.pid = self.do("pid")

    def do(self, method, *arguments):
        self.process.stdin.write(json.dumps([method, arguments]) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{self.name}: {method} {arguments}: {answer['error']}")
        return answer["answer"]

    def attach(self, bridge, *addresses, gateways=(), mac=""):
        """A card of its own, eth0, with its other end in a bridge, or with "" in none."""
        end = f"v-{self.name}"
        shell(f"ip link add {end} type veth peer name eth0 {mac and 'address ' + mac} netns {self.pid}")
        if bridge:
            shell(f"ip link set {end} master {bridge}")
        shell(f"ip link set {end} up")
        # No address but those that it is given.
        self.do("shell", "echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_ra; ip link set lo up; ip link set eth0 up")
        for address in addresses:
            self.do("shell", f"ip addr add {address} dev eth0 {'nodad' if ':' in address else ''}")
        for gateway in gateways:
            self.do("shell", f"ip route add default via {gateway}")
        return end

    def leave(self):
        self.process.stdin.close()
        self.process.wait()


class Agent:
    """What runs there."""

    @staticmethod
    def pid():
        return os.getpid()

    @staticmethod
    def shell(command):
        return shell(command)

    @staticmethod
    def serve():
        """Says to each who asks where that has come from."""
        for family in FAMILIES.values():
            for kind in KINDS.values():
                listener = socket.socket(family, kind)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                listener.bind(("", PORT))
                if kind == socket.SOCK_STREAM:
                    listener.listen()
                threading.Thread(target=answer_all, args=(listener, kind), daemon=True).start()

    @staticmethod
    def ask(family, kind, address, port=0):
        """From which address and port a question has come, as who was asked has seen it; "rejected" where the host says so."""
        with socket.socket(FAMILIES[family], KINDS[kind]) as asker:
            asker.bind(("", port))
            asker.settimeout(PATIENCE if kind == "tcp" else AGAIN)
            for _ in range(int(PATIENCE / AGAIN)):
                try:
                    asker.connect((address, PORT))
                    asker.send(b"?")
                    return asker.recv(1024).decode().split(" ")
                except ConnectionRefusedError:
                    return "rejected"
                except TimeoutError:
                    pass
            raise OSError("no answer")

    @staticmethod
    def dhcp(mac, hostname):
        """The address that DHCP gives a card, RFC 2131, and the options of the answer."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            client.bind(("", 68))
            offer = dhcp_ask(client, mac, 1, [(12, hostname.encode())])
            wanted = [(50, offer["address"]), (54, offer[54]), (12, hostname.encode())]
            answer = dhcp_ask(client, mac, 3, wanted)
            return {"address": socket.inet_ntoa(answer["address"]), "server": socket.inet_ntoa(answer[54]), "seconds": struct.unpack("!I", answer[51])[0]}


def dhcp_ask(client, mac, kind, options):
    number = os.urandom(4)
    message = struct.pack("!BBBB4sHH16s16s192s", 1, 1, 6, 0, number, 0, 0x8000, b"", bytes.fromhex(mac.replace(":", "")), b"") + b"\x63\x82\x53\x63"
    for code, value in [(53, bytes([kind]))] + options:
        message += bytes([code, len(value)]) + value
    client.sendto(message + b"\xff", ("255.255.255.255", 67))
    while True:
        answer = client.recv(2048)
        if answer[4:8] == number:
            break
    found, rest = {"address": answer[16:20]}, answer[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        found[rest[0]], rest = rest[2:2 + rest[1]], rest[2 + rest[1]:]
    return found


def answer_all(listener, kind):
    while True:
        if kind == socket.SOCK_DGRAM:
            _, peer = listener.recvfrom(1024)
            listener.sendto(f"{peer[0]} {peer[1]}".encode(), peer)
        else:
            connection, peer = listener.accept()
            with connection:
                connection.recv(1)
                connection.send(f"{peer[0]} {peer[1]}".encode())


def serve_agent():
    for line in sys.stdin:
        method, arguments = json.loads(line)
        try:
            answer = {"answer": getattr(Agent, method)(*arguments)}
        except (OSError, subprocess.CalledProcessError) as error:
            answer = {"error": f"{error} {getattr(error, 'stderr', '')}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve_agent()
