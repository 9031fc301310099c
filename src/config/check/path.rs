//! Paths as they are given, made absolute.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::config::Context;
use crate::config::problem::Kind;
use crate::config::value::Fault;

/// Replaces `@app` at the start by the program's directory and `@credentials` by
/// that of the service's credentials, and puts the working directory before what is
/// relative.
pub(in crate::config) fn resolve(path: &OsStr, context: &Context) -> Result<PathBuf, Kind> {
    if path.is_empty() {
        let (value, fault) = (String::new(), Fault::Empty);
        return Err(Kind::Value { value, fault });
    }
    let path = Path::new(path);
    if let Ok(rest) = path.strip_prefix("@app") {
        let app_dir = context.app_dir.as_ref().ok_or(Kind::NoAppDir)?;
        // Joining nothing would add a slash.
        return Ok(app_dir.iter().chain(rest.iter()).collect());
    }
    if let Ok(rest) = path.strip_prefix("@credentials") {
        let credentials_dir = context
            .credentials_dir
            .as_ref()
            .ok_or(Kind::NoCredentials)?;
        return Ok(credentials_dir.iter().chain(rest.iter()).collect());
    }
    if path.is_absolute() {
        return Ok(path.to_owned());
    }
    let base_dir = context.base_dir.as_ref().ok_or(Kind::NoBaseDir)?;
    Ok(base_dir.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::option::Platform;

    fn resolved(path: &str, context: &Context) -> Result<String, String> {
        resolve(OsStr::new(path), context)
            .map(|path| path.to_str().unwrap().replace('\\', "/"))
            .map_err(|kind| kind.to_string())
    }

    #[test]
    fn paths_become_absolute() {
        let context = Context {
            base_dir: Some("/home/me".into()),
            app_dir: Some("/opt/relay".into()),
            ..Context::new(Platform::Unix)
        };
        for (path, expected) in [
            ("/var/spool", "/var/spool"),
            ("spool", "/home/me/spool"),
            ("./spool", "/home/me/./spool"),
            ("../spool", "/home/me/../spool"),
            ("@app", "/opt/relay"),
            ("@app/", "/opt/relay"),
            ("@app/a/b", "/opt/relay/a/b"),
            ("@application", "/home/me/@application"),
            ("a/@app", "/home/me/a/@app"),
        ] {
            assert_eq!(resolved(path, &context).as_deref(), Ok(expected));
        }
        assert_eq!(resolved("", &context), Err("\"\" is empty".to_owned()));
    }

    #[test]
    fn directories_that_are_not_known_are_not_guessed() {
        let context = Context::new(Platform::Unix);
        // What is absolute depends on the system.
        let absolute = std::env::temp_dir();
        assert_eq!(resolve(absolute.as_os_str(), &context).unwrap(), absolute);
        assert_eq!(resolved("a", &context), Err(Kind::NoBaseDir.to_string()));
        assert_eq!(
            resolved("@app/a", &context),
            Err(Kind::NoAppDir.to_string())
        );
    }
}
