use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Flag,
    Value,
    Many,
}

const TOOL: Tool<Name> = Tool {
    name: "some-tool",
    purpose: "do <something>",
    usage: &["[<options>] <file>", "--flag"],
    description: &["It does something.", "And something else."],
    options: &[
        Opt::new(Name::Flag, "flag", Some(b'f'), None, "A flag."),
        Opt::new(
            Name::Value,
            "value-with-a-long-name",
            Some(b'v'),
            Some("value"),
            "A value that takes so many words to explain that they do not fit on a line, \
                  see --flag.",
        ),
        Opt::new(Name::Many, "many", None, Some("values"), "Values.").repeated(),
    ],
    operands_max: 2,
    sections: &[(
        "EXIT STATUS",
        &[("0", "All is well."), ("", "That is all.")],
    )],
};

fn parse(words: &[&str]) -> Result<Given<Name>, String> {
    TOOL.parse(words.iter().map(|word| word.as_bytes().to_vec()).collect())
}

#[test]
fn reads_options_and_operands_in_any_order() {
    let given = parse(&[
        "a", "-f", "--many=1", "-v", "-x", "--many", "", "--", "--flag",
    ])
    .unwrap();
    assert!(given.has(Name::Flag));
    assert_eq!(given.value(Name::Flag), Some(&b""[..]));
    assert_eq!(given.value(Name::Value), Some(&b"-x"[..]));
    let many: Vec<_> = given.values(Name::Many).collect();
    assert_eq!(many, [&b"1"[..], b""]);
    assert_eq!(given.operands(), [b"a".to_vec(), b"--flag".to_vec()]);
    assert!(!parse(&["-"]).unwrap().has(Name::Flag));
    assert!(parse(&["-ff", "--flag"]).unwrap().has(Name::Flag));
    let words = vec![b"--many=\xff=\0".to_vec()];
    let given = TOOL.parse(words).unwrap();
    assert_eq!(given.value(Name::Many), Some(&b"\xff=\0"[..]));
}

#[test]
fn says_what_is_wrong() {
    let long = format!("--{}", "x".repeat(1000));
    for (words, expected) in [
        (&["-x"][..], "invalid option: -x"),
        (&["-fx"], "invalid option: -x"),
        (&["--flags"], "invalid option: --flags"),
        (&["--=1"], "invalid option: --"),
        (&["--a\n\x1b"], "invalid option: --a\\n\\x1b"),
        (&["--flag=1"], "--flag takes no value"),
        (&["-fv", "x"], "no value supplied for -v"),
        (&["-v"], "no value supplied for -v"),
        (&["--many"], "no value supplied for --many"),
        (&["a", "b", "c"], "too many non-option arguments"),
        (
            &["-v", "1", "--value-with-a-long-name=1"],
            "duplicate use of --value-with-a-long-name",
        ),
    ] {
        assert_eq!(parse(words).unwrap_err(), expected, "{words:?}");
    }
    assert!(parse(&[&long]).unwrap_err().len() < SHOWN_MAX + 50);
}

#[test]
fn writes_the_help() {
    let help = "\
usage: some-tool [<options>] <file>
       some-tool --flag

It does something.

  -f, --flag                A flag.
  -v, --value-with-a-long-name=<value>
                            A value that takes so many words to explain that
                            they do not fit on a line, see --flag.
      --many=<values>       Values.
";
    assert_eq!(TOOL.help(), help);
    assert!(TOOL.version().starts_with("some-tool "));
}

#[test]
fn writes_the_manual_page() {
    let manual = TOOL.manual();
    for line in [
        ".SH NAME\nsome\\-tool \\- do <something>\n",
        ".B some\\-tool\n[\\fIoptions\\fR] \\fIfile\\fR\n.br\n",
        ".PP\nAnd something else.\n",
        ".TP\n\\fB\\-f\\fR, \\fB\\-\\-flag\\fR\nA flag.\n",
        ".TP\n\\fB\\-\\-many\\fR=\\fIvalues\\fR\nValues.\n",
        ".SH EXIT STATUS\n.TP\n\\fB0\\fR\nAll is well.\n.PP\nThat is all.\n",
    ] {
        assert!(manual.contains(line), "{line:?}: {manual}");
    }
}
