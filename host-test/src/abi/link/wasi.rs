//! WASI preview 1, under both of its names.

use wasmtime::{Caller, Linker};

use crate::abi::{Call, answer, host_call, wasi};
use crate::functions::Function;
use crate::profile::Profile;
use crate::state::VmState;
use crate::status::Status;

/// Links everything that Envoy 1.40 has of WASI, with Envoy's types.
macro_rules! wasi_functions {
    ($linker:expr, $module:literal, $profile:expr) => {
        functions! { $linker, $module;
            fd_write(descriptor: u32, vectors: u32, count: u32, written: u32) =
                |call| wasi::fd_write(call, descriptor, vectors, count, written);
            fd_pwrite(descriptor: u32, vectors: u32, count: u32, offset: u64, written: u32) =
                |call| wasi::fd_write(call, descriptor, vectors, count, written);
            fd_fdstat_get(descriptor: u32, result: u32) = |call| wasi::fd_fdstat_get(call, descriptor, result);
            fd_tell(descriptor: u32, result: u32) = |call| wasi::fd_tell(call, descriptor, result);
            fd_readdir(descriptor: u32, buffer: u32, length: u32, cookie: u64, used: u32) =
                |call| wasi::fd_readdir(call, used);
            path_readlink(descriptor: u32, path: u32, path_len: u32, buffer: u32, length: u32, used: u32) =
                |call| wasi::nothing_at(call, &[(used, 4)]);
            sock_accept(descriptor: u32, flags: u32, result: u32) = |call| wasi::nothing_at(call, &[(result, 8)]);
            sock_recv(descriptor: u32, vectors: u32, count: u32, flags: u32, read: u32, result: u32) =
                |call| wasi::nothing_at(call, &[(read, 4), (result, 2)]);
            sock_send(descriptor: u32, vectors: u32, count: u32, flags: u32, written: u32) =
                |call| wasi::nothing_at(call, &[(written, 4)]);
            poll_oneoff(subscriptions: u32, events: u32, count: u32, result: u32) =
                |call| wasi::poll_oneoff(call, result);
            clock_time_get(clock: u32, precision: u64, result: u32) = |call| wasi::clock_time_get(call, clock, result);
            clock_res_get(clock: u32, result: u32) = |call| wasi::clock_res_get(call, clock, result);
            random_get(start: u32, length: u32) = |call| wasi::random_get(call, start, length);
            environ_sizes_get(count: u32, size: u32) = |call| wasi::environ_sizes_get(call, count, size);
            environ_get(pointers: u32, buffer: u32) = |call| wasi::environ_get(call, pointers, buffer);
            args_sizes_get(count: u32, size: u32) = |call| wasi::args_sizes_get(call, count, size);
            args_get(pointers: u32, buffer: u32) = |call| Ok(());
            fd_read(a: u32, b: u32, c: u32, d: u32) = |call| wasi::fixed(call, Function::fd_read, 0);
            fd_seek(a: u32, b: u64, c: u32, d: u32) = |call| wasi::fixed(call, Function::fd_seek, a);
            fd_close(a: u32) = |call| wasi::fixed(call, Function::fd_close, a);
            fd_fdstat_set_flags(a: u32, b: u32) = |call| wasi::fixed(call, Function::fd_fdstat_set_flags, a);
            fd_fdstat_set_rights(a: u32, b: u64, c: u64) = |call| wasi::fixed(call, Function::fd_fdstat_set_rights, a);
            fd_advise(a: u32, b: u64, c: u64, d: u32) = |call| wasi::fixed(call, Function::fd_advise, a);
            fd_allocate(a: u32, b: u64, c: u64) = |call| wasi::fixed(call, Function::fd_allocate, a);
            fd_datasync(a: u32) = |call| wasi::fixed(call, Function::fd_datasync, a);
            fd_filestat_get(a: u32, b: u32) = |call| wasi::fixed(call, Function::fd_filestat_get, a);
            fd_filestat_set_size(a: u32, b: u64) = |call| wasi::fixed(call, Function::fd_filestat_set_size, a);
            fd_filestat_set_times(a: u32, b: u64, c: u64, d: u32) = |call| wasi::fixed(call, Function::fd_filestat_set_times, a);
            fd_pread(a: u32, b: u32, c: u32, d: u64, e: u32) = |call| wasi::fixed(call, Function::fd_pread, a);
            fd_renumber(from: u32, to: u32) = |call| wasi::fd_renumber(from, to);
            fd_sync(a: u32) = |call| wasi::fixed(call, Function::fd_sync, a);
            fd_prestat_get(a: u32, b: u32) = |call| wasi::fixed(call, Function::fd_prestat_get, a);
            fd_prestat_dir_name(a: u32, b: u32, c: u32) = |call| wasi::fixed(call, Function::fd_prestat_dir_name, a);
            path_open(a: u32, b: u32, c: u32, d: u32, e: u32, f: u64, g: u64, h: u32, i: u32) = |call| wasi::fixed(call, Function::path_open, 0);
            path_create_directory(a: u32, b: u32, c: u32) = |call| wasi::fixed(call, Function::path_create_directory, 0);
            path_filestat_get(a: u32, b: u32, c: u32, d: u32, e: u32) = |call| wasi::fixed(call, Function::path_filestat_get, 0);
            path_filestat_set_times(a: u32, b: u32, c: u32, d: u32, e: u64, f: u64, g: u32) = |call| wasi::fixed(call, Function::path_filestat_set_times, 0);
            path_remove_directory(a: u32, b: u32, c: u32) = |call| wasi::fixed(call, Function::path_remove_directory, 0);
            path_rename(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32) = |call| wasi::fixed(call, Function::path_rename, 0);
            path_unlink_file(a: u32, b: u32, c: u32) = |call| wasi::fixed(call, Function::path_unlink_file, 0);
            sock_shutdown(a: u32, b: u32) = |call| wasi::fixed(call, Function::sock_shutdown, 0);
            sched_yield() = |call| wasi::fixed(call, Function::sched_yield, 0);
        }
        $linker.func_wrap($module, "proc_exit", |caller: Caller<'_, VmState>, code: u32| {
            host_call(caller, $module, Function::proc_exit, &[u64::from(code)], |call| {
                wasi::proc_exit(call);
                answer(Status::Ok)
            })
            .map(|_| ())
        })?;
        if $profile.has_envoys_links() {
            functions! { $linker, $module;
                path_link(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32) = |call| wasi::fixed(call, Function::path_link, 0);
                path_symlink(a: u32, b: u32, c: u32, d: u32) = |call| wasi::fixed(call, Function::path_symlink, 0);
            }
        } else {
            functions! { $linker, $module;
                path_link(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32) =
                    |call| wasi::fixed(call, Function::path_link, 0);
                path_symlink(a: u32, b: u32, c: u32, d: u32, e: u32) =
                    |call| wasi::fixed(call, Function::path_symlink, 0);
            }
        }
    };
}

pub(super) fn link(linker: &mut Linker<VmState>, profile: Profile) -> wasmtime::Result<()> {
    link_preview1(linker, profile)?;
    link_unstable(linker, profile)
}

fn link_preview1(linker: &mut Linker<VmState>, profile: Profile) -> wasmtime::Result<()> {
    wasi_functions!(linker, "wasi_snapshot_preview1", profile);
    Ok(())
}

fn link_unstable(linker: &mut Linker<VmState>, profile: Profile) -> wasmtime::Result<()> {
    wasi_functions!(linker, "wasi_unstable", profile);
    Ok(())
}
