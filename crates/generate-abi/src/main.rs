//! Writes `ts/abi/layout.ts` and `ts/engine/records.ts` from the layouts of
//! `blockpt-core`, so that each offset and number is written down once.
//! With `--check` it writes nothing and fails where a file differs.

use blockpt_core::abi::{self, Constant, Field};
use blockpt_core::records;
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

const NOTICE: &str = "// Generated from crates/core by `npm run generate:abi`. Do not edit.\n";

fn main() -> ExitCode {
    let check = std::env::args().any(|argument| argument == "--check");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut drifted = false;
    for (path, text) in [("ts/abi/layout.ts", layout()), ("ts/engine/records.ts", lists())] {
        let file = root.join(path);
        if check {
            if std::fs::read_to_string(&file).unwrap_or_default() != text {
                eprintln!("{path} is not what crates/core gives: run `npm run generate:abi`");
                drifted = true;
            }
        } else if let Err(error) = std::fs::write(&file, text) {
            eprintln!("cannot write {path}: {error}");
            drifted = true;
        }
    }
    if drifted { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn layout() -> String {
    let mut out = format!("{NOTICE}\n");
    for constant in abi::limits::ALL {
        let value = number(constant);
        writeln!(out, "{}export const {} = {value};\n", doc(constant.doc, ""), constant.name)
            .unwrap();
    }
    offsets(
        &mut out,
        "Register",
        "Offsets of the registers from the start of the BAR, in bytes (protocol, sections 2 and 5).",
        abi::Registers::FIELDS,
    );
    constants(
        &mut out,
        "Command",
        "Bits of the `command` register (protocol, section 2).",
        abi::command::ALL,
    );
    constants(
        &mut out,
        "Status",
        "Bits of the `status` register (protocol, section 2).",
        abi::status::ALL,
    );
    constants(
        &mut out,
        "Permission",
        "Bits of the `perm` register (protocol, section 2).",
        abi::permission::ALL,
    );
    offsets(
        &mut out,
        "DescriptorField",
        "Offsets of a descriptor's fields, in bytes (protocol, section 3).",
        abi::Descriptor::FIELDS,
    );
    constants(
        &mut out,
        "Operation",
        "Values of a descriptor's `opf`: Linux's `REQ_OP_*` (protocol, section 3).",
        abi::operation::ALL,
    );
    constants(
        &mut out,
        "DescriptorFlag",
        "Bits of a descriptor's `flags` (protocol, section 3).",
        abi::descriptor_flag::ALL,
    );
    constants(
        &mut out,
        "BlkStatus",
        "Values of a descriptor's `status`: Linux's `blk_status_t` (protocol, section 3).",
        abi::blk_status::ALL,
    );
    finished(out)
}

fn lists() -> String {
    let mut out = format!("{NOTICE}\n");
    words(
        &mut out,
        "RequestWord",
        "Fields of a request record, in 32-bit words.",
        records::RequestRecord::FIELDS,
    );
    words(
        &mut out,
        "CompletionWord",
        "Fields of a completion record, in 32-bit words.",
        records::CompletionRecord::FIELDS,
    );
    writeln!(
        out,
        "/** 32-bit words of a request record. */\nexport const REQUEST_WORDS = {};\n",
        size_of::<records::RequestRecord>() / 4
    )
    .unwrap();
    writeln!(
        out,
        "/** 32-bit words of a completion record. */\nexport const COMPLETION_WORDS = {};\n",
        size_of::<records::CompletionRecord>() / 4
    )
    .unwrap();
    for constant in records::list::ALL {
        let value = number(constant);
        writeln!(out, "{}export const LIST_{} = {value};\n", doc(constant.doc, ""), constant.name)
            .unwrap();
    }
    constants(
        &mut out,
        "QueueFault",
        "Why a queue can go no further; engines give them as negative numbers.",
        records::queue_fault::ALL,
    );
    finished(out)
}

fn finished(out: String) -> String {
    format!("{}\n", out.trim_end())
}

fn offsets(out: &mut String, name: &str, about: &str, fields: &[Field]) {
    object(
        out,
        name,
        about,
        fields
            .iter()
            .map(|field| (camel_case(field.name), format!("0x{:02x}", field.offset), field.doc)),
    );
}

fn words(out: &mut String, name: &str, about: &str, fields: &[Field]) {
    object(
        out,
        name,
        about,
        fields
            .iter()
            .map(|field| (camel_case(field.name), (field.offset / 4).to_string(), field.doc)),
    );
}

fn constants(out: &mut String, name: &str, about: &str, constants: &[Constant]) {
    object(
        out,
        name,
        about,
        constants.iter().map(|constant| (constant.name.to_owned(), number(constant), constant.doc)),
    );
}

fn object<'a>(
    out: &mut String,
    name: &str,
    about: &str,
    entries: impl Iterator<Item = (String, String, &'a str)>,
) {
    writeln!(out, "/** {about} */\nexport const {name} = {{").unwrap();
    for (key, value, text) in entries.filter(|(key, ..)| !key.starts_with("reserved")) {
        writeln!(out, "{}  {key}: {value},", doc(text, "  ")).unwrap();
    }
    writeln!(out, "}} as const;\n").unwrap();
}

/// Magic numbers and identifiers in hexadecimal, the rest in decimal.
fn number(constant: &Constant) -> String {
    let hexadecimal = constant.name.contains("MAGIC")
        || constant.name.ends_with("_ID")
        || constant.name.ends_with("CLASS");
    if hexadecimal { format!("0x{:x}", constant.value) } else { constant.value.to_string() }
}

fn doc(text: &str, indent: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    match lines.as_slice() {
        [] => String::new(),
        [line] => format!("{indent}/** {line} */\n"),
        _ => {
            let body: String = lines.iter().map(|line| format!("{indent} * {line}\n")).collect();
            format!("{indent}/**\n{body}{indent} */\n")
        }
    }
}

fn camel_case(snake: &str) -> String {
    let mut parts = snake.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        let (head, tail) = part.split_at(1.min(part.len()));
        name + &head.to_uppercase() + tail
    })
}
