//! A policy that comes while requests are decided.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::clock::EARLIEST;
use crate::feed::{
    InForce, Moment, Next, Page, Position, Shared, SharedPages, Snapshot, Sync, Work,
};
use crate::gate::Standing;
use crate::policy::Policy;

const CONFIGURATION: &str = r#"{
    "gateway_id": "edge-1", "hosts": ["api.example.com"], "issuer": "https://api.example.com",
    "token_audience": "edge", "root_key_env": "POSTERN_ROOT_KEY", "exchange": {"form": true},
    "sync": {
        "cluster": "admin", "authority": "admin.internal", "credential_env": "POSTERN_GATEWAY_CREDENTIAL",
        "public_keys": ["ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"]
    }
}"#;

/// A policy with one token of this person, and one key of this name.
fn policy(person: &str, kid: &str) -> Policy {
    let hash = api_token(7).hash();
    let json = format!(
        r#"{{"format": 1,
        "keys": [{{"kid": "{kid}", "root": "r1", "active_from": "2026-11-01T00:00:00Z"}}],
        "persons": [{{"id": "p-7", "active": true}}, {{"id": "p-8", "active": true}}],
        "tokens": [{{"id": "t-9", "person": "{person}", "hash": "{hash}", "expires_at": "never", "active": true}}],
        "services": [{{"name": "orders", "hosts": ["api.example.com"], "base_path": "/orders", "forward": "reissue",
            "audience": {{"mode": "unrestricted"}},
            "methods": [{{"name": "list", "http": ["GET"], "path": "/"}}]}}]}}"#
    );
    Policy::from_json(json.as_bytes()).unwrap()
}

/// Gates and what each reads.
struct Synced {
    fixture: Fixture,
    syncs: [Sync; 2],
}

impl Synced {
    fn new() -> Self {
        let gate =
            || Gate::from_json(CONFIGURATION.as_bytes(), now(), |_| Some(root_key())).unwrap();
        let sync = || Sync::new(gate().config().sync.clone().unwrap().source);
        Self {
            fixture: Fixture {
                gate: gate().remembering(&mut Sequence::from_seed(5)).unwrap(),
                forgetful: gate(),
                api_token: api_token(7),
                now: Timestamp::parse(NOW).unwrap(),
            },
            syncs: [sync(), sync()],
        }
    }

    /// Another policy comes into force.
    fn take(&mut self, policy: &Policy, epoch: u64, revision: u64) {
        let mut snapshot = Snapshot::default();
        let pages: Vec<Page> = std::iter::from_fn(|| snapshot.next_page(policy)).collect();
        let shared = Shared {
            policy: InForce {
                position: Position { epoch, revision },
                digest: policy.store().digest(),
                issued_at: EARLIEST,
                contact: Moment::from_millis(1),
            },
            pages: SharedPages::Whole(pages.iter().map(|page| page.id).collect()),
        };
        let Fixture {
            gate, forgetful, ..
        } = &mut self.fixture;
        for (gate, sync) in [gate, forgetful].into_iter().zip(&mut self.syncs) {
            assert!(sync.read_shared(shared.clone()));
            read(gate, sync, &pages);
            gate.stand(Standing::Good);
        }
    }

    fn stand(&mut self, standing: Standing) {
        self.fixture.gate.stand(standing);
        self.fixture.forgetful.stand(standing);
    }
}

/// Reads to the end, in small steps.
fn read(gate: &mut Gate, sync: &mut Sync, pages: &[Page]) {
    let (now, random) = (Moment::from_millis(2), &mut Sequence::from_seed(6));
    let mut has_switched = false;
    for _ in 0..1000 {
        if sync.is_reading()
            && let Ok(Next::Shared(wanted)) = sync.next(now, random)
        {
            let page = pages.iter().find(|page| page.id == wanted).unwrap();
            let body = page.body.clone();
            sync.on_page(now, wanted, body, random).unwrap();
        }
        match gate.work(sync, 2, random) {
            Work::Switched(_) => has_switched = true,
            Work::Idle if has_switched => return,
            Work::Refused(refusal) => panic!("{refusal}"),
            _ => {}
        }
    }
    panic!("it does not end");
}

fn person_of_service_token(seen: &Seen) -> String {
    let (_, value) = seen
        .set
        .iter()
        .find(|(name, _)| name == "authorization")
        .unwrap();
    let payload = value.split('.').nth(1).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    claims["sub"].as_str().unwrap().to_owned()
}

const FORM: &str = "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token=x\
    &subject_token_type=urn:postern:token-type:api-token";

#[test]
fn without_a_policy_and_with_one_that_is_too_old_everything_is_refused() {
    let mut synced = Synced::new();
    for (standing, reason) in [
        (Standing::NoPolicy, Reason::NoPolicy),
        (Standing::Stale, Reason::PolicyStale),
    ] {
        synced.stand(standing);
        let fixture = &synced.fixture;
        for seen in [
            fixture.call("x", "GET", "/orders"),
            fixture.exchange(fixture.api_token.expose()),
            fixture.send("GET", "/.well-known/jwks.json", &[]),
            fixture.send_form(FORM),
        ] {
            assert_eq!((seen.reason, seen.status), (reason, Some(503)));
            assert!(!seen.awaits_form);
        }
    }
}

#[test]
fn a_form_that_was_awaited_when_the_policy_became_too_old_is_refused() {
    let mut synced = Synced::new();
    synced.take(&policy("p-7", "k1"), 1, 1);
    synced.stand(Standing::Stale);
    let gate = &synced.fixture.gate;
    let id = DecisionIds::seeded(&mut Sequence::from_seed(3))
        .unwrap()
        .next_id();
    let form = gate.decide_form(FORM.as_bytes(), now(), id, &mut Sequence::from_seed(4));
    let seen = Seen::from(form);
    assert_eq!((seen.reason, seen.status), (Reason::PolicyStale, Some(503)));
}

#[test]
fn the_keys_of_a_policy_come_and_go_with_it() {
    let mut synced = Synced::new();
    synced.take(&policy("p-7", "k1"), 1, 1);
    let access = synced.fixture.access_token();
    let allowed = synced.fixture.call(&access, "GET", "/orders");
    assert_eq!(allowed.reason, Reason::Allowed);
    synced.take(&policy("p-7", "k2"), 1, 2);
    let refused = synced.fixture.call(&access, "GET", "/orders");
    assert_eq!(refused.status, Some(401), "{refused:?}");
    let access = synced.fixture.access_token();
    let allowed = synced.fixture.call(&access, "GET", "/orders");
    assert_eq!(allowed.reason, Reason::Allowed);
}

#[test]
fn in_a_new_epoch_a_service_token_that_was_made_for_another_is_not_used_again() {
    let mut synced = Synced::new();
    synced.take(&policy("p-7", "k1"), 1, 9);
    let access = synced.fixture.access_token();
    let before = synced.fixture.call(&access, "GET", "/orders");
    assert_eq!(person_of_service_token(&before), "p-7");

    // A backup of another time was restored: the same id now is a token of somebody else.
    synced.take(&policy("p-8", "k1"), 2, 3);
    let access = synced.fixture.access_token();
    let after = synced.fixture.call(&access, "GET", "/orders");
    assert_eq!(after.person.as_deref(), Some("p-8"));
    assert_eq!(person_of_service_token(&after), "p-8");
}
