// A headless Chromium over its pipe: the DevTools protocol without a port and without a library.
// https://chromedevtools.github.io/devtools-protocol/
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A browser with a profile of its own, which is removed with it. */
export class Chromium {
  #process;
  #profile;
  #session;
  #waiting = new Map();
  #listeners = new Map();
  #last = 0;
  #errors = "";

  static async start(program) {
    const browser = new Chromium();
    browser.#profile = await mkdtemp(join(tmpdir(), "postern-web-"));
    // Nothing that the browser does on its own account, so that each request is the page's.
    const flags = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--disable-dev-shm-usage",
      `--user-data-dir=${browser.#profile}`,
      "--remote-debugging-pipe",
      "about:blank",
    ];
    browser.#process = spawn(program, flags, { stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"] });
    browser.#process.stderr.on("data", (part) => {
      browser.#errors = (browser.#errors + part).slice(-4000);
    });
    browser.#process.on("error", (error) => browser.#end(error));
    browser.#process.on("exit", (code) => browser.#end(new Error(`Chromium ended with ${code}\n${browser.#errors}`)));
    let rest = "";
    browser.#process.stdio[4].setEncoding("utf8").on("data", (part) => {
      const messages = (rest + part).split("\0");
      rest = messages.pop();
      for (const message of messages) browser.#receive(JSON.parse(message));
    });
    const { targetInfos } = await browser.send("Target.getTargets");
    const { targetId } = targetInfos.find(({ type }) => type === "page");
    ({ sessionId: browser.#session } = await browser.send("Target.attachToTarget", { targetId, flatten: true }));
    return browser;
  }

  /** Calls a method of the protocol, for the page once there is one. A call that gets no answer fails. */
  send(method, params = {}) {
    const id = (this.#last += 1);
    const { promise, resolve, reject } = withResolvers();
    const timer = setTimeout(() => reject(new Error(`${method} has no answer\n${this.#errors}`)), 30_000);
    this.#waiting.set(id, { resolve, reject, timer });
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return promise;
  }

  /** Calls `listener` at each event of a name. */
  on(method, listener) {
    this.#listeners.set(method, listener);
  }

  /** The value of an expression in the page. */
  async evaluate(expression) {
    const answer = await this.send("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true });
    if (answer.exceptionDetails) throw new Error(answer.exceptionDetails.exception?.description);
    return answer.result.value;
  }

  /** Waits until an expression holds in the page. */
  async until(expression) {
    for (let tries = 0; tries < 200; tries += 1) {
      if (await this.evaluate(expression)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`never came true: ${expression}\n${await this.evaluate("document.body?.innerText")}`);
  }

  async close() {
    const ended = this.#process.exitCode === null ? once(this.#process, "exit") : undefined;
    this.#session = undefined;
    this.send("Browser.close").catch(() => {});
    const kill = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(kill);
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #receive({ id, result, error, method, params }) {
    if (id === undefined) {
      this.#listeners.get(method)?.(params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    clearTimeout(waiting?.timer);
    if (error) waiting?.reject(new Error(error.message));
    else waiting?.resolve(result);
  }

  #end(error) {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#waiting.clear();
  }
}

function withResolvers() {
  const resolvers = {};
  resolvers.promise = new Promise((resolve, reject) => Object.assign(resolvers, { resolve, reject }));
  return resolvers;
}
