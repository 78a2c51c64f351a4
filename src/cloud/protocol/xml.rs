//! A writer for the XML of the awsQuery services.

/// XML text under construction; every text is escaped.
#[derive(Debug, Default)]
pub struct Xml {
    text: String,
}

impl Xml {
    /// An element with a text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
        escape_into(&mut self.text, value);
        self.close(name)
    }

    /// An element with a text, when there is one.
    pub fn optional(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// An element with further elements in it.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push('>');
        content(self);
        self.close(name)
    }

    /// An element in an XML namespace.
    pub fn root(&mut self, name: &str, namespace: &str, content: impl FnOnce(&mut Self)) {
        self.text.push('<');
        self.text.push_str(name);
        self.text.push_str(" xmlns=\"");
        escape_into(&mut self.text, namespace);
        self.text.push_str("\">");
        content(self);
        self.close(name);
    }

    /// Everything that `other` has written.
    pub fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text written so far.
    pub fn into_string(self) -> String {
        self.text
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push('>');
        self
    }
}

fn escape_into(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A parser turns a bare carriage return into a line feed.
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(character),
            // XML 1.0 has no way to write these.
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_always_well_formed() {
        let mut xml = Xml::default();
        xml.text("A", "<&>\"'\u{0}\u{1b}[31m\r\n\u{fffe}é");
        assert_eq!(
            xml.into_string(),
            "<A>&lt;&amp;&gt;&quot;&apos;\u{fffd}\u{fffd}[31m&#xD;\n\u{fffd}é</A>"
        );
    }
}
