//! The hosts of all workers, made from the files that were given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::grpc::{GrpcEvent, GrpcReply, code};
use crate::host::Host;
use crate::module::Module;
use crate::plugins::PluginId;
use crate::shared::SharedState;

use super::options::{Options, ServeError, parse_cluster};
use super::running::Clusters;

/// Makes hosts, one for each worker. They share data, queues and metrics.
pub(super) struct Hosts {
    pub(super) clusters: Arc<Clusters>,
    pub(super) configuration: Vec<u8>,
    pub(super) wasm: Vec<u8>,
    options: Options,
    vm_configuration: Vec<u8>,
    pub(super) shared: SharedState,
}

impl Hosts {
    /// Reads the files.
    pub(super) fn new(options: &Options) -> Result<Self, ServeError> {
        let clusters = options.clusters.iter().map(|text| parse_cluster(text));
        let contents =
            |path: &Option<PathBuf>| path.as_deref().map_or_else(|| Ok(Vec::new()), read);
        for name in &options.env {
            if std::env::var(name).is_err() {
                // Envoy leaves such a key out as well; the value is never shown.
                eprintln!(
                    "[warning] the environment has no variable `{name}`, so the guest does not see it"
                );
            }
        }
        Ok(Self {
            clusters: Arc::new(clusters.collect::<Result<_, _>>()?),
            configuration: contents(&options.config)?,
            wasm: read(&options.wasm)?,
            options: options.clone(),
            vm_configuration: contents(&options.vm_config)?,
            shared: SharedState::new(),
        })
    }

    /// The file of the module.
    pub(super) fn wasm_path(&self) -> PathBuf {
        self.options.wasm.clone()
    }

    /// The file of the configuration, if it has one.
    pub(super) fn configuration_path(&self) -> Option<PathBuf> {
        self.options.config.clone()
    }

    /// Starts a module under a configuration, once for each worker.
    pub(super) fn start(
        &self,
        wasm: &[u8],
        configuration: &[u8],
    ) -> Result<Vec<(Host, PluginId)>, ServeError> {
        let module = self
            .options
            .load
            .compile(wasm)
            .map_err(|source| ServeError::Module {
                path: self.options.wasm.clone(),
                source,
            })?;
        let workers = 0..self.options.workers.max(1);
        workers
            .map(|index| {
                let mut host = self.host(&module, index);
                let plugin = host.add_plugin(configuration)?;
                Ok((host, plugin))
            })
            .collect()
    }

    fn host(&self, module: &Module, index: usize) -> Host {
        let options = &self.options;
        let printed = options.trace;
        let mut builder = Host::builder(module)
            .shared(self.shared.clone())
            .vm_id(&options.vm_id)
            .plugin_name(&options.plugin_name)
            .root_id(&options.root_id)
            .vm_configuration(&self.vm_configuration)
            .failure_policy(options.failure_policy)
            .allow_on_headers_stop_iteration(options.allow_on_headers_stop_iteration)
            .buffer_limit(options.buffer_limit)
            .trailers(options.trailers)
            .log_level(options.log_level)
            .trace(options.trace || options.admin.is_some())
            .upgrade_types(&options.upgrade)
            .diagnose(options.diagnose)
            .real_clock()
            .real_entropy()
            .manual_upstream()
            // What one worker tries out, the others need not.
            .canary(index == 0)
            // There is one main thread, and its VM lives with the first worker's.
            .main_thread_vm(index == 0)
            .on_log(|line| eprintln!("[{}] {}", line.level, line.message))
            .on_trace(move |line| {
                if printed {
                    eprintln!("[trace] {line}");
                }
            });
        if !options.callback_time_limit.is_zero() {
            builder = builder.callback_time_limit(options.callback_time_limit);
        }
        for allowed in &options.allow {
            builder = builder.allow(allowed.clone());
        }
        for name in self.clusters.keys() {
            builder = builder.manual_cluster(name).grpc_service(name, refuse_grpc);
        }
        for name in &options.env {
            if let Ok(value) = std::env::var(name) {
                builder = builder.environment(name, value);
            }
        }
        builder.build()
    }
}

/// Tells both sides that the front does not speak gRPC to clusters: the operator in the log, the guest with a status.
fn refuse_grpc(event: &GrpcEvent<'_>) -> GrpcReply {
    match event {
        GrpcEvent::Call(call, _) | GrpcEvent::Opened(call) => {
            let refused = format!(
                "serve makes no gRPC calls: {}/{} of `{}` was not called",
                call.service, call.method, call.cluster
            );
            eprintln!("[warning] {refused}");
            GrpcReply::error(code::UNIMPLEMENTED, refused)
        }
        _ => GrpcReply::new(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, ServeError> {
    std::fs::read(path).map_err(|source| ServeError::File {
        path: path.to_owned(),
        source,
    })
}
