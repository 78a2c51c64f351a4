//! `cloud status|stop|env`: about the local cloud that runs.

use labdeck_aws::{Failure, FailureKind, LocalCloud, Result};
use serde_json::json;

use crate::args::{CloudArgs, CloudCommand};
use crate::context::{Context, state_dir};
use crate::output::{columns, exit};

/// Runs `cloud` with a subcommand; without one `main` runs the cloud itself.
pub async fn run(context: &Context<'_>, args: &CloudArgs) -> Result<u8> {
    match args.command {
        Some(CloudCommand::Status) => status(context).await,
        Some(CloudCommand::Stop) => stop(context).await,
        Some(CloudCommand::Env) => env(context).await,
        None => Err(Failure::new(
            FailureKind::Internal,
            "running the local cloud",
            "this is not the place where it is run",
        )),
    }
}

async fn status(context: &Context<'_>) -> Result<u8> {
    let dir = state_dir(&context.global)?;
    let Some(cloud) = LocalCloud::find_any_version(&dir).await? else {
        let value = json!({ "running": false, "state_dir": dir });
        context
            .output
            .result(&value, || vec![format!("no local cloud runs for {}", dir.display())]);
        return Ok(exit::DONE);
    };
    let live = &cloud.status;
    let value = json!({ "running": true, "state_dir": dir, "status": live });
    context.output.result(&value, || {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("endpoint", live.endpoint.clone()),
            row("version", live.version.clone()),
            row("process", live.pid.to_string()),
            row("up", duration(live.uptime_ms / 1000)),
            row("requests", live.requests.to_string()),
            row("functions", format!("{} environments run", live.environments)),
            row("attached", live.attached.to_string()),
            row(
                "state",
                format!(
                    "{} of {} in {}",
                    bytes(live.state_bytes),
                    bytes(live.state_cap_bytes),
                    dir.display()
                ),
            ),
        ];
        if live.any_credentials {
            let text = "any: every request is taken, whoever signed it (--any-credentials)";
            rows.push(row("signatures", text.to_owned()));
        }
        if live.aws_limits {
            let text = "AWS's rates hold; new roles and functions take seconds (--aws-limits)";
            rows.push(row("limits", text.to_owned()));
        }
        if live.rtt_ms > 0 {
            let text = format!("{} ms more for every call (--rtt)", live.rtt_ms);
            rows.push(row("round trip", text));
        }
        if let Some(file) = &live.operator_policy {
            let text = format!("may do what {file} allows (--operator-policy)");
            rows.push(row("operator", text));
        }
        if live.faults > 0 {
            rows.push(row("faults", format!("{} are set", live.faults)));
        }
        rows.extend(live.notices.iter().map(|notice| row("note", notice.clone())));
        columns(&rows)
    });
    Ok(exit::DONE)
}

async fn stop(context: &Context<'_>) -> Result<u8> {
    let dir = state_dir(&context.global)?;
    let Some(cloud) = LocalCloud::find_any_version(&dir).await? else {
        let value = json!({ "stopped": false, "running": false, "state_dir": dir });
        context
            .output
            .result(&value, || vec![format!("no local cloud runs for {}", dir.display())]);
        return Ok(exit::DONE);
    };
    // Once its clients are gone its answer ends; that it took the request is what counts.
    cloud.admin.stop(false).await?;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while LocalCloud::find_any_version(&dir).await?.is_some() || LocalCloud::is_held(&dir) {
        if std::time::Instant::now() >= until {
            let what = format!("stopping the local cloud at {}", cloud.endpoint);
            let why = format!("its process {} still runs after 10 s", cloud.status.pid);
            return Err(Failure::new(FailureKind::Service, what, why)
                .next(format!("see {}", dir.join("cloud.log").display())));
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let value = json!({ "stopped": true, "running": false, "state_dir": dir });
    context.output.result(&value, || {
        vec![format!(
            "stopped the local cloud at {}; its state stays in {}",
            cloud.endpoint,
            dir.display()
        )]
    });
    Ok(exit::DONE)
}

async fn env(context: &Context<'_>) -> Result<u8> {
    let dir = state_dir(&context.global)?;
    let Some(cloud) = LocalCloud::find(&dir).await? else {
        let what = "telling how to reach the local cloud";
        let why = format!("none runs for {}", dir.display());
        return Err(Failure::new(FailureKind::NotFound, what, why)
            .next("start it with: labdeck cloud; or deploy a lab, which starts it"));
    };
    let variables = [
        ("AWS_ENDPOINT_URL", cloud.endpoint.clone()),
        ("AWS_ACCESS_KEY_ID", cloud.access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", cloud.secret_access_key.clone()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
    ];
    if context.output.json {
        let map: serde_json::Map<String, serde_json::Value> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        context.output.value(&map);
    } else {
        for (name, value) in variables {
            context.output.line(format!("export {name}='{value}'"));
        }
        // A session token or profile of the person's own would be sent along.
        context.output.line("unset AWS_SESSION_TOKEN AWS_PROFILE");
    }
    Ok(exit::DONE)
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ages_read_well() {
        assert_eq!(bytes(999), "999 bytes");
        assert_eq!(bytes(1_234_567), "1.2 MB");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(3_700), "1 h 1 min");
    }
}
