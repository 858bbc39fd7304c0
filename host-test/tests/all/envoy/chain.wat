;; Does what its plugin configuration says: one letter for its name and one for each callback. It makes nothing of the
;; answers of the host, which are what the trace is for.
;;
;;   0  the name, any letter
;;   1  request headers: c continue, p pause, l local response, t trap, w write a header and go on,
;;      d call the cluster `up`, pause, and let the request go on when the reply is there
;;   2  request body: c, p pause to the end and then continue, l the same and then a local response, t trap
;;   3  response headers: c, p, l, t, w, d as above, for the response
;;   4  response body: c, p, t
;;   5  on configure: c, n refuse, k a tick each second
;;   6  on done of the root context: c, n not yet, and done when the next tick comes
(module
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $local (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (global $waiting (mut i32) (i32.const 0))
  (global $direction (mut i32) (i32.const 0))
  (data (i32.const 1000) "x-by")
  (data (i32.const 1010) "up")
  (data (i32.const 1020) "local")
  ;; :method GET, :path /, :authority up
  (data (i32.const 1100) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\02\00\00\00:method\00GET\00:path\00/\00:authority\00up\00")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (global.get $heap) (i32.const 120000)) (then (global.set $heap (i32.const 65536))))
    (local.get $at))
  ;; From 2,000 on: 16 bytes of configuration for each root. From 8,000 on: each context's root.
  (func $root (param $id i32) (result i32)
    (i32.load8_u (i32.add (i32.const 8000) (local.get $id))))
  (func $letter (param $id i32) (param $at i32) (result i32)
    (i32.load8_u (i32.add (i32.add (i32.const 2000) (i32.mul (call $root (local.get $id)) (i32.const 16))) (local.get $at))))
  (func (export "_initialize"))
  (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
    (i32.store8 (i32.add (i32.const 8000) (local.get $id))
      (select (local.get $parent) (local.get $id) (local.get $parent))))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param $id i32) (param $size i32) (result i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 16) (i32.const 0) (i32.const 4)))
    (memory.copy (i32.add (i32.const 2000) (i32.mul (local.get $id) (i32.const 16)))
      (i32.load (i32.const 0)) (i32.load (i32.const 4)))
    (if (i32.eq (call $letter (local.get $id) (i32.const 5)) (i32.const 107))
      (then (drop (call $tick (i32.const 1000)))))
    (i32.ne (call $letter (local.get $id) (i32.const 5)) (i32.const 110)))
  (func (export "proxy_on_tick") (param $id i32)
    (if (i32.eq (call $letter (local.get $id) (i32.const 6)) (i32.const 110)) (then (drop (call $done)))))
  ;; What the letters p, l, t, w, d mean; the map of headers is where w writes.
  (func $act (param $id i32) (param $letter i32) (param $map i32) (result i32)
    (if (i32.eq (local.get $letter) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $letter) (i32.const 112)) (then (return (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 119)) (then
      (drop (call $add (local.get $map) (i32.const 1000) (i32.const 4)
        (i32.add (i32.const 2000) (i32.mul (call $root (local.get $id)) (i32.const 16))) (i32.const 1)))))
    (if (i32.eq (local.get $letter) (i32.const 108)) (then
      (drop (call $local (i32.const 403) (i32.const 1020) (i32.const 5) (i32.const 1020) (i32.const 5)
        (i32.const 0) (i32.const 0) (i32.const -1)))
      (return (i32.const 1))))
    (if (i32.eq (local.get $letter) (i32.const 100)) (then
      (global.set $waiting (local.get $id))
      (global.set $direction (i32.shr_u (local.get $map) (i32.const 1)))
      (drop (call $call (i32.const 1010) (i32.const 2) (i32.const 1100) (i32.const 62) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 5000) (i32.const 8)))
      (return (i32.const 1))))
    (i32.const 0))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $effective (global.get $waiting)))
    (drop (call $continue (global.get $direction))))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
    (call $act (local.get $id) (call $letter (local.get $id) (i32.const 1)) (i32.const 0)))
  (func $body (param $id i32) (param $end i32) (param $letter i32) (result i32)
    (if (i32.or (i32.eq (local.get $letter) (i32.const 112)) (i32.eq (local.get $letter) (i32.const 108))) (then
      (if (i32.eqz (local.get $end)) (then (return (i32.const 1))))
      (if (i32.eq (local.get $letter) (i32.const 112)) (then (return (i32.const 0))))))
    (call $act (local.get $id) (local.get $letter) (i32.const 0)))
  (func (export "proxy_on_request_body") (param $id i32) (param i32) (param $end i32) (result i32)
    (call $body (local.get $id) (local.get $end) (call $letter (local.get $id) (i32.const 2))))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_response_headers") (param $id i32) (param i32 i32) (result i32)
    (call $act (local.get $id) (call $letter (local.get $id) (i32.const 3)) (i32.const 2)))
  (func (export "proxy_on_response_body") (param $id i32) (param i32) (param $end i32) (result i32)
    (call $body (local.get $id) (local.get $end) (call $letter (local.get $id) (i32.const 4))))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_done") (param $id i32) (result i32)
    (i32.or (i32.ne (call $root (local.get $id)) (local.get $id))
      (i32.ne (call $letter (local.get $id) (i32.const 6)) (i32.const 110))))
  (func (export "proxy_on_delete") (param i32)))
