//! Logging in, on both sides.

use std::sync::Arc;

use emailrelay::auth::{self, Secrets};
use emailrelay::base::secret::Secret;
use emailrelay::base::{OneLine, base64, xtext};
use emailrelay::proto::sasl::cram::CHALLENGE_MAX;
use emailrelay::proto::sasl::{
    Channel, ClientExchange, ClientStep, Config, Credentials, FIELD_MAX, LINE_MAX, Mechanism,
    Nonce, ServerExchange, Step, Terms,
};

use super::pieces::{check_shown, selector};

const SECRETS: &[u8] = b"server plain alice secret\nserver md5 bob \
      1.2.3.4.5.6.7.8\nclient plain alice secret\nclient oauth alice dG9rZW4=\n";

/// Responses to one mechanism at most: LOGIN has a name and a password.
const RESPONSES_MAX: usize = 2;

/// The first octet chooses the mechanism, and whether the first line is an initial
/// response; the lines that follow are responses.
pub(crate) fn server(data: &[u8]) {
    let (choice, rest) = selector(data);
    let mechanism = Mechanism::ALL[usize::from(choice & 0x7F) % Mechanism::ALL.len()];
    let mut lines = rest.split(|octet| *octet == b'\n');
    let initial = if choice > 0x7F { lines.next() } else { None };
    let mut step = ServerExchange::start(mechanism, initial, nonce());
    let mut responses = 0;
    let credentials = loop {
        match step {
            Step::Challenge { text, exchange } => {
                let challenge = base64::decode(&text).expect("it is base64");
                assert!(challenge.len() <= CHALLENGE_MAX);
                responses += 1;
                assert!(responses <= RESPONSES_MAX);
                step = exchange.respond(lines.next().unwrap_or_default());
            }
            Step::Check(credentials) => break credentials,
            Step::Failed(_) => return,
        }
    };
    assert_eq!(credentials.mechanism, mechanism);
    assert!((1..=FIELD_MAX).contains(&credentials.id.len()));
    match auth::check(&secrets(), &credentials) {
        Ok(identity) => {
            assert_eq!(identity.id.as_bytes(), b"alice");
            check_shown(&identity.to_string(), 1000);
        }
        Err(refusal) => check_shown(&refusal.to_string(), 1000),
    }
}

/// The first octet chooses the channel, the first line is what the server offers, and
/// each line that follows is a reply; then it asks for more for ever.
pub(crate) fn client(data: &[u8]) {
    let (choice, rest) = selector(data);
    let mut lines = rest.split(|octet| *octet == b'\n');
    let offer = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let offer: Vec<String> = offer.split(' ').map(str::to_owned).collect();
    let account = secrets().client_account(b"").expect("there is one");
    let terms = Terms {
        config: Config::default(),
        channel: [Channel::Clear, Channel::Local, Channel::Encrypted][usize::from(choice) % 3],
        has_certificate: choice > 0x7F,
    };
    let (mut exchange, mut step) = match ClientExchange::start(account, &offer, &terms) {
        Ok(started) => started,
        Err(failure) => return check_shown(&failure.to_string(), 2000),
    };
    // Each mechanism has a start, a few responses, and a withdrawal.
    for _ in 0..8 * Mechanism::ALL.len() {
        match step {
            ClientStep::Send { line, shown } => {
                check_sent(line.expose(), terms.channel);
                check_shown(&shown, 100);
                let reply = lines.next().unwrap_or(b"334 ");
                let (code, text) = reply.split_at_checked(3).unwrap_or((b"500", b""));
                let code = std::str::from_utf8(code).ok().and_then(|c| c.parse().ok());
                step = exchange.reply(code.unwrap_or(500), text.get(1..).unwrap_or_default());
            }
            ClientStep::Succeeded { id, .. } => {
                assert!(id.is_empty() || id == b"alice");
                return;
            }
            ClientStep::Failed(failure) => return check_shown(&failure.to_string(), 2000),
        }
    }
    panic!("goes on for ever");
}

fn check_sent(line: &[u8], channel: Channel) {
    assert!(line.len() + 2 <= LINE_MAX);
    assert!(line.iter().all(|octet| matches!(octet, b' '..=b'~')));
    if channel == Channel::Clear {
        let words = line.split(|octet| *octet == b' ');
        let plain = words.filter_map(base64::decode);
        for text in plain {
            let shows = text.windows(6).any(|window| window == b"secret");
            assert!(!shows, "{}", text.escape_ascii());
        }
    }
}

/// A user name and, in the second line, a password: who has them can log in by any
/// mechanism, and nobody else.
pub(crate) fn round_trip(data: &[u8]) {
    let mut fields = data.splitn(2, |octet| *octet == b'\n');
    let (id, password) = (fields.next(), fields.next());
    let (id, password) = (id.unwrap_or_default(), password.unwrap_or_default());
    let Some(secrets) = with_account(id, password) else {
        return;
    };
    let other = [password, b"x"].concat();
    let wrong = with_account(id, &other).or_else(|| with_account(id, b"x"));
    let wrong = wrong.filter(|_| password != b"x");
    let fits = 4 * (2 * FIELD_MAX + 2) / 3 + 10 <= LINE_MAX;
    assert!(fits, "the longest names and passwords fit on a line");
    for mechanism in Mechanism::ALL {
        let can_carry = match mechanism {
            Mechanism::Cram(_) | Mechanism::Login => true,
            // RFC 4616 2: a NUL is no part of a password.
            Mechanism::Plain => !password.contains(&0),
            _ => false,
        };
        if can_carry {
            let credentials = log_in(&secrets, mechanism);
            let identity = auth::check(&secrets, &credentials);
            assert_eq!(
                identity.map(|i| i.id),
                Ok(OneLine::new(id).expect("a name"))
            );
            if let Some(wrong) = &wrong {
                assert!(auth::check(wrong, &credentials).is_err(), "{mechanism}");
            }
        }
    }
}

/// Secrets of that user on both sides, if the file can have them.
fn with_account(id: &[u8], password: &[u8]) -> Option<Secrets> {
    let [id, password] = [id, password].map(xtext::encode);
    let line = [b" plain ", id.as_slice(), b" ", &password, b"\n"].concat();
    let text = [b"server", line.as_slice(), b"client", &line].concat();
    Secrets::parse("secrets", &text, &mut |_| Err(String::new())).ok()
}

/// Has our client log in at our server, up to the check.
fn log_in(secrets: &Secrets, mechanism: Mechanism) -> Credentials {
    let account = secrets.client_account(b"").expect("there is one");
    let terms = Terms {
        config: Config::default(),
        channel: Channel::Encrypted,
        has_certificate: false,
    };
    let offer = [mechanism.name().to_owned()];
    let started = ClientExchange::start(Arc::clone(&account), &offer, &terms);
    let (mut client, mut said) = started.expect("it is offered");
    let mut server = None;
    loop {
        let ClientStep::Send { line, .. } = said else {
            panic!("{mechanism}: {said:?}");
        };
        let step = match server.take() {
            None => start(mechanism, &line),
            Some(exchange) => ServerExchange::respond(exchange, line.expose()),
        };
        match step {
            Step::Challenge { text, exchange } => {
                said = client.reply(334, &text);
                server = Some(exchange);
            }
            Step::Check(credentials) => {
                let end = client.reply(235, b"ok");
                assert!(matches!(end, ClientStep::Succeeded { .. }), "{end:?}");
                return credentials;
            }
            Step::Failed(answer) => panic!("{mechanism}: {answer:?}"),
        }
    }
}

/// The server's side of `AUTH MECHANISM [INITIAL]`.
fn start(mechanism: Mechanism, line: &Secret) -> Step {
    let words: Vec<&[u8]> = line.expose().split(|octet| *octet == b' ').collect();
    assert_eq!(words.get(1), Some(&mechanism.name().as_bytes()));
    ServerExchange::start(mechanism, words.get(2).copied(), nonce())
}

fn nonce() -> Nonce<'static> {
    Nonce {
        random: [9; 16],
        unix_seconds: 1_795_361_082,
        domain: "relay.test",
    }
}

fn secrets() -> Secrets {
    let secrets = Secrets::parse("secrets", SECRETS, &mut |_| Err(String::new()));
    secrets.expect("they are well-formed")
}
