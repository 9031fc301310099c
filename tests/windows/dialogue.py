"""What a client does to the relay on the loopback. Usage: dialogue.py PORT WHAT"""

import smtplib
import socket
import sys

PATIENCE = 60  # seconds

port = int(sys.argv[1])


def message():
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE) as client:
        assert client.sendmail("a@b.test", ["c@d.test"], "Subject: x\r\n\r\nhi\r\n") == {}


def idle():
    """Says when it is greeted, and waits until it is told of the end."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        said = client.recv(1000)
        print("greeted", flush=True)
        while piece := client.recv(1000):
            said += piece
        assert said.startswith(b"220 mail.test ") and b"\r\n421 " in said, said


def terminate():
    with socket.create_connection(("127.0.0.1", port + 1), PATIENCE) as client:
        client.sendall(b"terminate\r\n")
        try:
            while client.recv(1000):
                pass
        except ConnectionResetError:
            pass


{"message": message, "idle": idle, "terminate": terminate}[sys.argv[2]]()
