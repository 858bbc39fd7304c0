//! What guests find that a test made up: properties, foreign functions, and names.

use crate::attributes::{PropertyValue, Setting, Settings};
use crate::dns::DnsAnswer;

use super::HostBuilder;

impl HostBuilder {
    /// A property that guests read on every stream, in place of what the host would compute, or where it would have nothing.
    /// Those of the upstream are there from its answer on, as in Envoy; the plugin's own and `xds.node` in root contexts too.
    /// The path is written with dots; see [`property_at`](Self::property_at) for segments that contain some.
    ///
    /// ```
    /// # use postern_host::{Host, Module};
    /// # fn example(module: &Module) {
    /// let host = Host::builder(module)
    ///     .property("xds.route_name", "orders")
    ///     .property("xds.listener_direction", 1_i64)
    ///     .property("metadata.filter_metadata.ns.weight", 0.5)
    ///     .property_at(["metadata", "filter_metadata", "envoy.lb", "canary"], true)
    ///     .without_property("source.address")
    ///     .build();
    /// # }
    /// ```
    pub fn property(mut self, path: &str, value: impl Into<PropertyValue>) -> Self {
        let path = Settings::split(path);
        let properties = &mut self.offered.properties;
        properties.set(path, Setting::Value(value.into()));
        self
    }

    /// The same, for a path given in segments.
    pub fn property_at<S: Into<String>>(
        mut self,
        path: impl IntoIterator<Item = S>,
        value: impl Into<PropertyValue>,
    ) -> Self {
        let path = path.into_iter().map(Into::into);
        let properties = &mut self.offered.properties;
        properties.set(path, Setting::Value(value.into()));
        self
    }

    /// A property that guests do not find, with everything under it.
    pub fn without_property(mut self, path: &str) -> Self {
        let path = Settings::split(path);
        self.offered.properties.set(path, Setting::Absent);
        self
    }

    /// A function that guests can call with `proxy_call_foreign_function`, before any of Envoy's with the same name. It gets
    /// the arguments, and answers with a result or with a status of the ABI other than 0.
    ///
    /// ```
    /// # use postern_host::{Host, Module};
    /// # fn example(module: &Module) {
    /// let host = Host::builder(module)
    ///     .foreign_function("reverse", |arguments| {
    ///         if arguments.is_empty() {
    ///             return Err(2);
    ///         }
    ///         Ok(arguments.iter().rev().copied().collect())
    ///     })
    ///     .build();
    /// # }
    /// ```
    pub fn foreign_function(
        mut self,
        name: impl Into<String>,
        function: impl FnMut(&[u8]) -> Result<Vec<u8>, u32> + Send + 'static,
    ) -> Self {
        let functions = &mut self.offered.foreign_functions;
        functions.add(name.into(), Box::new(function));
        self
    }

    /// What comes of it when a guest looks up this name with `envoy_resolve_dns`, each time. Other names do not exist, and
    /// addresses stand for themselves.
    pub fn dns(mut self, name: impl Into<String>, answer: DnsAnswer) -> Self {
        self.offered.dns.0.insert(name.into(), answer);
        self
    }
}
