//! Where each piece of the bar is, and what a click on it means. In logical pixels.

use uuid::Uuid;

use crate::domain::{Action, Domain, State};

const GAP: f32 = 6.0;
const PADDING: f32 = 8.0;
/// The dot of a state, with the space behind it.
const DOT: f32 = 16.0;
/// A name is cut after this.
const LONGEST: f32 = 220.0;

/// What the user has done to the view of the domains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// How many domains are left out on the left.
    pub(crate) skipped: usize,
    /// The domain whose actions are shown.
    pub(crate) open: Option<Uuid>,
    /// The action that needs a second click, and had one.
    pub(crate) asked: Option<Action>,
}

/// What a click does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hit {
    /// Shows the actions of a domain, or hides them.
    Open(Uuid),
    Act(Uuid, Action),
    /// The failure has been read.
    Dismiss,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Domain(State),
    Action,
    Warning,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) x: f32,
    pub(crate) width: f32,
    /// Where the text begins, from `x` on.
    pub(crate) inset: f32,
    pub(crate) text: String,
    pub(crate) style: Style,
    pub(crate) hit: Option<Hit>,
}

impl Piece {
    pub(crate) fn contains(&self, x: f32) -> bool {
        (self.x..self.x + self.width).contains(&x)
    }
}

/// The pieces of a bar of this width, from left to right. `measure` is the width of a text.
pub(crate) fn pieces(
    domains: &[Domain],
    trouble: Option<&str>,
    view: &View,
    width: f32,
    mut measure: impl FnMut(&str) -> f32,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut end = width - PADDING;
    if let Some(trouble) = trouble {
        let room = (measure(trouble) + 2.0 * PADDING).min(width / 2.0);
        end -= room;
        let text = trouble.to_owned();
        let (style, hit) = (Style::Warning, Some(Hit::Dismiss));
        pieces.push(Piece { x: end, width: room, inset: PADDING, text, style, hit });
        end -= GAP;
    }
    let mut x = PADDING;
    let mut put = |x: &mut f32, text: String, inset: f32, style, hit, pieces: &mut Vec<Piece>| {
        let width = measure(&text).min(LONGEST) + inset + PADDING;
        if *x + width > end {
            return false;
        }
        pieces.push(Piece { x: *x, width, inset, text, style, hit });
        *x += width + GAP;
        true
    };
    let running = domains.iter().filter(|domain| domain.state == State::Running).count();
    put(&mut x, format!("Xen {running}/{}", domains.len()), PADDING, Style::Plain, None, &mut pieces);
    let skipped = view.skipped.min(domains.len().saturating_sub(1));
    if skipped > 0 {
        put(&mut x, format!("‹{skipped}"), PADDING, Style::Plain, None, &mut pieces);
    }
    for domain in &domains[skipped..] {
        let (style, hit) = (Style::Domain(domain.state), Hit::Open(domain.uuid));
        if !put(&mut x, domain.name.clone(), DOT, style, Some(hit), &mut pieces) {
            break;
        }
        if view.open != Some(domain.uuid) {
            continue;
        }
        for action in domain.actions() {
            let is_asked = view.asked == Some(*action);
            let (text, style) =
                if is_asked { (format!("{action}?"), Style::Warning) } else { (action.to_string(), Style::Action) };
            put(&mut x, text, PADDING, style, Some(Hit::Act(domain.uuid, *action)), &mut pieces);
        }
    }
    pieces
}

impl View {
    /// What the click asks to be done.
    pub(crate) fn click(&mut self, hit: Hit) -> Option<Hit> {
        match hit {
            Hit::Open(uuid) => {
                self.open = (self.open != Some(uuid)).then_some(uuid);
                self.asked = None;
                None
            }
            Hit::Act(_, action) if action.loses_data() && self.asked != Some(action) => {
                self.asked = Some(action);
                None
            }
            Hit::Act(..) => {
                *self = Self { skipped: self.skipped, ..Self::default() };
                Some(hit)
            }
            Hit::Dismiss => Some(hit),
        }
    }

    /// Moves by so many domains of so many.
    pub(crate) fn scroll(&mut self, by: isize, count: usize) {
        self.skipped = self.skipped.saturating_add_signed(by).min(count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use xenlight::DomainId;

    use super::*;

    fn domains(count: u32) -> Vec<Domain> {
        let domain = |number: u32| Domain {
            domid: DomainId::new(number),
            uuid: Uuid::from_u128(number.into()),
            name: format!("domain-{number}"),
            state: State::Running,
            memory_kib: 1024,
            vcpus: 1,
        };
        (1..=count).map(domain).collect()
    }

    fn lay(domains: &[Domain], trouble: Option<&str>, view: &View, width: f32) -> Vec<Piece> {
        pieces(domains, trouble, view, width, |text| text.chars().count() as f32 * 8.0)
    }

    #[test]
    fn pieces_neither_overlap_nor_leave_the_bar() {
        let view = View { skipped: 2, open: Some(Uuid::from_u128(4)), asked: Some(Action::Destroy) };
        for width in [0.0, 40.0, 300.0, 900.0, 1900.0] {
            let mut laid = lay(&domains(300), Some("the domain does not answer"), &view, width);
            laid.sort_by(|one, other| one.x.total_cmp(&other.x));
            for pair in laid.windows(2) {
                assert!(pair[0].x + pair[0].width <= pair[1].x, "{width}: {pair:?}");
            }
            assert!(laid.iter().all(|piece| piece.x + piece.width <= width), "{width}: {laid:?}");
        }
    }

    #[test]
    fn a_long_name_leaves_room_for_others() {
        let mut two = domains(2);
        two[0].name = "x".repeat(200);
        let names: Vec<String> = lay(&two, None, &View::default(), 800.0).into_iter().map(|piece| piece.text).collect();
        assert!(names.contains(&"domain-2".to_owned()), "{names:?}");
    }

    #[test]
    fn what_loses_data_needs_two_clicks_on_the_same_domain() {
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let mut view = View::default();
        assert_eq!(view.click(Hit::Open(one)), None);
        assert_eq!(view.click(Hit::Act(one, Action::Destroy)), None);
        assert_eq!(view.click(Hit::Open(other)), None);
        assert_eq!(view.click(Hit::Act(other, Action::Destroy)), None, "the first click was for another");
        assert_eq!(view.click(Hit::Act(other, Action::Destroy)), Some(Hit::Act(other, Action::Destroy)));
        assert_eq!(view, View::default());
    }

    #[test]
    fn a_harmless_action_needs_one_click() {
        let one = Uuid::from_u128(1);
        let mut view = View { open: Some(one), ..View::default() };
        assert_eq!(view.click(Hit::Act(one, Action::Pause)), Some(Hit::Act(one, Action::Pause)));
        assert_eq!(view.open, None);
    }

    #[test]
    fn scrolling_ends_at_both_ends() {
        let mut view = View::default();
        view.scroll(-3, 5);
        assert_eq!(view.skipped, 0);
        view.scroll(100, 5);
        assert_eq!(view.skipped, 4);
        view.scroll(1, 0);
        assert_eq!(view.skipped, 0);
    }
}
