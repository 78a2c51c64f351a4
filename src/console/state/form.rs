//! The form in which a saved request is edited before it is sent.

use std::collections::BTreeMap;

use labdeck_lab::blueprint::SavedRequest;
use labdeck_ops::request::check;
use ratatui_textarea::{CursorMove, TextArea};
use tui_input::Input;

/// What a row edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The HTTP method.
    Method,
    /// The path below the stage.
    Path,
    /// One header, `name: value`.
    Header,
    /// One query parameter, `name=value`.
    Query,
    /// The body.
    Body,
    /// One variable, `name=value`.
    Variable,
}

impl Field {
    /// Its label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Path => "path",
            Self::Header => "header",
            Self::Query => "query",
            Self::Body => "body",
            Self::Variable => "variable",
        }
    }

    /// What an empty row asks for.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Method => "GET",
            Self::Path => "/path/{{variable}}",
            Self::Header => "name: value",
            Self::Query | Self::Variable => "name=value",
            Self::Body => "empty",
        }
    }
}

/// One row.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it edits.
    pub field: Field,
    /// Its text.
    pub text: Text,
}

/// The text of a row.
#[derive(Debug, Clone)]
pub enum Text {
    /// One line.
    Line(Input),
    /// Any number of lines: the body.
    Lines(Box<TextArea<'static>>),
}

impl Text {
    /// Any number of lines, with the cursor in front.
    pub fn lines(text: &str) -> Self {
        let lines = text.split('\n').map(str::to_owned).collect();
        Self::Lines(Box::new(TextArea::new(lines)))
    }

    /// What is in it.
    pub fn value(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Line(input) => input.value().into(),
            Self::Lines(area) => area.lines().join("\n").into(),
        }
    }

    /// Rows of the screen that it wants.
    pub fn height(&self) -> usize {
        match self {
            Self::Line(_) => 1,
            Self::Lines(area) => area.lines().len().clamp(1, BODY_ROWS),
        }
    }
}

/// Rows of the screen that a body has at most; the rest scrolls.
const BODY_ROWS: usize = 12;

/// The form.
#[derive(Debug, Clone)]
pub struct RequestForm {
    /// The request it began with.
    pub original: SavedRequest,
    /// The rows; headers, query and variables end with an empty one.
    pub rows: Vec<Row>,
    /// The selected row.
    pub selected: usize,
    /// What is wrong with what was typed.
    pub error: Option<String>,
}

impl RequestForm {
    /// A form for `request`.
    pub fn new(request: &SavedRequest) -> Self {
        let mut rows = Vec::new();
        let mut row = |field: Field, text: String| {
            let text = match field {
                Field::Body => Text::lines(&text),
                _ => Text::Line(Input::new(text)),
            };
            rows.push(Row { field, text });
        };
        row(Field::Method, request.method.clone());
        row(Field::Path, request.path.clone());
        for (name, value) in &request.headers {
            row(Field::Header, format!("{name}: {value}"));
        }
        row(Field::Header, String::new());
        for (name, value) in &request.query {
            row(Field::Query, format!("{name}={value}"));
        }
        row(Field::Query, String::new());
        row(Field::Body, request.body.clone().unwrap_or_default());
        for (name, value) in &request.variables {
            row(Field::Variable, format!("{name}={value}"));
        }
        row(Field::Variable, String::new());
        Self { original: request.clone(), rows, selected: 1, error: None }
    }

    /// The text of several lines that has the focus, where one has.
    pub fn area(&mut self) -> Option<&mut TextArea<'static>> {
        match &mut self.rows.get_mut(self.selected)?.text {
            Text::Lines(area) => Some(area),
            Text::Line(_) => None,
        }
    }

    /// The body as it is now.
    pub fn body(&self) -> String {
        let body = self.rows.iter().find(|row| row.field == Field::Body);
        body.map(|row| row.text.value().into_owned()).unwrap_or_default()
    }

    /// Puts another body in place of the one that is there.
    pub fn set_body(&mut self, body: &str) {
        for (index, row) in self.rows.iter_mut().enumerate() {
            if row.field == Field::Body {
                row.text = Text::lines(body);
                self.selected = index;
            }
        }
        if let Some(area) = self.area() {
            area.move_cursor(CursorMove::Bottom);
            area.move_cursor(CursorMove::End);
        }
    }

    /// To the row after, or before.
    pub fn step(&mut self, forward: bool) {
        let count = self.rows.len();
        self.selected = (self.selected + if forward { 1 } else { count - 1 }) % count;
    }

    /// Keeps an empty row after the last header, query parameter and variable.
    pub fn grow(&mut self) {
        let row = &self.rows[self.selected];
        let field = row.field;
        if !matches!(field, Field::Header | Field::Query | Field::Variable)
            || row.text.value().is_empty()
        {
            return;
        }
        if self.rows.get(self.selected + 1).is_none_or(|next| next.field != field) {
            self.rows.insert(self.selected + 1, Row { field, text: Text::Line(Input::default()) });
        }
    }

    /// The request as it was edited.
    ///
    /// # Errors
    /// What is wrong, and the row it is in.
    pub fn request(&self) -> Result<SavedRequest, (usize, String)> {
        let mut request = SavedRequest {
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            variables: BTreeMap::new(),
            body: None,
            ..self.original.clone()
        };
        for (index, row) in self.rows.iter().enumerate() {
            let text = row.text.value();
            let text = text.as_ref();
            match row.field {
                Field::Method => {
                    request.method = text.trim().to_ascii_uppercase();
                }
                Field::Path => text.trim_end().clone_into(&mut request.path),
                Field::Body => request.body = (!text.is_empty()).then(|| text.to_owned()),
                Field::Header => pair(&mut request.headers, text, ':').map_err(|e| (index, e))?,
                Field::Query => pair(&mut request.query, text, '=').map_err(|e| (index, e))?,
                Field::Variable => {
                    pair(&mut request.variables, text, '=').map_err(|e| (index, e))?;
                }
            }
        }
        match check::problems(&request).first() {
            None => Ok(request),
            Some(problem) => Err((self.row_of(&problem.field), problem.why.clone())),
        }
    }

    /// The row that a problem is in; the selected one for what the form does not show.
    fn row_of(&self, field: &check::Field) -> usize {
        let found = |wanted: Field, name: &str, between: char| {
            self.rows.iter().position(|row| {
                let value = row.text.value();
                let known = value.split(between).next().unwrap_or_default().trim();
                row.field == wanted && (name.is_empty() || known == name)
            })
        };
        let row = match field {
            check::Field::Method => found(Field::Method, "", ' '),
            check::Field::Path => found(Field::Path, "", ' '),
            check::Field::Body => found(Field::Body, "", ' '),
            check::Field::Header(name) => found(Field::Header, name, ':'),
            check::Field::Query(name) => found(Field::Query, name, '='),
            check::Field::Variable(name) => found(Field::Variable, name, '='),
            _ => None,
        };
        row.unwrap_or(self.selected)
    }
}

fn pair(into: &mut BTreeMap<String, String>, text: &str, between: char) -> Result<(), String> {
    if text.trim().is_empty() {
        return Ok(());
    }
    let Some((name, value)) = text.split_once(between) else {
        return Err(format!("write name{between} value; empty the row to leave it out"));
    };
    let name = name.trim();
    if name.is_empty() {
        return Err(format!("there is no name before {between:?}"));
    }
    into.insert(name.to_owned(), value.trim().to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn saved() -> SavedRequest {
        SavedRequest {
            name: "hello".into(),
            description: String::new(),
            api: "greet".into(),
            method: "GET".into(),
            path: "/greet".into(),
            headers: BTreeMap::from([("x-user-id".into(), "{{user}}".into())]),
            query: BTreeMap::new(),
            body: None,
            variables: BTreeMap::from([("user".into(), "ada".into())]),
            ..SavedRequest::default()
        }
    }

    #[test]
    fn an_unedited_form_gives_the_same_request() {
        assert_eq!(RequestForm::new(&saved()).request().unwrap(), saved());
    }

    #[test]
    fn rows_are_added_and_mistakes_point_at_their_row() {
        let mut form = RequestForm::new(&saved());
        let last = form.rows.iter().rposition(|row| row.field == Field::Header).unwrap();
        form.selected = last;
        form.rows[last].text = Text::Line(Input::new("accept: text/plain".into()));
        form.grow();
        assert_eq!(form.rows[last + 1].field, Field::Header);
        assert_eq!(form.request().unwrap().headers["accept"], "text/plain");
        form.rows[last].text = Text::Line(Input::new("accept".into()));
        assert_eq!(form.request().unwrap_err().0, last);
    }
}
