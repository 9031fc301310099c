//! Completion of the command line in shells, and the template for translators: files
//! that are derived from the option table and installed with the program.

use super::PROGRAM;
use super::help;
use super::option::{Argument, Opt, Platform};
use super::table;

/// Makes the text of a file.
pub type Derive = fn() -> String;

/// What is derived, by the path in the sources.
pub const FILES: &[(&str, Derive)] = &[
    ("packaging/completions/emailrelay.bash", bash),
    ("packaging/completions/_emailrelay", zsh),
    ("packaging/completions/emailrelay.fish", fish),
    ("packaging/locale/emailrelay.pot", template),
];

const NOTE: &str = "# Derived from the option table.";

fn options() -> impl Iterator<Item = &'static Opt> {
    table::options().filter(|option| option.exists_on(Platform::Unix))
}

fn takes_path(option: &Opt) -> bool {
    matches!(option.argument, Argument::Path(_))
}

/// For bash: names of options, and files where a value is a path.
pub fn bash() -> String {
    let words = |wanted: fn(&Opt) -> bool| {
        let names = options()
            .filter(|option| wanted(option))
            .flat_map(|option| {
                let short = option.short.map(|letter| format!("-{letter}"));
                short.into_iter().chain([format!("--{}", option.long)])
            });
        names.collect::<Vec<_>>()
    };
    let long: Vec<String> = options()
        .map(|option| match option.argument {
            Argument::Required(_) | Argument::Path(_) => format!("--{}=", option.long),
            Argument::None | Argument::Optional(_) => format!("--{}", option.long),
        })
        .collect();
    let paths = words(takes_path).join("|");
    let values = words(|option| matches!(option.argument, Argument::Required(_))).join("|");
    format!(
        "{NOTE}\n_{PROGRAM}() {{\n    \
         local word=\"${{COMP_WORDS[COMP_CWORD]}}\" before=\"${{COMP_WORDS[COMP_CWORD-1]}}\"\n    \
         [ \"$before\" = = ] && before=\"${{COMP_WORDS[COMP_CWORD-2]}}\"\n    \
         [ \"$word\" = = ] && {{ before=\"${{COMP_WORDS[COMP_CWORD-1]}}\"; word=; }}\n    \
         COMPREPLY=()\n    case \"$before\" in\n    {paths})\n        \
         mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n        return ;;\n    \
         {values})\n        return ;;\n    esac\n    case \"$word\" in\n    -*)\n        \
         mapfile -t COMPREPLY < <(compgen -W \"{}\" -- \"$word\")\n        \
         [[ \"${{COMPREPLY[*]}}\" == *= ]] && compopt -o nospace ;;\n    *)\n        \
         mapfile -t COMPREPLY < <(compgen -f -- \"$word\") ;;\n    esac\n}}\n\
         complete -o filenames -F _{PROGRAM} {PROGRAM}\n",
        long.join(" ")
    )
}

/// For zsh: names with their summaries, and files where a value is a path.
pub fn zsh() -> String {
    let escaped = |text: &str| {
        let text = text.replace('\'', "'\\''");
        text.replace('[', "\\[")
            .replace(']', "\\]")
            .replace(':', "\\:")
    };
    let mut text = format!("#compdef {PROGRAM}\n{NOTE}\n_arguments -s -S \\\n");
    for option in options() {
        let long = option.long;
        let (long, value) = match option.argument {
            Argument::None => (format!("--{long}"), String::new()),
            Argument::Required(name) => (format!("--{long}="), format!(":{}: ", escaped(name))),
            Argument::Path(name) => (format!("--{long}="), format!(":{}:_files", escaped(name))),
            Argument::Optional(name) => (format!("--{long}=-"), format!("::{}: ", escaped(name))),
        };
        let summary = escaped(option.summary);
        let repeated = if option.repeat { "*" } else { "" };
        let has_value = matches!(option.argument, Argument::Required(_) | Argument::Path(_));
        if let Some(letter) = option.short {
            let plus = if has_value { "+" } else { "" };
            text += &format!("  '{repeated}-{letter}{plus}[{summary}]{value}' \\\n");
        }
        text += &format!("  '{repeated}{long}[{summary}]{value}' \\\n");
    }
    text + "  '*:configuration file:_files'\n"
}

/// For fish: names with their summaries, and files where a value is a path.
pub fn fish() -> String {
    let mut text = format!("{NOTE}\n");
    for option in options() {
        text += &format!("complete -c {PROGRAM}");
        if let Some(letter) = option.short {
            text += &format!(" -s {letter}");
        }
        text += &format!(" -l {}", option.long);
        text += match option.argument {
            Argument::None | Argument::Optional(_) => "",
            Argument::Required(_) => " -x",
            Argument::Path(_) => " -r -F",
        };
        let summary = option.summary.replace('\\', "\\\\").replace('\'', "\\'");
        text += &format!(" -d '{summary}'\n");
    }
    text
}

/// The template of catalogues, for translators and their tools.
pub fn template() -> String {
    let mut text = format!(
        "{NOTE}\nmsgid \"\"\nmsgstr \"\"\n\"Project-Id-Version: {PROGRAM}\\n\"\n\
         \"Content-Type: text/plain; charset=UTF-8\\n\"\n\
         \"Content-Transfer-Encoding: 8bit\\n\"\n"
    );
    let mut told = std::collections::BTreeSet::new();
    for original in help::texts().filter(|original| told.insert(*original)) {
        let original = original.replace('\\', "\\\\").replace('"', "\\\"");
        text += &format!("\nmsgid \"{original}\"\nmsgstr \"\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn committed_files_are_those_of_the_option_table() {
        for (path, derive) in FILES {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            if std::env::var_os("EMAILRELAY_WRITE_MAN").is_some() {
                std::fs::write(&path, derive()).expect("the file can be written");
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed.replace("\r\n", "\n") == derive(),
                "{path:?} is out of date; write it by: EMAILRELAY_WRITE_MAN=1 cargo test --lib \
                 committed"
            );
        }
    }
}
