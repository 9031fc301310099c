//! What the options come to, with the origin of each value, for whoever wants to see
//! it before the program runs so.

use super::check::IMPLIED;
use super::option::{Argument, Platform};
use super::problem::Origin;
use super::raw::Raw;
use super::{settings, table};

/// A line for each option that is on or has a value: as the configuration file would
/// have it, and behind it where it comes from. Secrets are not shown.
pub(super) fn listing(raw: &Raw, name: Option<&str>, platform: Platform) -> String {
    let mut text = String::new();
    if let Some(name) = name {
        text += &format!("# configuration \"{name}\"\n");
    }
    let known = table::options().filter(|option| option.exists_on(platform));
    for option in known.filter(|option| option.long != "check") {
        let given = raw.all(option.long);
        for given in given {
            let value = match option.argument {
                Argument::None if raw.is_on(option.long) => String::new(),
                _ => format!(" {}", given.value.shown()),
            };
            text += &line(&format!("{}{value}", option.long), &origin(&given.origin));
        }
        if !given.is_empty() {
            continue;
        }
        let implies = |(mode, flags): &&(&'static str, &[&str])| {
            flags.contains(&option.long) && raw.is_on(mode)
        };
        if let Some((mode, _)) = IMPLIED.iter().find(implies) {
            text += &line(option.long, &format!("implied by {mode}"));
        } else if let Some(value) = default(option.long) {
            text += &line(&format!("{} {value}", option.long), "default");
        }
    }
    text
}

fn line(what: &str, origin: &str) -> String {
    const COLUMN: usize = 40;
    format!("{what:COLUMN$} # {origin}\n")
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::CommandLine => "command line".to_owned(),
        Origin::Environment { variable } => format!("variable {variable}"),
        Origin::File { path, line } => format!("{path}:{line}"),
    }
}

/// What holds where nothing is given.
fn default(long: &str) -> Option<String> {
    let seconds = |time: std::time::Duration| Some(time.as_secs().to_string());
    match long {
        "spool-dir" => Some(settings::SPOOL_DIR.to_owned()),
        "port" => Some(settings::SMTP_PORT.to_string()),
        "user" => Some(settings::USER.to_owned()),
        "idle-timeout" => seconds(settings::IDLE_TIMEOUT),
        "filter-timeout" => seconds(settings::FILTER_TIMEOUT),
        "connection-timeout" => seconds(settings::CONNECTION_TIMEOUT),
        "response-timeout" => seconds(settings::RESPONSE_TIMEOUT),
        "prompt-timeout" => seconds(settings::PROMPT_TIMEOUT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Context, Outcome, Platform, resolve};

    fn listed(line: &str, file: &str) -> Vec<String> {
        let context = Context {
            base_dir: Some("/home/me".into()),
            environment: vec![("EMAILRELAY_OPTION_SIZE".to_owned(), "1000".into())],
            ..Context::new(Platform::Unix)
        };
        let words = line.split_whitespace().map(Into::into);
        let outcome = resolve(words, &context, |_| Ok(file.as_bytes().to_vec()));
        let Outcome::Check(_, _, text) = outcome else {
            panic!("{outcome:?}");
        };
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let text = text.replace("\\\\", "/");
        text.lines().map(squeeze).collect()
    }

    #[test]
    fn values_have_their_origins() {
        let lines = listed(
            "--check -d -p 26 f",
            "port 27\nlog-time\ninterface ::1,::2\n",
        );
        for expected in [
            "port 26 # command line",
            "size 1000 # variable EMAILRELAY_OPTION_SIZE",
            "log-time # /home/me/f:2",
            "interface ::1,::2 # /home/me/f:3",
            "as-server # command line",
            "log # implied by as-server",
            "user daemon # default",
            "idle-timeout 60 # default",
        ] {
            assert!(
                lines.iter().any(|line| line == expected),
                "{expected}: {lines:#?}"
            );
        }
        assert!(
            !lines
                .iter()
                .any(|line| line.contains("27") || line.starts_with("check"))
        );
    }

    #[test]
    fn secrets_are_not_shown() {
        let lines = listed("--check -q a:1 --client-auth=plain:bWU=:c2VjcmV0", "");
        assert!(lines.contains(&"client-auth plain:[not shown] # command line".to_owned()));
        assert!(!lines.join(" ").contains("c2VjcmV0"));
    }
}
