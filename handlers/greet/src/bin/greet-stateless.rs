//! The function `greet-stateless`.

use greet::stateless::{SERVICE, greet};
use handler_common::{Error, run};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let word = greet::greeting_word();
    run(SERVICE, |_request, call| {
        let reply = greet(&word, &call);
        async move { Ok(reply) }
    })
    .await
}
