;; What the host alone costs: the calls that Postern makes for an allowed request, with values as long as its own, and nothing
;; between them. A test compares the calls with those of the filter.
(module
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))

  ;; 0: where the map is and how long, as the host says. 8: the counter. 16: the time. 1,024: texts. From 65,536 on: the map.
  (memory (export "memory") 3)
  (data (i32.const 1024) "postern_bench.same_calls")
  (data (i32.const 1056) "authorization")
  (data (i32.const 1072) "x-postern-person")
  (data (i32.const 1088) "x-postern-token")
  (data (i32.const 1104) "1ep1nvre9enpe")
  (data (i32.const 1120) "postern.record")
  (data (i32.const 1136) "reason=allowed decision=0xte4kxx5ac0c person=1ep1nvre9enpe token=3vzcqm8cfpd15 service=service-000 method=read-00")

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param $context i32) (param $root i32))
  (func (export "proxy_on_done") (param $context i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param $context i32))

  ;; One buffer for all: nothing in it is kept when a callback returns. A map that does not fit gets no memory, and the
  ;; host answers the call with an error.
  (func (export "malloc") (param $size i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $size) (i32.const 131072))))

  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (i32.eqz (call $define (i32.const 0) (i32.const 1024) (i32.const 24) (i32.const 8))))

  ;; 0 is "continue", 1 "pause": after a call that fails, the request goes no further.
  (func (export "proxy_on_request_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
    (i32.ne (i32.const 0)
      (i32.or (call $pairs (i32.const 0) (i32.const 0) (i32.const 4))
      (i32.or (call $clock (i32.const 0) (i64.const 1) (i32.const 16))
      (i32.or (call $remove (i32.const 0) (i32.const 1056) (i32.const 13))
      (i32.or (call $replace (i32.const 0) (i32.const 1072) (i32.const 16) (i32.const 1104) (i32.const 13))
      (i32.or (call $replace (i32.const 0) (i32.const 1088) (i32.const 15) (i32.const 1104) (i32.const 13))
      (i32.or (call $increment (i32.load (i32.const 8)) (i64.const 1))
        (call $set_property (i32.const 1120) (i32.const 14) (i32.const 1136) (i32.const 113)))))))))))
