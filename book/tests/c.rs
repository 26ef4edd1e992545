//! What the pages have of C, for the compiler.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use osevent_book::blocks::{blocks, pages};

fn main() {
    let trial = Trial::ignorable_test("each_block_of_c_compiles", c_compiles);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
}

/// Each block is statements of a function that has what the pages talk of. Whole files, which blocks include, are tests of osevent-c.
fn c_compiles() -> Result<Completion, Failed> {
    let compiler = |arguments: &[&str]| Command::new("cc").args(arguments).output();
    if !compiler(&["-E", "-include", "libxl.h", "-x", "c", "/dev/null"]).is_ok_and(|output| output.status.success()) {
        return Ok(Completion::ignored_with("no C compiler, or no libxl.h (Debian: gcc, libxen-dev)"));
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("block.c");
    let headers = osevent_book::folder().join("../c/include");
    for page in pages(&osevent_book::folder().join("pages"))? {
        let own =
            blocks(&page.text).into_iter().filter(|block| block.language == "c" && !block.text.starts_with("{{#"));
        for block in own {
            let function = "int block(osevent *ev, libxl_ctx *ctx, uint32_t domid, libxl_asyncop_how how)";
            let unused = "(void)ev, (void)ctx, (void)domid, (void)how;";
            let text = format!(
                "#include <libxl_utils.h>\n#include <osevent.h>\n{function};\n{function}\n{{\n{unused}\n{}return 0;\n}}\n",
                block.text
            );
            fs::write(&file, text)?;
            let options = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"];
            let output = Command::new("cc").args(options).arg(&headers).arg(&file).output()?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                return Err(format!("{}:{}: {said}", page.path.display(), block.line).into());
            }
        }
    }
    Ok(Completion::Completed)
}
