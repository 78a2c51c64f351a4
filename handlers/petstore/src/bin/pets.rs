//! The function `pets`.

use handler_common::{Error, run};
use petstore::pets::{Pets, SERVICE, answer};
use petstore::topic::Topic;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Made once, at the cold start: every request of this instance uses the same connections.
    let (pets, topic) = (Pets::from_env()?, Topic::from_env()?);
    run(SERVICE, |request, call| {
        let (pets, topic) = (&pets, &topic);
        async move { Ok(answer(pets, topic, &request, &call).await) }
    })
    .await
}
