//! Who delivers, and in which order: one thread at a time, so that an item is handed over once the one before it has been.
//!
//! Deliveries nest on the thread that delivers: a callback that runs the loop is served. Another thread leaves the
//! items to that one.
//!
//! # Nothing is left behind
//! The fd is readable exactly while there are items, since both change in one step. So whoever runs the loop is told of
//! what a delivery has left, and nothing depends on the one who took an item coming back for the next.
//!
//! Once the loop calls no more, the order is *unattended*: an item is delivered by the one who adds it, or by the deliverer that there is,
//! who finds it in the step in which it would stop being that.

use crate::contain::contained;
use crate::guarded::Guarded;
use osevent_core::ThreadId;
use std::collections::VecDeque;
use std::marker::PhantomData;

/// What tells the loop that there are items.
pub(crate) trait Readable {
    fn raise(&self);
    fn clear(&self);
}

pub(crate) struct Order<T, R> {
    items: VecDeque<T>,
    readable: R,
    deliverer: Option<Deliverer>,
    unattended: bool,
}

#[derive(Clone, Copy)]
struct Deliverer {
    thread: ThreadId,
    /// Its deliveries that are nested.
    depth: usize,
}

impl<T, R: Readable> Order<T, R> {
    pub(crate) fn new(readable: R) -> Self {
        Self { items: VecDeque::new(), readable, deliverer: None, unattended: false }
    }

    pub(crate) fn push(&mut self, item: T) {
        self.items.push_back(item);
        if self.items.len() == 1 {
            self.readable.raise();
        }
    }

    /// As `push`; true if whoever adds it has to deliver.
    pub(crate) fn hand_in(&mut self, item: T) -> bool {
        self.push(item);
        self.unattended
    }

    /// The loop calls no more; this is its last item, which the caller has to deliver.
    pub(crate) fn push_last(&mut self, item: T) {
        self.push(item);
        self.unattended = true;
    }

    pub(crate) fn is_deliverer(&self, thread: ThreadId) -> bool {
        self.deliverer.is_some_and(|deliverer| deliverer.thread == thread)
    }

    pub(crate) fn is_being_delivered(&self) -> bool {
        self.deliverer.is_some()
    }

    fn begin(&mut self, me: ThreadId) -> bool {
        let deliverer = self.deliverer.get_or_insert(Deliverer { thread: me, depth: 0 });
        let mine = deliverer.thread == me;
        deliverer.depth += usize::from(mine);
        mine
    }

    fn next(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        if self.items.is_empty() {
            self.readable.clear();
        }
        Some(item)
    }

    /// False if the caller has to go on, being the only one who would.
    fn end(&mut self) -> bool {
        let Some(deliverer) = &mut self.deliverer else { return true };
        if deliverer.depth > 1 {
            deliverer.depth -= 1;
            return true;
        }
        let over = !self.unattended || self.items.is_empty();
        if over {
            self.deliverer = None;
        }
        over
    }
}

/// Hands over as many as that, or all if the order is unattended. False if another thread delivers.
///
/// If `hand_over` unwinds, so does this, and leaves the rest to the loop, or hands it over first.
pub(crate) fn deliver<T, R: Readable>(
    order: &impl Guarded<Order<T, R>>,
    me: ThreadId,
    budget: usize,
    hand_over: &impl Fn(T),
) -> bool {
    if !order.with(|order| order.begin(me)) {
        return false;
    }
    let _delivery = Delivery { order, hand_over, items: PhantomData };
    for _ in 0..budget {
        let Some(item) = order.with(Order::next) else { break };
        hand_over(item);
    }
    true
}

struct Delivery<'a, G: Guarded<Order<T, R>>, F: Fn(T), T, R: Readable> {
    order: &'a G,
    hand_over: &'a F,
    items: PhantomData<fn(T, R)>,
}

impl<G: Guarded<Order<T, R>>, F: Fn(T), T, R: Readable> Drop for Delivery<'_, G, F, T, R> {
    fn drop(&mut self) {
        while !self.order.with(Order::end) {
            // While this unwinds, another panic must not leave here.
            contained(|| {
                while let Some(item) = self.order.with(Order::next) {
                    (self.hand_over)(item);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loom::sync::atomic::{AtomicBool, Ordering};
    use loom::sync::{Arc, Mutex};
    use loom::thread;
    use std::cell::{Cell, RefCell};
    use std::num::NonZeroU64;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    fn thread(number: u64) -> ThreadId {
        ThreadId(NonZeroU64::new(number).expect("not 0"))
    }

    impl Readable for Cell<bool> {
        fn raise(&self) {
            assert!(!self.replace(true), "raised twice");
        }

        fn clear(&self) {
            assert!(self.replace(false), "cleared twice");
        }
    }

    type Numbers = Order<u32, Cell<bool>>;

    fn numbers() -> std::sync::Mutex<Numbers> {
        std::sync::Mutex::new(Order::new(Cell::new(false)))
    }

    #[test]
    fn r9_the_fd_is_readable_while_an_item_is_left_whoever_takes_them() {
        let order = numbers();
        let is_readable = || order.with(|order| order.readable.get());
        order.with(|order| order.push(1));
        order.with(|order| order.push(2));
        let taken = RefCell::new(Vec::new());
        let take_one = || deliver(&order, thread(1), 1, &|item| taken.borrow_mut().push(item));
        assert!(take_one() && is_readable(), "a nested loop would sleep with an item left");
        assert!(take_one() && !is_readable(), "the loop would spin");
        assert!(take_one() && !is_readable());
        assert_eq!(taken.into_inner(), [1, 2]);
    }

    #[test]
    fn e2_a_nested_delivery_is_the_same_threads_and_nobody_elses() {
        let order = numbers();
        order.with(|order| order.push(1));
        order.with(|order| order.push(2));
        let taken = RefCell::new(Vec::new());
        deliver(&order, thread(1), 1, &|item| {
            taken.borrow_mut().push(item);
            assert!(!deliver(&order, thread(2), 1, &|_| unreachable!("two threads deliver")));
            assert!(deliver(&order, thread(1), 1, &|item| taken.borrow_mut().push(item)));
            assert!(order.with(|order| order.is_deliverer(thread(1))), "the outer delivery is not over");
            assert!(!deliver(&order, thread(2), 1, &|_| unreachable!("two threads deliver")));
        });
        assert!(!order.with(|order| order.is_being_delivered()));
        assert_eq!(taken.into_inner(), [1, 2]);
    }

    #[test]
    fn e2_a_panic_leaves_the_rest_to_the_loop_or_hands_it_over_where_there_is_none() {
        for unattended in [false, true] {
            let order = numbers();
            order.with(|order| order.push(1));
            order.with(|order| order.push(2));
            let taken = RefCell::new(Vec::new());
            let result = catch_unwind(AssertUnwindSafe(|| {
                deliver(&order, thread(1), 9, &|item| {
                    taken.borrow_mut().push(item);
                    if item == 1 && unattended {
                        order.with(|order| order.push_last(3));
                    }
                    assert_eq!(item, 3, "the application's panic");
                })
            }));
            assert!(result.is_err());
            assert!(!order.with(|order| order.is_being_delivered()), "nothing would be delivered any more");
            let expected: &[u32] = if unattended { &[1, 2, 3] } else { &[1] };
            assert_eq!(*taken.borrow(), expected);
            assert_eq!(order.with(|order| order.readable.get()), !unattended);
        }
    }

    /// Two threads dispatch the loop while a third adds items, the last among them, and one comes late.
    #[test]
    fn e2_each_item_is_handed_over_once_in_its_turn_and_by_one_thread_at_a_time() {
        loom::model(|| {
            let order = Arc::new(Mutex::new(Numbers::new(Cell::new(false))));
            let handed_over = Arc::new(Mutex::new(Vec::new()));
            let busy = Arc::new(AtomicBool::new(false));
            let hand_over = {
                let handed_over = handed_over.clone();
                move |item| {
                    assert!(!busy.swap(true, Ordering::Relaxed), "two threads deliver");
                    handed_over.with(|handed_over| handed_over.push(item));
                    busy.store(false, Ordering::Relaxed);
                }
            };
            order.with(|order| order.push(1));
            let dispatching = {
                let (order, hand_over) = (order.clone(), hand_over.clone());
                thread::spawn(move || _ = deliver(&*order, thread(2), 1, &hand_over))
            };
            order.with(|order| order.push(2));
            order.with(|order| order.push_last(3));
            deliver(&*order, thread(1), usize::MAX, &hand_over);
            if order.with(|order| order.hand_in(4)) {
                deliver(&*order, thread(1), usize::MAX, &hand_over);
            }
            dispatching.join().expect("it does not panic");
            assert_eq!(handed_over.with(|handed_over| handed_over.clone()), [1, 2, 3, 4]);
            assert!(!order.with(|order| order.is_being_delivered() || order.readable.get()));
        });
    }
}
