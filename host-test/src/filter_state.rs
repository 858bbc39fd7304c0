//! Filter state: what filters leave for others on a stream.

use crate::attributes::{PropertyValue, decode_struct};

/// One object in a stream's filter state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FilterState {
    pub(crate) value: Vec<u8>,
    kind: Kind,
    readonly: bool,
}

/// What a guest said about a property before it set it (`declare_property`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Declaration {
    pub(crate) readonly: bool,
    pub(crate) kind: Kind,
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
}

impl FilterState {
    pub(crate) fn new(declaration: &Declaration, value: Vec<u8>) -> Self {
        Self {
            value,
            kind: declaration.kind,
            readonly: declaration.readonly,
        }
    }

    pub(crate) fn of_envoy(value: Vec<u8>) -> Self {
        Self {
            value,
            kind: Kind::Envoy,
            readonly: false,
        }
    }

    /// Changes the value; false if it may be set only once.
    pub(crate) fn set(&mut self, value: Vec<u8>) -> bool {
        if !self.readonly {
            self.value = value;
        }
        !self.readonly
    }

    /// The value under its full name.
    pub(crate) fn whole(&self) -> PropertyValue {
        match self.kind {
            Kind::String | Kind::Envoy => match String::from_utf8(self.value.clone()) {
                Ok(text) => PropertyValue::String(text),
                Err(error) => PropertyValue::Bytes(error.into_bytes()),
            },
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
