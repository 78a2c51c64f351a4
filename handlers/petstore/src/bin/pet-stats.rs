//! The function `pet-stats`.

use handler_common::{Error, run_stream};
use petstore::stats::{SERVICE, Stats, count};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let stats = Stats::from_env()?;
    run_stream(SERVICE, |record, call| {
        let stats = &stats;
        async move { count(stats, &record, &call).await }
    })
    .await
}
