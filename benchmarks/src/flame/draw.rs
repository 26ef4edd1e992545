//! Draws stacks that were counted: each frame as wide as its share, above the one that called it.

use super::Stacks;
use plotters::prelude::*;

const WIDTH: i32 = 1200;
const ROW: i32 = 18;
/// Of a letter, about.
const LETTER: f64 = 6.2;
/// Percent: what is narrower is left out, with all that is above it.
const LEAST: f64 = 0.2;

pub(super) fn svg(stacks: &Stacks) -> anyhow::Result<String> {
    let depth = stacks.keys().map(Vec::len).max().unwrap_or(0) as i32;
    let height = ROW * (depth + 2);
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let all: Vec<_> = stacks.iter().map(|(stack, count)| (stack.as_slice(), *count)).collect();
    let total: u32 = all.iter().map(|(_, count)| count).sum();
    for frame in frames(&all, 0, 0) {
        let percent = 100.0 * f64::from(frame.count) / f64::from(total);
        if percent < LEAST {
            continue;
        }
        let across = |count: u32| (f64::from(count) / f64::from(total) * f64::from(WIDTH)) as i32;
        let (left, right) = (across(frame.begin), across(frame.begin + frame.count));
        let bottom = height - ROW * frame.level;
        let shade = HSLColor(0.07 + 0.015 * f64::from(frame.level % 4), 0.85, 0.68);
        area.draw(&Rectangle::new([(left, bottom - ROW), (right - 1, bottom - 1)], shade.filled()))?;
        let words = format!("{} {percent:.1} %", frame.name);
        let room = (f64::from(right - left - 4) / LETTER).max(0.0) as usize;
        let shown =
            if words.len() <= room { &words } else { frame.name.get(..room.min(frame.name.len())).unwrap_or("") };
        if room >= 3 {
            area.draw(&Text::new(shown.to_owned(), (left + 2, bottom - ROW + 3), ("monospace", 10)))?;
        }
    }
    area.present()?;
    drop(area);
    Ok(svg + "\n")
}

/// One function of a stack, or of several.
#[derive(Debug, PartialEq, Eq)]
struct Frame<'a> {
    name: &'a str,
    level: i32,
    /// How many samples are to the left of it.
    begin: u32,
    count: u32,
}

/// Those of `stacks`, which are in order and the same up to `level`.
fn frames<'a>(stacks: &[(&'a [String], u32)], level: usize, begin: u32) -> Vec<Frame<'a>> {
    let (mut all, mut begin) = (vec![], begin);
    for same in stacks.chunk_by(|(one, _), (other, _)| one.get(level) == other.get(level)) {
        let count = same.iter().map(|(_, count)| count).sum();
        if let Some(name) = same[0].0.get(level) {
            all.push(Frame { name, level: level as i32, begin, count });
            all.extend(frames(same, level + 1, begin));
        }
        begin += count;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_stacks_begin_with_is_one_frame_as_wide_as_all_of_them() {
        let stacks = [("create", 1), ("create;libxl;read", 2), ("create;libxl;write", 3), ("destroy;libxl", 4)];
        let stacks: Stacks =
            stacks.into_iter().map(|(stack, count)| (stack.split(';').map(str::to_owned).collect(), count)).collect();
        let all: Vec<_> = stacks.iter().map(|(stack, count)| (stack.as_slice(), *count)).collect();
        let frame = |name, level, begin, count| Frame { name, level, begin, count };
        assert_eq!(
            frames(&all, 0, 0),
            [
                frame("create", 0, 0, 6),
                frame("libxl", 1, 1, 5),
                frame("read", 2, 1, 2),
                frame("write", 2, 3, 3),
                frame("destroy", 0, 6, 4),
                frame("libxl", 1, 6, 4),
            ]
        );
        let svg = svg(&stacks).unwrap();
        // The ground, and the frames.
        assert_eq!(svg.matches("<rect").count(), 1 + 6, "{svg}");
        assert!(svg.contains("destroy 40.0 %"), "{svg}");
    }
}
