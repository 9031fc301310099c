//! The names of cipher suites, for libraries that have names of their own for them.

/// A cipher suite.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Suite {
    /// Its registered number.
    pub(super) number: u16,
    /// Its registered name.
    pub(super) registered: &'static str,
    /// OpenSSL's name for it.
    pub(super) openssl: &'static str,
}

/// Those that the libraries speak: all with ephemeral keys, the preferred ones first.
/// The last ones are for old peers, and without authenticated encryption.
// RFC 8446 B.4, RFC 5289, RFC 7905, RFC 8422.
pub(super) const SUITES: [Suite; 17] = [
    suite(0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    suite(0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    suite(
        0x1303,
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    suite(
        0xC02C,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    suite(
        0xC02B,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    suite(
        0xCCA9,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    suite(
        0xC030,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    suite(
        0xC02F,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    suite(
        0xCCA8,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
    suite(
        0xC024,
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-ECDSA-AES256-SHA384",
    ),
    suite(
        0xC023,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-ECDSA-AES128-SHA256",
    ),
    suite(
        0xC028,
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
        "ECDHE-RSA-AES256-SHA384",
    ),
    suite(
        0xC027,
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "ECDHE-RSA-AES128-SHA256",
    ),
    suite(
        0xC00A,
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
        "ECDHE-ECDSA-AES256-SHA",
    ),
    suite(
        0xC009,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
        "ECDHE-ECDSA-AES128-SHA",
    ),
    suite(
        0xC014,
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "ECDHE-RSA-AES256-SHA",
    ),
    suite(
        0xC013,
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "ECDHE-RSA-AES128-SHA",
    ),
];

const UNKNOWN: Suite = suite(0, "unknown", "unknown");

const fn suite(number: u16, registered: &'static str, openssl: &'static str) -> Suite {
    Suite {
        number,
        registered,
        openssl,
    }
}

/// The suite with that registered number.
pub(super) fn of(number: u16) -> &'static Suite {
    let known = SUITES.iter().find(|suite| suite.number == number);
    known.unwrap_or(&UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_belong_together() {
        for suite in &SUITES {
            assert_eq!(of(suite.number), suite);
            let Some((exchange, cipher)) = suite.registered.split_once("_WITH_") else {
                assert_eq!(suite.registered, suite.openssl);
                continue;
            };
            let cipher = cipher.replace("_CBC", "").replace("AES_", "AES");
            let cipher = cipher.replace("POLY1305_SHA256", "POLY1305");
            let name = format!("{}_{cipher}", exchange.replace("TLS_", ""));
            assert_eq!(suite.openssl, name.replace('_', "-"));
        }
        assert_eq!(of(0x00FF), &UNKNOWN);
    }
}
