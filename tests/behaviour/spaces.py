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
    def try_once(family, kind, address):
        """Whether one question is answered."""
        with socket.socket(FAMILIES[family], KINDS[kind]) as asker:
            asker.settimeout(AGAIN)
            asker.connect((address, PORT))
            try:
                asker.send(b"?")
                return bool(asker.recv(1024))
            except (ConnectionRefusedError, TimeoutError):
                return False

    @staticmethod
    def dhcp(mac, hostname="", more=()):
        """The address that DHCP gives a card, RFC 2131, and the options of the answer. MORE: options, each a number and bytes in hexadecimal digits."""
        said = ([(12, hostname.encode())] if hostname else []) + [(code, bytes.fromhex(value)) for code, value in more]
        with dhcp_client() as client:
            offer = dhcp_ask(client, mac, 1, said)
            answer = dhcp_ask(client, mac, 3, [(50, offer["address"]), (54, offer[54])] + said)
            return {"address": socket.inet_ntoa(answer["address"]), "server": socket.inet_ntoa(answer[54]), "seconds": struct.unpack("!I", answer[51])[0]}

    @staticmethod
    def dhcp_many(first, count):
        """The addresses of so many cards, one after the other, by the last two bytes of their own."""
        return [Agent.dhcp(f"52:54:00:78:{number >> 8:02x}:{number & 255:02x}", f"many-{number}")["address"] for number in range(first, first + count)]

    @staticmethod
    def dhcp_release(mac, address, server, client_id):
        """Gives an address back: nothing is answered."""
        identity = [(61, bytes.fromhex(client_id.replace(":", "")))] if client_id else []
        message = dhcp_message(os.urandom(4), mac, 7, [(54, socket.inet_aton(server))] + identity, socket.inet_aton(address))
        with dhcp_client() as client:
            client.sendto(message, ("255.255.255.255", 67))

    @staticmethod
    def dhcp6(duid, iaid, name):
        """The address that DHCPv6 gives a client, RFC 8415: its DUID in hexadecimal digits, the number of what it is for, and its name (RFC 4704)."""
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
            client.bind(("::", 546))
            scope = socket.if_nametoindex("eth0")
            said = dhcp6_option(1, bytes.fromhex(duid)) + dhcp6_option(8, b"\0\0") + dhcp6_option(39, b"\0" + bytes([len(name)]) + name.encode())
            advertised = dhcp6_ask(client, scope, 1, said + dhcp6_option(3, struct.pack("!III", iaid, 0, 0)))
            answer = dhcp6_ask(client, scope, 3, said + dhcp6_option(2, advertised[2]) + dhcp6_option(3, advertised[3]))
            return {"address": socket.inet_ntop(socket.AF_INET6, answer[3][16:32])}


    @staticmethod
    def resolve(server, name, kind):
        """What a DNS server answers, RFC 1035: addresses (KIND 1) or texts (16)."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE)
            question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack("!HH", kind, 1)
            client.sendto(struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + question, (server, 53))
            answer = client.recv(4096)
        count, rest, found = struct.unpack("!H", answer[6:8])[0], answer[12 + len(question):], []
        for _ in range(count):
            rest = rest[2:] if rest[0] & 0xc0 else rest[rest.index(0) + 1:]
            length = struct.unpack("!H", rest[8:10])[0]
            found.append(socket.inet_ntoa(rest[10:14]) if kind == 1 else rest[11:10 + length].decode())
            rest = rest[10 + length:]
        return found


def dhcp_client():
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    client.bind(("", 68))
    return client


def ask_again(client, message, server, is_answer):
    """A card that has just come, or a server that has, may lose the first."""
    client.settimeout(AGAIN)
    for _ in range(int(PATIENCE / AGAIN)):
        client.sendto(message, server)
        try:
            while not is_answer(answer := client.recv(2048)):
                pass
            return answer
        except TimeoutError:
            pass
    raise OSError("no answer")


def dhcp_message(number, mac, kind, options, address=b""):
    message = struct.pack("!BBBB4sHH4s12s16s192s", 1, 1, 6, 0, number, 0, 0x8000, address, b"", bytes.fromhex(mac.replace(":", "")), b"") + b"\x63\x82\x53\x63"
    for code, value in [(53, bytes([kind]))] + options:
        message += bytes([code, len(value)]) + value
    return message + b"\xff"


def dhcp6_option(code, value):
    return struct.pack("!HH", code, len(value)) + value


def dhcp6_ask(client, scope, kind, options):
    number = os.urandom(3)
    answer = ask_again(client, bytes([kind]) + number + options, ("ff02::1:2", 547, 0, scope), lambda answer: answer[1:4] == number)
    found, rest = {}, answer[4:]
    while len(rest) >= 4:
        code, length = struct.unpack("!HH", rest[:4])
        found[code], rest = rest[4:4 + length], rest[4 + length:]
    return found


def dhcp_ask(client, mac, kind, options):
    number = os.urandom(4)
    answer = ask_again(client, dhcp_message(number, mac, kind, options), ("255.255.255.255", 67), lambda answer: answer[4:8] == number)
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
