#!/bin/sh
# Puts each message into all sub-directories of the spool directory, for instance
# one for each of several next hops, which another emailrelay forwards from.
#
# Use as --filter. The content is linked, not copied. The envelope comes last and in
# one step, so that nobody finds half a message. After a failure half way some have
# theirs already, and get it again when the sender tries again. The built-in copy:
# does the same without that, and survives power cuts.
set -eu

content=$1 envelope=$2
spool=${content%/*}
name=${content##*/}
name=${name%.content}
count=0

fail() {
    echo "<<451 4.3.0 try again later>>"
    echo "<<multicast: $1>>"
    exit 1
}

for directory in "$spool"/*/; do
    # Names with a dot in front do not match; links are not followed.
    directory=${directory%/}
    if [ ! -d "$directory" ] || [ -L "$directory" ]; then
        continue
    fi
    ln -f "$content" "$directory/$name.content" || fail "cannot link into $directory"
    cp -p "$envelope" "$directory/$name.envelope.new" || fail "cannot copy into $directory"
    mv -f "$directory/$name.envelope.new" "$directory/$name.envelope" ||
        fail "cannot rename in $directory"
    count=$((count + 1))
done

# With nobody to get it the message stays here, and is forwarded as usual.
[ "$count" -gt 0 ] || exit 0
rm -f "$envelope" "$content"
# The message has been dealt with.
exit 100
