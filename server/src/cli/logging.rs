//! What log lines look like: Kafka's `[time] LEVEL message (logger)`, or JSON.
//!
//! The level is INFO unless `KAFKA_LOG4J_ROOT_LOGLEVEL` says otherwise, as in the docker images; `OTTLA_LOG` takes levels per module, such as
//! `info,ottla_server::net=debug`, and goes before it.

use crate::clock::Clock;
use crate::log_levels::LogLevels;
use clap::ValueEnum;
use std::fmt;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// `[time] LEVEL message (logger)`
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines of the whole process to stdout from now on. The levels can be changed through what is returned.
pub(super) fn start(format: LogFormat, environment: &[(String, String)]) -> Arc<LogLevels> {
    let levels = levels(environment);
    let (filter, handle) = reload::Layer::new(levels.clone());
    let layer = tracing_subscriber::fmt::layer().with_ansi(false);
    let layer = match format {
        LogFormat::Text => layer.event_format(Log4jLine(Clock::system())).with_filter(filter).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_timer(Iso(Clock::system())).with_filter(filter).boxed(),
    };
    // Fails only if somebody installed a subscriber before us, and then it should have its way.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer));
    Arc::new(LogLevels::new(&levels, move |targets| {
        // Fails only once the subscriber is gone, and then nothing is logged any more.
        let _ = handle.reload(targets);
    }))
}

fn levels(environment: &[(String, String)]) -> Targets {
    let variable =
        |name: &str| environment.iter().find(|(other, _)| other == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty());
    if let Some(targets) = variable("OTTLA_LOG").and_then(|text| text.parse().ok()) {
        return targets;
    }
    // Log4j allows appenders after the level: `INFO, stdout`.
    let root = variable("KAFKA_LOG4J_ROOT_LOGLEVEL").and_then(|text| text.split(',').next());
    let level = root.and_then(|level| match level.trim().to_ascii_uppercase().as_str() {
        "FATAL" => Some(LevelFilter::ERROR),
        "ALL" => Some(LevelFilter::TRACE),
        other => other.parse().ok(),
    });
    Targets::new().with_default(level.unwrap_or(LevelFilter::INFO))
}

struct Log4jLine(Clock);

impl<S, N> FormatEvent<S, N> for Log4jLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let at = Utc::of(self.0.now_ms());
        write!(line, "[{at} {},{:03}] {} ", at.time(), at.millisecond, event.metadata().level())?;
        context.format_fields(line.by_ref(), event)?;
        writeln!(line, " ({})", event.metadata().target())
    }
}

struct Iso(Clock);

impl FormatTime for Iso {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        let at = Utc::of(self.0.now_ms());
        write!(line, "{at}T{}.{:03}Z", at.time(), at.millisecond)
    }
}

/// A moment on the calendar, in UTC. Displays as its date.
#[derive(Debug, PartialEq, Eq)]
struct Utc {
    year: i64,
    month: i64,
    day: i64,
    second_of_day: i64,
    millisecond: i64,
}

impl Utc {
    /// Days are counted from the first of March, so that the leap day is the last day of a year.
    fn of(epoch_ms: i64) -> Self {
        const DAY_MS: i64 = 24 * 60 * 60 * 1000;
        const DAYS_FROM_YEAR_0_TO_1970: i64 = 719_468;
        const DAYS_IN_400_YEARS: i64 = 146_097;
        let days = epoch_ms.div_euclid(DAY_MS) + DAYS_FROM_YEAR_0_TO_1970;
        let of_day = epoch_ms.rem_euclid(DAY_MS);
        let day_of_era = days.rem_euclid(DAYS_IN_400_YEARS);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: days.div_euclid(DAYS_IN_400_YEARS) * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            second_of_day: of_day / 1000,
            millisecond: of_day % 1000,
        }
    }

    fn time(&self) -> String {
        let seconds = self.second_of_day;
        format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[test]
    fn moments_fall_on_the_right_day() {
        for (epoch_ms, shown) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399_999, "2000-02-28 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (951_868_800_000, "2000-03-01 00:00:00"),
            (1_709_210_096_789, "2024-02-29 12:34:56"),
            (1_735_689_599_000, "2024-12-31 23:59:59"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            let at = Utc::of(epoch_ms);
            assert_eq!(format!("{at} {}", at.time()), shown, "{epoch_ms}");
        }
    }

    fn level(pairs: &[(&str, &str)], target: &str, level: tracing::Level) -> bool {
        let environment: Vec<(String, String)> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        levels(&environment).would_enable(target, &level)
    }

    #[test]
    fn the_root_level_of_the_docker_images_is_honoured() {
        use tracing::Level;
        assert!(level(&[], "x", Level::INFO) && !level(&[], "x", Level::DEBUG));
        assert!(level(&[("KAFKA_LOG4J_ROOT_LOGLEVEL", "DEBUG")], "x", Level::DEBUG));
        assert!(!level(&[("KAFKA_LOG4J_ROOT_LOGLEVEL", "warn, stdout")], "x", Level::INFO));
        assert!(!level(&[("KAFKA_LOG4J_ROOT_LOGLEVEL", "OFF")], "x", Level::ERROR));
        assert!(level(&[("KAFKA_LOG4J_ROOT_LOGLEVEL", "nonsense")], "x", Level::INFO));
        let both = [("KAFKA_LOG4J_ROOT_LOGLEVEL", "ERROR"), ("OTTLA_LOG", "warn,ottla_server::net=debug")];
        assert!(level(&both, "ottla_server::net::frame", Level::DEBUG) && !level(&both, "x", Level::INFO));
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("one thread").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(layer: impl FnOnce(Page) -> Box<dyn Layer<tracing_subscriber::Registry> + Send + Sync>) -> String {
        let page = Page::default();
        let subscriber = tracing_subscriber::registry().with(layer(page.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::info!(target: "a::b", partition = 3, "opened"));
        let bytes = page.0.lock().expect("one thread").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_text_line_looks_like_one_of_log4j() {
        let line = logged(|page| {
            let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || page.clone());
            layer.event_format(Log4jLine(Clock::manual(1_709_210_096_789))).boxed()
        });
        assert_eq!(line, "[2024-02-29 12:34:56,789] INFO opened partition=3 (a::b)\n");
    }

    #[test]
    fn a_json_line_is_one_flat_object() {
        let line = logged(|page| {
            let layer = tracing_subscriber::fmt::layer().with_writer(move || page.clone());
            layer.json().flatten_event(true).with_timer(Iso(Clock::manual(1_709_210_096_789))).boxed()
        });
        assert_eq!(
            line,
            "{\"timestamp\":\"2024-02-29T12:34:56.789Z\",\"level\":\"INFO\",\"message\":\"opened\",\"partition\":3,\"target\":\"a::b\"}\n"
        );
    }
}
