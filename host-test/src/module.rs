//! A guest's code: compiled once, checked before it runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use wasmtime::{
    Cache, CacheConfig, Config, Engine, ExternType, FuncType, InstancePre, Linker, ValType,
};

use crate::abi;
use crate::code::{self, BadCode};
use crate::functions::Export;
use crate::profile::Profile;
use crate::state::VmState;
use crate::version::{AbiVersion, MARKER};

/// How exactly the time of a guest is measured.
pub(crate) const EPOCH: Duration = Duration::from_millis(10);
/// The allocators in the order in which Envoy looks for them.
pub(crate) const ALLOCATORS: &[&str] = &["malloc", "proxy_on_memory_allocate"];

/// A Proxy-Wasm module, compiled. Cloning is cheap, and any number of hosts can use it at once.
#[derive(Clone)]
pub struct Module {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    pre: InstancePre<VmState>,
    code: Box<[u8]>,
    epochs: Once,
    abi: AbiVersion,
    profile: Profile,
}

/// How a module is to be loaded.
///
/// ```
/// use postern_host::{LoadOptions, Profile};
/// # let text = r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_100"))
/// #     (func (export "malloc") (param i32) (result i32) (i32.const 1024)))"#;
/// let module = LoadOptions::new()
///     .profile(Profile::NgxWasmModule)
///     .abi_lenient(true)
///     .compile(text)?;
/// # Ok::<(), postern_host::LoadError>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until a module is loaded with them"]
pub struct LoadOptions {
    profile: Profile,
    abi_lenient: bool,
    cache: Option<PathBuf>,
}

impl LoadOptions {
    /// As Envoy loads a module.
    pub fn new() -> Self {
        Self::default()
    }

    /// The host to behave as.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Whether a module with an extended ABI version, such as `proxy_abi_version_0_2_100`, is taken for one of 0.2.1. Envoy
    /// refuses it. Functions of the extension are unknown all the same.
    pub fn abi_lenient(mut self, lenient: bool) -> Self {
        self.abi_lenient = lenient;
        self
    }

    /// A directory for compiled code: see [`Module::compile_cached`].
    pub fn cache(mut self, directory: impl AsRef<Path>) -> Self {
        self.cache = Some(directory.as_ref().to_owned());
        self
    }

    /// Compiles a module from its binary form, or from the WebAssembly text format.
    pub fn compile(&self, wasm: impl AsRef<[u8]>) -> Result<Module, LoadError> {
        Module::load(wasm.as_ref(), self)
    }

    /// Compiles the module in a file.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Module, LoadError> {
        self.compile(read(path.as_ref())?)
    }
}

/// Why a module cannot be hosted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The bytes are no valid WebAssembly module.
    #[error("not a module that compiles: {0}")]
    Compile(String),
    /// The module is larger than the chosen host takes.
    #[error("the module has {size} bytes, and {profile} takes {limit} at most")]
    TooLarge {
        /// Its size in bytes, in the binary form.
        size: usize,
        /// The most bytes.
        limit: usize,
        /// The host.
        profile: Profile,
    },
    /// No export says which ABI the module speaks.
    #[error(
        "the module exports no `proxy_abi_version_…`, so it is no Proxy-Wasm module (Envoy: Missing or unknown Proxy-Wasm ABI version)"
    )]
    NoAbiVersion,
    /// The module speaks an ABI that this host does not.
    #[error(
        "the module exports `{0}`; this host speaks 0.1.0, 0.2.0 and 0.2.1 (Envoy: Missing or unknown Proxy-Wasm ABI version)"
    )]
    UnsupportedAbi(String),
    /// The module speaks an extension of ABI 0.2, which Envoy does not load.
    #[error(
        "the module exports `{0}`, an extension of ABI 0.2 (Envoy: Missing or unknown Proxy-Wasm ABI version); `--abi-lenient`, `host.abi_lenient = true` in a scenario, and `LoadOptions::abi_lenient` take it for 0.2.1"
    )]
    ExtendedAbi(String),
    /// The module exports no memory.
    #[error("the module exports no `memory`")]
    NoMemory,
    /// The module exports no allocator, so no bytes could be handed to it.
    #[error("the module exports neither `malloc` nor `proxy_on_memory_allocate`")]
    NoAllocator,
    /// A callback or allocator takes or returns something else than the ABI says.
    #[error("the export `{0}` does not have the type that the ABI gives it")]
    WrongExport(String),
    /// The module wants functions that the host does not have, or not for modules of this ABI version.
    #[error(
        "unknown imports: {} (Envoy: Failed to load Wasm module due to a missing import: {})",
        .0.join(", "), .0.first().map_or("", String::as_str)
    )]
    UnknownImports(Vec<String>),
    /// An import has the right name and a wrong type.
    #[error("an import does not have the type that the ABI gives it: {0}")]
    WrongImport(String),
}

impl Module {
    /// Compiles a module from its binary form, or from the WebAssembly text format.
    pub fn compile(wasm: impl AsRef<[u8]>) -> Result<Self, LoadError> {
        LoadOptions::new().compile(wasm)
    }

    /// The same as [`compile`](Self::compile), with the code kept in this directory: the same module takes some
    /// milliseconds the next time. The path must be absolute. What is in the directory is executed: let nobody else
    /// write there.
    pub fn compile_cached(
        wasm: impl AsRef<[u8]>,
        directory: impl AsRef<Path>,
    ) -> Result<Self, LoadError> {
        LoadOptions::new().cache(directory).compile(wasm)
    }

    fn load(wasm: &[u8], options: &LoadOptions) -> Result<Self, LoadError> {
        let bad = |error: BadCode| LoadError::Compile(error.to_string());
        let binary = code::binary(wasm).map_err(bad)?;
        if let Some(limit) = options
            .profile
            .size_limit()
            .filter(|limit| binary.len() > *limit)
        {
            return Err(LoadError::TooLarge {
                size: binary.len(),
                limit,
                profile: options.profile,
            });
        }
        code::check(&binary).map_err(bad)?;
        let engine = engine(options.cache.as_deref())
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let module = wasmtime::Module::new(&engine, &binary)
            .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
        let abi = abi_version(&module, options.abi_lenient)?;
        check_exports(&module, abi)?;
        let mut linker = Linker::new(&engine);
        abi::link(&mut linker, &module, abi, options.profile)?;
        let pre = linker
            .instantiate_pre(&module)
            .map_err(|error| LoadError::WrongImport(from_the_guests_side(&format!("{error:#}"))))?;
        Ok(Self {
            inner: Arc::new(Inner {
                engine,
                pre,
                code: wasm.into(),
                epochs: Once::new(),
                abi,
                profile: options.profile,
            }),
        })
    }

    /// Compiles the module in a file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        Self::compile(read(path.as_ref())?)
    }

    /// Compiles the module in a file with [`compile_cached`](Self::compile_cached).
    pub fn from_file_cached(
        path: impl AsRef<Path>,
        directory: impl AsRef<Path>,
    ) -> Result<Self, LoadError> {
        Self::compile_cached(read(path.as_ref())?, directory)
    }

    /// The version of the ABI that it speaks.
    pub fn abi_version(&self) -> AbiVersion {
        self.inner.abi
    }

    /// The host that it was loaded to run in.
    pub fn profile(&self) -> Profile {
        self.inner.profile
    }

    /// Whether it is the same code, loaded in the same way.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
            || (self.inner.code == other.inner.code && self.inner.profile == other.inner.profile)
    }

    /// Counts epochs from now on, as long as anybody has the module: there is a thread for that.
    pub(crate) fn count_epochs(&self) {
        self.inner.epochs.call_once(|| {
            let engine = self.inner.engine.weak();
            std::thread::spawn(move || {
                while let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(EPOCH);
                }
            });
        });
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn pre(&self) -> &InstancePre<VmState> {
        &self.inner.pre
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").finish_non_exhaustive()
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read {
        path: path.display().to_string(),
        source,
    })
}

pub(crate) fn engine(cache: Option<&Path>) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    if let Some(directory) = cache {
        let mut settings = CacheConfig::new();
        settings.with_directory(directory);
        config.cache(Some(Cache::new(settings)?));
    }
    // Fuel bounds a guest in the same way on every machine; epochs bound its time, where a host asks for that.
    config.consume_fuel(true);
    config.epoch_interruption(true);
    Engine::new(&config)
}

/// Of several versions Envoy takes the one whose marker the module exports first.
fn abi_version(module: &wasmtime::Module, lenient: bool) -> Result<AbiVersion, LoadError> {
    let markers = || {
        let exports = module.exports().map(|export| export.name());
        exports.filter(|name| name.starts_with(MARKER))
    };
    if let Some(version) = markers().find_map(AbiVersion::of_marker) {
        return Ok(version);
    }
    let Some(marker) = markers().next() else {
        return Err(LoadError::NoAbiVersion);
    };
    match AbiVersion::extended_by(marker) {
        Some(version) if lenient => Ok(version),
        Some(_) => Err(LoadError::ExtendedAbi(marker.to_owned())),
        None => Err(LoadError::UnsupportedAbi(marker.to_owned())),
    }
}

fn check_exports(module: &wasmtime::Module, abi: AbiVersion) -> Result<(), LoadError> {
    if !matches!(module.get_export("memory"), Some(ExternType::Memory(memory)) if !memory.is_64()) {
        return Err(LoadError::NoMemory);
    }
    let allocator = ALLOCATORS
        .iter()
        .find(|name| module.get_export(name).is_some())
        .ok_or(LoadError::NoAllocator)?;
    check_type(module, allocator, 1, true)?;
    Export::ALL.iter().try_for_each(|export| {
        check_type(
            module,
            export.name(),
            export.params_in(abi),
            export.returns(),
        )
    })
}

/// The engine calls what the guest wants "expected", and what the host has "found".
fn from_the_guests_side(error: &str) -> String {
    error
        .replace("expected type", "the module declares the type")
        .replace("found type", "the host has the type")
}

/// A missing export is fine: Envoy does not call it then.
fn check_type(
    module: &wasmtime::Module,
    name: &str,
    params: usize,
    returns: bool,
) -> Result<(), LoadError> {
    let fits = match module.get_export(name) {
        None => true,
        Some(ExternType::Func(actual)) => {
            actual.params().len() == params
                && actual.results().len() == usize::from(returns)
                && all_i32(&actual)
        }
        Some(_) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(LoadError::WrongExport(name.to_owned()))
    }
}

fn all_i32(function: &FuncType) -> bool {
    function
        .params()
        .chain(function.results())
        .all(|value| matches!(value, ValType::I32))
}
