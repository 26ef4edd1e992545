//! The manual, which is made of the comments in the headers: a page for each function, and `osevent(7)`.
//!
//! A type is on the page of the function that follows it.

use crate::Outcome;
use crate::compiler::PACKAGE;
use crate::header::{Entry, HEADERS, Paragraph, entries};
use crate::prefix::Prefix;
use libtest_mimic::{Completion, Failed};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Programs that say what is wrong with a page, and their packages of Debian.
const READERS: [(&[&str], &str); 2] =
    [(&["mandoc", "-T", "lint", "-W", "warning"], "mandoc"), (&["groff", "-man", "-ww", "-z"], "groff-base")];

/// The committed pages are those of the header. `UPDATE_DOCS=1` makes them so.
pub(crate) fn is_of_the_header() -> Outcome {
    let folder = Path::new(PACKAGE).join("man");
    let pages = pages()?;
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::create_dir_all(&folder)?;
        for (name, page) in &pages {
            fs::write(folder.join(name), page)?;
        }
    }
    let mut committed = BTreeMap::new();
    for file in fs::read_dir(&folder)? {
        let file = file?;
        committed.insert(file.file_name().to_string_lossy().into_owned(), fs::read_to_string(file.path())?);
    }
    let names: BTreeSet<_> = pages.keys().chain(committed.keys()).collect();
    let wrong: Vec<_> = names.into_iter().filter(|name| pages.get(*name) != committed.get(*name)).collect();
    if !wrong.is_empty() {
        let update = "UPDATE_DOCS=1 cargo test -p osevent-c --test from_c";
        return Err(format!("not as the header says: {wrong:?}. {update} writes them; delete what is left over").into());
    }
    Ok(Completion::Completed)
}

/// The installed pages have no fault that a reader knows of.
pub(crate) fn renders() -> Outcome {
    let prefix = match Prefix::installed()? {
        Ok(prefix) => prefix,
        Err(missing) => return Ok(Completion::ignored_with(missing)),
    };
    let is_here = |reader: &[&str]| Command::new(reader[0]).arg("-v").output().is_ok();
    let readers: Vec<_> = READERS.iter().filter(|(reader, _)| is_here(reader)).collect();
    if readers.is_empty() {
        let packages = READERS.map(|(_, package)| package).join(" or ");
        return Ok(Completion::ignored_with(format!("nothing to read manuals with (Debian: {packages})")));
    }
    let installed = pages()?.into_keys().map(|name| {
        let section = name.rsplit('.').next().unwrap_or_default();
        prefix.file(&format!("share/man/man{section}/{name}"))
    });
    let installed: Vec<_> = installed.collect();
    for (reader, _) in readers {
        let mut command = Command::new(reader[0]);
        let output = command.args(&reader[1..]).args(&installed).output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        // What is not released has no date.
        let faults: Vec<_> = said.lines().filter(|line| !line.contains("missing date, using \"\": TH")).collect();
        if !faults.is_empty() {
            return Err(faults.join("\n").into());
        }
    }
    Ok(Completion::Completed)
}

/// The pages by the names of their files.
fn pages() -> Result<BTreeMap<String, String>, Failed> {
    let headers = HEADERS.into_iter().map(|header| Ok((header, entries(header)?)));
    let headers = headers.collect::<Result<Vec<_>, Failed>>()?;
    let functions: Vec<_> = headers.iter().flat_map(|(_, entries)| entries).filter_map(Entry::function).collect();
    let date = date()?;
    let mut pages = BTreeMap::new();
    for (header, entries) in &headers {
        let mut types: &[Entry] = &[];
        // Without that of the file.
        for (at, entry) in entries.iter().enumerate().skip(1) {
            let Some(function) = entry.function() else {
                types = &entries[at - types.len()..=at];
                continue;
            };
            let mut page = Page::new(function, "3", &date, &functions);
            page.name(&entry.paragraphs);
            page.synopsis(header, types, entry);
            page.description(types.iter().chain([entry]).flat_map(|entry| &entry.paragraphs));
            pages.insert(format!("{function}.3"), page.end());
            types = &[];
        }
    }
    let overview = headers.first().and_then(|(_, entries)| entries.first()).ok_or("the header has no comments")?;
    let mut page = Page::new("osevent", "7", &date, &functions);
    page.name(&overview.paragraphs);
    page.description(overview.paragraphs.iter().skip(1));
    page.mentioned.extend(functions.iter().copied());
    pages.insert("osevent.7".to_owned(), page.end());
    Ok(pages)
}

/// The day of the release, or nothing before that day.
fn date() -> Result<String, Failed> {
    let changelog = fs::read_to_string(Path::new(PACKAGE).join("../CHANGELOG.md"))?;
    let heading = format!("## {} (", env!("CARGO_PKG_VERSION"));
    let heading = changelog.lines().find_map(|line| line.strip_prefix(&heading)).ok_or("no heading of this version")?;
    let date = heading.trim_end_matches(')');
    Ok(if date == "unreleased" { String::new() } else { date.to_owned() })
}

/// A page in the language of man(7).
struct Page<'a> {
    subject: &'a str,
    roff: String,
    functions: &'a [&'a str],
    mentioned: BTreeSet<&'a str>,
}

impl<'a> Page<'a> {
    fn new(subject: &'a str, section: &str, date: &str, functions: &'a [&'a str]) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let roff = format!(
            ".\\\" Made of the headers by UPDATE_DOCS=1 cargo test -p osevent-c --test from_c.\n\
             .TH {subject} {section} \"{date}\" \"osevent {version}\"\n"
        );
        Self { subject, roff, functions, mentioned: BTreeSet::new() }
    }

    /// The beginning of the first sentence says what it is.
    fn name(&mut self, paragraphs: &[Paragraph]) {
        let Some(Paragraph::Text(text)) = paragraphs.first() else { return };
        let text = text.strip_prefix(&format!("{}: ", self.subject)).unwrap_or(text);
        let end = [". ", ": "].iter().filter_map(|mark| text.find(mark)).min();
        let sentence = text[..end.unwrap_or(text.len())].trim_end_matches('.');
        let mut letters = sentence.chars();
        let sentence: String = letters.next().into_iter().flat_map(char::to_lowercase).chain(letters).collect();
        self.roff += &format!(".SH NAME\n{} \\- {}\n", self.subject, escaped(&sentence));
    }

    fn synopsis(&mut self, header: &str, types: &[Entry], function: &Entry) {
        self.roff += &format!(".SH SYNOPSIS\n.nf\n#include <{}>\n", escaped(header));
        for of_type in types {
            self.roff += &format!("\n{}\n", escaped(&of_type.code.join("\n")));
        }
        let prototype = function.prototype().unwrap_or_default();
        self.roff += &format!("\n\\fB{}\\fR;\n.fi\n", escaped(prototype));
    }

    /// What the paragraphs say, errors apart.
    fn description<'p>(&mut self, paragraphs: impl Iterator<Item = &'p Paragraph>) {
        let mut errors = Vec::new();
        self.roff += ".SH DESCRIPTION\n";
        let mut separator = "";
        for paragraph in paragraphs {
            match paragraph {
                Paragraph::Text(text) => {
                    let (text, mut found) = without_errors(text);
                    errors.append(&mut found);
                    if !text.is_empty() {
                        let text = self.text(text);
                        self.roff += &format!("{separator}{text}\n");
                    }
                }
                Paragraph::Code(lines) => {
                    let lines: Vec<_> = lines.iter().map(|line| escaped(line)).collect();
                    self.roff += &format!(".PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", lines.join("\n"));
                }
            }
            separator = ".PP\n";
        }
        if !errors.is_empty() {
            self.roff += ".SH ERRORS\n";
        }
        for (error, text) in errors {
            let text = self.text(text);
            self.roff += &format!(".TP\n\\fB{}\\fR\n{text}\n", escaped(error));
        }
    }

    /// With the pages that it mentions as such.
    fn text(&mut self, text: &str) -> String {
        let mut marked = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let is_of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let name = &rest[..rest.find(|letter| !is_of_a_name(letter)).unwrap_or(rest.len())];
            if let Some(function) = self.functions.iter().find(|function| **function == name) {
                let section = if *function == self.subject { "" } else { "(3)" };
                self.mentioned.insert(function);
                marked += &format!("\\fB{name}\\fR{section}");
            } else if name.starts_with("libxl_") {
                marked += &format!("\\fB{name}\\fR");
            } else {
                marked += name;
            }
            rest = &rest[name.len()..];
            let other = &rest[..rest.find(is_of_a_name).unwrap_or(rest.len())];
            marked += &escaped(other);
            rest = &rest[other.len()..];
        }
        // A sentence ends a line: roff knows its end by this.
        marked.replace(". ", ".\n")
    }

    fn end(mut self) -> String {
        self.mentioned.remove(self.subject);
        let mut others: Vec<_> = self.mentioned.iter().map(|name| format!(".BR {name} (3)")).collect();
        if self.subject != "osevent" {
            others.push(".BR osevent (7)".to_owned());
        }
        let others = others.join(" ,\n");
        self.roff += &format!(".SH SEE ALSO\n{others}\n.PP\n{}\n", env!("CARGO_PKG_REPOSITORY"));
        self.roff
    }
}

/// What is before `-E…: `, and what follows each of these.
fn without_errors(text: &str) -> (&str, Vec<(&str, &str)>) {
    let is_start = |at: &usize| at.checked_sub(1).is_none_or(|before| text.as_bytes()[before] == b' ');
    let starts = text.match_indices("-E").map(|(at, _)| at).filter(is_start);
    let starts: Vec<_> =
        starts.filter(|at| text[*at..].split(['.', ',']).next().is_some_and(|words| words.contains(": "))).collect();
    let Some(&first) = starts.first() else { return (text, Vec::new()) };
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let errors = starts.iter().zip(ends).filter_map(|(start, end)| text[*start..end].trim().split_once(": "));
    (text[..first].trim(), errors.collect())
}

/// As roff prints it. No line of the header begins with a full stop but those of code.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace("...", "\\&...")
}
