//! `expr_create`, `expr_evaluate` and `expr_delete`: expressions of CEL over the attributes of a stream.
//!
//! The language is the `cel` crate's, held to the functions that Envoy registers. Bounds take the place of Envoy's: a guest
//! must not be able to make its host compute for ever, or run out of stack.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use cel::common::ast::Expr;
use cel::objects::Key;
use cel::{Context, Env, Program, Value};
use chrono::{DateTime, TimeDelta};

use crate::attributes::{self, Found, PropertyValue};
use crate::state::VmState;
use crate::status::{LogLevel, Status};

/// Bytes of an expression's text.
const MAX_LENGTH: usize = 10_000;
/// Operators, calls, brackets and dots: each may be one more level of the tree.
const MAX_OPERATORS: usize = 200;
/// Macros that walk over a list; nested, each multiplies the work.
const MAX_LOOPS: usize = 3;
const LOOPS: &[&str] = &["all", "exists", "exists_one", "filter", "map"];

/// The functions that Envoy registers (cel-cpp, `builtin_func_registrar.cc`). Those of extension libraries are not among them.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "int",
    "matches",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
];

static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// The expressions of one root context.
#[derive(Default)]
pub(crate) struct Expressions {
    next: u32,
    programs: BTreeMap<u32, Program>,
}

impl std::fmt::Debug for Expressions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.programs.keys()).finish()
    }
}

/// Compiles an expression; the result is its token, 4 bytes. Tokens of a root context count from 0.
pub(super) fn create(state: &mut VmState, text: &[u8]) -> Result<Vec<u8>, Status> {
    let program = match compile(text) {
        Ok(program) => program,
        Err(problem) => {
            state.log(LogLevel::Info, format!("expr_create {problem}"));
            return Err(Status::BadArgument);
        }
    };
    let expressions = expressions(state)?;
    let token = expressions.next;
    expressions.next = token.wrapping_add(1);
    expressions.programs.insert(token, program);
    Ok(token.to_le_bytes().to_vec())
}

/// The value of an expression, in the encoding of properties.
pub(super) fn evaluate(state: &mut VmState, token: &[u8]) -> Result<Vec<u8>, Status> {
    let token = read_token(token)?;
    let program = expressions(state)?
        .programs
        .remove(&token)
        .ok_or(Status::NotFound)?;
    let outcome = run(state, &program);
    expressions(state)?.programs.insert(token, program);
    match outcome {
        Ok(value) => value
            .and_then(|value| value.encode())
            .ok_or(Status::SerializationFailure),
        Err(problem) => {
            state.log(
                LogLevel::Debug,
                format!("expr_evaluate value error: {problem}"),
            );
            Err(Status::InternalFailure)
        }
    }
}

/// Forgets an expression; one that is not there is forgotten already.
pub(super) fn delete(state: &mut VmState, token: &[u8]) -> Result<(), Status> {
    let token = read_token(token)?;
    expressions(state)?.programs.remove(&token);
    Ok(())
}

/// Expressions belong to the root of the context whose callback runs, whichever context the guest acts as.
fn expressions(state: &mut VmState) -> Result<&mut Expressions, Status> {
    let root = state
        .streams
        .get(&state.current)
        .map_or(state.current, |stream| stream.root);
    let root = state.roots.get_mut(&root).ok_or(Status::NotFound)?;
    Ok(&mut root.expressions)
}

fn read_token(bytes: &[u8]) -> Result<u32, Status> {
    let bytes = <[u8; 4]>::try_from(bytes).map_err(|_| Status::BadArgument)?;
    Ok(u32::from_le_bytes(bytes))
}

fn compile(text: &[u8]) -> Result<Program, String> {
    let text = str::from_utf8(text).map_err(|error| format!("parse error: {error}"))?;
    check_bounds(text)?;
    let program = ENVIRONMENT
        .compile(text)
        .map_err(|errors| format!("parse error: {errors}"))?;
    let unknown = program
        .references()
        .functions()
        .into_iter()
        .find(|name| is_word(name) && !FUNCTIONS.contains(name))
        .map(str::to_owned);
    match unknown {
        Some(name) => Err(format!("compile error: No overloads provided for {name}")),
        None => Ok(program),
    }
}

/// Operators have names as well, such as `_+_` and `@in`.
fn is_word(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn check_bounds(text: &str) -> Result<(), String> {
    let operators = text
        .bytes()
        .filter(|byte| b"+-*/%.&|<>=!?:[({,".contains(byte))
        .count();
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let loops = words.filter(|word| LOOPS.contains(word)).count();
    if text.len() > MAX_LENGTH || operators > MAX_OPERATORS || loops > MAX_LOOPS {
        return Err(format!(
            "compile error: this host takes at most {MAX_LENGTH} bytes, {MAX_OPERATORS} operators and {MAX_LOOPS} loops"
        ));
    }
    Ok(())
}

/// The value, if it is of a kind that can be handed over.
fn run(state: &VmState, program: &Program) -> Result<Option<PropertyValue>, String> {
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    for name in program.references().variables() {
        if let Some(value) = variable(state, name) {
            context.add_variable_from_value(name.to_owned(), value);
        }
    }
    let value = program
        .execute(&context)
        .map_err(|error| error.to_string())?;
    // What Envoy cannot serialize either.
    if is_type(program) || is_group(state, program) {
        return Ok(None);
    }
    Ok(from_cel(&value))
}

/// Whether the whole expression asks for the type of something.
fn is_type(program: &Program) -> bool {
    matches!(&program.expression().expr, Expr::Call(call) if call.func_name == "type")
}

/// Whether the whole expression is the name of a group of attributes, which nobody can list.
fn is_group(state: &VmState, program: &Program) -> bool {
    let Expr::Ident(name) = &program.expression().expr else {
        return false;
    };
    let found = attributes::find(state, state.current, &[name.as_bytes()]);
    matches!(found, Some(Found::Group(_)))
}

fn variable(state: &VmState, name: &str) -> Option<Value> {
    let find = |path: &[&str]| {
        let path: Vec<&[u8]> = path.iter().map(|segment| segment.as_bytes()).collect();
        attributes::find(state, state.current, &path)
    };
    match find(&[name])? {
        Found::Value(value) => Some(to_cel(&value)),
        Found::Group(group) => {
            let mut entries = HashMap::new();
            for attribute in attributes::names(state, state.current, group, name) {
                if let Some(Found::Value(value)) = find(&[name, &attribute]) {
                    entries.insert(Key::from(attribute), to_cel(&value));
                }
            }
            Some(Value::Map(entries.into()))
        }
    }
}

fn to_cel(value: &PropertyValue) -> Value {
    match value {
        PropertyValue::String(text) => text.as_str().into(),
        PropertyValue::Bytes(bytes) => Value::Bytes(Arc::new(bytes.clone())),
        PropertyValue::Int(number) => Value::Int(*number),
        PropertyValue::Uint(number) => Value::UInt(*number),
        PropertyValue::Double(number) => Value::Float(*number),
        PropertyValue::Bool(truth) => Value::Bool(*truth),
        PropertyValue::Duration(nanoseconds) => {
            Value::Duration(TimeDelta::nanoseconds(*nanoseconds))
        }
        PropertyValue::Timestamp(nanoseconds) => {
            Value::Timestamp(DateTime::from_timestamp_nanos(*nanoseconds).fixed_offset())
        }
        PropertyValue::List(items) => Value::List(Arc::new(items.iter().map(to_cel).collect())),
        PropertyValue::Map(entries) | PropertyValue::Message(entries) => {
            let entries = entries.iter();
            let entries: HashMap<Key, Value> = entries
                .map(|(name, value)| (Key::from(name.clone()), to_cel(value)))
                .collect();
            Value::Map(entries.into())
        }
        PropertyValue::Null => Value::Null,
    }
}

fn from_cel(value: &Value) -> Option<PropertyValue> {
    Some(match value {
        Value::String(text) => PropertyValue::String(text.to_string()),
        Value::Bytes(bytes) => PropertyValue::Bytes(bytes.to_vec()),
        Value::Int(number) => PropertyValue::Int(*number),
        Value::UInt(number) => PropertyValue::Uint(*number),
        Value::Float(number) => PropertyValue::Double(*number),
        Value::Bool(truth) => PropertyValue::Bool(*truth),
        Value::Duration(duration) => {
            PropertyValue::Duration(duration.num_nanoseconds().unwrap_or(i64::MAX))
        }
        Value::Timestamp(time) => {
            PropertyValue::Timestamp(time.timestamp_nanos_opt().unwrap_or(i64::MAX))
        }
        Value::List(items) => {
            PropertyValue::List(items.iter().map(from_cel).collect::<Option<_>>()?)
        }
        Value::Map(map) => {
            let mut entries = Vec::with_capacity(map.map.len());
            for (key, value) in map.map.iter() {
                entries.push((key_text(key), from_cel(value)?));
            }
            // CEL's maps have no order, and a test wants one.
            entries.sort_by(|(left, _), (right, _)| left.cmp(right));
            PropertyValue::Map(entries)
        }
        _ => return None,
    })
}

fn key_text(key: &Key) -> String {
    match key {
        Key::String(text) => text.to_string(),
        Key::Int(number) => number.to_string(),
        Key::Uint(number) => number.to_string(),
        Key::Bool(truth) => truth.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_take_for_ever_or_too_deep_is_refused() {
        for text in [
            "(".repeat(5_000),
            "1+".repeat(300) + "1",
            "!".repeat(400) + "true",
            "a.".repeat(300) + "a",
            "[1,2].map(a, [1].map(b, [1].map(c, [1].map(d, d))))".to_owned(),
            "x".repeat(20_000),
        ] {
            assert!(compile(text.as_bytes()).is_err(), "{text:.20}");
        }
        assert!(compile(b"[1,2].map(a, a * 2).exists(x, x > 2)").is_ok());
    }

    #[test]
    fn functions_that_envoy_does_not_register_are_refused() {
        for text in [
            "'a'.lowerAscii()",
            "foo(1)",
            "math.greatest(1, 2)",
            "1 +",
            "",
        ] {
            assert!(compile(text.as_bytes()).is_err(), "{text}");
        }
    }
}
