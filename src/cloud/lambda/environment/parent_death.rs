//! Children that end with the thread that spawned them: the one place that needs `unsafe`.

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};
use tokio::process::Command;

/// Makes the kernel send SIGKILL to the child when the thread that spawns it ends, in whatever way.
#[allow(unsafe_code)]
pub fn die_with_parent(command: &mut Command) {
    let parent = Pid::this();
    let prepare = move || {
        set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died between fork and here: then no signal would ever come.
        if getppid() == parent {
            Ok(())
        } else {
            Err(std::io::Error::from_raw_os_error(nix::libc::ESRCH))
        }
    };
    // SAFETY: the closure runs between fork and exec, where only async-signal-safe calls are
    // allowed. It makes two system calls, `prctl` and `getppid`, and neither allocates nor locks;
    // an error made from a raw OS code doesn't allocate either.
    unsafe {
        command.pre_exec(prepare);
    }
}
