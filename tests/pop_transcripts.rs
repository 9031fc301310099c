//! Plays the POP transcripts against the machine in memory: as written, cut at
//! every octet, and with all input there from the start. The actions must be the
//! same each time.

use std::fs;
use std::path::{Path, PathBuf};

use emailrelay::proto::pop::Action;

use crate::support::in_memory::Cut;
use crate::support::pop_in_memory::{PopInMemory, normal};
use crate::support::transcript::{Expectation, Step, Transcript, different};

pub(crate) fn transcripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/pop");
    let entries = fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_pop_transcript_plays_however_its_input_is_cut() {
    let paths = transcripts();
    assert!(paths.len() >= 50, "transcripts are missing");
    let failures: Vec<String> = paths.iter().filter_map(|path| play(path).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn play(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).unwrap();
    let named = |problem: String| format!("{}: {problem}", path.display());
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
    transcript
        .steps
        .iter()
        .any(|(_, step)| matches!(step, Step::Expect(Expectation::After(_) | Expectation::Tls)))
}

fn play_cut(transcript: &Transcript, cut: Cut) -> Result<Vec<Action>, String> {
    let mut player = PopInMemory::new(transcript, cut)?;
    if cut == Cut::AtOnce {
        for (_, step) in &transcript.steps {
            if let Step::Send(octets) = step {
                player.preload(octets);
            }
        }
    }
    player.greet();
    transcript.play(&mut player)?;
    Ok(normal(player.actions))
}
