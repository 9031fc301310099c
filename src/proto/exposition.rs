//! Metrics as Prometheus reads them: the text format 0.0.4.
//!
//! Names, help texts, and names and values of labels are all part of the program:
//! the types let nothing from outside become one of them.

use std::fmt::Write;
use std::time::Duration;

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from zero at the start of the program.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One number of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// The name and the value of its label, where the metric has one.
    pub label: Option<(&'static str, &'static str)>,
    /// The number.
    pub value: Number,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(u64),
    /// One that may be below zero.
    Signed(i64),
    /// A time, shown in seconds.
    Time(Duration),
}

/// How often something took how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How often it took no longer than each of [`BUCKETS`], and longer than the
    /// one before.
    counts: [u64; BUCKETS.len()],
    /// How often it took longer than that.
    longer: u64,
    sum: Duration,
}

/// The upper bounds of a histogram's buckets, in seconds.
pub const BUCKETS: [f64; 9] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// Metrics, written one after the other.
#[derive(Debug, Default)]
pub struct Exposition(String);

impl From<u64> for Sample {
    fn from(value: u64) -> Sample {
        Sample {
            label: None,
            value: Number::Whole(value),
        }
    }
}

impl Sample {
    /// A whole number with a label.
    pub fn labelled(name: &'static str, label: &'static str, value: u64) -> Sample {
        Sample {
            label: Some((name, label)),
            value: Number::Whole(value),
        }
    }
}

impl Histogram {
    /// Adds one time.
    pub fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        match BUCKETS.iter().position(|bound| seconds <= *bound) {
            Some(bucket) => self.counts[bucket] += 1,
            None => self.longer += 1,
        }
        self.sum = self.sum.saturating_add(time);
    }

    /// How many times were added.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.longer
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        self.sum
    }
}

impl Exposition {
    /// Writes a metric; one without samples is left out.
    pub fn metric(&mut self, kind: Kind, name: &'static str, help: &'static str, all: &[Sample]) {
        if all.is_empty() {
            return;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        self.head(kind, name, help);
        for Sample { label, value } in all {
            let label = label.map_or(String::new(), |(name, value)| {
                format!("{{{name}=\"{value}\"}}")
            });
            self.line(&format!("{name}{label} {}", value.text()));
        }
    }

    /// Writes a histogram of times.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, times: &Histogram) {
        self.head("histogram", name, help);
        let mut total = 0;
        for (bound, count) in BUCKETS.iter().zip(times.counts) {
            total += count;
            self.line(&format!("{name}_bucket{{le=\"{bound}\"}} {total}"));
        }
        let count = times.count();
        self.line(&format!("{name}_bucket{{le=\"+Inf\"}} {count}"));
        self.line(&format!("{name}_sum {}", Number::Time(times.sum).text()));
        self.line(&format!("{name}_count {count}"));
    }

    /// The text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }

    fn head(&mut self, kind: &str, name: &str, help: &str) {
        self.line(&format!("# HELP {name} {help}"));
        self.line(&format!("# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

impl Number {
    fn text(self) -> String {
        match self {
            Number::Whole(value) => value.to_string(),
            Number::Signed(value) => value.to_string(),
            Number::Time(time) => format!("{}.{:06}", time.as_secs(), time.subsec_micros()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_metrics_with_and_without_labels() {
        let mut text = Exposition::default();
        text.metric(Kind::Counter, "a_total", "How many a.", &[7.into()]);
        let samples = [
            Sample::labelled("why", "x", 1),
            Sample::labelled("why", "y", 0),
        ];
        text.metric(Kind::Gauge, "b", "How many b.", &samples);
        text.metric(Kind::Gauge, "none", "Nothing.", &[]);
        let signed = Sample {
            label: None,
            value: Number::Signed(-3),
        };
        text.metric(Kind::Gauge, "c", "How cold.", &[signed]);
        let expected = "# HELP a_total How many a.\n# TYPE a_total counter\na_total 7\n\
            # HELP b How many b.\n# TYPE b gauge\nb{why=\"x\"} 1\nb{why=\"y\"} 0\n\
            # HELP c How cold.\n# TYPE c gauge\nc -3\n";
        assert_eq!(String::from_utf8(text.into_bytes()).unwrap(), expected);
    }

    #[test]
    fn histograms_add_up() {
        let mut times = Histogram::default();
        for milliseconds in [0, 10, 11, 700, 60_000, 60_001, 86_400_000] {
            times.add(Duration::from_millis(milliseconds));
        }
        let mut text = Exposition::default();
        text.histogram("t_seconds", "How long.", &times);
        let text = String::from_utf8(text.into_bytes()).unwrap();
        let expected = [
            "# TYPE t_seconds histogram",
            "t_seconds_bucket{le=\"0.01\"} 2",
            "t_seconds_bucket{le=\"0.05\"} 3",
            "t_seconds_bucket{le=\"0.1\"} 3",
            "t_seconds_bucket{le=\"0.5\"} 3",
            "t_seconds_bucket{le=\"1\"} 4",
            "t_seconds_bucket{le=\"60\"} 5",
            "t_seconds_bucket{le=\"+Inf\"} 7",
            "t_seconds_sum 86520.722000",
            "t_seconds_count 7",
        ];
        for line in expected {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
    }
}
