//! Reactors: one thread and one single-threaded runtime per core.
//!
//! Started and stopped by `broker`, which hands the handles to `listener` and may spawn its own tasks on them. A connection lives on one
//! reactor; so does everything it awaits that is not handed over by a channel.

use std::io;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// The running reactors. Dropping it stops them without waiting.
#[derive(Debug)]
pub struct Reactors {
    handles: Vec<Handle>,
    stops: Vec<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl Reactors {
    /// Starts `count` reactors, at least one.
    pub fn start(count: usize) -> io::Result<Self> {
        let mut reactors = Self { handles: Vec::new(), stops: Vec::new(), threads: Vec::new() };
        for index in 0..count.max(1) {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            reactors.handles.push(runtime.handle().clone());
            let (stop, stopped) = oneshot::channel();
            let thread = std::thread::Builder::new().name(format!("ottla-reactor-{index}"));
            // Sent or dropped, both mean stop. Tasks that still run are dropped with the runtime.
            reactors.threads.push(thread.spawn(move || {
                let _ = runtime.block_on(stopped);
            })?);
            reactors.stops.push(stop);
        }
        Ok(reactors)
    }

    /// One handle per reactor, to spawn tasks on.
    pub fn handles(&self) -> &[Handle] {
        &self.handles
    }

    /// Drops all tasks and waits for the threads. Blocks; must not be called on a reactor.
    pub fn stop(self) {
        drop(self.stops);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a reactor thread panicked");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_runs_on_the_thread_of_its_reactor_and_is_dropped_when_it_stops() {
        let reactors = Reactors::start(2).expect("two threads");
        let mut names = Vec::new();
        for handle in reactors.handles() {
            let (tell, told) = oneshot::channel();
            handle.spawn(async move { tell.send(std::thread::current().name().map(str::to_owned)) });
            names.push(told.blocking_recv().expect("the task ran"));
        }
        assert_eq!(names, [Some("ottla-reactor-0".to_owned()), Some("ottla-reactor-1".to_owned())]);

        let (held, released) = oneshot::channel::<()>();
        reactors.handles()[0].spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        reactors.stop();
        assert!(released.blocking_recv().is_err());
    }
}
