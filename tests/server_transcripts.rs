//! Plays the SMTP transcripts against the server machine in memory: as written,
//! cut at every octet, and with all input there from the start. The actions
//! must be the same each time.

use std::fs;
use std::path::Path;

use emailrelay::proto::smtp::server::Action;

use crate::support::in_memory::{Cut, InMemory, normal, read_client, read_settings};
use crate::support::transcript::{Expectation, Step, Transcript, different};

#[test]
fn every_transcript_plays_however_its_input_is_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/smtp");
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    assert!(names.len() >= 50, "transcripts are missing");
    let failures: Vec<String> = names.iter().filter_map(|name| play(name).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn play(name: &Path) -> Result<(), String> {
    let text = fs::read_to_string(name).unwrap();
    let named = |problem: String| format!("{}: {problem}", name.display());
    let transcript = Transcript::parse(&text).map_err(named)?;
    let whole = play_cut(&transcript, Cut::Whole).map_err(named)?;
    for cut in [Cut::Octets, Cut::AtOnce] {
        if cut == Cut::AtOnce && depends_on_time(&transcript) {
            continue;
        }
        let actions = play_cut(&transcript, cut).map_err(|p| named(format!("{cut:?}: {p}")))?;
        if actions != whole {
            return Err(named(format!("{cut:?}: {}", different(&whole, &actions))));
        }
    }
    Ok(())
}

/// Whether it matters when the client sends something.
fn depends_on_time(transcript: &Transcript) -> bool {
    let waits = |step: &Step| {
        let is_wait = |e: &Expectation| matches!(e, Expectation::After(_) | Expectation::Tls);
        matches!(step, Step::Expect(expectation) if is_wait(expectation))
    };
    let mut steps = transcript.steps.iter().map(|(_, step)| step);
    speaks_first(transcript) || steps.any(waits)
}

fn speaks_first(transcript: &Transcript) -> bool {
    matches!(transcript.steps.first(), Some((_, Step::Send(_))))
}

fn play_cut(transcript: &Transcript, cut: Cut) -> Result<Vec<Action>, String> {
    let settings = read_settings(&transcript.settings)?;
    let client = read_client(&transcript.settings);
    let mut player = InMemory::for_client(settings, client, cut);
    if cut == Cut::AtOnce {
        for (_, step) in &transcript.steps {
            if let Step::Send(octets) = step {
                player.preload(octets);
            }
        }
    }
    player.greet(speaks_first(transcript));
    transcript.play(&mut player)?;
    Ok(normal(player.actions))
}
