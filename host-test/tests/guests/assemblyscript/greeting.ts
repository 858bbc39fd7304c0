// A guest in AssemblyScript, with no SDK between it and the ABI.

@external("env", "proxy_log")
declare function proxy_log(level: u32, message: usize, size: usize): u32;
@external("env", "proxy_get_buffer_bytes")
declare function proxy_get_buffer_bytes(kind: u32, start: u32, size: u32, data: usize, length: usize): u32;
@external("env", "proxy_get_header_map_value")
declare function proxy_get_header_map_value(kind: u32, name: usize, nameSize: usize, data: usize, length: usize): u32;
@external("env", "proxy_add_header_map_value")
declare function proxy_add_header_map_value(kind: u32, name: usize, nameSize: usize, value: usize, valueSize: usize): u32;

const WARN: u32 = 3;
const ERROR: u32 = 4;
const REQUEST_HEADERS: u32 = 0;
const PLUGIN_CONFIGURATION: u32 = 7;
const OK: u32 = 0;

let greeting = new ArrayBuffer(0);
/** Where the host leaves address and size of what it hands over. */
const handed = memory.data(8);
/** What the collector must not free: the host has the address, and nobody else. */
const kept = new Map<usize, ArrayBuffer>();

export function proxy_abi_version_0_2_1(): void {}

export function proxy_on_memory_allocate(size: usize): usize {
  const block = new ArrayBuffer(<i32>size);
  const at = changetype<usize>(block);
  kept.set(at, block);
  return at;
}

export function proxy_on_context_create(context: u32, parent: u32): void {}

export function proxy_on_configure(context: u32, size: u32): u32 {
  if (proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, handed, handed + 4) != OK) return 0;
  greeting = take();
  if (greeting.byteLength == 0) throw new Error("there is no greeting");
  return 1;
}

export function proxy_on_request_headers(context: u32, headers: u32, endOfStream: u32): u32 {
  const language = String.UTF8.encode("accept-language");
  const found = proxy_get_header_map_value(
    REQUEST_HEADERS, changetype<usize>(language), language.byteLength, handed, handed + 4);
  if (found == OK) log(WARN, `the caller speaks "${String.UTF8.decode(take())}"`);
  const name = String.UTF8.encode("x-greeting");
  const added = proxy_add_header_map_value(
    REQUEST_HEADERS, changetype<usize>(name), name.byteLength, changetype<usize>(greeting), greeting.byteLength);
  if (added != OK) log(ERROR, "no greeting");
  return 0;
}

export function proxy_on_delete(context: u32): void {}

/** What the host handed over last, from now on the collector's. */
function take(): ArrayBuffer {
  const at = load<usize>(handed);
  const block = kept.get(at);
  kept.delete(at);
  return block.slice(0, load<i32>(handed + 4));
}

function log(level: u32, message: string): void {
  const bytes = String.UTF8.encode(message);
  proxy_log(level, changetype<usize>(bytes), bytes.byteLength);
}

/** What the compiler calls instead of `env.abort`, which no host of Proxy-Wasm has. */
function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  log(ERROR, `${message ? message : "abort"} (${file ? file : "?"}:${line}:${column})`);
  unreachable();
}
