# SPDX-License-Identifier: LGPL-2.1-or-later
"""What stands for an ESX host or a vCenter (tests/tools/vcsim), and who changes things there behind virtbus's back."""

import hashlib
import os
import re
import signal
import ssl
import subprocess
import urllib.request
from xml.sax.saxutils import escape

from rig import ROOT, Skip

VCSIM = os.environ.get("VIRTBUS_VCSIM", "")
USER, PASSWORD = "user", "pass"
ENVELOPE = ('<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>{}</soapenv:Body></soapenv:Envelope>')


class Simulator:
    """One that runs; its certificate is believed by the driver if TRUSTED."""

    def __init__(self, esx=True, machines=2, trusted=True, port=0):
        if not os.access(VCSIM, os.X_OK):
            raise Skip("vcsim is not there: it needs golang-go and golang-github-vmware-govmomi-dev")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)  # tests have a network of their own
        self.process = subprocess.Popen([VCSIM, f"-esx={str(esx).lower()}", f"-vm={machines}", f"-l=127.0.0.1:{port}", *os.environ.get("VCSIM_OPTIONS", "").split()], text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "TMPDIR": ROOT})
        self.port = int(self.process.stdout.readline())
        self.scheme = "esx" if esx else "vpx"
        self.certificate = ssl.get_server_certificate(("127.0.0.1", self.port))
        if trusted:
            with open(f"{ROOT}/authorities.pem", "w", encoding="ascii") as file:
                file.write(self.certificate)
        context = ssl.create_default_context(cadata=self.certificate)
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor())
        self.logged_in = False

    def uri(self, path="", **parameters):
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"{self.scheme}://127.0.0.1:{self.port}/{path}{query and '?' + query}"

    def fingerprint(self):
        """SHA-256 of its public key."""
        key = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=self.certificate, capture_output=True, text=True, check=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key.encode(), capture_output=True, check=True).stdout
        return hashlib.sha256(der).hexdigest()

    def tell(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().removeprefix("done").strip()

    def counts(self):
        return {name: int(n) for name, n in (pair.split("=") for pair in self.tell("counts").split())}

    def end(self):
        self.process.kill()
        self.process.wait()

    def stop(self, stops=True):
        self.process.send_signal(signal.SIGSTOP if stops else signal.SIGCONT)

    # Somebody else

    def ask(self, body):
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}/sdk", ENVELOPE.format(body).encode(), {"Content-Type": "text/xml", "X-Somebody-Else": "1"})
        with self.opener.open(request, timeout=60) as answer:
            return answer.read().decode()

    def method(self, name, kind, value, arguments=""):
        """Calls a method of an object; returns what it returns, as text."""
        if not self.logged_in:
            self.logged_in = True
            self.method("Login", "SessionManager", "ha-sessionmgr" if self.scheme == "esx" else "SessionManager",
                        f"<userName>{USER}</userName><password>{PASSWORD}</password>")
        return self.ask(f'<{name} xmlns="urn:vim25"><_this type="{kind}">{value}</_this>{arguments}</{name}>')

    def machines(self):
        """The references of machines, by name."""
        root = "ha-folder-root" if self.scheme == "esx" else "group-d1"
        view = re.search(r"<returnval[^>]*>([^<]*)<", self.method(
            "CreateContainerView", "ViewManager", "ViewManager",
            f'<container type="Folder">{root}</container><type>VirtualMachine</type><recursive>true</recursive>')).group(1)
        answer = self.method(
            "RetrievePropertiesEx", "PropertyCollector", "ha-property-collector" if self.scheme == "esx" else "propertyCollector",
            '<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet></propSet><objectSet>'
            f'<obj type="ContainerView">{view}</obj><skip>true</skip><selectSet xsi:type="TraversalSpec"><name>v</name><type>ContainerView</type>'
            '<path>view</path><skip>false</skip></selectSet></objectSet></specSet><options></options>')
        return {name: value for value, name in re.findall(r'<obj type="VirtualMachine">([^<]*)</obj>.*?<val[^>]*>([^<]*)</val>', answer, re.DOTALL)}

    def do(self, name, method, arguments=""):
        """Has a method do something to a machine."""
        return self.method(method, "VirtualMachine", self.machines()[name], arguments)

    def reconfigure(self, machine, **values):
        self.do(machine, "ReconfigVM_Task", f"<spec>{''.join(f'<{key}>{escape(str(value))}</{key}>' for key, value in values.items())}</spec>")
