//! Requests, good and bad.

use super::*;

/// What is made of a request that comes in pieces of that size.
fn read(request: &[u8], piece: usize) -> Progress {
    let mut reader = Reader::new(Instant::now());
    for bytes in request.chunks(piece) {
        let mut queue = ByteQueue::new(1 << 16);
        queue.push(bytes);
        match reader.receive(&mut queue) {
            Progress::NeedMore => {}
            other => return other,
        }
    }
    Progress::NeedMore
}

/// The path, or the status.
fn outcome(request: &str) -> String {
    let whole = read(request.as_bytes(), request.len().max(1));
    for piece in [1, 2, 3, 7, 100] {
        assert_eq!(
            read(request.as_bytes(), piece),
            whole,
            "{request:?} by {piece}"
        );
    }
    match whole {
        Progress::NeedMore => "more".to_owned(),
        Progress::Request(request) => {
            let method = if request.head_only { "HEAD" } else { "GET" };
            format!("{method} {}", request.path)
        }
        Progress::Refused(octets) => {
            let text = String::from_utf8(octets).unwrap();
            text.split(' ').nth(1).unwrap().to_owned()
        }
    }
}

#[test]
fn reads_what_watchers_send() {
    let prometheus = "GET /metrics HTTP/1.1\r\nHost: localhost:9100\r\nUser-Agent: \
        Prometheus/2.42.0\r\nAccept: application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;\
        q=0.1\r\nAccept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n";
    assert_eq!(outcome(prometheus), "GET /metrics");
    let table = [
        ("GET / HTTP/1.0\r\n\r\n", "GET /"),
        ("GET / HTTP/1.0\n\n", "GET /"),
        ("HEAD /livez HTTP/1.1\r\nhost:x\r\n\r\n", "HEAD /livez"),
        (
            "GET /readyz?verbose HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /readyz",
        ),
        (
            "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            "GET /",
        ),
        ("GET /../etc/passwd HTTP/1.0\r\n\r\n", "GET /../etc/passwd"),
        ("GET http://x:1/livez?a HTTP/1.0\r\n\r\n", "GET /livez"),
        ("GET HTTP://x HTTP/1.0\r\n\r\n", "GET /"),
        ("GET http://x?/livez HTTP/1.0\r\n\r\n", "GET /"),
        ("GET / HTTP/1.1\r\nHost: x\r\n", "more"),
        ("GET / HT", "more"),
        ("", "more"),
    ];
    for (request, expected) in table {
        assert_eq!(outcome(request), expected, "{request:?}");
    }
}

#[test]
fn refuses_what_is_not_to_be_understood() {
    let table = [
        ("\r\n", "400"),
        ("GET\r\n", "400"),
        ("GET /\r\n", "400"),
        ("GET  / HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1 \r\n", "400"),
        ("GET / HTTP/2.0\r\n", "505"),
        ("GET / http/1.1\r\n", "400"),
        ("get / HTTP/1.1\r\n", "405"),
        ("POST /metrics HTTP/1.1\r\n", "405"),
        ("DELETE / HTTP/1.1\r\n", "405"),
        ("CONNECT x:1 HTTP/1.1\r\n", "405"),
        ("GET http:/x/ HTTP/1.1\r\n", "400"),
        ("GET http:///livez HTTP/1.1\r\n", "400"),
        ("GET ftp://x/ HTTP/1.1\r\n", "400"),
        ("GET http://x/\x01 HTTP/1.1\r\n", "400"),
        ("GET /\x01 HTTP/1.1\r\n", "400"),
        ("GET /\r HTTP/1.1\r\n", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost : a\r\n", "400"),
        ("GET / HTTP/1.1\r\n folded\r\n", "400"),
        ("GET / HTTP/1.1\r\nno colon\r\n", "400"),
        ("GET / HTTP/1.1\r\n: x\r\n", "400"),
        ("GET / HTTP/1.1\r\nContent-Length: 5\r\n", "400"),
        ("GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n", "400"),
        ("\u{16}\u{3}\u{1}\n", "400"),
        ("EHLO x\r\n", "400"),
    ];
    for (request, expected) in table {
        assert_eq!(outcome(request), expected, "{request:?}");
    }
}

// RFC 9110 9.3.2
#[test]
fn what_is_refused_of_head_has_no_content() {
    for (method, ends_with_head) in [("HEAD", true), ("GET", false)] {
        let request = format!("{method} /livez HTTP/1.1\r\n\r\n");
        let Progress::Refused(octets) = read(request.as_bytes(), request.len()) else {
            panic!("{request}");
        };
        assert!(octets.starts_with(b"HTTP/1.1 400 "));
        assert_eq!(octets.ends_with(b"\r\n\r\n"), ends_with_head, "{method}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes minutes")]
fn everything_is_bounded() {
    let line = |octets: usize| {
        let rest = "GET / HTTP/1.0".len();
        format!("GET /{} HTTP/1.0\r\n\r\n", "x".repeat(octets - rest))
    };
    assert!(outcome(&line(REQUEST_LINE_MAX)).starts_with("GET /x"));
    assert_eq!(outcome(&line(REQUEST_LINE_MAX + 1)), "414");
    assert_eq!(outcome(&"x".repeat(REQUEST_MAX * 2)), "414");
    let many = |octets: usize| {
        let head = "GET / HTTP/1.0\r\nX: ";
        let filler = octets - head.len() - "\r\n\r\n".len();
        format!("{head}{}\r\n\r\n", "y".repeat(filler))
    };
    assert_eq!(outcome(&many(REQUEST_MAX)), "GET /");
    assert_eq!(outcome(&many(REQUEST_MAX + 50)), "431");
    let endless = format!("GET / HTTP/1.0\r\n{}", "X: y\r\n".repeat(1000));
    assert_eq!(outcome(&endless), "431");
}

#[test]
fn keeps_no_more_than_a_request() {
    let mut reader = Reader::new(Instant::now());
    for _ in 0..100 {
        let mut queue = ByteQueue::new(1 << 16);
        queue.push(&[b'x'; 1000]);
        reader.receive(&mut queue);
        assert!(reader.octets.len() <= REQUEST_MAX + 1);
    }
}

#[test]
fn replies_say_how_long_they_are_and_that_they_are_the_last() {
    let reply = Reply::text(Status::Ok, "ok");
    let text = String::from_utf8(reply.render(false)).unwrap();
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\
        Content-Length: 3\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\
        Connection: close\r\n\r\nok\n";
    assert_eq!(text, expected);
    let head = String::from_utf8(reply.render(true)).unwrap();
    assert_eq!(head, expected.strip_suffix("ok\n").unwrap());
    let refused = Reply::text(Status::MethodNotAllowed, "no").render(false);
    let refused = String::from_utf8(refused).unwrap();
    assert!(refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
}
