//! The second half of a build with wasm-bindgen: `postern-web-bindgen MODULE FOLDER`.
//!
//! It is the library behind `wasm-bindgen-cli`, in the version that Cargo.lock names, so that it always fits the crate that
//! the module was compiled with. A program of its own, since xtask must be built before the first command can run.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(module), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: postern-web-bindgen MODULE FOLDER".into());
    };
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("postern_web")
        .web(true)?
        .typescript(true)
        // So that `init()` finds the module beside the script.
        .omit_default_module_path(false)
        // Nobody reads a page's backtraces by name, and a page has to load them.
        .remove_name_section(true)
        .remove_producers_section(true);
    bindgen.generate(folder)?;
    Ok(())
}
