//! What the log says of a check. Log watchers know these texts.

use std::fmt::Display;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::base::OneLine;
use crate::proto::dns::Name;

/// That a local client is not checked at all; to be logged with `--verbose`.
pub fn local_text(client: IpAddr) -> OneLine {
    line(format!("dnsbl: not checking local address [{client}]"))
}

pub(super) fn denied(client: IpAddr, zone: &Name, values: &[Ipv4Addr]) -> OneLine {
    let values = joined(values);
    line(format!(
        "dnsbl: address [{client}] denied by [{zone}]: {values}"
    ))
}

pub(super) fn allowed(client: IpAddr, zone: &Name) -> OneLine {
    line(format!("dnsbl: address [{client}] allowed by [{zone}]"))
}

pub(super) fn not_checked(client: IpAddr, zone: &Name) -> OneLine {
    line(format!("dnsbl: address [{client}] not checked by [{zone}]"))
}

pub(super) fn blocked(client: IpAddr, zones: &[String]) -> OneLine {
    let zones = bracketed(zones);
    line(format!(
        "dnsbl: client address [{client}] blocked by {zones}"
    ))
}

pub(super) fn blocked_by_timeout(client: IpAddr, zones: &[String]) -> OneLine {
    let zones = bracketed(zones);
    line(format!(
        "dnsbl: client address [{client}] blocked: timeout: no answer from {zones}"
    ))
}

pub(super) fn allowed_by_timeout(client: IpAddr, zones: &[String]) -> OneLine {
    let zones = bracketed(zones);
    line(format!(
        "dnsbl: client address [{client}]: timeout: no answer from {zones}"
    ))
}

pub(super) fn ignored(server: SocketAddr, zone: &Name, fault: &dyn Display) -> OneLine {
    line(format!(
        "dnsbl: reply from {server} about [{zone}] ignored: {fault}"
    ))
}

pub(super) fn server_failed(server: SocketAddr, zone: &Name, reason: &dyn Display) -> OneLine {
    line(format!(
        "dnsbl: no answer from {server} about [{zone}]: {reason}"
    ))
}

pub(super) fn refused(server: SocketAddr, zone: &Name, values: &[Ipv4Addr]) -> OneLine {
    let values = joined(values);
    line(format!(
        "dnsbl: [{zone}] refuses to answer questions by way of {server}: {values}"
    ))
}

pub(super) fn foreign(zone: &Name, values: &[Ipv4Addr]) -> OneLine {
    let values = joined(values);
    line(format!(
        "dnsbl: answer of [{zone}] ignored: not in 127.0.0.0/8: {values}"
    ))
}

fn joined(values: &[Ipv4Addr]) -> String {
    let texts: Vec<String> = values.iter().map(Ipv4Addr::to_string).collect();
    texts.join(" ")
}

fn bracketed(zones: &[String]) -> String {
    let texts: Vec<String> = zones.iter().map(|zone| format!("[{zone}]")).collect();
    texts.join(" ")
}

fn line(text: String) -> OneLine {
    OneLine::escaped(text)
}
