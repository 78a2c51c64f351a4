//! Arguments of what is sent many times.

use std::time::Duration;

use clap::Args;
use labdeck_ops::request::Load;
use labdeck_ops::request::burst::{LONGEST, MOST_AT_ONCE, MOST_PER_SECOND, MOST_REQUESTS};

/// How often, how fast, how long.
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// How often.
    #[arg(short = 'n', long = "count", value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=MOST_REQUESTS))]
    pub count: Option<u64>,
    /// How many at once.
    #[arg(short = 'c', long = "concurrency", value_name = "C", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=MOST_AT_ONCE as i64))]
    pub concurrency: u16,
    /// Requests per second; without it as fast as answers come. One that is sent late counts from when
    /// it was due.
    #[arg(long, value_name = "PER SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// How long requests are begun: `500ms`, `30s`, `5m`.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub duration: Option<Duration>,
}

impl LoadArgs {
    /// The load; nothing when it is to be sent once.
    pub fn load(&self) -> Option<Load> {
        let once = self.count.unwrap_or(1) == 1 && self.duration.is_none() && self.rate.is_none();
        (!once).then(|| Load {
            count: self.count,
            lasts: self.duration,
            rate: self.rate,
            at_once: usize::from(self.concurrency),
        })
    }
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The lab.
    pub lab: String,
    /// Saved requests; several are compared with each other.
    #[arg(required_unless_present = "event")]
    pub requests: Vec<String>,
    /// A saved event instead, which is for functions: `--at :3 --at :4`.
    #[arg(long, value_name = "NAME", conflicts_with = "requests")]
    pub event: Option<String>,
    /// Where to: STAGE, `:VERSION`, `:ALIAS` (straight to the function), `https://…` (without the lab's
    /// key); several are compared with each other. Without it the lab's last stage.
    #[arg(long, value_name = "WHERE")]
    pub at: Vec<String>,
    /// How often each; 200 without this and without `--duration`.
    #[command(flatten)]
    pub load: LoadArgs,
}

impl CompareArgs {
    /// The load of each.
    pub fn load(&self) -> Load {
        let often = (self.load.count.is_none() && self.load.duration.is_none()).then_some(200);
        Load {
            count: self.load.count.or(often),
            lasts: self.load.duration,
            rate: self.load.rate,
            at_once: usize::from(self.load.concurrency),
        }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.strip_suffix("/s").unwrap_or(text).parse::<f64>();
    match rate {
        Ok(rate) if rate > 0.0 && rate <= MOST_PER_SECOND => Ok(rate),
        _ => Err(format!("a rate is above 0 and up to {MOST_PER_SECOND} a second")),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let read = Load::read(text).ok().filter(|load| load.count.is_none() && load.rate.is_none());
    let lasts = read.and_then(|load| load.lasts);
    lasts
        .ok_or_else(|| format!("a time such as 500ms, 30s, 5m, up to {} m", LONGEST.as_secs() / 60))
}
