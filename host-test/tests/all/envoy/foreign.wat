;; Does what its plugin configuration and the bodies of requests say, and logs what came of it, in hexadecimal.
;; A script is a series of operations: one letter, two lengths (u32, little-endian), and two strings of those lengths.
;;   c NAME ARGUMENTS   proxy_call_foreign_function
;;   n NAME ARGUMENTS   the same, without wanting a result
;;   s PATH VALUE       proxy_set_property
;;   g PATH             proxy_get_property
;;   e ARGUMENTS TEXT   expr_create of TEXT, then expr_evaluate of the token
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (global $heap (mut i32) (i32.const 131072))
  ;; 100: pointer and size of a result. 200: names. 1024: a line for the log.
  (data (i32.const 200) "expr_create")
  (data (i32.const 220) "expr_evaluate")
  (data (i32.const 240) "0123456789abcdef")
  (func (export "proxy_abi_version_0_2_1"))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (if (i32.gt_u (i32.add (global.get $heap) (local.get $size)) (i32.const 1000000))
      (then (global.set $heap (i32.const 300000))))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  (func $hex (param $at i32) (param $value i32)
    (i32.store8 (local.get $at)
      (i32.load8_u (i32.add (i32.const 240) (i32.and (i32.shr_u (local.get $value) (i32.const 4)) (i32.const 15)))))
    (i32.store8 (i32.add (local.get $at) (i32.const 1))
      (i32.load8_u (i32.add (i32.const 240) (i32.and (local.get $value) (i32.const 15))))))
  ;; Logs a status in two digits and the result, if there is one.
  (func $report (param $status i32) (local $i i32) (local $size i32)
    (call $hex (i32.const 1024) (local.get $status))
    (i32.store8 (i32.const 1026) (i32.const 32))
    (local.set $size (i32.load (i32.const 104)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $i) (local.get $size)))
        (call $hex
          (i32.add (i32.const 1027) (i32.shl (local.get $i) (i32.const 1)))
          (i32.load8_u (i32.add (i32.load (i32.const 100)) (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
    (drop (call $log (i32.const 2) (i32.const 1024) (i32.add (i32.const 3) (i32.shl (local.get $size) (i32.const 1))))))
  (func $run (param $at i32) (param $end i32)
    (local $op i32) (local $a i32) (local $an i32) (local $b i32) (local $bn i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $op (i32.load8_u (local.get $at)))
        (local.set $an (i32.load (i32.add (local.get $at) (i32.const 1))))
        (local.set $bn (i32.load (i32.add (local.get $at) (i32.const 5))))
        (local.set $a (i32.add (local.get $at) (i32.const 9)))
        (local.set $b (i32.add (local.get $a) (local.get $an)))
        (local.set $at (i32.add (local.get $b) (local.get $bn)))
        (i64.store (i32.const 100) (i64.const 0))
        (if (i32.eq (local.get $op) (i32.const 99))
          (then (call $report (call $foreign (local.get $a) (local.get $an) (local.get $b) (local.get $bn)
            (i32.const 100) (i32.const 104)))))
        (if (i32.eq (local.get $op) (i32.const 110))
          (then (call $report (call $foreign (local.get $a) (local.get $an) (local.get $b) (local.get $bn)
            (i32.const 0) (i32.const 0)))))
        (if (i32.eq (local.get $op) (i32.const 115))
          (then (call $report (call $set (local.get $a) (local.get $an) (local.get $b) (local.get $bn)))))
        (if (i32.eq (local.get $op) (i32.const 103))
          (then (call $report (call $get (local.get $a) (local.get $an) (i32.const 100) (i32.const 104)))))
        (if (i32.eq (local.get $op) (i32.const 101))
          (then
            (if (call $foreign (i32.const 200) (i32.const 11) (local.get $b) (local.get $bn) (i32.const 100) (i32.const 104))
              (then (call $report (i32.const 238)))
              (else
                (i32.store (i32.const 300) (i32.load (i32.load (i32.const 100))))
                (i64.store (i32.const 100) (i64.const 0))
                (call $report (call $foreign (i32.const 220) (i32.const 13) (i32.const 300) (i32.const 4)
                  (i32.const 100) (i32.const 104)))))))
        (br $next))))
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 100) (i32.const 104)))
    (call $run (i32.load (i32.const 100)) (i32.add (i32.load (i32.const 100)) (local.get 1)))
    (i32.const 1))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
    (drop (call $buffer (i32.const 0) (i32.const 0) (local.get 1) (i32.const 100) (i32.const 104)))
    (call $run (i32.load (i32.const 100)) (i32.add (i32.load (i32.const 100)) (local.get 1)))
    (i32.const 0)))
