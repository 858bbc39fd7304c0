// The built package in Node.js. `cargo xtask test --only web` runs it.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { test } from "node:test";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(`${process.env.POSTERN_WEB_PACKAGE}/`);
const examples = new URL("../../policies/examples/", import.meta.url);
const { default: init, decide, explain, hashToken, readToken } = await import(new URL("postern_web.js", folder));

// Whatever the package asked the network for would be asked here.
globalThis.fetch = () => assert.fail("the package asked the network for something");
await init({ module_or_path: await readFile(new URL("postern_web_bg.wasm", folder)) });

const text = (path) => readFile(new URL(path, examples), "utf8");
const json = async (path) => JSON.parse(await text(path));
const NOW = "2026-12-01T00:00:00Z";

// Base62 in the order of the checksum, and CRC-32 (ISO HDLC) bit by bit: the published form, worked out once more.
const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
function apiToken(body) {
  let crc = 0xffffffff;
  for (const byte of Buffer.from(body)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  let rest = (crc ^ 0xffffffff) >>> 0;
  let checksum = "";
  for (let digit = 0; digit < 6; digit += 1) {
    checksum = ALPHABET[rest % 62] + checksum;
    rest = Math.floor(rest / 62);
  }
  return `pst_${body}${checksum}`;
}
const TOKEN = apiToken("Zq3kT7vXy1Rb9NcW5mLd2HfGs8JpQaVuEoI4tKx6");
const sha256 = (value) => `sha256:${createHash("sha256").update(value).digest("hex")}`;
const segment = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const jwt = (header, claims, signature = "c2lnbmF0dXJl") => `${segment(header)}.${segment(claims)}.${signature}`;

/** The example for one caller, with a token whose text is known. */
async function configuration() {
  const gateway = await json("team/gateway.json");
  const policy = await json("team/policy.json");
  policy.tokens.find((token) => token.id === "web-shop-2026").hash = sha256(TOKEN);
  return { ...gateway, policy: { inline: policy } };
}
const request = (method, path, headers = []) => ({ method, authority: "api.example.com", path, headers });

for (const example of await readdir(examples)) {
  test(`every case of the scenario of ${example} is decided and explained as it expects`, async () => {
    const scenario = await json(`${example}/scenario.json`);
    const policy = await text(`${example}/${scenario.policy}`);
    const gateway = await text(`${example}/${scenario.gateway}`);
    assert.ok(scenario.cases.length > 10);
    for (const { name, as, request: written, expect } of scenario.cases) {
      const [, authority, path] = /^https:\/\/([^/?]*)(.*)$/.exec(written.url);
      const sent = [...(as.raw === undefined ? [] : [["authorization", as.raw]]), ...(written.headers ?? [])];
      const told = explain({
        configuration: gateway,
        policy,
        caller:
          as.access !== undefined
            ? { accessTokenOf: as.access }
            : as.api !== undefined
              ? { apiTokenOf: as.api }
              : undefined,
        request: {
          method: written.method,
          authority,
          path: path || "/",
          headers: sent,
        },
        now: scenario.at,
      });
      assert.equal(told.reason, expect.reason, name);
      if (expect.upstream == null) {
        assert.equal(told.status, expect.status, name);
        assert.deepEqual(told.headersSet, [], name);
      } else {
        assert.equal(told.decision, "allowed", name);
        const upstream = new Map(sent.map(([header, value]) => [header.toLowerCase(), value]));
        for (const header of told.headersRemoved) upstream.delete(header);
        for (const [header, value] of told.headersSet) upstream.set(header, value);
        for (const [header, value] of Object.entries(expect.upstream.set ?? {})) {
          assert.equal(upstream.get(header), value, `${name}: ${header}`);
        }
        for (const header of expect.upstream.removed ?? []) assert.ok(!upstream.has(header), `${name}: ${header}`);
      }
      const admitted = told.audiences.every((audience) => audience.admits !== false);
      if (["allowed", "not_in_audience"].includes(told.reason)) {
        assert.equal(told.reason === "allowed", admitted, name);
      }
    }
  });
}

test("an API token is exchanged and its access token is good at a method of its audience alone", async () => {
  const setting = { configuration: await configuration(), rootKeys: `r1:${randomBytes(32).toString("base64url")}` };
  const exchanged = decide({
    ...setting,
    request: request("POST", "/oauth/exchange", [["authorization", `Bearer ${TOKEN}`]]),
    now: NOW,
  });
  assert.equal(exchanged.decision, "answered");
  assert.equal(exchanged.status, 200);
  assert.equal(exchanged.reason, "exchanged");
  const { RawToken } = JSON.parse(exchanged.answer.body);

  const call = (method, now) =>
    decide({ ...setting, request: request(method, "/orders", [["Authorization", `Bearer ${RawToken}`]]), now });
  const allowed = call("GET", NOW);
  assert.equal(allowed.decision, "allowed");
  assert.equal(allowed.status, undefined);
  assert.deepEqual(
    [allowed.service, allowed.method, allowed.person, allowed.token],
    ["orders", "list", "web-shop", "web-shop-2026"],
  );
  assert.ok(allowed.headersSet.some(([name, value]) => name === "x-postern-person" && value === "web-shop"));
  assert.deepEqual(allowed.headersRemoved, ["authorization"]);

  assert.equal(call("DELETE", NOW).reason, "no_http_method");
  assert.equal(call("GET", Date.parse("2026-12-01T00:09:59Z")).reason, "allowed");
  const late = call("GET", "2026-12-01T00:10:00Z");
  assert.deepEqual([late.decision, late.status, late.reason], ["refused", 401, "access_token_expired"]);
  assert.equal(late.answer.status, 401);
  assert.ok(JSON.parse(late.answer.body).instance.endsWith(late.id));
});

test("keys that are made for one decision know an API token by its hash and no access token of another decision", async () => {
  const setting = { configuration: JSON.stringify(await configuration()), throwaway: true, now: NOW };
  const bearer = (token) => [["authorization", `Bearer ${token}`]];
  const exchanged = decide({ ...setting, request: request("POST", "/oauth/exchange", bearer(TOKEN)) });
  assert.equal(exchanged.status, 200);
  const { RawToken } = JSON.parse(exchanged.answer.body);
  const forged = decide({ ...setting, request: request("GET", "/orders", bearer(RawToken)) });
  assert.equal(forged.reason, "access_token_forged");
  assert.equal(decide({ ...setting, request: request("GET", "/orders") }).reason, "no_credential");
});

test("a form is exchanged where the gateway takes forms", async () => {
  const gateway = await configuration();
  gateway.exchange.form = true;
  const grant = (parameters) =>
    decide({
      configuration: gateway,
      throwaway: true,
      request: {
        ...request("POST", "/oauth/token", [["content-type", "application/x-www-form-urlencoded"]]),
        body: new URLSearchParams(parameters).toString(),
      },
      now: NOW,
    });
  const told = grant({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token: TOKEN,
    subject_token_type: "urn:postern:token-type:api-token",
  });
  assert.deepEqual([told.reason, told.status], ["exchanged", 200]);
  assert.equal(JSON.parse(told.answer.body).token_type, "Bearer");
  assert.equal(grant({ grant_type: "password" }).reason, "grant_type_unsupported");
});

test("what a gateway would refuse is thrown with the path of each fault", async () => {
  const gateway = await configuration();
  gateway.issuer = "";
  gateway.hosts = [];
  const attempt = () => decide({ configuration: gateway, throwaway: true, request: request("GET", "/"), now: NOW });
  assert.throws(attempt, (error) => {
    assert.ok(error instanceof Error);
    assert.deepEqual(error.faults.map(({ path }) => path).sort(), ["hosts", "issuer"]);
    assert.ok(error.faults.every(({ message }) => message.length > 0));
    return true;
  });
  const twice = JSON.stringify(await configuration()).replace('"issuer"', '"issuer":"https://a.example","issuer"');
  const readTwice = () => explain({ configuration: twice, request: request("GET", "/"), now: NOW });
  assert.throws(readTwice, (error) => /duplicate|twice/.test(error.message) && error.faults.length === 1);
  assert.throws(() => explain({ configuration: "{", request: request("GET", "/"), now: NOW }), /EOF/);
});

test("arguments of another shape are a TypeError and name what is wrong", async () => {
  const good = { configuration: await configuration(), throwaway: true, request: request("GET", "/"), now: NOW };
  for (const [change, pattern] of [
    [{ throwaway: false }, /rootKeys or throwaway/],
    [{ rootKeys: "r1:x" }, /not both/],
    [{ now: "yesterday" }, /YYYY-MM-DD/],
    [{ now: -1 }, /instant/],
    [{ request: { method: "GET" } }, /authority/],
    [{ requests: [] }, /unknown field/],
  ]) {
    assert.throws(() => decide({ ...good, ...change }), { name: "TypeError", message: pattern });
  }
  assert.throws(() => decide(undefined), TypeError);
  assert.throws(() => decide(10n), TypeError);
  assert.throws(() => explain({ request: request("GET", "/"), now: NOW }), /a configuration, a policy/);
});

test("an explanation names the method, who is in its audience, and what would have to change", async () => {
  const told = explain({
    policy: await text("team/policy.json"),
    caller: { accessTokenOf: "warehouse-1" },
    request: request("POST", "/orders"),
    now: NOW,
  });
  assert.deepEqual([told.decision, told.status, told.reason], ["refused", 403, "not_in_audience"]);
  assert.deepEqual([told.service, told.method], ["orders", "create"]);
  assert.deepEqual(told.rule, { path: "services[0].methods[1]", http: ["POST"], pattern: "/orders/" });
  assert.equal(told.exchange.reason, "exchanged");
  assert.equal(told.caller.person.id, "warehouse-robot");
  const [audience] = told.audiences;
  assert.equal(audience.path, "services[0].methods[1].audience");
  assert.equal(audience.admits, false);
  assert.deepEqual(audience.roles[0].persons.map(({ id }) => id), ["web-shop", "former-partner"]);
  assert.match(told.advice[0], /Add "warehouse-robot" to services\[0\]\.methods\[1\]\.audience\.persons/);
  assert.match(told.advice[0], /the role storefront/);
});

test("a path that no method has is explained by those that there are", async () => {
  const policy = await json("team/policy.json");
  const advice = (method, path) =>
    explain({ policy, caller: { accessTokenOf: "web-shop-2026" }, request: request(method, path), now: NOW }).advice[0];
  assert.match(advice("GET", "/orders/7/lines"), /Add a method to services\[0\] \(orders\)/);
  assert.match(advice("DELETE", "/orders"), /it has GET and POST/);
  assert.match(advice("GET", "/nowhere"), /\/orders \(orders\)/);
});

test("a caller that the policy does not have is an error", async () => {
  const attempt = (caller) => () =>
    explain({ policy: {}, caller, request: request("GET", "/"), now: NOW });
  assert.throws(attempt({ accessTokenOf: "x" }), /format/);
  const policy = await json("team/policy.json");
  const unknown = () => explain({ policy, caller: { apiTokenOf: "x" }, request: request("GET", "/"), now: NOW });
  assert.throws(unknown, /there is no token "x" in the policy/);
});

test("an API token is told by its checksum, whatever was copied along with it", () => {
  for (const around of [TOKEN, ` ${TOKEN}\n`, `Bearer ${TOKEN}`, `Authorization: bearer  ${TOKEN}`]) {
    const view = readToken(around);
    assert.deepEqual([view.kind, view.wellFormed, view.wellKnown], ["api_token", true, false], around);
    assert.equal(view.length, 50);
    assert.equal(view.leftOut, around !== TOKEN);
    assert.equal(view.verified, false);
  }
  const wrong = readToken(TOKEN.replace("Zq3", "Zq4"));
  assert.deepEqual([wrong.kind, wrong.wellFormed], ["api_token", false]);
  assert.match(wrong.fault, /checksum is wrong/);
  assert.match(readToken(TOKEN.slice(0, 40)).fault, /not 50 characters/);
  assert.equal(readToken("pst_EXAMPLEdoNotUseThisTokenAnywhereEXAMPLE00fmMKY").wellKnown, true);
});

test("a JWT is decoded with its times, and the answer says that nothing was verified", () => {
  const claims = { iss: "https://login.example.com", sub: "Jürgen", iat: 1796083200, exp: 1796083800, aud: "shop" };
  const view = readToken(jwt({ alg: "HS256", typ: "at+jwt", kid: "k" }, claims), "2026-12-01T00:05:00Z");
  assert.deepEqual([view.kind, view.use, view.unsigned, view.verified], ["jwt", "access_token", false, false]);
  assert.equal(view.header.kid, "k");
  assert.deepEqual(view.claims, claims);
  assert.deepEqual(view.times, [
    { claim: "iat", at: "2026-12-01T00:00:00Z", past: true },
    { claim: "exp", at: "2026-12-01T00:10:00Z", past: false },
  ]);
  assert.match(view.sentence, /not checked/);
  assert.equal(readToken(jwt({ alg: "HS256" }, claims)).times[0].past, undefined);
  assert.equal(readToken(jwt({ typ: "application/AT+JWT" }, {})).use, "access_token");
  assert.equal(readToken(jwt({ typ: "postern-service+jwt" }, {})).use, "service_token");
  assert.equal(readToken(jwt({ alg: "none" }, {}, "")).unsigned, true);
  assert.equal(readToken(jwt({ alg: "none" }, [], "")).kind, "other");
  assert.throws(() => readToken("", "soon"), TypeError);
});

test("every other kind of credential is told from its form", () => {
  const kind = (value) => readToken(value).kind;
  assert.equal(kind(" "), "empty");
  assert.equal(kind("psg_abc"), "gateway_credential");
  assert.equal(kind("pso_abc"), "operator_credential");
  assert.equal(kind(sha256("x")), "token_hash");
  assert.equal(kind(`r1:${randomBytes(32).toString("base64url")}`), "root_key");
  assert.deepEqual([kind("short"), readToken("short").usable], ["other", false]);
  assert.deepEqual(readToken(randomBytes(20).toString("hex")).usable, true);
  assert.equal(kind("\ud800"), "other");
});

test("a hash is the SHA-256 of the whole token, and no other text has one", () => {
  assert.deepEqual(hashToken(`${TOKEN}\r\n`), { hash: sha256(TOKEN), kind: "api_token", warnings: [] });
  const foreign = randomBytes(24).toString("hex");
  const view = hashToken(foreign);
  assert.deepEqual([view.hash, view.kind, view.warnings.length], [sha256(foreign), "foreign", 1]);
  assert.match(hashToken(jwt({ typ: "at+jwt" }, { sub: "somebody" })).warnings[1], /access token/);
  for (const [value, pattern] of [
    ["", /empty/],
    [`${TOKEN} ${TOKEN}`, /a space/],
    [TOKEN.replace("Zq3", "Zq4"), /checksum/],
    ["psg_0123456789012345678901234567890123456789", /gateway or an operator/],
    ["short", /shorter than 32/],
    ["pst_EXAMPLEdoNotUseThisTokenAnywhereEXAMPLE00fmMKY", /everybody knows/],
    ["a".repeat(9000), /longer than a gateway takes/],
  ]) {
    assert.throws(() => hashToken(value), (error) => pattern.test(error.message) && !error.message.includes(TOKEN));
  }
});

test("the package is an npm package whose files are all there", async () => {
  const manifest = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  assert.equal(manifest.type, "module");
  const files = await readdir(folder);
  for (const file of [...manifest.files, "README.md", "LICENSE"]) assert.ok(files.includes(file), file);
  const types = await readFile(new URL(manifest.types, folder), "utf8");
  for (const name of ["decide", "explain", "readToken", "hashToken"]) {
    assert.match(types, new RegExp(`export function ${name}\\(`));
  }
  const script = await readFile(new URL(manifest.main, folder), "utf8");
  assert.doesNotMatch(script, /XMLHttpRequest|WebSocket|sendBeacon|EventSource|localStorage/);
});
