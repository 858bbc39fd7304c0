;; A TCP filter that does what its plugin configuration says: one letter for its name and one for each callback. What it
;; makes of the answers of the host is nothing: they are what the trace is for.
;;
;;   0  the name, any letter
;;   1  new connection: c continue, p pause, x close downstream, y close upstream, t trap
;;   2  downstream data: c, p pause, P pause until there are six bytes or the end, x, y as above, s replace the data by "new",
;;      t trap
;;   3  upstream data: the same
;;   4  on tick, each second, for the last connection: c nothing, d continue downstream, u continue upstream, x, y
(module
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (global $last (mut i32) (i32.const 0))
  (data (i32.const 1000) "new")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8))))
    (if (i32.gt_u (global.get $heap) (i32.const 120000)) (then (global.set $heap (i32.const 65536))))
    (local.get $at))
  ;; From 2,000 on: the configuration. There is one root context.
  (func $letter (param $at i32) (result i32) (i32.load8_u (i32.add (i32.const 2000) (local.get $at))))
  (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
    (if (local.get $parent) (then (global.set $last (local.get $id)))))
  (func (export "proxy_on_configure") (param $id i32) (param $size i32) (result i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (i32.const 16) (i32.const 0) (i32.const 4)))
    (memory.copy (i32.const 2000) (i32.load (i32.const 0)) (i32.load (i32.const 4)))
    (if (i32.ne (call $letter (i32.const 4)) (i32.const 99)) (then (drop (call $tick (i32.const 1000)))))
    (i32.const 1))
  (func $closes (param $letter i32)
    (if (i32.eq (local.get $letter) (i32.const 116)) (then unreachable))
    (if (i32.eq (local.get $letter) (i32.const 120)) (then (drop (call $close (i32.const 2)))))
    (if (i32.eq (local.get $letter) (i32.const 121)) (then (drop (call $close (i32.const 3))))))
  (func (export "proxy_on_tick") (param i32)
    (if (global.get $last) (then
      (drop (call $effective (global.get $last)))
      (if (i32.eq (call $letter (i32.const 4)) (i32.const 100)) (then (drop (call $continue (i32.const 2)))))
      (if (i32.eq (call $letter (i32.const 4)) (i32.const 117)) (then (drop (call $continue (i32.const 3)))))
      (call $closes (call $letter (i32.const 4))))))
  (func (export "proxy_on_new_connection") (param $id i32) (result i32)
    (call $closes (call $letter (i32.const 1)))
    (i32.eq (call $letter (i32.const 1)) (i32.const 112)))
  (func $data (param $buffer i32) (param $size i32) (param $end i32) (param $letter i32) (result i32)
    (drop (call $status (local.get $buffer) (i32.const 0) (i32.const 4)))
    (drop (call $buffer (i32.const 2) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
    (drop (call $buffer (i32.const 3) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
    (call $closes (local.get $letter))
    (if (i32.eq (local.get $letter) (i32.const 115)) (then
      (drop (call $set (local.get $buffer) (i32.const 0) (local.get $size) (i32.const 1000) (i32.const 3)))))
    (if (i32.eq (local.get $letter) (i32.const 80)) (then
      (return (i32.and (i32.lt_u (local.get $size) (i32.const 6)) (i32.eqz (local.get $end))))))
    (i32.eq (local.get $letter) (i32.const 112)))
  (func (export "proxy_on_downstream_data") (param $id i32) (param $size i32) (param $end i32) (result i32)
    (call $data (i32.const 2) (local.get $size) (local.get $end) (call $letter (i32.const 2))))
  (func (export "proxy_on_upstream_data") (param $id i32) (param $size i32) (param $end i32) (result i32)
    (call $data (i32.const 3) (local.get $size) (local.get $end) (call $letter (i32.const 3))))
  (func (export "proxy_on_downstream_connection_close") (param i32 i32))
  (func (export "proxy_on_upstream_connection_close") (param i32 i32))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param i32)))
