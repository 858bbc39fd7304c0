;; The least that a filter does which looks at request headers: it is told of the stream, takes the whole header map with
;; one call, lets the request go on, and is told of the stream's end. Three callbacks, one host call, one copy.
(module
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))

  ;; 0: where the map is and how long, as the host says. From 65,536 on: the map itself.
  (memory (export "memory") 3)

  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_context_create") (param $context i32) (param $root i32))
  (func (export "proxy_on_delete") (param $context i32))

  ;; One buffer for all: nothing in it is kept when a callback returns. A map that does not fit gets no memory, and the
  ;; host answers the call with an error.
  (func (export "malloc") (param $size i32) (result i32)
    (select (i32.const 65536) (i32.const 0) (i32.le_u (local.get $size) (i32.const 131072))))

  ;; 0 is "continue", 1 "pause": a request whose headers cannot be read goes no further.
  (func (export "proxy_on_request_headers") (param $context i32) (param $headers i32) (param $end i32) (result i32)
    (i32.ne (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) (i32.const 0))))
