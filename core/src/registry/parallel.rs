//! Several blobs at a time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{Builder, scope};

use super::error::RegistryError;
use super::exchange::Tell;
use crate::event::Event;

/// What is done with one of several things.
pub(super) type Work<'w, T> = &'w (dyn Fn(&T, &mut Tell<'_>) -> Result<(), RegistryError> + Sync);

/// Does `work` with each of `items`, by as many threads as there are `jobs`, begun in order. The
/// first error ends the others.
///
/// Where there are no threads, as in a browser, it is all done here.
pub(super) fn each<T: Sync>(
    jobs: usize,
    items: &[T],
    tell: &mut Tell<'_>,
    work: Work<'_, T>,
) -> Result<(), RegistryError> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failed = Mutex::new(None);
    let worker = |events: &Sender<Event>| {
        let mut on = |event| {
            // The one who listens outlives all who speak.
            let _ = events.send(event);
        };
        let mut tell = Tell {
            live: Some(events.clone()),
            stop: Some(&stop),
            ..Tell::new(&mut on)
        };
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = work(item, &mut tell) {
                stop.store(true, Ordering::Relaxed);
                let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
                return;
            }
        }
    };
    let started = scope(|scope| {
        let (events, heard) = channel();
        let started = (0..jobs.min(items.len()))
            .take_while(|_| {
                let (events, worker) = (events.clone(), &worker);
                let thread = Builder::new().spawn_scoped(scope, move || worker(&events));
                thread.is_ok()
            })
            .count();
        drop(events);
        for event in heard {
            tell.say(event);
        }
        started
    });
    if started == 0 {
        return items.iter().try_for_each(|item| work(item, tell));
    }
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ignore;

    #[test]
    fn everything_is_done_once_and_the_first_error_is_told() {
        for jobs in [0, 1, 3, 100] {
            let items: Vec<usize> = (0..20).collect();
            let done = Mutex::new(Vec::new());
            let mut on = ignore;
            each(jobs, &items, &mut Tell::new(&mut on), &|item, _| {
                done.lock().unwrap().push(*item);
                Ok(())
            })
            .unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, items);

            let error = each(jobs, &items, &mut Tell::new(&mut on), &|item, tell| {
                tell.go_on()?;
                match item {
                    7 => Err(RegistryError::Unsupported {
                        what: "7".into(),
                        why: "it is 7".into(),
                    }),
                    _ => Ok(()),
                }
            });
            assert!(matches!(error, Err(RegistryError::Unsupported { .. })));
        }
    }
}
