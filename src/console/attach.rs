//! What the console asks of attachments, and what it is told.

use std::sync::Arc;

use labdeck_aws::{Failure, Result};
use labdeck_ops::Engine;
use labdeck_ops::attach::{self, Offer, Selection};

use crate::message::{Message, NamedLab};

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Work {
    /// Read everything that is attached.
    Load,
    /// Read what the account has.
    Offer,
    /// Attach this by a name.
    Attach(String, Selection),
    /// Forget what is attached by a name.
    Detach(String),
}

/// What came of it.
#[derive(Debug)]
pub enum Told {
    /// Everything that is attached.
    All(Result<Vec<NamedLab>>),
    /// What the account has.
    Offer(Result<Offer>),
    /// Something was attached; everything that is attached now.
    Attached {
        /// Its name.
        name: String,
        /// Everything that is attached.
        result: Result<Vec<NamedLab>>,
    },
    /// Something was detached; everything that is still attached.
    Detached {
        /// Its name.
        name: String,
        /// Everything that is attached.
        result: Result<Vec<NamedLab>>,
    },
}

/// Does what is asked for.
pub async fn carry_out(engine: &Engine, work: Work) -> Message {
    Message::Attach(match work {
        Work::Load => Told::All(all(engine).await),
        Work::Offer => Told::Offer(attach::offer(engine).await),
        Work::Attach(name, selection) => {
            let result = attached(engine, &name, &selection).await;
            Told::Attached { name, result }
        }
        Work::Detach(name) => {
            let result = detached(engine, &name).await;
            Told::Detached { name, result }
        }
    })
}

async fn attached(engine: &Engine, name: &str, selection: &Selection) -> Result<Vec<NamedLab>> {
    attach::attach(engine, name, selection).await?;
    all(engine).await
}

async fn detached(engine: &Engine, name: &str) -> Result<Vec<NamedLab>> {
    attach::detach(engine, name).await?;
    all(engine).await
}

async fn all(engine: &Engine) -> Result<Vec<NamedLab>> {
    let all = Box::pin(attach::all(engine)).await?;
    Ok::<_, Failure>(all.into_iter().map(|(name, lab)| (name, lab.map(Arc::new))).collect())
}
