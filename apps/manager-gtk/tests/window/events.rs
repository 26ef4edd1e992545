//! What has happened, in its window.

use crate::hands::{Hands, Wheel};
use crate::looking::until;
use crate::manager::Manager;
use osevent_standin_machine::{Failure, Machine};

/// More than its window has room for.
const MANY: u32 = 60;

pub(crate) fn events() -> Result<(), Failure> {
    let machine = Machine::new()?;
    let manager = Manager::start(&machine, &[])?;
    let (reader, hands) = (&manager.reader, Hands::new(&manager.desktop.display)?);
    let come = |domids: std::ops::Range<u32>| domids.into_iter().try_for_each(|domid| machine.add_domain(domid));
    come(1..MANY)?;
    reader.wait("label", &format!("{MANY} domains"))?;
    reader.press("button", "Menu")?;
    reader.press("menu item", "Events")?;
    let list = reader.wait("list", "Events")?;
    let is_seen = |domid: u32| -> Result<bool, Failure> {
        let (list, row) = (reader.place(&list)?, reader.wait("list item", &format!("*pretend-{domid}: Running*"))?);
        let row = reader.place(&row)?;
        Ok(!row.is_empty() && list.start <= row.start && row.end <= list.end)
    };
    until(|| is_seen(MANY - 1).is_ok_and(|is_seen| is_seen))?;
    come(MANY..MANY + 5)?;
    until(|| is_seen(MANY + 4).is_ok_and(|is_seen| is_seen))?;

    let now = || reader.place(&reader.wait("list item", &format!("*pretend-{MANY}: Running*"))?);
    let before = now()?;
    hands.scroll(Wheel::Up)?;
    until(|| now().is_ok_and(|now| now.start > before.start))?;
    let before = now()?;
    machine.add_domain(MANY + 5)?;
    reader.wait("list item", &format!("*pretend-{}: Running*", MANY + 5))?;
    assert_eq!(now()?, before, "who looks at an earlier one still sees it");
    assert!(!is_seen(MANY + 5)?);
    Ok(())
}
