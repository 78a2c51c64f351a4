//! The function that an integration's URI names, with stage variables put in.

use super::super::model::Texts;

/// The function part of `…:lambda:path/2015-03-31/functions/{function}/invocations`.
#[derive(Debug, PartialEq)]
pub(super) struct Function {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq)]
enum Piece {
    Text(String),
    Variable(String),
}

impl Function {
    /// Reads an integration's URI; nothing when it does not name a function.
    pub fn from_uri(uri: &str) -> Option<Self> {
        let mut parts = uri.splitn(6, ':').skip(4);
        let (service, target) = (parts.next()?, parts.next()?);
        if service != "lambda" {
            return None;
        }
        let (_, rest) = target.split_once("/functions/")?;
        let function = rest.strip_suffix("/invocations")?;
        Some(Self { pieces: pieces(function) })
    }

    /// The function's name or ARN. `Err` names a stage variable that the stage does not have.
    pub fn resolve(&self, variables: &Texts) -> Result<String, String> {
        let mut resolved = String::with_capacity(96);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => resolved.push_str(text),
                Piece::Variable(name) => {
                    let value = variables.get(name).filter(|value| !value.is_empty());
                    resolved.push_str(value.ok_or_else(|| name.clone())?);
                }
            }
        }
        Ok(resolved)
    }
}

fn pieces(text: &str) -> Vec<Piece> {
    const START: &str = "${stageVariables.";
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        let Some((name, after)) = after.split_once('}') else { break };
        pieces.push(Piece::Text(before.to_owned()));
        pieces.push(Piece::Variable(name.to_owned()));
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    pieces
}
