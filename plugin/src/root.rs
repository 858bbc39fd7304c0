//! A root context: one plugin configuration in one VM. A VM can hold several, and an old one lives until its listener has
//! drained, so nothing here is shared between them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use postern_core::clock::ClockGuard;
use postern_core::config::{ConfigFault, gateway_id_of};
use postern_core::decision_id::DecisionIds;
use postern_core::gate::{Gate, Standing};
use postern_core::id::Shown;
use postern_core::reason::Reason;
use postern_core::time::Timestamp;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;

use crate::entropy::HostRandom;
use crate::held::Held;
use crate::host::{self, Level};
use crate::metrics::Metrics;
use crate::stream::{self, Stream};
use crate::sync::{self, Client};

/// How often `on_tick` comes, in milliseconds.
const TICK: u32 = 1000;

const NANOSECONDS: u64 = 1_000_000_000;

/// More faults than these in one line help nobody.
const MAX_FAULTS_LOGGED: usize = 10;

/// A root context. It is empty until a configuration has been accepted.
pub(crate) struct Root {
    context: u32,
    configured: RefCell<Option<Rc<Configured>>>,
}

/// Everything that an accepted configuration has brought up.
pub(crate) struct Configured {
    /// Changed by policy sync, between requests.
    pub(crate) gate: RefCell<Gate>,
    client: Option<RefCell<Client>>,
    pub(crate) ids: DecisionIds,
    pub(crate) metrics: Metrics,
    /// Streams that wait for a form.
    pub(crate) held: Held,
    /// Where the record of a decision is written, so that no request allocates for it.
    pub(crate) line: RefCell<Vec<u8>>,
    clock: ClockGuard,
    tick: Cell<u32>,
}

impl Configured {
    /// The time to decide by, or `None` if the clock is not to be trusted.
    pub(crate) fn now(&self) -> Option<Timestamp> {
        let now = now(&self.clock)?;
        let doubts =
            |client: &RefCell<Client>| client.try_borrow().is_ok_and(|client| client.doubts(now));
        (!self.client.as_ref().is_some_and(doubts)).then_some(now)
    }

    /// Lets policy sync go on. While there is work left, ticks come faster.
    fn drive(&self) {
        let Some(client) = &self.client else { return };
        let wall = now(&self.clock);
        if let (Ok(mut client), Ok(mut gate)) =
            (client.try_borrow_mut(), self.gate.try_borrow_mut())
        {
            let period = client.drive(&mut gate, wall);
            if self.tick.replace(period) != period && host::set_tick_period(period).is_err() {
                host::log(
                    Level::Error,
                    "postern: the host no longer takes the period of its ticks",
                );
            }
        }
    }

    /// Takes the answer to a call of policy sync.
    #[cfg(feature = "sync")]
    pub(crate) fn answered(&self, call: u32, body_size: usize) {
        if let Some(client) = &self.client
            && let Ok(mut client) = client.try_borrow_mut()
        {
            client.arrived(call, body_size);
        }
        self.drive();
    }

    /// Notes that a token was used.
    pub(crate) fn used(&self, token: &str) {
        if let Some(client) = &self.client
            && let Ok(mut client) = client.try_borrow_mut()
        {
            client.used(token);
        }
    }
}

impl Root {
    /// The root context of this id.
    pub(crate) fn new(context: u32) -> Self {
        Self {
            context,
            configured: RefCell::default(),
        }
    }

    fn configure(&self, json: &[u8]) -> Result<(), String> {
        let clock = ClockGuard::default();
        let now = now(&clock);
        let gate = Gate::from_json(json, now, host::environment).map_err(|faults| list(&faults))?;
        let mut gate = gate
            .remembering(&mut HostRandom)
            .map_err(|error| error.to_string())?;
        let ids = DecisionIds::seeded(&mut HostRandom).map_err(|error| error.to_string())?;
        let client = Client::of(&mut gate, now)?;
        let tick = client.as_ref().map_or(TICK, Client::first_tick);
        let needs_ticks = gate.config().form || client.is_some();
        if needs_ticks && host::set_tick_period(tick).is_err() {
            return Err(
                "exchange.form and sync need a host that has ticks, to end streams that wait and to ask for changes"
                    .to_owned(),
            );
        }
        let mut slot = self
            .configured
            .try_borrow_mut()
            .map_err(|_| "a request is being decided".to_owned())?;
        // Last, since a configuration that is refused has nothing to show.
        report(&gate);
        let configured = Rc::new(Configured {
            // Without a policy, none has come into force.
            metrics: Metrics::define(&gate, now.filter(|_| gate.standing() == Standing::Good)),
            gate: RefCell::new(gate),
            client: client.map(RefCell::new),
            tick: Cell::new(tick),
            ids,
            held: Held::default(),
            line: RefCell::default(),
            clock,
        });
        sync::register(self.context, &configured);
        *slot = Some(configured);
        Ok(())
    }

    fn current(&self) -> Option<Rc<Configured>> {
        self.configured
            .try_borrow()
            .ok()
            .and_then(|slot| slot.clone())
    }
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let json = host::plugin_configuration();
        let done = match &json {
            Ok(json) => self.configure(json),
            Err(_) => Err("it could not be read".to_owned()),
        };
        let Err(reason) = done else {
            return true;
        };
        let gateway = match json.as_deref().ok().and_then(gateway_id_of) {
            Some(id) => format!("gateway {}: ", Shown(id)),
            None => String::new(),
        };
        host::log(
            Level::Error,
            &format!("postern: {gateway}configuration refused: {reason}"),
        );
        false
    }

    fn on_tick(&mut self) {
        let Some(configured) = self.current() else {
            return;
        };
        configured.drive();
        let Ok(now) = host::monotonic_clock() else {
            return;
        };
        for context in configured.held.overdue(now) {
            // A stream that has ended meanwhile has released itself, so the context is there.
            if host::set_effective_context(context).is_ok() {
                stream::refuse_form(&configured, Reason::FormTimeout);
            }
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        // A stream can outlive a policy by days, so it must not keep one in memory.
        let configured = self.current().map(|configured| Rc::downgrade(&configured));
        Some(Box::new(Stream::new(
            context_id,
            configured.unwrap_or_default(),
        )))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

fn now(clock: &ClockGuard) -> Option<Timestamp> {
    let nanoseconds = host::wall_clock().ok()?;
    clock.check(Timestamp::from_secs(nanoseconds / NANOSECONDS))
}

fn report(gate: &Gate) {
    let (config, policy) = (gate.config(), gate.policy());
    let gateway = Shown(&config.gateway_id);
    host::log(
        Level::Info,
        &format!(
            "postern {}: gateway {gateway}: configuration accepted: {} tokens, {} keys, policy digest {}",
            env!("CARGO_PKG_VERSION"),
            policy.token_count(),
            policy.keys().len(),
            policy.store().digest().to_hex(),
        ),
    );
    report_missing_roots(gate);
}

/// Tells which keys of the policy cannot be used here.
pub(crate) fn report_missing_roots(gate: &Gate) {
    let config = gate.config();
    let gateway = Shown(&config.gateway_id);
    for (kid, root) in gate.keys().missing_roots() {
        host::log(
            Level::Warn,
            &format!(
                "postern: gateway {gateway}: key {} cannot be used: {} holds no root {}",
                Shown(kid),
                config.root_key_env,
                Shown(root)
            ),
        );
    }
}

fn list(faults: &[ConfigFault]) -> String {
    let shown: Vec<_> = faults
        .iter()
        .take(MAX_FAULTS_LOGGED)
        .map(ToString::to_string)
        .collect();
    let more = faults.len() - shown.len();
    let rest = if more == 0 {
        String::new()
    } else {
        format!("; and {more} more")
    };
    format!("{}{rest}", shown.join("; "))
}
