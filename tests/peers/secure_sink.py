"""An SMTP server with TLS and AUTH for tests, which may misbehave as told.

Usage: secure_sink.py DIRECTORY [NAME=VALUE]...

Listens on a free port, which it prints. Appends what happens to the file
"transcript" in the directory, and stores messages there as 1.eml, 2.eml, ...

  tls=starttls|implicit|none   how it encrypts
  certificate=FILE key=FILE    what it shows
  clients=FILE                 clients need a certificate by this authority
  version=1.2|1.3              the only version that it speaks
  reply=TEXT                   instead of "220 go" to STARTTLS, | for CRLF
  stall=yes                    says nothing in the handshake
  cut=COMMAND                  answers with half a reply and an end of the TCP
                               connection that TLS does not announce
  auth=NAMES                   mechanisms offered, once encrypted
  clear=NAMES                  mechanisms offered in clear
  fail=CODE                    refuses all logins so
"""
import base64
import hashlib
import hmac
import json
import os
import socket
import ssl
import sys
import threading

USER, PASSWORD, TOKEN = b"bob", b"secret pw", b"token"
directory = sys.argv[1]
options = dict(word.split("=", 1) for word in sys.argv[2:])
lock = threading.Lock()
stored = 0


def note(line):
    with lock, open(os.path.join(directory, "transcript"), "a") as file:
        file.write(line + "\n")


def tls_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options["certificate"], options["key"])
    if "clients" in options:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(options["clients"])
    if "version" in options:
        version = getattr(ssl.TLSVersion, "TLSv" + options["version"].replace(".", "_"))
        context.minimum_version = context.maximum_version = version
    context.sni_callback = lambda _socket, name, _context: note("SNI %s" % name)
    return context


class Session:
    def __init__(self, stream):
        self.stream = stream
        self.buffer = b""
        self.encrypted = False

    def say(self, text):
        self.stream.sendall(text.replace("|", "\r\n").encode() + b"\r\n")

    def line(self):
        while b"\n" not in self.buffer:
            data = self.stream.recv(65536)
            if not data:
                raise EOFError
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r")

    def encrypt(self):
        if options.get("stall"):
            self.stream.recv(65536)
            threading.Event().wait(60)
        self.stream = tls_context().wrap_socket(self.stream, server_side=True)
        self.encrypted, self.buffer = True, b""
        subject = self.stream.getpeercert() if "clients" in options else None
        names = [value for part in (subject or {}).get("subject", ()) for _, value in part]
        note("TLS %s %s" % (self.stream.version(), ",".join(names)))

    def run(self):
        if options.get("tls") == "implicit":
            self.encrypt()
        self.say("220 secure.test ready")
        while True:
            line = self.line().decode("latin-1")
            note("%s %s" % ("S" if self.encrypted else "C", line))
            verb = line.split(" ")[0].upper()
            if verb == options.get("cut"):
                self.stream.sendall(b"250-half")
                socket.socket.shutdown(self.stream, socket.SHUT_RDWR)
                return
            if verb == "QUIT":
                self.say("221 bye")
                return
            handler = getattr(self, "on_" + verb.lower(), None)
            if handler:
                handler(line)
            else:
                self.say("250 fine")

    def on_ehlo(self, _line):
        offers = ["secure.test"]
        if options.get("tls") == "starttls" and not self.encrypted:
            offers.append("STARTTLS")
        names = options.get("auth" if self.encrypted else "clear")
        if names:
            offers.append("AUTH " + names)
        offers.append("SIZE 0")
        last = len(offers) - 1
        for index, offer in enumerate(offers):
            self.say("250%s%s" % (" " if index == last else "-", offer))

    def on_starttls(self, _line):
        reply = options.get("reply", "220 go")
        self.say(reply)
        if reply.startswith("220 "):
            self.encrypt()

    def on_auth(self, line):
        _, name, *initial = line.split(" ")
        granted = self.check(name, initial[0] if initial else None)
        if "fail" in options:
            self.say(options["fail"] + " 5.7.8 wrong credentials")
        else:
            self.say("235 welcome" if granted else "535 5.7.8 wrong credentials")

    def ask(self, challenge):
        self.say("334 " + base64.b64encode(challenge).decode())
        return base64.b64decode(self.line())

    def check(self, name, initial):
        first = base64.b64decode(initial) if initial not in (None, "=") else initial
        if name == "PLAIN":
            return (first or self.ask(b"")) == b"\0" + USER + b"\0" + PASSWORD
        if name == "LOGIN":
            user = first if first is not None else self.ask(b"Username:")
            return user == USER and self.ask(b"Password:") == PASSWORD
        if name.startswith("CRAM-"):
            challenge = b"<123.456@secure.test>"
            digest = hmac.new(PASSWORD, challenge, getattr(hashlib, name[5:].lower())).hexdigest()
            return self.ask(challenge) == USER + b" " + digest.encode()
        if name in ("XOAUTH2", "OAUTHBEARER"):
            start = b"user=" if name == "XOAUTH2" else b"n,a="
            if first.startswith(start + USER) and b"auth=Bearer " + TOKEN + b"\1" in first:
                return True
            acknowledgement = self.ask(json.dumps({"status": "401"}).encode())
            note("acknowledged with %r" % acknowledgement)
            return False
        return name == "EXTERNAL" and initial == "="

    def on_data(self, _line):
        global stored
        self.say("354 go")
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        with lock:
            stored += 1
            name = "%d.eml" % stored
        with open(os.path.join(directory, name), "wb") as file:
            file.write(b"".join(line + b"\r\n" for line in lines))
        self.say("250 stored")


def serve(stream):
    try:
        with stream:
            Session(stream).run()
    except EOFError:
        note("end")
    except OSError as error:
        note("trouble: %s" % error)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
