//! Arguments of `request`.

use clap::Args;

use super::LoadArgs;
use super::parse::variable;

/// Arguments of `request`.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// The lab.
    pub lab: String,
    /// The saved request, the lab's or your own; without it they are listed.
    pub name: Option<String>,
    /// The stage; without it the lab's last one, usually `prod`.
    #[arg(long, short)]
    pub stage: Option<String>,
    /// A variable of the request.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable)]
    pub variables: Vec<(String, String)>,
    /// Another place than a stage: `test:STAGE` (the gateway's method test, with its log), `:VERSION` or
    /// `:ALIAS` (straight to the function), `https://…` (without the lab's key).
    #[arg(long, value_name = "WHERE", conflicts_with = "stage")]
    pub to: Option<String>,
    /// How often; once without.
    #[command(flatten)]
    pub load: LoadArgs,
    /// Send every saved request that needs no further variable, one after the other. Exit status 1
    /// when one gets no answer, or not the one that it expects.
    #[arg(long, conflicts_with_all = ["name", "to", "count", "concurrency", "rate", "duration"])]
    pub all: bool,
    /// Print the request as a command of curl, and send nothing. The API key is no part of it.
    #[arg(long, requires = "name", conflicts_with_all = ["to", "count", "concurrency", "rate", "duration"])]
    pub curl: bool,
    /// A key of the lab that goes along as `x-api-key`, whatever the request says. What the request
    /// expects is not judged then.
    #[arg(long, value_name = "NAME", requires = "name")]
    pub key: Option<String>,
    /// Show the log lines of the request below its answer; waits for them for up to 10 seconds.
    #[arg(long, requires = "name", conflicts_with_all = ["all", "curl", "count", "concurrency", "rate", "duration"])]
    pub logs: bool,
    /// What was sent to this lab on this target, the newest first.
    #[arg(long, conflicts_with_all = ["all", "curl", "count"])]
    pub history: bool,
    /// Only the one that led to this invocation: Lambda's request id of a log line.
    #[arg(long, value_name = "REQUEST_ID", requires = "history")]
    pub invocation: Option<String>,
    /// What differs between two answers of the history.
    #[arg(long, num_args = 2, value_names = ["ID", "ID"],
          conflicts_with_all = ["name", "all", "curl", "history", "count"])]
    pub diff: Vec<u64>,
    /// Requests of your own.
    #[command(flatten)]
    pub own: OwnArgs,
}

/// A request of one's own.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Requests of your own")]
pub struct OwnArgs {
    /// Save a request of your own under this name, with `--var` as defaults of its variables: its
    /// method, and its path below the stage.
    #[arg(long, num_args = 2, value_names = ["METHOD", "PATH"], requires = "name",
          conflicts_with_all = ["all", "curl", "history", "diff", "forget", "count", "stage"])]
    pub save: Vec<String>,
    /// Forget a request of your own.
    #[arg(long, requires = "name",
          conflicts_with_all = ["all", "curl", "history", "diff", "count", "stage"])]
    pub forget: bool,
    /// Its API; may be left out where the lab has one.
    #[arg(long, value_name = "API", requires = "save")]
    pub api: Option<String>,
    /// A header.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = header, requires = "save")]
    pub headers: Vec<(String, String)>,
    /// A query parameter, written plainly.
    #[arg(long = "query", value_name = "NAME=VALUE", value_parser = variable, requires = "save")]
    pub query: Vec<(String, String)>,
    /// Its body, or the file that it is read from.
    #[arg(long, value_name = "TEXT|@FILE", requires = "save")]
    pub body: Option<String>,
    /// What it shows, in one line.
    #[arg(long, value_name = "TEXT", requires = "save")]
    pub describe: Option<String>,
    /// A request that is sent before it.
    #[arg(long, value_name = "NAME", requires = "save")]
    pub before: Vec<String>,
    /// A value of its answer for requests after it: a variable and a JSON path.
    #[arg(long, value_name = "NAME=PATH", value_parser = variable, requires = "save")]
    pub capture: Vec<(String, String)>,
    /// What its answer must be: status=2xx, time=500 (ms), header.NAME=VALUE or '$.pet.id=7'.
    #[arg(long, value_name = "WHAT=VALUE", value_parser = variable, requires = "save")]
    pub expect: Vec<(String, String)>,
}

/// `NAME=VALUE`, or `NAME: VALUE` as HTTP writes it.
fn header(text: &str) -> Result<(String, String), String> {
    let equals = text.find('=').unwrap_or(usize::MAX);
    match text.split_once(": ").filter(|(name, _)| name.len() < equals) {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => variable(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_in_two_ways() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(header("x-a=b: c"), pair("x-a", "b: c"));
        assert_eq!(header("x-a: b=c"), pair("x-a", "b=c"));
        assert!(header("x-a").is_err() && header("=b").is_err());
    }
}
