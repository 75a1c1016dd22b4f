//! Compiles the schemas: protox reads them, prost writes the types, pbjson their JSON form. No protoc, no network.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["common", "link", "body", "read", "envelope"].map(|f| format!("tenon/v1/{f}.proto"));
    println!("cargo:rerun-if-changed=proto");
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true);
    compiler.open_files(&files)?;
    let set = compiler.file_descriptor_set();
    prost_build::Config::new().btree_map(["."]).bytes(["."]).compile_fds(set.clone())?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    pbjson_build::Builder::new()
        .register_descriptors(&set.encode_to_vec())?
        .btree_map(["."])
        .ignore_unknown_fields()
        .ignore_unknown_enum_variants()
        .out_dir(out)
        .build(&[".tenon.v1"])?;
    Ok(())
}
