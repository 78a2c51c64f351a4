//! The function `ItemsFunction`.

use handler_common::{Error, run_events};
use items::{Fault, SERVICE, answer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let fault = Fault::from_env();
    run_events(SERVICE, |event, call| {
        let answered = answer(fault, &event, &call);
        async move { answered }
    })
    .await
}
