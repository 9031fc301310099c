#!/usr/bin/python3
"""Has all mail go out in the name of one address.

Use as --filter or --client-filter. The address is the first line of set-from.txt
beside this file. The From field becomes that address; the former one is kept as
Reply-To, unless there is a Reply-To already. So is the sender of the envelope, which
is where reports of failure go; that of such reports, which have none, stays empty.
"""

import os
import re
import sys

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


def edited(header, address):
    """The header's fields, each with the lines that continue it."""
    fields = re.findall(rb"[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*", header)
    names = [field.split(b":", 1)[0].strip().lower() for field in fields]
    former = [field for name, field in zip(names, fields) if name == b"from"]
    rest = [field for name, field in zip(names, fields) if name != b"from"]
    if former and b"reply-to" not in names:
        rest.append(b"Reply-To:" + former[0].split(b":", 1)[1])
    return b"".join([*rest, b"From: <" + address + b">\r\n"])


def main():
    place = os.path.dirname(os.path.abspath(sys.argv[0]))
    with open(os.path.join(place, "set-from.txt"), "rb") as file:
        address = file.readline().strip()
    if not re.fullmatch(rb"[!-~]+@[A-Za-z0-9.-]+", address) or b">" in address:
        raise ValueError("set-from.txt has no address")
    with open(sys.argv[1], "rb") as file:
        content = file.read()
    if not content.endswith(b"\n"):
        content += b"\r\n"
    end = re.search(rb"(?:\A|\n)(\r?\n)", content)
    header = content[: end.start(1)] if end else content
    body = content[end.start(1):] if end else b""
    replace(sys.argv[1], edited(header, address) + body)
    with open(sys.argv[2], "rb") as file:
        envelope = file.read()
    sender = re.compile(rb"^X-MailRelay-From: [^\r\n]+", re.MULTILINE)
    replace(sys.argv[2], sender.sub(b"X-MailRelay-From: " + address, envelope, count=1))
    return ACCEPT


try:
    sys.exit(main())
except (OSError, ValueError) as error:
    print(f"<<451 4.3.0 try again later>>\n<<set-from: {error}>>")
    sys.exit(FAIL)
