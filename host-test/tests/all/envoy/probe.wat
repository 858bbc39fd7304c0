;; Calls host functions by the dozen. The first letter of the path says which: see the comments in
;; `proxy_on_request_headers`. It makes nothing of the answers, which are what the trace is for.
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_size" (func $size (param i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_buffer_bytes" (func $setbuf (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_buffer_status" (func $bufstatus (param i32 i32 i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $local (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $setprop (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $getprop (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
  (import "env" "proxy_get_metric" (func $getmetric (param i32 i32) (result i32)))
  (import "env" "proxy_get_shared_data" (func $getshared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_shared_data" (func $setshared (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_call" (func $grpc (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_send" (func $grpcsend (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_grpc_cancel" (func $grpccancel (param i32) (result i32)))
  (import "env" "proxy_grpc_close" (func $grpcclose (param i32) (result i32)))
  (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_get_status" (func $status (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_log_level" (func $loglevel (param i32) (result i32)))
  (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
  (import "env" "proxy_resolve_shared_queue" (func $resolve (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
  (import "env" "proxy_dequeue_shared_queue" (func $dequeue (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fdwrite (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fdread (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fdclose (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_seek" (func $fdseek (param i32 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get" (func $filestat (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_sync" (func $fdsync (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_tell" (func $fdtell (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_renumber" (func $fdrenumber (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fdreaddir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $setflags (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $clockres (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environsizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $argssizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (global $op (mut i32) (i32.const 0))
  (data (i32.const 1000) ":path")
  (data (i32.const 1010) "x-b")
  (data (i32.const 1020) "new")
  (data (i32.const 1030) "x-n")
  (data (i32.const 1040) "authorization")
  (data (i32.const 1060) "details with space")
  (data (i32.const 1080) "body")
  (data (i32.const 1090) "\02\00\00\00\05\00\00\00\01\00\00\00\05\00\00\00\01\00\00\00x-dup\001\00x-dup\002\00")
  (data (i32.const 1150) "a.b")
  (data (i32.const 1160) "a\00b")
  (data (i32.const 1170) ":status")
  (data (i32.const 1180) "request\00path")
  (data (i32.const 1200) "plugin_name")
  (data (i32.const 1220) "source\00address")
  (data (i32.const 1240) "nope")
  (data (i32.const 1250) "clear_route_cache")
  (data (i32.const 1270) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\01\00\00\00:method\00GET\00:path\00/\00:authority\00a\00")
  (data (i32.const 1350) "up")
  (data (i32.const 1360) "q")
  (data (i32.const 1370) "vm")
  (data (i32.const 1380) "request\00headers\00x-b")
  (data (i32.const 1400) "\80\05\00\00\05\00\00\00\00\00\00\00\00\00\00\00")
  (data (i32.const 1408) "hello")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (local i32)
    global.get $heap local.set 1
    global.get $heap local.get 0 i32.add i32.const 7 i32.add i32.const -8 i32.and global.set $heap
    global.get $heap i32.const 200000 i32.gt_u if i32.const 65536 global.set $heap end
    local.get 1)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
  (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1)
  (func $ret (param i32) (result i32) local.get 0)
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
    (global.set $op (i32.sub (i32.load8_u (i32.add (i32.load (i32.const 0)) (i32.const 1))) (i32.const 97)))
    (block $p (block $o (block $n (block $m (block $l (block $k (block $j (block $i (block $h (block $g (block $f (block $e (block $d (block $c (block $b (block $a
      (br_table $a $b $c $d $e $f $g $h $i $j $k $l $m $n $o $p (global.get $op)))
      ;; a: header ops
      (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) drop
      (call $pairs (i32.const 2) (i32.const 0) (i32.const 4)) drop
      (call $pairs (i32.const 9) (i32.const 0) (i32.const 4)) drop
      (call $value (i32.const 2) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
      (call $value (i32.const 0) (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 4)) drop
      (call $value (i32.const 0) (i32.const 1010) (i32.const 3) (i32.const 0) (i32.const 4)) drop
      (call $value (i32.const 9) (i32.const 1010) (i32.const 3) (i32.const 0) (i32.const 4)) drop
      (call $value (i32.const 4) (i32.const 1010) (i32.const 3) (i32.const 0) (i32.const 4)) drop
      (call $value (i32.const 6) (i32.const 1010) (i32.const 3) (i32.const 0) (i32.const 4)) drop
      (call $size (i32.const 0) (i32.const 4)) drop
      (call $size (i32.const 2) (i32.const 4)) drop
      (call $replace (i32.const 0) (i32.const 1010) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $add (i32.const 0) (i32.const 1030) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $add (i32.const 0) (i32.const 1030) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $add (i32.const 0) (i32.const 1040) (i32.const 13) (i32.const 1020) (i32.const 3)) drop
      (call $remove (i32.const 0) (i32.const 1240) (i32.const 4)) drop
      (call $replace (i32.const 2) (i32.const 1010) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $remove (i32.const 5) (i32.const 1010) (i32.const 3)) drop
      (return (i32.const 0)))
      ;; b: local response
      (call $local (i32.const 401) (i32.const 1060) (i32.const 18) (i32.const 1080) (i32.const 4) (i32.const 1090) (i32.const 41) (i32.const -1)) drop
      (return (i32.const 0)))
      ;; c: two local responses
      (call $local (i32.const 401) (i32.const 1060) (i32.const 7) (i32.const 1080) (i32.const 4) (i32.const 1090) (i32.const 41) (i32.const -1)) drop
      (call $local (i32.const 403) (i32.const 1060) (i32.const 4) (i32.const 1080) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const -1)) drop
      (return (i32.const 1)))
      ;; d: pause at headers
      (return (i32.const 1)))
      ;; e: pause, continue in same callback
      (call $continue (i32.const 0)) drop
      (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
      (call $continue (i32.const 9)) drop
      (return (i32.const 1)))
      ;; f: trap
      unreachable)
      ;; g: properties
      (call $setprop (i32.const 1150) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $getprop (i32.const 1150) (i32.const 3) (i32.const 0) (i32.const 4)) drop
      (call $setprop (i32.const 1160) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $getprop (i32.const 1160) (i32.const 3) (i32.const 0) (i32.const 4)) drop
      (call $getprop (i32.const 1180) (i32.const 12) (i32.const 0) (i32.const 4)) drop
      (call $getprop (i32.const 1200) (i32.const 11) (i32.const 0) (i32.const 4)) drop
      (call $getprop (i32.const 1220) (i32.const 14) (i32.const 0) (i32.const 4)) drop
      (call $getprop (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 4)) drop
      (call $getprop (i32.const 1380) (i32.const 19) (i32.const 0) (i32.const 4)) drop
      (call $getprop (i32.const 1240) (i32.const 0) (i32.const 0) (i32.const 4)) drop
      (call $setprop (i32.const 1180) (i32.const 12) (i32.const 1020) (i32.const 3)) drop
      (return (i32.const 0)))
      ;; h: metrics and shared data
      (call $define (i32.const 0) (i32.const 1150) (i32.const 3) (i32.const 4)) drop
      (call $log (i32.const 2) (i32.const 1240) (call $ret (i32.load (i32.const 4)))) drop
      (call $increment (i32.load (i32.const 4)) (i64.const 0)) drop
      (call $increment (i32.load (i32.const 4)) (i64.const -1)) drop
      (call $increment (i32.load (i32.const 4)) (i64.const 2)) drop
      (call $record (i32.load (i32.const 4)) (i64.const 5)) drop
      (call $getmetric (i32.load (i32.const 4)) (i32.const 8)) drop
      (call $define (i32.const 1) (i32.const 1080) (i32.const 4) (i32.const 4)) drop
      (call $increment (i32.load (i32.const 4)) (i64.const -1)) drop
      (call $define (i32.const 2) (i32.const 1020) (i32.const 3) (i32.const 4)) drop
      (call $increment (i32.load (i32.const 4)) (i64.const 1)) drop
      (call $getmetric (i32.load (i32.const 4)) (i32.const 8)) drop
      (call $define (i32.const 3) (i32.const 1020) (i32.const 3) (i32.const 4)) drop
      (call $getmetric (i32.const 400) (i32.const 8)) drop
      (call $record (i32.const 401) (i64.const 5)) drop
      (call $getshared (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 8)) drop
      (call $setshared (i32.const 1240) (i32.const 4) (i32.const 1020) (i32.const 3) (i32.const 77)) drop
      (call $getshared (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 8)) drop
      (call $setshared (i32.const 1240) (i32.const 4) (i32.const 1020) (i32.const 3) (i32.const 12345)) drop
      (call $setshared (i32.const 1240) (i32.const 4) (i32.const 1020) (i32.const 0) (i32.load (i32.const 8))) drop
      (call $getshared (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 8)) drop
      (return (i32.const 0)))
      ;; i: calls
      (call $call (i32.const 1240) (i32.const 4) (i32.const 1270) (i32.const 57) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 4)) drop
      (call $call (i32.const 1350) (i32.const 2) (i32.const 1090) (i32.const 41) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 4)) drop
      (call $grpc (i32.const 1240) (i32.const 4) (i32.const 1240) (i32.const 4) (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 4)) drop
      (call $grpcsend (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0)) drop
      (call $grpcsend (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 0)) drop
      (call $grpcsend (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 0)) drop
      (call $grpcsend (i32.const 7) (i32.const 0) (i32.const 0) (i32.const 0)) drop
      (call $grpccancel (i32.const 4)) drop
      (call $grpccancel (i32.const 5)) drop
      (call $grpccancel (i32.const 6)) drop
      (call $grpccancel (i32.const 7)) drop
      (call $grpcclose (i32.const 4)) drop
      (call $grpcclose (i32.const 5)) drop
      (call $grpcclose (i32.const 6)) drop
      (call $grpcclose (i32.const 7)) drop
      (call $foreign (i32.const 1240) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)) drop
      (call $foreign (i32.const 1250) (i32.const 17) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4)) drop
      (call $effective (i32.const 999)) drop
      (call $effective (i32.const 1)) drop
      (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
      (call $setprop (i32.const 1150) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
      (call $getprop (i32.const 1180) (i32.const 12) (i32.const 0) (i32.const 4)) drop
      (call $continue (i32.const 0)) drop
      (call $local (i32.const 403) (i32.const 1060) (i32.const 4) (i32.const 1080) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const -1)) drop
      (call $done) drop
      (call $status (i32.const 0) (i32.const 4) (i32.const 8)) drop
      (call $log (i32.const 7) (i32.const 1240) (i32.const 4)) drop
      (call $log (i32.const 2) (i32.const 900000) (i32.const 4)) drop
      (return (i32.const 0)))
      ;; j: buffers
      (call $buffer (i32.const 0) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 1) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 4) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 5) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 6) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 7) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 8) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 9) (i32.const 0) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 6) (i32.const 100) (i32.const 10) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 6) (i32.const 1) (i32.const -1) (i32.const 0) (i32.const 4)) drop
      (call $buffer (i32.const 6) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 4)) drop
      (call $bufstatus (i32.const 0) (i32.const 0) (i32.const 4)) drop
      (call $bufstatus (i32.const 4) (i32.const 0) (i32.const 4)) drop
      (call $bufstatus (i32.const 6) (i32.const 0) (i32.const 4)) drop
      (call $bufstatus (i32.const 7) (i32.const 0) (i32.const 4)) drop
      (call $bufstatus (i32.const 9) (i32.const 0) (i32.const 4)) drop
      (call $setbuf (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1020) (i32.const 3)) drop
      (call $setbuf (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 1020) (i32.const 3)) drop
      (call $setbuf (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 1020) (i32.const 3)) drop
      (call $setbuf (i32.const 9) (i32.const 0) (i32.const 0) (i32.const 1020) (i32.const 3)) drop
      (return (i32.const 0)))
      ;; k: wasi
      (call $fdwrite (i32.const 1) (i32.const 1400) (i32.const 1) (i32.const 0)) drop
      (call $fdwrite (i32.const 2) (i32.const 1400) (i32.const 1) (i32.const 0)) drop
      (call $fdwrite (i32.const 3) (i32.const 1400) (i32.const 1) (i32.const 0)) drop
      (call $fdread (i32.const 0) (i32.const 1400) (i32.const 1) (i32.const 0)) drop
      (call $fdclose (i32.const 1)) drop
      (call $fdseek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 0)) drop
      (call $fdstat (i32.const 1) (i32.const 100)) drop
      (call $fdstat (i32.const 0) (i32.const 100)) drop
      (call $prestat (i32.const 3) (i32.const 100)) drop
      (call $filestat (i32.const 1) (i32.const 100)) drop
      (call $fdsync (i32.const 1)) drop
      (call $fdtell (i32.const 1) (i32.const 100)) drop
      (call $fdrenumber (i32.const 1) (i32.const 2)) drop
      (call $fdreaddir (i32.const 1) (i32.const 100) (i32.const 0) (i64.const 0) (i32.const 0)) drop
      (call $setflags (i32.const 1) (i32.const 0)) drop
      (call $clock (i32.const 0) (i64.const 0) (i32.const 100)) drop
      (call $clock (i32.const 1) (i64.const 0) (i32.const 100)) drop
      (call $clock (i32.const 2) (i64.const 0) (i32.const 100)) drop
      (call $clockres (i32.const 0) (i32.const 100)) drop
      (call $random (i32.const 100) (i32.const 16)) drop
      (call $random (i32.const 100) (i32.const 65537)) drop
      (call $environsizes (i32.const 0) (i32.const 4)) drop
      (call $argssizes (i32.const 0) (i32.const 4)) drop
      (call $args (i32.const 0) (i32.const 4)) drop
      (call $yield) drop
      (call $poll (i32.const 100) (i32.const 100) (i32.const 0) (i32.const 4)) drop
      (call $rename (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) drop
      (call $shutdown (i32.const 0) (i32.const 0)) drop
      (call $accept (i32.const 0) (i32.const 0) (i32.const 0)) drop
      (return (i32.const 0)))
      ;; l: queue
      (call $register (i32.const 1360) (i32.const 1) (i32.const 4)) drop
      (call $resolve (i32.const 1370) (i32.const 2) (i32.const 1360) (i32.const 1) (i32.const 8)) drop
      (call $resolve (i32.const 1240) (i32.const 2) (i32.const 1360) (i32.const 1) (i32.const 8)) drop
      (call $dequeue (i32.load (i32.const 4)) (i32.const 8) (i32.const 12)) drop
      (call $enqueue (i32.load (i32.const 4)) (i32.const 1020) (i32.const 3)) drop
      (call $dequeue (i32.load (i32.const 4)) (i32.const 8) (i32.const 12)) drop
      (call $enqueue (i32.const 99) (i32.const 1020) (i32.const 3)) drop
      (return (i32.const 0)))
      ;; m: close
      (call $close (i32.const 0)) drop
      (return (i32.const 1)))
      ;; n
      (return (i32.const 0)))
      ;; o
      (return (i32.const 0)))
    (i32.const 0))
  (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
    (call $buffer (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)) drop
    (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
    (global.get $op) (i32.const 13) (i32.eq) if ;; n: pause until the end, then prepend/append
      (local.get 2) if
        (call $setbuf (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1020) (i32.const 3)) drop
        (call $setbuf (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 1020) (i32.const 3)) drop
        (call $setbuf (i32.const 0) (i32.const 2) (i32.const 2) (i32.const 1020) (i32.const 3)) drop
        (call $setbuf (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 1080) (i32.const 4)) drop
        (return (i32.const 0))
      end
      (return (i32.const 1))
    end
    (global.get $op) (i32.const 3) (i32.eq) if ;; d
      (local.get 2) if
        (call $local (i32.const 200) (i32.const 1060) (i32.const 7) (i32.const 1080) (i32.const 4) (i32.const 1090) (i32.const 41) (i32.const -1)) drop
      end
      (return (i32.const 1))
    end
    (i32.const 0))
  (func (export "proxy_on_request_trailers") (param i32 i32) (result i32)
    (call $pairs (i32.const 1) (i32.const 0) (i32.const 4)) drop
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
    (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) drop
    (call $pairs (i32.const 2) (i32.const 0) (i32.const 4)) drop
    (call $size (i32.const 2) (i32.const 4)) drop
    (call $value (i32.const 2) (i32.const 1170) (i32.const 7) (i32.const 0) (i32.const 4)) drop
    (global.get $op) (i32.const 14) (i32.eq) if ;; o: local response in response headers
        (call $local (i32.const 202) (i32.const 1060) (i32.const 7) (i32.const 1080) (i32.const 4) (i32.const 1090) (i32.const 41) (i32.const -1)) drop
    end
    (i32.const 0))
  (func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
    (call $buffer (i32.const 1) (i32.const 0) (i32.const 100) (i32.const 0) (i32.const 4)) drop
    (global.get $op) (i32.const 15) (i32.eq) if ;; p
        (call $local (i32.const 202) (i32.const 1060) (i32.const 7) (i32.const 1080) (i32.const 4) (i32.const 1090) (i32.const 41) (i32.const -1)) drop
    end
    (i32.const 0))
  (func (export "proxy_on_response_trailers") (param i32 i32) (result i32) (i32.const 0))
  (func (export "proxy_on_log") (param i32)
    (call $value (i32.const 0) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
    (call $value (i32.const 1) (i32.const 1000) (i32.const 5) (i32.const 0) (i32.const 4)) drop
    (call $value (i32.const 2) (i32.const 1170) (i32.const 7) (i32.const 0) (i32.const 4)) drop
    (call $value (i32.const 3) (i32.const 1170) (i32.const 7) (i32.const 0) (i32.const 4)) drop
    (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)) drop
    (call $pairs (i32.const 2) (i32.const 0) (i32.const 4)) drop
    (call $size (i32.const 0) (i32.const 4)) drop
    (call $add (i32.const 0) (i32.const 1030) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
    (call $setprop (i32.const 1150) (i32.const 3) (i32.const 1020) (i32.const 3)) drop
    (call $getprop (i32.const 1150) (i32.const 3) (i32.const 0) (i32.const 4)) drop
    (call $getprop (i32.const 1180) (i32.const 12) (i32.const 0) (i32.const 4)) drop)
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param i32))
  (func (export "proxy_on_queue_ready") (param i32 i32))
)
