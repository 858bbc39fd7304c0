//! Which arguments of the host functions are addresses, and of what (specification v0.2.1).

use crate::functions::Function;

/// What one or two arguments stand for; the numbers are positions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Argument {
    /// Address and length of bytes that the host reads.
    Bytes(usize, usize),
    /// The same, of a name that has no meaning when it is empty.
    Name(usize, usize),
    /// An address where the host leaves a result.
    Result(usize),
}

use Argument::{Bytes as B, Name as N, Result as R};

/// The addresses among the arguments of a function.
pub(super) fn arguments(function: Function) -> &'static [Argument] {
    use Function as F;
    match function {
        F::proxy_log => &[B(1, 2)],
        F::proxy_get_log_level | F::proxy_get_current_time_nanoseconds => &[R(0)],
        F::proxy_get_buffer_bytes => &[R(3), R(4)],
        F::proxy_set_buffer_bytes => &[B(3, 4)],
        F::proxy_get_header_map_size | F::proxy_get_metric => &[R(1)],
        F::proxy_get_configuration => &[R(0), R(1)],
        F::proxy_get_buffer_status
        | F::proxy_get_header_map_pairs
        | F::proxy_dequeue_shared_queue => &[R(1), R(2)],
        F::proxy_set_header_map_pairs | F::proxy_grpc_send | F::proxy_enqueue_shared_queue => {
            &[B(1, 2)]
        }
        F::proxy_get_header_map_value => &[N(1, 2), R(3), R(4)],
        F::proxy_add_header_map_value | F::proxy_replace_header_map_value => &[N(1, 2), B(3, 4)],
        F::proxy_remove_header_map_value => &[N(1, 2)],
        F::proxy_get_status => &[R(0), R(1), R(2)],
        F::proxy_send_local_response => &[B(1, 2), B(3, 4), B(5, 6)],
        F::proxy_http_call => &[N(0, 1), B(2, 3), B(4, 5), B(6, 7), R(9)],
        F::proxy_grpc_call => &[N(0, 1), N(2, 3), N(4, 5), B(6, 7), B(8, 9), R(11)],
        F::proxy_grpc_stream => &[N(0, 1), N(2, 3), N(4, 5), B(6, 7), R(8)],
        F::proxy_get_shared_data => &[B(0, 1), R(2), R(3), R(4)],
        F::proxy_set_shared_data => &[B(0, 1), B(2, 3)],
        F::proxy_register_shared_queue => &[N(0, 1), R(2)],
        F::proxy_resolve_shared_queue => &[B(0, 1), N(2, 3), R(4)],
        F::proxy_define_metric => &[N(1, 2), R(3)],
        F::proxy_get_property => &[N(0, 1), R(2), R(3)],
        F::proxy_set_property => &[N(0, 1), B(2, 3)],
        // Its results may be null.
        F::proxy_call_foreign_function => &[N(0, 1), B(2, 3)],
        F::fd_write => &[R(3)],
        F::clock_time_get => &[R(2)],
        F::clock_res_get => &[R(1)],
        _ => &[],
    }
}
