#!/usr/bin/env python3
"""Measures how large a program is, how long it takes to start, and how much memory it
has when it serves and nothing happens.

Usage: tests/measure/start.py PROGRAM...

The least of interleaved runs, as other work on the machine can only add to it: --version,
from start to end; and a server, from start to the line that says where it listens. Memory
is the median of the most that was resident (VmHWM), and of what is the process's own
(RssAnon).
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 51


def version(program):
    begin = time.monotonic()
    subprocess.run([program, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


def memory(process):
    fields = {}
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        for line in status:
            name, _, value = line.partition(":")
            fields[name] = value.split()
    return int(fields["VmHWM"][0]), int(fields["RssAnon"][0])


def serve(program):
    options = ["--no-daemon", "--log", "--no-syslog", "--port=0", "--interface=127.0.0.1"]
    if os.geteuid() == 0:
        options.append("--user=root")
    with tempfile.TemporaryDirectory() as spool:
        begin = time.monotonic()
        command = [program, *options, "--spool-dir", spool]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            while "smtp server on " not in process.stderr.readline():
                if process.poll() is not None:
                    sys.exit(f"{program} does not serve")
            took = time.monotonic() - begin
            time.sleep(0.2)
            used = memory(process)
            process.terminate()
    return took, *used


def main(programs):
    found = {program: [] for program in programs}
    for _ in range(RUNS):
        for program in programs:
            found[program].append((version(program), *serve(program)))
    print("octets     --version  serving   VmHWM     RssAnon   program")
    for program, runs in found.items():
        ran, served = (min(column) for column in list(zip(*runs))[:2])
        resident, own = (statistics.median(column) for column in list(zip(*runs))[2:])
        size = os.path.getsize(program)
        print(f"{size:<10} {ran * 1000:5.1f} ms  {served * 1000:5.1f} ms", end="  ")
        print(f"{resident:5.0f} KiB {own:5.0f} KiB  {program}")


if len(sys.argv) < 2:
    sys.exit(__doc__)
main(sys.argv[1:])
