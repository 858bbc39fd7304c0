//! Functions that cannot end but in a stub.
//!
//! The SDK has a wrapper for every host function and default methods around every wrapper, and its tables keep them all.
//! The filter calls its host by itself, with statuses in place of panics (`plugin/src/host.rs`), so nearly all of the
//! wrappers are stubs too; and a method around a stub traps, whatever else it does.

use std::collections::BTreeMap;

use walrus::ir::{Call, Instr, InstrSeqId, VisitorMut, dfs_pre_order_mut};
use walrus::{ElementItems, FunctionId, FunctionKind, LocalFunction, Module, TypeId};

/// Where the SDK has its wrappers.
const WRAPPERS: &str = "proxy_wasm::hostcalls::";

/// The wrappers that the filter uses: `log`, in the SDK's panic hook. One that is missing here traps in the first test
/// that leads to it, and the backtrace names it.
const USED_WRAPPERS: [&str; 1] = ["log"];

/// Each function that traps, with the first stub that it ends in.
type Stubs = BTreeMap<FunctionId, FunctionId>;

/// The SDK's wrappers that the filter has no use for.
pub(super) fn unused_wrappers(module: &Module) -> Vec<FunctionId> {
    let is_unused = |mangled: &str| {
        let name = format!("{:#}", rustc_demangle::demangle(mangled));
        name.strip_prefix(WRAPPERS)
            .and_then(|path| path.split("::").next())
            .is_some_and(|wrapper| !USED_WRAPPERS.contains(&wrapper))
    };
    let functions = module.funcs.iter_local().map(|(id, _)| id);
    functions
        .filter(|&id| module.funcs.get(id).name.as_deref().is_some_and(is_unused))
        .collect()
}

/// Makes stubs of these functions, and of all that call one of them without a choice. Those that end in the same one and
/// have the same type become one function, with the name of the former: so a backtrace tells what a list lacks.
///
/// What such a function does before it traps is lost with the VM's memory. It could tell its host something, so a call
/// of a host function counts as a choice.
pub(super) fn spread(module: &mut Module, first: &[FunctionId]) {
    let mut stubs: Stubs = first.iter().map(|&stub| (stub, stub)).collect();
    loop {
        let found: Vec<_> = module
            .funcs
            .iter_local()
            .filter(|(id, _)| !stubs.contains_key(id))
            .filter_map(|(id, function)| Some((id, end_of(module, function, &stubs)?)))
            .collect();
        if found.is_empty() {
            break;
        }
        stubs.extend(found);
    }
    replace(module, &stubs);
}

/// The first stub that a function ends in.
fn end_of(module: &Module, function: &LocalFunction, stubs: &Stubs) -> Option<FunctionId> {
    let is_host = |id| matches!(module.funcs.get(id).kind, FunctionKind::Import(_));
    match follow(function, function.entry_block(), stubs, &is_host) {
        Course::Stub(first) => Some(first),
        Course::On | Course::Open => None,
    }
}

/// Where the instructions lead that are always executed.
enum Course {
    /// To a function that ends in this first stub.
    Stub(FunctionId),
    /// To the next instruction, or the end of their block.
    On,
    /// To a choice, or to the host.
    Open,
}

fn follow(
    function: &LocalFunction,
    block: InstrSeqId,
    stubs: &Stubs,
    is_host: &impl Fn(FunctionId) -> bool,
) -> Course {
    for (instruction, _) in &function.block(block).instrs {
        let course = match instruction {
            Instr::Call(Call { func }) if is_host(*func) => Course::Open,
            Instr::Call(Call { func }) => stubs.get(func).copied().map_or(Course::On, Course::Stub),
            Instr::Block(block) => follow(function, block.seq, stubs, is_host),
            Instr::Loop(block) => follow(function, block.seq, stubs, is_host),
            Instr::Const(_)
            | Instr::Binop(_)
            | Instr::Unop(_)
            | Instr::Select(_)
            | Instr::Drop(_)
            | Instr::LocalGet(_)
            | Instr::LocalSet(_)
            | Instr::LocalTee(_)
            | Instr::GlobalGet(_)
            | Instr::GlobalSet(_)
            | Instr::Load(_)
            | Instr::Store(_)
            | Instr::MemoryCopy(_)
            | Instr::MemoryFill(_) => Course::On,
            _ => Course::Open,
        };
        if !matches!(course, Course::On) {
            return course;
        }
    }
    Course::On
}

/// Empties the stubs and lets one of each type stand for the others that end in the same one.
fn replace(module: &mut Module, stubs: &Stubs) {
    let mut kept: BTreeMap<(FunctionId, TypeId), FunctionId> = BTreeMap::new();
    let mut renamed = Renamed(BTreeMap::new());
    for (&stub, &first) in stubs {
        let name = module.funcs.get(first).name.clone();
        let function = module.funcs.get_mut(stub);
        let FunctionKind::Local(body) = &mut function.kind else {
            continue;
        };
        let (entry, ty) = (body.entry_block(), body.ty());
        body.block_mut(entry).instrs.clear();
        body.builder_mut().func_body().unreachable();
        function.name = name;
        renamed
            .0
            .insert(stub, *kept.entry((first, ty)).or_insert(stub));
    }
    for (_, function) in module.funcs.iter_local_mut() {
        let entry = function.entry_block();
        dfs_pre_order_mut(&mut renamed, function, entry);
    }
    for element in module.elements.iter_mut() {
        if let ElementItems::Functions(functions) = &mut element.items {
            for function in functions {
                renamed.visit_function_id_mut(function);
            }
        }
    }
}

/// The function that stands for each stub.
struct Renamed(BTreeMap<FunctionId, FunctionId>);

impl VisitorMut for Renamed {
    fn visit_function_id_mut(&mut self, function: &mut FunctionId) {
        if let Some(one) = self.0.get(function) {
            *function = *one;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the table of a module holds once `gone` and `lost` are stubs: names, each with whether it is one.
    fn table(functions: &str) -> Vec<(String, bool)> {
        let wat = format!(
            r#"(module
                (import "env" "gone" (func $gone (param i32) (result i32)))
                (import "env" "lost" (func $lost (param i32) (result i32)))
                (import "env" "log" (func $log (param i32)))
                (memory 1)
                (table 8 8 funcref)
                {functions})"#
        );
        let bytes = wat::parse_str(wat).expect("valid text");
        let mut module = Module::from_buffer(&bytes).expect("a valid module");
        let imports = ["gone", "lost"].map(|name| module.funcs.by_name(name).expect("imported"));
        for import in imports {
            module
                .replace_imported_func(import, |(body, _)| {
                    body.unreachable();
                })
                .expect("an import");
        }
        spread(&mut module, &imports);

        let module = Module::from_buffer(&module.emit_wasm()).expect("still valid");
        let element = module.elements.iter().next().expect("a table");
        let ElementItems::Functions(functions) = &element.items else {
            panic!("the table holds expressions");
        };
        let entry = |id: &FunctionId| {
            let function = module.funcs.get(*id);
            let body = function.kind.unwrap_local();
            let is_stub = matches!(
                body.block(body.entry_block()).instrs.as_slice(),
                [(Instr::Unreachable(_), _)]
            );
            (function.name.clone().expect("a name"), is_stub)
        };
        functions.iter().map(entry).collect()
    }

    fn entry(name: &str, is_stub: bool) -> (String, bool) {
        (name.to_owned(), is_stub)
    }

    #[test]
    fn what_leads_to_a_stub_at_any_distance_becomes_it() {
        let table = table(
            "(elem (i32.const 0) $outer $inner $gone)
             (func $outer (param i32) (result i32)
                 (block (result i32) (call $inner (i32.add (local.get 0) (i32.const 1)))))
             (func $inner (param i32) (result i32)
                 (i32.store (i32.const 0) (local.get 0))
                 (i32.add (call $gone (i32.const 7)) (i32.const 1)))",
        );
        assert_eq!(table, vec![entry("gone", true); 3]);
    }

    #[test]
    fn a_function_of_another_type_has_the_name_of_the_import_that_it_ends_in() {
        let table = table(
            "(elem (i32.const 0) $one $other)
             (func $one (drop (call $gone (i32.const 7))))
             (func $other (drop (call $lost (i32.const 7))))",
        );
        assert_eq!(table, [entry("gone", true), entry("lost", true)]);
    }

    #[test]
    fn wrappers_of_the_sdk_are_unused_but_for_the_listed_ones() {
        let wat = r#"(module
            (func $_ZN10proxy_wasm9hostcalls7get_map17h02d7686983494067E)
            (func $_ZN10proxy_wasm9hostcalls5utils13serialize_map17h02d7686983494067E)
            (func $_ZN10proxy_wasm9hostcalls3log17h02d7686983494067E)
            (func $_ZN10proxy_wasm9hostcalls3log28_$u7b$$u7b$closure$u7d$$u7d$17h34d557ed87b53de3E)
            (func $_ZN10proxy_wasm10dispatcher10Dispatcher4done17h02d7686983494067E)
            (func $get_map))"#;
        let bytes = wat::parse_str(wat).expect("valid text");
        let module = Module::from_buffer(&bytes).expect("a valid module");
        let unused = unused_wrappers(&module);
        let name = |id: &FunctionId| module.funcs.get(*id).name.clone().expect("a name");
        assert_eq!(
            unused.iter().map(name).collect::<Vec<_>>(),
            [
                "_ZN10proxy_wasm9hostcalls7get_map17h02d7686983494067E",
                "_ZN10proxy_wasm9hostcalls5utils13serialize_map17h02d7686983494067E"
            ]
        );
    }

    #[test]
    fn a_function_with_a_choice_stays() {
        let table = table(
            "(elem (i32.const 0) $if $branch $return)
             (func $if (param i32) (result i32)
                 (if (result i32) (local.get 0)
                     (then (call $gone (i32.const 7)))
                     (else (i32.const 7))))
             (func $branch (param i32) (result i32)
                 (block (br_if 0 (local.get 0)) (return (call $gone (i32.const 7))))
                 (i32.const 7))
             (func $return (result i32)
                 (return (i32.const 7))
                 (call $gone (i32.const 7)))",
        );
        assert_eq!(
            table,
            [
                entry("if", false),
                entry("branch", false),
                entry("return", false)
            ]
        );
    }

    #[test]
    fn a_function_that_could_tell_its_host_something_before_stays() {
        let table = table(
            "(elem (i32.const 0) $tell)
             (func $tell (call $log (i32.const 7)) (drop (call $gone (i32.const 7))))",
        );
        assert_eq!(table, [entry("tell", false)]);
    }
}
