use super::*;
use crate::progress::Reports;
use std::sync::Barrier;

/// Of a ctx that is open.
fn hearing() -> Hearing {
    let hearing = Hearing::default();
    hearing.opened();
    hearing
}

fn texts(listener: &Listener) -> Vec<String> {
    listener.words().iter().map(|line| line.text.clone()).collect()
}

fn at_work(hearing: &Hearing, domid: Option<u32>) -> Arc<Listener> {
    let operation = Listener::new(domid.map(DomainId::new));
    hearing.begins(&operation);
    operation
}

#[test]
fn e12_a_message_is_taken_apart() {
    let line = |context, message| super::line(context, message);
    let one = line("libxl", "libxl_device.c:1337:device_callback: Domain 5:no: bridge: No such file (os error 2)");
    assert_eq!((one.text.as_str(), one.domid), ("no: bridge: No such file", Some(DomainId::new(5))));
    let old = line("libxl", "libxl_dm.c:9:f: script: gone");
    assert_eq!((old.text.as_str(), old.domid), ("script: gone", None));
    assert_eq!(line("xc", "panic: xg_dom.c:12: no loader").text, "xc: panic: xg_dom.c:12: no loader");
    assert_eq!(line("", "Domain x: Domain 6:").domid, None);
    assert_eq!(line("libxl", "a\u{1b}[2J\nb").text, "a [2J b");
}

#[test]
fn e12_what_a_domain_says_is_cut_at_a_character_and_the_middle_of_much_is_left_out() {
    let listener = Listener::new(None);
    for at in 0..40 {
        listener.hear(line("libxl", &format!("{at} {}", "ü".repeat(1000))));
    }
    let words = listener.words();
    assert_eq!(words.len(), 2 * KEPT);
    assert!(words.iter().all(|line| line.text.len() <= LONGEST));
    assert!(words[KEPT - 1].text.starts_with("7 ") && words[KEPT].text.starts_with("32 "));
    let shown = words.to_string();
    assert!(shown.len() < 600 && shown.contains("; (and 13 more) 39 "), "{shown}");
}

#[test]
fn e12_threads_at_work_on_one_ctx_hear_their_own_words_only() {
    let hearing = hearing();
    let turn = Barrier::new(2);
    let listeners = [5, 7].map(|domid| at_work(&hearing, Some(domid)));
    std::thread::scope(|scope| {
        for listener in &listeners {
            let (hearing, turn) = (&hearing, &turn);
            scope.spawn(move || {
                let _attending = hearing.attend(Some(listener.clone()));
                for step in 0..4 {
                    // Both are inside libxl now.
                    turn.wait();
                    hearing.hear("libxl", &format!("libxl.c:1:f: {step} of {:?}", listener.domid));
                    turn.wait();
                }
            });
        }
    });
    for listener in &listeners {
        let own: Vec<_> = (0..4).map(|step| format!("{step} of {:?}", listener.domid)).collect();
        assert_eq!(texts(listener), own);
    }
}

#[test]
fn e12_an_occurrence_is_for_whom_it_was_registered_and_so_is_what_it_registers() {
    let hearing = hearing();
    let (five, seven) = (at_work(&hearing, Some(5)), at_work(&hearing, None));
    for (value, owner) in [(1, &five), (2, &seven)] {
        let _attending = hearing.attend(Some(owner.clone()));
        hearing.registers(value, None);
    }
    for (value, said) in [(1, "five's"), (2, "seven's")] {
        let _attending = hearing.attend(hearing.owner(value));
        hearing.registers(value + 10, None);
        hearing.hear("xc", said);
    }
    {
        let _attending = hearing.attend(hearing.owner(12));
        hearing.hear("xc", "seven's, later");
    }
    assert_eq!(texts(&five), ["xc: five's"]);
    assert_eq!(texts(&seven), ["xc: seven's", "xc: seven's, later"]);
    // A value that comes again is its last owner's.
    {
        let _attending = hearing.attend(Some(five.clone()));
        hearing.registers(2, None);
    }
    assert!(Arc::ptr_eq(&hearing.owner(2).expect("it is registered"), &five));
    hearing.ended(&five);
    assert!(hearing.owner(1).is_none() && hearing.owner(2).is_none(), "what has ended is kept");
}

#[test]
fn e12_xenstores_fd_is_nobodys_until_libxl_says_which_watch_it_is_for() {
    const XENSTORE: RawFd = 1000;
    let hearing = Hearing::default();
    {
        let _opening = hearing.attend(Some(Listener::new(None)));
        hearing.registers(1, Some(XENSTORE));
    }
    hearing.opened();
    let (five, seven) = (at_work(&hearing, Some(5)), at_work(&hearing, Some(7)));
    for (watch, owner) in [("0x5a0", &five), ("0x7a0", &seven)] {
        let _attending = hearing.attend(Some(owner.clone()));
        hearing.registers(1, Some(XENSTORE));
        let set = format!("libxl_event.c:8:f: watch w={watch} wpath=/x token=3/1: register slotnum=3");
        hearing.note(&set);
    }
    let _occurrence = hearing.attend(hearing.owner(1));
    hearing.hear("libxl", "nobody's");
    for (watch, said) in [("0x7a0", "seven's"), ("0x5a0", "five's"), ("0x9a0", "nobody's")] {
        hearing.note(&format!("libxl_event.c:8:f: watch w={watch} wpath=/x token=3/1: event epath=/x/y"));
        hearing.hear("libxl", said);
    }
    assert_eq!(texts(&five), ["five's"]);
    assert_eq!(texts(&seven), ["seven's"]);
}

#[test]
fn e12_notes_are_needed_as_long_as_a_watch_in_xenstore_is_somebodys() {
    let hearing = hearing();
    let says = |what| hearing.note(&format!("libxl_event.c:8:f: watch w=0x5a0 wpath=/x token=3/1: {what}"));
    let sets = |owner: &Arc<Listener>| {
        let _attending = hearing.attend(Some(owner.clone()));
        assert!(hearing.needs_notes(), "of a call with an owner");
        says("register slotnum=3");
    };
    let occurs = || {
        let _occurrence = hearing.attend(None);
        says("event epath=/x/y");
        hearing.needs_notes()
    };
    assert!(!occurs());
    let five = at_work(&hearing, Some(5));
    assert!(!hearing.needs_notes(), "it watches nothing");
    sets(&five);
    assert!(hearing.needs_notes() && occurs());
    hearing.ended(&five);
    assert!(!hearing.needs_notes(), "it has ended");

    let call = Listener::new(Some(DomainId::new(5)));
    sets(&call);
    drop(call);
    assert!(!occurs(), "whose call has returned needs none");
}

#[test]
fn e12_a_device_is_nobodys() {
    use std::os::fd::AsRawFd;
    let (hearing, null) = (hearing(), std::fs::File::open("/dev/null").expect("every Unix has one"));
    let _attending = hearing.attend(Some(at_work(&hearing, Some(5))));
    hearing.registers(1, Some(null.as_raw_fd()));
    assert!(hearing.owner(1).is_none());
}

#[test]
fn e12_a_domain_that_is_named_counts_for_more_than_the_frame() {
    let hearing = hearing();
    let (five, seven, creation) = (at_work(&hearing, Some(5)), at_work(&hearing, Some(7)), at_work(&hearing, None));
    for owner in [&five, &creation] {
        let _attending = hearing.attend(Some(owner.clone()));
        hearing.hear("libxl", "libxl.c:1:f: Domain 7:seven's");
        hearing.hear("libxl", "libxl.c:1:f: Domain 9:the creation's");
    }
    hearing.hear("libxl", "libxl.c:1:f: Domain 5:five's");
    assert_eq!(texts(&five), ["five's"]);
    assert_eq!(texts(&seven), ["seven's"]);
    assert_eq!(texts(&creation), ["the creation's"]);
}

#[test]
fn e12_what_nobody_is_known_to_have_caused_is_said_to_be_uncertain_or_not_at_all() {
    let hearing = hearing();
    let five = at_work(&hearing, Some(5));
    hearing.hear("libxl", "who knows");
    assert!(!five.words()[0].certain);
    assert_eq!(five.words().to_string(), "perhaps of something else: who knows");
    let (seven, too) = (at_work(&hearing, Some(7)), at_work(&hearing, Some(7)));
    hearing.hear("libxl", "nobody's");
    assert_eq!((five.words().len(), seven.words().len()), (1, 0));
    hearing.hear("libxl", "libxl.c:1:f: Domain 7:one of the two's");
    assert!([seven, too].iter().all(|operation| !operation.words()[0].certain));
    assert_eq!(five.words().len(), 1);
}

#[test]
fn e12_calls_on_two_ctxs_can_nest() {
    let (outer, inner) = (hearing(), hearing());
    let (one, two) = (Listener::new(None), Listener::new(None));
    let _outer = outer.attend(Some(one.clone()));
    {
        let _inner = inner.attend(Some(two.clone()));
        outer.hear("libxl", "one");
        inner.hear("libxl", "two");
    }
    inner.hear("libxl", "nobody's");
    assert_eq!((texts(&one), texts(&two)), (vec!["one".to_owned()], vec!["two".to_owned()]));
}

#[test]
fn e12_what_a_hook_refuses_to_register_is_nobodys_r3() {
    let hearing = Hearing::default();
    // Refused while the ctx opens, the fd is not one that serves several.
    hearing.registers(1, Some(7));
    hearing.refused(1, Some(7));
    hearing.opened();
    let operation = at_work(&hearing, Some(5));
    let _attending = hearing.attend(Some(operation.clone()));
    hearing.registers(2, Some(7));
    assert!(hearing.owner(2).is_some_and(|owner| Arc::ptr_eq(&owner, &operation)));
    hearing.registers(3, None);
    hearing.refused(3, None);
    assert!(hearing.owner(3).is_none());
}

#[test]
fn e12_progress_is_told_to_the_operation_that_libxl_works_for_and_otherwise_to_none() {
    use futures_lite::{StreamExt, future};

    let hearing = hearing();
    let [five, seven] = [5, 7].map(|domid| at_work(&hearing, Some(domid)));
    let step = |percent| Progress::Step { what: "Frames".to_owned(), percent };
    assert!(hearing.progresses(step(1)).is_none());
    {
        let _attending = hearing.attend(Some(five.clone()));
        hearing.registers(100, None);
    }
    // The occurrence of what was registered for the first, on whatever thread.
    let _attending = hearing.attend(hearing.owner(100));
    assert!(hearing.progresses(step(2)).is_none());
    for (listener, expected) in [(five, vec![step(2)]), (seven, Vec::new())] {
        assert!(listener.reported.end().is_none());
        let told: Vec<_> = future::block_on(crate::Reports::of(Some(listener.reported.clone())).collect());
        assert_eq!(told, expected);
    }
}

#[test]
fn e12_a_request_to_suspend_is_known_of_the_operation_that_makes_it_until_it_is_taken_back() {
    let hearing = hearing();
    let (five, seven) = (at_work(&hearing, Some(5)), at_work(&hearing, Some(7)));
    let asks = |of: &Arc<Listener>| Reports::of(Some(of.reported.clone())).has_asked_to_suspend();
    let _attending = hearing.attend(Some(five.clone()));
    hearing.note("libxl_dom_suspend.c:196:f: Domain 5:issuing PVH/HVM suspend request via XenBus control node");
    assert!(asks(&five) && !asks(&seven));
    hearing.hear("libxl", "libxl_dom_suspend.c:263:f: Domain 5:guest didn't acknowledge suspend, cancelling request");
    assert!(!asks(&five));
}
