//! The function `items-db`.

use handler_common::{Error, run};
use items_db::{Items, SERVICE, answer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Made once, at the cold start: every request of this instance uses the same connections.
    let items = Items::from_env()?;
    run(SERVICE, |request, call| {
        let items = &items;
        async move { Ok(answer(items, &request, &call).await) }
    })
    .await
}
