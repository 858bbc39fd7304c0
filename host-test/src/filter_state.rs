//! Filter state: what filters leave for others on a stream.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::attributes::{PropertyValue, decode_struct};

type Objects = BTreeMap<Vec<u8>, FilterState>;

/// All filter state that a stream sees: its own, and that of its client's connection (Envoy `FilterStateImpl` and its parents).
#[derive(Debug, Default)]
pub(crate) struct FilterStates {
    own: Objects,
    connection: ConnectionState,
}

/// What lives as long as a client's connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionState(Arc<Mutex<Objects>>);

/// How long an object lives (Envoy `LifeSpan`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum LifeSpan {
    /// Until the request has passed the filters; a redirect that the host follows ends it.
    #[default]
    FilterChain,
    Request,
    Connection,
}

impl LifeSpan {
    /// The span of this number; what has none is the shortest.
    pub(crate) fn numbered(number: u64) -> Self {
        match number {
            1 => Self::Request,
            2 => Self::Connection,
            _ => Self::FilterChain,
        }
    }
}

impl ConnectionState {
    fn lock(&self) -> MutexGuard<'_, Objects> {
        // Every change is one insertion, so the map is whole even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FilterStates {
    /// Nothing of the stream's own yet, on this connection.
    pub(crate) fn on(connection: ConnectionState) -> Self {
        Self {
            own: Objects::new(),
            connection,
        }
    }

    /// What is left when the host follows a redirect.
    pub(crate) fn after_redirect(&self) -> Self {
        let stays = |(_, state): &(&Vec<u8>, &FilterState)| state.span != LifeSpan::FilterChain;
        let own = self.own.iter().filter(stays);
        Self {
            own: own
                .map(|(name, state)| (name.clone(), state.clone()))
                .collect(),
            connection: self.connection.clone(),
        }
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<FilterState> {
        let own = self.own.get(name).cloned();
        own.or_else(|| self.connection.lock().get(name).cloned())
    }

    /// All objects by name.
    pub(crate) fn all(&self) -> BTreeMap<Vec<u8>, FilterState> {
        let mut all = self.connection.lock().clone();
        all.extend(self.own.clone());
        all
    }

    /// Changes an object if it is there, whatever span was declared meanwhile, and adds it otherwise; false if it may be set
    /// only once.
    pub(crate) fn set(&mut self, name: Vec<u8>, declaration: &Declaration, value: Vec<u8>) -> bool {
        if let Some(state) = self.own.get_mut(&name) {
            return state.set(value);
        }
        if let Some(state) = self.connection.lock().get_mut(&name) {
            return state.set(value);
        }
        self.insert(name, FilterState::new(declaration, value));
        true
    }

    /// Adds an object, or replaces one of the same span. One of another span stays as it is: Envoy calls that a bug in its log,
    /// and goes on.
    pub(crate) fn insert(&mut self, name: Vec<u8>, state: FilterState) {
        if self
            .get(&name)
            .is_some_and(|known| known.span != state.span)
        {
            return;
        }
        if state.span == LifeSpan::Connection {
            self.connection.lock().insert(name, state);
        } else {
            self.own.insert(name, state);
        }
    }
}

/// One object in a stream's filter state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FilterState {
    pub(crate) value: Vec<u8>,
    kind: Kind,
    readonly: bool,
    span: LifeSpan,
}

/// What a guest said about a property before it set it (`declare_property`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Declaration {
    pub(crate) readonly: bool,
    pub(crate) kind: Kind,
    pub(crate) span: LifeSpan,
}

/// How expressions see the value.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    #[default]
    Bytes,
    String,
    /// A serialized `google.protobuf.Struct`, whose fields can be read one by one.
    Struct,
    /// A message of a type, or a flatbuffer of a schema, that this host does not read. It is whole or not at all.
    Opaque,
    /// An object of Envoy's own, made with `set_envoy_filter_state`.
    Envoy,
    /// One that is read as a map, of which nothing is listed.
    Address,
    /// One that cannot be read.
    Hidden,
}

impl FilterState {
    pub(crate) fn new(declaration: &Declaration, value: Vec<u8>) -> Self {
        Self {
            value,
            kind: declaration.kind,
            readonly: declaration.readonly,
            span: declaration.span,
        }
    }

    pub(crate) fn of_envoy(value: Vec<u8>, kind: Kind, span: LifeSpan) -> Self {
        Self {
            value,
            kind,
            readonly: false,
            span,
        }
    }

    /// Changes the value; false if it may be set only once.
    pub(crate) fn set(&mut self, value: Vec<u8>) -> bool {
        if !self.readonly {
            self.value = value;
        }
        !self.readonly
    }

    /// The value under its full name, if it can be read.
    pub(crate) fn readable(&self) -> Option<PropertyValue> {
        match self.kind {
            Kind::Hidden => None,
            Kind::Address => Some(PropertyValue::Map(Vec::new())),
            _ => Some(self.whole()),
        }
    }

    fn whole(&self) -> PropertyValue {
        match self.kind {
            Kind::String | Kind::Envoy | Kind::Address | Kind::Hidden => {
                match String::from_utf8(self.value.clone()) {
                    Ok(text) => PropertyValue::String(text),
                    Err(error) => PropertyValue::Bytes(error.into_bytes()),
                }
            }
            Kind::Bytes | Kind::Struct | Kind::Opaque => PropertyValue::Bytes(self.value.clone()),
        }
    }

    /// The value under its own name: at the end of a path the whole, before that something to look into.
    pub(crate) fn expression(&self, last: bool) -> PropertyValue {
        match self.kind {
            Kind::Struct if !last => decode_struct(&self.value).unwrap_or(PropertyValue::Null),
            _ => self.whole(),
        }
    }
}
