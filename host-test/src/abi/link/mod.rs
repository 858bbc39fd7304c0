//! Which import is answered by which function.

use wasmtime::{ExternType, ImportType, Linker, Val};

use super::{Stop, answer, host_call};
use crate::functions::Function;
use crate::module::LoadError;
use crate::profile::{Link, Profile};
use crate::state::VmState;
use crate::version::AbiVersion;

const ENV: &str = "env";
const WASI: &[&str] = &["wasi_snapshot_preview1", "wasi_unstable"];

/// Functions that return a status or an errno.
macro_rules! functions {
    ($linker:expr, $module:expr; $($name:ident($($arg:ident: $ty:ty),*) = |$call:ident| $body:expr;)*) => {$(
        $linker.func_wrap(
            $module,
            stringify!($name),
            |caller: Caller<'_, VmState>, $($arg: $ty),*| {
                let args: &[u64] = &[$($arg as u64),*];
                #[allow(unused_variables, reason = "some functions need no more than their arguments")]
                host_call(caller, $module, Function::$name, args, |$call: &mut Call<'_>| $body)
            },
        )?;
    )*};
}

mod env;
mod wasi;

/// Offers everything that the module imports, and names what nobody has.
pub(crate) fn link(
    linker: &mut Linker<VmState>,
    module: &wasmtime::Module,
    abi: AbiVersion,
    profile: Profile,
) -> Result<(), LoadError> {
    let unknown: Vec<String> = module
        .imports()
        .filter(|import| !is_known(import, abi, profile))
        .map(|import| format!("{}.{}", import.module(), import.name()))
        .collect();
    if !unknown.is_empty() {
        return Err(LoadError::UnknownImports(unknown));
    }
    env::link(linker)
        .and_then(|()| wasi::link(linker, profile))
        .and_then(|()| replace(linker, module, profile))
        .map_err(|error| LoadError::WrongImport(format!("{error:#}")))
}

/// Puts what another host does in the place of functions that it does not have.
fn replace(
    linker: &mut Linker<VmState>,
    module: &wasmtime::Module,
    profile: Profile,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    for import in module.imports().filter(|import| import.module() == ENV) {
        let (Some(function), ExternType::Func(ty)) = (Function::named(import.name()), import.ty())
        else {
            continue;
        };
        let answered = match profile.link(function) {
            Link::Works | Link::Absent => continue,
            Link::Traps => None,
            Link::Answers(status) => Some(status),
        };
        linker.func_new(ENV, function.name(), ty, move |caller, params, results| {
            let args: Vec<u64> = params.iter().map(word).collect();
            let code = host_call(caller, ENV, function, &args, |_| match answered {
                Some(status) => answer(status),
                None => Err(Stop::Trap(wasmtime::format_err!(
                    "{} is not implemented in {profile}",
                    function.name()
                ))),
            })?;
            if let Some(result) = results.first_mut() {
                *result = Val::I32(code.cast_signed());
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn word(value: &Val) -> u64 {
    match value {
        Val::I32(word) => u64::from(word.cast_unsigned()),
        Val::I64(word) => word.cast_unsigned(),
        _ => 0,
    }
}

fn is_known(import: &ImportType<'_>, abi: AbiVersion, profile: Profile) -> bool {
    let is_function = matches!(import.ty(), ExternType::Func(_));
    let of_env = |name: &str| {
        name.starts_with("proxy_")
            || name.starts_with("envoy_")
            || name.starts_with("pthread_")
            || name.starts_with("emscripten_")
    };
    let is_there = |function: Function| {
        function.is_in(abi) && (import.module() != ENV || profile.link(function) != Link::Absent)
    };
    is_function
        && Function::named(import.name()).is_some_and(is_there)
        && if WASI.contains(&import.module()) {
            !of_env(import.name())
        } else {
            import.module() == ENV && of_env(import.name())
        }
}
