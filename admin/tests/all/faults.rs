//! What goes wrong around the service, with real processes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use postern_core::feed::{
    Expected, Head, Nonce, PageFault, PageId, PageReader, PublicKey, PublicKeys,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::process::Command;

use crate::client::Client;
use crate::command::{fail, run, succeed};
use crate::process::Process;

const NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

fn ids(list: &Value) -> BTreeSet<String> {
    let items = list.as_array().expect("a list");
    let id = |item: &Value| item["id"].as_str().expect("an id").to_owned();
    items.iter().map(id).collect()
}

fn read(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeed(folder, arguments)).expect("JSON")
}

/// A person, an operator and a gateway; returns the credentials of the latter two.
fn begin(folder: &Path) -> (String, String) {
    let person = ["person", "new", "--name", "One", "--id", "p-1"];
    succeed(folder, &person);
    let operator = succeed(folder, &["operator", "new", "ada"]);
    let gateway = succeed(folder, &["gateway", "new", "edge-1"]);
    (operator.trim().to_owned(), gateway.trim().to_owned())
}

async fn generate(client: &Client, operator: &str, name: &str) -> Option<(u16, Value)> {
    let asked = json!({"name": name, "person": "p-1", "expires_in": 30});
    let answer = client.try_post("/v1/tokens", operator, &asked).await?;
    Some((answer.status, answer.json()))
}

/// Everything that was answered is there, and what is there is there as a whole.
fn check(folder: &Path, answered: &BTreeSet<String>) {
    succeed(folder, &["verify"]);
    let policy = read(folder, &["policy", "export"]);
    let in_policy = ids(&policy["tokens"]);
    let missing: Vec<_> = answered.difference(&in_policy).collect();
    assert!(missing.is_empty(), "answered and lost: {missing:?}");
    let list = ["--json", "token", "list", "--limit", "1000000"];
    assert_eq!(ids(&read(folder, &list)), in_policy);
    let audit = ["--json", "audit", "--limit", "1000000"];
    let lines = read(folder, &audit);
    let lines = lines.as_array().expect("lines");
    let added = lines.iter().filter(|line| line["action"] == "token.add");
    let subject = |line: &Value| line["subject"].as_str().expect("a subject").to_owned();
    assert_eq!(added.map(subject).collect::<BTreeSet<_>>(), in_policy);
    // Each change of the policy here is one record, and one line.
    let revisions = lines.iter().filter_map(|line| {
        let is_of_policy = line["action"] == "token.add" || line["action"] == "person.add";
        is_of_policy.then(|| line["revision"].as_u64().expect("a revision"))
    });
    let revisions: BTreeSet<u64> = revisions.collect();
    let last = in_policy.len() as u64 + 1;
    assert_eq!(revisions, (1..=last).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_while_it_writes_loses_nothing_it_answered_and_keeps_no_half() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (operator, _) = begin(folder);
    let answered = Arc::new(Mutex::new(BTreeSet::new()));
    for round in 0..8_u64 {
        let process = Process::start(folder, &[]).await;
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let client = Client::new(&process.address);
                let (operator, answered) = (operator.clone(), Arc::clone(&answered));
                tokio::spawn(async move {
                    for number in 0.. {
                        let name = format!("{round} {caller} {number}");
                        let Some((status, made)) = generate(&client, &operator, &name).await else {
                            return;
                        };
                        assert_eq!(status, 201, "{made}");
                        let id = made["id"].as_str().expect("an id").to_owned();
                        answered.lock().expect("no panic").insert(id);
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(30 + 41 * round)).await;
        process.kill().await;
        for caller in callers {
            caller.await.expect("no panic");
        }
        check(folder, &answered.lock().expect("no panic"));
    }
    assert!(answered.lock().expect("no panic").len() > 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_broke_off_is_not_taken_and_the_next_process_has_it_under_the_same_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (_, gateway) = begin(folder);
    let roles: Vec<String> = (0..12_000).map(|n| format!("role-{n}")).collect();
    let policy = json!({"format": 1, "roles": roles});
    std::fs::write(folder.join("policy.json"), policy.to_string()).expect("written");
    succeed(folder, &["policy", "import", "policy.json"]);
    let head = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");

    let process = Process::start(folder, &[]).await;
    let first = process.client.get(&head, &gateway).await.json();
    let name = first["pages"][0].as_str().expect("a page");
    let path = format!("/v1/feeds/default/pages/{name}");
    // More of it than the buffers between the two can hold, so that most is still with the service when it is killed.
    let whole = process.client.get(&path, &gateway).await.body.len();
    let address = process.address.parse().expect("an address");
    let socket = TcpSocket::new_v4().expect("a socket");
    let mut stream = socket.connect(address).await.expect("connected");
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {gateway}\r\n\r\n");
    let requests = request.repeat(100);
    stream.write_all(requests.as_bytes()).await.expect("sent");
    let mut got = vec![0; 1_024];
    stream.read_exact(&mut got).await.expect("a beginning");
    process.kill().await;
    // Whether it ends or is reset: what came is all there is.
    let _ended = stream.read_to_end(&mut got).await;
    let headers = got.windows(4).position(|window| window == b"\r\n\r\n");
    let headers = headers.expect("headers") + 4;
    let answers = got.len() / (headers + whole);
    assert!(answers < 100, "all of them came");
    let broken = got.get(answers * (headers + whole) + headers..);
    let id = PageId::parse(name).expect("a name");
    let taken = PageReader::open(id, broken.unwrap_or_default().to_vec());
    assert_eq!(taken.err(), Some(PageFault::OtherBytes));

    let process = Process::start(folder, &[]).await;
    // What it has not named yet, it does not have.
    assert_eq!(process.client.get(&path, &gateway).await.status, 404);
    let again = process.client.get(&head, &gateway).await.json();
    assert_eq!(again["pages"], first["pages"]);
    let page = process.client.get(&path, &gateway).await;
    assert!(PageReader::open(id, page.body.to_vec()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_while_it_upgrades_the_database_leaves_one_that_upgrades() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let roles: Vec<String> = (0..5_000).map(|n| format!("role-{n}")).collect();
    let policy = json!({"format": 1, "roles": roles});
    std::fs::write(folder.join("policy.json"), policy.to_string()).expect("written");
    succeed(folder, &["policy", "import", "policy.json"]);
    let expected = succeed(folder, &["verify"]);
    downgrade(&folder.join("postern.db")).await;
    let mut killed = 0;
    for round in 0..16_u64 {
        let copy = tempfile::tempdir().expect("a folder");
        std::fs::copy(folder.join("postern.db"), copy.path().join("postern.db")).expect("copied");
        let mut child = Command::new(env!("CARGO_BIN_EXE_postern-admin"))
            .arg("verify")
            .current_dir(copy.path())
            .env_remove("POSTERN_DATABASE")
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("it starts");
        tokio::time::sleep(Duration::from_millis(3 * round)).await;
        child.start_kill().expect("killed");
        let status = child.wait().await.expect("it ends");
        killed += u32::from(!status.success());
        assert_eq!(succeed(copy.path(), &["verify"]), expected);
    }
    assert!(killed > 0, "each of them was done before it was killed");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    begin(folder);
    let statement = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                     VALUES (9999, 'of tomorrow', 1, x'00', 0)";
    execute(&folder.join("postern.db"), &[statement]).await;
    let refused = fail(folder, &["person", "list"]);
    assert!(refused.contains("newer version"), "{refused}");
    let statement = "DELETE FROM _sqlx_migrations WHERE version = 9999";
    execute(&folder.join("postern.db"), &[statement]).await;
    assert!(succeed(folder, &["person", "list"]).contains("p-1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_may_not_grow_answers_507_and_goes_on_when_it_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (operator, gateway) = begin(folder);
    let process = Process::start(folder, &["--max-size", "1"]).await;
    let mut answered = BTreeSet::new();
    let refused = loop {
        let name = format!("token {}", answered.len());
        let (status, made) = generate(&process.client, &operator, &name)
            .await
            .expect("an answer");
        if status != 201 {
            break (status, made);
        }
        answered.insert(made["id"].as_str().expect("an id").to_owned());
        assert!(answered.len() < 100_000, "it grows without end");
    };
    assert_eq!(refused.0, 507, "{}", refused.1);
    assert_eq!(refused.1["type"], "urn:postern:admin:full");
    assert!(process.has_logged("no room"));
    // Reading goes on, for operators and gateways.
    let list = process.client.get("/v1/tokens", &operator).await;
    assert_eq!(list.status, 200);
    let head = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    let head = process.client.get(&head, &gateway).await;
    assert_eq!(head.status, 200);
    assert_eq!(head.json()["revision"], answered.len() as u64 + 1);
    process.kill().await;
    check(folder, &answered);

    let process = Process::start(folder, &["--max-size", "16"]).await;
    let made = generate(&process.client, &operator, "after").await;
    assert_eq!(made.expect("an answer").0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_more_fails_changes_alone_and_heals_without_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (operator, gateway) = begin(folder);
    let process = Process::start_with_file_limit(folder, 512).await;
    let mut answered = BTreeSet::new();
    let mut failures = 0;
    while failures < 20 {
        let name = format!("token {} {failures}", answered.len());
        let (status, made) = generate(&process.client, &operator, &name)
            .await
            .expect("an answer");
        match status {
            201 => {
                answered.insert(made["id"].as_str().expect("an id").to_owned());
            }
            503 | 507 => {
                failures += 1;
                let told = made["detail"].as_str().unwrap_or_default();
                let words = if status == 507 {
                    "Nothing was changed"
                } else {
                    "whether the change was made"
                };
                assert!(told.contains(words), "{made}");
            }
            _ => panic!("{status} {made}"),
        }
        assert!(answered.len() < 100_000, "it grows without end");
    }
    let head = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    let head = process.client.get(&head, &gateway).await.json();
    assert_eq!(head["revision"], answered.len() as u64 + 1);

    process.lift_file_limit();
    let (status, made) = generate(&process.client, &operator, "after")
        .await
        .expect("an answer");
    assert_eq!(status, 201, "{made}");
    answered.insert(made["id"].as_str().expect("an id").to_owned());
    process.kill().await;
    check(folder, &answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_backup_is_restored_under_a_service_that_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (operator, _) = begin(folder);
    succeed(folder, &["backup", "backup.db"]);
    let process = Process::start(folder, &[]).await;
    let refused = fail(folder, &["restore", "backup.db", "--yes"]);
    assert!(refused.contains("in use"), "{refused}");
    // Looking is no harm, and the command line works beside the service.
    let looked = run(folder, &["restore", "backup.db"]);
    assert!(String::from_utf8_lossy(&looked.stderr).contains("--yes"));
    let made = generate(&process.client, &operator, "a").await;
    assert_eq!(made.expect("an answer").0, 201);
    assert!(succeed(folder, &["token", "list"]).contains(" a "));
    process.kill().await;
    succeed(folder, &["restore", "backup.db", "--yes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_signed_with_each_key_of_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (_, gateway) = begin(folder);
    let mut keys = Vec::new();
    let mut public = Vec::new();
    for file in ["first.key", "second.key"] {
        let shown = succeed(folder, &["head-key", "new", file]);
        let shown = shown.lines().last().expect("a key").to_owned();
        public.push(PublicKey::parse(&shown).expect("a public key"));
        keys.push(std::fs::read_to_string(folder.join(file)).expect("a key"));
    }
    let keys: Vec<&str> = keys.iter().map(|key| key.trim()).collect();
    let process = Process::start_with_keys(folder, &keys.join(",")).await;
    let head = format!("/v1/feeds/default?after=0&epoch=0&nonce={NONCE}");
    let answer = process.client.get(&head, &gateway).await;
    for key in public {
        let expected = Expected {
            feed: "default",
            nonce: Nonce::parse(NONCE).expect("a nonce"),
            keys: &PublicKeys::new(vec![key]),
        };
        let signatures = answer.header("postern-signature").as_bytes();
        Head::verify(&answer.body, signatures, &expected).expect("a good head");
    }
    let refused = fail(folder, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(refused.contains("POSTERN_HEAD_KEY"), "{refused}");
}

/// Makes a database what the version before left.
async fn downgrade(database: &Path) {
    execute(
        database,
        &[
            "DROP INDEX record_deletion",
            "ALTER TABLE gateway_status DROP COLUMN behind",
            "DELETE FROM _sqlx_migrations WHERE version > 1",
            "PRAGMA wal_checkpoint(TRUNCATE)",
        ],
    )
    .await;
}

async fn execute(database: &Path, statements: &[&'static str]) {
    sqlx::any::install_default_drivers();
    let url = format!("sqlite://{}", database.display());
    let mut connection = <sqlx::AnyConnection as sqlx::Connection>::connect(&url)
        .await
        .expect("a connection");
    for statement in statements {
        sqlx::query(*statement)
            .execute(&mut connection)
            .await
            .expect("executed");
    }
    sqlx::Connection::close(connection).await.expect("closed");
}
