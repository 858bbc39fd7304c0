// A plain page over the package. It shows what the functions return, as text and never as markup.
import init, { explain, hashToken, readToken } from "./postern_web.js";

const $ = (id) => document.getElementById(id);

/** Replaces what an element shows by a verdict and a list of terms; a term without a value is left out. The tone is "good",
 * "bad" or neither. */
function show(element, verdict, tone, terms) {
  const line = document.createElement("p");
  line.className = `verdict ${tone}`;
  line.textContent = verdict;
  const list = document.createElement("dl");
  for (const [term, value, isCode = true] of terms) {
    if (value === undefined || value === "" || value?.length === 0) continue;
    const name = document.createElement("dt");
    name.textContent = term;
    const text = document.createElement("dd");
    if (isCode) text.className = "code";
    text.textContent = Array.isArray(value) ? value.join("\n") : String(value);
    list.append(name, text);
  }
  element.replaceChildren(line, list);
}

function showError(element, error) {
  const faults = error.faults?.map(({ path, message }) => (path ? `${path}: ${message}` : message));
  const verdict = faults ? "A gateway would refuse this configuration." : error.message;
  show(element, verdict, "bad", [["faults", faults]]);
}

function timeLine({ claim, at, past }) {
  const names = { iat: "issued at", nbf: "good from", exp: "ends at" };
  const note = claim === "exp" ? (past ? " (over)" : " (still to come)") : past ? "" : " (still to come)";
  return `${names[claim]} ${at}${note}`;
}

function read() {
  const view = readToken($("token").value, Date.now());
  const json = (value) => value && JSON.stringify(value, null, 2);
  // Never "good": nothing was verified.
  show($("token-result"), view.sentence, view.fault ? "bad" : "", [
    ["kind", view.kind],
    ["length", `${view.length} bytes`, false],
    ["header", json(view.header)],
    ["claims", json(view.claims)],
    ["times", view.times?.map(timeLine), false],
    ["signature", view.unsigned === undefined ? "" : view.unsigned ? "none" : "not checked", false],
  ]);
}

function hash() {
  try {
    const view = hashToken($("token").value);
    const kind = view.kind === "api_token" ? "A Postern API token." : "A token of another system.";
    show($("token-result"), kind, "good", [
      ["hash", view.hash],
      ["note", view.warnings, false],
    ]);
  } catch (error) {
    showError($("token-result"), error);
  }
}

function headers() {
  const lines = $("headers").value.split("\n").filter((line) => line.trim() !== "");
  return lines.map((line) => {
    const at = line.indexOf(":");
    if (at < 1) throw new TypeError(`a header is written "name: value"`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
}

/** A policy is what has a `format`; all else is left to the gate, which says what is wrong with it. */
function subject() {
  const text = $("configuration").value;
  try {
    if (JSON.parse(text)?.format !== undefined) return { policy: text };
  } catch {
    // The gate says where it is no JSON.
  }
  return { configuration: text };
}

function audience({ path, mode, persons, roles, exempt, admits }) {
  const named = (person) => (person.active ? person.id : `${person.id} (inactive)`);
  const role = ({ name, persons }) => `role ${name}: ${persons.map(named).join(", ") || "nobody"}`;
  const verdict = { true: ": admits the caller", false: ": does not admit the caller" }[admits] ?? "";
  const listed = [];
  if (mode === "unrestricted") listed.push("every active person");
  else if (persons.length + roles.length === 0) listed.push("lists nobody");
  if (persons.length > 0) listed.push(`persons ${persons.map(named).join(", ")}`);
  listed.push(...roles.map(role));
  if (exempt) listed.push(`exempt: ${role(exempt)}`);
  return [`${path}${verdict}`, ...listed.map((line) => `  ${line}`)].join("\n");
}

function tryRequest() {
  const request = {
    method: $("method").value,
    authority: $("authority").value,
    path: $("path").value,
    headers: headers(),
  };
  const kind = $("caller-kind").value;
  const told = explain({
    ...subject(),
    ...(kind && { caller: { [kind]: $("caller-id").value } }),
    request,
    now: $("now").value || Date.now(),
  });
  const status = told.status === undefined ? "" : ` (HTTP ${told.status})`;
  const tone = told.decision === "refused" ? "bad" : "good";
  const shadow = told.shadow ? ", in shadow mode" : "";
  show($("try-result"), `${told.decision}${status}${shadow}: ${told.sentence}`, tone, [
    ["reason", told.reason],
    ["at", told.at],
    ["caller", told.caller && `${told.token ?? told.caller.token}, person ${told.caller.person.id}`],
    ["exchange", told.exchange && `${told.exchange.reason} (HTTP ${told.exchange.status})`],
    ["method", told.rule && `${told.method} of ${told.service}\n${told.rule.http.join(", ")} ${told.rule.pattern}`],
    ["audience", told.audiences.map(audience)],
    ["upstream gets", told.headersSet.map(([name, value]) => `${name}: ${value}`)],
    ["and not", told.headersRemoved],
    ["to change", told.advice, false],
  ]);
}

$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  read();
});
$("hash").addEventListener("click", hash);
$("clear").addEventListener("click", () => {
  $("token").value = "";
  $("token-result").replaceChildren();
  $("token").focus();
});
$("try-form").addEventListener("submit", (event) => {
  event.preventDefault();
  try {
    tryRequest();
  } catch (error) {
    showError($("try-result"), error);
  }
});

try {
  await init();
  for (const id of ["read", "hash", "try"]) $(id).disabled = false;
  $("status").textContent = "Ready.";
} catch (error) {
  $("status").textContent = `The rules could not be loaded: ${error.message}`;
}
