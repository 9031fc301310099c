#!/usr/bin/python3
"""Appends a disclaimer to plain text messages.

Use as --filter. Only a message that is nothing but plain text is changed: to any
other, text cannot be added without taking it apart, and it might be signed.
The text is in disclaimer.txt beside this file, in plain ASCII.
"""

import os
import sys
from email.parser import BytesHeaderParser

ACCEPT = 0
# The message is refused for now if the filter cannot do its work.
FAIL = 1


def may_be_changed(header):
    """Whether text at the end of the body is text of the message, and no more."""
    encoding = header.get("Content-Transfer-Encoding", "7bit").strip().lower()
    charset = (header.get_content_charset() or "us-ascii").lower()
    return (
        header.get_content_type() == "text/plain"
        and encoding in ("7bit", "8bit")
        and charset in ("us-ascii", "utf-8", "iso-8859-1", "iso-8859-15", "windows-1252")
        and "DKIM-Signature" not in header
        and "attachment" not in header.get("Content-Disposition", "").lower()
    )


def main():
    place = os.path.dirname(os.path.abspath(sys.argv[0]))
    with open(os.path.join(place, "disclaimer.txt"), encoding="ascii") as file:
        lines = file.read().splitlines()
    with open(sys.argv[1], "r+b") as content:
        header = BytesHeaderParser().parse(content)
        if not may_be_changed(header):
            return ACCEPT
        content.seek(0)
        text = content.read()
        # At the end, so that whatever happens the rest stays as it is.
        if b"\r\n\r\n" not in text and not text.startswith(b"\r\n"):
            content.write(b"\r\n")
        if not text.endswith(b"\r\n"):
            content.write(b"\r\n")
        content.write("".join(f"{line}\r\n" for line in ["", *lines]).encode("ascii"))
    return ACCEPT


try:
    sys.exit(main())
except (OSError, ValueError) as error:
    print(f"<<451 4.3.0 try again later>>\n<<disclaimer: {error}>>")
    sys.exit(FAIL)
