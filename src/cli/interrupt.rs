//! Ctrl-C: the first one asks for a clean end, the second one ends at once.

use tokio_util::sync::CancellationToken;

use crate::output::{Output, exit};

/// A token that the first Ctrl-C, SIGTERM or SIGHUP cancels.
pub fn watch(json: bool) -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        asked_to_end().await;
        cancel.cancel();
        Output::new(json).remark("stopping at the next safe point; Ctrl-C again stops at once");
        asked_to_end().await;
        std::process::exit(i32::from(exit::INTERRUPTED));
    });
    token
}

/// Waits for one of the signals that ask a program to end.
async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut terminate), Ok(mut hangup)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
