//! A method in a policy, by its place.

use crate::policy::document::{Document, Method, Service};

/// A method in a policy, with its places.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    service_at: usize,
    /// Its service.
    pub service: &'p Service,
    method_at: usize,
    /// The method.
    pub method: &'p Method,
}

impl<'p> Place<'p> {
    /// Finds a method by its name and that of its service.
    pub fn find(policy: &'p Document, service: &str, method: &str) -> Option<Self> {
        let mut services = policy.services.iter().enumerate();
        let (service_at, service) = services.find(|(_, candidate)| candidate.name == service)?;
        let mut methods = service.methods.iter().enumerate();
        let (method_at, method) = methods.find(|(_, candidate)| candidate.name == method)?;
        Some(Self {
            service_at,
            service,
            method_at,
            method,
        })
    }

    /// The path of the service.
    pub fn service_path(&self) -> String {
        format!("services[{}]", self.service_at)
    }

    /// The path of the method.
    pub fn path(&self) -> String {
        format!("{}.methods[{}]", self.service_path(), self.method_at)
    }

    /// The method's pattern, with its service's base path.
    pub fn pattern(&self) -> String {
        let base = self.service.base_path.trim_end_matches('/');
        format!("{base}{}", self.method.path)
    }
}
