//! The syntax of xl's files: `key = value`, one on a line or with semicolons between.
//!
//! A value is a number, a text in quotes, or a list of values in brackets, which may go on over several lines. xl makes no
//! difference between a number and its digits in quotes.

use super::problem::{Position, Wrong, XlError};

/// A key with its value.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) value: Value,
    /// Given by `+=`: xl takes no numbers then.
    pub(crate) added: bool,
}

/// A value with its place.
#[derive(Debug)]
pub(crate) struct Value {
    pub(crate) at: Position,
    pub(crate) content: Content,
    /// Whether the file has the text as it is, with a quote before it: without escapes, and in one piece.
    pub(crate) literal: bool,
}

#[derive(Debug)]
pub(crate) enum Content {
    Text(String),
    List(Vec<Value>),
}

/// More than any key of xl's needs; what is deeper would use up the stack.
const DEEPEST: usize = 16;

/// All that a file sets, in its order. What is added with `+=` is part of the earlier setting's value.
pub(crate) fn parse(text: &str) -> Result<Vec<Setting>, XlError> {
    let mut parser = Parser { scanner: Scanner { rest: text, at: Position { line: 1, column: 1 } }, next: None };
    let mut settings: Vec<Setting> = Vec::new();
    loop {
        let (at, token) = parser.take()?;
        let key = match token {
            Token::Newline | Token::Semicolon => continue,
            Token::End => return Ok(settings),
            Token::Name(key) => key,
            other => {
                return Err(other.instead_of("a key: lower-case letters, digits, points and underscores").at(at, None));
            }
        };
        let (sign_at, sign) = parser.take()?;
        let added = match sign {
            Token::Equals => false,
            Token::Add => true,
            other => return Err(other.instead_of("= or +=").at(sign_at, Some(&key))),
        };
        let mut value = parser.value(&key, 0)?;
        let (end_at, end) = parser.take()?;
        if !matches!(end, Token::Newline | Token::Semicolon | Token::End) {
            return Err(end.instead_of("the end of the line, or ;").at(end_at, Some(&key)));
        }
        let before = settings.iter_mut().rev().find(|setting| setting.key == key).filter(|_| added);
        if let Some(before) = before {
            match (&mut before.value.content, &mut value.content) {
                (Content::Text(text), Content::Text(more)) => text.push_str(more),
                (Content::List(list), Content::List(more)) => list.append(more),
                (Content::Text(_), _) => {
                    return Err(value.is_not("text, to be added to text").at(value.at, Some(&key)));
                }
                (Content::List(_), _) => {
                    return Err(value.is_not("a list, […], to be added to a list").at(value.at, Some(&key)));
                }
            }
            before.value.at = value.at;
            before.value.literal = false;
            before.added = true;
        } else {
            settings.push(Setting { key, at, value, added });
        }
    }
}

impl Value {
    /// What it is, instead of what was expected.
    pub(crate) fn is_not(&self, expected: &str) -> Wrong {
        match &self.content {
            Content::Text(text) => Wrong::text(text, expected),
            Content::List(_) => Wrong::thing("a list", expected),
        }
    }
}

/// A text as a file has it, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match ESCAPES.iter().find(|(_, meant)| *meant == c) {
            // Both kinds of quotes could be escaped; one does not need it.
            Some((escape, _)) if c != '\'' => quoted.extend(['\\', *escape]),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// What stands behind a backslash, and for what.
const ESCAPES: [(char, char); 10] = [
    ('"', '"'),
    ('\'', '\''),
    ('\\', '\\'),
    ('a', '\x07'),
    ('b', '\x08'),
    ('f', '\x0c'),
    ('n', '\n'),
    ('r', '\r'),
    ('t', '\t'),
    ('v', '\x0b'),
];

enum Token {
    Name(String),
    Number(String),
    /// A text, and whether there are no escapes in it.
    Text(String, bool),
    Comma,
    Open,
    Close,
    Equals,
    Add,
    Semicolon,
    Newline,
    End,
}

impl Token {
    fn instead_of(&self, expected: &str) -> Wrong {
        match self {
            Self::Name(name) => Wrong::thing(name, expected),
            Self::Number(number) => Wrong::thing(number, expected),
            Self::Text(text, _) => Wrong::text(text, expected),
            Self::Comma => Wrong::thing(",", expected),
            Self::Open => Wrong::thing("[", expected),
            Self::Close => Wrong::thing("]", expected),
            Self::Equals => Wrong::thing("=", expected),
            Self::Add => Wrong::thing("+=", expected),
            Self::Semicolon => Wrong::thing(";", expected),
            Self::Newline => Wrong::thing("the end of the line", expected),
            Self::End => Wrong::thing("the end of the file", expected),
        }
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    /// A token that was looked at, but not taken.
    next: Option<(Position, Token)>,
}

impl Parser<'_> {
    fn take(&mut self) -> Result<(Position, Token), XlError> {
        self.next.take().map_or_else(|| self.scanner.token(), Ok)
    }

    fn skip_newlines(&mut self) -> Result<(), XlError> {
        loop {
            match self.take()? {
                (_, Token::Newline) => {}
                other => {
                    self.next = Some(other);
                    return Ok(());
                }
            }
        }
    }

    fn value(&mut self, key: &str, depth: usize) -> Result<Value, XlError> {
        let (at, token) = self.take()?;
        let literal = matches!(token, Token::Text(_, true));
        let content = match token {
            Token::Text(text, _) | Token::Number(text) => Content::Text(text),
            Token::Open if depth < DEEPEST => Content::List(self.list(key, depth)?),
            Token::Open => return Err(Wrong::thing("[", "possible: the lists are too deep").at(at, Some(key))),
            other => return Err(other.instead_of("a number, a text in quotes, or a list, […]").at(at, Some(key))),
        };
        Ok(Value { at, content, literal })
    }

    /// The rest of a list, up to its end.
    fn list(&mut self, key: &str, depth: usize) -> Result<Vec<Value>, XlError> {
        let mut list = Vec::new();
        loop {
            self.skip_newlines()?;
            match self.take()? {
                (_, Token::Close) => return Ok(list),
                other => self.next = Some(other),
            }
            list.push(self.value(key, depth + 1)?);
            self.skip_newlines()?;
            match self.take()? {
                (_, Token::Close) => return Ok(list),
                (_, Token::Comma) => {}
                (at, other) => return Err(other.instead_of(", or ]").at(at, Some(key))),
            }
        }
    }
}

struct Scanner<'a> {
    rest: &'a str,
    at: Position,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.at = Position { line: self.at.line + 1, column: 1 };
        } else {
            self.at.column += 1;
        }
        Some(c)
    }

    /// As long as characters are of this sort.
    fn run(&mut self, of: fn(char) -> bool) -> String {
        let mut run = String::new();
        while let Some(c) = self.peek().filter(|c| of(*c)) {
            run.push(c);
            self.bump();
        }
        run
    }

    fn token(&mut self) -> Result<(Position, Token), XlError> {
        self.run(|c| c == ' ' || c == '\t');
        if self.peek() == Some('#') {
            self.run(|c| c != '\n');
        }
        let at = self.at;
        let token = match self.peek() {
            None => Token::End,
            Some('a'..='z') => Token::Name(self.run(|c| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_'))),
            Some('0'..='9') => Token::Number(self.run(|c| matches!(c, '0'..='9' | 'a'..='f' | 'x'))),
            Some(quote @ ('"' | '\'')) => self.text(quote)?,
            Some(c) => {
                self.bump();
                match c {
                    ',' => Token::Comma,
                    '[' => Token::Open,
                    ']' => Token::Close,
                    '=' => Token::Equals,
                    ';' => Token::Semicolon,
                    '\n' => Token::Newline,
                    '+' if self.peek() == Some('=') => {
                        self.bump();
                        Token::Add
                    }
                    '\r' => {
                        return Err(Wrong::thing("a carriage return", "possible here: lines end with a newline alone")
                            .at(at, None));
                    }
                    '-' => return Err(Wrong::thing("-", "possible here: a negative number needs quotes").at(at, None)),
                    _ => return Err(Wrong::text(c.encode_utf8(&mut [0; 4]), "possible here").at(at, None)),
                }
            }
        };
        Ok((at, token))
    }

    /// A text, with its quotes.
    fn text(&mut self, quote: char) -> Result<Token, XlError> {
        self.bump();
        let mut text = String::new();
        let mut literal = true;
        loop {
            let at = self.at;
            let missing = || Wrong::thing("the end of the line", format!("{quote}, which ends the text")).at(at, None);
            match self.peek() {
                None | Some('\n') => return Err(missing()),
                // xl takes it for the end of the value.
                Some('\0') => return Err(Wrong::thing("a NUL character", "possible in a text").at(at, None)),
                Some('\\') => {
                    self.bump();
                    let escape = self.peek().ok_or_else(missing)?;
                    let known = ESCAPES.iter().find(|(known, _)| *known == escape);
                    let (_, meant) = known.ok_or_else(|| Wrong::text(&format!("\\{escape}"), ESCAPE).at(at, None))?;
                    text.push(*meant);
                    literal = false;
                    self.bump();
                }
                Some(c) => {
                    self.bump();
                    if c == quote {
                        return Ok(Token::Text(text, literal));
                    }
                    text.push(c);
                }
            }
        }
    }
}

/// xl has digits, too, but its own parser refuses or loses them.
const ESCAPE: &str = r#"an escape that xl knows: \\ \" \' \a \b \f \n \r \t \v"#;

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &Value) -> String {
        match &value.content {
            Content::Text(text) => format!("{text:?}"),
            Content::List(list) => format!("[{}]", list.iter().map(shown).collect::<Vec<_>>().join(",")),
        }
    }

    fn read(text: &str) -> String {
        let settings = parse(text).expect("it is well-formed");
        settings.iter().map(|setting| format!("{}={} ", setting.key, shown(&setting.value))).collect()
    }

    fn refused(text: &str) -> String {
        parse(text).expect_err("it is not well-formed").to_string()
    }

    #[test]
    fn keys_have_numbers_texts_and_lists() {
        assert_eq!(read("a = 1; b=0x1f\n# c = 2\n\nd.e_2 = 'x' # y\n"), r#"a="1" b="0x1f" d.e_2="x" "#);
        assert_eq!(read("a = [ 'x', \"y\", ]\nb = []"), r#"a=["x","y"] b=[] "#);
        assert_eq!(read("a = [\n # of two\n 'x' # one\n , [ 1,\n 2 ]\n]\n"), r#"a=["x",["1","2"]] "#);
        assert_eq!(read("# no newline at its end"), "");
    }

    #[test]
    fn what_is_added_is_part_of_the_value() {
        assert_eq!(read("a = 'x'\na += 'y'\nl = [1]\nl += [2]\nn += 'new'\n"), r#"a="xy" l=["1","2"] n="new" "#);
        assert_eq!(refused("a = 'x'\na += [1]"), "line 2, column 6: a: a list is not text, to be added to text");
        assert_eq!(refused("a = []\na += 1"), r#"line 2, column 6: a: "1" is not a list, […], to be added to a list"#);
    }

    #[test]
    fn texts_come_back_as_they_were_quoted() {
        for text in ["", "x", r#"a"b'c\d"#, "\n\t\r\x07\x08\x0b\x0c", "größe 日本", "#;[]=,"] {
            let settings = parse(&format!("a = {}", quoted(text))).expect("it is well-formed");
            assert!(matches!(&settings[0].value.content, Content::Text(read) if read == text), "{text:?}");
        }
        assert_eq!(read(r#"a = 'it\'s "x"'"#), r#"a="it's \"x\"" "#);
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        for (text, words) in [
            ("a", "line 1, column 2: a: the end of the file is not = or +="),
            ("\n  = 3", "line 2, column 3: = is not a key"),
            ("Name = 'x'", "line 1, column 1: \"N\" is not possible here"),
            ("a = b", "line 1, column 5: a: b is not a number, a text in quotes, or a list"),
            ("a = -1", "line 1, column 5: - is not possible here: a negative number needs quotes"),
            ("a = 1 2", "line 1, column 7: a: 2 is not the end of the line"),
            ("a = [1 2]", "line 1, column 8: a: 2 is not , or ]"),
            ("a = [1", "line 1, column 7: a: the end of the file is not , or ]"),
            ("a = [,]", "line 1, column 6: a: , is not a number"),
            ("é = 'x", "line 1, column 1: \"é\" is not possible"),
            ("a = 'é\nb", "line 1, column 7: the end of the line is not ', which ends the text"),
            ("a = 'x\\", "line 1, column 7: the end of the line is not ', which"),
            (r"a = '\x41'", r#"line 1, column 6: "\\x41""#),
            ("a = 1\r\n", "line 1, column 6: a carriage return is not possible here"),
            ("a = 'x\0'", "line 1, column 7: a NUL character is not possible"),
        ] {
            let refused = refused(text);
            let begin = words.trim_end_matches(r#"41""#);
            assert!(refused.starts_with(begin), "{text:?}: {refused}");
        }
        assert!(refused(&format!("a = {}", "[".repeat(100_000))).contains("too deep"));
    }
}
