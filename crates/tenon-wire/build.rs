//! Compiles the schemas to Rust without `protoc`: protox parses, prost writes the types, pbjson their JSON form.
//!
//! Maps are ordered and bytes are shared buffers, so that no output depends on hashing and no body is copied.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;
use prost_types::field_descriptor_proto::Type;
use prost_types::{DescriptorProto, FileDescriptorSet};

const FILES: [&str; 5] = [
    "tenon/v1/common.proto",
    "tenon/v1/link.proto",
    "tenon/v1/body.proto",
    "tenon/v1/read.proto",
    "tenon/v1/envelope.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let set = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    pbjson_build::Builder::new()
        .register_descriptors(&set.encode_to_vec())?
        .out_dir(&out)
        .btree_map(["."])
        .ignore_unknown_fields()
        .ignore_unknown_enum_variants()
        .build(&[".tenon.v1"])?;
    std::fs::write(out.join("tenon.v1.nested.rs"), nested(&set))?;
    prost_build::Config::new()
        .out_dir(&out)
        .btree_map(["."])
        .bytes(["."])
        .disable_comments(["."])
        .compile_fds(set)?;
    Ok(())
}

/// The messages that stand inside each message, by both JSON names: what the JSON form walks along.
fn nested(set: &FileDescriptorSet) -> String {
    let mut code = String::from(
        "pub(super) fn nested(message: &str) -> &'static [(&'static str, &'static str)] {\n    match message {\n",
    );
    for message in set.file.iter().flat_map(|f| &f.message_type) {
        let fields = nested_fields(message);
        if !fields.is_empty() {
            code.push_str(&format!("        {:?} => &[{fields}],\n", message.name()));
        }
    }
    code.push_str("        _ => &[],\n    }\n}\n");
    code
}

fn nested_fields(message: &DescriptorProto) -> String {
    let mut code = String::new();
    for field in &message.field {
        let full = field.type_name();
        let is_map = message.nested_type.iter().any(|n| full.ends_with(&format!(".{}", n.name())));
        if field.r#type() == Type::Message && !is_map {
            let kind = full.trim_start_matches(".tenon.v1.");
            code.push_str(&format!("({:?}, {kind:?}),", field.json_name()));
            if field.json_name() != field.name() {
                code.push_str(&format!("({:?}, {kind:?}),", field.name()));
            }
        }
    }
    code
}
