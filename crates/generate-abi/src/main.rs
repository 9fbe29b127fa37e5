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

/// A table of the core, as TypeScript is to have it.
enum Table {
    Offsets(&'static [Field]),
    Words(&'static [Field]),
    LongWords(&'static [Field]),
    Constants(&'static [Constant]),
}
use Table::{Constants, LongWords, Offsets, Words};

const LAYOUT: &[(&str, &str, Table)] = &[
    (
        "Register",
        "Offsets of the registers from the start of the BAR, in bytes (protocol, sections 2 and 5).",
        Offsets(abi::Registers::FIELDS),
    ),
    (
        "Command",
        "Bits of the `command` register (protocol, section 2).",
        Constants(abi::command::ALL),
    ),
    ("Status", "Bits of the `status` register (protocol, section 2).", Constants(abi::status::ALL)),
    (
        "Permission",
        "Bits of the `perm` register (protocol, section 2).",
        Constants(abi::permission::ALL),
    ),
    (
        "DescriptorField",
        "Offsets of a descriptor's fields, in bytes (protocol, section 3).",
        Offsets(abi::Descriptor::FIELDS),
    ),
    (
        "Operation",
        "Values of a descriptor's `opf`: Linux's `REQ_OP_*` (protocol, sections 3 and 5).",
        Constants(abi::operation::ALL),
    ),
    (
        "DescriptorFlag",
        "Bits of a descriptor's `flags` (protocol, sections 3 and 5).",
        Constants(abi::descriptor_flag::ALL),
    ),
    (
        "Feature",
        "Bits of the `ext_features` and `ext_enabled` registers (protocol, section 5).",
        Constants(abi::feature::ALL),
    ),
    (
        "BlkStatus",
        "Values of a descriptor's `status`: Linux's `blk_status_t` (protocol, section 3).",
        Constants(abi::blk_status::ALL),
    ),
];

const RECORDS: &[(&str, &str, Table)] = &[
    (
        "RequestWord",
        "Fields of a request record, in 32-bit words.",
        Words(records::RequestRecord::FIELDS),
    ),
    (
        "CompletionWord",
        "Fields of a completion record, in 32-bit words.",
        Words(records::CompletionRecord::FIELDS),
    ),
    (
        "Counter",
        "What a device queue counts, in 64-bit words of floating point.",
        LongWords(records::Counters::FIELDS),
    ),
    (
        "QueueFault",
        "Why a queue can go no further; engines give them as negative numbers.",
        Constants(records::queue_fault::ALL),
    ),
];

fn layout() -> String {
    module(
        abi::limits::ALL.iter().map(|limit| single(limit.name, number(limit), limit.doc)),
        LAYOUT,
    )
}

fn lists() -> String {
    let sizes = [
        ("REQUEST_WORDS", size_of::<records::RequestRecord>(), "32-bit words of a request record."),
        (
            "COMPLETION_WORDS",
            size_of::<records::CompletionRecord>(),
            "32-bit words of a completion record.",
        ),
    ];
    let sizes =
        sizes.into_iter().map(|(name, bytes, about)| single(name, (bytes / 4).to_string(), about));
    let counters = single(
        "COUNTERS",
        (size_of::<records::Counters>() / 8).to_string(),
        "How many things a device queue counts.",
    );
    let lists = records::list::ALL
        .iter()
        .map(|list| single(&format!("LIST_{}", list.name), number(list), list.doc));
    let memory = records::memory::ALL.iter().map(|size| single(size.name, number(size), size.doc));
    module(sizes.chain([counters]).chain(lists).chain(memory), RECORDS)
}

fn module(singles: impl Iterator<Item = String>, tables: &[(&str, &str, Table)]) -> String {
    let tables = tables.iter().map(|(name, about, table)| object(name, about, table));
    let items: Vec<String> = singles.chain(tables).collect();
    format!("{NOTICE}\n{}", items.join("\n"))
}

fn single(name: &str, value: String, about: &str) -> String {
    format!("{}export const {name} = {value};\n", doc(about, ""))
}

fn object(name: &str, about: &str, table: &Table) -> String {
    let field = |field: &Field, value| (camel_case(field.name), value, field.doc);
    let entries: Vec<_> = match table {
        Offsets(fields) => {
            fields.iter().map(|each| field(each, format!("0x{:02x}", each.offset))).collect()
        }
        Words(fields) => {
            fields.iter().map(|each| field(each, (each.offset / 4).to_string())).collect()
        }
        LongWords(fields) => {
            fields.iter().map(|each| field(each, (each.offset / 8).to_string())).collect()
        }
        Constants(all) => {
            all.iter().map(|each| (each.name.to_owned(), number(each), each.doc)).collect()
        }
    };
    let mut out = format!("{}export const {name} = {{\n", doc(about, ""));
    for (key, value, text) in entries.iter().filter(|(key, ..)| !key.starts_with("reserved")) {
        writeln!(out, "{}  {key}: {value},", doc(text, "  ")).unwrap();
    }
    out + "} as const;\n"
}

/// Magic numbers, identifiers and marks in hexadecimal, the rest in decimal.
fn number(constant: &Constant) -> String {
    let hexadecimal = constant.name.contains("MAGIC")
        || constant.name.ends_with("_ID")
        || constant.name.ends_with("CLASS")
        || constant.name.ends_with("_QIDX")
        || constant.name.ends_with("_GONE");
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
