//! Tests of where to forward to.

use super::*;

#[test]
fn several_servers_are_a_list_in_order() {
    let all = |line: &str| {
        let to = good(line).forward.unwrap().to;
        to.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let expected = ["a:25", "[::1]:26", "/run/x"];
    assert_eq!(all("-t -o a:25,[::1]:26,/run/x"), expected);
    assert_eq!(all("-t -o a:25 -o [::1]:26,a:25 -o /run/x"), expected);
    assert_eq!(all("-q a:25,[::1]:26,/run/x"), expected);
    // A path is one, since it may have commas in it.
    assert_eq!(all("-t -o /run/x,b:25"), ["/run/x,b:25"]);
    assert_eq!(all("-t -y /run/x,b:25"), ["/run/x,b:25"]);
}

#[test]
fn the_servers_of_a_list_are_checked_one_by_one() {
    let problems = bad("-t -o a:25,b,:25 --forward-connections 51");
    let about = |text: &str| problems.iter().any(|one| one.contains(text));
    assert!(problems.len() == 3 && about("\"b\"") && about("\":25\"") && about("51"));
    let many: Vec<String> = (1..=21).map(|number| format!("h{number}:25")).collect();
    let problems = bad(&format!("-t -o {}", many.join(",")));
    assert!(problems.len() == 1 && problems[0].contains("more than 20"));
    let problems = bad("-t -o 127.0.0.1:25,[::1]:25 --client-interface 127.0.0.2");
    assert!(problems.len() == 1 && problems[0].contains("[::1]:25"));
}
