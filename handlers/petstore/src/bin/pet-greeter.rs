//! The function `pet-greeter`.

use handler_common::{Error, run_topic};
use petstore::greeter::{SERVICE, greet};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run_topic(SERVICE, |message, call| {
        let greeted = greet(&message, &call);
        async move { greeted }
    })
    .await
}
