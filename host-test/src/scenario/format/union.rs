//! Values that may be written in more than one way: as text, as a number, or as a table.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Makes a value of text, or says what is wrong with it.
type FromText<T> = fn(&str) -> Result<T, String>;

/// How a value is made of each way to write it. A way that is absent is refused, in the place where it stands.
pub(super) struct Union<T, S> {
    pub(super) expecting: &'static str,
    pub(super) text: Option<FromText<T>>,
    pub(super) integer: Option<fn(i64) -> Result<T, String>>,
    pub(super) table: fn(S) -> Result<T, String>,
}

impl<T, S> Union<T, S> {
    pub(super) fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error>
    where
        S: Deserialize<'de>,
    {
        deserializer.deserialize_any(UnionVisitor {
            union: self,
            lifetime: PhantomData,
        })
    }
}

struct UnionVisitor<'de, T, S> {
    union: Union<T, S>,
    lifetime: PhantomData<&'de ()>,
}

impl<'de, T, S: Deserialize<'de>> Visitor<'de> for UnionVisitor<'de, T, S> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.union.expecting)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        match self.union.text {
            Some(make) => make(text).map_err(E::custom),
            None => Err(E::invalid_type(serde::de::Unexpected::Str(text), &self)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match self.union.integer {
            Some(make) => make(number).map_err(E::custom),
            None => Err(E::invalid_type(
                serde::de::Unexpected::Signed(number),
                &self,
            )),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let table = S::deserialize(MapAccessDeserializer::new(map))?;
        (self.union.table)(table).map_err(A::Error::custom)
    }
}

/// The schema of text, or a table.
pub(super) fn text_or<S: JsonSchema>(generator: &mut SchemaGenerator, description: &str) -> Schema {
    let table = generator.subschema_for::<S>();
    json_schema!({ "description": description, "anyOf": [{ "type": "string" }, table] })
}

/// One value, or a list of them.
#[derive(Clone, Debug)]
pub(super) struct OneOrMany<T> {
    pub(super) values: Vec<T>,
    pub(super) is_list: bool,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrOne<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListOrOne<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one value, or a list of them")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                one(T::deserialize(serde::de::value::StrDeserializer::new(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                one(T::deserialize(MapAccessDeserializer::new(map)))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                }
                Ok(OneOrMany {
                    values,
                    is_list: true,
                })
            }
        }

        fn one<T, E>(value: Result<T, E>) -> Result<OneOrMany<T>, E> {
            value.map(|value| OneOrMany {
                values: vec![value],
                is_list: false,
            })
        }

        deserializer.deserialize_any(ListOrOne(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}

/// A switch that can only be turned on: to leave it out is to leave it off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Self)
        } else {
            Err(D::Error::custom("this can only be `true`: leave it out"))
        }
    }
}

impl JsonSchema for True {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "True".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "const": true })
    }
}
