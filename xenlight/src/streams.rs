//! The streams of one kind that are listened to, and what each has not taken yet.
//!
//! Whoever adds something gets the wakers, to wake with no lock held.

use crate::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

pub(crate) struct Streams<T> {
    listening: Vec<Weak<Mutex<Buffer<T>>>>,
    ended: bool,
}

pub(crate) struct Buffer<T> {
    items: VecDeque<T>,
    ended: bool,
    waker: Option<Waker>,
}

impl<T> Default for Streams<T> {
    fn default() -> Self {
        Self { listening: Vec::new(), ended: false }
    }
}

impl<T> Streams<T> {
    /// One more, which has all that is added from now on.
    pub(crate) fn listen(&mut self) -> Arc<Mutex<Buffer<T>>> {
        self.forget_dropped();
        let buffer = Buffer { ended: self.ended, ..Buffer::default() };
        let buffer = Arc::new(Mutex::new(buffer));
        if !self.ended {
            self.listening.push(Arc::downgrade(&buffer));
        }
        buffer
    }

    /// Whether nobody listens.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.forget_dropped();
        self.listening.is_empty()
    }

    /// Nothing is added any more.
    pub(crate) fn end(&mut self) -> Vec<Waker> {
        self.ended = true;
        let wakers = self.each(|buffer| buffer.ended = true);
        self.listening.clear();
        wakers
    }

    fn forget_dropped(&mut self) {
        self.listening.retain(|stream| stream.strong_count() > 0);
    }

    fn each(&self, change: impl Fn(&mut Buffer<T>)) -> Vec<Waker> {
        let streams = self.listening.iter().filter_map(Weak::upgrade);
        let wakers = streams.filter_map(|stream| {
            let mut buffer = lock(&stream);
            change(&mut buffer);
            buffer.waker.take()
        });
        wakers.collect()
    }
}

impl<T: Clone> Streams<T> {
    pub(crate) fn add(&self, items: &[T]) -> Vec<Waker> {
        if items.is_empty() {
            return Vec::new();
        }
        self.each(|buffer| buffer.items.extend(items.iter().cloned()))
    }
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), ended: false, waker: None }
    }
}

impl<T> Buffer<T> {
    /// The latest that has not been taken.
    pub(crate) fn last_mut(&mut self) -> Option<&mut T> {
        self.items.back_mut()
    }

    /// Who waits for what was added.
    #[must_use]
    pub(crate) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take()
    }

    /// Nothing is added any more. Returns who waits.
    #[must_use]
    pub(crate) fn end(&mut self) -> Option<Waker> {
        self.ended = true;
        self.waker.take()
    }

    /// Of a stream that nobody has polled.
    pub(crate) fn add(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// How many have not been taken.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

/// As `poll_next`.
pub(crate) fn poll<T>(buffer: &Mutex<Buffer<T>>, context: &Context<'_>) -> Poll<Option<T>> {
    // The application's code, as its drop: not under the lock.
    let waker = context.waker().clone();
    let _replaced;
    let mut buffer = lock(buffer);
    if let Some(item) = buffer.items.pop_front() {
        return Poll::Ready(Some(item));
    }
    if buffer.ended {
        return Poll::Ready(None);
    }
    _replaced = buffer.waker.replace(waker);
    Poll::Pending
}
