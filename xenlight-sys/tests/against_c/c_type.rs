//! Rust's names of types, as `core::any::type_name` gives them, put into C.

use std::ffi::c_char;

/// The C declaration of `name` with the type that Rust calls `rust`.
///
/// Works from the name inwards, as C's declarators do.
pub(crate) fn declare(rust: &str, name: &str) -> String {
    let rust = rust.trim();
    if let Some(target) = rust.strip_prefix("*mut ") {
        return declare(target, &format!("*{name}"));
    }
    if let Some(target) = rust.strip_prefix("*const ") {
        return declare(target, &format!("const *{name}"));
    }
    if let Some(inner) = rust.strip_prefix("core::option::Option<") {
        return declare(inner.strip_suffix('>').expect("Option<…>"), name);
    }
    if let Some(signature) = rust.strip_prefix("unsafe extern \"C\" fn(") {
        let end = closing_parenthesis(signature);
        let parameters = split(&signature[..end]);
        let parameters: Vec<String> = parameters.iter().map(|parameter| declare(parameter, "")).collect();
        let parameters = if parameters.is_empty() { "void".to_owned() } else { parameters.join(", ") };
        let result = signature[end + 1..].trim_start().strip_prefix("-> ").unwrap_or("()");
        return declare(result, &format!("(*{name})({parameters})"));
    }
    format!("{} {name}", base(rust))
}

fn base(rust: &str) -> String {
    let name = rust.rsplit("::").next().unwrap_or(rust);
    let known = match name {
        "()" | "c_void" => "void",
        // A c_char is signed on some machines and not on others, where an 8-bit number cannot be told from it.
        "i8" => "char",
        "u8" if c_char::MIN < 0 => "uint8_t",
        "u8" => "char",
        "i16" => "short",
        "i32" => "int",
        "u32" => "unsigned",
        "i64" => "int64_t",
        "u64" => "uint64_t",
        "usize" => "size_t",
        "timeval" => "struct timeval",
        "VaList" => "va_list",
        "Ctx" => "libxl_ctx",
        "Logger" => "xentoollog_logger",
        "RestoreParams" => "libxl_domain_restore_params",
        _ if rust.starts_with("xenlight_sys::") => return format!("libxl_{}", snake_case(name)),
        _ => panic!("no C name is known for {rust}"),
    };
    known.to_owned()
}

/// `DeviceNic` as `device_nic`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The parameters of a list, which may themselves be functions.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut start = 0;
    let mut parts = Vec::new();
    for (at, sign) in list.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

/// Where the parenthesis closes that was opened just before `text`.
fn closing_parenthesis(text: &str) -> usize {
    let mut depth = 1;
    for (at, sign) in text.char_indices() {
        match sign {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("{text:?} does not close")
}
