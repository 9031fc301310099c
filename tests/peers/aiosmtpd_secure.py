"""aiosmtpd with STARTTLS and AUTH, both required; prints its port.

Usage: aiosmtpd_secure.py CERTIFICATE KEY
"""
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult, LoginPassword


def authenticate(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=data == LoginPassword(b"bob", b"secret pw"), handled=False)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
controller = Controller(
    Sink(),
    hostname="127.0.0.1",
    port=free_port(),
    tls_context=context,
    require_starttls=True,
    authenticator=authenticate,
    auth_required=True,
)
controller.start()
print(controller.port, flush=True)
threading.Event().wait()
