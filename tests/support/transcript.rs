//! Dialogues in files, and how to play them.
//!
//! A transcript is a text file with a step on each line:
//!
//! ```text
//! # a comment
//! = size 100               a setting of the server, before the first step
//! C: EHLO me               the client sends the line and CRLF
//! C= "a\n\x00" * 3         it sends just these octets, three times
//! S: 250-*                 the server sends a line that matches the pattern
//! S~ 250                   it sends a whole reply with that code
//! ! stored "text\r\n"      something else that must be so, or that happens
//! ```
//!
//! Parsing knows nothing of how a dialogue is played: a [`Player`] may be a
//! machine in memory or a connection to a running program.

use std::fmt::Debug;

/// A dialogue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transcript {
    /// Settings of the server: name and value, perhaps empty.
    pub(crate) settings: Vec<(String, String)>,
    /// The steps, each with the number of its line.
    pub(crate) steps: Vec<(usize, Step)>,
}

/// A step of a dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The client sends octets.
    Send(Vec<u8>),
    /// The server sends a line; `*` stands for any text.
    Line(String),
    /// The server sends a reply of any number of lines.
    Reply(String),
    /// Something that the player must check or do.
    Expect(Expectation),
}

/// What a player must check or do besides sending and receiving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// `closed [pattern]`: the server has closed, for a reason that matches.
    Closed(String),
    /// `open`: the server has not closed.
    Open,
    /// `after N`: N seconds go by without a word from the client.
    After(u64),
    /// `wait stored ok` or `fail`: the server is storing, with that outcome.
    WaitStored(bool),
    /// `wait verify WORD [TEXT]`: a verifier is at work, with that verdict.
    WaitVerify(String, String),
    /// `wait login`: the credentials are being checked, and then have been.
    WaitLogin,
    /// `wait held`: the answer to a failure is held back, and then is not.
    WaitHeld,
    /// `tls`: the handshake is under way, and then done.
    Tls,
    /// `warned PATTERN`: the log has been warned of that.
    Warned(String),
    /// `noted "TEXT"`: a command line has been reported like that.
    Noted(Vec<u8>),
    /// `identity "TEXT"`: who the last message is from.
    Identity(Vec<u8>),
    /// `stored N`: the last message stored has that many octets.
    StoredOctets(usize),
    /// `stored "TEXT"`: it has that content.
    Stored(Vec<u8>),
    /// `stored nothing`: no message has been stored.
    StoredNothing,
    /// `from "TEXT"`: its reverse-path.
    From(Vec<u8>),
    /// `to "TEXT"...`: its recipients.
    To(Vec<Vec<u8>>),
    /// `auth "TEXT" "TEXT"`: its AUTH parameter, as established and as claimed.
    Auth(Vec<Vec<u8>>),
    /// `scan 7bit`, `8bit` or `unknown`: what its content is made of.
    Scan(String),
    /// `deleted N...`: the numbers of the messages that have been deleted; of POP.
    Deleted(Vec<usize>),
}

/// Something that a dialogue can be played against.
pub(crate) trait Player {
    /// Sends octets to the server.
    fn send(&mut self, octets: &[u8]);
    /// The next line that the server sends, without its CRLF; nothing where it
    /// sends none within reason.
    fn line(&mut self) -> Option<Vec<u8>>;
    /// Checks or does something else.
    fn expect(&mut self, expectation: &Expectation) -> Result<(), String>;
    /// Checks that the server has nothing more to say.
    fn finish(&mut self) -> Result<(), String>;
}

impl Transcript {
    /// Reads a transcript; an error names its line.
    pub(crate) fn parse(text: &str) -> Result<Transcript, String> {
        let mut transcript = Transcript {
            settings: Vec::new(),
            steps: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            transcript
                .add(number, line)
                .map_err(|problem| format!("line {number}: {problem}: {line}"))?;
        }
        Ok(transcript)
    }

    fn add(&mut self, number: usize, line: &str) -> Result<(), String> {
        let (mark, text) = line.split_once(' ').unwrap_or((line, ""));
        let step = match mark {
            "" | "#" => return Ok(()),
            "=" if self.steps.is_empty() => {
                let (name, value) = text.split_once(' ').unwrap_or((text, ""));
                self.settings.push((name.to_owned(), value.to_owned()));
                return Ok(());
            }
            "C:" => Step::Send([text.as_bytes(), b"\r\n"].concat()),
            "C=" => Step::Send(repeated(text)?),
            "S:" => Step::Line(text.to_owned()),
            "S~" => Step::Reply(text.to_owned()),
            "!" => Step::Expect(expectation(text)?),
            _ => return Err("unknown kind of line".to_owned()),
        };
        self.steps.push((number, step));
        Ok(())
    }

    /// Plays the dialogue to its end or to the first difference.
    pub(crate) fn play(&self, player: &mut dyn Player) -> Result<(), String> {
        for (number, step) in &self.steps {
            let done = match step {
                Step::Send(octets) => {
                    player.send(octets);
                    Ok(())
                }
                Step::Line(pattern) => check_line(player.line(), pattern),
                Step::Reply(code) => check_reply(player, code),
                Step::Expect(expectation) => player.expect(expectation),
            };
            done.map_err(|problem| format!("line {number}: {problem}"))?;
        }
        player
            .finish()
            .map_err(|problem| format!("at the end: {problem}"))
    }
}

/// Whether the text matches a pattern in which `*` stands for any text.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut left) = text.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        match left.split_once(part) {
            Some((_, after)) => left = after,
            None => return false,
        }
    }
    left.ends_with(end)
}

fn check_line(line: Option<Vec<u8>>, pattern: &str) -> Result<(), String> {
    let line = line.map(|line| String::from_utf8_lossy(&line).into_owned());
    match line {
        Some(line) if matches(pattern, &line) => Ok(()),
        other => Err(different(&pattern, &other)),
    }
}

fn check_reply(player: &mut dyn Player, code: &str) -> Result<(), String> {
    loop {
        let line = player.line();
        let line = line.map(|line| String::from_utf8_lossy(&line).into_owned());
        let after_code = line.as_ref().and_then(|line| line.strip_prefix(code));
        match after_code.and_then(|text| text.chars().next()) {
            Some(' ') => return Ok(()),
            Some('-') => {}
            _ => return Err(different(&code, &line)),
        }
    }
}

/// Says what differs, with both sides in full.
pub(crate) fn different(expected: &dyn Debug, got: &dyn Debug) -> String {
    format!("\n  expected {expected:?}\n  got      {got:?}")
}

fn expectation(text: &str) -> Result<Expectation, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match (word, rest) {
        ("closed", "") => Expectation::Closed("*".to_owned()),
        ("closed", pattern) => Expectation::Closed(pattern.to_owned()),
        ("open", "") => Expectation::Open,
        ("after", seconds) => Expectation::After(number(seconds)?),
        ("wait", "stored ok") => Expectation::WaitStored(true),
        ("wait", "stored fail") => Expectation::WaitStored(false),
        ("wait", "login") => Expectation::WaitLogin,
        ("wait", "held") => Expectation::WaitHeld,
        ("tls", "") => Expectation::Tls,
        ("warned", pattern) => Expectation::Warned(pattern.to_owned()),
        ("noted", text) => Expectation::Noted(repeated(text)?),
        ("identity", text) => Expectation::Identity(repeated(text)?),
        ("wait", rest) => {
            let verdict = rest.strip_prefix("verify ").ok_or("wait for what?")?;
            let (word, text) = verdict.split_once(' ').unwrap_or((verdict, ""));
            Expectation::WaitVerify(word.to_owned(), text.to_owned())
        }
        ("stored", "nothing") => Expectation::StoredNothing,
        ("stored", text) if text.starts_with('"') => Expectation::Stored(repeated(text)?),
        ("stored", count) => Expectation::StoredOctets(number(count)?),
        ("from", text) => Expectation::From(repeated(text)?),
        ("to", text) => Expectation::To(all_quoted(text)?),
        ("auth", text) => Expectation::Auth(all_quoted(text)?),
        ("deleted", "nothing") => Expectation::Deleted(Vec::new()),
        ("deleted", numbers) => {
            let numbers = numbers.split(' ').map(number).collect::<Result<_, _>>();
            Expectation::Deleted(numbers?)
        }
        ("scan", kind) => Expectation::Scan(kind.to_owned()),
        _ => return Err("unknown expectation".to_owned()),
    })
}

/// Reads `"TEXT"`, or `"TEXT" * N`, that stands in a setting.
pub(crate) fn unescaped(text: &str) -> Result<Vec<u8>, String> {
    repeated(text)
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("not a number: {text}"))
}

/// Reads `"TEXT"`, or `"TEXT" * N`.
fn repeated(text: &str) -> Result<Vec<u8>, String> {
    let (octets, rest) = quoted(text)?;
    match rest.trim().strip_prefix('*') {
        Some(count) => Ok(octets.repeat(number(count.trim())?)),
        None if rest.trim().is_empty() => Ok(octets),
        None => Err("junk after the closing quote".to_owned()),
    }
}

fn all_quoted(mut text: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut all = Vec::new();
    while !text.trim().is_empty() {
        let (octets, rest) = quoted(text.trim_start())?;
        all.push(octets);
        text = rest;
    }
    Ok(all)
}

/// Reads `"TEXT"` with `\r`, `\n`, `\t`, `\\`, `\"` and `\xNN`.
fn quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut rest = text.strip_prefix('"').ok_or("no opening quote")?;
    let mut octets = Vec::new();
    loop {
        let next = rest.chars().next().ok_or("no closing quote")?;
        let after = &rest[next.len_utf8()..];
        match next {
            '"' => return Ok((octets, after)),
            '\\' => {
                let (octet, length) = escaped(after)?;
                octets.push(octet);
                rest = &after[length..];
            }
            _ => {
                octets.extend_from_slice(next.to_string().as_bytes());
                rest = after;
            }
        }
    }
}

fn escaped(text: &str) -> Result<(u8, usize), String> {
    Ok(match text.as_bytes().first() {
        Some(b'r') => (b'\r', 1),
        Some(b'n') => (b'\n', 1),
        Some(b't') => (b'\t', 1),
        Some(octet @ (b'\\' | b'"')) => (*octet, 1),
        Some(b'x') => {
            let digits = text.get(1..3).ok_or("\\x wants two digits")?;
            let octet = u8::from_str_radix(digits, 16);
            (octet.map_err(|_| "\\x wants two digits")?, 3)
        }
        _ => return Err("unknown escape".to_owned()),
    })
}

#[test]
fn reads_every_kind_of_line() {
    let text = "# x\n\n= size 100\n= chunking\nC: NOOP\nC= \"a\\r\\n\\x00\\\"\" * 2\nS: 2*\nS~ 250\n\
                ! stored 12\n! to \"a\" \"b\"\n! wait verify local x y\n! closed *idle*\n";
    let transcript = Transcript::parse(text).unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        transcript.settings,
        [pair("size", "100"), pair("chunking", "")]
    );
    let steps: Vec<Step> = transcript.steps.into_iter().map(|(_, step)| step).collect();
    let expected = [
        Step::Send(b"NOOP\r\n".to_vec()),
        Step::Send(b"a\r\n\0\"a\r\n\0\"".to_vec()),
        Step::Line("2*".to_owned()),
        Step::Reply("250".to_owned()),
        Step::Expect(Expectation::StoredOctets(12)),
        Step::Expect(Expectation::To(vec![b"a".to_vec(), b"b".to_vec()])),
        Step::Expect(Expectation::WaitVerify(
            "local".to_owned(),
            "x y".to_owned(),
        )),
        Step::Expect(Expectation::Closed("*idle*".to_owned())),
    ];
    assert_eq!(steps, expected);
}

#[test]
fn names_the_line_that_is_wrong() {
    for bad in [
        "X: y",
        "C= a",
        "C= \"a",
        "C= \"\\q\"",
        "C= \"a\" b",
        "! what",
        "! after soon",
        "! wait for me",
        "C: a\n= late",
    ] {
        let problem = Transcript::parse(&format!("# x\n{bad}")).unwrap_err();
        assert!(problem.starts_with("line "), "{problem}");
    }
}

#[test]
fn matches_patterns() {
    for (pattern, text) in [
        ("a", "a"),
        ("*", ""),
        ("a*c", "abc"),
        ("*b*", "abc"),
        ("a*b*c", "abbc"),
    ] {
        assert!(matches(pattern, text), "{pattern} {text}");
    }
    for (pattern, text) in [
        ("a", "ab"),
        ("a*", "ba"),
        ("*a", "ab"),
        ("a*b*c", "acb"),
        ("ab*ba", "aba"),
    ] {
        assert!(!matches(pattern, text), "{pattern} {text}");
    }
}
