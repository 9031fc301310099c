//! The server's side of HTTP for programs that watch: one request in, one reply
//! out, and the connection is closed.
//!
//! Nothing of a request matters but its method and target; all of it is bounded,
//! and what has content is refused.

use std::time::{Duration, Instant};

use crate::base::{ByteQueue, OneLine, ascii};

/// The longest request line, in octets without its end.
pub const REQUEST_LINE_MAX: usize = 512;

/// The longest request with all its header fields, in octets.
pub const REQUEST_MAX: usize = 2048;

/// How long a request may take to arrive, from the start of the connection.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(5);

/// What a client wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The path without a query.
    pub path: OneLine,
    /// Whether it wants only the head of the reply.
    pub head_only: bool,
}

/// What came of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The request is not complete.
    NeedMore,
    /// A request, to be answered with [`Reply::render`].
    Request(Request),
    /// What is refused, with these octets.
    Refused(Vec<u8>),
}

/// A status of a reply.
// RFC 9110 15
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200
    Ok,
    /// 400
    BadRequest,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 414
    TargetTooLong,
    /// 431
    FieldsTooLarge,
    /// 503
    Unavailable,
    /// 505
    VersionNotSupported,
}

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: Status,
    /// What kind of text it is.
    pub media_type: &'static str,
    /// The text.
    pub body: Vec<u8>,
}

/// How a target in absolute form begins.
const HTTP: &[u8] = b"http://";

/// The media type of plain text.
pub const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Reads one request.
#[derive(Debug)]
pub struct Reader {
    octets: Vec<u8>,
    deadline: Instant,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest => "400 Bad Request",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::TargetTooLong => "414 URI Too Long",
            Status::FieldsTooLarge => "431 Request Header Fields Too Large",
            Status::Unavailable => "503 Service Unavailable",
            Status::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }
}

impl Reply {
    /// A line of plain text.
    pub fn text(status: Status, line: &str) -> Reply {
        Reply {
            status,
            media_type: PLAIN_TEXT,
            body: format!("{line}\n").into_bytes(),
        }
    }

    /// The octets to send.
    // RFC 9110 9.3.2: a reply to HEAD has the fields of the one to GET, and no
    // content. RFC 9112 9.6: close.
    pub fn render(&self, head_only: bool) -> Vec<u8> {
        let allow = match self.status {
            // RFC 9110 15.5.6
            Status::MethodNotAllowed => "Allow: GET, HEAD\r\n",
            _ => "",
        };
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: \
             no-store\r\nX-Content-Type-Options: nosniff\r\n{allow}Connection: close\r\n\r\n",
            self.status.line(),
            self.media_type,
            self.body.len()
        );
        let mut octets = head.into_bytes();
        if !head_only {
            octets.extend_from_slice(&self.body);
        }
        octets
    }
}

impl Reader {
    /// Begins with a connection.
    pub fn new(now: Instant) -> Reader {
        Reader {
            octets: Vec::new(),
            deadline: now + REQUEST_TIME_MAX,
        }
    }

    /// When to close the connection without a reply.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes what has come in, until the request is complete or refused.
    pub fn receive(&mut self, input: &mut ByteQueue) -> Progress {
        let room = REQUEST_MAX + 1 - self.octets.len().min(REQUEST_MAX + 1);
        let count = input.len().min(room);
        self.octets.extend_from_slice(&input.as_slice()[..count]);
        input.consume(count);
        match self.judge() {
            Ok(None) => Progress::NeedMore,
            Ok(Some(request)) => Progress::Request(request),
            Err(status) => {
                let text = status.line();
                let head_only = self.octets.starts_with(b"HEAD ");
                Progress::Refused(Reply::text(status, text).render(head_only))
            }
        }
    }

    /// What is known of the request so far.
    fn judge(&self) -> Result<Option<Request>, Status> {
        let Some((line, fields)) = split_line(&self.octets) else {
            let line = self.octets.strip_suffix(b"\r").unwrap_or(&self.octets);
            return match line.len() > REQUEST_LINE_MAX {
                true => Err(Status::TargetTooLong),
                false => Ok(None),
            };
        };
        if line.len() > REQUEST_LINE_MAX {
            return Err(Status::TargetTooLong);
        }
        let request = request(line)?;
        let mut rest = fields;
        let mut hosts = 0;
        while let Some((field, further)) = split_line(rest) {
            if field.is_empty() {
                return match request.needs_host && hosts != 1 {
                    // RFC 9112 3.2
                    true => Err(Status::BadRequest),
                    false => Ok(Some(request.request)),
                };
            }
            hosts += usize::from(is_host(field)?);
            rest = further;
        }
        match self.octets.len() > REQUEST_MAX {
            true => Err(Status::FieldsTooLarge),
            false => Ok(None),
        }
    }
}

/// A request line, understood.
struct RequestLine {
    request: Request,
    needs_host: bool,
}

// RFC 9112 3: method SP request-target SP HTTP-version.
fn request(line: &[u8]) -> Result<RequestLine, Status> {
    let mut words = line.split(|octet| *octet == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Status::BadRequest);
    };
    let needs_host = match version {
        b"HTTP/1.1" => true,
        b"HTTP/1.0" => false,
        version if version.starts_with(b"HTTP/") => return Err(Status::VersionNotSupported),
        _ => return Err(Status::BadRequest),
    };
    let head_only = match method {
        b"GET" => false,
        b"HEAD" => true,
        _ => return Err(Status::MethodNotAllowed),
    };
    let request = Request {
        path: OneLine::escaped(path(target).ok_or(Status::BadRequest)?),
        head_only,
    };
    Ok(RequestLine {
        request,
        needs_host,
    })
}

/// The path of a target without its query.
// RFC 9112 3.2.2: a server has to take the absolute form, too, whoever sends it.
fn path(target: &[u8]) -> Option<&[u8]> {
    let rest = match target.split_at_checked(HTTP.len()) {
        Some((scheme, rest)) if ascii::eq(scheme, HTTP) => {
            let end = rest.iter().position(|octet| matches!(octet, b'/' | b'?'));
            let (host, rest) = rest.split_at(end.unwrap_or(rest.len()));
            (!host.is_empty()).then_some(rest)?
        }
        _ => target.starts_with(b"/").then_some(target)?,
    };
    let path = rest.split(|octet| *octet == b'?').next()?;
    let is_whole = target.iter().all(u8::is_ascii_graphic);
    // RFC 9110 4.2.3: no path is the same as "/".
    is_whole.then_some(if path.is_empty() { b"/" } else { path })
}

/// Whether the field is that of the host; one that announces content is refused.
// RFC 9112 5: no blank before the colon, no folding. RFC 9112 6: what has content
// says so by one of two fields.
fn is_host(field: &[u8]) -> Result<bool, Status> {
    let colon = field.iter().position(|octet| *octet == b':');
    let (name, value) = field.split_at(colon.ok_or(Status::BadRequest)?);
    let is_token = |octet: &u8| octet.is_ascii_graphic();
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(Status::BadRequest);
    }
    if ascii::eq(name, b"transfer-encoding") {
        return Err(Status::BadRequest);
    }
    if ascii::eq(name, b"content-length") && ascii::trim(&value[1..]) != b"0" {
        return Err(Status::BadRequest);
    }
    Ok(ascii::eq(name, b"host"))
}

/// Splits off a line, ended by CRLF or LF alone.
// RFC 9112 2.2: a recipient may take a single LF for a line end.
fn split_line(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = octets.iter().position(|octet| *octet == b'\n')?;
    let line = &octets[..end];
    Some((line.strip_suffix(b"\r").unwrap_or(line), &octets[end + 1..]))
}

#[cfg(test)]
mod tests;
