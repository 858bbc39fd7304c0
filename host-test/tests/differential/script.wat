;; Does what the path of a request says. The path is a list of segments, one for each callback: its first letter names the callback,
;; the letters behind it what is done there, in this order, and a digit what is returned (0 if there is none):
;;
;;   /qAG1/bU0    in `proxy_on_request_headers` A and G, then return 1; in `proxy_on_request_body` U, then return 0
;;
;;   q request headers, b request body, t request trailers, r response headers, s response body, u response trailers,
;;   o log, c a call's reply (in the name of the stream)
;;
;; What a call hands over is logged, with bytes that are not printable as `<xx>`.
;;
;; `b` and `s` may have a segment `B` or `S` beside them, for the call that ends the body.
;;
;;   A  adds `x-a: v` to the request headers
;;   B  adds `x-a: v` to the response headers
;;   C  replaces `x-r` of the request
;;   D  replaces `x-r` of the response
;;   E  removes `x-d` of the request
;;   F  removes `x-d` of the response
;;   G  reads all request headers
;;   H  reads all response headers
;;   I  reads `x-g` of the request
;;   J  reads `x-g` of the response
;;   L  answers 403 with a body, details and a header twice
;;   M  answers 200 without a body
;;   N  answers 401 with the gRPC status 7
;;   O  puts bytes in front of the request body
;;   P  replaces the request body
;;   Q  puts bytes behind the request body
;;   R  puts bytes in front of the response body
;;   S  replaces the response body
;;   T  puts bytes behind the response body
;;   U  reads the request body
;;   V  reads the response body
;;   W  lets the request go on
;;   X  lets the response go on
;;   Y  closes the request stream
;;   Z  calls the cluster `up` with a body, for 400 ms at most
;;   a  calls the cluster `up` without a body and without a timeout
;;   b  calls a cluster that is not there
;;   c  sets the property `p` and reads it
;;   d  reads properties of the request
;;   e  reads properties of the response
;;   f  stores shared data and reads it
;;   g  defines a counter, a gauge and a histogram and uses them
;;   h  dies
;;   i  adds `x-t: v` to the request trailers
;;   j  adds `x-t: v` to the response trailers
;;   k  removes `x-d` of the request trailers
;;   l  reads all trailers
;;   m  asks for the size of both bodies
;;   n  asks for the status of the last call
;;   o  says that it is done
;;   p  acts as a context that is not there
;;   q  logs
;;   r  replaces the path
;;   s  replaces the authority
;;   t  replaces the method by POST
;;   u  replaces the status by 201
;;   v  replaces all response headers
;;   w  removes `content-length` on both sides
;;   x  registers a queue, fills it and empties it
;;   y  reads clocks and random numbers
;;   z  calls foreign functions
;;   !  reads the reply of a call
;;   &  reads and writes a map that is not there
;;   =  calls without a path
;;   K  answers 400 without a body
;;   $  removes `:path`
;;   *  removes `:method`
;;   @  removes `:authority`
;;   -  replaces `X-Upper` of the request by `V`, and adds it to the response
;;   ,  adds `content-length: 3` to both sides
;;   ;  adds `connection: close` to both sides
;;   (  adds `host: other` and `accept: x` to the request
;;   )  adds a `server`, a `date`, a `vary` and a `set-cookie` to the response
;;   ~  answers with status 1000
;;   '  answers 200 with headers that are not its own to write
;;   _  sets all request headers, with a path and a method of its own
;;   .  adds an empty header and one of bytes that are no text to both sides
;;   +  reads `host` of the request, replaces it and reads `:authority`
;;   ^  removes `host` of the request and reads it
;;   :  removes `x-forwarded-proto`
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $raw_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set_pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_size" (func $raw_map_size (param i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $raw_value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $raw_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $raw_buffer_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $raw_property (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_metric" (func $raw_metric (param i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $raw_get_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $set_shared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_http_call" (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $raw_foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $act_as (param i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_get_status" (func $raw_status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $raw_dequeue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  ;; The script of the last stream is at 8192, its length here, and its context.
  (global $length (mut i32) (i32.const 0))
  (global $stream (mut i32) (i32.const 0))
  (global $heap (mut i32) (i32.const 65536))
  (data (i32.const 1000) "x-a")
  (data (i32.const 1008) "v")
  (data (i32.const 1016) "x-r")
  (data (i32.const 1024) "new")
  (data (i32.const 1032) "x-d")
  (data (i32.const 1040) "x-g")
  (data (i32.const 1048) "no_entry")
  (data (i32.const 1060) "denied")
  (data (i32.const 1072) "\03\00\00\00\03\00\00\00\01\00\00\00\03\00\00\00\01\00\00\00\0c\00\00\00\06\00\00\00x-l\001\00x-l\002\00content-type\00text/x\00")
  (data (i32.const 1136) "no way")
  (data (i32.const 1148) "<<")
  (data (i32.const 1156) "replaced")
  (data (i32.const 1168) ">>")
  (data (i32.const 1176) "up")
  (data (i32.const 1184) "\04\00\00\00\07\00\00\00\04\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\04\00\00\00\03\00\00\00\01\00\00\00:method\00POST\00:path\00/c\00:authority\00peer\00x-c\001\00")
  (data (i32.const 1268) "question")
  (data (i32.const 1280) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\02\00\00\00\0a\00\00\00\04\00\00\00:method\00GET\00:path\00/c\00:authority\00peer\00")
  (data (i32.const 1352) "nowhere")
  (data (i32.const 1364) "p")
  (data (i32.const 1372) "value")
  (data (i32.const 1384) "request\00path")
  (data (i32.const 1400) "request\00headers\00x-g")
  (data (i32.const 1424) "request\00method")
  (data (i32.const 1444) "request\00size")
  (data (i32.const 1460) "request\00url_path")
  (data (i32.const 1480) "request\00query")
  (data (i32.const 1500) "request\00host")
  (data (i32.const 1516) "request\00scheme")
  (data (i32.const 1536) "request\00protocol")
  (data (i32.const 1556) "request\00nope")
  (data (i32.const 1572) "response\00code")
  (data (i32.const 1592) "response\00headers\00x-g")
  (data (i32.const 1616) "response\00size")
  (data (i32.const 1636) "response\00code_details")
  (data (i32.const 1664) "k")
  (data (i32.const 1672) "other")
  (data (i32.const 1684) "m.c")
  (data (i32.const 1692) "m.g")
  (data (i32.const 1700) "m.h")
  (data (i32.const 1708) "m.x")
  (data (i32.const 1716) "x-t")
  (data (i32.const 1724) "a line")
  (data (i32.const 1736) ":path")
  (data (i32.const 1748) "/other?x=1")
  (data (i32.const 1764) ":authority")
  (data (i32.const 1780) "other.example")
  (data (i32.const 1800) ":method")
  (data (i32.const 1812) "POST")
  (data (i32.const 1820) ":status")
  (data (i32.const 1832) "201")
  (data (i32.const 1840) "\02\00\00\00\07\00\00\00\03\00\00\00\06\00\00\00\01\00\00\00:status\00202\00x-only\001\00")
  (data (i32.const 1888) "content-length")
  (data (i32.const 1908) "queue")
  (data (i32.const 1920) "item")
  (data (i32.const 1928) "clear_route_cache")
  (data (i32.const 1952) "unheard_of")
  (data (i32.const 1968) "\02\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\04\00\00\00:method\00GET\00:authority\00peer\00")
  (data (i32.const 2100) ":path")
  (data (i32.const 2112) ":method")
  (data (i32.const 2124) ":authority")
  (data (i32.const 2140) "X-Upper")
  (data (i32.const 2152) "V")
  (data (i32.const 2160) "X-Upper")
  (data (i32.const 2172) "V")
  (data (i32.const 2180) "content-length")
  (data (i32.const 2200) "3")
  (data (i32.const 2208) "content-length")
  (data (i32.const 2228) "3")
  (data (i32.const 2236) "connection")
  (data (i32.const 2252) "close")
  (data (i32.const 2264) "connection")
  (data (i32.const 2280) "close")
  (data (i32.const 2292) "host")
  (data (i32.const 2304) "other")
  (data (i32.const 2316) "accept")
  (data (i32.const 2328) "x")
  (data (i32.const 2336) "server")
  (data (i32.const 2348) "mine")
  (data (i32.const 2360) "date")
  (data (i32.const 2372) "never")
  (data (i32.const 2384) "vary")
  (data (i32.const 2396) "x")
  (data (i32.const 2404) "set-cookie")
  (data (i32.const 2420) "a=1")
  (data (i32.const 2428) "body")
  (data (i32.const 2440) "\08\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\05\00\00\00\0e\00\00\00\02\00\00\00\07\00\00\00\01\00\00\00\0c\00\00\00\01\00\00\00\0c\00\00\00\01\00\00\00\04\00\00\00\05\00\00\00\06\00\00\00\04\00\00\00:status\00299\00connection\00close\00content-length\0099\00X-Upper\001\00content-type\00a\00content-type\00b\00date\00never\00server\00mine\00")
  (data (i32.const 2624) "\06\00\00\00\05\00\00\00\06\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\0b\00\00\00\07\00\00\00\04\00\00\00\06\00\00\00\01\00\00\00\06\00\00\00\01\00\00\00:path\00/set?x\00:method\00PUT\00:authority\00set.example\00:scheme\00http\00x-only\001\00x-only\002\00")
  (data (i32.const 2760) "x-e")
  (data (i32.const 2768) "")
  (data (i32.const 2776) "x-b")
  (data (i32.const 2784) "\ff\fe")
  (data (i32.const 2792) "x-e")
  (data (i32.const 2800) "")
  (data (i32.const 2808) "x-b")
  (data (i32.const 2816) "\ff\fe")
  (data (i32.const 3016) "host")
  (data (i32.const 3024) "new.example")
  (data (i32.const 3040) "x-forwarded-proto")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param $size i32) (result i32) (local $at i32)
    (local.set $at (global.get $heap))
    (global.set $heap (i32.and (i32.const -8) (i32.add (i32.const 7) (i32.add (global.get $heap) (local.get $size)))))
    (if (i32.gt_u (global.get $heap) (i32.const 200000)) (then (global.set $heap (i32.const 65536))))
    (local.get $at))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1))
  (func (export "proxy_on_context_create") (param i32 i32))

  ;; Logs bytes: those that are not printable, and `<`, as `<xx>`.
  (func $show (param $at i32) (param $length i32) (local $end i32) (local $to i32) (local $byte i32)
    (local.set $end (i32.add (local.get $at) (select (local.get $length) (i32.const 12000) (i32.lt_u (local.get $length) (i32.const 12000)))))
    (local.set $to (i32.const 16384))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (if (i32.or (i32.or (i32.lt_u (local.get $byte) (i32.const 32)) (i32.gt_u (local.get $byte) (i32.const 126)))
              (i32.eq (local.get $byte) (i32.const 60))) (then
          (i32.store8 (local.get $to) (i32.const 60))
          (i32.store8 offset=1 (local.get $to) (call $digit (i32.shr_u (local.get $byte) (i32.const 4))))
          (i32.store8 offset=2 (local.get $to) (call $digit (i32.and (local.get $byte) (i32.const 15))))
          (i32.store8 offset=3 (local.get $to) (i32.const 62))
          (local.set $to (i32.add (local.get $to) (i32.const 4))))
        (else
          (i32.store8 (local.get $to) (local.get $byte))
          (local.set $to (i32.add (local.get $to) (i32.const 1)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (drop (call $log (i32.const 2) (i32.const 16384) (i32.sub (local.get $to) (i32.const 16384)))))
  (func $digit (param $value i32) (result i32)
    (i32.add (local.get $value) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $value) (i32.const 10)))))

  ;; What host functions hand over is logged, so that it is compared, too: the trace has its size alone.
  (func $value (param i32 i32 i32 i32 i32) (result i32) (local i32)
    (local.set 5 (call $raw_value (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (if (i32.eqz (local.get 5)) (then (call $show (i32.load (local.get 3)) (i32.load (local.get 4)))))
    (local.get 5))
  (func $pairs (param i32 i32 i32) (result i32) (local i32)
    (local.set 3 (call $raw_pairs (local.get 0) (local.get 1) (local.get 2)))
    (if (i32.eqz (local.get 3)) (then (call $show (i32.load (local.get 1)) (i32.load (local.get 2)))))
    (local.get 3))
  (func $buffer (param i32 i32 i32 i32 i32) (result i32) (local i32)
    (local.set 5 (call $raw_buffer (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (if (i32.eqz (local.get 5)) (then (call $show (i32.load (local.get 3)) (i32.load (local.get 4)))))
    (local.get 5))
  (func $property (param i32 i32 i32 i32) (result i32) (local i32)
    (local.set 4 (call $raw_property (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
    (if (i32.eqz (local.get 4)) (then (call $show (i32.load (local.get 2)) (i32.load (local.get 3)))))
    (local.get 4))
  (func $get_shared (param i32 i32 i32 i32 i32) (result i32) (local i32)
    (local.set 5 (call $raw_get_shared (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4)))
    (if (i32.eqz (local.get 5)) (then (call $show (i32.load (local.get 2)) (i32.load (local.get 3)))))
    (local.get 5))
  (func $metric (param i32 i32) (result i32) (local i32)
    (local.set 2 (call $raw_metric (local.get 0) (local.get 1)))
    (if (i32.eqz (local.get 2)) (then (call $show (local.get 1) (i32.const 8))))
    (local.get 2))
  (func $status (param i32 i32 i32) (result i32) (local i32)
    (local.set 3 (call $raw_status (local.get 0) (local.get 1) (local.get 2)))
    (if (i32.eqz (local.get 3)) (then (call $show (local.get 0) (i32.const 4)) (call $show (i32.load (local.get 1)) (i32.load (local.get 2)))))
    (local.get 3))
  (func $dequeue (param i32 i32 i32) (result i32) (local i32)
    (local.set 3 (call $raw_dequeue (local.get 0) (local.get 1) (local.get 2)))
    (if (i32.eqz (local.get 3)) (then (call $show (i32.load (local.get 1)) (i32.load (local.get 2)))))
    (local.get 3))
  (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32) (local i32)
    (local.set 6 (call $raw_foreign (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)))
    (if (i32.eqz (local.get 6)) (then (call $show (i32.load (local.get 4)) (i32.load (local.get 5)))))
    (local.get 6))
  (func $map_size (param i32 i32) (result i32) (local i32)
    (local.set 2 (call $raw_map_size (local.get 0) (local.get 1)))
    (if (i32.eqz (local.get 2)) (then (call $show (local.get 1) (i32.const 4))))
    (local.get 2))
  (func $buffer_status (param i32 i32 i32) (result i32) (local i32)
    (local.set 3 (call $raw_buffer_status (local.get 0) (local.get 1) (local.get 2)))
    (if (i32.eqz (local.get 3)) (then (call $show (local.get 1) (i32.const 4))))
    (local.get 3))

  (func $do (param $op i32)
    (if (i32.eq (local.get $op) (i32.const 65)) (then ;; A
      (drop (call $add (i32.const 0) (i32.const 1000) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 66)) (then ;; B
      (drop (call $add (i32.const 2) (i32.const 1000) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 67)) (then ;; C
      (drop (call $replace (i32.const 0) (i32.const 1016) (i32.const 3) (i32.const 1024) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 68)) (then ;; D
      (drop (call $replace (i32.const 2) (i32.const 1016) (i32.const 3) (i32.const 1024) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 69)) (then ;; E
      (drop (call $remove (i32.const 0) (i32.const 1032) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 70)) (then ;; F
      (drop (call $remove (i32.const 2) (i32.const 1032) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 71)) (then ;; G
      (drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 72)) (then ;; H
      (drop (call $pairs (i32.const 2) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 73)) (then ;; I
      (drop (call $value (i32.const 0) (i32.const 1040) (i32.const 3) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 74)) (then ;; J
      (drop (call $value (i32.const 2) (i32.const 1040) (i32.const 3) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 76)) (then ;; L
      (drop (call $respond (i32.const 403) (i32.const 1048) (i32.const 8) (i32.const 1060) (i32.const 6) (i32.const 1072) (i32.const 60) (i32.const -1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 77)) (then ;; M
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 78)) (then ;; N
      (drop (call $respond (i32.const 401) (i32.const 0) (i32.const 0) (i32.const 1136) (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 7)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 79)) (then ;; O
      (drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1148) (i32.const 2)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 80)) (then ;; P
      (drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 1000000) (i32.const 1156) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 81)) (then ;; Q
      (drop (call $set_buffer (i32.const 0) (i32.const 1000000) (i32.const 0) (i32.const 1168) (i32.const 2)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 82)) (then ;; R
      (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1148) (i32.const 2)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 83)) (then ;; S
      (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 1000000) (i32.const 1156) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 84)) (then ;; T
      (drop (call $set_buffer (i32.const 1) (i32.const 1000000) (i32.const 0) (i32.const 1168) (i32.const 2)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 85)) (then ;; U
      (drop (call $buffer (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 86)) (then ;; V
      (drop (call $buffer (i32.const 1) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 87)) (then ;; W
      (drop (call $continue (i32.const 0)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 88)) (then ;; X
      (drop (call $continue (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 89)) (then ;; Y
      (drop (call $close (i32.const 0)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 90)) (then ;; Z
      (drop (call $http_call (i32.const 1176) (i32.const 2) (i32.const 1184) (i32.const 80) (i32.const 1268) (i32.const 8) (i32.const 0) (i32.const 0) (i32.const 400) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 97)) (then ;; a
      (drop (call $http_call (i32.const 1176) (i32.const 2) (i32.const 1280) (i32.const 65) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 98)) (then ;; b
      (drop (call $http_call (i32.const 1352) (i32.const 7) (i32.const 1280) (i32.const 65) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 400) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 99)) (then ;; c
      (drop (call $set_property (i32.const 1364) (i32.const 1) (i32.const 1372) (i32.const 5)))
      (drop (call $property (i32.const 1364) (i32.const 1) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 100)) (then ;; d
      (drop (call $property (i32.const 1384) (i32.const 12) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1400) (i32.const 19) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1424) (i32.const 14) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1444) (i32.const 12) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1460) (i32.const 16) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1480) (i32.const 13) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1500) (i32.const 12) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1516) (i32.const 14) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1536) (i32.const 16) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1556) (i32.const 12) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 101)) (then ;; e
      (drop (call $property (i32.const 1572) (i32.const 13) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1592) (i32.const 20) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1616) (i32.const 13) (i32.const 0) (i32.const 4)))
      (drop (call $property (i32.const 1636) (i32.const 21) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 102)) (then ;; f
      (drop (call $get_shared (i32.const 1664) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8)))
      (drop (call $set_shared (i32.const 1664) (i32.const 1) (i32.const 1372) (i32.const 5) (i32.const 0)))
      (drop (call $get_shared (i32.const 1664) (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 8)))
      (drop (call $set_shared (i32.const 1664) (i32.const 1) (i32.const 1672) (i32.const 5) (i32.const 999999)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 103)) (then ;; g
      (drop (call $define (i32.const 0) (i32.const 1684) (i32.const 3) (i32.const 8)))
      (drop (call $increment (i32.load (i32.const 8)) (i64.const 2)))
      (drop (call $increment (i32.load (i32.const 8)) (i64.const -1)))
      (drop (call $metric (i32.load (i32.const 8)) (i32.const 16)))
      (drop (call $define (i32.const 1) (i32.const 1692) (i32.const 3) (i32.const 8)))
      (drop (call $increment (i32.load (i32.const 8)) (i64.const -1)))
      (drop (call $record (i32.load (i32.const 8)) (i64.const 7)))
      (drop (call $metric (i32.load (i32.const 8)) (i32.const 16)))
      (drop (call $define (i32.const 2) (i32.const 1700) (i32.const 3) (i32.const 8)))
      (drop (call $record (i32.load (i32.const 8)) (i64.const 7)))
      (drop (call $metric (i32.load (i32.const 8)) (i32.const 16)))
      (drop (call $define (i32.const 7) (i32.const 1708) (i32.const 3) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 104)) (then ;; h
      (unreachable)
      (return)))
    (if (i32.eq (local.get $op) (i32.const 105)) (then ;; i
      (drop (call $add (i32.const 1) (i32.const 1716) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 106)) (then ;; j
      (drop (call $add (i32.const 3) (i32.const 1716) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 107)) (then ;; k
      (drop (call $remove (i32.const 1) (i32.const 1032) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 108)) (then ;; l
      (drop (call $pairs (i32.const 1) (i32.const 0) (i32.const 4)))
      (drop (call $pairs (i32.const 3) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 109)) (then ;; m
      (drop (call $buffer_status (i32.const 0) (i32.const 0) (i32.const 4)))
      (drop (call $buffer_status (i32.const 1) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 110)) (then ;; n
      (drop (call $status (i32.const 0) (i32.const 4) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 111)) (then ;; o
      (drop (call $done))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 112)) (then ;; p
      (drop (call $act_as (i32.const 999)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 113)) (then ;; q
      (drop (call $log (i32.const 2) (i32.const 1724) (i32.const 6)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 114)) (then ;; r
      (drop (call $replace (i32.const 0) (i32.const 1736) (i32.const 5) (i32.const 1748) (i32.const 10)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 115)) (then ;; s
      (drop (call $replace (i32.const 0) (i32.const 1764) (i32.const 10) (i32.const 1780) (i32.const 13)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 116)) (then ;; t
      (drop (call $replace (i32.const 0) (i32.const 1800) (i32.const 7) (i32.const 1812) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 117)) (then ;; u
      (drop (call $replace (i32.const 2) (i32.const 1820) (i32.const 7) (i32.const 1832) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 118)) (then ;; v
      (drop (call $set_pairs (i32.const 2) (i32.const 1840) (i32.const 41)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 119)) (then ;; w
      (drop (call $remove (i32.const 0) (i32.const 1888) (i32.const 14)))
      (drop (call $remove (i32.const 2) (i32.const 1888) (i32.const 14)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 120)) (then ;; x
      (drop (call $register (i32.const 1908) (i32.const 5) (i32.const 8)))
      (drop (call $enqueue (i32.load (i32.const 8)) (i32.const 1920) (i32.const 4)))
      (drop (call $dequeue (i32.load (i32.const 8)) (i32.const 0) (i32.const 4)))
      (drop (call $dequeue (i32.load (i32.const 8)) (i32.const 0) (i32.const 4)))
      (drop (call $dequeue (i32.const 77) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 121)) (then ;; y
      (drop (call $clock (i32.const 0) (i64.const 1) (i32.const 16)))
      (drop (call $clock (i32.const 1) (i64.const 1) (i32.const 16)))
      (drop (call $clock (i32.const 9) (i64.const 1) (i32.const 16)))
      (drop (call $random (i32.const 16) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 122)) (then ;; z
      (drop (call $foreign (i32.const 1928) (i32.const 17) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)))
      (drop (call $foreign (i32.const 1952) (i32.const 10) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 33)) (then ;; !
      (drop (call $pairs (i32.const 6) (i32.const 0) (i32.const 4)))
      (drop (call $pairs (i32.const 7) (i32.const 0) (i32.const 4)))
      (drop (call $value (i32.const 6) (i32.const 1820) (i32.const 7) (i32.const 0) (i32.const 4)))
      (drop (call $buffer (i32.const 4) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 38)) (then ;; &
      (drop (call $value (i32.const 9) (i32.const 1040) (i32.const 3) (i32.const 0) (i32.const 4)))
      (drop (call $add (i32.const 9) (i32.const 1040) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (drop (call $value (i32.const 2) (i32.const 1040) (i32.const 3) (i32.const 0) (i32.const 4)))
      (drop (call $replace (i32.const 2) (i32.const 1040) (i32.const 3) (i32.const 1008) (i32.const 1)))
      (drop (call $map_size (i32.const 2) (i32.const 8)))
      (drop (call $map_size (i32.const 0) (i32.const 8)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 75)) (then ;; K
      (drop (call $respond (i32.const 400) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 36)) (then ;; $
      (drop (call $remove (i32.const 0) (i32.const 2100) (i32.const 5)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 42)) (then ;; *
      (drop (call $remove (i32.const 0) (i32.const 2112) (i32.const 7)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 64)) (then ;; @
      (drop (call $remove (i32.const 0) (i32.const 2124) (i32.const 10)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 45)) (then ;; -
      (drop (call $replace (i32.const 0) (i32.const 2140) (i32.const 7) (i32.const 2152) (i32.const 1)))
      (drop (call $add (i32.const 2) (i32.const 2160) (i32.const 7) (i32.const 2172) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 44)) (then ;; ,
      (drop (call $replace (i32.const 0) (i32.const 2180) (i32.const 14) (i32.const 2200) (i32.const 1)))
      (drop (call $replace (i32.const 2) (i32.const 2208) (i32.const 14) (i32.const 2228) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 59)) (then ;; semicolon
      (drop (call $add (i32.const 0) (i32.const 2236) (i32.const 10) (i32.const 2252) (i32.const 5)))
      (drop (call $add (i32.const 2) (i32.const 2264) (i32.const 10) (i32.const 2280) (i32.const 5)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 40)) (then ;; (
      (drop (call $add (i32.const 0) (i32.const 2292) (i32.const 4) (i32.const 2304) (i32.const 5)))
      (drop (call $add (i32.const 0) (i32.const 2316) (i32.const 6) (i32.const 2328) (i32.const 1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 41)) (then ;; )
      (drop (call $add (i32.const 2) (i32.const 2336) (i32.const 6) (i32.const 2348) (i32.const 4)))
      (drop (call $add (i32.const 2) (i32.const 2360) (i32.const 4) (i32.const 2372) (i32.const 5)))
      (drop (call $add (i32.const 2) (i32.const 2384) (i32.const 4) (i32.const 2396) (i32.const 1)))
      (drop (call $add (i32.const 2) (i32.const 2404) (i32.const 10) (i32.const 2420) (i32.const 3)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 126)) (then ;; ~
      (drop (call $respond (i32.const 1000) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 39)) (then ;; '
      (drop (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 2428) (i32.const 4) (i32.const 2440) (i32.const 178) (i32.const -1)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 95)) (then ;; _
      (drop (call $set_pairs (i32.const 0) (i32.const 2624) (i32.const 131)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 46)) (then ;; .
      (drop (call $add (i32.const 0) (i32.const 2760) (i32.const 3) (i32.const 2768) (i32.const 0)))
      (drop (call $add (i32.const 0) (i32.const 2776) (i32.const 3) (i32.const 2784) (i32.const 2)))
      (drop (call $add (i32.const 2) (i32.const 2792) (i32.const 3) (i32.const 2800) (i32.const 0)))
      (drop (call $add (i32.const 2) (i32.const 2808) (i32.const 3) (i32.const 2816) (i32.const 2)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 43)) (then ;; +
      (drop (call $value (i32.const 0) (i32.const 3016) (i32.const 4) (i32.const 0) (i32.const 4)))
      (drop (call $replace (i32.const 0) (i32.const 3016) (i32.const 4) (i32.const 3024) (i32.const 11)))
      (drop (call $value (i32.const 0) (i32.const 1764) (i32.const 10) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 94)) (then ;; ^
      (drop (call $remove (i32.const 0) (i32.const 3016) (i32.const 4)))
      (drop (call $value (i32.const 0) (i32.const 3016) (i32.const 4) (i32.const 0) (i32.const 4)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 58)) (then ;; :
      (drop (call $remove (i32.const 0) (i32.const 3040) (i32.const 17)))
      (return)))
    (if (i32.eq (local.get $op) (i32.const 61)) (then ;; =
      (drop (call $http_call (i32.const 1176) (i32.const 2) (i32.const 1968) (i32.const 48) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 400) (i32.const 8)))
      (return)))
  )

  ;; Runs the segment of a callback; without one, returns 0.
  (func $run (param $callback i32) (result i32) (local $at i32) (local $byte i32) (local $here i32)
    (local.set $at (i32.const 8192))
    (loop $next
      (if (i32.ge_u (local.get $at) (i32.add (i32.const 8192) (global.get $length))) (then (return (i32.const 0))))
      (local.set $byte (i32.load8_u (local.get $at)))
      (if (i32.eq (local.get $byte) (i32.const 47)) (then ;; /
        (if (local.get $here) (then (return (i32.const 0))))
        (local.set $here (i32.eq (i32.load8_u offset=1 (local.get $at)) (local.get $callback)))
        (local.set $at (i32.add (local.get $at) (i32.const 2)))
        (br $next)))
      (if (i32.eq (local.get $byte) (i32.const 63)) (then (return (i32.const 0)))) ;; ?
      (if (local.get $here) (then
        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 48)) (i32.const 10)) (then
          (return (i32.sub (local.get $byte) (i32.const 48)))))
        (call $do (local.get $byte))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $next))
    (unreachable))

  ;; A segment of capital letters is for the call that ends a body, if there is one.
  (func $run_body (param $callback i32) (param $end i32) (result i32) (local $at i32)
    (if (local.get $end) (then
      (local.set $at (i32.const 8192))
      (loop $next
        (if (i32.lt_u (local.get $at) (i32.add (i32.const 8192) (global.get $length))) (then
          (if (i32.and (i32.eq (i32.load8_u (local.get $at)) (i32.const 47))
                (i32.eq (i32.load8_u offset=1 (local.get $at)) (i32.sub (local.get $callback) (i32.const 32)))) (then
            (return (call $run (i32.sub (local.get $callback) (i32.const 32))))))
          (local.set $at (i32.add (local.get $at) (i32.const 1)))
          (br $next))))))
    (call $run (local.get $callback)))

  (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
    (global.set $stream (local.get $id))
    (global.set $length (i32.const 0))
    (if (i32.eqz (call $raw_value (i32.const 0) (i32.const 1736) (i32.const 5) (i32.const 0) (i32.const 4))) (then
      (global.set $length (i32.load (i32.const 4)))
      (memory.copy (i32.const 8192) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
    (call $run (i32.const 113)))
  (func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
    (call $run_body (i32.const 98) (local.get $end)))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (call $run (i32.const 116)))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) (call $run (i32.const 114)))
  (func (export "proxy_on_response_body") (param i32 i32) (param $end i32) (result i32)
    (call $run_body (i32.const 115) (local.get $end)))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (call $run (i32.const 117)))
  (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
    (drop (call $do_as_stream)))
  (func $do_as_stream (result i32)
    (call $do (i32.const 33))
    (drop (call $act_as (global.get $stream)))
    (call $run (i32.const 99)))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_log") (param i32) (drop (call $run (i32.const 111))))
  (func (export "proxy_on_delete") (param i32)))
