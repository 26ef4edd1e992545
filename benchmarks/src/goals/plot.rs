//! A plot of the goals: how far each figure is from what is wanted, on a logarithmic axis.

use super::row::Measured;
use anyhow::Context;
use plotters::prelude::*;
use std::fs;
use std::path::Path;

const WIDTH: u32 = 900;
const ROW: u32 = 18;
/// For the words of a row.
const WORDS: u32 = 480;
const AXIS: u32 = 56;

/// Draws those that have a goal and a spread; nothing without one.
pub(super) fn write(path: &Path, results: &[Measured]) -> anyhow::Result<()> {
    let rows: Vec<_> = results.iter().filter_map(Measured::parts_of_goal).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let mut svg = String::new();
    draw(&mut svg, &rows).context("cannot draw the goals")?;
    fs::write(path, svg + "\n").with_context(|| format!("cannot write {}", path.display()))
}

/// A row, and its figure and spread as parts of its goal: 1 is the goal, and less is better.
pub(super) type Parts = (String, [f64; 3]);

fn draw(svg: &mut String, rows: &[Parts]) -> anyhow::Result<()> {
    let all = || rows.iter().flat_map(|(_, parts)| parts).copied();
    let (least, most) = (all().fold(1.0, f64::min) / 1.3, all().fold(1.0, f64::max) * 1.3);
    let count = rows.len() as i32;
    let area = SVGBackend::with_string(svg, (WIDTH, AXIS + ROW * (rows.len() as u32 + 1))).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin_right(16)
        .margin_top(8)
        .x_label_area_size(AXIS - 8)
        .y_label_area_size(WORDS)
        .build_cartesian_2d((least..most).log_scale(), (0..count).into_segmented())?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_desc("part of the goal: 1 is the goal, less is better")
        .y_labels(rows.len())
        // The first row is on top.
        .y_label_formatter(&|at| match at {
            SegmentValue::CenterOf(at) | SegmentValue::Exact(at) => {
                rows.get((count - 1 - at) as usize).map_or_else(String::new, |(what, _)| what.clone())
            }
            SegmentValue::Last => String::new(),
        })
        .light_line_style(WHITE)
        .draw()?;
    let goal = [(1.0, SegmentValue::Exact(0)), (1.0, SegmentValue::Last)];
    chart.draw_series([PathElement::new(goal, BLACK)])?;
    for (at, (_, [figure, low, high])) in rows.iter().enumerate() {
        let height = SegmentValue::CenterOf(count - 1 - at as i32);
        let colour = if *figure <= 1.0 { GREEN_OF_MET } else { RED_OF_MISSED };
        let ends = [(*low, height.clone()), (*high, height.clone())];
        chart.draw_series([PathElement::new(ends, colour.stroke_width(2))])?;
        chart.draw_series([Circle::new((*figure, height), 4, colour.filled())])?;
    }
    area.present()?;
    Ok(())
}

const GREEN_OF_MET: RGBColor = RGBColor(38, 128, 60);
const RED_OF_MISSED: RGBColor = RGBColor(192, 28, 40);
