//! The functions in memory, and the one way to change them: durable first, then visible.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, RwLock};

use crate::core::Core;
use crate::error::AwsError;
use crate::store::{Change, Store, StoreError};

use super::errors::function_not_found;
use super::model::Function;
use super::unpoisoned;

/// Documents of functions, by name.
const FUNCTIONS: &str = "lambda.functions";

/// All functions.
#[derive(Debug)]
pub struct Registry {
    store: Store,
    functions: RwLock<BTreeMap<String, Arc<Function>>>,
    /// Held across a change, so that two changes can't overwrite each other.
    writing: tokio::sync::Mutex<()>,
}

impl Registry {
    /// Reads all functions. What a stopped cloud left pending is settled: nothing was lost, only
    /// nobody was there to say that it is ready.
    pub fn open(core: &Core) -> Result<Self, StoreError> {
        let mut functions = BTreeMap::new();
        let mut changes = Vec::new();
        for (name, mut function) in core.store.load::<Function>(FUNCTIONS)? {
            if function.settle() {
                changes.push(Change::put(FUNCTIONS, &name, &function)?);
            }
            functions.insert(name, Arc::new(function));
        }
        if !changes.is_empty() {
            core.store.commit_blocking(&changes)?;
        }
        Ok(Self {
            store: core.store.clone(),
            functions: RwLock::new(functions),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// A function, as it is now.
    pub fn find(&self, name: &str) -> Option<Arc<Function>> {
        unpoisoned(self.functions.read()).get(name).cloned()
    }

    /// A function that a call works on.
    pub fn get(&self, name: &str) -> Result<Arc<Function>, AwsError> {
        self.find(name).ok_or_else(|| function_not_found(name, None))
    }

    /// All functions by name.
    pub fn all(&self) -> Vec<Arc<Function>> {
        unpoisoned(self.functions.read()).values().cloned().collect()
    }

    /// The hashes of all code that functions use.
    pub fn code_in_use(&self) -> HashSet<String> {
        unpoisoned(self.functions.read())
            .values()
            .flat_map(|function| function.configurations().map(|c| c.code_hash.clone()))
            .collect()
    }

    /// Changes one function, or makes (from none) or removes it (to none).
    ///
    /// `change` sees the function as it is and gives back what it is to be and what to answer; an
    /// error leaves everything as it was.
    pub async fn change<T>(
        &self,
        name: &str,
        change: impl FnOnce(Option<Function>) -> Result<(Option<Function>, T), AwsError>,
    ) -> Result<T, AwsError> {
        let _writing = self.writing.lock().await;
        let before = self.find(name).map(|function| Function::clone(&function));
        let (after, answer) = change(before)?;
        let document = match &after {
            Some(function) => Change::put(FUNCTIONS, name, function)?,
            None => Change::delete(FUNCTIONS, name),
        };
        self.store.commit(vec![document]).await?;
        let mut functions = unpoisoned(self.functions.write());
        match after {
            Some(function) => functions.insert(name.to_owned(), Arc::new(function)),
            None => functions.remove(name),
        };
        Ok(answer)
    }

    /// Changes a function that must be there.
    pub async fn update<T>(
        &self,
        name: &str,
        change: impl FnOnce(&mut Function) -> Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        self.change(name, |function| {
            let mut function = function.ok_or_else(|| function_not_found(name, None))?;
            let answer = change(&mut function)?;
            Ok((Some(function), answer))
        })
        .await
    }
}
