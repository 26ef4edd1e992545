//! A straight line through measurements: a cost for the first one, and one for each further one.

/// `base + slope * x`.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) base: f64,
    pub(super) slope: f64,
}

impl Line {
    /// The one with the least sum of squares of relative distances, so that the small figures count as much as the large ones.
    /// With less than two different `x` it is level.
    pub(super) fn through(points: &[(f64, f64)]) -> Self {
        let sum = |of: fn(f64, f64) -> f64| points.iter().map(|(x, y)| of(*x, *y)).sum::<f64>();
        let (w, wx, wxx) = (sum(|_, y| 1.0 / (y * y)), sum(|x, y| x / (y * y)), sum(|x, y| x * x / (y * y)));
        let (wy, wxy) = (sum(|_, y| 1.0 / y), sum(|x, y| x / y));
        let determinant = w * wxx - wx * wx;
        if determinant <= f64::EPSILON * w * wxx {
            return Self { base: wy / w, slope: 0.0 };
        }
        Self { base: (wy * wxx - wxy * wx) / determinant, slope: (w * wxy - wx * wy) / determinant }
    }

    pub(super) fn at(&self, x: f64) -> f64 {
        self.base + self.slope * x
    }

    /// The greatest distance of a point from it, as a part of the point.
    pub(super) fn farthest(&self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|(x, y)| (self.at(*x) - y).abs() / y).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_points_on_a_line_is_that_line() {
        let points: Vec<_> = [1.0, 10.0, 100.0, 10_000.0].map(|x| (x, 1_400.0 + 0.5 * x)).into();
        let line = Line::through(&points);
        assert!((line.base - 1_400.0).abs() < 1e-6 && (line.slope - 0.5).abs() < 1e-9, "{line:?}");
        assert!(line.farthest(&points) < 1e-9);
    }

    #[test]
    fn a_point_beside_the_line_is_told_by_its_part() {
        let line = Line { base: 100.0, slope: 0.0 };
        assert!((line.farthest(&[(1.0, 100.0), (2.0, 80.0)]) - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_single_point_has_a_level_line() {
        let line = Line::through(&[(5.0, 7.0)]);
        assert!((line.at(1.0) - 7.0).abs() < 1e-9, "{line:?}");
    }
}
