//! The metrics, by name. `docs/admin.md` has the list for people.

use crate::filter::chain::Side;
use crate::proto::exposition::{Exposition, Kind, Number, Sample};
use crate::relay::context::Context;
use crate::store::State;

use super::surveyor::Survey;
use super::traffic::Service;

/// Everything that is told, as text.
pub fn render(context: &Context, started: i64, survey: &Survey) -> Vec<u8> {
    let mut text = Exposition::default();
    program(&mut text, started);
    server(&mut text, context);
    forwarding(&mut text, context);
    spool(&mut text, survey, context.wall_clock().unix_seconds());
    security(&mut text, context);
    text.into_bytes()
}

fn program(text: &mut Exposition, started: i64) {
    let version = Sample::labelled("version", env!("CARGO_PKG_VERSION"), 1);
    text.metric(
        Kind::Gauge,
        "emailrelay_build_info",
        "The program's version.",
        &[version],
    );
    text.metric(
        Kind::Gauge,
        "emailrelay_start_time_seconds",
        "When the program was started, in seconds since 1970.",
        &[signed(started)],
    );
}

fn server(text: &mut Exposition, context: &Context) {
    let counters = &context.watch.counters;
    text.metric(
        Kind::Counter,
        "emailrelay_messages_accepted_total",
        "Messages that were stored.",
        &[counters.accepted.into()],
    );
    text.metric(
        Kind::Counter,
        "emailrelay_accepted_bytes_total",
        "Octets of content of messages that were stored.",
        &[counters.accepted_octets.into()],
    );
    let refusals: Vec<_> = counters
        .refusals()
        .map(|(reason, count)| Sample::labelled("reason", reason.as_str(), count))
        .collect();
    text.metric(
        Kind::Counter,
        "emailrelay_smtp_refusals_total",
        "Replies to SMTP clients that say no.",
        &refusals,
    );
    let turned_away: Vec<_> = counters
        .all_turned_away()
        .map(|(why, count)| Sample::labelled("reason", why.as_str(), count))
        .collect();
    text.metric(
        Kind::Counter,
        "emailrelay_connections_refused_total",
        "Clients that were sent away before a session began.",
        &turned_away,
    );
    let sessions = |value: fn((u64, u64)) -> u64| {
        Service::ALL.map(|service| {
            let sessions = context.watch.traffic.sessions(service);
            Sample::labelled("service", service.as_str(), value(sessions))
        })
    };
    text.metric(
        Kind::Counter,
        "emailrelay_sessions_total",
        "Sessions that were begun.",
        &sessions(|(started, _)| started),
    );
    text.metric(
        Kind::Gauge,
        "emailrelay_sessions",
        "Sessions that are open.",
        &sessions(|(_, open)| open),
    );
    text.metric(
        Kind::Counter,
        "emailrelay_authentication_failures_total",
        "Failures of clients to authenticate.",
        &[counters.authentication_failures.into()],
    );
}

fn forwarding(text: &mut Exposition, context: &Context) {
    let counters = &context.watch.counters;
    text.metric(
        Kind::Counter,
        "emailrelay_forwarding_total",
        "Attempts to forward a message, by what came of them.",
        &[
            Sample::labelled("outcome", "sent", counters.sent),
            Sample::labelled("outcome", "deferred", counters.deferred),
            Sample::labelled("outcome", "failed", counters.failed),
        ],
    );
    text.metric(
        Kind::Counter,
        "emailrelay_sent_bytes_total",
        "Octets of content of messages that were forwarded.",
        &[counters.sent_octets.into()],
    );
    text.histogram(
        "emailrelay_filter_seconds",
        "How long filters of the server took for a message.",
        counters.filter_times(Side::Server),
    );
    text.histogram(
        "emailrelay_client_filter_seconds",
        "How long filters of the client took for a message.",
        counters.filter_times(Side::Client),
    );
}

fn spool(text: &mut Exposition, survey: &Survey, now: i64) {
    if let Some(census) = &survey.census {
        let messages =
            State::ALL.map(|state| Sample::labelled("state", state.as_str(), census.count(state)));
        text.metric(
            Kind::Gauge,
            "emailrelay_queue_messages",
            "Messages in the spool.",
            &messages,
        );
        let age = census.oldest.map_or(0, |oldest| now.saturating_sub(oldest));
        text.metric(
            Kind::Gauge,
            "emailrelay_queue_oldest_age_seconds",
            "The age of the oldest message that waits to be forwarded; 0 where none does.",
            &[signed(age.max(0))],
        );
    }
    if let Some(is_writable) = survey.is_writable {
        text.metric(
            Kind::Gauge,
            "emailrelay_spool_writable",
            "Whether the spool could be written when that was tried last.",
            &[u64::from(is_writable).into()],
        );
    }
}

fn security(text: &mut Exposition, context: &Context) {
    let expires = context.security.certificate_expires();
    text.metric(
        Kind::Gauge,
        "emailrelay_certificate_expiry_time_seconds",
        "When the server's certificate ends to be valid, in seconds since 1970.",
        expires.map(signed).as_slice(),
    );
}

fn signed(value: i64) -> Sample {
    Sample {
        label: None,
        value: Number::Signed(value),
    }
}
