//! Compiles what is not Rust: the shim of the feature `mbedtls`. Without the feature
//! there is nothing to do.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "mbedtls")]
    mbedtls::build();
}

#[cfg(feature = "mbedtls")]
mod mbedtls {
    use std::env;
    use std::path::PathBuf;
    use std::process::exit;

    const SHIM: &str = "src/tls/mbedtls/shim.c";

    /// Compiles the shim, and links the library: the one that is installed under
    /// `MBEDTLS_DIR`, statically, else the system's.
    pub(super) fn build() {
        println!("cargo:rerun-if-changed={SHIM}");
        println!("cargo:rerun-if-env-changed=MBEDTLS_DIR");
        let prefix = env::var_os("MBEDTLS_DIR").map(PathBuf::from);
        let mut build = cc::Build::new();
        build.file(SHIM).warnings(true);
        match &prefix {
            Some(prefix) if prefix.join("include/mbedtls/version.h").is_file() => {
                build.include(prefix.join("include"));
            }
            Some(prefix) => give_up(&format!(
                "MBEDTLS_DIR={}: there is no include/mbedtls/version.h",
                prefix.display()
            )),
            // The system's library is for the system's programs.
            None if variable("TARGET") != variable("HOST") => give_up(&format!(
                "set MBEDTLS_DIR to where an Mbed TLS for {} is installed",
                variable("TARGET")
            )),
            None => {}
        }
        if let Err(error) = build.try_compile("emailrelay_mbedtls") {
            give_up(&format!("cannot compile {SHIM}: {error}"));
        }
        link(prefix);
    }

    fn link(prefix: Option<PathBuf>) {
        let libraries = ["mbedtls", "mbedx509", "mbedcrypto"];
        let Some(prefix) = prefix else {
            for library in libraries {
                println!("cargo:rustc-link-lib={library}");
            }
            return;
        };
        let folder = prefix.join("lib");
        println!("cargo:rustc-link-search=native={}", folder.display());
        for library in libraries {
            println!("cargo:rustc-link-lib=static={library}");
        }
        // Parts of the last one that 3.6 has in libraries of their own.
        for library in ["everest", "p256m"] {
            if folder.join(format!("lib{library}.a")).is_file() {
                println!("cargo:rustc-link-lib=static={library}");
            }
        }
    }

    fn variable(name: &str) -> String {
        env::var(name).unwrap_or_default()
    }

    fn give_up(reason: &str) -> ! {
        eprintln!("the feature mbedtls: {reason}");
        exit(1);
    }
}
