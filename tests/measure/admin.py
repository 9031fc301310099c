#!/usr/bin/env python3
"""Measures the administration interface with a long queue, and what an SMTP client
notices meanwhile. Usage: admin.py PROGRAM MESSAGES [FOLDER]"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

PROMPT = b"E-MailRelay> "
ENVELOPE = "".join(
    f"X-MailRelay-{name}:{value}\r\n"
    for name, value in [
        ("Format", " #2821.6"),
        ("Content", " 7bit"),
        ("From", " a@x.test"),
        ("ToCount", " 1"),
        ("To-Remote", " b@y.test"),
        ("Authentication", " "),
        ("Client", " 127.0.0.1"),
        ("ClientCertificate", " "),
        ("MailFromAuthIn", " "),
        ("MailFromAuthOut", " "),
        ("ForwardTo", " "),
        ("ForwardToAddress", " "),
        ("End", " 1"),
    ]
)


def fill(spool, messages):
    for number in range(messages):
        stem = f"{spool}/emailrelay.1.{1_700_000_000 + number}.{10_000_000_000 + number}"
        with open(stem + ".content", "w") as file:
            file.write("Subject: x\r\n\r\nx\r\n")
        with open(stem + ".envelope", "w") as file:
            file.write(ENVELOPE)


def start(program, spool):
    command = [program, "--no-daemon", "--user=root", "--log", "--no-syslog", "--domain", "x.test"]
    command += ["--port", "0", "--admin", "0", "--metrics", "0", "--interface", "127.0.0.1"]
    process = subprocess.Popen(command + ["--spool-dir", spool], stderr=subprocess.PIPE, text=True)
    places = {}
    while len(places) < 3:
        found = re.search(r"(\w+) server on 127\.0\.0\.1:(\d+)", process.stderr.readline())
        if found:
            places[found[1]] = int(found[2])
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process, places


def memory(process, what):
    with open(f"/proc/{process.pid}/status") as file:
        return int(re.search(what + r":\s+(\d+)", file.read())[1])


class Noops(threading.Thread):
    """An SMTP client that says NOOP again and again."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.recv(1000)
        self.times = []
        self.stop = False

    def run(self):
        for number in range(10**9):
            if self.stop:
                return
            if number % 100 == 99:  # so that it does not count as junk
                for line in [b"MAIL FROM:<a@x.test>\r\n", b"RSET\r\n"]:
                    self.socket.sendall(line)
                    self.socket.recv(1000)
            began = time.perf_counter()
            self.socket.sendall(b"NOOP\r\n")
            self.socket.recv(1000)
            self.times.append(time.perf_counter() - began)
            time.sleep(0.0005)


def main():
    program, messages = sys.argv[1], int(sys.argv[2])
    spool = tempfile.mkdtemp(dir=sys.argv[3] if len(sys.argv) > 3 else None)
    fill(spool, messages)
    process, places = start(program, spool)
    admin = socket.create_connection(("127.0.0.1", places["admin"]))

    def ask(command):
        admin.sendall(command.encode() + b"\n")
        answer = b""
        while not answer.endswith(PROMPT):
            answer += admin.recv(1 << 16)
        return answer

    def metrics():
        url = f"http://127.0.0.1:{places['metrics']}/metrics"
        return urllib.request.urlopen(url).read()

    def fail_all():
        for name in os.listdir(spool):
            if name.endswith(".envelope"):
                os.rename(f"{spool}/{name}", f"{spool}/{name}.bad")

    print(f"{messages} messages; memory at rest {memory(process, 'VmRSS')} KiB")
    steps = [
        ("pid", lambda: ask("pid")),
        ("list", lambda: ask("list")),
        ("list again", lambda: ask("list")),
        ("status", lambda: ask("status")),
        ("metrics", metrics),
        ("failures", lambda: ask("failures")),
    ]
    steps.append(("unfail-all", lambda: ask("unfail-all")))
    for name, step in steps:
        if name == "unfail-all":
            fail_all()
        time.sleep(6)  # what is known of the queue is good for five seconds
        noops = Noops(places["smtp"])
        noops.start()
        time.sleep(0.5)
        before = len(noops.times)
        began = time.perf_counter()
        answer = step()
        took = time.perf_counter() - began
        during = noops.times[before:] or [0]
        noops.stop = True
        noops.join()
        print(
            f"{name}: {took * 1000:.1f} ms, {len(answer)} octets; NOOP meanwhile: "
            f"median {sorted(during)[len(during) // 2] * 1000:.2f} ms, "
            f"longest {max(during) * 1000:.2f} ms (before: "
            f"{sorted(noops.times[:before])[before // 2] * 1000:.2f} ms); "
            f"memory {memory(process, 'VmRSS')} KiB, at most {memory(process, 'VmHWM')} KiB"
        )
    process.terminate()
    process.wait()
    shutil.rmtree(spool)


main()
