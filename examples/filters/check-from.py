#!/usr/bin/python3
"""Sees that those who have logged in write in their own name.

Use as --filter. The file check-from.map beside this one has lines of a login name
and the addresses or @domains that it may use, with blanks between:

    alice  alice@example.com info@example.com
    bob    @example.net

Both the sender of the envelope and the address in the From field must be among
them. Messages of those who have not logged in are not checked.
"""

import sys
from email import policy
from email.parser import BytesHeaderParser
from pathlib import Path

ACCEPT = 0
REJECT = 1


def field(envelope, name):
    start = f"X-MailRelay-{name}: ".encode()
    for line in envelope.read_bytes().split(b"\n"):
        if line.startswith(start):
            return line[len(start):].strip().decode("utf-8", "replace")
        if line.startswith(b"X-MailRelay-End"):
            break
    return ""


def decoded(xtext):
    """The text of RFC 3461's xtext, in which login names are noted."""
    parts = xtext.split("+")
    return parts[0] + "".join(chr(int(part[:2], 16)) + part[2:] for part in parts[1:])


def allowed(place, login):
    with open(place / "check-from.map", encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words and words[0] == login:
                return [word.lower() for word in words[1:]]
    return []


def is_among(address, names):
    address = address.lower()
    return address in names or address[address.rfind("@"):] in names


def reject(text, reason):
    print(f"<<550 5.7.1 {text}>>\n<<check-from: {ascii(reason)}>>")
    return REJECT


def main():
    place, content, envelope = Path(sys.argv[0]).resolve().parent, *map(Path, sys.argv[1:3])
    login = decoded(field(envelope, "Authentication"))
    if not login:
        return ACCEPT
    names = allowed(place, login)
    sender = field(envelope, "From")
    if sender and not is_among(sender, names):
        return reject("not your address", f"{login} as sender {sender}")
    with content.open("rb") as file:
        header = BytesHeaderParser(policy=policy.default).parse(file)
    fields = header.get_all("From", [])
    addresses = [one.addr_spec for one in (fields[0].addresses if len(fields) == 1 else [])]
    if len(addresses) != 1 or not is_among(addresses[0], names):
        return reject("not your address in the From field", f"{login} as {addresses}")
    return ACCEPT


try:
    sys.exit(main())
except (OSError, ValueError, AttributeError, IndexError) as error:
    print(f"<<451 4.3.0 try again later>>\n<<check-from: {error}>>")
    sys.exit(REJECT)
