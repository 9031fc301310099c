#!/usr/bin/python3
"""Signs messages with DKIM (RFC 6376), by the Python package dkimpy (python3-dkim).

Use as the last --filter, since whatever is changed afterwards breaks the signature.
dkim-sign.conf beside this file has lines of a domain, a selector and the path of a
private key, with blanks between; messages whose From field is of another domain are
left alone.
"""

import os
import sys
from email import policy
from email.parser import BytesHeaderParser

import dkim

ACCEPT = 0
FAIL = 1


def replace(path, octets):
    """In one step: whoever reads the file gets the old text or the new."""
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o660)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, 0o660)
    os.replace(temporary, path)


def keys(place):
    with open(os.path.join(place, "dkim-sign.conf"), encoding="utf-8") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return {line[0].lower(): line[1:3] for line in lines if len(line) == 3}


def domain_of(content):
    header = BytesHeaderParser(policy=policy.default).parsebytes(content)
    addresses = header["From"].addresses if header["From"] else []
    return addresses[0].domain.lower() if len(addresses) == 1 else ""


def main():
    place = os.path.dirname(os.path.abspath(sys.argv[0]))
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    domain = domain_of(content)
    selector, path = keys(place).get(domain, ("", ""))
    if not path:
        return ACCEPT
    with open(path, "rb") as file:
        key = file.read()
    signature = dkim.sign(
        content,
        selector.encode(),
        domain.encode(),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        # Listed once more than they occur, so that none can be added.
        include_headers=[b"from", b"from", b"to", b"subject", b"date", b"message-id"],
    )
    replace(sys.argv[1], signature + content)
    return ACCEPT


try:
    sys.exit(main())
except (OSError, ValueError, AttributeError, dkim.DKIMException) as error:
    print(f"<<451 4.3.0 try again later>>\n<<dkim-sign: {error}>>")
    sys.exit(FAIL)
