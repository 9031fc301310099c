//! The alphabet of POP3 clients.

use emailrelay::base::base64;

use crate::adversary::sasl::{PASSWORD, USER};
use crate::support::in_memory::Random;

/// Stands for the right answer to a challenge, which is not known yet.
pub(super) const ANSWER: &[u8] = b"(answer)";

/// Stands for APOP with the right digest.
pub(super) const APOP: &[u8] = b"(apop)";

/// Makes clients.
pub(super) struct Maker<'a> {
    pub(super) random: &'a mut Random,
    /// Whether attempts to log in may fail: over TCP each costs seconds.
    pub(super) may_guess: bool,
    /// How many percent of what is said are whole sessions, and more of chance.
    pub(super) sense: usize,
}

const BEFORE_LOGIN: &[&str] = &[
    "USER alice\r\n",
    "USER\r\n",
    "user  alice \r\n",
    "CAPA\r\n",
    "AUTH\r\n",
    "AUTH FOO\r\n",
    "AUTH XOAUTH2 x\r\n",
    "STLS x\r\n",
    "PASS\r\n",
    "APOP\r\n",
    "APOP alice\r\n",
    "NOOP\r\n",
    "STAT\r\n",
];

const GUESSES: &[&str] = &[
    "USER alice\r\nPASS wrong\r\n",
    "USER nobody\r\nPASS e=mc2\r\n",
    "APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n",
    "AUTH PLAIN =\r\n",
    "AUTH PLAIN !\r\n",
    "AUTH CRAM-MD5 AAAA\r\n",
    "AUTH CRAM-MD5\r\n*\r\n",
    "AUTH LOGIN YWxpY2U=\r\n=\r\n",
    "USER alice\r\nPASS \r\n",
    "USER alice\r\nPASS e=mc2 \r\n",
];

const COMMANDS: &[&str] = &[
    "STAT\r\n",
    "stat\r\n",
    "LIST\r\n",
    "UIDL\r\n",
    "NOOP\r\n",
    "RSET\r\n",
    "CAPA\r\n",
    "STAT 1\r\n",
    "NOOP x\r\n",
    "RSET x\r\n",
    "TOP\r\n",
    "TOP 1\r\n",
    "TOP 1 x\r\n",
    "TOP 1 -1\r\n",
    "LAST\r\n",
    "XTND x\r\n",
    "\r\n",
    " STAT\r\n",
    "STLS\r\n",
    "USER alice\r\n",
    "AUTH PLAIN\r\n",
    "RETR\r\n",
    "DELE\r\n",
    "RETR x\r\n",
    "LIST -1\r\n",
    "DELE +1\r\n",
    "RETR 18446744073709551617\r\n",
    "UIDL 1 2\r\n",
    "ST\0AT\r\n",
    "STAT\t\r\n",
    "\u{e9}\r\n",
    "DELE 1 2\r\n",
];

const DEADLY: &[&str] = &[
    "QUIT\r\n",
    "QUIT\r\n",
    "quit\r\n",
    "STAT\n",
    "STAT\rSTAT\r\n",
    "\n",
    "\u{16}\u{3}\u{1}",
    "STLS\r\nCAPA\r\n",
    "STLS\r\nC",
];

const NUMBERED: &[&str] = &["RETR", "DELE", "LIST", "UIDL", "retr", "dele", "DELE"];

impl Maker<'_> {
    /// What a client says in its life.
    pub(super) fn pieces(&mut self, length: usize) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while all.len() < length {
            let mut pieces = self.sentence();
            if self.random.below(100) < 2 {
                self.damage(&mut pieces);
            }
            let is_text = |piece: &Vec<u8>| piece != ANSWER && piece != APOP;
            match self.random.below(2) {
                0 if pieces.iter().all(is_text) => all.push(pieces.concat()),
                _ => all.extend(pieces),
            }
        }
        all
    }

    fn pick(&mut self, table: &[&'static str]) -> Vec<u8> {
        table[self.random.below(table.len())].as_bytes().to_vec()
    }

    fn sentence(&mut self) -> Vec<Vec<u8>> {
        if self.random.below(100) < self.sense {
            let mut pieces = self.login();
            pieces.extend((0..self.random.below(5)).map(|_| self.numbered()));
            pieces.push(format!("DELE {}\r\n", self.number()).into_bytes());
            pieces.push(b"QUIT\r\n".to_vec());
            return pieces;
        }
        match self.random.below(100) {
            0..10 => self.login(),
            10..18 => vec![self.pick(BEFORE_LOGIN)],
            18..20 if self.may_guess => vec![self.pick(GUESSES)],
            20..24 => vec![b"STLS\r\n".to_vec(), self.login().concat()],
            24..44 => vec![self.pick(COMMANDS)],
            44..74 => (0..1 + self.random.below(4))
                .map(|_| self.numbered())
                .collect(),
            74..84 => vec![self.top()],
            84..86 => vec![self.pick(DEADLY)],
            86 => vec![self.overlong()],
            _ => vec![self.numbered()],
        }
    }

    fn login(&mut self) -> Vec<Vec<u8>> {
        let line = |octets: &[u8]| [base64::encode(octets), b"\r\n".to_vec()].concat();
        let plain = line(&[b"\0", USER, b"\0", PASSWORD].concat());
        let start = |text: &str| text.as_bytes().to_vec();
        match self.random.below(6) {
            0 => vec![start("AUTH PLAIN\r\n"), plain],
            1 => vec![[start("AUTH PLAIN "), plain].concat()],
            2 => vec![start("AUTH LOGIN\r\n"), line(USER), line(PASSWORD)],
            3 => vec![start("auth cram-md5\r\n"), ANSWER.to_vec()],
            4 => vec![APOP.to_vec()],
            _ => vec![
                start("USER alice\r\n"),
                [b"PASS ", PASSWORD, b"\r\n"].concat(),
            ],
        }
    }

    fn number(&mut self) -> String {
        match self.random.below(20) {
            0 => "0".to_owned(),
            1 => "01".to_owned(),
            number => (number / 2).to_string(),
        }
    }

    fn numbered(&mut self) -> Vec<u8> {
        let verb = String::from_utf8(self.pick(NUMBERED)).unwrap();
        format!("{verb} {}\r\n", self.number()).into_bytes()
    }

    fn top(&mut self) -> Vec<u8> {
        let number = self.number();
        let lines = ["0", "1", "2", "9999", "184467440737095516170"][self.random.below(5)];
        format!("TOP {number} {lines}\r\n").into_bytes()
    }

    fn overlong(&mut self) -> Vec<u8> {
        let length = [253, 254, 255, 256, 5000, 12_287, 12_289, 80_000][self.random.below(8)];
        [b"NOOP ".to_vec(), b"x".repeat(length - 7), b"\r\n".to_vec()].concat()
    }

    /// Loses, doubles or changes an octet.
    fn damage(&mut self, pieces: &mut [Vec<u8>]) {
        let which = self.random.below(pieces.len());
        let piece = &mut pieces[which];
        if piece == ANSWER || piece == APOP {
            return;
        }
        let at = self.random.below(piece.len());
        match self.random.below(4) {
            0 => drop(piece.remove(at)),
            1 => piece.insert(at, piece[at]),
            2 => piece.truncate(at),
            _ => piece[at] = *b"\r\n\0 .9\xff".get(self.random.below(7)).unwrap(),
        }
    }
}

/// The messages of a maildrop: with dots, without a body, of one line, and long.
pub(super) fn messages(count: usize) -> Vec<Vec<u8>> {
    let bodies = [
        "Subject: a\r\n\r\n.\r\n..\r\n.x\r\ntext\r\n".to_owned(),
        "Subject: no body\r\n".to_owned(),
        "\r\nonly a body\r\n".to_owned(),
        "Subject: \u{fc}\r\n\r\n\r\n\r\n.\r\n".to_owned(),
        format!(
            "Subject: long\r\n\r\n{}",
            "line of a long message\r\n".repeat(300)
        ),
        "Subject: end\r\n\r\nQUIT\r\n+OK\r\n-ERR\r\n".to_owned(),
    ];
    (0..count)
        .map(|number| bodies[number % bodies.len()].clone().into_bytes())
        .collect()
}
