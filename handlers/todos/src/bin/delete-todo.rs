//! The function `deleteTodo`.

use handler_common::{Error, run};
use todos::Todos;
use todos::delete::{SERVICE, answer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    // Made once, at the cold start: every request of this instance uses the same connections.
    let todos = Todos::from_env()?;
    run(SERVICE, |request, call| {
        let todos = &todos;
        async move { Ok(answer(todos, &request, &call).await) }
    })
    .await
}
