//! The alphabet of SMTP clients: enough sense to get anywhere, and all the nonsense.

use emailrelay::base::base64;

use super::rules::Rules;
use crate::adversary::Octets;
use crate::adversary::sasl::{PASSWORD, USER};
use crate::support::in_memory::Random;

/// What a client does.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// It sends octets.
    Send(Octets),
    /// It answers the last challenge rightly.
    Answer,
    /// So many seconds go by.
    Wait(u64),
    /// From now on the disk is full, or is not.
    Disk { is_full: bool },
    /// It closes when it has sent the next message to its end.
    LeaveWhileStoring,
    /// It closes.
    Leave,
    /// The server is told to stop.
    Stop,
}

/// Makes clients.
pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    pub(super) rules: &'a Rules,
    /// How many messages have been made, so that no two are the same.
    pub(super) serial: u64,
    /// Whether attempts to log in may fail: over TCP each costs seconds.
    pub(super) may_guess: bool,
    /// How many percent of what is said are whole transactions, and more of chance.
    pub(super) sense: usize,
}

const HELLOS: &[&str] = &[
    "EHLO me\r\n",
    "EHLO me\r\n",
    "ehlo client.test\r\n",
    "HELO me\r\n",
    "EHLO [127.0.0.1]\r\n",
    "EHLO [IPv6:::1]\r\n",
    "EHLO\r\n",
    "HELO a b\r\n",
    "EHLO \u{e9}\r\n",
    "EHLO me_too\r\n",
];

const MAILS: &[&str] = &[
    "MAIL FROM:<a@b.test>\r\n",
    "MAIL FROM:<a@b.test>\r\n",
    "mail from:<Some.One+x@b-c.test>\r\n",
    "MAIL FROM:<>\r\n",
    "MAIL FROM:<a@b.test> SIZE=30\r\n",
    "MAIL FROM:<a@b.test> BODY=8BITMIME\r\n",
    "MAIL FROM:<a@b.test> BODY=7BIT SIZE=5\r\n",
    "MAIL FROM:<a@b.test> AUTH=<>\r\n",
    "MAIL FROM:<a@b.test> AUTH=e+3Dx\r\n",
];

const ODD_MAILS: &[&str] = &[
    "MAIL FROM:<a@b.test> SIZE=99999999999999999999\r\n",
    "MAIL FROM:<a@b.test> SIZE=x\r\n",
    "MAIL FROM:<a@b.test> SIZE=5 SIZE=5\r\n",
    "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n",
    "MAIL FROM:<a@b.test> SMTPUTF8\r\n",
    "MAIL FROM:<\u{fc}@b.test> SMTPUTF8\r\n",
    "MAIL FROM:<\u{fc}@b.test>\r\n",
    "MAIL FROM:<a@b.test> RET=FULL ENVID=x\r\n",
    "MAIL FROM:<a@b.test> BODY=9BIT\r\n",
    "MAIL FROM: <a@b.test>\r\n",
    "MAIL FROM:a@b.test\r\n",
    "MAIL FROM:<a@b.test\r\n",
    "MAIL FROM:<a@b..test>\r\n",
    "MAIL FROM:<a b@c.test>\r\n",
    "MAIL FROM:<a@b.test>SIZE=5\r\n",
    "MAIL TO:<a@b.test>\r\n",
    "MAIL\r\n",
    "MAIL FROM:<\"a b\"@c.test>\r\n",
    "MAIL FROM:<@r.test:a@b.test>\r\n",
    "MAIL FROM:<a@[127.0.0.1]>\r\n",
    "MAIL FROM:<a\0b@c.test>\r\n",
    "MAIL FROM:<a@b.test> SMTPUTF8=1\r\n",
    "MAIL FROM:<a@b.test> AUTH=+4\r\n",
];

const RECIPIENTS: &[&str] = &[
    "RCPT TO:<c@d.test>\r\n",
    "RCPT TO:<c@d.test>\r\n",
    "rcpt to:<e.f@G.test>\r\n",
    "RCPT TO:<Postmaster>\r\n",
    "RCPT TO:<local@d.test>\r\n",
    "RCPT TO:<refuse@d.test>\r\n",
];

const ODD_RECIPIENTS: &[&str] = &[
    "RCPT TO:<>\r\n",
    "RCPT TO:<c>\r\n",
    "RCPT TO:<\u{e9}@d.test>\r\n",
    "RCPT TO:<c@d.test> NOTIFY=NEVER\r\n",
    "RCPT TO:<c@d.test> ORCPT=rfc822;c@d.test\r\n",
    "RCPT TO:<c@-d.test>\r\n",
    "RCPT TO:<\"c\"@d.test>\r\n",
    "RCPT TO:<@r.test:c@d.test>\r\n",
    "RCPT TO: <c@d.test>\r\n",
    "RCPT\r\n",
    "RCPT FROM:<c@d.test>\r\n",
    "RCPT TO:<c@d.test>\r\n.\r\n",
    "RCPT TO:<.c@d.test>\r\n",
];

const OTHERS: &[&str] = &[
    "NOOP\r\n",
    "noop x\r\n",
    "RSET\r\n",
    "RSET\r\n",
    "RSET x\r\n",
    "VRFY a\r\n",
    "VRFY refuse\r\n",
    "VRFY local\r\n",
    "VRFY\r\n",
    "VRFY \u{e9}\r\n",
    "EXPN x\r\n",
    "HELP\r\n",
    "HELP MAIL\r\n",
    "DATA\r\n",
    "DATA x\r\n",
    "FOO\r\n",
    "\r\n",
    " NOOP\r\n",
    "LHLO me\r\n",
    "ETRN x\r\n",
    "TURN\r\n",
    "NO\0OP\r\n",
    "\u{e9}\r\n",
    ".\r\n",
    "BDAT 0 LAST\r\n",
    "BDAT 4\r\nNOOP",
    "BDAT 6\r\nQUIT\r\n",
    "STARTTLS x\r\n",
    "AUTH\r\n",
    "AUTH FOO\r\n",
    "AUTH XOAUTH2 x\r\n",
    "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
    "X-EXPS\r\n",
    "*\r\n",
    "R\u{53}ET\r\n",
];

/// What ends sessions, and so should be rare.
const DEADLY: &[&str] = &[
    "QUIT\r\n",
    "quit\r\n",
    "GET / HTTP/1.1\r\n",
    "NOOP\n",
    "NOOP\rNOOP\r\n",
    "\r\r\n",
    "\n",
    "BDAT x\r\n",
    "BDAT -1\r\n",
    "BDAT 99999999999999999999 LAST\r\n",
    "BDAT 5 FIRST\r\n",
    "BDAT 50000000000 LAST\r\n",
    "\u{16}\u{3}\u{1}",
    "RCPT TO:<abort@d.test>\r\n",
    "STARTTLS\r\nNOOP\r\n",
    "STARTTLS\r\nN",
    "VRFY abort\r\n",
];

/// Lines of content that are to be taken for anything else.
const LINES: &[&str] = &[
    "text\r\n",
    "\r\n",
    "..\r\n",
    ".x\r\n",
    "...\r\n",
    "QUIT\r\n",
    "RSET\r\n",
    "MAIL FROM:<x@y.test>\r\n",
    "gr\u{fc}\u{df}e\0\r\n",
    "Received: a\r\n",
    " . \r\n",
    "BDAT 5\r\n",
];

/// Ends of content that are none.
const FALSE_ENDS: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r\n.\r",
    "\r.\r\n",
    "\r\r\n",
    "\0\r\n.\0\r\n",
    "\n",
    "\r",
];

impl Maker<'_> {
    /// What a client says in its life.
    pub(super) fn pieces(&mut self, length: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < length {
            let mut pieces = self.sentence();
            if self.random.below(100) < 3 {
                self.damage(&mut pieces);
            }
            // Sometimes all in one group, whatever RFC 2920 says of it.
            let is_answer = pieces.last().is_some_and(|last| last == ANSWER.as_bytes());
            match self.random.below(3) {
                0 if !is_answer => all.push(pieces.concat()),
                _ => all.extend(pieces),
            }
        }
        all
    }

    pub(super) fn pick(&mut self, table: &[&'static str]) -> Vec<u8> {
        table[self.random.below(table.len())].as_bytes().to_vec()
    }

    fn sentence(&mut self) -> Vec<Vec<u8>> {
        if self.random.below(100) < self.sense {
            let hello = b"EHLO me\r\n".to_vec();
            return [vec![hello], self.transaction()].concat();
        }
        match self.random.below(100) {
            0..10 => vec![self.pick(HELLOS)],
            10..16 => vec![self.pick(MAILS)],
            16..21 => vec![self.pick(ODD_MAILS)],
            21..26 => vec![self.pick(RECIPIENTS)],
            26..30 => vec![self.pick(ODD_RECIPIENTS)],
            30..34 => vec![b"DATA\r\n".to_vec(), self.content()],
            34..40 => self.chunks(),
            40..65 => self.transaction(),
            65..78 => vec![self.pick(OTHERS)],
            78..79 => vec![self.pick(DEADLY)],
            79..80 => vec![self.overlong()],
            80..84 if self.rules.starttls => self.encryption(),
            80..92 if self.rules.auth => self.login(),
            _ => vec![b"EHLO me\r\n".to_vec()],
        }
    }

    fn transaction(&mut self) -> Vec<Vec<u8>> {
        let mut pieces = vec![self.pick(MAILS)];
        for _ in 0..=self.random.below(3) {
            pieces.push(self.pick(RECIPIENTS));
        }
        match self.random.below(3) {
            0 if self.rules.chunking => pieces.extend(self.chunks()),
            _ => pieces.extend([b"DATA\r\n".to_vec(), self.content()]),
        }
        pieces
    }

    /// Lines, perhaps with something in them that ends them wrongly.
    fn lines(&mut self) -> Vec<u8> {
        self.serial += 1;
        let mut content = Vec::new();
        match self.random.below(40) {
            0 => {}
            1 => content.extend_from_slice("Received: x\r\n".repeat(101).as_bytes()),
            2 => content.extend_from_slice("y".repeat(3000).as_bytes()),
            _ => content.extend_from_slice(format!("S: {}\r\n\r\n", self.serial).as_bytes()),
        }
        for _ in 0..self.random.below(5) {
            let line = self.pick(LINES);
            content.extend(line);
        }
        if let Some(max) = self.rules.size
            && self.random.below(6) == 0
        {
            // Just what is allowed, or one octet more.
            let length = usize::try_from(max).unwrap() + self.random.below(2);
            content = [b"z".repeat(length - 2), b"\r\n".to_vec()].concat();
        }
        if self.random.below(8) == 0 {
            let end = self.pick(FALSE_ENDS);
            content.extend(end);
            content.extend(self.pick(LINES));
        }
        content
    }

    /// What follows DATA: dots are doubled as a rule, since some are there by design.
    fn content(&mut self) -> Vec<u8> {
        let lines = self.lines();
        let end: &[u8] = match lines.is_empty() || lines.ends_with(b"\r\n") {
            true => b".\r\n",
            false => b"\r\n.\r\n",
        };
        [&lines, end].concat()
    }

    fn chunks(&mut self) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let count = self.random.below(3);
        for number in 0..=count {
            let octets = self.lines();
            let marker = match number == count && self.random.below(8) > 0 {
                true => " LAST",
                false => "",
            };
            // Wrong counts, now and then.
            let length = match self.random.below(25) {
                0 => octets.len() + 1,
                1 => octets.len().saturating_sub(1),
                _ => octets.len(),
            };
            pieces.push(format!("BDAT {length}{marker}\r\n").into_bytes());
            pieces.push(octets);
        }
        pieces
    }

    /// STARTTLS, with a look at whether it forgets what was said before.
    fn encryption(&mut self) -> Vec<Vec<u8>> {
        let mut pieces = vec![b"EHLO me\r\n".to_vec()];
        if self.rules.auth && self.random.below(2) == 0 {
            pieces.extend(self.login());
        }
        pieces.push(b"STARTTLS\r\n".to_vec());
        if self.random.below(2) == 0 {
            pieces.push(b"EHLO me\r\n".to_vec());
        }
        pieces.extend(self.transaction());
        pieces
    }

    fn login(&mut self) -> Vec<Vec<u8>> {
        let right = [b"\0", USER, b"\0", PASSWORD].concat();
        let wrong = [b"\0", USER, b"\0wrong"].concat();
        let response = match self.may_guess && self.random.below(3) == 0 {
            true => wrong,
            false => right,
        };
        let line = |octets: &[u8]| [base64::encode(octets), b"\r\n".to_vec()].concat();
        let start = |text: &str| text.as_bytes().to_vec();
        let count = match (self.may_guess, self.rules.local) {
            (true, _) => 14,
            (false, true) => 4,
            (false, false) => 6,
        };
        let choice = self.random.below(count);
        match choice {
            0 | 4..8 if !self.rules.local => vec![start("auth cram-md5\r\n"), start(ANSWER)],
            0 => vec![[start("AUTH PLAIN "), line(&response)].concat()],
            1 => vec![start("AUTH PLAIN\r\n"), line(&response)],
            2 => vec![start("AUTH LOGIN\r\n"), line(USER), line(PASSWORD)],
            3 => vec![start("auth cram-md5\r\n"), start(ANSWER)],
            4..7 => vec![[start("AUTH LOGIN "), line(USER)].concat(), line(b"wrong")],
            8 => vec![start("AUTH CRAM-MD5\r\n"), line(b"alice 00")],
            9 => vec![start("AUTH CRAM-MD5 AAAA\r\n")],
            10 => vec![start("AUTH PLAIN ="), start("\r\n")],
            11 => vec![start("AUTH CRAM-SHA1\r\n"), start("*\r\n")],
            _ => vec![
                start("AUTH PLAIN\r\n"),
                [b"A".repeat(13_000), start("\r\n")].concat(),
            ],
        }
    }

    /// A line that is too long, or goes on far beyond that.
    fn overlong(&mut self) -> Vec<u8> {
        let length = [4094, 4095, 5000, 12_287, 12_300, 70_000][self.random.below(6)];
        let end = ["\r\n", "\r\n", "\n"][self.random.below(3)];
        [
            b"NOOP ".to_vec(),
            b"x".repeat(length - 6),
            end.as_bytes().to_vec(),
        ]
        .concat()
    }

    /// Loses, doubles or changes an octet.
    fn damage(&mut self, pieces: &mut [Vec<u8>]) {
        let which = self.random.below(pieces.len());
        let piece = &mut pieces[which];
        if piece.is_empty() || piece == ANSWER.as_bytes() {
            return;
        }
        let at = self.random.below(piece.len());
        match self.random.below(4) {
            0 => drop(piece.remove(at)),
            1 => piece.insert(at, piece[at]),
            2 => piece.truncate(at),
            _ => piece[at] = *b"\r\n\0 .<>\xff".get(self.random.below(8)).unwrap(),
        }
    }
}

/// Stands for the right answer to a challenge, which is not known yet.
pub(super) const ANSWER: &str = "(answer)";
