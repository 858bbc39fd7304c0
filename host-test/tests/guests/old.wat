;; A guest as those of 2020: ABI 0.1.0, whose callbacks about headers are not told of the end of the stream, whose missing headers
;; are empty, and which asks for its configuration with a function that 0.2.0 dropped.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 100) "accept-languagex-greetingno language")
  (global $heap (mut i32) (i32.const 4096))
  ;; Address and size of the greeting.
  (global $greeting (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))

  (func (export "proxy_abi_version_0_1_0"))
  (func (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param $context i32) (param $size i32) (result i32)
    (if (call $configuration (i32.const 0) (i32.const 4)) (then (return (i32.const 0))))
    (global.set $greeting (i32.load (i32.const 0)))
    (global.set $length (i32.load (i32.const 4)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param $context i32) (param $headers i32) (result i32)
    (if (call $value (i32.const 0) (i32.const 100) (i32.const 15) (i32.const 8) (i32.const 12)) (then unreachable))
    (if (i32.load (i32.const 12))
      (then (drop (call $log (i32.const 3) (i32.load (i32.const 8)) (i32.load (i32.const 12)))))
      (else (drop (call $log (i32.const 3) (i32.const 125) (i32.const 11)))))
    (drop (call $add (i32.const 0) (i32.const 115) (i32.const 10) (global.get $greeting) (global.get $length)))
    (i32.const 0))
  (func (export "proxy_on_delete") (param i32)))
