//! The function `hello`.

use handler_common::{Error, run};
use hello::{SERVICE, greet};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(SERVICE, |request, call| {
        let reply = greet(&request, &call);
        async move { Ok(reply) }
    })
    .await
}
