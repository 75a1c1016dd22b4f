//! Compiles the schemas to Rust without `protoc`: protox parses, prost writes the types, pbjson their JSON form.
//!
//! Maps are ordered and bytes are shared buffers, so that no output depends on hashing and no body is copied.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

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
    prost_build::Config::new()
        .out_dir(&out)
        .btree_map(["."])
        .bytes(["."])
        .disable_comments(["."])
        .compile_fds(set)?;
    Ok(())
}
