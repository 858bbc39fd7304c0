;; Writes into a message what its configuration says: a letter for where, one for what, and parts with `|` between them.
;;
;;   q+x-a|1|x-b|2      adds `x-a: 1` and `x-b: 2` to the request's headers
;;   r!403|x-a|1        answers the response with 403 and a header of its own
;;
;;   q request headers, b end of the request's body, t request trailers, r response headers, s end of the response's body,
;;   u response trailers
;;
;;   +  adds headers, or trailers
;;   =  replaces them
;;   -  removes them, by name
;;   v  replaces all of them
;;   g  reads them, by name
;;   !  answers with a status and headers
;;   ?  answers with a status, headers and a body
;;   c  calls the cluster `up` with these headers, and lets the request go on with the reply
;;   C  calls it with a body
(module
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $act_as (param i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 100) "up")
  (data (i32.const 104) "question")
  (data (i32.const 112) "denied")
  (global $config (mut i32) (i32.const 0))
  (global $length (mut i32) (i32.const 0))
  ;; Where in the configuration the next part begins, and the last part.
  (global $at (mut i32) (i32.const 0))
  (global $part (mut i32) (i32.const 0))
  (global $part_length (mut i32) (i32.const 0))
  (global $heap (mut i32) (i32.const 131072))
  (global $stream (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (global.get $heap) (local.get $size)))))
    (if (i32.gt_u (global.get $heap) (i32.const 200000)) (then (global.set $heap (i32.const 135168))))
    (local.get $at))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param $root i32) (param $size i32) (result i32)
    (drop (call $buffer (i32.const 7) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
    (global.set $config (i32.load (i32.const 16)))
    (global.set $length (local.get $size))
    (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))

  (func $letter (param $at i32) (result i32)
    (i32.load8_u (i32.add (global.get $config) (local.get $at))))

  ;; Takes the next part; 0 if there is none.
  (func $next (result i32)
    (if (i32.gt_u (global.get $at) (global.get $length)) (then (return (i32.const 0))))
    (global.set $part (i32.add (global.get $config) (global.get $at)))
    (global.set $part_length (i32.const 0))
    (block $end (loop $more
      (br_if $end (i32.ge_u (global.get $at) (global.get $length)))
      (br_if $end (i32.eq (call $letter (global.get $at)) (i32.const 124)))
      (global.set $at (i32.add (global.get $at) (i32.const 1)))
      (global.set $part_length (i32.add (global.get $part_length) (i32.const 1)))
      (br $more)))
    (global.set $at (i32.add (global.get $at) (i32.const 1)))
    (i32.const 1))

  (func $number (result i32) (local $sum i32) (local $index i32)
    (block $end (loop $more
      (br_if $end (i32.ge_u (local.get $index) (global.get $part_length)))
      (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 10))
        (i32.sub (i32.load8_u (i32.add (global.get $part) (local.get $index))) (i32.const 48))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br $more)))
    (local.get $sum))

  ;; Encodes the parts that are left at 8192, and tells the length.
  (func $encode (result i32) (local $count i32) (local $data i32) (local $start i32)
    (local.set $start (global.get $at))
    (block $end (loop $more
      (br_if $end (i32.eqz (call $next)))
      (br_if $end (i32.eqz (call $next)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br $more)))
    (i32.store (i32.const 8192) (local.get $count))
    (local.set $data (i32.add (i32.const 8196) (i32.mul (local.get $count) (i32.const 8))))
    (global.set $at (local.get $start))
    (local.set $count (i32.const 0))
    (block $end (loop $more
      (br_if $end (i32.eqz (call $next)))
      (i32.store (i32.add (i32.const 8196) (i32.mul (local.get $count) (i32.const 4))) (global.get $part_length))
      (memory.copy (local.get $data) (global.get $part) (global.get $part_length))
      (local.set $data (i32.add (local.get $data) (global.get $part_length)))
      (i32.store8 (local.get $data) (i32.const 0))
      (local.set $data (i32.add (local.get $data) (i32.const 1)))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (br $more)))
    (i32.sub (local.get $data) (i32.const 8192)))

  ;; Does what the configuration says, if it says it of this place; what the callback returns.
  (func $do (param $place i32) (param $map i32) (result i32)
    (local $what i32) (local $name i32) (local $name_length i32) (local $status i32) (local $size i32)
    (if (i32.lt_u (global.get $length) (i32.const 2)) (then (return (i32.const 0))))
    (if (i32.ne (call $letter (i32.const 0)) (local.get $place)) (then (return (i32.const 0))))
    (local.set $what (call $letter (i32.const 1)))
    (global.set $at (i32.const 2))
    (if (i32.or (i32.eq (local.get $what) (i32.const 99)) (i32.eq (local.get $what) (i32.const 67))) (then ;; c, C
      (local.set $size (call $encode))
      (return (i32.eqz (call $http_call (i32.const 100) (i32.const 2) (i32.const 8192) (local.get $size) (i32.const 104)
        (i32.mul (i32.const 8) (i32.eq (local.get $what) (i32.const 67))) (i32.const 0) (i32.const 0) (i32.const 300) (i32.const 16))))))
    (if (i32.or (i32.eq (local.get $what) (i32.const 33)) (i32.eq (local.get $what) (i32.const 63))) (then ;; !, ?
      (drop (call $next))
      (local.set $status (call $number))
      (local.set $size (call $encode))
      (drop (call $respond (local.get $status) (i32.const 0) (i32.const 0) (i32.const 112)
        (i32.mul (i32.const 6) (i32.eq (local.get $what) (i32.const 63))) (i32.const 8192) (local.get $size) (i32.const -1)))
      (return (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 118)) (then ;; v
      (local.set $size (call $encode))
      (drop (call $set_pairs (local.get $map) (i32.const 8192) (local.get $size)))
      (return (i32.const 0))))
    (block $end (loop $more
      (br_if $end (i32.eqz (call $next)))
      (local.set $name (global.get $part))
      (local.set $name_length (global.get $part_length))
      (if (i32.eq (local.get $what) (i32.const 45)) (then ;; -
        (drop (call $remove (local.get $map) (local.get $name) (local.get $name_length)))
        (br $more)))
      (if (i32.eq (local.get $what) (i32.const 103)) (then ;; g
        (drop (call $value (local.get $map) (local.get $name) (local.get $name_length) (i32.const 16) (i32.const 20)))
        (br $more)))
      (br_if $end (i32.eqz (call $next)))
      (if (i32.eq (local.get $what) (i32.const 43)) (then ;; +
        (drop (call $add (local.get $map) (local.get $name) (local.get $name_length) (global.get $part) (global.get $part_length)))
        (br $more)))
      (drop (call $replace (local.get $map) (local.get $name) (local.get $name_length) (global.get $part) (global.get $part_length)))
      (br $more)))
    (i32.const 0))

  (func (export "proxy_on_request_headers") (param $stream i32) (param i32 i32) (result i32)
    (global.set $stream (local.get $stream))
    (call $do (i32.const 113) (i32.const 0)))
  (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
    (if (result i32) (local.get $end) (then (call $do (i32.const 98) (i32.const 0))) (else (i32.const 0))))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
    (call $do (i32.const 116) (i32.const 1)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $do (i32.const 114) (i32.const 2)))
  (func (export "proxy_on_response_body") (param i32 i32) (param $end i32) (result i32)
    (if (result i32) (local.get $end) (then (call $do (i32.const 115) (i32.const 2))) (else (i32.const 0))))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32)
    (call $do (i32.const 117) (i32.const 3)))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $act_as (global.get $stream)))
    (drop (call $continue (i32.const 0)))))
