//! JSON as Envoy's admin prints messages: one field a line, indented by one space.
//!
//! Owns the layout and the order, which is that of the calls. Does not own what is printed.

/// Writes one JSON value; a field or an item is opened, then filled.
#[derive(Debug, Default)]
pub struct PrettyJson {
    text: Vec<u8>,
    /// For each open object or array, whether it has something in it.
    filled: Vec<bool>,
}

impl PrettyJson {
    fn line(&mut self) {
        self.text.push(b'\n');
        self.text.extend(std::iter::repeat_n(b' ', self.filled.len()));
    }

    /// Begins an item of an array; its value must follow.
    pub fn item(&mut self) -> &mut Self {
        if let Some(filled) = self.filled.last_mut() {
            if std::mem::replace(filled, true) {
                self.text.push(b',');
            }
            self.line();
        }
        self
    }

    /// Begins a field of an object; its value must follow.
    pub fn field(&mut self, name: &str) -> &mut Self {
        self.item().string(name);
        self.text.extend_from_slice(b": ");
        self
    }

    /// A string.
    pub fn string(&mut self, value: &str) {
        crate::stats::write_json_string(value.as_bytes(), &mut self.text);
    }

    /// A number, or `true`, or `null`.
    pub fn plain(&mut self, value: impl std::fmt::Display) {
        self.text.extend_from_slice(value.to_string().as_bytes());
    }

    /// An object, filled by a function.
    pub fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.bracketed(b'{', b'}', fill);
    }

    /// An array, filled by a function.
    pub fn array(&mut self, fill: impl FnOnce(&mut Self)) {
        self.bracketed(b'[', b']', fill);
    }

    fn bracketed(&mut self, open: u8, close: u8, fill: impl FnOnce(&mut Self)) {
        self.text.push(open);
        self.filled.push(false);
        fill(self);
        if self.filled.pop() == Some(true) {
            self.line();
        }
        self.text.push(close);
    }

    /// A field, unless the value is empty.
    pub fn string_field(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.field(name).string(value);
        }
    }

    /// The text, with a line feed at the end.
    pub fn finish(mut self) -> Vec<u8> {
        self.text.push(b'\n');
        self.text
    }

    /// The text so far, to be sent off.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_envoy() {
        let mut json = PrettyJson::default();
        json.object(|json| {
            json.field("list").array(|json| {
                json.item().plain(1);
                json.item().object(|json| json.field("a\"").string("b"));
            });
            json.field("empty").object(|_| {});
            json.string_field("none", "");
        });
        let expected = "{\n \"list\": [\n  1,\n  {\n   \"a\\\"\": \"b\"\n  }\n ],\n \"empty\": {}\n}\n";
        assert_eq!(String::from_utf8(json.finish()).unwrap(), expected);
    }
}
