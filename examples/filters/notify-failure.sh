#!/bin/sh
# Tells senders of messages that could not be forwarded. Not a filter: run it now and
# then, as the user that emailrelay runs as.
#
#     notify-failure.sh /var/spool/emailrelay [/usr/sbin/sendmail]
#
# A message is told about once: that is noted at the end of its envelope. Reports go
# out without a sender, and there is no report about a report, so there are no loops.
set -eu

spool=${1:?which spool directory?}
sendmail=${2:-/usr/sbin/sendmail}

# The first value of a field of an envelope.
field() {
    sed -n "s/^X-MailRelay-$2: *//p" "$1" | tr -d '\r' | head -n 1
}

# What the last attempt came to.
reason() {
    sed -n 's/^X-MailRelay-Reason: *//p' "$1" | tr -d '\r' | tail -n 1
}

report() {
    envelope=$1 sender=$2
    printf 'To: <%s>\n' "$sender"
    printf 'Subject: Your message could not be delivered\n'
    # RFC 3834: so that no holiday notice comes back.
    printf 'Auto-Submitted: auto-replied\n\n'
    printf 'Your message could not be delivered to:\n\n'
    sed -n 's/^X-MailRelay-To-Remote: */    /p' "$envelope" | tr -d '\r'
    printf '\nThe reason: %s\n\n' "$(reason "$envelope")"
    printf 'Its header was:\n\n'
    # Up to the first empty line, and no more than a page of it.
    sed -n '/^\r\{0,1\}$/q; s/^/    /; p' "${envelope%.envelope.bad}.content" |
        tr -d '\r' | head -n 60
}

for envelope in "$spool"/*.envelope.bad; do
    [ -f "$envelope" ] && [ ! -L "$envelope" ] || continue
    grep -q '^X-MailRelay-Notified:' "$envelope" && continue
    sender=$(field "$envelope" From)
    # Noted first: rather no report than one each time.
    printf 'X-MailRelay-Notified: %s\r\n' "$(date -u +%s)" >>"$envelope"
    # Nobody is told about reports, nor anybody whose address looks like an option.
    case $sender in
    '' | -* | *[!A-Za-z0-9@._+=/-]*) continue ;;
    esac
    report "$envelope" "$sender" | "$sendmail" -oi -f '<>' -- "$sender" ||
        echo "notify-failure: cannot send to $sender" >&2
done
