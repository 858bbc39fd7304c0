//! Findings of a host.

use super::module::{inspect, unreached};
use super::{Code, Diagnostic, Surface};
use crate::host::Host;
use crate::module::Module;
use crate::plugin::PluginSettings;

impl Host {
    /// What the guest did so far that it should not have relied on, each kind once, without what the builder allows. Of
    /// VMs that only try a configuration, nothing is kept unless it is refused.
    ///
    /// ```
    /// use postern_host::{Code, Host, Module, Request};
    ///
    /// // Reads the request's headers when there are none any more.
    /// let module = Module::compile(
    ///     r#"(module
    ///         (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    ///         (memory (export "memory") 1)
    ///         (data (i32.const 16) "x-user")
    ///         (func (export "proxy_abi_version_0_2_1"))
    ///         (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    ///         (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    ///             (drop (call $get (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 4) (i32.const 8)))
    ///             (i32.const 0)))"#,
    /// )?;
    /// let mut host = Host::builder(&module).build();
    /// let plugin = host.add_plugin("")?;
    /// host.request(plugin, Request::get("/").header("x-user", "p-7"));
    ///
    /// let finding = &host.diagnostics()[0];
    /// assert_eq!(finding.code, Code::UnavailableMap);
    /// assert_eq!(finding.callback, Some("proxy_on_response_headers"));
    /// assert_eq!(finding.call, Some("proxy_get_header_map_value"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn diagnostics(&self) -> &[Diagnostic] {
        self.journal.report.findings()
    }

    /// Takes the findings so far.
    pub fn take_diagnostics(&mut self) -> Vec<Diagnostic> {
        self.journal.report.take()
    }

    /// The findings of a run that is over: those of [`diagnostics`](Self::diagnostics), and the callbacks that were never
    /// reached.
    pub fn final_diagnostics(&mut self) -> &[Diagnostic] {
        if self.diagnosed {
            let report = &mut self.journal.report;
            for name in unreached(self.template.module.pre().module(), |export| {
                report.has_reached(export)
            }) {
                if !report.is_known(Code::ExportNeverReached, &name) {
                    report.about_module(Code::ExportNeverReached, name);
                }
            }
        }
        self.diagnostics()
    }

    /// Judges the module that the host was built with.
    pub(crate) fn inspect_module(&mut self) {
        inspect(
            self.template.module.pre().module(),
            &mut self.journal.report,
        );
    }

    /// What findings about a module depend on.
    pub(crate) fn surface_of(&self, module: &Module, settings: &PluginSettings) -> Option<Surface> {
        let headers_can_stop = settings.allow_on_headers_stop_iteration;
        self.diagnosed
            .then(|| Surface::new(module.pre().module(), headers_can_stop))
    }
}
