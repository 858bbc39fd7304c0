//! A guest's code before it is compiled: what it is, and whether compiling it would come to an end.

use std::borrow::Cow;

use wasmparser::{Operator, Parser, Payload};

/// How deep blocks may be nested in one function: the time that the compiler takes grows with the square of it. A guest
/// in Go, with all of its runtime, stays below (`tests/all/any_module.rs`).
const MAX_NESTING: usize = 10_000;
/// The bytes that the code of one function may have.
const MAX_FUNCTION: usize = 2 * 1024 * 1024;

/// Why code is not compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum BadCode {
    #[error("it is empty")]
    Empty,
    #[error("neither a WebAssembly module, which begins with `\\0asm`, nor one in the text format")]
    NoModule,
    #[error("{0}")]
    Malformed(String),
    #[error(
        "function {function} nests {MAX_NESTING} blocks and more, which would take the compiler too long: the limit is {MAX_NESTING}"
    )]
    TooDeep { function: u32 },
    #[error(
        "function {function} has {bytes} bytes, which would take the compiler too long: the limit is {MAX_FUNCTION}"
    )]
    TooLong { function: u32, bytes: usize },
}

/// The binary form of a module that is in either form.
pub(crate) fn binary(code: &[u8]) -> Result<Cow<'_, [u8]>, BadCode> {
    if code.starts_with(b"\0asm") {
        return Ok(Cow::Borrowed(code));
    }
    if code.is_empty() {
        return Err(BadCode::Empty);
    }
    let looks_like_text = str::from_utf8(code).is_ok_and(|text| {
        let text = text.trim_start();
        text.starts_with('(') || text.starts_with(";;")
    });
    if !looks_like_text {
        return Err(BadCode::NoModule);
    }
    wat::parse_bytes(code).map_err(|error| BadCode::Malformed(error.to_string()))
}

/// Refuses what would keep the compiler busy for minutes. What is malformed is left to the compiler, which says it better.
pub(crate) fn check(wasm: &[u8]) -> Result<(), BadCode> {
    let mut function = 0;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload {
            Ok(Payload::ImportSection(imports)) => {
                let functions = imports.into_imports().filter(|import| {
                    import
                        .as_ref()
                        .is_ok_and(|import| matches!(import.ty, wasmparser::TypeRef::Func(_)))
                });
                function += u32::try_from(functions.count()).unwrap_or(u32::MAX);
            }
            Ok(Payload::CodeSectionEntry(body)) => {
                let bytes = body.as_bytes().len();
                if bytes > MAX_FUNCTION {
                    return Err(BadCode::TooLong { function, bytes });
                }
                // Every block is two bytes at least.
                if bytes > 2 * MAX_NESTING
                    && let Ok(operators) = body.get_operators_reader()
                    && is_too_deep(operators)
                {
                    return Err(BadCode::TooDeep { function });
                }
                function = function.saturating_add(1);
            }
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

fn is_too_deep(operators: wasmparser::OperatorsReader<'_>) -> bool {
    let mut depth = 0usize;
    for operator in operators {
        match operator {
            Ok(
                Operator::Block { .. }
                | Operator::Loop { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. },
            ) => depth += 1,
            Ok(Operator::End) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return false,
        }
        if depth >= MAX_NESTING {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let text = format!(
            "(module (import \"env\" \"f\" (func)) (func {}{}))",
            "block ".repeat(depth),
            "end ".repeat(depth)
        );
        wat::parse_str(text).expect("a module")
    }

    #[test]
    fn blocks_that_are_nested_too_deep_are_refused_by_function() {
        assert_eq!(check(&nested(MAX_NESTING - 1)), Ok(()));
        let error = BadCode::TooDeep { function: 1 };
        assert_eq!(check(&nested(MAX_NESTING)), Err(error));
    }

    #[test]
    fn a_function_that_is_too_long_is_refused() {
        let text = format!("(module (func {}))", "nop ".repeat(MAX_FUNCTION));
        let wasm = wat::parse_str(text).expect("a module");
        let refused = check(&wasm);
        assert!(
            matches!(refused, Err(BadCode::TooLong { function: 0, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_neither_form_is_said_to_be_neither() {
        assert_eq!(binary(b""), Err(BadCode::Empty));
        assert_eq!(binary(b"\x7fELF"), Err(BadCode::NoModule));
        assert_eq!(binary(b"hello"), Err(BadCode::NoModule));
        assert!(matches!(
            binary(b"(module (nonsense))"),
            Err(BadCode::Malformed(_))
        ));
        assert!(binary(b" ;; a comment\n(module)").is_ok());
    }
}
