;; A guest that does what no guest should: it keeps a page of memory for each request and never gives one back, and does not come
;; back from some paths: /loop runs for ever, /fill asks for memory until there is none, /tell makes the host keep what it says.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 100) ":pathno memory left")
  (global $heap (mut i32) (i32.const 4096))

  (func (export "proxy_abi_version_0_2_1"))
  ;; What the host writes is never freed either.
  (func (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func $grow
    (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
      (then
        (drop (call $log (i32.const 3) (i32.const 105) (i32.const 14)))
        unreachable)))

  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $letter i32)
    (call $grow)
    (drop (call $value (i32.const 0) (i32.const 100) (i32.const 5) (i32.const 0) (i32.const 4)))
    ;; What stands behind the slash.
    (local.set $letter (i32.load8_u offset=1 (i32.load (i32.const 0))))
    (if (i32.eq (local.get $letter) (i32.const 0x6c)) (then (loop $for_ever (br $for_ever))))
    (if (i32.eq (local.get $letter) (i32.const 0x66)) (then (loop $for_ever (call $grow) (br $for_ever))))
    (if (i32.eq (local.get $letter) (i32.const 0x74))
      (then (loop $for_ever (drop (call $log (i32.const 3) (i32.const 0) (i32.const 65536))) (br $for_ever))))
    (i32.const 0)))
