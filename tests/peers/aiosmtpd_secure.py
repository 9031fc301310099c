"""aiosmtpd with STARTTLS and AUTH, both required; prints its port when it is ready.

Usage: aiosmtpd_secure.py CERTIFICATE KEY HOST:PORT
"""
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult, LoginPassword


def authenticate(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=data == LoginPassword(b"bob", b"secret pw"), handled=False)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])
host, port = sys.argv[3].split(":")
controller = Controller(
    Sink(),
    hostname=host,
    port=int(port),
    tls_context=context,
    require_starttls=True,
    authenticator=authenticate,
    auth_required=True,
    ready_timeout=60,
)
controller.start()
print(controller.port, flush=True)
threading.Event().wait()
