//! The processors that an execution environment may use.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// Memory that stands for one whole processor on Lambda, in MB: "At 1,769 MB, a function has the
/// equivalent of one vCPU" (Lambda developer guide, "Configure Lambda function memory").
const MB_PER_PROCESSOR: u32 = 1769;

/// The processors of this machine, given to execution environments in turn.
///
/// A function gets as many as its memory stands for on Lambda, one at least: what it computes takes
/// about as long as there or less, and its threads don't wake each other across processors.
#[derive(Debug)]
pub struct Processors {
    numbers: Vec<usize>,
    next: usize,
}

impl Processors {
    /// Those that the calling thread may use; none when the system doesn't tell.
    pub fn of_this_thread() -> Self {
        let allowed = sched_getaffinity(Pid::from_raw(0)).ok();
        let numbers = allowed.map_or_else(Vec::new, |set| {
            (0..CpuSet::count()).filter(|number| set.is_set(*number) == Ok(true)).collect()
        });
        Self { numbers, next: 0 }
    }

    /// Puts the calling thread on the processors of the next environment. Where the system refuses
    /// that, it stays where it is.
    pub fn give(&mut self, memory_mb: u32) {
        let wanted = usize::try_from(memory_mb.div_ceil(MB_PER_PROCESSOR)).unwrap_or(1).max(1);
        let all = self.numbers.len();
        if all < 2 {
            return;
        }
        let mut set = CpuSet::new();
        for step in 0..wanted.min(all) {
            let number = self.numbers[(self.next + step) % all];
            if set.set(number).is_err() {
                return;
            }
        }
        self.next = (self.next + wanted) % all;
        let _ = sched_setaffinity(Pid::from_raw(0), &set);
    }
}
