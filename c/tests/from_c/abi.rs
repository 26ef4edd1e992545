//! What programs that are compiled with one release rely on in the next: `libosevent0.symbols` and `abi.c`.

use crate::Outcome;
use crate::compiler::{Linked, PACKAGE, XEN, command, run};
use crate::header::{Entry, HEADERS, entries};
use crate::prefix::Prefix;
use libtest_mimic::{Completion, Failed};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The list, the header and the library name the same functions.
pub(crate) fn exports() -> Outcome {
    let prefix = match Prefix::installed()? {
        Ok(prefix) => prefix,
        Err(missing) => return Ok(Completion::ignored_with(missing)),
    };
    let library = prefix.file("lib/libosevent.so.0");
    let defined = run(Command::new("nm").args(["--dynamic", "--defined-only"]).arg(library))?;
    let defined = defined.lines().filter_map(|line| line.split(' ').nth(2)).map(|name| name.replace("@@", "@"));
    // The versions are symbols, too: of the kind A, and with their own version in the list only.
    let defined: BTreeSet<_> =
        defined.map(|name| if name.contains('@') { name } else { format!("{name}@{name}") }).collect();
    let listed: BTreeSet<_> = listed()?.into_iter().map(|(symbol, _)| symbol).collect();
    same("libosevent.so", &defined, &listed)?;

    same("the headers", &in_the_headers(|entry| !entry.is_inline())?, &functions(&listed))
}

/// Vala has all that C has, but for the function that makes a libxl of functions of the program's own.
pub(crate) fn vala() -> Outcome {
    let vapi = fs::read_to_string(Path::new(PACKAGE).join("vapi/osevent-glib.vapi"))?;
    let methods = vapi.lines().filter_map(|line| line.trim().strip_prefix("public ")?.split_once(" ("));
    let methods = methods.filter(|(before, _)| !before.starts_with("static "));
    let methods = methods.filter_map(|(before, _)| before.rsplit(' ').next()).map(|name| format!("osevent_{name}"));
    // With another name in Vala, or none.
    let named = vapi.split('"').filter(|word| word.starts_with("osevent_") && *word != "osevent_").map(str::to_owned);
    same(
        "the vapi",
        &methods.chain(named).collect(),
        &in_the_headers(|entry| entry.function() != Some("osevent_host_libxl"))?,
    )
}

/// The version of a symbol is the release that has it since.
pub(crate) fn versions() -> Outcome {
    for (symbol, since) in listed()? {
        if !symbol.ends_with(&format!("@OSEVENT_{since}")) {
            return Err(format!("{symbol} says that it is there since {since}").into());
        }
    }
    Ok(Completion::Completed)
}

/// Debian's package has the version of the crate.
pub(crate) fn package_version() -> Outcome {
    let changelog = fs::read_to_string(Path::new(PACKAGE).join("debian/changelog"))?;
    let newest = format!("osevent ({}) ", env!("CARGO_PKG_VERSION"));
    if !changelog.starts_with(&newest) {
        return Err(format!("debian/changelog does not begin with {newest}").into());
    }
    Ok(Completion::Completed)
}

/// Nothing that `abi.c` holds has changed, and it holds all functions. The struct is the same in Rust.
pub(crate) fn types() -> Outcome {
    let prefix = match Prefix::installed()? {
        Ok(prefix) if prefix.knows(XEN.modules) => prefix,
        Ok(_) => return Ok(Completion::ignored_with(format!("no libxl.h (Debian: {})", XEN.package))),
        Err(missing) => return Ok(Completion::ignored_with(missing)),
    };
    let source = Path::new(PACKAGE).join("tests/from_c/abi.c");
    let mut compiler = command();
    compiler.args(["-std=c11", "-Werror", "-fsyntax-only"]).arg(&source);
    compiler.arg(format!("-DSIZE_IN_RUST={}", size_of::<osevent::Libxl>()));
    run(compiler.args(prefix.flags(Linked::Shared, XEN.modules)?))?;

    let source = fs::read_to_string(source)?;
    let held = source.lines().filter_map(|line| line.strip_prefix("HOLDS(")?.split(',').next());
    let listed = listed()?.into_iter().map(|(symbol, _)| symbol).collect();
    same("abi.c", &held.map(str::to_owned).collect(), &functions(&listed))
}

/// What a program with `libosevent.a` links is what Rust's standard library asks for.
pub(crate) fn private_libraries() -> Outcome {
    let template = fs::read_to_string(Path::new(PACKAGE).join("osevent.pc.in"))?;
    let ours = template.lines().find_map(|line| line.strip_prefix("Libs.private: ")).ok_or("no Libs.private")?;
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("empty.rs");
    fs::write(&source, "")?;
    let mut rustc = Command::new("rustc");
    rustc.args(["--crate-type=staticlib", "--print=native-static-libs", "--out-dir"]).arg(folder.path()).arg(source);
    let output = rustc.output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let theirs = said.lines().find_map(|line| line.split_once("native-static-libs: ")).ok_or_else(|| said.clone())?.1;
    if ours != theirs {
        return Err(format!("osevent.pc.in links {ours}; rustc says {theirs}").into());
    }
    Ok(Completion::Completed)
}

/// The symbols, with their versions, and the releases that have them since.
fn listed() -> Result<Vec<(String, String)>, Failed> {
    let list = fs::read_to_string(Path::new(PACKAGE).join("libosevent0.symbols"))?;
    let lines = list.lines().filter_map(|line| line.strip_prefix(' ')?.split_once(' '));
    Ok(lines.map(|(symbol, since)| (symbol.to_owned(), since.to_owned())).collect())
}

/// Those of the symbols that are functions, without their versions.
fn functions(symbols: &BTreeSet<String>) -> BTreeSet<String> {
    let names = symbols.iter().filter_map(|symbol| symbol.split_once('@'));
    names.map(|(name, _)| name.to_owned()).filter(|name| name.starts_with("osevent_")).collect()
}

/// The functions of the headers that are wanted.
fn in_the_headers(wanted: impl Fn(&Entry) -> bool) -> Result<BTreeSet<String>, Failed> {
    let entries = HEADERS.into_iter().map(entries).collect::<Result<Vec<_>, _>>()?;
    let wanted = entries.iter().flatten().filter(|entry| wanted(entry));
    Ok(wanted.filter_map(Entry::function).map(str::to_owned).collect())
}

fn same(what: &str, has: &BTreeSet<String>, wanted: &BTreeSet<String>) -> Outcome {
    if has == wanted {
        return Ok(Completion::Completed);
    }
    let only = |some: &BTreeSet<String>, other| some.difference(other).cloned().collect::<Vec<_>>();
    Err(format!("only in {what}: {:?}; missing there: {:?}", only(has, wanted), only(wanted, has)).into())
}
