//! The answer to `status`: first what E-MailRelay tells, in its words, then more.

use crate::base::OneLine;
use crate::filter::chain::Side;
use crate::relay::context::Context;
use crate::relay::watch::surveyor::Survey;
use crate::relay::watch::switches::Switches;
use crate::relay::watch::traffic::{Direction, Ends, Service};
use crate::store::State;

/// How many connections of each direction are shown.
const CONNECTIONS_SHOWN_MAX: usize = 100;

/// All lines.
pub(super) fn lines(context: &Context, switches: &Switches, survey: &Survey) -> Vec<OneLine> {
    let mut lines = Vec::new();
    for address in context.watch.traffic.listeners() {
        lines.push(format!("LISTEN: {address}"));
    }
    for direction in [Direction::Out, Direction::In] {
        connections(context, direction, &mut lines);
    }
    sessions(context, &mut lines);
    counters(context, &mut lines);
    spool(context, survey, &mut lines);
    state(context, switches, &mut lines);
    lines.iter().map(OneLine::escaped).collect()
}

fn connections(context: &Context, direction: Direction, lines: &mut Vec<String>) {
    let traffic = &context.watch.traffic;
    let (started, finished) = traffic.totals(direction);
    let (name, arrow) = match direction {
        Direction::In => ("IN", "<-"),
        Direction::Out => ("OUT", "->"),
    };
    lines.push(format!("{name} started: {started}"));
    lines.push(format!("{name} finished: {finished}"));
    let mut all = traffic.connections(direction);
    for ends in all.by_ref().take(CONNECTIONS_SHOWN_MAX) {
        lines.push(match ends {
            Ends::Wanted(place) => format!("{name}: {arrow} ({place})"),
            Ends::Known { local, peer } => {
                let local = local.as_ref().map(ToString::to_string);
                let local = local.unwrap_or_else(|| "-".to_owned());
                format!("{name}: {local} {arrow} {peer}")
            }
        });
    }
    let more = all.count();
    if more > 0 {
        lines.push(format!("{name}: {more} more"));
    }
}

fn sessions(context: &Context, lines: &mut Vec<String>) {
    for service in Service::ALL {
        let (started, open) = context.watch.traffic.sessions(service);
        if started > 0 {
            let name = service.as_str();
            lines.push(format!("SESSIONS {name}: {open} open, {started} started"));
        }
    }
}

fn counters(context: &Context, lines: &mut Vec<String>) {
    let counters = &context.watch.counters;
    lines.push(format!(
        "ACCEPTED: {} messages, {} octets",
        counters.accepted, counters.accepted_octets
    ));
    for (reason, count) in counters.refusals().filter(|(_, count)| *count > 0) {
        lines.push(format!("REFUSED {}: {count}", reason.as_str()));
    }
    let away = counters.all_turned_away();
    for (why, count) in away.filter(|(_, count)| *count > 0) {
        lines.push(format!("TURNED AWAY {}: {count}", why.as_str()));
    }
    lines.push(format!(
        "FORWARDED: {} sent, {} deferred, {} failed, {} octets",
        counters.sent, counters.deferred, counters.failed, counters.sent_octets
    ));
    for (name, side) in [("FILTER", Side::Server), ("CLIENT FILTER", Side::Client)] {
        let times = counters.filter_times(side);
        if times.count() > 0 {
            let seconds = times.sum().as_secs_f64();
            lines.push(format!("{name}: {} runs, {seconds:.3} s", times.count()));
        }
    }
    let failures = counters.authentication_failures;
    lines.push(format!("AUTHENTICATION failures: {failures}"));
}

fn spool(context: &Context, survey: &Survey, lines: &mut Vec<String>) {
    let Some(census) = &survey.census else {
        lines.push("QUEUE: unknown".to_owned());
        return;
    };
    let counts = State::ALL.map(|state| format!("{} {}", census.count(state), state.as_str()));
    lines.push(format!("QUEUE: {}", counts.join(", ")));
    if let Some(oldest) = census.oldest {
        let now = context.wall_clock().unix_seconds();
        let age = now.saturating_sub(oldest).max(0);
        lines.push(format!("QUEUE oldest: {age} s"));
    }
}

fn state(context: &Context, switches: &Switches, lines: &mut Vec<String>) {
    if let Some(expires) = context.security.certificate_expires() {
        let days = (expires - context.wall_clock().unix_seconds()).div_euclid(86_400);
        lines.push(format!("CERTIFICATE expires: in {days} days"));
    }
    if !switches.is_smtp_enabled() {
        lines.push("SMTP: disabled".to_owned());
    }
    if !switches.are_block_lists_used(context.now) {
        lines.push("DNSBL: stopped".to_owned());
    }
}
