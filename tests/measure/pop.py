#!/usr/bin/env python3
"""Measures a POP session with a large maildrop, by mailbench, and what an SMTP client
notices meanwhile. Usage: pop.py PROGRAM MESSAGES FOLDER MAILBENCH"""

import os
import re
import socket
import subprocess
import sys
import threading
import time

FIELDS = ["Format: #2821.6", "Content: 8bit", "From: a@b", "ToCount: 1", "To-Remote: c@d",
          "Authentication: ", "Client: 127.0.0.1", "ClientCertificate: ", "MailFromAuthIn: ",
          "MailFromAuthOut: ", "ForwardTo: ", "ForwardToAddress: ", "End: 1"]
ENVELOPE = "".join(f"X-MailRelay-{field}\r\n" for field in FIELDS).encode()
CONTENT = b"Subject: x\r\n\r\n" + (b"0123456789" * 6 + b"\r\n") * 30


def fill(spool, count):
    os.makedirs(spool)
    for number in range(count):
        path = f"{spool}/emailrelay.1.{1700000000 + number}.10000000001"
        for suffix, octets in ((".content", CONTENT), (".envelope", ENVELOPE)):
            with open(path + suffix, "wb") as file:
                file.write(octets)
    # Sizes are remembered only of files that have not just changed.
    time.sleep(4)


def ports(log):
    found = {}
    while len(found) < 2:
        time.sleep(0.1)
        with open(log) as file:
            found = dict(re.findall(r"(smtp|pop) server on 127.0.0.1:(\d+)", file.read()))
    return found["smtp"], found["pop"]


class Noticing(threading.Thread):
    """An SMTP client that says NOOP, in sessions of some commands each."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.times, self.stopping = int(port), [], False

    def run(self):
        while not self.stopping:
            with socket.create_connection(("127.0.0.1", self.port)) as connection:
                replies = connection.makefile("rb")
                replies.readline()
                connection.sendall(b"EHLO x\r\n")
                while replies.readline()[3:4] == b"-":
                    pass
                for _ in range(150):
                    began = time.perf_counter()
                    connection.sendall(b"NOOP\r\n")
                    replies.readline()
                    self.times.append(time.perf_counter() - began)
                    time.sleep(0.005)

    def report(self, name, process):
        times = sorted(self.times)
        self.times.clear()
        with open(f"/proc/{process.pid}/status") as file:
            memory = re.search(r"VmRSS:\s+(\d+)", file.read())[1]
        median, longest = times[len(times) // 2] * 1e3, times[-1] * 1e3
        print(f"{name}: NOOP median {median:.2f} ms, longest {longest:.2f} ms; {memory} KiB")


def main():
    program, count, folder, mailbench = sys.argv[1:5]
    spool, secrets, log = (f"{folder}/{name}" for name in ("spool", "secrets", "log"))
    fill(spool, int(count))
    with open(secrets, "w") as file:
        file.write("server plain a b\n")
    os.chmod(secrets, 0o600)
    arguments = ["--no-daemon", "--user=root", "--no-syslog", "--log", "--pop", "--pop-port=0", "--port=0",
                 "--interface=127.0.0.1", "--pop-auth", secrets, "--spool-dir", spool]
    with open(log, "w") as file:
        process = subprocess.Popen([program] + arguments, stderr=file)
    smtp, pop = ports(log)
    noticing = Noticing(smtp)
    noticing.start()
    time.sleep(1)
    noticing.report("at rest", process)
    for further in ([], ["--dele", "1000"]):
        session = [mailbench, "pop", "--target", f"127.0.0.1:{pop}", "--user", "a",
                   "--password", "b", "--pid", str(process.pid), "--retr", "1000"]
        subprocess.run(session + further, check=True)
        noticing.report("meanwhile", process)
    noticing.stopping = True
    noticing.join()
    process.terminate()
    process.wait()


main()
