//! Curves as pictures.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use crate::Result;
use crate::report::Series;
use crate::rows::{Curve, Row};

const SIZE: (u32, u32) = (720, 440);
/// Ours stands out; the others in the order of the tables.
const COLOURS: [RGBColor; 4] =
    [RGBColor(200, 30, 60), RGBColor(40, 90, 170), RGBColor(60, 140, 80), RGBColor(120, 120, 120)];

/// Draws the medians of every client, as far as it came.
pub(crate) fn draw(path: &Path, row: &dyn Row, curve: &Curve, series: &[Series]) -> Result {
    let line = |series: &Series| -> Option<Vec<(f64, f64)>> {
        let points = curve.of.iter().enumerate();
        let points: Vec<_> =
            points.filter_map(|(n, &x)| Some((x as f64, series.median(n)?.max(1e-6)))).collect();
        (!points.is_empty()).then_some(points)
    };
    let lines: Vec<_> = series.iter().filter_map(|series| Some((series.peer, line(series)?))).collect();
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let costs = || lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let x = bounds(curve.of.iter().map(|&n| n as f64));
    let mut chart = ChartBuilder::on(&area)
        .margin(16)
        .caption(row.name(), ("sans-serif", 20))
        .x_label_area_size(42)
        .y_label_area_size(64)
        .build_cartesian_2d(x.log_scale(), around(bounds(costs())).log_scale())?;
    chart.configure_mesh().x_desc(curve.grows).y_desc(curve.cost).light_line_style(WHITE).draw()?;
    for ((peer, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let drawn = chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
        drawn.label(*peer).legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(area.present()?)
}

fn bounds(numbers: impl Iterator<Item = f64>) -> Range<f64> {
    numbers.fold(f64::MAX..f64::MIN_POSITIVE, |range, n| range.start.min(n)..range.end.max(n))
}

/// Some room above and below.
fn around(range: Range<f64>) -> Range<f64> {
    if range.start > range.end { 0.1..1.0 } else { range.start / 2.0..range.end * 2.0 }
}
