//! What a filter program says: lines that start with a text in `<<...>>` or
//! `[[...]]`. All others are for nobody.

/// What the first two such lines say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// For the client.
    pub response: Vec<u8>,
    /// For the log.
    pub reason: Vec<u8>,
}

/// Said for a filter that says nothing.
pub const REJECTED: &str = "rejected";

impl Response {
    /// The first text is the response, the second the reason. Where there is only
    /// one, or none, the rest is made up of what there is.
    pub fn parse(output: &[u8]) -> Response {
        let is_line_end = |octet: &u8| matches!(octet, b'\r' | b'\n');
        let mut texts = output.split(is_line_end).filter_map(text);
        let first = texts.next().unwrap_or_default();
        let response = match first {
            b"" => REJECTED.as_bytes(),
            text => text,
        };
        let reason = texts.next().filter(|reason| !reason.is_empty());
        Response {
            response: response.to_vec(),
            reason: reason.unwrap_or(response).to_vec(),
        }
    }

    /// Says that the message is refused, and only to the log why.
    pub fn because(reason: impl AsRef<[u8]>) -> Response {
        Response {
            response: REJECTED.into(),
            reason: reason.as_ref().to_vec(),
        }
    }
}

/// The text between the marks that a line starts with.
fn text(line: &[u8]) -> Option<&[u8]> {
    let (rest, end) = match line.split_at_checked(2)? {
        (b"<<", rest) => (rest, b">>"),
        (b"[[", rest) => (rest, b"]]"),
        _ => return None,
    };
    let length = rest.windows(2).position(|two| two == end)?;
    rest.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_marks_are_found() {
        let table: &[(&str, &str, &str)] = &[
            ("", "rejected", "rejected"),
            ("hello\n", "rejected", "rejected"),
            ("<<no>>\n", "no", "no"),
            ("[[no]]", "no", "no"),
            ("<<no>> and more\r\n[[because]]\r\n", "no", "because"),
            ("<<a>> <<b>>\n", "a", "a"),
            ("noise\r<<no>>\rmore\r[[because]]", "no", "because"),
            ("<<one>>\n<<two>>\n<<three>>\n", "one", "two"),
            ("<<>>\n<<two>>\n", "rejected", "two"),
            ("<<one>>\n<<>>\n", "one", "one"),
            (" <<no>>\n", "rejected", "rejected"),
            ("x<<no>>\n", "rejected", "rejected"),
            ("[[no>>\n", "rejected", "rejected"),
            ("<<no]]\n", "rejected", "rejected"),
            ("<<no\n", "rejected", "rejected"),
            ("<<no>\n>", "rejected", "rejected"),
            ("<<a>b>>\n", "a>b", "a>b"),
            ("<<<a>>>\n", "<a", "<a"),
            ("<\n<", "rejected", "rejected"),
        ];
        for (output, response, reason) in table {
            let found = Response::parse(output.as_bytes());
            assert_eq!(found.response, response.as_bytes(), "{output:?}");
            assert_eq!(found.reason, reason.as_bytes(), "{output:?}");
        }
    }
}
