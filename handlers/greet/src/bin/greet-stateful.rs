//! The function `greet-stateful`.

use greet::stateful::{SERVICE, greet};
use greet::visits::Visits;
use handler_common::{Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let word = greet::greeting_word();
    // Made once, at the cold start: every request of this instance uses the same connections.
    let visits = Visits::from_env()?;
    run(SERVICE, |request, call| {
        let (word, visits) = (&word, &visits);
        async move { Ok(greet(word, visits, &request, &call).await) }
    })
    .await
}
