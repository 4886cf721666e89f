//! Text with elements around it, in which nothing that comes from outside can begin an element or an attribute.
//!
//! Names of elements and attributes are words of this program (`&'static str`); everything else is escaped on its way in.
//! There is no way around that here. Called by the page and the timeline.

/// An attribute: its name and its value.
pub(super) type Attribute<'a> = (&'static str, &'a str);

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Html {
    text: String,
}

impl Html {
    /// Writes words of this program as they are.
    pub(super) fn own(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    /// Begins an element.
    pub(super) fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.text.push('<');
        self.text.push_str(name);
        for (attribute, value) in attributes {
            self.text.push(' ');
            self.text.push_str(attribute);
            self.text.push_str("=\"");
            self.text(value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    /// Ends an element.
    pub(super) fn close(&mut self, name: &'static str) {
        self.text.push_str("</");
        self.text.push_str(name);
        self.text.push_str(">\n");
    }

    /// Writes a text from anywhere.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                '\n' | '\t' => self.text.push(c),
                c if disturbs(c) => self.text.push('\u{fffd}'),
                c => self.text.push(c),
            }
        }
    }

    /// Writes an element with a text in it.
    pub(super) fn element(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.close(name);
    }

    /// Returns what was written.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// Tells whether a character is no text: controls, and what turns the direction of the line around.
fn disturbs(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn elements_are_written_as_named() {
        let mut html = Html::default();
        html.open("p", &[("class", "a \"b\" <c>")]);
        html.text("1 < 2 & '3'\u{1b}[31m\u{202e}");
        html.close("p");
        assert_eq!(
            html.finish(),
            "<p class=\"a &quot;b&quot; &lt;c&gt;\">1 &lt; 2 &amp; &#39;3&#39;\u{fffd}[31m\u{fffd}</p>\n"
        );
    }

    proptest! {
        #[test]
        fn no_text_begins_an_element_or_an_attribute(text in "(<|>|\"|'|&|/|=|script|--|\\PC|\n){0,40}") {
            let mut html = Html::default();
            html.element("p", &[("title", &text)], &text);
            let written = html.finish();
            prop_assert_eq!(written.matches('<').count(), 2);
            prop_assert_eq!(written.matches('>').count(), 2);
            prop_assert_eq!(written.matches('"').count(), 2);
            prop_assert!(!written.contains('\''));
            let ends = written.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "").replace("&quot;", "").replace("&#39;", "");
            prop_assert!(!ends.contains('&'));
        }
    }
}
