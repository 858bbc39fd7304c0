//! Names of functions, as short as a person can still read them.
//!
//! Hosts print them in backtraces, so they stay in the module; the linker's, with all paths, hashes and escapes, would be
//! a quarter of it.

use walrus::Module;

/// Longer ones, types of types for the most part, lose their beginning.
const MAX_BYTES: usize = 60;

/// Shortens every name. Names need not be unique: nothing looks a function up by them.
pub(super) fn shorten(module: &mut Module) {
    for function in module.funcs.iter_mut() {
        if let Some(name) = &mut function.name {
            *name = readable(name);
        }
    }
}

/// `<root::Root as proxy_wasm::traits::RootContext>::on_configure`, mangled, as `<Root as RootContext>::on_configure`:
/// of the function's own path the last two parts, of the types in it the last one.
fn readable(mangled: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(mangled));
    let mut kept = Vec::new();
    let mut named = 0;
    for part in parts(&name).into_iter().rev() {
        kept.push(short_types(part));
        named += usize::from(!part.starts_with("{{"));
        if named == 2 {
            break;
        }
    }
    kept.reverse();
    let name = kept.join("::");
    let mut start = name.len().saturating_sub(MAX_BYTES);
    while !name.is_char_boundary(start) {
        start += 1;
    }
    name[start..].to_owned()
}

/// A path at the `::` that stand outside brackets.
fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut before) = (0_usize, 0, ' ');
    for (at, character) in path.char_indices() {
        match character {
            '<' | '(' | '[' | '{' => depth += 1,
            // The arrow of a function's type is no bracket.
            '>' if before == '-' => {}
            '>' | ')' | ']' | '}' => depth = depth.saturating_sub(1),
            ':' if before == ':' && depth == 0 => {
                parts.push(&path[start..at - 1]);
                start = at + 1;
            }
            _ => {}
        }
        before = character;
    }
    parts.push(&path[start..]);
    parts
}

/// One part of a path, with the paths of the types in its brackets cut to their last parts.
fn short_types(part: &str) -> String {
    let mut short = String::with_capacity(part.len());
    let mut word = 0;
    for character in part.chars() {
        match character {
            ':' => short.truncate(word),
            _ => {
                short.push(character);
                if !(character.is_alphanumeric() || character == '_') {
                    word = short.len();
                }
            }
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_keeps_the_last_two_parts_of_its_path() {
        assert_eq!(
            readable("_ZN12postern_core6routes7compile7compile17hcb03d3017aa6b5f2E"),
            "compile::compile"
        );
        assert_eq!(
            readable("_RNvNtNtCsgXGp5Oqx2Ny_4core3str8converts9from_utf8"),
            "converts::from_utf8"
        );
    }

    #[test]
    fn types_keep_the_last_parts_of_theirs() {
        assert_eq!(
            readable(
                "_ZN78_$LT$postern_plugin..root..Root$u20$as$u20$proxy_wasm..traits..RootContext$GT$12on_configure17h7576f6e8b5833e8fE"
            ),
            "<Root as RootContext>::on_configure"
        );
        assert_eq!(
            readable(
                "_ZN5alloc11collections5btree3map25BTreeMap$LT$K$C$V$C$A$GT$6insert17hde85a299b242fee4E"
            ),
            "BTreeMap<K,V,A>::insert"
        );
        assert_eq!(
            short_types("<fn(core::fmt::Error) -> a::B as [c::D; 2]>"),
            "<fn(Error) -> B as [D; 2]>"
        );
        assert_eq!(parts("<fn() -> a::B>::c"), ["<fn() -> a::B>", "c"]);
    }

    #[test]
    fn a_closure_keeps_the_name_of_its_function() {
        assert_eq!(
            readable(
                "_ZN10proxy_wasm6logger13set_log_level28_$u7b$$u7b$closure$u7d$$u7d$17h34d557ed87b53de3E"
            ),
            "logger::set_log_level::{{closure}}"
        );
    }

    #[test]
    fn a_name_that_is_not_mangled_stays() {
        for name in ["proxy_on_context_create", "malloc", "memcpy", ""] {
            assert_eq!(readable(name), name);
        }
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        let name = format!("{}ä{}", "x".repeat(40), "y".repeat(59));
        assert_eq!(readable(&name), "y".repeat(59));
    }

    #[test]
    fn every_function_of_a_module_is_renamed() {
        let wat = r#"(module (func $_ZN4core3fmt5write17h0123456789abcdefE (export "a")) (func $plain (export "b")))"#;
        let bytes = wat::parse_str(wat).expect("valid text");
        let mut module = Module::from_buffer(&bytes).expect("a valid module");
        shorten(&mut module);
        let mut names: Vec<_> = module
            .funcs
            .iter()
            .filter_map(|function| function.name.as_deref())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["fmt::write", "plain"]);
    }
}
