//! The records that are few, and kept as they were written.

use std::sync::Arc;

use super::super::digest::RecordHash;
use super::super::document::{Bypass, Document, Key, PublicRoute, Service};
use super::super::fault::PolicyFault;
use super::hashes::document_hash;
use super::{On, Store, check_id};

/// The records of which a policy has few. A copy of the lists shares what is big.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Lists {
    pub(in super::super) keys: Vec<Key>,
    pub(in super::super) services: Vec<Arc<KeptService>>,
    pub(in super::super) public: Vec<Arc<PublicRoute>>,
    pub(in super::super) bypass: Option<Bypass>,
}

/// A service, and its hash in the digest, by which one that is read again is known.
#[derive(Debug)]
pub(in super::super) struct KeptService {
    pub(in super::super) service: Service,
    hash: RecordHash,
}

impl KeptService {
    fn new(service: &Service) -> Self {
        Self {
            service: service.clone(),
            hash: document_hash("service", &service.name, service),
        }
    }
}

impl Lists {
    pub(super) fn of(document: &Document) -> Self {
        let services = document.services.iter();
        let public = document.public.iter();
        Self {
            keys: document.keys.clone(),
            services: services
                .map(|service| Arc::new(KeptService::new(service)))
                .collect(),
            public: public.map(|route| Arc::new(route.clone())).collect(),
            bypass: document.bypass.clone(),
        }
    }

    /// The service of this name.
    fn service(&self, name: &str) -> Option<&Arc<KeptService>> {
        let mut services = self.services.iter();
        services.find(|kept| kept.service.name == name)
    }
}

impl Store {
    pub(super) fn put_key(&mut self, key: &Key, on: On) -> Result<(), Vec<PolicyFault>> {
        check_id("kid", &key.kid)?;
        check_id("root", &key.root)?;
        self.delete_key(&key.kid, on)?;
        for &side in on.sides {
            self.lists.get_mut(side).keys.push(key.clone());
        }
        self.count(None, Some(&document_hash("key", &key.kid, key)), on);
        Ok(())
    }

    pub(super) fn delete_key(&mut self, kid: &str, on: On) -> Result<(), Vec<PolicyFault>> {
        let mut keys = self.lists.get(on.view).keys.iter();
        if let Some(old) = keys.find(|key| key.kid == kid) {
            let hash = document_hash("key", kid, old);
            for &side in on.sides {
                self.lists.get_mut(side).keys.retain(|key| key.kid != kid);
            }
            self.count(Some(&hash), None, on);
        }
        Ok(())
    }

    pub(super) fn put_service(
        &mut self,
        service: &Service,
        on: On,
    ) -> Result<(), Vec<PolicyFault>> {
        check_id("name", &service.name)?;
        let mut new = Arc::new(KeptService::new(service));
        // One that is the same is shared, so that it is not compiled again.
        for side in [on.view, self.now] {
            if let Some(old) = self.lists.get(side).service(&service.name)
                && old.hash == new.hash
            {
                new = Arc::clone(old);
            }
        }
        self.delete_service(&service.name, on)?;
        for &side in on.sides {
            self.lists.get_mut(side).services.push(Arc::clone(&new));
        }
        self.count(None, Some(&new.hash), on);
        Ok(())
    }

    pub(super) fn delete_service(&mut self, name: &str, on: On) -> Result<(), Vec<PolicyFault>> {
        if let Some(old) = self.lists.get(on.view).service(name).map(Arc::clone) {
            for &side in on.sides {
                let services = &mut self.lists.get_mut(side).services;
                services.retain(|kept| kept.service.name != name);
            }
            self.count(Some(&old.hash), None, on);
        }
        Ok(())
    }

    pub(super) fn put_public(
        &mut self,
        route: &PublicRoute,
        on: On,
    ) -> Result<(), Vec<PolicyFault>> {
        let mut public = self.lists.get(on.view).public.iter();
        if !public.any(|known| **known == *route) {
            let route = Arc::new(route.clone());
            for &side in on.sides {
                self.lists.get_mut(side).public.push(Arc::clone(&route));
            }
            let hash = document_hash("public", &route.path, &*route);
            self.count(None, Some(&hash), on);
        }
        Ok(())
    }

    pub(super) fn delete_public(
        &mut self,
        route: &PublicRoute,
        on: On,
    ) -> Result<(), Vec<PolicyFault>> {
        let mut public = self.lists.get(on.view).public.iter();
        if public.any(|known| **known == *route) {
            for &side in on.sides {
                let public = &mut self.lists.get_mut(side).public;
                public.retain(|known| **known != *route);
            }
            let hash = document_hash("public", &route.path, route);
            self.count(Some(&hash), None, on);
        }
        Ok(())
    }

    pub(super) fn put_bypass(&mut self, bypass: &Bypass, on: On) -> Result<(), Vec<PolicyFault>> {
        self.delete_bypass(on)?;
        for &side in on.sides {
            self.lists.get_mut(side).bypass = Some(bypass.clone());
        }
        self.count(None, Some(&document_hash("bypass", "", bypass)), on);
        Ok(())
    }

    pub(super) fn delete_bypass(&mut self, on: On) -> Result<(), Vec<PolicyFault>> {
        if let Some(old) = &self.lists.get(on.view).bypass {
            let hash = document_hash("bypass", "", old);
            for &side in on.sides {
                self.lists.get_mut(side).bypass = None;
            }
            self.count(Some(&hash), None, on);
        }
        Ok(())
    }
}
