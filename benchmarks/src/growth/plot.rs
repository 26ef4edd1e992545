//! A plot of a subject: points as measured, and the line through each series, on logarithmic axes.

use super::Subject;
use super::fit::Line;
use anyhow::Context;
use plotters::prelude::*;
use std::fs;
use std::path::Path;

const SIZE: (u32, u32) = (760, 440);
const STEPS: u32 = 60;

pub(super) fn write(path: &Path, subject: &Subject) -> anyhow::Result<()> {
    let mut svg = String::new();
    draw(&mut svg, subject).with_context(|| format!("cannot draw {}", subject.name))?;
    fs::write(path, svg + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn draw(svg: &mut String, subject: &Subject) -> anyhow::Result<()> {
    let points = || subject.series.iter().flat_map(|series| &series.points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let (least, most) =
            points().map(of).fold((f64::MAX, f64::MIN), |(least, most), at| (least.min(at), most.max(at)));
        (least / 1.3)..(most * 1.3)
    };
    let (across, up) = (range(|(x, _)| *x), range(|(_, y)| *y));
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(76)
        .build_cartesian_2d(across.clone().log_scale(), up.log_scale())?;
    chart.configure_mesh().x_desc(&subject.of).y_desc(&subject.cost).light_line_style(WHITE).draw()?;
    for (at, series) in subject.series.iter().enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        let line = Line::through(&series.points);
        let (first, last) = (series.points.first().context("a point")?.0, series.points.last().context("a point")?.0);
        let steps = (0..=STEPS).map(|step| first * (last / first).powf(f64::from(step) / f64::from(STEPS)));
        let curve = steps.map(|x| (x, line.at(x))).filter(|(_, y)| *y > 0.0);
        chart
            .draw_series(LineSeries::new(curve, colour))?
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(series.points.iter().map(|at| Circle::new(*at, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}
