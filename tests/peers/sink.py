"""An SMTP server for tests: stores each message in a file of its own.

Usage: sink.py HOST:PORT DIRECTORY [defer-every-third]
"""
import os
import socketserver
import sys
import threading

(host, port), directory = sys.argv[1].split(":"), sys.argv[2]
defer = len(sys.argv) > 3
lock = threading.Lock()
counts = {"rcpt": 0, "stored": 0}


class Session(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 python.test ready")
        recipients = 0
        while line := self.rfile.readline():
            verb = line.split()[0].upper() if line.split() else b""
            if verb == b"EHLO":
                self.say("250-python.test")
                self.say("250-PIPELINING")
                self.say("250 8BITMIME")
            elif verb == b"MAIL":
                recipients = 0
                self.say("250 fine")
            elif verb == b"RCPT":
                with lock:
                    counts["rcpt"] += 1
                    refused = defer and counts["rcpt"] % 3 == 0
                recipients += not refused
                self.say("451 4.7.1 come back later" if refused else "250 fine")
            elif verb == b"DATA" and recipients:
                self.say("354 go")
                self.store()
                self.say("250 stored")
            elif verb == b"DATA":
                self.say("503 no recipients")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def store(self):
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        with lock:
            counts["stored"] += 1
            name = os.path.join(directory, "%d.eml" % counts["stored"])
        with open(name, "wb") as file:
            file.writelines(lines)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


Server((host, int(port)), Session).serve_forever()
