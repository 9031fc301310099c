use super::*;
use std::collections::BTreeMap;

/// What is found where there are these files, and the program is in `app`.
fn found(files: &[(&str, &str)]) -> Result<Start, String> {
    let files: BTreeMap<PathBuf, &str> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), *text))
        .collect();
    find(Path::new("app"), "mail", |path| {
        let text = files.get(path);
        let text = text.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(text.as_bytes().to_vec())
    })
}

fn words(batch: &str) -> Result<Vec<String>, String> {
    let words = batch_words(batch)?.into_iter();
    Ok(words.map(|word| word.into_string().unwrap()).collect())
}

#[test]
fn files_are_beside_the_program_or_where_it_says() {
    let batch = "emailrelay -r\r\n";
    let start = |folder: &str| {
        Ok(Start {
            folder: PathBuf::from(folder),
            words: vec!["-r".into()],
        })
    };
    assert_eq!(found(&[("app/mail-start.bat", batch)]), start("app"));
    for (line, folder) in [
        ("dir-config=\"@app/../etc\"", "app/../etc"),
        ("dir-config=etc", "app/etc"),
        ("\u{feff}# dir-config=no\r\n dir-config = /etc \r\n", "/etc"),
        ("dir-install=x\ndir-config=\"/a b\"\ndir-config=no", "/a b"),
        ("--dir-config=@app", "app"),
        ("dir-config=\n", "app"),
        ("", "app"),
    ] {
        let path = Path::new(folder).join("mail-start.bat");
        let files = [
            ("app/emailrelay-service.cfg", line),
            (path.to_str().unwrap(), batch),
        ];
        assert_eq!(found(&files), start(folder), "{line}");
    }
}

#[test]
fn without_a_batch_file_there_is_a_configuration() {
    let own = Start {
        folder: PathBuf::from("app"),
        words: vec![Path::new("app").join("mail.cfg").into()],
    };
    assert_eq!(found(&[("app/mail.cfg", "anything")]), Ok(own));
    let both = found(&[("app/mail.cfg", ""), ("app/mail-start.bat", "emailrelay")]);
    assert!(both.unwrap().words.is_empty());
    let neither = found(&[("app/other.cfg", "")]).unwrap_err();
    assert!(neither.starts_with("there is neither ") && neither.contains("mail-start.bat"));
}

#[test]
fn files_that_cannot_be_read_are_not_passed_over() {
    let denied = find(Path::new("app"), "mail", |_| {
        Err(io::ErrorKind::PermissionDenied.into())
    });
    let text = denied.unwrap_err();
    assert!(text.starts_with("cannot read ") && text.contains("emailrelay-service.cfg"));
    for bad in [&b"\xff"[..], &vec![b' '; FILE_MAX + 1]] {
        let read = |_: &Path| Ok(bad.to_vec());
        let text = find(Path::new("app"), "mail", read).unwrap_err();
        assert!(text.starts_with("cannot read "), "{text}");
    }
}

#[test]
fn the_batch_file_is_one_command() {
    for (batch, expected) in [
        ("emailrelay.exe", &[][..]),
        (
            "@echo off\r\nREM x & y\r\n:: z\r\nemailrelay -t\r\nexit /b\r\n",
            &["-t"],
        ),
        (
            "\"C:\\Program Files\\E\\emailrelay.exe\" --port 25",
            &["--port", "25"],
        ),
        ("start \"emailrelay\" \"C:\\E\\emailrelay.exe\" -r", &["-r"]),
        ("@START \"a \" EmailRelay-TextMode.EXE -r", &["-r"]),
        (
            "emailrelay --log-file=\"C:\\l og\\%%d.txt\"",
            &["--log-file=C:\\l og\\%d.txt"],
        ),
        (
            "emailrelay -s \"C:\\a b\\\\\" -r",
            &["-s", "C:\\a b\\", "-r"],
        ),
        (
            "emailrelay \"\" \\\"a\\\" \"b&c\" \\\\x\\",
            &["", "\"a\"", "b&c", "\\\\x\\"],
        ),
        (
            "emailrelay \"a \"\"b\"\" c\" \"\"\"\" d\"\"",
            &["a \"b\" c", "\"", "d"],
        ),
    ] {
        assert_eq!(words(batch).unwrap(), expected, "{batch}");
    }
}

#[test]
fn nothing_else_is_taken_for_the_command() {
    let long = format!("emailrelay{}", " x".repeat(WORDS_MAX));
    for (batch, reason) in [
        ("", "there is no command in it"),
        ("rem emailrelay", "there is no command in it"),
        (
            "cd x\r\nemailrelay",
            "there is more than one command in it: emailrelay",
        ),
        ("cmd /c emailrelay", "it starts \"cmd\", and not emailrelay"),
        (
            "start emailrelay",
            "it starts \"start\", and not emailrelay",
        ),
        ("start \"emailrelay\"", "it starts \"\", and not emailrelay"),
        (
            "emailrelay > x",
            "\">\" is for the command processor, which is not used",
        ),
        (
            "emailrelay -r & del x",
            "\"&\" is for the command processor, which is not used",
        ),
        ("emailrelay \"x", "a quote is not closed"),
        ("emailrelay a\u{1b}b", "there is a control character in it"),
        (&long, "there are more than 1000 words in it"),
    ] {
        assert_eq!(words(batch).unwrap_err(), reason, "{batch}");
    }
}
